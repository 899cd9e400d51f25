//! Discovery of legacy trails: all trails of all accounts and Regions except the declared
//! organization trail.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use aws_sdk_cloudtrail::types::Trail;
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};

use super::locate::is_declared;
use super::source::{Policy, Source};
use crate::aws::{At, Aws, AwsError, Clients};
use crate::config::{Config, DeclaredSource, OtherAccounts, UnprovenDigests};
use crate::names::{AccountId, Arn, BucketName, KeyPrefix, Region};

/// Concurrent `DescribeTrails` calls; each account and Region has its own rate limit.
const CALLS_AT_ONCE: usize = 128;

/// A trail as its home Region describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyTrail {
    /// The trail's ARN, the same in all its shadows.
    pub arn: Arn,
    /// The account that owns it.
    pub account: AccountId,
    /// The Region in which it was created.
    pub home_region: Region,
    /// Whether it records every Region.
    pub multi_region: bool,
    /// Whether it records every account of the organization.
    pub organization: bool,
    /// Whether it delivers digests.
    pub log_file_validation: bool,
    /// The bucket that it delivers to.
    pub bucket: BucketName,
    /// The prefix before `AWSLogs/` there.
    pub prefix: Option<KeyPrefix>,
    /// The accounts and Regions that list it or its shadow trail.
    pub seen_in: BTreeSet<(AccountId, Region)>,
}

/// A read that failed: its trails are unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRead {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// Why it failed.
    pub reason: String,
    /// A hint for the user.
    pub hint: Option<String>,
    /// The source of a trail whose description is malformed, and the trail's account.
    pub source: Option<UnusableSource>,
}

/// The source of a trail whose description is malformed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusableSource {
    /// The source's name, as `exclude` patterns match it.
    pub name: String,
    /// The trail's account.
    pub account: AccountId,
}

impl UnusableSource {
    /// The source of a trail that the account `asked` described.
    fn of(trail: &Trail, asked: &AccountId) -> Self {
        let arn = trail.trail_arn().and_then(|arn| arn.parse::<Arn>().ok());
        let account = arn.and_then(|arn| arn.account).unwrap_or_else(|| asked.clone());
        let bucket = trail.s3_bucket_name().unwrap_or_default();
        let name = match trail.s3_key_prefix().filter(|prefix| !prefix.is_empty()) {
            Some(prefix) => format!("s3://{bucket}/{prefix}"),
            None => format!("s3://{bucket}"),
        };
        Self { name, account }
    }

    fn hint(&self) -> String {
        format!(
            "correct the trail, or leave it out: exclude = [\"{}:{}\"] under [consolidate]",
            self.account, self.name
        )
    }
}

/// The discovered trails and the failed reads.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Found {
    /// Trails by ARN, without shadow trails.
    pub trails: Vec<LegacyTrail>,
    /// Reads that failed.
    pub failed_reads: Vec<FailedRead>,
    /// Trails with malformed descriptions that the configuration excludes.
    pub excluded: Vec<FailedRead>,
}

impl Found {
    /// Moves excluded trails out of the failed reads: a trail that only its owner can correct
    /// must not make every run incomplete.
    pub fn exclude(&mut self, config: &Config) {
        let is_excluded = |unread: &FailedRead| {
            unread.source.as_ref().is_some_and(|source| {
                let accounts = [source.account.clone()].into();
                config.consolidate.excludes(&source.name, &accounts)
            })
        };
        let (excluded, unread) =
            std::mem::take(&mut self.failed_reads).into_iter().partition(is_excluded);
        self.failed_reads = unread;
        self.excluded = excluded;
    }
}

