//! Exporting the events of an archive as files for other programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::place::{Place, PlaceRequest, bucket_and_prefix};
use super::proof::{Proofs, proof_summary};
use super::search::outcome_of;
use crate::archive::blocking::or_panic;
use crate::archive::shard::Shard;
use crate::archive::verify::source::Source;
use crate::aws::{Clients, WriteAuthority, WriteClients};
use crate::config::Config;
use crate::events::answer::{Proof, ProofSummary};
use crate::events::coverage::Coverage;
use crate::events::export::{
    DayRange, Days, Destination, Encoded, EncodedPart, ExportError, ExportManifest, Exported,
    Format, FoundRow, MAX_NAMED, ManifestFile, OcsfClass, Put, Rows, Scratch, Unit, UnitError,
    UnitRows, Written, encode,
};
use crate::events::files::{LogFile, LogFiles, Selection, Window};
use crate::events::read::{FileResult, Options, Piece, Pieces, read};
use crate::names::{AccountId, BucketName, Region};
use crate::ops::verify::{Reader, Scope, reader};
use crate::ops::{Env, Moment, OpError, Outcome, Phase};

/// Accounts and Regions that are read at the same time.
const PLACES: usize = 2;
/// How much memory the records of an account and Region take before they are sorted on disk.
/// Units: bytes.
const BUDGET: usize = 12 << 20;
/// A file of an export ends at this size. Units: bytes of records.
const PART_BYTES: u64 = 1 << 30;

/// What to export, and where.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where from.
    pub place: PlaceRequest,
    /// Where to: `s3://bucket/prefix` or a directory; `athena.export` of the configuration if
    /// absent.
    pub to: Option<String>,
    /// The account that must own the bucket that is written to.
    pub to_owner: Option<AccountId>,
    /// As what.
    pub format: Format,
    /// Only these accounts; all if empty.
    pub accounts: BTreeSet<AccountId>,
    /// Only these Regions; all if empty.
    pub regions: BTreeSet<Region>,
    /// The first day, which is exported whole; any if absent.
    pub since: Option<Moment>,
    /// The last day, which is exported whole; the last closed one if absent.
    pub until: Option<Moment>,
    /// Whether days whose files differ are written again.
    pub replace: bool,
    /// How the events are proven, if they are to be.
    pub proof: Option<Scope>,
    /// Only the accounts and Regions of this shard; all if absent.
    pub shard: Option<Shard>,
}

impl Request {
    /// What was asked, by option: the shards of one export are all asked the same.
    #[must_use]
    pub fn asked(&self) -> BTreeMap<&'static str, String> {
        let joined = |names: Vec<String>| Some(names.join(",")).filter(|it| !it.is_empty());
        let flag = |is_set: bool| is_set.then(|| "true".to_owned());
        [
            ("--in", self.place.name.clone()),
            ("--to", self.to.clone()),
            ("--as", Some(self.format.as_str().to_owned())),
            ("--account", joined(self.accounts.iter().map(ToString::to_string).collect())),
            ("--region", joined(self.regions.iter().map(ToString::to_string).collect())),
            ("--since", self.since.map(|moment| moment.to_string())),
            ("--until", self.until.map(|moment| moment.to_string())),
            ("--replace", flag(self.replace)),
            ("--proof", flag(self.proof.is_some())),
        ]
        .into_iter()
        .filter_map(|(option, value)| Some((option, value?)))
        .collect()
    }
}

/// An export that was not started yet.
#[derive(Debug)]
pub struct Prepared {
    request: Request,
    place: Place,
    to: Target,
    range: DayRange,
}

#[derive(Debug)]
enum Target {
    Folder(PathBuf),
    Bucket { clients: Box<Clients>, bucket: BucketName, prefix: String },
}

/// Opens both places. Writes nothing.
///
/// # Errors
/// A place cannot be opened; the request is invalid; log files would be mixed with the export:
/// refused.
pub async fn prepare(env: &Env, request: Request) -> Result<Prepared, OpError> {
    let opening = async {
        let place = Place::open(&request.place, env).await?;
        let to = Target::open(&request, &place, env).await?;
        Ok::<_, OpError>((place, to))
    };
    let (place, to) = env.unless_stopped(Box::pin(opening)).await??;
    let [since, until] =
        [request.since, request.until].map(|at| at.map(|moment| moment.resolve(place.now)));
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        return Err(OpError::usage(format!("--since {since} is after --until {until}")));
    }
    let range = DayRange::closed(Window { since, until }, place.now);
    Ok(Prepared { request, place, to, range })
}

