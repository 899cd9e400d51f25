//! `orgtrail units`

use std::num::NonZeroU32;

use super::{Context, Format, OpError, Outcome};
use crate::archive::shard::MAX_SHARDS;
use crate::names::AccountId;
use crate::ops::events::PlaceRequest;
use crate::ops::shards::{UnitsOf, UnitsRequest, units};

/// Distribute accounts and Regions among shards by size, as a manifest
///
/// Counts the objects of each account and Region, and prints a line of JSON for each shard, with
/// the accounts and Regions that make all about as large. Pass the file to each shard as `--units`,
/// or its lines to an engine that maps over a list.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail units --shards 16 > units.jsonl
  orgtrail units s3://old-trail-bucket --shards 16 > units.jsonl
  orgtrail units --sources --shards 64 > units.jsonl")]
pub(crate) struct Args {
    /// What is to be verified or exported: `s3://bucket/prefix` or a directory. Default: the
    /// archive of the configuration.
    #[arg(conflicts_with = "sources")]
    target: Option<String>,

    /// Of the sources that `orgtrail consolidate` reads.
    #[arg(long)]
    sources: bool,

    /// Among how many shards.
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SHARDS)))]
    shards: u32,

    /// The account that must own the bucket `s3://…`. Default: the caller's account, or the
    /// account that the configuration or a trail names for the bucket.
    #[arg(long, value_name = "ID", conflicts_with = "sources")]
    bucket_owner: Option<AccountId>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let of = if args.sources {
        UnitsOf::Sources
    } else {
        UnitsOf::Archive(PlaceRequest { name: args.target, bucket_owner: args.bucket_owner })
    };
    let shards = NonZeroU32::new(args.shards).ok_or_else(|| OpError::usage("0 shards"))?;
    let lines = units(&context.env()?, &UnitsRequest { of, shards }).await?;
    match context.format {
        Format::Json => context.out.json(&lines)?,
        Format::Text => {
            for line in &lines {
                let text = serde_json::to_string(line).map_err(OpError::unexpected)?;
                context.out.data(text)?;
            }
        }
    }
    Ok(Outcome::Clean)
}
