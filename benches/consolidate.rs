//! Consolidation: the merge-join of long listings, and the copying of many small
//! objects from a member's bucket into the archive on the sandbox.
//!
//! `cargo bench -- consolidate [--keys 10000000] [--objects 20000]`. The join runs
//! over keys made as they are asked for, in a process of its own for each size,
//! beside a join by a set of the archive's keys and the making of the keys alone.
//! The copying too runs in processes of its own, so that time, CPU and memory are
//! the consolidating program's; the sandbox answers each call at once, and late.

use std::collections::{BTreeSet, HashSet};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::types::StorageClass;
use futures::{StreamExt, stream};
use orgtrail::archive::batches::DaySplitter;
use orgtrail::archive::consolidate::binding::Scope;
use orgtrail::archive::consolidate::copy::{PART_BYTES, Target};
use orgtrail::archive::consolidate::join::{JoinEntry, Listed, join};
use orgtrail::archive::consolidate::run::{
    Archive, ConsolidateOptions, Progress, RunInfo, Sources, consolidate,
};
use orgtrail::archive::consolidate::server_side::ServerSide;
use orgtrail::archive::consolidate::source::{Policy, Source};
use orgtrail::archive::verify::run::PublicKeySource;
use orgtrail::aws::{Aws, AwsError, Clients, Settings, WriteAuthority, WriteClients};
use orgtrail::names::{AccountId, Region};
use orgtrail::ops::consolidate::CONCURRENCY;
use orgtrail::sandbox::{Effect, Fault, Options, Sandbox};

use crate::curve::{Curve, Series};
use crate::quick::{Goal, QUICK, row};
use crate::usage::{cpu_seconds, peak_mib};

/// What child processes are started with.
const JOIN: &str = "--join";
const COPY: &str = "--copy";
/// Objects of a lane's day, where listings are joined.
const A_DAY: u64 = 1_000;
/// Of so many keys of the source, the archive lacks one, and has another of its
/// own instead.
const LACKS_ONE_OF: u64 = 10;
const ARCHIVE: &str = "bench-log-archive";
const LEGACY: &str = "bench-legacy-logs";
const ORG: &str = "o-exampleorgid";
const REGION: &str = "us-east-1";
/// Days and Regions that the copied objects are of.
const DAYS: u64 = 25;
const REGIONS: [&str; 4] = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1"];
/// How many objects the bench itself writes at once.
const WRITERS: usize = 64;

/// Runs the bench; `--keys` and `--objects` set its sizes.
pub(crate) fn run(options: &[String]) {
    let number = |text: &String| text.parse::<u64>().expect("a number");
    match options {
        [flag, way, keys] if flag == JOIN => child_join(way, number(keys)),
        [flag, how @ ..] if flag == COPY => child_copy(how),
        [flag] if flag == QUICK => quick(),
        _ => {
            let named = |name: &str, otherwise| {
                let at = options.iter().position(|option| option == name);
                at.and_then(|at| options.get(at + 1)).map_or(otherwise, number)
            };
            joins(named("--keys", 10_000_000));
            copies(named("--objects", 20_000));
        }
    }
}

/// Starts this program again and gives the numbers that it prints.
fn child(arguments: &[&str]) -> Vec<f64> {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("consolidate")
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said.trim().split(',').map(|number| number.parse().unwrap()).collect()
}

fn joins(most: u64) {
    println!("joining a source and an archive of so many keys each");
    println!(
        "{:>9}  {:>14}  {:>8}  {:>10}  {:>12}  {:>10}",
        "keys", "way", "seconds", "keys/s", "CPU us/key", "memory MiB"
    );
    let names = ["merge-join: CPU ns a key", "merge-join: MiB", "a set: MiB"];
    let mut series = names.map(|name| Series { name, points: Vec::new() });
    for keys in [10_000, 100_000, 1_000_000, 10_000_000].into_iter().filter(|keys| *keys <= most) {
        let [made, joined, set] =
            ["keys alone", "merge-join", "set"].map(|way| (way, joined_by(way, keys)));
        for (way, took) in [&made, &joined, &set] {
            let [seconds, cpu, mib] = took[..] else { panic!("{took:?}") };
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let all = 2.0 * keys as f64;
            println!(
                "{keys:>9}  {way:>14}  {seconds:>8.2}  {:>10.0}  {:>12.3}  {mib:>10.0}",
                all / seconds,
                cpu * 1e6 / all
            );
        }
        println!(
            "{:>9}  the merge-join takes {:.2} times the CPU of the set and 1/{:.0} of its memory",
            "",
            joined.1[1] / set.1[1],
            set.1[2] / joined.1[2].max(1.0)
        );
        let count = f64::from(u32::try_from(keys).unwrap());
        let figures = [joined.1[1] * 1e9 / (2.0 * count), joined.1[2], set.1[2]];
        for (series, figure) in series.iter_mut().zip(figures) {
            series.points.push((count, figure.max(0.1)));
        }
    }
    Curve {
        title: "consolidate: listings that grow".to_owned(),
        x: "keys of each listing",
        y: "CPU ns, or MiB",
        series: series.into(),
    }
    .draw("join");
}