impl Prepared {
    /// What to ask before anything is written to AWS; `None` for a directory.
    #[must_use]
    pub fn question(&self) -> Option<String> {
        let Target::Bucket { clients, .. } = &self.to else { return None };
        let owner = clients.bucket_owner().map(|owner| format!(" of account {owner}"));
        let replace = if self.request.replace { ", and replace days that differ" } else { "" };
        Some(format!(
            "Write events of {} to {}{}{replace}?",
            self.place.name,
            self.to.name(),
            owner.unwrap_or_default()
        ))
    }

    /// Reads the log files and writes what is missing. Writing to a bucket needs an authority.
    ///
    /// # Errors
    /// Nothing can be listed, or a file could not be written. What was written is complete.
    pub async fn run(
        self,
        env: &Env,
        authority: Option<&WriteAuthority>,
    ) -> Result<Exported, OpError> {
        let Self { request, place, to, range } = self;
        let selection = Selection {
            accounts: request.accounts.clone(),
            regions: request.regions.clone(),
            classes: BTreeSet::new(),
            window: range.window(),
        };
        let proofs = match &request.proof {
            Some(scope) => {
                let name = request.place.name.as_deref();
                let shard = request.shard.clone();
                Some(Box::pin(Proofs::of(name, scope, &selection, shard, env)).await?)
            }
            None => None,
        };
        let listing = LogFiles::find(Arc::clone(&place.source), &place.prefix, &selection);
        let mut files = env.unless_stopped(listing).await??;
        if let Some(shard) = &request.shard {
            files = files.of_shard(shard);
        }
        let mut coverage = Coverage::new(selection.window);
        for (account, region) in files.places() {
            coverage.add_place(account, region);
        }
        let to_name = to.name();
        let exporter = Arc::new(Exporter {
            format: request.format,
            replace: request.replace,
            range,
            source: Arc::clone(&place.source),
            destination: to.writable(authority)?,
            scratch: Arc::new(Scratch::new().map_err(UnitError::Sort)?),
            phase: env.progress().phase("exporting", 0),
            handle: Handle::current(),
            env: env.clone(),
            state: Mutex::new(State {
                coverage,
                written: Written::default(),
                proof: proofs.as_ref().map(proof_summary),
            }),
            proofs,
        });
        let each = |files: LogFiles| {
            let exporter = Arc::clone(&exporter);
            async move {
                let has_order = files.has_order();
                let source = Arc::clone(&exporter.source);
                let (rows, stop) = (Arc::new(Rows), exporter.env.stop().clone());
                let pieces = read(source, files, rows, Options { hash: true }, stop);
                // Sorting and encoding block, so each account and Region has a thread.
                let work = move || exporter.place(pieces, has_order);
                or_panic(tokio::task::spawn_blocking(work).await)
            }
        };
        let places = stream::iter(files.by_place()).map(each).buffer_unordered(PLACES);
        places.try_collect::<()>().await?;
        let state = exporter.state.lock();
        Ok(Exported {
            place: place.name,
            to: to_name,
            format: request.format,
            last_day: range.last,
            coverage: state.coverage.clone(),
            written: state.written.clone(),
            was_stopped: env.stop().is_requested(),
            proof: state.proof.clone(),
        })
    }
}

/// How an export ended.
#[must_use]
pub fn outcome(exported: &Exported) -> Outcome {
    let is_incomplete =
        exported.was_stopped || exported.coverage.is_incomplete() || exported.written.held_back > 0;
    let refused = (exported.written.differing > 0).then_some(Outcome::Refused);
    let read = outcome_of(exported.proof.as_ref(), is_incomplete);
    Outcome::most_severe([read].into_iter().chain(refused))
}

