//! `orgtrail evidence`

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::verify::{Target, What, checked, exit, now, window};
use super::{CliError, Context, Exit, Explain, Format};
use crate::archive::bundle::{BundleWriter, Manifest, PUBLIC_KEYS, RECORDS};
use crate::archive::key::{DIGEST_FOLDER, LogClass, ObjectKey, ObjectKind};
use crate::archive::verify::public_keys::PublicKeySet;
use crate::archive::verify::run::{KeyRing, Verification, lanes};
use crate::archive::verify::source::{FetchError, Source};
use crate::names::Region;
use crate::report::verification::{self, Subject};

/// How many objects are fetched at a time.
const FETCHES: usize = 64;
/// How far around the window log files are taken along.
const AROUND: SignedDuration = SignedDuration::from_hours(2);
/// Where consolidation keeps its records, below the archive's prefix.
const RECORD_FOLDER: &str = "orgtrail/";

/// Pack the proof for accounts and a time into one file
///
/// Log files, digests, public keys, run records and the report of their
/// verification, with a manifest of hashes. `orgtrail verify FILE --offline`
/// proves it on a machine without network.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail evidence --account 111111111111 --from 2026-01-01T00:00:00Z \\
      --until 2026-02-01T00:00:00Z -o january.tar.zst
  orgtrail verify january.tar.zst --offline

The exit code is that of verifying what is packed: a bundle is written in any
case, because broken chains are evidence too.")]
pub(crate) struct Args {
    /// Pack this instead of the archive of the config: `s3://bucket/prefix`, or
    /// a folder.
    target: Option<String>,

    #[command(flatten)]
    what: What,

    /// From when on.
    #[arg(long, value_name = "TIME")]
    from: Timestamp,

    /// Up to when.
    #[arg(long, value_name = "TIME")]
    until: Timestamp,

    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// The JSON contract. Fields may be added; `version` grows when one changes its
/// meaning or goes.
#[derive(Debug, Serialize)]
struct Packed {
    /// 1.
    version: u32,
    bundle: String,
    files: usize,
    size_bytes: u64,
    sha256_of_manifest: String,
    /// Whether what is packed is proven.
    proven: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let now = now();
    if args.from >= args.until {
        let (from, until) = (args.from, args.until);
        return Err(CliError::usage(format!("--from {from} is not before --until {until}")));
    }
    // Refused before hours of fetching.
    let mut bundle = BundleWriter::create(&args.output)?;
    let target = Target::open(args.target.as_deref(), &args.what, context, now).await?;
    let (source, prefix) = (Arc::clone(&target.source), target.prefix.clone());
    let (name, declared) = (target.name.clone(), target.declared.clone());
    let org_owner = target.org_owner.clone();
    let window = window(Some(args.from), Some(args.until), true, now);
    let subject = Subject { target: name.clone(), window, at: now };
    let mut request = target.request(args.what.selection(), window);
    let trails: BTreeSet<_> = request.selection.trails.clone();
    // Asked once here, so that the bundle holds what the report was made with.
    let keys = all_keys(&request.keys, &args, &source, &prefix).await?;
    request.keys = KeyRing::Given(Arc::new(keys.clone()));
    let verification = checked(request, context).await?;