/// Joins in a process of its own: seconds, CPU seconds, MiB that the process grew by.
fn joined_by(way: &str, keys: u64) -> Vec<f64> {
    child(&[JOIN, way, &keys.to_string()])
}

fn quick() {
    const OBJECTS: u64 = 10_000;
    let [joined, set] = ["merge-join", "set"].map(|way| joined_by(way, 1_000_000));
    row("join of two listings: CPU time", joined[1] / set[1], "a set's", Goal::AtMost(1.0));
    row("join of two listings: memory", joined[2] / set[2], "a set's", Goal::AtMost(0.1));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let fixed = runtime.block_on(copied(OBJECTS, 20, "client", 64));
    let runs = runtime.block_on(copied(OBJECTS, 20, "client", CONCURRENCY));
    let [first, again, _] = &runs[..] else { panic!("{} runs", runs.len()) };
    let times = fixed[0].seconds / first.seconds;
    row("consolidate at 20 ms: objects/s", times, "64 at once", Goal::AtLeast(1.0));
    let times = first.seconds / again.seconds;
    row("consolidate again at 20 ms: speed", times, "the first run's", Goal::AtLeast(20.0));
    let most = runs.iter().map(|run| run.peak_mib).fold(0.0, f64::max);
    row("consolidate: peak memory", most / 150.0, "150 MiB", Goal::AtMost(1.0));
}

/// One way to join, measured: seconds, CPU seconds, MiB that the process grew by.
fn child_join(way: &str, keys: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let before = peak_mib();
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let missing = match way {
        "merge-join" => runtime.block_on(merge_join(keys)),
        "set" => set_join(keys),
        _ => archive_keys(keys).chain(source_keys(keys)).filter(|key| key.size_bytes == 0).count(),
    };
    let wanted = if way == "keys alone" { 0 } else { keys / LACKS_ONE_OF };
    assert_eq!(missing as u64, wanted, "{way}");
    println!("{},{},{}", started.elapsed().as_secs_f64(), cpu_seconds() - cpu, peak_mib() - before);
}

/// As a lane's work does: join, and cut into days.
async fn merge_join(keys: u64) -> usize {
    let ok = Ok::<Listed, AwsError>;
    let source = stream::iter(source_keys(keys).map(ok));
    let archive = stream::iter(archive_keys(keys).map(ok));
    let mut joined = Box::pin(join(source, archive));
    let (mut cutter, mut missing) = (DaySplitter::default(), 0);
    let missing_of = |day: &[JoinEntry]| {
        day.iter().filter(|entry| matches!(entry, JoinEntry::Missing(_))).count()
    };
    while let Some(entry) = joined.next().await {
        let entry = entry.unwrap();
        if matches!(entry, JoinEntry::ArchiveOnly(_)) {
            continue;
        }
        let path = entry.path().to_owned();
        if let Some((_, day)) = cutter.push(&path, entry) {
            missing += missing_of(&day);
        }
    }
    missing + cutter.finish().map_or(0, |(_, day)| missing_of(&day))
}

/// As a program does that holds one of the listings.
fn set_join(keys: u64) -> usize {
    let archive: HashSet<Box<str>> = archive_keys(keys).map(|listed| listed.path).collect();
    source_keys(keys).filter(|listed| !archive.contains(&listed.path)).count()
}

fn source_keys(keys: u64) -> impl Iterator<Item = Listed> {
    (0..keys).map(|number| listed(number, 'a'))
}

/// Most of the source's, and in place of the others some of its own.
fn archive_keys(keys: u64) -> impl Iterator<Item = Listed> {
    (0..keys).map(|number| listed(number, if number % LACKS_ONE_OF == 0 { 'b' } else { 'a' }))
}

/// The objects of a lane in the order of their keys.
fn listed(number: u64, mark: char) -> Listed {
    let (day, of_day) = (number / A_DAY, number % A_DAY);
    let (year, month, day) = (2000 + day / (12 * 28), day / 28 % 12 + 1, day % 28 + 1);
    Listed {
        path: format!(
            "{year:04}/{month:02}/{day:02}/444444444444_CloudTrail_us-east-1_\
             {year:04}{month:02}{day:02}T{:02}05Z_{of_day:015}{mark}.json.gz",
            of_day * 24 / A_DAY
        )
        .into(),
        size_bytes: 4_404,
        archived: None,
        etag: Some(format!("\"{number:032x}\"").into()),
        modified_at: None,
    }
}

