//! `orgtrail evidence`

mod pack;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures::TryStreamExt as _;
use jiff::Timestamp;

use self::pack::{NotPacked, Packer};
use super::output_path::check_writable;
use super::verify::{Target, What, chosen, exit, window};
use super::{OpError, Context, Outcome, Format};
use crate::archive::bundle::{
    BundleWriter, DeclaredRoot, Followed, Manifest, PUBLIC_KEYS, RECORDS, REPORT_JSON, REPORT_TEXT,
    is_canonical,
};
use crate::archive::verify::chain::Window;
use crate::archive::verify::finding::{FindingKind, Severity};
use crate::archive::verify::public_keys::PublicKeySet;
use crate::archive::verify::run::{KeyRing, Verification};
use crate::archive::verify::source::Source;
use crate::names::Region;
use crate::report::contract::verification::Report;
use crate::report::contract::{Emitted, evidence};
use crate::report::verification::{self, Subject};

/// Where consolidation keeps its records, below the archive's prefix.
const RECORD_FOLDER: &str = "orgtrail/";

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
    what: What,

    /// The start of the time range.
    #[arg(long, value_name = "TIME", value_parser = super::verify::instant)]
    from: Timestamp,

    /// The end of the time range.
    #[arg(long, value_name = "TIME", value_parser = super::verify::instant)]
    until: Timestamp,

    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    if args.from >= args.until {
        let (from, until) = (args.from, args.until);
        return Err(OpError::usage(format!("--from {from} is not before --until {until}")));
    }
    // Refused before hours of fetching.
    if !args.output.exists() || args.output.is_symlink() {
        check_writable(&args.output)?;
    }
    let bundle = BundleWriter::create(&args.output)?;
    // A bundle that is packed in part would prove less than it says: after a stop,
    // there is none.
    context.env()?.unless_stopped(Box::pin(pack(&args, context, bundle))).await?
}

async fn pack(args: &Args, context: &Context, bundle: BundleWriter) -> Result<Outcome, OpError> {
    let target = Target::open(args.target.as_deref(), &args.what, context).await?;
    let now = target.now;
    let (source, prefix) = (Arc::clone(&target.source), target.prefix.clone());
    let not_files = target.not_files.clone();
    let (name, declared) = (target.name.clone(), target.declared.clone());
    let declared_trail = target.declared_trail.clone();
    let org_owner = target.org_owner.clone();
    // Later digests are not due yet: the verifier the bundle later must not miss them.
    let due = window(Some(args.from), Some(args.until), true, now).until;
    let until = due.filter(|due| *due > args.from).unwrap_or(args.until);
    let window = window(Some(args.from), Some(until), true, now);
    let subject = Subject {
        target: name.clone(),
        window,
        at: now,
        keys: Vec::new(),
        bundle: None,
        overrides: Vec::new(),
    };
    let request = target.request(args.what.selection(), window);
    let trails: BTreeSet<_> = request.selection.trails.clone();
    let (ring, others) = (request.keys.clone(), request.other_buckets.clone());
    let mut verification = chosen(request, context).await?;
    verification.findings.extend(not_files);
    let keys = keys(&ring, &verification, window).await;

    let mut packer = Packer {
        bundle,
        source: Arc::clone(&source),
        trails,
        from: args.from,
        until,
        last: window.last.unwrap_or(until),
        beside: BTreeSet::new(),
        unpackable: Vec::new(),
    };
    for lane in &verification.lanes {
        packer.lane(lane, &others).await?;
    }
    let (mut bundle, mut unpackable) = (packer.bundle, packer.unpackable);
    pack_records(&source, &mut bundle, &prefix, &mut unpackable).await?;
    let list = serde_json::to_vec_pretty(&keys.all.to_list())
        .map_err(|error| OpError::new(error, Outcome::Unexpected))?;
    bundle.file(PUBLIC_KEYS, &list)?;
    pack_report(&mut bundle, &subject, &verification)?;
    let manifest = bundle.finish(Manifest {
        version: 1,
        packed_at: now,
        source: name,
        from: args.from,
        to: until,
        declared: declared
            .as_ref()
            .map(|root| DeclaredRoot::from(root).of_trail(declared_trail.as_ref())),
        org_owner,
        bucket: source.bucket().map(str::to_owned),
        followed: followed(&verification),
        left_out: left_out(&verification).chain(keys.left_out).chain(unpackable).collect(),
        keys_unread: keys.unread,
        files: Vec::new(),
    })?;
    tell(args, context, &subject, &verification, &manifest)?;
    Ok(exit(verification.severity()))
}

