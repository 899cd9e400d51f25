//! Deleting a legacy trail once that is safe.

mod control_policies;
mod end;
mod examine;
mod kept_bucket;

pub use self::end::Ending;
pub use self::examine::Examined;
pub use self::kept_bucket::KeptBucket;
use super::trust::trust;
use super::{Env, OpError, Outcome, archive, legacy, managed_archive};
use crate::archive::consolidate::discover::{self, LegacyTrail, Selected};
use crate::archive::consolidate::source::{Policy, Source};
use crate::archive::retired::Retired;
use crate::aws::{At as _, Aws, AwsError, Clients, WriteAuthority, WriteClients};
use crate::config::Config;
use crate::names::{Arn, BucketName};
use crate::plan::apply::Stale;
use crate::report::contract::retirement as contract;

/// What to retire.
#[derive(Debug, Clone)]
pub struct Request {
    /// The trail.
    pub trail: Arn,
    /// Whether events that only this trail records may be recorded no longer.
    pub may_record_less: bool,
}

/// What was found under the ARN of a trail.
#[derive(Debug)]
pub enum Found {
    /// A legacy trail.
    Trail(Box<Candidate>),
    /// Nothing.
    Missing(MissingTrail),
}

/// A legacy trail that may be retired.
#[derive(Debug)]
pub struct Candidate {
    aws: Aws,
    /// The owner's, in the trail's home Region.
    owner: Clients,
    trail: LegacyTrail,
    source: Source,
    /// Whether the trail's bucket does not exist.
    without_bucket: bool,
    /// Whether it recorded before it was touched.
    was_logging: bool,
    /// Whether the trail may record what the organization trail does not.
    may_record_less: bool,
}

/// A trail that does not exist.
#[derive(Debug)]
pub struct MissingTrail {
    aws: Aws,
    /// The owner's, in the trail's home Region.
    owner: Clients,
    trail: Arn,
}

/// Finds a trail and where its logs are. Changes nothing.
///
/// # Errors
/// It is no legacy trail of one account, the configuration excludes it, or something is
/// unreadable.
pub async fn find(env: &Env, request: Request) -> Result<Found, OpError> {
    let Request { trail: arn, may_record_less } = request;
    let config = env.config()?;
    refuse_own(&arn, config)?;
    let aws = env.aws().await?;
    let (Some(account), Some(home)) = (&arn.account, &arn.region) else {
        return Err(OpError::usage(format!("{arn} names no account and Region")));
    };
    let owner = aws.clients(account, home);
    let Some(trail) = discover::trail(&owner, &arn).await.map_err(unreadable)? else {
        return Ok(Found::Missing(MissingTrail { aws, owner, trail: arn }));
    };
    if trail.organization {
        return Err(refused(format!("{arn} is an organization's trail")));
    }
    let was_logging = is_logging(&owner, &trail.arn).await?;
    let declared = own_source(&trail, config);
    let place = declared.as_ref().map_or_else(|_| undeclared(&trail), Clone::clone);
    let (source, without_bucket) = match (declared, located(&aws, config, place).await) {
        (Ok(_), found) => found?,
        // Nothing of it could be copied, whatever the configuration says.
        (Err(_), Ok((source, true))) => (source, true),
        (Err(error), _) => return Err(error),
    };
    Ok(Found::Trail(Box::new(Candidate {
        aws,
        owner,
        trail,
        source,
        without_bucket,
        was_logging,
        // If it does not record, nothing is lost.
        may_record_less: may_record_less || !was_logging,
    })))
}

impl Candidate {
    /// The trail.
    #[must_use]
    pub fn trail(&self) -> &LegacyTrail {
        &self.trail
    }

    /// Whether the trail's bucket does not exist.
    #[must_use]
    pub fn is_without_bucket(&self) -> bool {
        self.without_bucket
    }

    /// Whether it records, as it was found.
    #[must_use]
    pub fn was_logging(&self) -> bool {
        self.was_logging
    }

