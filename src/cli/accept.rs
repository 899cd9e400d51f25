//! `orgtrail accept`

use std::collections::BTreeSet;

use comfy_table::{ContentArrangement, Table, presets};
use jiff::{SignedDuration, Timestamp};

use super::trust::{lines_to_add, tell_unauthenticated, trust};
use super::verify::{Target, What, checked};
use super::{OpError, Context, Outcome, Explain, Format, consolidate};
use crate::archive::accept::{
    AcceptError, Acceptance, AcceptanceRecord, Acceptances, Accepting, Written, accept,
};
use crate::archive::authenticity::Authenticity;
use crate::archive::consolidate::quarantine::refused_key;
use crate::archive::key::ObjectKey;
use crate::archive::verify::chain::Window;
use crate::archive::verify::digest::sha256_hex;
use crate::archive::verify::finding::{Finding, Severity};
use crate::archive::verify::run::Selection;
use crate::archive::verify::source::Source;
use crate::aws::{At as _, WriteAuthority, WriteClients};
use crate::names::{AccountId, Region};
use crate::report::contract::acceptance as contract;
use crate::report::drift::plain;

/// How far around an object's time its chain is verified.
const AROUND: SignedDuration = SignedDuration::from_hours(4);
/// The longest reason. Units: bytes.
const MAX_REASON_BYTES: usize = 2000;

/// Accept a finding about one object of the archive, and record why
///
/// Verifies the hours around the object, shows the findings, and writes a record of who accepts
/// them and why. The record is never overwritten, is locked like every object of the archive,
/// and is chained to the previous record. It applies to this version of the object and these
/// bytes only, and takes effect once it is authenticated: by a MAC if `records.mac_key` is set,
/// otherwise by the line that this command prints, which you add to the configuration. From
/// then on `verify` and `drift` report the finding as accepted, and `consolidate` no longer
/// waits for an accepted object in quarantine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail accept AWSLogs/o-exampleorgid/111111111111/CloudTrail/…json.gz \\
      --reason 'uploaded by mistake, ticket 4711'
  orgtrail accept orgtrail/quarantine/…json.gz --reason 'ticket 4711' \\
      --contradicts-digest --yes
  orgtrail accept --list

Outcome code 12 if there is no finding about the object, or if it contradicts its digest
and `--contradicts-digest` is not given. `--list` exits with 14 if a record is not
authenticated.")]
pub(crate) struct Args {
    /// The object's key in the archive, below a log prefix or below `orgtrail/quarantine/`.
    #[arg(required_unless_present = "list")]
    key: Option<String>,

    /// Why you accept it. Everyone who verifies the archive can read this.
    #[arg(long, value_name = "TEXT", required_unless_present = "list", value_parser = reason)]
    reason: Option<String>,

    /// Accept an object that differs from what its digest lists. Such an object is no longer
    /// what CloudTrail wrote.
    #[arg(long)]
    contradicts_digest: bool,

