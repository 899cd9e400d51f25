//! `orgtrail evidence`

use std::path::PathBuf;

use jiff::Timestamp;

use super::output_path::check_writable;
use super::verify::ScopeOptions;
use super::{Context, Format, OpError, Outcome};
use crate::ops::evidence::{Packed, Request, evidence};
use crate::report::{contract, verification};
use crate::words::counted;

/// Pack logs and their proof into one evidence bundle
///
/// Packs the log files, digests, public keys and run records of the given accounts and time
/// range, and the verification report, with a manifest of hashes. `orgtrail verify FILE
/// --offline --public-keys KEYS` verifies the bundle on a machine without network access, using
/// public keys that the recipient got from AWS.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail evidence --account 111111111111 --from 2026-01-01T00:00:00Z \\
      --until 2026-02-01T00:00:00Z -o january.tar.zst
  aws cloudtrail list-public-keys --start-time 2026-01-01 --end-time 2026-02-02 > keys.json
  orgtrail verify january.tar.zst --public-keys keys.json --offline

The exit code is that of verifying the packed files. The bundle is written in any
case, because broken chains are evidence too. An existing file is not overwritten:
exit code 12.")]
pub(crate) struct Args {
    /// Pack this instead of the archive: `s3://bucket/prefix` or a directory.
    target: Option<String>,

    #[command(flatten)]
    what: ScopeOptions,

    /// The start of the time range.
    #[arg(long, value_name = "TIME", value_parser = crate::ops::instant)]
    from: Timestamp,

    /// The end of the time range.
    #[arg(long, value_name = "TIME", value_parser = crate::ops::instant)]
    until: Timestamp,

    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let Args { target, what, from, until, output } = args;
    // Refused before hours of fetching.
    if from < until && (!output.exists() || output.is_symlink()) {
        check_writable(&output)?;
    }
    let request = Request { target, scope: what.into(), from, until, output };
    let packed = evidence(&context.env()?, &request).await?;
    match context.format {
        Format::Json => context.document(packed.document())?,
        Format::Text => print(context, &packed)?,
    }
    Ok(packed.outcome())
}

fn print(context: &Context, packed: &Packed) -> Result<(), OpError> {
    context.head()?;
    context.out.data(verification::text(&packed.subject, &packed.verification))?;
    for what in &packed.manifest.omitted {
        context.out.note(format_args!("not in the bundle: {what}"));
    }
    let contract::evidence::Report { bundle, files, size_bytes, manifest_sha256, .. } =
        packed.document();
    context.out.note(format_args!(
        "{bundle}: {}, {}, SHA-256 of the manifest {manifest_sha256}",
        counted(files, "file"),
        counted(size_bytes, "byte"),
    ));
    context.out.note(format_args!(
        "send this SHA-256 to the recipient over a different channel than the bundle; to verify: orgtrail verify {bundle} --manifest-sha256 {manifest_sha256}"
    ));
    Ok(())
}
