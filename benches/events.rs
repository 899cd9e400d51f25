//! `events search` and `events export` beside the least that any reader must do, inflating
//! the same files, and beside `DuckDB`.
//!
//! `cargo bench -- events [EVENTS_PER_HOUR [HOURS]]` (2,000 events an hour and account, 24
//! hours, 8 accounts). A simulated archive is written into a directory; what is compared runs
//! in turns on it, so that a busy machine affects all of them. The same commands then read the
//! archive from the sandbox, which answers every request 20 ms late. `DuckDB` runs if
//! `tests/peers/setup.sh events` installed it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use libdeflater::Decompressor;
use orgtrail::sandbox::{Effect, Fault, Options, Pace, Sandbox};

use crate::organization::{BUCKET, provision};
use crate::quick::{Goal, QUICK, row};
use crate::usage::{cpu_seconds, cpu_seconds_of_children, peak_mib_of};

const ACCOUNTS: usize = 8;
const ROUNDS: usize = 3;
const LATENCY_MS: u64 = 20;
/// What is searched for: some events of many.
const EVENT: &str = "AssumeRole";
/// The limit of memory at any size. Units: MiB.
const MEMORY_MIB: f64 = 150.0;
/// The targets by CPU time, as shares of bare inflating.
const SEARCH_SHARE: f64 = 0.60;
const EXPORT_SHARE: f64 = 0.25;
/// How many times `DuckDB`'s records a second a search should read.
const DUCKDB_TIMES: f64 = 20.0;

/// Counts the same events; prints the count, the CPU seconds and the peak memory in KiB.
const DUCKDB: &str = "
import resource, sys
import duckdb
duckdb.execute('SET enable_progress_bar = false')
count = duckdb.sql(f\"\"\"
    SELECT count(*) FROM (
        SELECT unnest(Records) AS record
        FROM read_json('{sys.argv[1]}/**/*.json.gz', columns = {{Records: 'JSON[]'}},
                       maximum_object_size = 268435456))
    WHERE record->>'eventName' = '{sys.argv[2]}'\"\"\").fetchall()[0][0]
used = resource.getrusage(resource.RUSAGE_SELF)
print(count, used.ru_utime + used.ru_stime, used.ru_maxrss)
";

/// What something took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_mib: f64,
}

/// One line of the table.
struct Row {
    name: &'static str,
    costs: Vec<Cost>,
}