    /// List accepted findings.
    #[arg(long, conflicts_with_all = ["key", "reason", "contradicts_digest"])]
    list: bool,
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("expected a reason".to_owned()),
        text if text.len() > MAX_REASON_BYTES => {
            Err(format!("{} bytes, expected at most {MAX_REASON_BYTES}", text.len()))
        }
        text => Ok(text.to_owned()),
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let Args { key: Some(key), reason: Some(reason), contradicts_digest, list: false } = args
    else {
        return list(context).await;
    };
    let config = context.config()?;
    let aws = context.env()?.aws().await?;
    let prefix = config.archive.prefix.as_ref().map(ToString::to_string);
    let target = consolidate::target(&config, &aws);
    let trust = trust(context, &config, &aws).await?;
    let object = current(&target, &key).await?;
    let found = findings(&key, prefix.as_deref(), context).await?;
    let is_quarantined = refused_key(prefix.as_deref(), &key).is_some();
    if found.is_empty() && !is_quarantined {
        return Err(OpError::new(
            format!("nothing to accept: verification finds nothing against `{}`", plain(&key)),
            Outcome::Refused,
        ));
    }
    for finding in &found {
        let (expected, found) = (finding.expected.as_deref(), finding.found.as_deref());
        context.out.note(format_args!("{}: {}", finding.kind, finding.kind.meaning()));
        context.out.note(format_args!("  expected: {}", plain(expected.unwrap_or("nothing else"))));
        context.out.note(format_args!("  found:    {}", plain(found.unwrap_or("this"))));
    }
    let contradicts = found.iter().any(|finding| finding.kind.contradicts_digest());
    if contradicts && !contradicts_digest {
        return Err(OpError::new(
            format!("`{}` contradicts its digest: it is not what CloudTrail wrote", plain(&key)),
            Outcome::Refused,
        )
        .with_hint("`--contradicts-digest` accepts that too"));
    }
    let version = object.version_id.as_deref().unwrap_or("without a version");
    context.confirm(&format!(
        "accept s3://{}/{} (version {version}, {} bytes, SHA-256 {})?",
        target.bucket,
        plain(&key),
        object.size_bytes,
        object.sha256
    ))?;
    // What was shown is what is accepted: it may have changed under the prompt.
    let now = current(&target, &key).await?;
    if (&now.version_id, &now.sha256) != (&object.version_id, &object.sha256) {
        return Err(OpError::new(
            format!("nothing was written: `{}` changed while the prompt waited", plain(&key)),
            Outcome::Refused,
        )
        .with_hint("run the same command again"));
    }
    let codes: BTreeSet<String> =
        found.iter().map(|finding| finding.kind.code().to_owned()).collect();
    let record = Acceptance {
        version: 0,
        number: 0,
        previous_sha256: None,
        key,
        version_id: object.version_id,
        sha256: object.sha256,
        size_bytes: object.size_bytes,
        findings: codes.into_iter().collect(),
        contradicts_digest: contradicts_digest && contradicts,
        reason,
        accepted_by: aws.caller().arn.to_string(),
        accepted_at: aws.now(),
        accepted_with: format!("orgtrail {}", env!("CARGO_PKG_VERSION")),
    };
    let accepting = Accepting { record };
    let writer = WriteClients::new(&target.clients, &WriteAuthority::granted());
    let written = accept(&writer, &target.bucket, prefix.as_deref(), accepting, &trust);
    let Written { key: record, acceptance: accepted, sha256 } = written.await?;
    let mac_key = trust.mac_key.as_ref().map(|key| key.arn().to_string());
    let locked_until = locked_until(&target, &record).await?;
    match context.format {
        Format::Json => context.document(contract::Report {
            acceptance: (&accepted).into(),
            record_key: record,
            record_sha256: sha256.clone(),
            mac_key: mac_key.clone(),
            locked_until,
        })?,
        Format::Text => context.out.data(format_args!("accepted: recorded as {record}"))?,
    }
    if mac_key.is_none() {
        tell_unauthenticated(context, &sha256);
    }
    if locked_until.is_none() {
        context.out.warn("the record is not locked: the archive has no default retention");
    }
    Ok(Outcome::Clean)
}

/// An object as it is now.
struct Current {
    version_id: Option<String>,
    sha256: String,
    size_bytes: u64,
}

async fn current(
    target: &crate::archive::consolidate::copy::Target,
    key: &str,
) -> Result<Current, OpError> {
    let get = target.clients.s3().get_object().bucket(target.bucket.as_str()).key(key).send().await;
    let got = match get.at(&target.clients, "s3:GetObject") {
        Ok(got) => got,
        Err(error) if error.is_not_found() => {
            let message = format!("s3://{} has no object `{}`", target.bucket, plain(key));
            return Err(OpError::usage(message)
                .with_hint("`orgtrail verify` and `orgtrail consolidate` name the keys"));
        }
        Err(error) => return Err(error.into()),
    };
    let version_id = got.version_id.clone();
    let body = got.body.collect().await.map_err(|error| OpError::new(error, Outcome::Incomplete))?;
    let body = body.into_bytes();
    Ok(Current { version_id, sha256: sha256_hex(&body), size_bytes: body.len() as u64 })
}

/// What verification finds against an object, beyond notices.
async fn findings(
    key: &str,
    prefix: Option<&str>,
    context: &Context,
) -> Result<Vec<Finding>, OpError> {
    let subject = refused_key(prefix, key).unwrap_or(key);
    let (selection, window) = around(subject);
    let target = Target::open(None, &What::default(), context).await?;
    let mut request = target.request(selection, window);
    // What was accepted before is no reason to accept other bytes.
    request.acceptances = Acceptances::none();
    let verification = checked(request, context).await?;
    let of_it = |finding: &&Finding| {
        let is_named = finding.key.as_deref() == Some(subject)
            || finding.files.iter().any(|file| file == subject);
        is_named && finding.severity > Severity::Notice
    };
    Ok(verification.all_findings().filter(of_it).cloned().collect())
}

/// What is verified to see what is found against a key: its account and Region around
/// its time; all of the archive where the key does not tell them.
fn around(key: &str) -> (Selection, Window) {
    let mut selection = Selection::default();
    if let Ok(key) = key.parse::<ObjectKey>() {
        selection.accounts.insert(key.account().clone());
        selection.regions.insert(key.region().clone());
        let plus = |by| key.time().checked_add(by).ok();
        let window = Window { since: plus(-AROUND), until: None, last: plus(AROUND) };
        return (selection, window);
    }
    selection.accounts.extend(key.split('/').find_map(|part| part.parse::<AccountId>().ok()));
    selection.regions.extend(key.split('/').find_map(|part| part.parse::<Region>().ok()));
    (selection, Window::default())
}

