//! `orgtrail verify`

use std::path::PathBuf;

use jiff::Timestamp;

use super::shard::{self, ShardOptions};
use super::{Context, OpError, Outcome, Rendering};
use crate::archive::proofs::Written;
use crate::aws::WriteAuthority;
use crate::names::{AccountId, Arn, Region, TrailName};
use crate::ops::instant;
use crate::ops::shards::ShardWork;
use crate::ops::verify::{Request, Scope, Verified, record, verify, verify_shard};
use crate::report::verification;
use crate::words::counted;

/// Verify digest chains and log files
///
/// Follows every digest chain (one for each trail, account and Region), verifies each
/// signature, link and log file, and looks for unexpected objects. Without TARGET, verifies the
/// archive of the configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail verify
  orgtrail verify --account 111111111111 --since 2026-01-01T00:00:00Z
  orgtrail verify --incremental --record --yes
  orgtrail verify s3://old-trail-bucket/prefix
  orgtrail verify ./mirror --public-keys keys.json --offline
  orgtrail verify evidence.tar.zst --public-keys keys.json --offline --format json
  orgtrail verify evidence.tar.zst --public-keys keys.json --offline --manifest-sha256 9f86…
  orgtrail verify --format aws-cli
  orgtrail verify --shard 3/16 --until 2026-11-30T02:00:00Z --results s3://acme-jobs/1130

Exit code 0 if everything is proven, 13 if something is broken, 14 if part of the
scope is not proven.")]
pub(crate) struct Args {
    /// `s3://bucket/prefix`, a directory that mirrors a bucket, or an evidence bundle.
    target: Option<String>,

    #[command(flatten)]
    pub(super) what: ScopeOptions,

    /// Verify digests whose hours end at this time or later. A day means its start in UTC.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<Timestamp>,

    /// Verify up to this time. Default for a bucket: now.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<Timestamp>,

    /// The SHA-256 of the bundle's manifest, as printed by `orgtrail evidence`. Any other
    /// bundle is refused (13). Get this value over a different channel than the bundle.
    #[arg(long, value_name = "HEX", value_parser = super::trust::sha256)]
    manifest_sha256: Option<String>,

    /// Verify of each account and Region what the archive's newest proof record does not contain,
    /// and a random earlier day. Where anything of that is not proven, and where the record does
    /// not help, everything is verified.
    #[arg(long)]
    incremental: bool,

    /// Keep what is proven as a proof record in the archive, from which `--incremental`
    /// continues. Needs `--yes`.
    #[arg(long)]
    record: bool,

    #[command(flatten)]
    sharding: ShardOptions,
}

/// Options that `verify` and `evidence` share.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ScopeOptions {
    /// Verify only this account. Can be repeated.
    #[arg(long, value_name = "ID")]
    pub(super) account: Vec<AccountId>,

    /// Verify only this Region. Can be repeated.
    #[arg(long)]
    pub(super) region: Vec<Region>,

    /// Verify only this trail's chains. Can be repeated. Log files that no digest of these
    /// trails lists are not proven.
    #[arg(long, value_name = "NAME")]
    pub(super) trail: Vec<TrailName>,

    /// The account that must own the bucket `s3://…`. Default: the caller's account, or the
    /// account that the configuration or a trail names for the bucket.
    #[arg(long, value_name = "ID")]
    pub(super) bucket_owner: Option<AccountId>,

    /// Public keys, as printed by `aws cloudtrail list-public-keys`.
    #[arg(long, value_name = "FILE")]
    pub(super) public_keys: Option<PathBuf>,

    /// The SHA-256 of an acceptance in the target to honor, in addition to those in the
    /// configuration. Can be repeated. `orgtrail accept --list` prints it.
    #[arg(long, value_name = "SHA256", value_parser = super::trust::sha256)]
    pub(super) acceptance: Vec<String>,

    /// The ARN of the organization trail that covers for ended trails in a bundle, whose
    /// supplier could name any trail. Default: the trail of the configuration, if there is one.
    #[arg(long, value_name = "ARN", value_parser = trail_arn)]
    pub(super) declared_trail: Option<Arn>,

    /// Call no AWS API. The target must be a directory or a bundle. Without `--public-keys`,
    /// the keys saved in the target only show whether it is consistent, and the result is at
    /// best incomplete.
    #[arg(long)]
    pub(super) offline: bool,
}

fn trail_arn(text: &str) -> Result<Arn, String> {
    let arn: Arn = text.parse().map_err(|error: crate::names::NameError| error.to_string())?;
    let is_trail = &*arn.service == "cloudtrail" && arn.region.is_some() && arn.account.is_some();
    let name = arn.resource_name().parse::<TrailName>();
    if is_trail && name.is_ok() {
        return Ok(arn);
    }
    Err("expected the ARN of a trail, as in \
         arn:aws:cloudtrail:us-east-1:111111111111:trail/orgtrail"
        .to_owned())
}

impl From<ScopeOptions> for Scope {
    fn from(what: ScopeOptions) -> Self {
        Self {
            accounts: what.account.into_iter().collect(),
            regions: what.region.into_iter().collect(),
            trails: what.trail.into_iter().collect(),
            bucket_owner: what.bucket_owner,
            public_keys: what.public_keys,
            acceptances: what.acceptance,
            declared_trail: what.declared_trail,
            offline: what.offline,
        }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let sharding = args.sharding.request(context)?;
    let request = Request {
        target: args.target,
        scope: args.what.into(),
        since: args.since,
        until: args.until,
        manifest_sha256: args.manifest_sha256,
        incremental: args.incremental,
        record: args.record,
    };
    let env = context.env()?;
    if args.record && !context.yes {
        let bucket = &env.config()?.archive.bucket;
        return Err(OpError::usage(format!("`--record` writes to s3://{bucket}"))
            .with_hint("to allow it to write, add `--yes`"));
    }
    if let Some(sharding) = sharding {
        request.check_divisible()?;
        let work = ShardWork::open(&env, &sharding, "verify", request.asked()).await?;
        let found = verify_shard(&env, &request, work.shard()).await?;
        let what = counted(found.scope_count(), "unit");
        let done = work.keep_verification(&env, found).await?;
        shard::report(
            context,
            &done,
            &format!("{what} verified (a unit is an account in a Region)"),
        )?;
        return Ok(Outcome::Clean);
    }
    let verified = verify(&env, &request).await?;
    print(context, &verified)?;
    if args.record {
        match record(&env, &verified, &WriteAuthority::granted()).await? {
            Some(Written { key, units }) => {
                let units = counted(units, "account and Region");
                context.out.note(format_args!("recorded as {key}: {units}"));
            }
            None => context.out.note(format_args!("nothing is proven that could be recorded")),
        }
    }
    Ok(verified.outcome())
}

/// Prints a verification.
pub(super) fn print(context: &Context, verified: &Verified) -> Result<(), OpError> {
    let (subject, verification) = (&verified.subject, &verified.verification);
    match context.rendering {
        // A format that is not for this command was refused before.
        Rendering::Text
        | Rendering::Sarif
        | Rendering::Ocsf
        | Rendering::Html
        | Rendering::Csv
        | Rendering::Jsonl
        | Rendering::Parquet
        | Rendering::Ndjson => {
            context.head()?;
            context.out.data(verification::text(subject, verification))?;
        }
        Rendering::Json => context.document(verified.document())?,
        Rendering::Junit => context.out.data(verification::junit(subject, verification))?,
        Rendering::AwsCli => context.out.data(verification::aws_cli(subject, verification))?,
    }
    Ok(())
}