/// Runs the bench.
pub(crate) fn run(options: &[String]) {
    let is_quick = options.first().is_some_and(|option| option == QUICK);
    let number = |nth: usize, otherwise: u32| {
        options.get(nth).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (volume, hours) = if is_quick { (500, 12) } else { (number(0, 2_000), number(1, 24)) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sandbox = runtime.block_on(archive(volume, hours));
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let files = write(&sandbox, &logs);
    let inflated = inflate(&files);
    let records = search(&["--in", path(&logs)], folder.path()).1;
    let wanted = search(&["--in", path(&logs), "--event", EVENT], folder.path()).1;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if is_quick {
        quick(&files, &logs, folder.path(), wanted, cores);
        runtime.block_on(sandbox.stop()).unwrap();
        return;
    }
    println!(
        "events: {records} records in {} files, {} MB inflated, {cores} cores, {ROUNDS} rounds in turns; {wanted} events {EVENT}",
        files.len(),
        inflated / 1_000_000,
    );
    on_disk(&files, &logs, folder.path(), records, wanted, cores);
    sandbox.faults().inject(Fault::every("*", Effect::Latency { milliseconds: LATENCY_MS }));
    from_s3(&sandbox, folder.path(), records, wanted, cores);
    runtime.block_on(sandbox.stop()).unwrap();
}

/// An archive of a simulated organization.
async fn archive(volume: u32, hours: u32) -> Sandbox {
    let mut options = Options::new("us-east-1".parse().unwrap());
    options.accounts = ACCOUNTS;
    options.start = Some("2026-01-05T00:00:00Z".parse().unwrap());
    options.pace = Pace::Frozen;
    let sandbox = Sandbox::start(options).await.unwrap();
    provision(&sandbox).await;
    sandbox.set_volume(f64::from(volume), None);
    sandbox.tick(SignedDuration::from_hours(i64::from(hours)));
    sandbox
}

/// Writes the archive's log files into a directory.
fn write(sandbox: &Sandbox, to: &Path) -> Vec<PathBuf> {
    let keys = sandbox.keys_raw(BUCKET, "AWSLogs/");
    let logs = keys.iter().filter(|key| key.contains("/CloudTrail/") && key.ends_with(".json.gz"));
    logs.map(|key| {
        let path = to.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, sandbox.body_raw(BUCKET, key).unwrap()).unwrap();
        path
    })
    .collect()
}

/// What is compared on a directory, in turns.
fn measured(files: &[PathBuf], logs: &Path, folder: &Path, wanted: u64, cores: usize) -> [Row; 7] {
    let python = duckdb();
    let searching = ["--in", path(logs), "--event", EVENT];
    let mut rows = [
        "bare inflate, all cores",
        "search, one name",
        "search, every event",
        "export parquet",
        "export ocsf",
        "export ndjson",
        "DuckDB, one name",
    ]
    .map(|name| Row { name, costs: Vec::new() });
    for _ in 0..ROUNDS {
        let [limit, one, every, parquet, ocsf, ndjson, peer] = &mut rows;
        limit.costs.push(inflate_on(files, cores));
        let (cost, found) = search(&searching, folder);
        assert_eq!(found, wanted);
        one.costs.push(cost);
        every.costs.push(search(&searching[..2], folder).0);
        for (row, format) in [(parquet, "parquet"), (ocsf, "ocsf"), (ndjson, "ndjson")] {
            row.costs.push(export(&["--in", path(logs)], format, folder, &[]));
        }
        if let Some(python) = &python {
            let (cost, found) = count_with_duckdb(python, logs);
            assert_eq!(found, wanted, "DuckDB counts otherwise");
            peer.costs.push(cost);
        }
    }
    rows
}

fn on_disk(files: &[PathBuf], logs: &Path, folder: &Path, records: u64, wanted: u64, cores: usize) {
    let rows = measured(files, logs, folder, wanted, cores);
    print(&rows, records, cores);
    let [limit, one, _, parquet, ..] = &rows;
    share_of_limit(one, limit, SEARCH_SHARE);
    share_of_limit(parquet, limit, EXPORT_SHARE);
    match rows.last().filter(|row| !row.costs.is_empty()) {
        Some(peer) => {
            let times = ratio(peer, one, |cost| cost.seconds);
            println!(
                "search, one name: {times:.1} times DuckDB's records/s (target: {DUCKDB_TIMES})"
            );
        }
        None => println!("SKIPPED: DuckDB; install it with `bash tests/peers/setup.sh events`"),
    }
    memory(&rows[1..6]);
}

fn from_s3(sandbox: &Sandbox, folder: &Path, records: u64, wanted: u64, cores: usize) {
    // Who may read the archive without a configuration.
    let keys = sandbox.root(&sandbox.accounts()[1]).unwrap();
    let endpoint = sandbox.endpoint();
    let env = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", keys.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key.as_str()),
        ("AWS_REGION", "us-east-1"),
    ];
    let place = format!("s3://{BUCKET}");
    let mut rows = ["S3 at 20 ms: search, one name", "S3 at 20 ms: export parquet"]
        .map(|name| Row { name, costs: Vec::new() });
    for _ in 0..ROUNDS {
        let (cost, found) = search_with(&["--in", &place, "--event", EVENT], folder, &env);
        // Reading the archive is recorded in it only after the clock moves on.
        assert_eq!(found, wanted);
        rows[0].costs.push(cost);
        rows[1].costs.push(export(&["--in", &place], "parquet", folder, &env));
    }
    print(&rows, records, cores);
    memory(&rows);
}

/// Searches, and counts the events found.
fn search(arguments: &[&str], folder: &Path) -> (Cost, u64) {
    search_with(arguments, folder, &[])
}

fn search_with(arguments: &[&str], folder: &Path, env: &[(&str, &str)]) -> (Cost, u64) {
    let found = folder.join("found.jsonl");
    let mut command = orgtrail(folder, env);
    command.args(["events", "search", "--format", "jsonl"]).args(arguments);
    command.stdout(File::create(&found).unwrap());
    let cost = measure(&mut command);
    let lines = BufReader::new(File::open(&found).unwrap()).lines().map(Result::unwrap).count();
    (cost, lines as u64)
}

fn export(arguments: &[&str], format: &str, folder: &Path, env: &[(&str, &str)]) -> Cost {
    let to = folder.join("exported");
    let _ = fs::remove_dir_all(&to);
    let mut command = orgtrail(folder, env);
    command.args(["events", "export", "--format", format, "--to", path(&to)]).args(arguments);
    let cost = measure(&mut command);
    assert!(to.is_dir(), "nothing was exported");
    cost
}

/// The program that cargo built for this bench.
pub(crate) fn orgtrail(folder: &Path, env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orgtrail"));
    command.env_clear().env("HOME", folder).envs(env.iter().copied()).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Runs a program to its end.
pub(crate) fn measure(command: &mut Command) -> Cost {
    let (started, cpu) = (Instant::now(), cpu_seconds_of_children());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let stderr = child.stderr.take().unwrap();
    let said = std::thread::spawn(move || std::io::read_to_string(stderr).unwrap());
    let process = child.id().to_string();
    let mut peak_mib = 0.0_f64;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        peak_mib = peak_mib.max(peak_mib_of(&process));
        std::thread::sleep(Duration::from_millis(2));
    };
    let seconds = started.elapsed().as_secs_f64();
    let said = said.join().unwrap();
    assert!(status.success(), "{command:?}: {status}\n{said}");
    Cost { seconds, cpu_seconds: cpu_seconds_of_children() - cpu, peak_mib }
}