    /// Examines it again after a person confirmed what was found: what was true before the
    /// prompt may not be true after it.
    ///
    /// # Errors
    /// The trail has changed, or as of [`Self::examine`].
    pub async fn examine_again(&self, env: &Env) -> Result<Examined, OpError> {
        managed_archive::refuse(env, &self.aws).await?;
        let now = discover::trail(&self.owner, &self.trail.arn).await.map_err(unreadable)?;
        if now.as_ref() != Some(&self.trail) {
            return Err(stale(&self.trail.arn));
        }
        self.examine(env).await
    }

    /// The report.
    #[must_use]
    pub fn document(&self, examined: &Examined, is_deleted: bool) -> contract::Report {
        contract::Report {
            trail: self.trail.arn.clone(),
            conditions: examined.conditions.iter().map(contract::Condition::from).collect(),
            deletable: examined.is_deletable(),
            retired: is_deleted,
            bucket: self.kept_bucket(examined).as_ref().map(KeptBucket::document),
        }
    }

    /// The bucket that stays, if its contents could be counted.
    #[must_use]
    pub fn kept_bucket(&self, examined: &Examined) -> Option<KeptBucket> {
        examined.stored().map(|stored| KeptBucket::new(&self.trail, stored))
    }
}

impl MissingTrail {
    /// Records in the archive that the trail was retired. Gives the SHA-256 of a record that
    /// nothing authenticates yet.
    ///
    /// # Errors
    /// The trail exists by now, or the record could not be written.
    pub async fn record(&self, env: &Env) -> Result<Option<String>, OpError> {
        if discover::trail(&self.owner, &self.trail).await.map_err(unreadable)?.is_some() {
            return Err(stale(&self.trail));
        }
        record(env, &self.aws, &self.trail, None).await
    }

    /// The report.
    #[must_use]
    pub fn document(&self) -> contract::Report {
        contract::Report {
            trail: self.trail.clone(),
            conditions: Vec::new(),
            deletable: true,
            retired: true,
            bucket: None,
        }
    }
}

/// Records in the archive that a trail was retired: `verify` requires that where its chain
/// ends and CloudTrail no longer knows the trail. Gives the SHA-256 of a record that nothing
/// authenticates yet.
async fn record(
    env: &Env,
    aws: &Aws,
    trail: &Arn,
    bucket: Option<&BucketName>,
) -> Result<Option<String>, OpError> {
    let config = env.config()?;
    let (target, prefix) = (archive::bucket(config, aws), archive::prefix(config));
    let record = Retired::new(trail, bucket, &aws.caller().arn, aws.now());
    let trust = trust(env, aws).await?;
    let writer = WriteClients::new(&target.clients, &WriteAuthority::granted());
    let written = record.write(&writer, &target.bucket, prefix.as_deref(), &trust).await;
    let sha256 = written.map_err(|error| {
        OpError::new(error, Outcome::Incomplete).with_hint(
            "`orgtrail verify` stays incomplete until it is recorded: run the same command again",
        )
    })?;
    let is_authenticated = trust.mac_key.is_some() || trust.listed.contains(&sha256);
    Ok((!is_authenticated).then_some(sha256))
}

/// Whether the trail records.
///
/// # Errors
/// Its status is unreadable: then nothing could be put back.
async fn is_logging(owner: &Clients, trail: &Arn) -> Result<bool, OpError> {
    let status = owner.cloudtrail().get_trail_status().name(trail.to_string()).send().await;
    let status = status.at(owner, "cloudtrail:GetTrailStatus").map_err(unreadable)?;
    Ok(status.is_logging() == Some(true))
}

