//! Vanished sources: earlier runs consolidated them, and no trail or declaration refers to
//! them any more. A member that deletes or moves its trail must not hide its logs.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};

use super::copy::Target;
use super::ledger::{Ledger, LedgerError};
use super::record::{Row, Segment};
use super::run::Failure;
use crate::archive::authenticity::{Authenticity, RecordTrust};
use crate::archive::retired::Retired;
use crate::archive::sequence::SequenceError;
use crate::archive::verify::source::{S3Source, Source};
use crate::names::Arn;

/// The number of records that are read for the ends of runs: a newer record without sources
/// must not hide the sources of earlier runs.
const RECORDS: usize = 64;
/// Records that are read at once: each may take its maximum size in memory.
const RECORDS_AT_ONCE: usize = 8;

/// The buckets that earlier runs consolidated, with the accounts whose logs they had.
pub type PastSources = BTreeMap<String, BTreeSet<String>>;

/// The vanished sources: those of earlier runs that are in no `known` bucket and belong to
/// no retired trail. `past` is the result of [`past_sources`].
///
/// The records only add sources: without them no existing source is missed.
pub async fn vanished(
    target: &Target,
    prefix: Option<&str>,
    trust: &RecordTrust,
    past: Result<PastSources, LedgerError>,
    known: &BTreeSet<String>,
) -> Vec<Failure> {
    let failure = |place: String, reason: String, hint: Option<&str>| Failure {
        place,
        reason,
        hint: hint.map(str::to_owned),
    };
    let mut gone = match past {
        Ok(past) => past,
        // Before the archive exists, no run has recorded anything.
        Err(LedgerError::Sequence(SequenceError::Aws(error))) if error.is_not_found() => {
            return Vec::new();
        }
        Err(error) => {
            let reason = format!("the sources of earlier runs could not be read: {error}");
            return vec![failure("the run records".to_owned(), reason, None)];
        }
    };
    gone.retain(|bucket, _| *bucket != target.bucket.as_str() && !known.contains(bucket));
    if gone.is_empty() {
        return Vec::new();
    }
    let source = S3Source::new(target.clients.clone(), target.bucket.as_str());
    match Retired::all(&Source::S3(source), prefix, trust).await {
        Ok(retired) => gone.retain(|bucket, accounts| !is_retired(&retired, bucket, accounts)),
        Err(why) => {
            let reason = format!("the records of retired trails could not be read: {why}");
            return vec![failure("the retired trails".to_owned(), reason, None)];
        }
    }
    let of = |(bucket, _)| {
        let reason =
            "earlier runs consolidated it, but no trail or declaration refers to it any more";
        let hint = "if its trail was retired, record that with `orgtrail retire ARN --yes`; else \
                    declare the bucket under [[consolidate.sources]], or `exclude` it";
        failure(format!("s3://{bucket}"), reason.to_owned(), Some(hint))
    };
    gone.into_iter().map(of).collect()
}

/// Whether the trails that wrote to a bucket were retired. A record of a trail that was
/// already deleted has no bucket and applies to its account.
fn is_retired(retired: &[Retired], bucket: &str, accounts: &BTreeSet<String>) -> bool {
    let of_bucket = |one: &Retired| one.bucket.as_deref() == Some(bucket);
    let of_account = |account: &String| {
        retired.iter().filter(|one| one.bucket.is_none()).any(|one| {
            let arn = one.trail.parse::<Arn>().ok();
            arn.and_then(|arn| arn.account).is_some_and(|it| it.as_str() == account)
        })
    };
    retired.iter().any(of_bucket) || (!accounts.is_empty() && accounts.iter().all(of_account))
}

/// The sources of earlier runs, from the newest records in the archive.
///
/// # Errors
/// The records could not be listed.
pub async fn past_sources(
    target: &Target,
    prefix: Option<&str>,
    trust: &RecordTrust,
) -> Result<PastSources, LedgerError> {
    let ledger = Ledger::new(target.clone(), prefix.map(str::to_owned))
        .authenticated_by(trust.mac_key.clone());
    let numbers = ledger.numbers().await?;
    let newest: Vec<_> = numbers.into_iter().rev().take(RECORDS).collect();
    let all: Vec<PastSources> = stream::iter(newest)
        .map(|(number, size_bytes)| of_record(&ledger, number, size_bytes))
        .buffer_unordered(RECORDS_AT_ONCE)
        .collect()
        .await;
    let mut past = PastSources::new();
    for (bucket, accounts) in all.into_iter().flatten() {
        past.entry(bucket).or_default().extend(accounts);
    }
    Ok(past)
}

/// The sources of the run that ends in a record; none if it cannot be used.
async fn of_record(ledger: &Ledger, number: u64, size_bytes: u64) -> PastSources {
    let Ok(stored) = ledger.segment(number, size_bytes).await else { return PastSources::new() };
    let Ok(segment) = Segment::decode(number, &stored.bytes) else { return PastSources::new() };
    // Records that could not be checked are used: the run reports them, and an additional
    // source is better than a missing one.
    let found = ledger.authenticity(&segment.head, &stored).await;
    if matches!(found, Some(Authenticity::Unauthenticated { .. })) {
        return PastSources::new();
    }
    let end = segment.rows.into_iter().rev().find_map(|row| match row {
        Row::End { proven_through, .. } => Some(proven_through),
        _ => None,
    });
    end.map(|log_prefixes| of_prefixes(log_prefixes.keys())).unwrap_or_default()
}

/// The buckets and accounts of log prefixes, by their ids: `s3://bucket/…AWSLogs/…<account>/…`.
fn of_prefixes<'a>(ids: impl Iterator<Item = &'a String>) -> PastSources {
    let mut past = PastSources::new();
    for id in ids {
        let Some((bucket, path)) = id.strip_prefix("s3://").and_then(|id| id.split_once('/'))
        else {
            continue;
        };
        let is_account = |part: &&str| part.len() == 12 && part.bytes().all(|b| b.is_ascii_digit());
        let account = path.split('/').rfind(is_account).map(str::to_owned);
        past.entry(bucket.to_owned()).or_default().extend(account);
    }
    past
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_prefixes_of_a_run_name_its_buckets_and_accounts() {
        let ids = [
            "s3://old/AWSLogs/333333333333/CloudTrail/us-east-1/".to_owned(),
            "s3://old/p/AWSLogs/o-exampleorgid/444444444444/CloudTrail-Digest/us-east-1/"
                .to_owned(),
            "other".to_owned(),
        ];
        let found = of_prefixes(ids.iter());
        assert_eq!(found.len(), 1);
        assert_eq!(found["old"].len(), 2);
    }

    #[test]
    fn a_record_applies_to_its_bucket_or_else_to_its_account() {
        let of = |bucket: Option<&str>| Retired {
            version: 1,
            trail: "arn:aws:cloudtrail:us-east-1:333333333333:trail/old".to_owned(),
            bucket: bucket.map(str::to_owned),
            retired_by: String::new(),
            retired_at: jiff::Timestamp::UNIX_EPOCH,
            already_deleted: bucket.is_none(),
        };
        let accounts = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let own = accounts(&["333333333333"]);
        assert!(is_retired(&[of(Some("old"))], "old", &own));
        assert!(!is_retired(&[of(Some("other"))], "old", &own));
        assert!(is_retired(&[of(None)], "old", &own));
        assert!(!is_retired(&[of(None)], "old", &accounts(&["333333333333", "444444444444"])));
        assert!(!is_retired(&[of(None)], "old", &accounts(&[])));
    }
}