fn copies(objects: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("consolidating {objects} objects of {} Regions and {DAYS} days", REGIONS.len());
    println!(
        "{:>7}  {:>8}  {:>14}  {:>8}  {:>10}  {:>14}  {:>8}  {:>9}  {:>9}",
        "latency",
        "way",
        "run",
        "seconds",
        "objects/s",
        "CPU us/object",
        "peak MiB",
        "requests",
        "listings"
    );
    for milliseconds in [0, 20] {
        for way in ["client", "server"] {
            for run in runtime.block_on(copied(objects, milliseconds, way, CONCURRENCY)) {
                run.print(milliseconds, way);
            }
        }
    }
}

/// Three runs on a sandbox of their own: one that copies, one that has nothing to
/// do, and one that lists everything again.
async fn copied(objects: u64, milliseconds: u64, way: &str, concurrency: usize) -> Vec<Copied> {
    let mut runs = Vec::new();
    let sandbox = Sandbox::start(Options::new(REGION.parse().unwrap())).await.unwrap();
    let accounts = sandbox.accounts();
    let (keeper, member) = (&accounts[1], &accounts[3]);
    let keys = sandbox.administrator().unwrap();
    let place = [sandbox.endpoint(), keys.access_key_id, keys.secret_access_key];
    let aws = sign_in(&place).await;
    let region = REGION.parse().unwrap();
    fill(&aws.clients(keeper, &region), &aws.clients(member, &region), objects).await;
    for (run, wanted) in [("first", objects), ("again", 0), ("again, --full", 0)] {
        sandbox.faults().clear();
        // Every call is counted, and listings once more.
        for (call, milliseconds) in [("*", milliseconds), ("s3:ListObjectsV2", 0)] {
            sandbox.faults().inject(Fault::every(call, Effect::Latency { milliseconds }));
        }
        let full = if run == "again, --full" { "full" } else { "" };
        let arguments: Vec<String> = [COPY.to_owned()]
            .into_iter()
            .chain(place.clone())
            .chain([keeper.to_string(), member.to_string(), way.to_owned(), full.to_owned()])
            .chain([concurrency.to_string()])
            .collect();
        let took = tokio::task::spawn_blocking(move || {
            child(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .await
        .unwrap();
        let [copied, seconds, cpu, mib] = took[..] else { panic!("{took:?}") };
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let (objects, wanted) = (objects as f64, wanted as f64);
        assert!((copied - wanted).abs() < 0.5, "{copied} objects copied, expected {wanted}");
        let calls: Vec<u64> =
            sandbox.faults().triggered().iter().map(|(_, calls)| *calls).collect();
        let (requests, listings) = (calls[0], calls[1]);
        runs.push(Copied { run, objects, seconds, cpu, peak_mib: mib, requests, listings });
    }
    sandbox.stop().await.unwrap();
    runs
}

/// What a run took.
struct Copied {
    run: &'static str,
    /// Objects of the source.
    objects: f64,
    seconds: f64,
    /// Units: seconds.
    cpu: f64,
    peak_mib: f64,
    requests: u64,
    listings: u64,
}

impl Copied {
    fn per_second(&self) -> f64 {
        self.objects / self.seconds
    }

    fn print(&self, milliseconds: u64, way: &str) {
        println!(
            "{:>7}  {way:>8}  {:>14}  {:>8.2}  {:>10.0}  {:>14.0}  {:>8.0}  {:>9}  {:>9}",
            format!("{milliseconds} ms"),
            self.run,
            self.seconds,
            self.per_second(),
            self.cpu * 1e6 / self.objects,
            self.peak_mib,
            self.requests,
            self.listings
        );
    }
}

/// Makes both buckets, lets the archive's account read the member's, and puts
/// the objects there.
async fn fill(archive: &Clients, legacy: &Clients, objects: u64) {
    let writer = |clients| WriteClients::new(clients, &WriteAuthority::granted());
    let (archive, legacy) = (writer(archive), writer(legacy));
    archive.s3().create_bucket().bucket(ARCHIVE).send().await.unwrap();
    legacy.s3().create_bucket().bucket(LEGACY).send().await.unwrap();
    let policy = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{}:root", archive.account().unwrap()) },
            "Action": ["s3:GetObject", "s3:GetObjectTagging"],
            "Resource": format!("arn:aws:s3:::{LEGACY}/*"),
        }],
    });
    let put = legacy.s3().put_bucket_policy().bucket(LEGACY).policy(policy.to_string());
    put.send().await.unwrap();
    let account = legacy.account().unwrap();
    stream::iter(0..objects)
        .for_each_concurrent(WRITERS, async |number| {
            let region = REGIONS[usize::try_from(number).unwrap() % REGIONS.len()];
            let day = number % DAYS + 1;
            let key = format!(
                "AWSLogs/{account}/CloudTrail/{region}/2026/01/{day:02}/\
                 {account}_CloudTrail_{region}_202601{day:02}T0005Z_{number:016}.json.gz"
            );
            // Between half a kilobyte and 15 KB, most of them small, as of quiet
            // accounts.
            let length = 512 << (number % 6);
            let put = legacy.s3().put_object().bucket(LEGACY).key(key);
            let put = put.content_type("application/json").content_encoding("gzip");
            let put = put.metadata("signature", "00ff").body(log(length).into());
            put.send().await.unwrap();
        })
        .await;
}

