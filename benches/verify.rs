//! `verify` on local data, beside the least that any verifier must do: read,
//! inflate and hash the same bytes with the fastest inflater there is.
//!
//! `cargo bench -- verify [HOURS [LOGS]]` (200 hours of 50 log files), or
//! `cargo bench -- verify --objects N` for how the memory grows up to `N`
//! objects. What is compared runs in turns, so that a busy machine strikes both.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};
use libdeflater::Decompressor;
use orgtrail::archive::accept::Acceptances;
use orgtrail::archive::verify::chain::Window;
use orgtrail::archive::verify::public_keys::{PublicKeySet, SAVED_KEYS};
use orgtrail::archive::verify::run::{
    Concurrency, Deliveries, Depth, NoProgress, OtherBuckets, PublicKeySource, Request, Selection,
    verify,
};
use orgtrail::archive::verify::source::{FolderSource, Source};

use crate::curve::{Curve, Series};
use crate::quick::{Goal, QUICK, row};
use crate::usage::{cpu_seconds, peak_mib};

#[path = "../tests/it/forge.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
pub(crate) mod forge;

/// Events a log file; about 1.1 KB each, inflated.
const EVENTS: usize = 60;
const ROUNDS: usize = 7;
/// Log files a digest, where the memory is measured; they are small.
const FILES: usize = 49;
/// What a child process is started with, before the folder.
const CHILD: &str = "--child";

pub(crate) fn run(options: &[String]) {
    let number = |text: &String| text.parse::<usize>().expect("a number");
    match options {
        [flag, folder] if flag == CHILD => child(Path::new(folder)),
        [flag, objects] if flag == "--objects" => grow(number(objects)),
        [flag] if flag == QUICK => quick(),
        _ => {
            let at = |nth: usize, otherwise| options.get(nth).map_or(otherwise, number);
            compare(at(0, 200), at(1, 50));
        }
    }
}

/// What something took.
#[derive(Debug, Clone, Copy)]
struct Cost {
    seconds: f64,
    cpu_seconds: f64,
}

/// What the limits and `verify` took, in turns.
struct Compared {
    objects: usize,
    inflated: u64,
    cores: usize,
    one: Vec<Cost>,
    all: Vec<Cost>,
    ours: Vec<Cost>,
}

impl Compared {
    /// The median of what a limit took, as a share of what `verify` took.
    fn share(&self, limit: &[Cost], of: fn(&Cost) -> f64) -> f64 {
        median(limit.iter().zip(&self.ours).map(|(limit, ours)| of(limit) / of(ours)))
    }
}

fn compared(hours: usize, logs: usize, rounds: usize) -> Compared {
    let folder = tempfile::tempdir().unwrap();
    let files = fill(folder.path(), hours, logs, EVENTS);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let inflated = inflate_and_hash(&files, cores);
    let proven = (hours * logs) as u64;
    let [mut one, mut all, mut ours] = [(); 3].map(|()| Vec::new());
    for _ in 0..rounds {
        one.push(cost(|| assert_eq!(inflate_and_hash(&files, 1), inflated)));
        all.push(cost(|| assert_eq!(inflate_and_hash(&files, cores), inflated)));
        ours.push(cost(|| assert_eq!(verified(folder.path()), proven)));
    }
    Compared { objects: files.len(), inflated, cores, one, all, ours }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn compare(hours: usize, logs: usize) {
    let compared = compared(hours, logs, ROUNDS);
    let Compared { objects, inflated, cores, one, all, ours } = &compared;
    let (objects, megabytes) = (*objects as f64, *inflated as f64 / 1e6);
    println!(
        "{objects} objects, {megabytes:.0} MB inflated, {cores} cores, {ROUNDS} rounds in turns"
    );
    for (name, costs) in [("limit, one core", one), ("limit, all cores", all), ("verify", ours)] {
        let seconds = median(costs.iter().map(|cost| cost.seconds));
        let cpu = median(costs.iter().map(|cost| cost.cpu_seconds));
        println!(
            "{name:16} {seconds:7.3} s {:9.0} objects/s {:6.0} MB/s {:7.1} CPU us/object",
            objects / seconds,
            megabytes / seconds,
            cpu * 1e6 / objects
        );
    }
    println!(
        "verify reaches, in the median of the pairs: {:.0} % of all cores' limit by the clock; by CPU {:.0} % of one core's, {:.0} % of all cores'",
        100.0 * compared.share(all, |cost| cost.seconds),
        100.0 * compared.share(one, |cost| cost.cpu_seconds),
        100.0 * compared.share(all, |cost| cost.cpu_seconds),
    );
}

fn quick() {
    let compared = compared(60, 50, 5);
    let share = compared.share(&compared.all, |cost| cost.cpu_seconds);
    row(
        "verify: objects per CPU second",
        share,
        "inflating and hashing alone",
        Goal::AtLeast(0.85),
    );
    let folder = tempfile::tempdir().unwrap();
    let mut chain = forge::Chain::new();
    let [small, large] = [200, 1_800].map(|hours| {
        write(folder.path(), &mut chain, hours, FILES, 1);
        measured(folder.path()).0
    });
    row(
        "verify: peak memory of 100,000 objects",
        large / small,
        "that of 10,000",
        Goal::AtMost(1.5),
    );
}

/// Verifies ever larger archives, each in a process of its own.
fn grow(most: usize) {
    println!("{:>9}  {:>12}  {:>9}  {:>15}", "objects", "peak memory", "seconds", "CPU us/object");
    let folder = tempfile::tempdir().unwrap();
    let (mut chain, mut there) = (forge::Chain::new(), 0);
    let (mut memory, mut micros) = (Vec::new(), Vec::new());
    for objects in [1_000, 10_000, 100_000, 1_000_000] {
        if objects > most {
            break;
        }
        let hours = objects / (FILES + 1);
        write(folder.path(), &mut chain, hours - there, FILES, 1);
        there = hours;
        let (peak_mib, cost) = measured(folder.path());
        let count = f64::from(u32::try_from(objects).unwrap());
        let each = cost.cpu_seconds * 1e6 / count;
        memory.push((count, peak_mib));
        micros.push((count, each));
        println!("{objects:>9}  {peak_mib:>8.1} MiB  {:>9.2}  {each:>15.1}", cost.seconds);
    }
    Curve {
        title: "verify: an archive that grows".to_owned(),
        x: "objects",
        y: "MiB, or CPU µs",
        series: vec![
            Series { name: "peak memory, MiB", points: memory },
            Series { name: "CPU µs an object", points: micros },
        ],
    }
    .draw("verify");
}

/// Verifies in a process of its own: its peak memory in MiB, and what it took.
fn measured(folder: &Path) -> (f64, Cost) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["verify", CHILD])
        .arg(folder)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = said.trim().split(',').filter_map(|text| text.parse().ok()).collect();
    let [peak_mib, seconds, cpu_seconds] = numbers[..] else {
        panic!("{said}{}", String::from_utf8_lossy(&output.stderr));
    };
    (peak_mib, Cost { seconds, cpu_seconds })
}

