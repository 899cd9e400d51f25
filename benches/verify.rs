//! `verify` on local data, beside the least that any verifier must do: inflate
//! and hash the same bytes.
//!
//! Options: hours (default 200) and log files an hour (default 50).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};
use orgtrail::archive::verify::chain::Window;
use orgtrail::archive::verify::gzip::inflate;
use orgtrail::archive::verify::run::{
    Concurrency, Deliveries, KeyRing, Request, Selection, Silent, verify,
};
use orgtrail::archive::verify::source::{FolderSource, Source};

#[path = "../tests/it/forge.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod forge;

/// Events a log file; about 1.1 KB each, inflated.
const EVENTS: usize = 60;
const ROUNDS: usize = 5;

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn run(options: &[String]) {
    let number = |at: usize, otherwise: usize| {
        options.get(at).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (hours, logs) = (number(0, 200), number(1, 50));
    let folder = tempfile::tempdir().unwrap();
    let (mut bucket, mut chain) = (forge::Bucket::default(), forge::Chain::new());
    chain.hours(&mut bucket, hours, logs, EVENTS);
    bucket.write_to(folder.path());
    let files: Vec<PathBuf> = bucket.objects.keys().map(|key| folder.path().join(key)).collect();
    drop(bucket);

    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (one_core, inflated) = best(|| inflate_and_hash(&files, 1));
    let (all_cores, _) = best(|| inflate_and_hash(&files, cores));
    let (ours, proven) = best(|| verified(folder.path().to_owned()));
    assert_eq!(proven, (hours * logs) as u64, "every log file is proven");

    let objects = files.len();
    let megabytes = inflated as f64 / 1e6;
    println!("{objects} objects, {megabytes:.0} MB inflated, {cores} cores, best of {ROUNDS}");
    for (name, took) in [
        ("inflate and SHA-256, one core", one_core),
        ("inflate and SHA-256, all cores", all_cores),
        ("verify", ours),
    ] {
        let seconds = took.as_secs_f64();
        println!(
            "{name:32} {seconds:8.3} s {:10.0} objects/s {:8.0} MB/s",
            objects as f64 / seconds,
            megabytes / seconds
        );
    }
    let of = |limit: Duration| 100.0 * limit.as_secs_f64() / ours.as_secs_f64();
    println!(
        "verify reaches {:.0} % of the limit of all cores, {:.0} % of one core's",
        of(all_cores),
        of(one_core)
    );
    println!("peak memory of this process: {}", peak_memory());
}

/// The shortest of several rounds, after one to warm up.
fn best(round: impl Fn() -> u64) -> (Duration, u64) {
    let result = round();
    let timed = || {
        let start = Instant::now();
        assert_eq!(round(), result);
        start.elapsed()
    };
    ((0..ROUNDS).map(|_| timed()).min().unwrap(), result)
}

/// Reads, inflates and hashes every file, and tells the inflated bytes.
fn inflate_and_hash(files: &[PathBuf], threads: usize) -> u64 {
    let share = files.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let work = |files: &[PathBuf]| {
            let mut buffer = Vec::new();
            let mut total = 0;
            for file in files {
                let gzip = std::fs::read(file).unwrap();
                let mut hash = Context::new(&SHA256);
                total += inflate(&gzip, u64::MAX, &mut buffer, |piece| hash.update(piece)).unwrap();
                std::hint::black_box(hash.finish());
            }
            total
        };
        let running: Vec<_> =
            files.chunks(share).map(|files| scope.spawn(move || work(files))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// Verifies the folder, and tells how many log files are proven.
fn verified(folder: PathBuf) -> u64 {
    let request = Request {
        source: Arc::new(Source::Folder(FolderSource::new(folder))),
        prefix: String::new(),
        selection: Selection::default(),
        window: Window::default(),
        keys: KeyRing::Given(Arc::new(forge::key_set())),
        declared: None,
        delivered: Deliveries::none(),
        concurrency: Concurrency::default(),
        kept: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let verification = runtime.block_on(verify(request, Arc::new(Silent))).unwrap();
    assert_eq!(verification.severity(), None);
    verification.lanes.iter().map(|lane| lane.logs.valid).sum()
}

/// As the kernel tells it; elsewhere unknown.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "unknown".to_owned(), |peak| peak.trim().to_owned())
}