/// Lists the trails of accounts and Regions, as they are found.
///
/// `declared` is the organization trail, which is skipped.
pub async fn legacy_trails(
    aws: &Aws,
    places: impl Stream<Item = (AccountId, Region)>,
    declared: &Arn,
) -> Found {
    let answers = places.map(|(account, region)| async move {
        let described = describe(&aws.clients(&account, &region)).await;
        (account, region, described)
    });
    let mut answers = pin!(answers.buffer_unordered(CALLS_AT_ONCE));
    let mut trails: BTreeMap<Arn, LegacyTrail> = BTreeMap::new();
    let mut found = Found::default();
    while let Some((account, region, answer)) = answers.next().await {
        let unread = |reason: String, hint| FailedRead {
            account: account.clone(),
            region: region.clone(),
            reason,
            hint,
            source: None,
        };
        match answer {
            Ok(described) => {
                for trail in described {
                    match read(&trail) {
                        Ok(trail) if trail.arn == *declared => {}
                        Ok(trail) => {
                            let known = trails.entry(trail.arn.clone()).or_insert(trail);
                            known.seen_in.insert((account.clone(), region.clone()));
                        }
                        Err(reason) => {
                            let source = UnusableSource::of(&trail, &account);
                            let failed =
                                FailedRead { hint: Some(source.hint()), ..unread(reason, None) };
                            found.failed_reads.push(FailedRead { source: Some(source), ..failed });
                        }
                    }
                }
            }
            Err(error) => found.failed_reads.push(unread(error.to_string(), error.hint())),
        }
    }
    found.trails = trails.into_values().collect();
    found
        .failed_reads
        .sort_by(|one, other| (&one.account, &one.region).cmp(&(&other.account, &other.region)));
    found
}

/// One trail, read in its account and home Region; `None` if it does not exist.
pub async fn trail(clients: &Clients, arn: &Arn) -> Result<Option<LegacyTrail>, AwsError> {
    let described = describe(clients).await?;
    let wanted = arn.to_string();
    match described.iter().find(|trail| trail.trail_arn() == Some(wanted.as_str())) {
        None => Ok(None),
        Some(found) => read(found)
            .map(Some)
            .map_err(|reason| clients.malformed("cloudtrail:DescribeTrails", &reason)),
    }
}

async fn describe(clients: &Clients) -> Result<Vec<Trail>, AwsError> {
    let described = clients
        .cloudtrail()
        .describe_trails()
        .include_shadow_trails(true)
        .send()
        .await
        .at(clients, "cloudtrail:DescribeTrails")?;
    Ok(described.trail_list.unwrap_or_default())
}

fn read(trail: &Trail) -> Result<LegacyTrail, String> {
    let missing = |member: &str| {
        let name = trail.name().unwrap_or("a trail");
        format!("the description of {name} lacks {member}")
    };
    let arn: Arn = trail
        .trail_arn()
        .ok_or_else(|| missing("TrailARN"))?
        .parse()
        .map_err(|error: crate::names::NameError| error.to_string())?;
    let bucket = trail.s3_bucket_name().ok_or_else(|| missing("S3BucketName"))?;
    let home = trail.home_region().ok_or_else(|| missing("HomeRegion"))?;
    let prefix = trail.s3_key_prefix().filter(|prefix| !prefix.is_empty());
    let text = |error: crate::names::NameError| error.to_string();
    Ok(LegacyTrail {
        account: arn.account.clone().ok_or_else(|| missing("an account in its ARN"))?,
        arn,
        home_region: home.parse().map_err(text)?,
        multi_region: trail.is_multi_region_trail().unwrap_or(false),
        organization: trail.is_organization_trail().unwrap_or(false),
        log_file_validation: trail.log_file_validation_enabled().unwrap_or(false),
        bucket: bucket.parse().map_err(text)?,
        prefix: prefix.map(str::parse).transpose().map_err(text)?,
        seen_in: BTreeSet::new(),
    })
}

