//! `orgtrail accept`

use comfy_table::Table;

use super::trust::{lines_to_add, print_unauthenticated};
use super::{Context, Format, OpError, Outcome};
use crate::archive::accept::AcceptanceRecord;
use crate::archive::authenticity::Authenticity;
use crate::ops::accept::{acceptances, examine, outcome};
use crate::report::contract::acceptance as contract;
use crate::report::drift::plain;
use crate::report::new_table;
use crate::words::counted;

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

Exit code 12 if there is no finding about the object, or if it contradicts its digest
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
    let env = context.env()?;
    let examined = examine(&env, key).await?;
    let key = plain(&examined.key);
    for finding in &examined.findings {
        let (expected, found) = (finding.expected.as_deref(), finding.found.as_deref());
        context.out.note(format_args!("{}: {}", finding.kind, finding.kind.meaning()));
        context.out.note(format_args!("  expected: {}", plain(expected.unwrap_or("nothing else"))));
        context.out.note(format_args!("  found:    {}", plain(found.unwrap_or("this"))));
    }
    if examined.contradicts_digest() && !contradicts_digest {
        return Err(OpError::new(
            format!("`{key}` contradicts its digest: it is not what CloudTrail wrote"),
            Outcome::Refused,
        )
        .with_hint("to accept it anyway, add `--contradicts-digest`"));
    }
    let version = examined.object.version_id.as_deref().unwrap_or("none");
    context.confirm(&format!(
        "Accept s3://{}/{key} (version {version}, {}, SHA-256 {})?",
        examined.bucket(),
        counted(examined.object.size_bytes, "byte"),
        examined.object.sha256
    ))?;
    let accepted = examined.accept(&env, reason).await?;
    match context.format {
        Format::Json => context.document(accepted.document())?,
        Format::Text => {
            context.out.data(format_args!("accepted: recorded as {}", accepted.record_key))?;
        }
    }
    if accepted.mac_key.is_none() {
        print_unauthenticated(context, &accepted.record_sha256);
    }
    if accepted.locked_until.is_none() {
        context.out.warn("the record is not locked: the archive has no default retention");
    }
    Ok(Outcome::Clean)
}

async fn list(context: &Context) -> Result<Outcome, OpError> {
    let all = acceptances(&context.env()?).await?;
    for (key, reason) in &all.unreadable {
        context.out.warn(format_args!("{}: {}", plain(key), plain(reason)));
    }
    match context.format {
        Format::Json => context.document(contract::List::new(&all.records, &all.faults))?,
        Format::Text if all.records.is_empty() => context.out.note("no acceptances"),
        Format::Text => context.out.data(table(&all.records).trim_fmt())?,
    }
    let not_counted: Vec<_> = all.records.iter().filter(|record| !record.counts()).collect();
    for record in &not_counted {
        let reason = record.authenticated.reason().unwrap_or_default();
        context.out.warn(format_args!(
            "not authenticated, so it accepts nothing: {}: {}",
            plain(&record.record),
            plain(reason)
        ));
    }
    if !not_counted.is_empty() {
        context.out.warn("to authenticate the records that you trust, add to the configuration:");
        let sha256 = not_counted.iter().map(|record| record.record_sha256.as_str());
        context.out.warn(lines_to_add(sha256));
    }
    for (key, reason) in &all.faults {
        context.out.warn(format_args!("BROKEN {}: {}", plain(key), plain(reason)));
    }
    Ok(outcome(&all))
}

fn table(records: &[AcceptanceRecord]) -> Table {
    let mut table =
        new_table(["RECORD", "AUTHENTICATED", "TIME", "PRINCIPAL", "FINDINGS", "KEY", "REASON"]);
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
                Authenticity::Unauthenticated { .. } => "no",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something() {
        assert!(reason(" ").is_err() && reason(&"a".repeat(2001)).is_err());
        assert_eq!(reason(" ticket 4711 "), Ok("ticket 4711".to_owned()));
    }
}