fn child(folder: &Path) {
    let took = cost(|| assert!(verified(folder) > 0));
    println!("{},{:.2},{:.2}", peak_mib(), took.seconds, took.cpu_seconds);
}

/// Writes an archive and its public keys, and tells its objects' paths.
fn fill(folder: &Path, hours: usize, logs: usize, events: usize) -> Vec<PathBuf> {
    write(folder, &mut forge::Chain::new(), hours, logs, events)
}

fn write(
    folder: &Path,
    chain: &mut forge::Chain,
    hours: usize,
    logs: usize,
    events: usize,
) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for _ in 0..hours {
        let mut bucket = forge::Bucket::default();
        chain.hours(&mut bucket, 1, logs, events);
        bucket.write_to(folder);
        files.extend(bucket.objects.keys().map(|key| folder.join(key)));
    }
    let keys = folder.join(SAVED_KEYS);
    std::fs::create_dir_all(keys.parent().unwrap()).unwrap();
    std::fs::write(keys, serde_json::to_vec(&forge::key_set().to_list()).unwrap()).unwrap();
    files
}

fn cost(work: impl FnOnce()) -> Cost {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    work();
    Cost { seconds: start.elapsed().as_secs_f64(), cpu_seconds: cpu_seconds() - cpu }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Reads, inflates and hashes every file, and tells the inflated bytes.
fn inflate_and_hash(files: &[PathBuf], threads: usize) -> u64 {
    let share = files.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let work = |files: &[PathBuf]| {
            let (mut inflater, mut buffer) = (Decompressor::new(), Vec::new());
            let mut total = 0;
            for path in files {
                let gzip = std::fs::read(path).unwrap();
                // The stream tells its length itself, in its last four bytes.
                let length = u32::from_le_bytes(*gzip.last_chunk().unwrap()) as usize;
                buffer.resize(length.max(buffer.len()), 0);
                let written = inflater.gzip_decompress(&gzip, &mut buffer).unwrap();
                std::hint::black_box(digest(&SHA256, &buffer[..written]));
                total += written as u64;
            }
            total
        };
        let running: Vec<_> =
            files.chunks(share).map(|files| scope.spawn(move || work(files))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// Verifies the folder, and tells how many log files are proven.
fn verified(folder: &Path) -> u64 {
    let keys = std::fs::read(folder.join(SAVED_KEYS)).unwrap();
    let request = Request {
        source: Arc::new(Source::Folder(FolderSource::new(folder.to_owned()))),
        prefix: String::new(),
        selection: Selection::default(),
        window: Window::default(),
        keys: PublicKeySource::Given(Arc::new(PublicKeySet::from_json(&keys).unwrap())),
        declared: None,
        expected: None,
        org_owner: None,
        delivered: Arc::new(Deliveries::none()),
        other_buckets: OtherBuckets::none(),
        acceptances: Acceptances::none(),
        trust: orgtrail::archive::authenticity::RecordTrust::default(),
        depth: Depth::Whole,
        concurrency: Concurrency::default(),
        kept: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let verification = runtime.block_on(verify(request, Arc::new(NoProgress))).unwrap();
    assert_eq!(verification.severity(), None);
    verification.scopes.iter().map(|scope| scope.logs.valid).sum()
}
