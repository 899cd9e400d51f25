//! Round after round for half an hour, while trails deliver, calls fail and
//! rounds are killed: `just soak`, apart from the usual tests.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use jiff::SignedDuration;
use orgtrail::sandbox::{Effect, Fault};
use serde_json::Value;

use crate::env::{MINIMAL, home};
use crate::rounds::{ARCHIVE, LegacyEnv};

const TRAIL: &str = "old-trail";
/// What a round may end with while calls fail: clean, failed, in part. Never
/// broken: nobody touches the archive.
const MAY_END: [i32; 3] = [0, 1, 14];
/// An hour of the organization's time passes so often.
const HOUR_EVERY: Duration = Duration::from_secs(5);
/// How much more memory the rounds of the last third may take than those of the
/// first.
const GROWTH: f64 = 1.5;

/// How the rounds went.
#[derive(Debug, Default)]
struct Tally {
    clean: usize,
    failed: usize,
    killed: usize,
    in_pairs: usize,
    /// The peak of each round that ended by itself. Units: KiB.
    peaks: Vec<u64>,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half an hour: `just soak`"]
async fn rounds_go_on_and_nothing_is_lost() {
    let minutes = setting("ORGTRAIL_SOAK_MINUTES", 30);
    let accounts = setting("ORGTRAIL_SOAK_ACCOUNTS", 500);
    let env = Arc::new(LegacyEnv::provisioned(accounts).await);
    env.sandbox.set_volume(2.0, Some(vec![home()]));
    let buckets = old_trails(&env, (accounts / 10).max(3)).await;
    env.sandbox.tick(SignedDuration::from_hours(3));

    let over = Arc::new(AtomicBool::new(false));
    let delivering = std::thread::spawn({
        let (env, over) = (Arc::clone(&env), Arc::clone(&over));
        move || deliver(&env, &over)
    });
    let until = Instant::now() + Duration::from_secs(60 * minutes as u64);
    let folder = tempfile::tempdir().unwrap();
    let mut random = Rng::with_seed(7);
    let mut tally = Tally::default();
    let mut struck = 0;
    let mut before = archived(&env);
    while Instant::now() < until {
        go_wrong(&env, &mut random);
        a_round(&env, folder.path(), &mut random, &mut tally).await;
        struck += env.sandbox.faults().triggered().iter().map(|(_, times)| times).sum::<u64>();
        let after = archived(&env);
        let lost: Vec<&String> = before.difference(&after).collect();
        assert!(lost.is_empty(), "gone from the archive: {lost:?}");
        before = after;
    }
    over.store(true, Ordering::Relaxed);
    let hours = delivering.join().unwrap();

    env.sandbox.faults().clear();
    let last = env.run(&["run", "consolidate,verify", "--yes", "--quiet"]).await;
    assert_eq!(last.code, 0, "{}", last.text());
    let (objects, archive) = union(&env, &buckets).await;
    let records = env.records().await;
    let thirds = tally.peaks.len() / 3;
    let most = |peaks: &[u64]| peaks.iter().copied().max().unwrap_or(0);
    let first = most(&tally.peaks[..thirds]);
    let end = most(&tally.peaks[tally.peaks.len() - thirds..]);
    println!(
        "soak: {minutes} min, {accounts} accounts, {} old trails, {hours} h delivered\n\
         rounds: {} clean, {} failed in part, {} killed, {} of these two at once; {struck} faults\n\
         objects: {objects} of old trails, each in the archive once and the same; {archive} in all; {records} records\n\
         memory of a round: at most {} MiB in the first third, {} MiB in the last",
        buckets.len(),
        tally.clean,
        tally.failed,
        tally.killed,
        tally.in_pairs,
        first / 1024,
        end / 1024,
    );
    assert!(thirds > 0 && tally.killed > 0 && struck > 0, "too short to prove anything");
    #[expect(clippy::cast_precision_loss, reason = "KiB of memory")]
    let growth = end as f64 / first as f64;
    assert!(growth <= GROWTH, "memory grew {growth:.2} times");
}

/// Members' own trails, which go on delivering into buckets of their own.
async fn old_trails(env: &LegacyEnv, wanted: usize) -> Vec<String> {
    let mut buckets = Vec::new();
    for account in env.sandbox.accounts().iter().skip(3) {
        if buckets.len() == wanted {
            break;
        }
        let bucket = format!("{TRAIL}-{account}");
        // One of the accounts is suspended.
        if env.bucket(account, &bucket).await.is_err() {
            continue;
        }
        let clients = env.clients(account, &home());
        let trail = clients.cloudtrail().create_trail().name(TRAIL).s3_bucket_name(&bucket);
        trail.enable_log_file_validation(true).send().await.unwrap();
        clients.cloudtrail().start_logging().name(TRAIL).send().await.unwrap();
        buckets.push(bucket);
    }
    assert!(!buckets.is_empty());
    buckets
}

/// Lets time pass until it is over; how many hours did.
fn deliver(env: &LegacyEnv, over: &AtomicBool) -> usize {
    let mut hours = 0;
    while !over.load(Ordering::Relaxed) {
        env.sandbox.tick(SignedDuration::from_hours(1));
        hours += 1;
        // The soak lasts for minutes of this machine, and time passes along with them.
        std::thread::sleep(HOUR_EVERY);
    }
    hours
}

/// Other faults for every round.
fn go_wrong(env: &LegacyEnv, random: &mut Rng) {
    let faults = env.sandbox.faults();
    faults.clear();
    for _ in 0..random.usize(0..4) {
        let calls = ["*", "s3:*", "s3:PutObject", "s3:GetObject", "s3:ListObjectsV2", "sts:*"];
        let effect = match random.usize(0..5) {
            0 => Effect::Throttle,
            1 => Effect::Fail { status: 500 },
            2 => Effect::Fail { status: 503 },
            3 => Effect::Reset,
            _ => Effect::ResetInBody,
        };
        let call = calls[random.usize(..calls.len())];
        faults.inject(Fault::every(call, effect).rate(0.02));
    }
}

/// One round, or two at once; every third is killed.
async fn a_round(env: &LegacyEnv, folder: &Path, random: &mut Rng, tally: &mut Tally) {
    let begin = |report: &str| {
        let arguments = ["run", "consolidate,verify", "--yes", "--quiet", "--report", report];
        let mut command = env.command(folder, MINIMAL, &arguments);
        // A killed round writes none, and that of the one before is not its own.
        let _ = std::fs::remove_file(folder.join(report));
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let two = random.usize(0..4) == 0;
    tally.in_pairs += usize::from(two);
    let reports = &["one.json", "other.json"][..=usize::from(two)];
    let children: Vec<Child> = reports.iter().map(|report| begin(report)).collect();
    let kill = (random.usize(0..3) == 0).then(|| Duration::from_millis(random.u64(500..6000)));
    for (at, child) in children.into_iter().enumerate() {
        let (ended, peak_kib, said) = watch(child, kill.filter(|_| at == 0)).await;
        match ended {
            None => tally.killed += 1,
            Some(0) => tally.clean += 1,
            Some(_) => tally.failed += 1,
        }
        if let Some(code) = ended {
            let printed = || printed(&folder.join(reports[at]));
            assert!(
                MAY_END.contains(&code),
                "{code}, {} at once: {said}\n{}",
                reports.len(),
                printed()
            );
            tally.peaks.push(peak_kib);
        }
    }
}

/// What a round's report says of each part, and all that it found.
fn printed(report: &Path) -> String {
    let Ok(report) = std::fs::read(report) else { return "no report".to_owned() };
    let report: Value = serde_json::from_slice(&report).unwrap();
    let parts = report["parts"].as_array().unwrap().iter();
    let parts = parts.map(|part| {
        format!("{}: {}\n{:#}", part["part"], part["summary"], part["report"]["findings"])
    });
    parts.collect::<Vec<_>>().join("\n")
}

/// Waits for a round, or kills it; its exit code, its peak of memory in KiB,
/// what it said.
async fn watch(mut child: Child, kill: Option<Duration>) -> (Option<i32>, u64, String) {
    let begun = Instant::now();
    let said = child.stderr.take().unwrap();
    let said = tokio::task::spawn_blocking(|| std::io::read_to_string(said).unwrap());
    let mut peak_kib = 0;
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        if kill.is_some_and(|after| begun.elapsed() > after) {
            child.kill().unwrap();
        }
        peak_kib = peak_kib.max(peak_of(child.id()));
        // Neither the end of another process nor its memory wakes this one.
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    (ended.code(), peak_kib, said.await.unwrap())
}

/// The most memory that a process had. Units: KiB.
fn peak_of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
}

fn archived(env: &LegacyEnv) -> BTreeSet<String> {
    env.sandbox.keys_raw(ARCHIVE, "AWSLogs/").into_iter().collect()
}

/// Holds every object of the old trails against the archive; how many these
/// are, and how many the archive has.
async fn union(env: &LegacyEnv, buckets: &[String]) -> (usize, usize) {
    let archived = archived(env);
    let archive = env.archive();
    let mut objects = 0;
    for bucket in buckets {
        for key in env.sandbox.keys_raw(bucket, "AWSLogs/") {
            let there = env.relocated(&key);
            assert!(archived.contains(&there), "{bucket}: {key} was lost");
            let wanted = env.sandbox.body_raw(bucket, &key).unwrap();
            let found = archive.s3().get_object().bucket(ARCHIVE).key(&there);
            let found = found.send().await.unwrap().body.collect().await.unwrap();
            assert_eq!(found.into_bytes(), wanted, "{bucket}: {key}");
            objects += 1;
        }
    }
    (objects, archived.len())
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}
