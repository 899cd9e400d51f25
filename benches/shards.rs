//! How the time of a verification falls with the number of shards.
//!
//! `cargo bench -- shards [HOURS]` (48). An archive in a directory, of 40 accounts that differ in
//! size, in four Regions; 1, 2, 4 and 8 shards verify it without network. Every shard is a
//! process that is pinned to one core, and each core runs one shard at a time, so that a shard
//! has what a machine of its own would have; the time of all is that of the slowest. Their
//! results are gathered, and must prove every file. Needs `taskset` (package util-linux).

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use orgtrail::archive::verify::public_keys::SAVED_KEYS;

use crate::curve::{Curve, Series};
use crate::events::{Cost, measure, orgtrail};
use crate::quick::{Goal, QUICK, row};
use crate::verify::forge;

const ACCOUNTS: usize = 40;
const REGIONS: [&str; 4] = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1"];
const SHARDS: [usize; 4] = [1, 2, 4, 8];
/// Events of a log file.
const EVENTS: usize = 30;
/// After everything that the archive has.
const UNTIL: &str = "2026-02-01T00:00:00Z";

/// What shards took together.
struct Measured {
    shards: usize,
    /// The slowest of them. Units: seconds.
    slowest: f64,
    /// All of them. Units: seconds.
    cpu_seconds: f64,
    peak_mib: f64,
}

pub(crate) fn run(options: &[String]) {
    let is_quick = options.first().is_some_and(|option| option == QUICK);
    let hours = match options.first().filter(|_| !is_quick) {
        Some(hours) => hours.parse().expect("a number of hours"),
        None => {
            if is_quick {
                12
            } else {
                48
            }
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let objects = fill(&archive, hours);
    let measured: Vec<Measured> =
        SHARDS.iter().map(|shards| verified(folder.path(), &archive, *shards)).collect();
    let [one, .., eight] = &measured[..] else { panic!("{} numbers of shards", measured.len()) };
    if is_quick {
        let speed = one.slowest / eight.slowest;
        row("verify in 8 shards: speed", speed, "one shard's", Goal::AtLeast(6.0));
        return;
    }
    println!("shards: verify {objects} objects of {ACCOUNTS} accounts, a core for each shard");
    println!(
        "{:>6}  {:>9}  {:>7}  {:>10}  {:>8}  {:>9}",
        "shards", "slowest s", "speedup", "efficiency", "CPU s", "peak MiB"
    );
    for Measured { shards, slowest, cpu_seconds, peak_mib } in &measured {
        let speedup = one.slowest / slowest;
        println!(
            "{shards:>6}  {slowest:>9.2}  {speedup:>7.2}  {:>10.2}  {cpu_seconds:>8.2}  {peak_mib:>9.0}",
            speedup / number(*shards),
        );
    }
    let points = |seconds: &dyn Fn(&Measured) -> f64| {
        measured.iter().map(|at| (number(at.shards), seconds(at))).collect()
    };
    Curve {
        title: format!("verify: {objects} objects, one core a shard"),
        x: "shards",
        y: "seconds",
        series: vec![
            Series { name: "slowest shard", points: points(&|at| at.slowest) },
            Series {
                name: "one shard's time divided",
                points: points(&|at| one.slowest / number(at.shards)),
            },
        ],
    }
    .draw("shards");
}

/// Writes an archive and its public keys, and gives the number of its objects.
fn fill(archive: &Path, hours: usize) -> usize {
    let mut objects = 0;
    for account in 0..ACCOUNTS {
        for region in REGIONS {
            let (mut chain, mut bucket) = (forge::Chain::new(), forge::Bucket::default());
            chain.account = format!("{:012}", 100_000_000_000_u64 + account as u64);
            region.clone_into(&mut chain.region);
            // Most accounts are small.
            let logs = 1 + 64 / (1 + account);
            chain.hours(&mut bucket, hours, logs, EVENTS);
            bucket.write_to(archive);
            objects += bucket.objects.len();
        }
    }
    let keys = archive.join(SAVED_KEYS);
    std::fs::create_dir_all(keys.parent().unwrap()).unwrap();
    std::fs::write(keys, serde_json::to_vec(&forge::key_set().to_list()).unwrap()).unwrap();
    objects
}

/// Verifies the archive in so many shards, and gathers their results.
fn verified(folder: &Path, archive: &Path, shards: usize) -> Measured {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (results, units) = (folder.join(format!("results-{shards}")), folder.join("units.jsonl"));
    std::fs::create_dir_all(&results).unwrap();
    let archive = archive.to_str().unwrap();
    let listed = orgtrail(folder, &[])
        .args(["units", "--shards", &shards.to_string(), archive])
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    std::fs::write(&units, listed.stdout).unwrap();
    let waiting = Mutex::new((1..=shards).collect::<Vec<_>>());
    let costs = Mutex::new(Vec::<Cost>::new());
    std::thread::scope(|scope| {
        for core in 0..cores {
            let (waiting, costs, results, units) = (&waiting, &costs, &results, &units);
            scope.spawn(move || {
                loop {
                    let Some(shard) = waiting.lock().unwrap().pop() else { break };
                    let program = orgtrail(folder, &[]);
                    let mut command = Command::new("taskset");
                    command.env_clear().env("HOME", folder).stdout(Stdio::null());
                    command.args(["--cpu-list", &core.to_string()]).arg(program.get_program());
                    command.args(["verify", archive, "--offline", "--until", UNTIL]);
                    command.args(["--shard", &format!("{shard}/{shards}")]);
                    command.arg("--public-keys").arg(Path::new(archive).join(SAVED_KEYS));
                    command.arg("--units").arg(units).arg("--results").arg(results);
                    let cost = measure(&mut command);
                    costs.lock().unwrap().push(cost);
                }
            });
        }
    });
    let gathered = orgtrail(folder, &[]).arg("gather").arg(&results).output().unwrap();
    assert!(gathered.status.success(), "{}", String::from_utf8_lossy(&gathered.stderr));
    let costs = costs.into_inner().unwrap();
    let most = |of: fn(&Cost) -> f64| costs.iter().map(of).fold(0.0, f64::max);
    Measured {
        shards,
        slowest: most(|cost| cost.seconds),
        cpu_seconds: costs.iter().map(|cost| cost.cpu_seconds).sum(),
        peak_mib: most(|cost| cost.peak_mib),
    }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}
