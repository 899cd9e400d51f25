//! Configs for property tests: every one that comes out passes `config check`.

mod archive;
mod athena;
mod service;

use std::collections::BTreeMap;

use archive::archive;
use athena::athena;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use service::service;

use super::{
    Alarms, CloudWatchLogs, Config, Consolidate, CopyStorageClass, DataEvents, DataResource,
    DeclaredSource, Detect, Drift, EventSelector, Events, Guardrail, GuardrailTarget,
    InsightEvents, Insights, Key, LandingZone, ManagementEventSource, MemberRole, Neighbor,
    NewAccounts, Organization, Origin, Principal, ReadWriteType, Records, Regions, Retire, Roles,
    Selectors, Severity, Suppress, Topic, Trail, TrailManager,
};
use crate::names::{AccountId, Arn, KeyPrefix, Partition, Region, RoleName};

/// Any config that `config check` accepts, with warnings or without.
pub(crate) fn arbitrary_config() -> impl Strategy<Value = Config> {
    organization().prop_flat_map(|organization| {
        let partition = Partition::of(&organization.home_region);
        (
            Just(organization.clone()),
            // Boxed: together they are too large for the stack of a test.
            roles(partition).boxed(),
            trail(partition).boxed(),
            archive(&organization).boxed(),
            key(partition).boxed(),
            cloudwatch_logs_with_alarms(partition, &organization.home_region).boxed(),
            option::of(name("[A-Za-z0-9_-]{1,40}").prop_map(|name| Topic { name, arn: None })),
            (
                guardrail().boxed(),
                new_accounts().boxed(),
                (drift(), events()).boxed(),
                (1_u32..=365).prop_map(|overlap_days| Retire { overlap_days }),
                records(organization.home_region.clone()).boxed(),
                service(partition).boxed(),
                landing_zone(partition).boxed(),
                athena(&organization).boxed(),
            ),
            consolidate(&organization.home_region, organization.excluded_accounts).boxed(),
        )
            .prop_map(
                |(
                    organization,
                    roles,
                    trail,
                    archive,
                    key,
                    (cloudwatch_logs, alarms),
                    topic,
                    (
                        guardrail,
                        new_accounts,
                        (drift, events),
                        retire,
                        records,
                        service,
                        landing_zone,
                        athena,
                    ),
                    consolidate,
                )| {
                    Config {
                        organization,
                        roles,
                        landing_zone,
                        trail,
                        archive,
                        key,
                        cloudwatch_logs,
                        topic,
                        alarms,
                        athena,
                        guardrail,
                        new_accounts,
                        drift,
                        events,
                        consolidate,
                        retire,
                        records,
                        service,
                    }
                },
            )
    })
}