/// A read that failed, which leaves the answer open.
fn unreadable(error: AwsError) -> OpError {
    let hint = error.hint();
    let error = OpError::new(error, Outcome::Incomplete);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// A trail that is not as it was found.
fn stale(trail: &Arn) -> OpError {
    Stale { changed: vec![trail.to_string()] }.into()
}

fn refused(message: String) -> OpError {
    OpError::new(message, Outcome::Refused)
        .with_hint("only trails of single accounts can be retired; `orgtrail sources` lists them")
}

/// Refuses the organization trail itself, and what is no trail.
fn refuse_own(trail: &Arn, config: &Config) -> Result<(), OpError> {
    if &*trail.service != "cloudtrail" || trail.resource_type() != "trail" {
        return Err(OpError::usage(format!("found {trail}, expected the ARN of a trail")));
    }
    let declared = &config.organization;
    let own = Arn::regional(
        config.partition(),
        "cloudtrail",
        &declared.home_region,
        &declared.management_account,
        format!("trail/{}", config.trail.name),
    );
    if *trail == own {
        return Err(refused(format!("{trail} is the organization trail itself")));
    }
    Ok(())
}

/// Where the trail's logs are, read as the configuration says if it declares them.
///
/// # Errors
/// The configuration excludes it: nothing of it is copied into the archive.
fn own_source(trail: &LegacyTrail, config: &Config) -> Result<Source, OpError> {
    let Selected { sources, excluded } = discover::selected(std::slice::from_ref(trail), config);
    let is_own = |source: &Source| source.trails.contains(&trail.arn);
    if let Some(source) = excluded.iter().find(|source| is_own(source)) {
        let message = format!("{} is excluded from consolidation", source.name());
        return Err(OpError::new(message, Outcome::Refused).with_hint(
            "its logs are not copied to the archive: remove it from `exclude` under [consolidate] first",
        ));
    }
    let own = sources.into_iter().find(is_own);
    own.ok_or_else(|| OpError::unexpected("the trail has no bucket"))
}

/// The source of a trail, whatever the configuration says of it.
fn undeclared(trail: &LegacyTrail) -> Source {
    Source {
        bucket: trail.bucket.clone(),
        prefix: trail.prefix.clone(),
        account: trail.account.clone(),
        region: trail.home_region.clone(),
        owner: None,
        accounts: [trail.account.clone()].into(),
        trails: vec![trail.arn.clone()],
        policy: Policy::default(),
    }
}

/// The source with its bucket's owner and Region; unchanged where the bucket was deleted,
/// which the second value says.
///
/// # Errors
/// They are unreadable, or no account of the organization owns the bucket.
async fn located(aws: &Aws, config: &Config, source: Source) -> Result<(Source, bool), OpError> {
    let mut found = legacy::located(aws, config, None, vec![source]).await;
    if let Some((source, why)) = found.unreadable.pop() {
        let message = format!("{}: {}", source.name(), why.reason);
        let error = OpError::new(message, Outcome::Incomplete);
        return Err(match why.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        });
    }
    let readable = found.readable.pop().map(|source| (source, false));
    let source = readable.or_else(|| found.missing.pop().map(|source| (source, true)));
    source.ok_or_else(|| OpError::unexpected("the trail has no bucket"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_config_says_how_a_trails_bucket_is_read_and_whether() {
        let trail = LegacyTrail {
            arn: "arn:aws:cloudtrail:us-east-1:444444444444:trail/one".parse().unwrap(),
            account: "444444444444".parse().unwrap(),
            home_region: "us-east-1".parse().unwrap(),
            multi_region: true,
            organization: false,
            log_file_validation: true,
            bucket: "legacy-a".parse().unwrap(),
            prefix: None,
            seen_in: BTreeSet::new(),
        };
        let own = |more: &str| {
            let config: Config = format!("{}{more}", crate::config::SMALLEST).parse().unwrap();
            own_source(&trail, &config)
        };
        assert_eq!(own("").unwrap().account, trail.account);
        let declared = own("[[consolidate.sources]]\nbucket = \"legacy-a\"\n\
             account = \"555555555555\"\nregion = \"eu-west-1\"\n")
        .unwrap();
        assert_eq!(declared.account.as_str(), "555555555555");
        assert_eq!(declared.region.as_str(), "eu-west-1");
        let excluded =
            own("[consolidate]\nexclude = [\"444444444444:s3://legacy-*\"]\n").unwrap_err();
        assert_eq!(excluded.outcome(), Outcome::Refused);
    }
}