/// A log file of about this length.
fn log(length: usize) -> Vec<u8> {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    write!(gzip, r#"{{"Records":[{{"eventID":"{}"}}]}}"#, "x".repeat(length)).unwrap();
    gzip.finish().unwrap()
}

/// One run, measured: objects copied, seconds, CPU seconds, peak MiB.
fn child_copy(how: &[String]) {
    let [endpoint, id, secret, keeper, member, way, full, concurrency] = how else {
        panic!("{how:?}")
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let place = [endpoint, id, secret].map(String::clone);
    let started = Instant::now();
    let concurrency = concurrency.parse().unwrap();
    let copied = runtime.block_on(one_run(
        &place,
        keeper,
        member,
        way == "server",
        full == "full",
        concurrency,
    ));
    println!("{copied},{},{},{}", started.elapsed().as_secs_f64(), cpu_seconds(), peak_mib());
}

async fn one_run(
    place: &[String; 3],
    keeper: &str,
    member: &str,
    server_side: bool,
    full: bool,
    concurrency: usize,
) -> u64 {
    let aws = sign_in(place).await;
    let region: Region = REGION.parse().unwrap();
    let keeper: AccountId = keeper.parse().unwrap();
    let member: AccountId = member.parse().unwrap();
    let asked = ConsolidateOptions {
        shard: None,
        since: None,
        until: None,
        accounts: BTreeSet::new(),
        regions: BTreeSet::new(),
        full,
        trust_records: true,
        server_side: if server_side { ServerSide::AnyBucket } else { ServerSide::Never },
        restore: None,
        limit: None,
        concurrency,
        overlap_days: 2,
        excluded: Vec::new(),
    };
    let run = RunInfo {
        id: "bench".to_owned(),
        now: "2026-03-01T00:00:00Z".parse().unwrap(),
        caller: aws.caller().arn.to_string(),
        program: "bench".to_owned(),
    };
    let archive = Archive {
        target: Target {
            clients: aws.clients(&keeper, &region),
            bucket: ARCHIVE.parse().unwrap(),
            storage_class: StorageClass::Standard,
            part_bytes: PART_BYTES,
        },
        prefix: None,
        trust: orgtrail::archive::authenticity::RecordTrust::default(),
        root: orgtrail::archive::key::Root { prefix: None, org: Some(ORG.parse().unwrap()) },
    };
    let source = Source {
        bucket: LEGACY.parse().unwrap(),
        prefix: None,
        account: member.clone(),
        region: region.clone(),
        owner: Some(member.clone()),
        accounts: BTreeSet::new(),
        trails: Vec::new(),
        policy: Policy::default(),
    };
    let readable = vec![(source, aws.clients(&member, &region))];
    let scope = Scope {
        accounts: [member.clone()].into(),
        regions: REGIONS.iter().map(|code| code.parse().unwrap()).collect(),
        trusted: BTreeSet::new(),
    };
    let keys = PublicKeySource::Given(Arc::default());
    let sources = Sources { readable, failed: Vec::new(), scope, keys };
    let progress = Arc::new(Progress::new(None));
    let authority = WriteAuthority::granted();
    let report =
        consolidate(&run, &asked, &archive, sources, progress, Some(&authority)).await.unwrap();
    assert!(report.complete(), "{:?}", report.examples);
    report.counts.copied
}

async fn sign_in([endpoint, id, secret]: &[String; 3]) -> Aws {
    let credentials = Credentials::from_keys(id, secret, None);
    let base = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let settings = Settings { home_region: Some(REGION.parse().unwrap()), ..Settings::default() };
    Aws::with_base(settings, base).await.unwrap()
}