    let from = args.from;
    let last = window.last.unwrap_or(args.until);
    for lane in &verification.lanes {
        let folder = |kind: &str| format!("{}{}/{kind}/{}/", lane.root, lane.account, lane.region);
        let digest = |key: &ObjectKey| match key.kind() {
            ObjectKind::Digest { trail, .. } => {
                (trails.is_empty() || trails.contains(trail)) && (from..=last).contains(&key.time())
            }
            ObjectKind::Log { .. } => false,
        };
        pack(&source, &mut bundle, &folder(DIGEST_FOLDER), from, last, digest).await?;
        let around = |time: Timestamp, by| time.checked_add(by).unwrap_or(time);
        let (early, late) = (around(from, -AROUND), around(args.until, AROUND));
        for class in LogClass::ALL {
            let log = |key: &ObjectKey| (early..=late).contains(&key.time());
            pack(&source, &mut bundle, &folder(class.folder()), early, late, log).await?;
        }
    }
    pack_records(&source, &mut bundle, &prefix).await?;
    let keys = serde_json::to_vec_pretty(&keys.to_list())
        .map_err(|error| CliError::new(error, Exit::Unexpected))?;
    bundle.file(PUBLIC_KEYS, &keys)?;
    pack_report(&mut bundle, &subject, &verification)?;
    let manifest = bundle.finish(Manifest {
        version: 1,
        packed_at: now,
        source: name,
        from: args.from,
        to: args.until,
        declared: declared.as_ref().map(Into::into),
        org_owner,
        files: Vec::new(),
    })?;
    tell(&args, context, &subject, &verification, &manifest)?;
    Ok(exit(verification.severity()))
}

fn tell(
    args: &Args,
    context: &Context,
    subject: &Subject,
    verification: &Verification,
    manifest: &Manifest,
) -> Result<(), CliError> {
    let text = serde_json::to_vec_pretty(manifest)
        .map_err(|error| CliError::new(error, Exit::Unexpected))?;
    let packed = Packed {
        version: 1,
        bundle: args.output.display().to_string(),
        files: manifest.files.len(),
        size_bytes: manifest.files.iter().map(|file| file.size_bytes).sum(),
        sha256_of_manifest: crate::archive::verify::digest::sha256_hex(&text),
        proven: exit(verification.severity()) == Exit::Clean,
    };
    match context.format {
        Format::Json => context.out.json(&packed),
        Format::Text => {
            context.out.data(verification::text(subject, verification))?;
            context.out.note(format_args!(
                "{}: {} files, {} bytes, SHA-256 of the manifest {}",
                packed.bundle, packed.files, packed.size_bytes, packed.sha256_of_manifest
            ));
            Ok(())
        }
    }
}

/// The keys of every Region that has digests in the window.
async fn all_keys(
    ring: &KeyRing,
    args: &Args,
    source: &Source,
    prefix: &str,
) -> Result<PublicKeySet, CliError> {
    let lanes = lanes(source, prefix, &args.what.selection()).await?;
    let regions: BTreeSet<Region> = lanes.into_iter().map(|lane| lane.region).collect();
    let window = window(Some(args.from), Some(args.until), true, args.until);
    let mut all = PublicKeySet::default();
    for region in regions {
        let (keys, failed) = ring.of(&region, window).await;
        if let Some(finding) = failed {
            let why = finding.found.unwrap_or_default();
            return Err(CliError::new(
                format!("the public keys of {region}: {why}"),
                Exit::Incomplete,
            ));
        }
        all.extend(&keys);
    }
    Ok(all)
}

/// Packs the objects of a folder whose keys are wanted.
async fn pack(
    source: &Arc<Source>,
    bundle: &mut BundleWriter,
    folder: &str,
    from: Timestamp,
    to: Timestamp,
    wanted: impl Fn(&ObjectKey) -> bool,
) -> Result<(), CliError> {
    let start = format!("{folder}{}", from.strftime("%Y/%m/%d/"));
    let end = format!("{folder}{}", to.strftime("%Y/%m/%d0"));
    let keys: Vec<String> = source
        .list(folder, Some(start))
        .map_ok(|object| object.key)
        .try_take_while(|key| futures::future::ready(Ok(*key < end)))
        // What is no key of CloudTrail's is evidence as well.
        .try_filter(|key| futures::future::ready(key.parse().map_or(true, |key| wanted(&key))))
        .try_collect()
        .await?;
    let fetch = async |key: String| {
        let object = source.fetch(None, &key).await;
        (key, object)
    };
    let mut objects = stream::iter(keys).map(fetch).buffered(FETCHES);
    while let Some((key, object)) = objects.next().await {
        let object = object.map_err(|source| Unpacked { key: key.clone(), source })?;
        bundle.object(&key, &object.bytes, &object.metadata)?;
    }
    Ok(())
}

async fn pack_records(
    source: &Source,
    bundle: &mut BundleWriter,
    prefix: &str,
) -> Result<(), CliError> {
    let mut listed = source.list(&format!("{prefix}{RECORD_FOLDER}"), None);
    while let Some(object) = listed.try_next().await? {
        let fetched = source.fetch(None, &object.key).await;
        let fetched = fetched.map_err(|source| Unpacked { key: object.key.clone(), source })?;
        bundle.file(&format!("{RECORDS}/{}", object.key), &fetched.bytes)?;
    }
    Ok(())
}

fn pack_report(
    bundle: &mut BundleWriter,
    subject: &Subject,
    verification: &Verification,
) -> Result<(), CliError> {
    let json = serde_json::to_vec_pretty(&verification::json(subject, verification))
        .map_err(|error| CliError::new(error, Exit::Unexpected))?;
    bundle.file("report.json", &json)?;
    bundle.file("report.txt", verification::text(subject, verification).as_bytes())?;
    Ok(())
}

#[derive(Debug, thiserror::Error)]
#[error("packing `{key}`")]
struct Unpacked {
    key: String,
    #[source]
    source: FetchError,
}

impl Explain for Unpacked {
    fn exit(&self) -> Exit {
        Exit::Incomplete
    }
}