fn count_with_duckdb(python: &Path, logs: &Path) -> (Cost, u64) {
    let started = Instant::now();
    let output = Command::new(python).args(["-c", DUCKDB, path(logs), EVENT]).output().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let said = String::from_utf8(output.stdout).unwrap();
    let [count, cpu, peak] = said.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{said}{}", String::from_utf8_lossy(&output.stderr));
    };
    let number = |text: &str| text.parse::<f64>().unwrap();
    let cost = Cost { seconds, cpu_seconds: number(cpu), peak_mib: number(peak) / 1024.0 };
    (cost, count.parse().unwrap())
}

/// A Python that has `DuckDB`.
#[expect(clippy::disallowed_methods, reason = "no configuration says where it is")]
fn duckdb() -> Option<PathBuf> {
    let peers = std::env::var_os("ORGTRAIL_PEERS").map_or_else(
        || {
            let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
            Path::new(env!("CARGO_MANIFEST_DIR")).join(target).join("peers")
        },
        PathBuf::from,
    );
    Some(peers.join("events/bin/python")).filter(|python| python.exists())
}

/// Inflates every file, and gives the inflated bytes.
fn inflate(files: &[PathBuf]) -> u64 {
    let (mut inflater, mut buffer, mut total) = (Decompressor::new(), Vec::new(), 0);
    for path in files {
        let gzip = fs::read(path).unwrap();
        // The stream states its length in its last four bytes.
        let length = u32::from_le_bytes(*gzip.last_chunk().unwrap()) as usize;
        buffer.resize(length.max(buffer.len()), 0);
        total += std::hint::black_box(inflater.gzip_decompress(&gzip, &mut buffer).unwrap());
    }
    total as u64
}

fn inflate_on(files: &[PathBuf], threads: usize) -> Cost {
    let (started, cpu) = (Instant::now(), cpu_seconds());
    std::thread::scope(|scope| {
        for files in files.chunks(files.len().div_ceil(threads)) {
            scope.spawn(move || inflate(files));
        }
    });
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    Cost { seconds, cpu_seconds: cpu, peak_mib: 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn print(rows: &[Row], records: u64, cores: usize) {
    println!(
        "{:30} {:>8} {:>8} {:>12} {:>15} {:>9}",
        "", "seconds", "CPU s", "records/s", "records/s/core", "peak MiB"
    );
    for row in rows.iter().filter(|row| !row.costs.is_empty()) {
        let of = |value: fn(&Cost) -> f64| median(row.costs.iter().map(value));
        let (seconds, cpu) = (of(|cost| cost.seconds), of(|cost| cost.cpu_seconds));
        println!(
            "{:30} {seconds:>8.2} {cpu:>8.2} {:>12.0} {:>15.0} {:>9.0}",
            row.name,
            records as f64 / seconds,
            records as f64 / cpu.max(seconds / cores as f64 / 100.0),
            of(|cost| cost.peak_mib),
        );
    }
}

fn share_of_limit(row: &Row, limit: &Row, target: f64) {
    println!(
        "{}: {:.0} % of bare inflate by CPU, {:.0} % by the clock (target: {:.0} %)",
        row.name,
        100.0 * ratio(limit, row, |cost| cost.cpu_seconds),
        100.0 * ratio(limit, row, |cost| cost.seconds),
        100.0 * target,
    );
}

fn quick(files: &[PathBuf], logs: &Path, folder: &Path, wanted: u64, cores: usize) {
    let rows = measured(files, logs, folder, wanted, cores);
    let [limit, one, _, parquet, ..] = &rows;
    for (what, found, target) in
        [("events search", one, SEARCH_SHARE), ("events export", parquet, EXPORT_SHARE)]
    {
        let share = ratio(limit, found, |cost| cost.cpu_seconds);
        let what = format!("{what}: records per CPU second");
        row(&what, share, "inflating alone", Goal::AtLeast(target));
    }
    match rows.last().filter(|row| !row.costs.is_empty()) {
        Some(peer) => {
            let times = ratio(peer, one, |cost| cost.seconds);
            row("events search: records/s", times, "DuckDB's", Goal::AtLeast(DUCKDB_TIMES));
        }
        None => println!("SKIPPED: DuckDB; install it with `bash tests/peers/setup.sh events`"),
    }
    let share = peak(&rows[1..6]) / MEMORY_MIB;
    row("events: peak memory", share, "150 MiB", Goal::AtMost(1.0));
}

/// The peak memory of any of them. Units: MiB.
fn peak(rows: &[Row]) -> f64 {
    rows.iter().flat_map(|row| &row.costs).map(|cost| cost.peak_mib).fold(0.0, f64::max)
}

fn memory(rows: &[Row]) {
    let most = peak(rows);
    println!(
        "peak memory: {most:.0} MiB, {:.2} of the limit of {MEMORY_MIB} MiB",
        most / MEMORY_MIB
    );
}

/// The median of the pairs.
fn ratio(one: &Row, other: &Row, of: fn(&Cost) -> f64) -> f64 {
    median(one.costs.iter().zip(&other.costs).map(|(one, other)| of(one) / of(other)))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