impl Target {
    async fn open(request: &Request, place: &Place, env: &Env) -> Result<Self, OpError> {
        let declared = || {
            let athena = env.valid_config().and_then(|config| config.athena.as_ref());
            athena.and_then(|athena| athena.export.as_ref()).map(ToString::to_string)
        };
        let Some(to) = request.to.clone().or_else(declared) else {
            return Err(OpError::usage("`--to` is missing, and `athena.export` is not set"));
        };
        if !to.starts_with("s3://") {
            let from = request.place.name.as_deref().filter(|name| !name.starts_with("s3://"));
            let to = PathBuf::from(to);
            if let Some(from) = from {
                refuse_within(&to, Path::new(from))?;
            }
            return Ok(Self::Folder(to));
        }
        let (bucket, prefix) = bucket_and_prefix(&to)?;
        refuse_logs(&bucket, &place.source, env.valid_config())?;
        let Reader { clients, .. } =
            Box::pin(reader(&bucket, request.to_owner.as_ref(), env)).await?;
        Ok(Self::Bucket { clients: Box::new(clients), bucket, prefix })
    }

    fn name(&self) -> String {
        match self {
            Self::Folder(path) => path.display().to_string(),
            Self::Bucket { bucket, prefix, .. } => format!("s3://{bucket}/{prefix}"),
        }
    }

    fn writable(self, authority: Option<&WriteAuthority>) -> Result<Destination, OpError> {
        match (self, authority) {
            (Self::Folder(path), _) => Ok(Destination::Folder(path)),
            (Self::Bucket { clients, bucket, prefix }, Some(authority)) => {
                let clients = Box::new(WriteClients::new(&clients, authority));
                Ok(Destination::Bucket { clients, bucket, prefix })
            }
            (Self::Bucket { .. }, None) => {
                Err(OpError::unexpected("writing to a bucket was not confirmed"))
            }
        }
    }
}

/// Refuses a bucket with log files: the guards of the archive would keep exports for years, and
/// verification reports objects that are not CloudTrail's.
fn refuse_logs(
    bucket: &BucketName,
    source: &Source,
    config: Option<&Config>,
) -> Result<(), OpError> {
    let of_config = config.is_some_and(|config| {
        config.archive.bucket == *bucket
            || config.archive.replication.iter().any(|vault| vault.bucket == *bucket)
            || config.consolidate.sources.iter().any(|source| source.bucket == *bucket)
    });
    if of_config || source.bucket() == Some(bucket.as_str()) {
        let message = format!("`{bucket}` contains log files: an export belongs in another bucket");
        return Err(OpError::new(message, Outcome::Refused));
    }
    Ok(())
}

/// Refuses a directory within that of the log files.
fn refuse_within(to: &Path, from: &Path) -> Result<(), OpError> {
    let Ok(from) = from.canonicalize() else { return Ok(()) };
    let whole = std::path::absolute(to).map_err(OpError::unexpected)?;
    // What does not exist yet has no canonical path.
    let existing = whole.ancestors().find_map(|path| path.canonicalize().ok());
    if existing.is_some_and(|path| path.starts_with(&from)) {
        let message = format!("`{}` is within the directory of the log files", to.display());
        return Err(
            OpError::new(message, Outcome::Refused).with_hint("name another directory with --to")
        );
    }
    Ok(())
}

/// What the threads of an export share.
struct Exporter {
    format: Format,
    replace: bool,
    range: DayRange,
    source: Arc<Source>,
    destination: Destination,
    scratch: Arc<Scratch>,
    phase: Box<dyn Phase>,
    handle: Handle,
    env: Env,
    proofs: Option<Proofs>,
    state: Mutex<State>,
}

struct State {
    coverage: Coverage,
    written: Written,
    proof: Option<ProofSummary>,
}

