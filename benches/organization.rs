//! What a sandbox's organization takes in memory, and how fast its clock can be
//! put forward.
//!
//! `cargo bench -- organization [--accounts 300 --hours 26]`. Each measurement is
//! a process of its own: a sandbox, provisioned by `apply` with all defaults, and
//! one tick. Client and sandbox share the process, and so its memory. Then the same
//! with a data directory: how long the last save takes.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use jiff::SignedDuration;
use orgtrail::aws::{Aws, Pacing, Settings};
use orgtrail::config::{Environment, Loaded};
use orgtrail::plan::apply::{StepOutcome, apply};
use orgtrail::plan::plan;
use orgtrail::policy::Unmanaged;
use orgtrail::resources::{Desired, OrganizationFacts, observe};
use orgtrail::sandbox::{Options, Pace, Sandbox};

use crate::quick::{Goal, QUICK, row};
use crate::usage::{cpu_seconds, peak_mib};

/// Accounts, hours, and the limits: memory in MiB and seconds of the tick.
const LIMITS: [(u64, u64, f64, f64); 2] = [(30, 30, 200.0, f64::INFINITY), (300, 26, 1024.0, 10.0)];
/// The archive of the provisioned organization.
pub(crate) const BUCKET: &str = "bench-log-archive";
/// Says that this process is one measurement.
const CHILD: &str = "--child";

/// Runs the bench; with `--accounts N --hours H` of that organization alone.
pub(crate) fn run(options: &[String]) {
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    match options.as_slice() {
        [CHILD, accounts, hours, saved] => {
            let numbers = [accounts, hours].map(|text| number(&(*text).to_owned()));
            child(numbers[0], numbers[1], *saved == "saved");
        }
        [] => {
            header();
            for (accounts, hours, memory, seconds) in LIMITS {
                measure(accounts, hours, Some((memory, seconds)));
            }
        }
        [QUICK] => {
            let (accounts, hours, limit, _) = LIMITS[0];
            let [_, peak, ..] = numbers(accounts, hours, "in-memory");
            row("sandbox of 30 accounts: peak memory", peak / limit, "200 MiB", Goal::AtMost(1.0));
        }
        ["--accounts", accounts, "--hours", hours] => {
            header();
            let limits = |one: &&(u64, u64, f64, f64)| {
                one.0.to_string() == *accounts && one.1.to_string() == *hours
            };
            let limits = LIMITS.iter().find(limits).map(|one| (one.2, one.3));
            measure(number(&(*accounts).to_owned()), number(&(*hours).to_owned()), limits);
        }
        _ => panic!("expected: organization [--accounts N --hours H]"),
    }
}

fn header() {
    println!(
        "{:>8}  {:>5}  {:>11}  {:>10}  {:>6}  {:>7}  {:>6}  {:>8}  {:>8}  {:>12}",
        "accounts",
        "hours",
        "before MiB",
        "after MiB",
        "limit",
        "tick s",
        "limit",
        "CPU s",
        "save s",
        "with save MiB"
    );
}

fn measure(accounts: u64, hours: u64, limits: Option<(f64, f64)>) {
    let [before, peak, tick, cpu, _] = numbers(accounts, hours, "in-memory");
    let [_, saved_peak, _, _, save] = numbers(accounts, hours, "saved");
    let ratio = |value: f64, limit: Option<f64>| match limit.filter(|limit| limit.is_finite()) {
        Some(limit) => format!("{:.2}x", value / limit),
        None => "-".to_owned(),
    };
    println!(
        "{accounts:>8}  {hours:>5}  {before:>11.0}  {peak:>10.0}  {:>6}  {tick:>7.2}  {:>6}  {cpu:>8.2}  {save:>8.2}  {saved_peak:>12.0}",
        ratio(peak, limits.map(|limits| limits.0)),
        ratio(tick, limits.map(|limits| limits.1)),
    );
}

/// Starts this program again and reads the numbers that it prints.
fn numbers(accounts: u64, hours: u64, kept: &str) -> [f64; 5] {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["organization", CHILD, &accounts.to_string(), &hours.to_string(), kept])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let numbers: Vec<f64> = said.trim().split(',').map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

fn child(accounts: u64, hours: u64, is_saved: bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new("us-east-1".parse().unwrap());
    options.accounts = usize::try_from(accounts).unwrap();
    options.start = Some("2026-01-05T00:00:00Z".parse().unwrap());
    options.pace = Pace::Frozen;
    options.data = is_saved.then(|| folder.path().to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sandbox = Sandbox::start(options).await.unwrap();
        provision(&sandbox).await;
        let before = peak_mib();
        let (started, cpu) = (Instant::now(), cpu_seconds());
        sandbox.tick(SignedDuration::from_hours(i64::try_from(hours).unwrap()));
        let (tick, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        let started = Instant::now();
        sandbox.stop().await.unwrap();
        let save = started.elapsed().as_secs_f64();
        println!("{before},{},{tick},{cpu},{save}", peak_mib());
    });
}

/// Provisions the trail and its archive, [`BUCKET`].
pub(crate) async fn provision(sandbox: &Sandbox) {
    let ids = sandbox.accounts();
    let text = format!(
        "[organization]\nmanagement_account = \"{}\"\nlog_archive_account = \"{}\"\n\
         home_region = \"us-east-1\"\n[archive]\nbucket = \"{BUCKET}\"\n",
        ids[0], ids[1]
    );
    let config = Loaded::from_text(&text, &Environment::default()).unwrap().config;
    let keys = sandbox.administrator().unwrap();
    let credentials = Credentials::from_keys(keys.access_key_id, keys.secret_access_key, None);
    let base = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(sandbox.endpoint())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let home_region = Some("us-east-1".parse().unwrap());
    let settings = Settings { home_region, pacing: Pacing::Off, ..Settings::default() };
    let aws = Aws::with_base(settings, base).await.unwrap();
    let organization = OrganizationFacts::read(&aws, &config).await.unwrap();
    let desired = Desired::new(config, organization, Unmanaged::Keep);
    let observed = Box::pin(observe(&aws, &desired)).await;
    let to_do = plan(&desired, &observed);
    let results =
        apply(&aws, &desired, &observed, &to_do, &BTreeSet::new(), &|_| {}).await.unwrap();
    for result in &results {
        assert_eq!(result.outcome, StepOutcome::Done, "{}", result.id);
    }
}