/// The buckets and prefixes that trails deliver to, each once. The owners of the buckets are
/// not known yet.
#[must_use]
fn sources(trails: &[LegacyTrail]) -> Vec<Source> {
    let mut sources: BTreeMap<(BucketName, Option<KeyPrefix>), Source> = BTreeMap::new();
    for trail in trails {
        sources
            .entry((trail.bucket.clone(), trail.prefix.clone()))
            .or_insert_with(|| Source {
                bucket: trail.bucket.clone(),
                prefix: trail.prefix.clone(),
                account: trail.account.clone(),
                region: trail.home_region.clone(),
                owner: None,
                accounts: BTreeSet::new(),
                trails: Vec::new(),
                policy: Policy::default(),
            })
            .add(trail);
    }
    sources.into_values().collect()
}

impl Source {
    /// Adds a trail that writes there. It binds the source to its account; an organization
    /// trail, to the accounts that list it.
    fn add(&mut self, trail: &LegacyTrail) {
        self.trails.push(trail.arn.clone());
        self.accounts.insert(trail.account.clone());
        if trail.organization {
            self.accounts.extend(trail.seen_in.iter().map(|(account, _)| account.clone()));
        }
    }

    /// The accounts whose trails write there.
    fn writers(&self) -> BTreeSet<AccountId> {
        self.trails.iter().filter_map(|trail| trail.account.clone()).collect()
    }
}

fn policy(declared: &DeclaredSource) -> Policy {
    Policy {
        leave_unbound: declared.other_accounts == OtherAccounts::Leave,
        copy_unproven: declared.unproven_digests == UnprovenDigests::Copy,
    }
}

/// The sources that a run uses, and the excluded ones.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Those that trails write to, and those that the config declares.
    pub sources: Vec<Source>,
    /// Those that the config excludes.
    pub excluded: Vec<Source>,
}