/// Where chains were followed to.
fn followed(verification: &Verification) -> BTreeSet<Followed> {
    let lanes = verification.lanes.iter().filter(|lane| lane.followed);
    lanes
        .filter_map(|lane| {
            let bucket = lane.bucket.as_ref()?.parse().ok()?;
            Some(Followed { bucket, account: lane.account.clone() })
        })
        .collect()
}

/// What chains came from and could not be followed, with the reason.
fn left_out(verification: &Verification) -> impl Iterator<Item = String> {
    verification
        .all_findings()
        .filter(|finding| finding.kind == FindingKind::ContinuesElsewhere)
        .filter(|finding| finding.severity > Severity::Notice)
        .map(|finding| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            format!("{}: {}", text(&finding.expected), text(&finding.found))
        })
}

fn tell(
    args: &Args,
    context: &Context,
    subject: &Subject,
    verification: &Verification,
    manifest: &Manifest,
) -> Result<(), OpError> {
    let text = serde_json::to_vec_pretty(manifest)
        .map_err(|error| OpError::new(error, Outcome::Unexpected))?;
    let packed = evidence::Report {
        bundle: args.output.display().to_string(),
        files: manifest.files.len(),
        omitted: manifest.left_out.clone(),
        size_bytes: manifest.files.iter().map(|file| file.size_bytes).sum(),
        manifest_sha256: crate::archive::verify::digest::sha256_hex(&text),
        proven: exit(verification.severity()) == Outcome::Clean,
    };
    match context.format {
        Format::Json => context.document(packed),
        Format::Text => {
            context.head()?;
            context.out.data(verification::text(subject, verification))?;
            for what in &manifest.left_out {
                context.out.note(format_args!("not in the bundle: {what}"));
            }
            context.out.note(format_args!(
                "{}: {} files, {} bytes, SHA-256 of the manifest {}",
                packed.bundle, packed.files, packed.size_bytes, packed.manifest_sha256
            ));
            context.out.note(format_args!(
                "hand that SHA-256 over separately from the bundle, to verify it with: orgtrail \
                 verify {} --manifest-sha256 {}",
                packed.bundle, packed.manifest_sha256
            ));
            Ok(())
        }
    }
}

/// The public keys that the report was made with.
#[derive(Default)]
struct Keys {
    all: PublicKeySet,
    /// The Regions whose keys could not be asked for.
    unread: BTreeSet<Region>,
    /// The same with the reason.
    left_out: Vec<String>,
}

/// The keys of every Region that was verified: each was asked for once, and is
/// kept.
async fn keys(ring: &KeyRing, verification: &Verification, window: Window) -> Keys {
    let regions: BTreeSet<&Region> = verification.lanes.iter().map(|lane| &lane.region).collect();
    let mut keys = Keys::default();
    for region in regions {
        let found = ring.of(region, window).await;
        keys.all.extend(&found.vouched);
        keys.all.extend(&found.saved);
        if let Some(finding) = found.failed {
            let why = finding.found.unwrap_or_default();
            keys.left_out.push(format!("the public keys of {region}: {why}"));
            keys.unread.insert(region.clone());
        }
    }
    keys
}

async fn pack_records(
    source: &Source,
    bundle: &mut BundleWriter,
    prefix: &str,
    unpackable: &mut Vec<String>,
) -> Result<(), OpError> {
    let mut listed = source.list(&format!("{prefix}{RECORD_FOLDER}"), None);
    while let Some(object) = listed.try_next().await? {
        if !is_canonical(&object.key) {
            unpackable.push(pack::unpackable(&object.key));
            continue;
        }
        let fetched = source.fetch(None, &object.key).await;
        let fetched = fetched.map_err(|source| NotPacked { key: object.key.clone(), source })?;
        bundle.file(&format!("{RECORDS}/{}", object.key), &fetched.bytes)?;
    }
    Ok(())
}

fn pack_report(
    bundle: &mut BundleWriter,
    subject: &Subject,
    verification: &Verification,
) -> Result<(), OpError> {
    let json = serde_json::to_vec_pretty(&Emitted::new(Report::new(subject, verification)))
        .map_err(|error| OpError::new(error, Outcome::Unexpected))?;
    bundle.file(REPORT_JSON, &json)?;
    bundle.file(REPORT_TEXT, verification::text(subject, verification).as_bytes())?;
    Ok(())
}
