//! The credentials that a bucket is read with: the caller's, or those of the role of the
//! account whose logs it contains.

use super::{Env, OpError, Outcome};
use crate::archive::consolidate::discover::{self, Selected};
use crate::aws::{At as _, Aws, AwsError, Clients, ErrorKind};
use crate::config::{Config, Roles};
use crate::names::{AccountId, BucketName};
use crate::ops::legacy;

/// The way into a bucket.
pub(in crate::ops) struct Reader {
    pub(in crate::ops) aws: Aws,
    /// Of an account that may list the bucket, in the bucket's Region.
    pub(in crate::ops) clients: Clients,
}

/// Who may read a bucket, and who must own it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    reader: AccountId,
    owner: AccountId,
}

impl Named {
    /// A bucket that its owner reads.
    fn own(account: &AccountId) -> Self {
        Self { reader: account.clone(), owner: account.clone() }
    }
}

/// Finds who may list a bucket: the caller itself; else, by the configuration
/// where there is one, the account that it, or a trail, names for the bucket.
///
/// Its owner is `owner` where that is given; else the caller's account, or one that
/// the configuration or a trail names for the bucket. A bucket of any other account
/// is not read.
///
/// # Errors
/// The bucket does not exist: usage. No known account may list it: incomplete.
pub(in crate::ops) async fn reader(
    bucket: &BucketName,
    owner: Option<&AccountId>,
    env: &Env,
) -> Result<Reader, OpError> {
    // One that is not right matters only where the caller cannot read by itself.
    let right = env.valid_config();
    let roles = right.map_or_else(Roles::default, |config| config.roles.clone());
    let home = right.map(|config| config.organization.home_region.clone());
    let aws = env.aws_of_caller(home, roles).await?;
    let caller = &aws.caller().account.clone();
    let known = right.map_or_else(Vec::new, |config| named(config, bucket));
    // The caller may read what another account owns; its own bucket comes first.
    let mut owners: Vec<&AccountId> = owner.map_or_else(|| vec![caller], |owner| vec![owner]);
    if owner.is_none() {
        owners.extend(known.iter().map(|named| &named.owner).filter(|owner| *owner != caller));
    }
    let mut first = None;
    for owner in owners {
        match listing(&aws, caller, owner, bucket).await {
            Ok(clients) => return Ok(Reader { aws, clients }),
            Err(error) if error.is_not_found() => {
                return Err(
                    OpError::new(error, Outcome::Usage).with_hint("check the bucket's name")
                );
            }
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    let denied = first.unwrap_or_else(|| aws.own_clients().malformed("s3:ListBucket", "no owner"));
    if denied.kind() != ErrorKind::AccessDenied {
        return Err(denied.into());
    }
    let Some(config) = env.config_if_present()? else { return Err(denied.into()) };
    for Named { reader, owner: its } in &known {
        if let Ok(clients) = listing(&aws, reader, owner.unwrap_or(its), bucket).await {
            return Ok(Reader { aws, clients });
        }
    }
    // Last, because it reads the trails of every account.
    let found = Box::pin(legacy::find(env, &aws)).await;
    let Ok(found) = found else { return Err(denied.into()) };
    let Selected { sources, excluded } = discover::selected(&found.found.trails, config);
    let all = sources.into_iter().chain(excluded);
    let sources: Vec<_> = all.filter(|source| source.bucket == *bucket).collect();
    let located = legacy::located(&aws, config, Some(&found.organization), sources).await;
    for source in located.readable {
        let its = owner.or(source.owner.as_ref()).unwrap_or(&source.account);
        for reader in [caller, &source.account] {
            if let Ok(clients) = listing(&aws, reader, its, bucket).await {
                return Ok(Reader { aws, clients });
            }
        }
    }
    let hint = "no account that the configuration or a trail names for this bucket may list it: add it under [[consolidate.sources]], or name its owner with `--bucket-owner`";
    Err(OpError::new(denied, Outcome::Incomplete).with_hint(hint))
}

/// The accounts that the configuration names for a bucket.
fn named(config: &Config, bucket: &BucketName) -> Vec<Named> {
    let mut named = Vec::new();
    if config.archive.bucket == *bucket {
        named.push(Named::own(&config.organization.log_archive_account));
    }
    let vault = config.archive.replication.iter().filter(|vault| vault.bucket == *bucket);
    named.extend(vault.map(|vault| Named::own(&vault.account)));
    let athena = config.athena.iter();
    let athena = athena.filter(|it| it.export.as_ref().is_some_and(|to| to.bucket == *bucket));
    named.extend(athena.map(|athena| Named::own(&athena.account)));
    let declared = config.consolidate.sources.iter().filter(|source| source.bucket == *bucket);
    named.extend(declared.map(|source| Named {
        reader: source.account.clone(),
        owner: source.owner.as_ref().unwrap_or(&source.account).clone(),
    }));
    named
}

/// A reader's clients in the Region of an owner's bucket, where they may list it.
async fn listing(
    aws: &Aws,
    reader: &AccountId,
    owner: &AccountId,
    bucket: &BucketName,
) -> Result<Clients, AwsError> {
    let home = aws.clients(reader, aws.home_region());
    let region = home.bucket_region_of(bucket, Some(owner)).await?;
    let clients = aws.clients(reader, &region).for_buckets_of(owner);
    let first = clients.s3().list_objects_v2().bucket(bucket.as_str()).max_keys(1).send().await;
    first.at(&clients, "s3:ListBucket")?;
    Ok(clients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_who_reads_its_own_buckets() {
        let more = "[archive.replication]\nbucket = \"acme-vault\"\naccount = \"555555555555\"\n\
                    [athena]\nfirst_day = \"2026-01-01\"\naccount = \"666666666666\"\n\
                    export = \"s3://acme-events/trail\"\n\
                    [[consolidate.sources]]\nbucket = \"legacy-a\"\naccount = \"444444444444\"\n";
        let config: Config = format!("{}{more}", crate::config::SMALLEST).parse().unwrap();
        for (bucket, account) in [
            ("acme-log-archive", Some("222222222222")),
            ("acme-vault", Some("555555555555")),
            ("legacy-a", Some("444444444444")),
            ("acme-events", Some("666666666666")),
            ("other", None),
        ] {
            let found = named(&config, &bucket.parse().unwrap());
            assert_eq!(found.first().map(|named| named.reader.as_str()), account, "{bucket}");
        }
    }
}
