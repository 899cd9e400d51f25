//! The archive of the configs for property tests.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::{member, name, prefix, principals};
use crate::config::{
    AccessLogging, Archive, Lifecycle, MfaDelete, MinimumTransitionSize, Notification, ObjectLock,
    ObjectLockMode, Organization, Replication, ReplicationStorageClass, StorageClass, Tier,
    TlsFloor,
};
use crate::names::{Arn, KeyAlias, Partition, Region};

/// A bucket and its guards in the home Region of the organization.
pub(super) fn archive(organization: &Organization) -> impl Strategy<Value = Archive> + use<> {
    let home = organization.home_region.clone();
    let log_archive = organization.log_archive_account.clone();
    let partition = Partition::of(&home);
    let lock = (select(ObjectLockMode::ALL), 1..3000_u32)
        .prop_map(|(mode, days)| ObjectLock { mode, days });
    let access_logging = (any::<bool>(), prefix(), 1..4000_u32);
    let vault = (member(), name("[a-z]{1,10}"), select(ReplicationStorageClass::ALL));
    let notification = notification(partition, home.clone());
    let basics = (
        "[a-z][a-z0-9]{2,30}",
        prefix(),
        // Beyond the lock.
        0..3000_u32,
        select(MfaDelete::ALL),
        60..=129_600_u32,
        select(TlsFloor::ALL),
    );
    (
        basics,
        lifecycle(),
        lock,
        access_logging,
        option::of(vault),
        vec(notification, 0..2),
        principals(partition),
    )
        .prop_map(
            move |(basics, mut lifecycle, lock, logging, vault, notifications, readers)| {
                let (bucket, prefix, beyond, mut mfa_delete, mfa_max_age_seconds, tls_floor) =
                    basics;
                let replication = vault.map(|(account, role, storage_class)| Replication {
                    bucket: format!("{bucket}-vault").parse().unwrap(),
                    account,
                    region: home.clone(),
                    role,
                    key_alias: KeyAlias::vault(),
                    storage_class,
                });
                match mfa_delete {
                    MfaDelete::Root => lifecycle.enabled = false,
                    MfaDelete::Vault if replication.is_none() => mfa_delete = MfaDelete::Policy,
                    _ => {}
                }
                let last_tier = lifecycle.tiers.last().map_or(0, |tier| tier.days);
                debug_assert!(
                    replication.as_ref().is_none_or(|vault| vault.account != log_archive)
                );
                Archive {
                    access_logging: AccessLogging {
                        enabled: logging.0,
                        bucket: format!("{bucket}-access-logs").parse().unwrap(),
                        prefix: logging.1,
                        retention_days: logging.2,
                    },
                    bucket: bucket.parse().unwrap(),
                    prefix,
                    region: home.clone(),
                    retention_days: lock.days.max(last_tier + 1) + beyond,
                    lifecycle,
                    object_lock: lock,
                    mfa_delete,
                    mfa_max_age_seconds,
                    tls_floor,
                    replication,
                    notifications,
                    readers,
                }
            },
        )
}

fn lifecycle() -> impl Strategy<Value = Lifecycle> {
    // Any way down the waterfall; the one step that S3 does not know left out.
    let classes =
        subsequence(StorageClass::ALL.to_vec(), 0..=3).prop_filter("no such step", |classes| {
            !classes
                .windows(2)
                .any(|pair| pair == [StorageClass::OneZoneIa, StorageClass::GlacierIr])
        });
    let tiers = classes.prop_flat_map(|classes| {
        let gaps = vec(30..500_u32, classes.len());
        (Just(classes), gaps).prop_map(|(classes, gaps)| {
            let mut days = 0;
            let tier = |(storage_class, gap)| {
                days += gap;
                Tier { days, storage_class }
            };
            classes.into_iter().zip(gaps).map(tier).collect()
        })
    });
    let minimum = option::of(select(MinimumTransitionSize::ALL));
    (any::<bool>(), tiers, minimum, 1..4000_u32, 1..100_u32).prop_map(
        |(enabled, tiers, minimum_transition_size, noncurrent_days, abort_multipart_days)| {
            Lifecycle {
                enabled,
                tiers,
                minimum_transition_size,
                noncurrent_days,
                abort_multipart_days,
            }
        },
    )
}

fn notification(partition: Partition, region: Region) -> impl Strategy<Value = Notification> {
    let target = (select(vec!["sns", "sqs"]), member(), "[a-z]{1,12}").prop_map(
        move |(service, account, name)| Arn::regional(partition, service, &region, &account, name),
    );
    let events = subsequence(vec!["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"], 1..=2)
        .prop_map(|events| events.into_iter().map(str::to_owned).collect());
    // Different beginnings, since S3 refuses notifications that overlap.
    (target, events, option::of("[a-z\"\\\\]{1,8}"), option::of("[a-z.]{1,8}")).prop_map(
        |(target, events, prefix, suffix)| Notification { target, events, prefix, suffix },
    )
}
