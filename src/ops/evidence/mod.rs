//! Evidence bundles: logs with the proof of them.

mod pack;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures::TryStreamExt as _;
use jiff::Timestamp;

use self::pack::{NotPacked, Packer};
use super::verify::{Scope, Target, chosen, outcome, window};
use super::{Env, OpError, Outcome};
use crate::archive::bundle::{
    BundleWriter, DeclaredRoot, Followed, Manifest, PUBLIC_KEYS, RECORDS, REPORT_JSON, REPORT_TEXT,
    is_canonical,
};
use crate::archive::proofs;
use crate::archive::verify::chain::Window;
use crate::archive::verify::digest::sha256_hex;
use crate::archive::verify::finding::{FindingKind, Severity};
use crate::archive::verify::public_keys::PublicKeySet;
use crate::archive::verify::run::{PublicKeySource, Verification};
use crate::archive::verify::source::Source;
use crate::names::Region;
use crate::report::contract::verification::Report;
use crate::report::contract::{Emitted, evidence};
use crate::report::verification::{self as report, Subject};

/// Where consolidation keeps its records, below the archive's prefix.
const RECORD_FOLDER: &str = "orgtrail/";

/// What to pack.
#[derive(Debug, Clone)]
pub struct Request {
    /// `s3://bucket/prefix` or a directory; the archive of the configuration if absent.
    pub target: Option<String>,
    /// What of it.
    pub scope: Scope,
    /// The start of the time range.
    pub from: Timestamp,
    /// The end of the time range.
    pub until: Timestamp,
    /// The file to write; an existing one is not overwritten.
    pub output: PathBuf,
}

/// A bundle that was written.
#[derive(Debug)]
pub struct Packed {
    /// The file.
    pub bundle: PathBuf,
    /// What it has.
    pub manifest: Manifest,
    /// The SHA-256 of its manifest, which covers every file.
    pub manifest_sha256: String,
    /// What was verified.
    pub subject: Subject,
    /// What was found.
    pub verification: Verification,
}

impl Packed {
    /// Whether the packed files are proven.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        outcome(self.verification.severity())
    }

    /// The same as a document.
    #[must_use]
    pub fn document(&self) -> evidence::Report {
        evidence::Report {
            bundle: self.bundle.display().to_string(),
            files: self.manifest.files.len(),
            omitted: self.manifest.omitted.clone(),
            size_bytes: self.manifest.files.iter().map(|file| file.size_bytes).sum(),
            manifest_sha256: self.manifest_sha256.clone(),
            proven: self.outcome() == Outcome::Clean,
        }
    }
}

/// Packs log files, digests, public keys, run records and the verification report into a
/// bundle. Broken chains are packed too: they are evidence.
///
/// # Errors
/// The request is invalid, the file exists, the target cannot be opened or read, or a stop
/// was requested; then there is no bundle.
pub async fn evidence(env: &Env, request: &Request) -> Result<Packed, OpError> {
    let Request { from, until, output, .. } = request;
    if from >= until {
        return Err(OpError::usage(format!("--from {from} is not before --until {until}")));
    }
    let bundle = BundleWriter::create(output)?;
    // A bundle that is packed in part would prove less than it says.
    env.unless_stopped(Box::pin(pack(request, env, bundle))).await?
}