impl Exporter {
    /// Exports an account and Region. Blocks.
    fn place(&self, mut pieces: Pieces<FoundRow>, has_order: bool) -> Result<(), OpError> {
        let mut days = Days::new(self.range, has_order, Arc::clone(&self.scratch), BUDGET);
        let mut is_whole = true;
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Found(found) => days.add(found).map_err(UnitError::Sort)?,
                Piece::File(result) => {
                    self.read(&result);
                    days.file(&result);
                }
                Piece::ReadUpTo(delivered) => {
                    for (unit, rows) in days.read_up_to(delivered) {
                        self.unit(unit, rows)?;
                    }
                }
                Piece::Failed(error) => {
                    let why = crate::words::in_one_line(&error);
                    self.state.lock().coverage.cut_short = Some(why);
                    is_whole = false;
                }
            }
        }
        // Days whose files were not all read are left to the next run.
        if is_whole && !self.env.stop().is_requested() {
            for (unit, rows) in days.finish() {
                self.unit(unit, rows)?;
            }
        }
        Ok(())
    }

    fn read(&self, result: &FileResult) {
        let mut state = self.state.lock();
        state.coverage.add(result);
        let files = state.coverage.files + state.coverage.unreadable;
        if files.is_multiple_of(100) {
            let days = state.written.days + state.written.unchanged;
            self.phase.set_name(&format!("exporting: {files} files read, {days} days written"));
        }
    }

    fn proof_of(&self, file: &LogFile) -> Option<Proof> {
        self.proofs.as_ref().map(|proofs| proofs.of_file(file))
    }

    fn unit(&self, unit: Unit, rows: UnitRows) -> Result<(), OpError> {
        let folder = Destination::folder(self.format, &unit);
        if rows.lacks_files {
            let mut state = self.state.lock();
            state.written.held_back += 1;
            name(&mut state.written.first_held_back, folder);
            return Ok(());
        }
        if rows.sorter.is_empty() {
            return Ok(());
        }
        let is_late = unit.late.is_some();
        let proof_of = |file: &LogFile| self.proof_of(file);
        let (destination, scratch) = (&self.destination, &*self.scratch);
        let encoded = encode(unit, rows, self.format, PART_BYTES, &proof_of, destination, scratch)?;
        let (manifest, proven) = (encoded.manifest.clone(), encoded.proven);
        let bytes: u64 = manifest.files.iter().map(|file| file.size_bytes).sum();
        let done = self.handle.block_on(self.publish(&folder, encoded))?;
        let mut state = self.state.lock();
        let State { written, proof, .. } = &mut *state;
        match done {
            Published::Written { replaced } => {
                written.days += 1;
                written.replaced += u64::from(replaced);
                written.files += manifest.files.len() as u64;
                written.bytes += bytes;
            }
            Published::Unchanged => written.unchanged += 1,
            Published::Differs => {
                written.differing += 1;
                name(&mut written.first_differing, folder);
                return Ok(());
            }
        }
        written.rows += manifest.rows;
        written.copies += manifest.copies;
        written.late += if is_late { manifest.rows } else { 0 };
        if let Some(summary) = proof {
            summary.proven += proven.proven;
            summary.unproven += proven.unproven;
            summary.contradicted += proven.contradicted;
        }
        Ok(())
    }

    /// Gives the files of a unit their names, and writes its manifest last.
    async fn publish(&self, folder: &str, encoded: Encoded) -> Result<Published, UnitError> {
        let Encoded { unit, parts, manifest, .. } = encoded;
        let mut text = serde_json::to_vec_pretty(&manifest).map_err(ExportError::Json)?;
        text.push(b'\n');
        let to = &self.destination;
        let manifest_name = format!("{folder}{}", unit.manifest_name());
        let known = to.read(&manifest_name).await?;
        let differs = known.as_ref().is_some_and(|known| *known != text);
        if differs && !self.replace {
            return Ok(Published::Differs);
        }
        if differs {
            // INVARIANT: the old manifest is deleted last: a run that ends before finds in it
            // what else is to be deleted.
            for name in known.iter().flat_map(|known| files_of(known, self.format, &unit)) {
                to.delete(&name).await?;
            }
        }
        let mut is_same = known.is_some() && !differs;
        for part in parts {
            let folder = Destination::files_folder(self.format, &unit, part.class);
            let name = format!("{folder}{}", part.name);
            if self.replace && known.is_none() {
                to.delete(&name).await?;
            }
            match self.put(&name, part).await? {
                Put::Written => is_same = false,
                Put::Same => {}
                Put::Different => return Ok(Published::Differs),
            }
        }
        if differs {
            to.delete(&manifest_name).await?;
        }
        match to.put_text(&manifest_name, text).await? {
            Put::Different => Ok(Published::Differs),
            Put::Same if is_same => Ok(Published::Unchanged),
            Put::Same | Put::Written => Ok(Published::Written { replaced: differs }),
        }
    }

    async fn put(&self, name: &str, part: EncodedPart) -> Result<Put, UnitError> {
        Ok(self.destination.put(name, part, self.format).await?)
    }
}