/// The sources of trails and of the configuration. Declared settings apply also to sources
/// that trails write to.
#[must_use]
pub fn selected(trails: &[LegacyTrail], config: &Config) -> Selected {
    let mut all = sources(trails);
    for declared in &config.consolidate.sources {
        let home = &config.organization.home_region;
        let as_declared = |source: Source| Source {
            account: declared.account.clone(),
            region: declared.region.as_ref().unwrap_or(home).clone(),
            accounts: source.accounts.iter().chain(&declared.accounts).cloned().collect(),
            policy: policy(declared),
            ..source
        };
        let (found, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|source| is_declared(declared, source));
        all = others;
        if found.is_empty() {
            all.push(as_declared(Source {
                bucket: declared.bucket.clone(),
                prefix: declared.prefix.clone(),
                account: declared.account.clone(),
                region: home.clone(),
                owner: None,
                accounts: BTreeSet::new(),
                trails: Vec::new(),
                policy: Policy::default(),
            }));
        }
        all.extend(found.into_iter().map(as_declared));
    }
    all.sort_by(|one, other| (&one.bucket, &one.prefix).cmp(&(&other.bucket, &other.prefix)));
    let is_excluded = |source: &Source| {
        let mut accounts = source.writers();
        if accounts.is_empty() {
            accounts.insert(source.account.clone());
        }
        config.consolidate.excludes(&source.name(), &accounts)
    };
    let (excluded, sources) = all.into_iter().partition(is_excluded);
    Selected { sources, excluded }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(name: &str, bucket: &str) -> Trail {
        Trail::builder()
            .name(name)
            .trail_arn(format!("arn:aws:cloudtrail:us-east-1:444444444444:trail/{name}"))
            .s3_bucket_name(bucket)
            .home_region("us-east-1")
            .build()
    }

    #[test]
    fn trails_of_one_bucket_are_one_source() {
        let trails: Vec<_> = [("one", "legacy-a"), ("two", "legacy-a"), ("three", "legacy-b")]
            .iter()
            .map(|(name, bucket)| read(&trail(name, bucket)).unwrap())
            .collect();
        let sources = sources(&trails);
        assert_eq!(sources.len(), 2);
        assert_eq!(sources[0].trails.len(), 2);
    }

    #[test]
    fn declared_sources_join_those_of_trails_and_patterns_leave_some_out() {
        let trails: Vec<_> = [("one", "legacy-a"), ("two", "legacy-b")]
            .iter()
            .map(|(name, bucket)| read(&trail(name, bucket)).unwrap())
            .collect();
        let config: Config = format!(
            "{}[consolidate]\nexclude = [\"444444444444:s3://*-b\"]\n\
             [[consolidate.sources]]\nbucket = \"legacy-a\"\naccount = \"555555555555\"\n\
             region = \"eu-west-1\"\n\
             [[consolidate.sources]]\nbucket = \"old-logs\"\nprefix = \"ct\"\n\
             account = \"666666666666\"\n",
            crate::config::SMALLEST
        )
        .parse()
        .unwrap();
        let selected = selected(&trails, &config);
        let names = |sources: &[Source]| -> Vec<_> {
            let tell = |source: &Source| {
                let (account, region) = (&source.account, &source.region);
                format!("{} {account} {region} {}", source.name(), source.trails.len())
            };
            sources.iter().map(tell).collect()
        };
        assert_eq!(
            names(&selected.sources),
            ["s3://legacy-a 555555555555 eu-west-1 1", "s3://old-logs/ct 666666666666 us-east-1 0"]
        );
        assert_eq!(names(&selected.excluded), ["s3://legacy-b 444444444444 us-east-1 1"]);
    }

    #[test]
    fn a_declared_prefix_is_that_of_the_trail_whatever_slashes_it_ends_in() {
        let prefixed = Trail::builder()
            .trail_arn("arn:aws:cloudtrail:us-east-1:444444444444:trail/one")
            .s3_bucket_name("legacy-a")
            .s3_key_prefix("ct/")
            .home_region("us-east-1")
            .build();
        let config: Config = format!(
            "{}[[consolidate.sources]]\nbucket = \"legacy-a\"\nprefix = \"ct\"\n\
             account = \"555555555555\"\n",
            crate::config::SMALLEST
        )
        .parse()
        .unwrap();
        let selected = selected(&[read(&prefixed).unwrap()], &config);
        let [source] = selected.sources.as_slice() else { panic!("{:?}", selected.sources) };
        assert_eq!((source.account.as_str(), source.trails.len()), ("555555555555", 1));
        assert_eq!(source.name(), "s3://legacy-a/ct/");
    }

    #[test]
    fn a_trail_that_cannot_be_used_is_left_out_for_its_own_account_alone() {
        let odd = trail("one", "legacy-a");
        let (owner, other): (AccountId, AccountId) =
            ("444444444444".parse().unwrap(), "555555555555".parse().unwrap());
        let source = UnusableSource::of(&odd, &other);
        assert_eq!(
            source,
            UnusableSource { name: "s3://legacy-a".to_owned(), account: owner.clone() }
        );
        let found = || Found {
            failed_reads: vec![FailedRead {
                account: other.clone(),
                region: "us-east-1".parse().unwrap(),
                reason: "odd".to_owned(),
                hint: Some(source.hint()),
                source: Some(source.clone()),
            }],
            ..Found::default()
        };
        for (account, left) in [(&owner, 0), (&other, 1)] {
            let config: Config = format!(
                "{}[consolidate]\nexclude = [\"{account}:s3://legacy-*\"]\n",
                crate::config::SMALLEST
            )
            .parse()
            .unwrap();
            let mut found = found();
            found.exclude(&config);
            assert_eq!((found.failed_reads.len(), found.excluded.len()), (left, 1 - left));
        }
    }

    #[test]
    fn a_description_that_lacks_its_bucket_says_so() {
        let trail = Trail::builder()
            .name("one")
            .trail_arn("arn:aws:cloudtrail:us-east-1:444444444444:trail/one")
            .build();
        assert_eq!(read(&trail).unwrap_err(), "the description of one lacks S3BucketName");
    }
}