/// Up to when a record is locked.
async fn locked_until(
    target: &crate::archive::consolidate::copy::Target,
    key: &str,
) -> Result<Option<Timestamp>, OpError> {
    let head = target.clients.s3().head_object().bucket(target.bucket.as_str()).key(key);
    let head = head.send().await.at(&target.clients, "s3:GetObject")?;
    let until = head.object_lock_retain_until_date();
    Ok(until.and_then(|until| Timestamp::from_second(until.secs()).ok()))
}

async fn list(context: &Context) -> Result<Outcome, OpError> {
    let config = context.config()?;
    let aws = context.env()?.aws().await?;
    let prefix = config.archive.prefix.as_ref().map(ToString::to_string);
    let target = consolidate::target(&config, &aws);
    let source = crate::archive::verify::source::S3Source::new(
        target.clients.clone(),
        target.bucket.as_str(),
    );
    let trust = trust(context, &config, &aws).await?;
    let source = std::sync::Arc::new(Source::S3(source));
    let all = Acceptances::read(source, prefix.as_deref(), &trust).await;
    let not_counted: Vec<_> = all.records.iter().filter(|record| !record.counts()).collect();
    for (key, reason) in &all.unreadable {
        context.out.warn(format_args!("{}: {}", plain(key), plain(reason)));
    }
    match context.format {
        Format::Json => context.document(contract::List::new(&all.records, &all.faults))?,
        Format::Text if all.records.is_empty() => context.out.note("nothing was accepted"),
        Format::Text => context.out.data(table(&all.records).trim_fmt())?,
    }
    for record in &not_counted {
        let reason = record.authenticated.reason().unwrap_or_default();
        context.out.warn(format_args!(
            "not authenticated, accepts nothing: {}: {}",
            plain(&record.record),
            plain(reason)
        ));
    }
    if !not_counted.is_empty() {
        context.out.warn("for those that are yours, add to the configuration:");
        let sha256 = not_counted.iter().map(|record| record.record_sha256.as_str());
        context.out.warn(lines_to_add(sha256));
    }
    for (key, reason) in &all.faults {
        context.out.warn(format_args!("BROKEN {}: {}", plain(key), plain(reason)));
    }
    let is_whole = all.unreadable.is_empty() && not_counted.is_empty();
    Ok(match (all.faults.is_empty(), is_whole) {
        (false, _) => Outcome::IntegrityFailure,
        (true, false) => Outcome::Incomplete,
        (true, true) => Outcome::Clean,
    })
}

fn table(records: &[AcceptanceRecord]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["RECORD", "AUTHENTICATED", "TIME", "WHO", "FINDINGS", "KEY", "REASON"]);
    for AcceptanceRecord { acceptance: record, authenticated, .. } in records {
        let mut findings = record.findings.join(", ");
        if record.contradicts_digest {
            findings.push_str(" (contradicts its digest)");
        }
        table.add_row([
            record.number.to_string(),
            match authenticated {
                Authenticity::Mac { .. } => "by its MAC",
                Authenticity::Listed => "by the configuration",
                Authenticity::Nothing { .. } => "no",
                Authenticity::Unknown { .. } => "not checked",
            }
            .to_owned(),
            record.accepted_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            plain(&record.accepted_by).into_owned(),
            plain(&findings).into_owned(),
            plain(&record.key).into_owned(),
            plain(&record.reason).into_owned(),
        ]);
    }
    table
}

impl Explain for AcceptError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Aws(error) | Self::Mac(error) => error.hint(),
            Self::Contended(_) | Self::Unreadable { .. } | Self::Encode(_) => None,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Contended(_) | Self::Unreadable { .. } | Self::Mac(_) => Outcome::Incomplete,
            Self::Aws(_) | Self::Encode(_) => Outcome::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_what_is_verified_around_it() {
        let key = "AWSLogs/o-exampleorgid/111111111111/CloudTrail/us-east-1/2026/01/10/\
            111111111111_CloudTrail_us-east-1_20260110T0805Z_aaaaaaaaaaaaaaaa.json.gz";
        let (selection, window) = around(key);
        assert_eq!((selection.accounts.len(), selection.regions.len()), (1, 1));
        assert_eq!(window.since, Some("2026-01-10T04:05:00Z".parse().unwrap()));
        let (selection, window) = around("AWSLogs/111111111111/CloudTrail/us-east-1/odd.txt");
        assert_eq!((selection.accounts.len(), selection.regions.len()), (1, 1));
        assert_eq!(window.since, None);
        assert!(around("odd").0.accounts.is_empty());
    }

    #[test]
    fn a_reason_says_something() {
        assert!(reason(" ").is_err() && reason(&"a".repeat(2001)).is_err());
        assert_eq!(reason(" ticket 4711 "), Ok("ticket 4711".to_owned()));
    }
}