enum Published {
    Written { replaced: bool },
    Unchanged,
    Differs,
}

/// The files that a manifest lists and that are this unit's, below the destination: a name in it
/// is not trusted.
fn files_of(manifest: &[u8], format: Format, unit: &Unit) -> Vec<String> {
    let begins = format!("part-{}-", unit.name());
    let is_own = |name: &str| name.starts_with(&begins) && !name.contains(['/', '\\']);
    let own = |ManifestFile { name, class_uid, .. }: ManifestFile| {
        let class = OcsfClass::ALL.into_iter().find(|class| class_uid == Some(class.uid()));
        let class = class.filter(|_| format == Format::SecurityLake);
        let folder = Destination::files_folder(format, unit, class);
        is_own(&name).then(|| format!("{folder}{name}"))
    };
    serde_json::from_slice::<ExportManifest>(manifest)
        .map(|manifest| manifest.files.into_iter().filter_map(own).collect())
        .unwrap_or_default()
}

fn name(names: &mut Vec<String>, folder: String) {
    if names.len() < MAX_NAMED {
        names.push(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_within_the_log_files_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        for (to, is_refused) in [
            (logs.clone(), true),
            (logs.join("new/folder"), true),
            (folder.path().join("export"), false),
            (folder.path().join("logs2"), false),
        ] {
            let refused = refuse_within(&to, &logs);
            assert_eq!(refused.is_err(), is_refused, "{}", to.display());
        }
    }

    #[test]
    fn a_bucket_of_log_files_is_refused() {
        let config: Config = crate::config::SMALLEST.parse().unwrap();
        let source =
            Source::Folder(crate::archive::verify::source::FolderSource::new(PathBuf::from(".")));
        let refused = |bucket: &str| {
            refuse_logs(&bucket.parse().unwrap(), &source, Some(&config)).map_err(|it| it.outcome())
        };
        assert_eq!(refused("acme-log-archive"), Err(Outcome::Refused));
        assert_eq!(refused("acme-events"), Ok(()));
    }

    #[test]
    fn a_manifest_names_only_files_of_its_unit() {
        let unit = Unit {
            account: "111111111111".parse().ok(),
            region: "us-east-1".parse().ok(),
            day: "2026-01-02".parse().ok(),
            late: None,
        };
        let file = |name: &str| serde_json::json!({ "name": name, "sha256": "", "size_bytes": 0, "rows": 0 });
        let own = "part-111111111111-us-east-1-20260102-0000.parquet";
        let manifest = serde_json::json!({
            "document": "event-export-manifest", "version": 1, "account": null, "region": null,
            "day": null, "delivered_on": null, "format": "parquet", "schema_version": 1,
            "rows": 0, "copies": 0, "sources": [],
            "files": [file(own), file("../x"), file("part-111111111111-us-east-1-20260102-/../../x")],
        });
        let text = manifest.to_string();
        let own = format!("events/{}{own}", unit.folder());
        assert_eq!(files_of(text.as_bytes(), Format::Parquet, &unit), [own.as_str()]);
        // A class has a folder only where files have events of one class each.
        let of_class =
            text.replace("\"rows\":0,\"sha256\"", "\"class_uid\":3002,\"rows\":0,\"sha256\"");
        assert_ne!(text, of_class);
        assert_eq!(files_of(of_class.as_bytes(), Format::Parquet, &unit), [own]);
        let in_lake = files_of(of_class.as_bytes(), Format::SecurityLake, &unit);
        assert!(in_lake[0].starts_with("ext/orgtrail-3002/region=us-east-1/"), "{in_lake:?}");
        assert!(files_of(b"[]", Format::Parquet, &unit).is_empty());
    }
}