/// Strings of a pattern that are names; the pattern may be wider than the name.
fn name<T>(pattern: &'static str) -> impl Strategy<Value = T>
where
    T: std::str::FromStr + std::fmt::Debug,
{
    proptest::string::string_regex(pattern)
        .unwrap()
        .prop_filter_map("not a name", |text| text.parse().ok())
}

/// Member accounts, apart from the two that every config names.
fn member() -> impl Strategy<Value = AccountId> {
    name("[3-9][0-9]{11}")
}

fn distinct<T: Ord + std::fmt::Debug>(
    one: impl Strategy<Value = T>,
    most: usize,
) -> impl Strategy<Value = Vec<T>> {
    proptest::collection::btree_set(one, 0..=most).prop_map(|set| set.into_iter().collect())
}

fn partition_regions() -> impl Strategy<Value = (Region, Vec<Region>)> {
    let parse = |codes: &[&str]| -> Vec<Region> {
        codes.iter().map(|code| code.parse().unwrap()).collect()
    };
    let commercial = (
        select(Region::enabled_by_default().collect::<Vec<_>>()),
        Just(Region::enabled_by_default().chain(Region::opt_in()).collect::<Vec<_>>()),
    );
    let china = parse(&["cn-north-1", "cn-northwest-1"]);
    let government = parse(&["us-gov-east-1", "us-gov-west-1"]);
    prop_oneof![
        6 => commercial,
        1 => (select(china.clone()), Just(china)),
        1 => (select(government.clone()), Just(government)),
    ]
}

fn organization() -> impl Strategy<Value = Organization> {
    let regions = partition_regions().prop_flat_map(|(home, all)| {
        let some = subsequence(all.clone(), 0..=all.len());
        (Just(home), option::of(some), select(all))
    });
    let accounts =
        (name("1[0-9]{11}"), name("2[0-9]{11}"), option::of(member()), distinct(member(), 3));
    (regions, accounts, distinct(member(), 3), distinct(unit(), 3)).prop_map(
        |((home, only, _), (management, log_archive, audit, delegated), excluded, units)| {
            let regions = only.map_or(Regions::AllEnabled, |mut only| {
                if !only.contains(&home) {
                    only.push(home.clone());
                }
                Regions::Only(only)
            });
            let delegates = Partition::of(&home).has_cloudtrail_delegated_administrators();
            Organization {
                management_account: management,
                log_archive_account: log_archive,
                audit_account: audit,
                delegated_administrators: if delegates { delegated } else { Vec::new() },
                home_region: home,
                regions,
                excluded_accounts: excluded,
                excluded_units: units,
            }
        },
    )
}

fn unit() -> impl Strategy<Value = crate::names::UnitId> {
    name("ou-[a-z0-9]{4}-[a-z0-9]{8}")
}

fn identity(partition: Partition) -> impl Strategy<Value = Arn> {
    (member(), "role/[A-Za-z0-9]{1,20}")
        .prop_map(move |(account, role)| Arn::global(partition, "iam", &account, role))
}

fn principals(partition: Partition) -> impl Strategy<Value = Vec<Principal>> {
    let one = prop_oneof![
        member().prop_map(Principal::Account),
        identity(partition).prop_map(Principal::Identity),
    ];
    distinct(one, 3)
}

fn landing_zone(partition: Partition) -> impl Strategy<Value = LandingZone> {
    let trusted = (member(), name::<RoleName>("[A-Za-z0-9_-]{1,40}"));
    (
        "[a-z][a-z0-9-]{0,30}",
        option::of(trusted.prop_map(move |(account, role)| {
            Arn::global(partition, "iam", &account, format!("role/{role}"))
        })),
        option::of(name("ou-[a-z0-9]{4}-[a-z0-9]{8}")),
        option::of(name("[A-Za-z0-9_-]{1,40}")),
    )
        .prop_map(|(prefix, trusted_principal, pilot_unit, permissions_boundary)| {
            LandingZone {
                prefix,
                trusted_principal,
                pilot_account: None,
                pilot_unit,
                permissions_boundary,
            }
        })
}

fn roles(partition: Partition) -> impl Strategy<Value = Roles> {
    let path = || name("/([a-z]{1,10}/)?");
    let member_role = (
        option::of(name("[A-Za-z0-9+=,.@_-]{1,30}")),
        option::of(path()),
        option::of(name("[A-Za-z0-9+=,.@:/_-]{2,30}")),
    )
        .prop_map(|(name, path, external_id)| MemberRole { name, path, external_id });
    (
        name("[A-Za-z0-9+=,.@_-]{1,30}"),
        path(),
        option::of(name("[A-Za-z0-9+=,.@:/_-]{2,30}")),
        name("[A-Za-z0-9+=,.@_-]{2,30}"),
        option::of(identity(partition)),
        btree_map(member(), member_role, 0..3),
    )
        .prop_map(|(name, path, external_id, session_name, hub, accounts)| Roles {
            name,
            path,
            external_id,
            session_name,
            hub,
            accounts,
        })
}

fn trail(partition: Partition) -> impl Strategy<Value = Trail> {
    let types =
        select(vec!["AWS::S3::Object", "AWS::Lambda::Function", "AWS::SNS::Topic", "AWS::X-y::Z"]);
    let resources = vec("[a-z0-9]{1,12}", 0..3).prop_map(move |names| {
        names.into_iter().map(|name| format!("arn:{partition}:s3:::{name}/")).collect()
    });
    let data_events =
        (types, read_write(), resources).prop_map(|(kind, read_write_type, resources)| {
            DataEvents { resource_type: kind.to_owned(), read_write_type, resources }
        });
    let insights = any::<(bool, bool)>();
    let tags = btree_map("[A-Za-z0-9 _.:/=+@-]{1,20}", "[A-Za-z0-9ü _.:/=+@-]{0,20}", 0..4);
    // The long forms say the same as the short one, as `selectors` puts it.
    let long_form = any::<(bool, bool)>();
    let sources = subsequence(ManagementEventSource::ALL.to_vec(), 0..=2);
    (
        name("[A-Za-z0-9][A-Za-z0-9._-]{1,20}[A-Za-z0-9]"),
        any::<bool>(),
        read_write(),
        sources,
        vec(data_events, 0..4),
        insights,
        tags.prop_map(without_reserved),
        long_form,
    )
        .prop_map(
            move |(name, management, kind, sources, data_events, insights, tags, long)| {
                // A trail records something.
                let management = management || data_events.is_empty();
                let writes = management && kind != ReadWriteType::ReadOnly;
                let short = Trail {
                    name,
                    managed_by: long.1.then_some(TrailManager::Orgtrail),
                    include_management_events: management,
                    read_write_type: kind,
                    exclude_management_event_sources: if management { sources } else { Vec::new() },
                    data_events,
                    event_selectors: Vec::new(),
                    advanced_event_selectors: Vec::new(),
                    insights: Insights {
                        call_rate: insights.0 && writes,
                        call_rate_events: vec![InsightEvents::Management],
                        error_rate: insights.1 && management,
                        error_rate_events: vec![InsightEvents::Management],
                    },
                    tags,
                };
                if long.0 { in_long_form(short, long.1, partition) } else { short }
            },
        )
}

/// The same trail with its selectors as AWS has them.
fn in_long_form(short: Trail, extra: bool, partition: Partition) -> Trail {
    let defaults = || Trail {
        include_management_events: true,
        read_write_type: ReadWriteType::All,
        exclude_management_event_sources: Vec::new(),
        data_events: Vec::new(),
        ..short.clone()
    };
    match short.selectors() {
        Selectors::Classic(mut event_selectors) => {
            if extra {
                event_selectors.push(EventSelector {
                    read_write_type: ReadWriteType::WriteOnly,
                    include_management_events: false,
                    exclude_management_event_sources: Vec::new(),
                    data_resources: vec![DataResource {
                        resource_type: "AWS::Lambda::Function".to_owned(),
                        values: vec![format!("arn:{partition}:lambda")],
                    }],
                });
            }
            Trail { event_selectors, ..defaults() }
        }
        Selectors::Advanced(advanced_event_selectors) => {
            Trail { advanced_event_selectors, ..defaults() }
        }
    }
}

fn without_reserved(tags: BTreeMap<String, String>) -> BTreeMap<String, String> {
    tags.into_iter().filter(|(key, _)| !key.to_lowercase().starts_with("aws:")).collect()
}

fn read_write() -> impl Strategy<Value = ReadWriteType> {
    select(ReadWriteType::ALL)
}

fn prefix() -> impl Strategy<Value = Option<KeyPrefix>> {
    option::of(name("[A-Za-z0-9_-]{1,10}(/[A-Za-z0-9_-]{1,10})?"))
}

fn records(home: Region) -> impl Strategy<Value = Records> {
    let partition = Partition::of(&home);
    let key = member().prop_map(move |account| {
        Arn::regional(partition, "kms", &home, &account, "key/11111111-2222-4333-a444-555555555555")
    });
    (option::of(key), distinct("[0-9a-f]{64}", 3))
        .prop_map(|(mac_key, acceptances)| Records { mac_key, acceptances })
}

fn key(partition: Partition) -> impl Strategy<Value = Key> {
    (
        name("alias/[A-Za-z0-9/_-]{1,20}"),
        any::<bool>(),
        90..=2560_u32,
        7..=30_u32,
        principals(partition),
        principals(partition),
    )
        .prop_map(
            |(
                alias,
                rotation,
                rotation_period_days,
                deletion_window_days,
                administrators,
                readers,
            )| {
                Key {
                    alias,
                    arn: None,
                    rotation,
                    rotation_period_days,
                    deletion_window_days,
                    administrators,
                    readers,
                }
            },
        )
}

fn cloudwatch_logs(
    partition: Partition,
    home: &Region,
) -> impl Strategy<Value = CloudWatchLogs> + use<> {
    let key = Arn::regional(partition, "kms", home, &"123456789012".parse().unwrap(), "key/a-b");
    (
        any::<(bool, bool)>(),
        name("[A-Za-z0-9_/.#-]{1,30}"),
        select(vec![1_u32, 30, 365, 2557, 3653]),
        name("[A-Za-z0-9+=,.@_-]{1,30}"),
        option::of(Just(key)),
    )
        .prop_map(|((enabled, keep_forever), group, retention_days, role, kms_key)| {
            CloudWatchLogs { enabled, group, retention_days, keep_forever, kms_key, role }
        })
}

/// Alarms only where there is a log group, and on a topic of their own.
fn cloudwatch_logs_with_alarms(
    partition: Partition,
    home: &Region,
) -> impl Strategy<Value = (CloudWatchLogs, Option<Alarms>)> + use<> {
    let alarms = (
        name("alarms-[A-Za-z0-9_-]{41,60}"),
        distinct("[a-z0-9._+-]{1,12}@[a-z0-9-]{1,12}[.]example", 3),
        any::<bool>(),
        "[A-Za-z0-9._/#-]{1,20}",
    )
        .prop_map(|(topic, subscribers, ok_actions, namespace)| Alarms {
            topic,
            subscribers,
            ok_actions,
            namespace: format!("N{namespace}"),
        });
    (cloudwatch_logs(partition, home), option::of(alarms)).prop_map(|(logs, alarms)| {
        let alarms = alarms.filter(|_| logs.enabled);
        (logs, alarms)
    })
}

fn guardrail() -> impl Strategy<Value = Guardrail> {
    let target = prop_oneof![
        unit().prop_map(GuardrailTarget::Unit),
        member().prop_map(GuardrailTarget::Account),
    ];
    (any::<bool>(), "[A-Za-z0-9][ -~]{0,30}", distinct(target, 3))
        .prop_map(|(enabled, name, targets)| Guardrail { enabled, name, targets })
}

fn new_accounts() -> impl Strategy<Value = NewAccounts> {
    (option::of(name("[A-Za-z0-9_-]{1,64}")), 10_u32..=10_000)
        .prop_map(|(queue, covered_within_minutes)| NewAccounts { queue, covered_within_minutes })
}

fn events() -> impl Strategy<Value = Events> {
    (option::of("[a-z/]{1,20}"), 1..2000_u32, 0..366_u32).prop_map(
        |(rules, since_hours, baseline_days)| Events {
            detect: Detect { rules, since_hours, baseline_days },
        },
    )
}

fn drift() -> impl Strategy<Value = Drift> {
    let day = (2020..2100_i16, 1..=12_i8, 1..=28_i8)
        .prop_map(|(year, month, day)| jiff::civil::date(year, month, day));
    let suppress = (
        select(&super::CHECK_IDS[..]),
        option::of("[a-z0-9 *-]{1,20}"),
        "[A-Za-z][ -~]{0,30}",
        day,
    )
        .prop_map(|(check, scope, reason, until)| Suppress {
            check: super::CheckId::parse(check).unwrap(),
            scope,
            reason,
            until,
        });
    let neighbors = subsequence(Neighbor::ALL.to_vec(), 0..=Neighbor::ALL.len());
    (3..1000_u32, 0..48_u32, neighbors, vec(suppress, 0..3)).prop_map(
        |(freshness_hours, chain_hours, neighbors, suppress)| Drift {
            freshness_hours,
            chain_hours,
            neighbors,
            suppress,
        },
    )
}

fn consolidate(
    home: &Region,
    excluded: Vec<AccountId>,
) -> impl Strategy<Value = Consolidate> + use<> {
    let home = home.clone();
    let source = ("old-[a-z0-9]{1,12}", prefix(), member(), any::<bool>());
    let sources = vec(source, 0..3).prop_map(move |sources| {
        let mut seen = std::collections::BTreeSet::new();
        let declared = sources.into_iter().map(|(bucket, prefix, account, named)| DeclaredSource {
            bucket: bucket.parse().unwrap(),
            prefix,
            owner: named.then(|| account.clone()),
            account,
            region: named.then(|| home.clone()),
            accounts: Vec::new(),
            other_accounts: super::OtherAccounts::Quarantine,
            unproven_digests: super::UnprovenDigests::Copy,
        });
        declared
            .filter(|source| !excluded.contains(&source.account) && seen.insert(source.name()))
            .collect()
    });
    let exclude = vec("(111111111111:s3://left-[*]|s3://left-)[a-z\"\\\\]{1,8}", 0..3);
    (sources, exclude, 0..=365_u32, select(CopyStorageClass::ALL)).prop_map(
        |(sources, exclude, overlap_days, storage_class)| Consolidate {
            sources,
            exclude,
            former_accounts: Vec::new(),
            overlap_days,
            into_managed: false,
            storage_class,
        },
    )
}

/// Fragments that configs are made of, and some that they are not.
fn scraps() -> impl Strategy<Value = String> {
    let words = select(vec![
        "[organization]\n",
        "[archive]\n",
        "[[trail.data_events]]\n",
        "[trail]\n",
        "[",
        "]",
        "{",
        "}",
        "=",
        ".",
        ",",
        "\n",
        "\"",
        "'",
        "#",
        "bucket",
        "home_region",
        "regions",
        "days",
        "retention_days = 1\n",
        "tiers",
        "lifecycle",
        "\"us-east-1\"",
        "\"111111111111\"",
        "1e9",
        "-1",
        "0x10",
        "true",
        "1979-05-27",
        "\u{0}",
        "ü",
        "\u{feff}",
        "\r\n",
        "resource_type",
    ]);
    prop_oneof![
        vec(words, 0..40).prop_map(|words| words.concat()),
        // The smallest config with something put over a part of it.
        (0..super::SMALLEST.len(), 0..40_usize, ".{0,6}").prop_map(|(at, length, put)| {
            let end = (at + length).min(super::SMALLEST.len());
            format!("{}{put}{}", &super::SMALLEST[..at], &super::SMALLEST[end..])
        }),
    ]
}

proptest! {
    /// Every refusal has its reason, and its place within the text.
    #[test]
    fn whatever_the_file_holds_is_accepted_or_refused_with_a_reason(text in scraps()) {
        if let Err(error) = text.parse::<Config>() {
            let lines = text.split('\n').count();
            prop_assert!(error.findings.iter().any(|found| found.severity == Severity::Error));
            for finding in error.findings {
                prop_assert!(!finding.message.is_empty());
                if let Origin::File { line, .. } = finding.origin {
                    prop_assert!((1..=lines).contains(&line), "{line} of {lines}");
                }
            }
        }
    }

    #[test]
    fn every_config_reads_back_from_its_effective_toml(config in arbitrary_config()) {
        let text = config.to_toml().unwrap();
        match text.parse::<Config>() {
            Ok(again) => prop_assert_eq!(again, config, "{}", text),
            Err(error) => prop_assert!(false, "{:#?}\n{}", error.findings, text),
        }
    }
}