async fn pack(request: &Request, env: &Env, bundle: BundleWriter) -> Result<Packed, OpError> {
    let target = Target::open(request.target.as_deref(), &request.scope, env).await?;
    let now = target.now;
    let (source, prefix) = (Arc::clone(&target.source), target.prefix.clone());
    let not_files = target.not_files.clone();
    let (name, declared) = (target.name.clone(), target.declared.clone());
    let declared_trail = target.declared_trail.clone();
    let org_owner = target.org_owner.clone();
    // Later digests are not due yet: the verifier the bundle later must not miss them.
    let due = window(Some(request.from), Some(request.until), true, now).until;
    let until = due.filter(|due| *due > request.from).unwrap_or(request.until);
    let window = window(Some(request.from), Some(until), true, now);
    let subject = Subject {
        target: name.clone(),
        window,
        at: now,
        keys: Vec::new(),
        bundle: None,
        overrides: Vec::new(),
    };
    let of_target = target.request(request.scope.selection(), window);
    let trails: BTreeSet<_> = of_target.selection.trails.clone();
    let (ring, others) = (of_target.keys.clone(), of_target.other_buckets.clone());
    let mut verification = chosen(of_target, env).await?;
    verification.findings.extend(not_files);
    let keys = keys(&ring, &verification, window).await;

    let mut packer = Packer {
        bundle,
        source: Arc::clone(&source),
        trails,
        from: request.from,
        until,
        last: window.last.unwrap_or(until),
        beside: BTreeSet::new(),
        unpackable: Vec::new(),
    };
    for scope in &verification.scopes {
        packer.scope(scope, &others).await?;
    }
    let (mut bundle, mut unpackable) = (packer.bundle, packer.unpackable);
    pack_records(&source, &mut bundle, &prefix, &mut unpackable).await?;
    let list = serde_json::to_vec_pretty(&keys.all.to_list()).map_err(OpError::unexpected)?;
    bundle.file(PUBLIC_KEYS, &list)?;
    pack_report(&mut bundle, &subject, &verification)?;
    let manifest = bundle.finish(Manifest {
        version: 1,
        packed_at: now,
        source: name,
        from: request.from,
        to: until,
        declared: declared
            .as_ref()
            .map(|root| DeclaredRoot::from(root).of_trail(declared_trail.as_ref())),
        org_owner,
        bucket: source.bucket().map(str::to_owned),
        followed: followed(&verification),
        omitted: omitted(&verification).chain(keys.omitted).chain(unpackable).collect(),
        regions_without_public_keys: keys.unread,
        files: Vec::new(),
    })?;
    let text = serde_json::to_vec_pretty(&manifest).map_err(OpError::unexpected)?;
    let manifest_sha256 = sha256_hex(&text);
    let bundle = request.output.clone();
    Ok(Packed { bundle, manifest, manifest_sha256, subject, verification })
}

/// Where chains were followed to.
fn followed(verification: &Verification) -> BTreeSet<Followed> {
    let scopes = verification.scopes.iter().filter(|scope| scope.followed);
    scopes
        .filter_map(|scope| {
            let bucket = scope.bucket.as_ref()?.parse().ok()?;
            Some(Followed { bucket, account: scope.account.clone() })
        })
        .collect()
}

/// What chains came from and could not be followed, with the reason.
fn omitted(verification: &Verification) -> impl Iterator<Item = String> {
    verification
        .all_findings()
        .filter(|finding| finding.kind == FindingKind::ContinuesElsewhere)
        .filter(|finding| finding.severity > Severity::Notice)
        .map(|finding| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            format!("{}: {}", text(&finding.expected), text(&finding.found))
        })
}

/// The public keys that the report was made with.
#[derive(Default)]
struct Keys {
    all: PublicKeySet,
    /// The Regions whose keys are unreadable.
    unread: BTreeSet<Region>,
    /// The same with the reason.
    omitted: Vec<String>,
}

/// The public keys of every verified Region, each listed once.
async fn keys(ring: &PublicKeySource, verification: &Verification, window: Window) -> Keys {
    let regions: BTreeSet<&Region> =
        verification.scopes.iter().map(|scope| &scope.region).collect();
    let mut keys = Keys::default();
    for region in regions {
        let found = ring.of(region, window).await;
        keys.all.extend(&found.listed);
        keys.all.extend(&found.saved);
        if let Some(finding) = found.failed {
            let why = finding.found.unwrap_or_default();
            keys.omitted.push(format!("the public keys of {region}: {why}"));
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
        // Proof records only say what an earlier verification found: they prove nothing to others.
        if object.key.starts_with(&format!("{prefix}{}", proofs::FOLDER)) {
            continue;
        }
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
        .map_err(OpError::unexpected)?;
    bundle.file(REPORT_JSON, &json)?;
    bundle.file(REPORT_TEXT, report::text(subject, verification).as_bytes())?;
    Ok(())
}
