//! What provisioning costs as the organization grows.
//!
//! `cargo bench -- provision [--accounts 1000]`. For 10, 100 and 1,000 accounts a
//! fresh sandbox answers every call 30 ms late; plan, apply and plan run against
//! it, paced as against AWS. Client and sandbox share a process, and so its
//! memory. Every call that leaves is counted where it enters the network, and its
//! times are held against the documented rates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use orgtrail::aws::{Aws, Pacing, Settings};
use orgtrail::config::{Environment, Loaded};
use orgtrail::plan::apply::{StepOutcome, apply, wait_until_converged};
use orgtrail::plan::plan;
use orgtrail::policy::Unmanaged;
use orgtrail::resources::{Desired, OrganizationFacts, observe};
use orgtrail::sandbox::{Effect, Fault, Options, Sandbox};
use parking_lot::Mutex;

use crate::quick::{Goal, QUICK, row};
use crate::usage::peak_mib;

const LATENCY_MS: u64 = 30;

/// The documented rates that this bench holds calls against: the operations'
/// prefix as in `X-Amz-Target`, calls a second, calls at once, and whether all
/// operations share them.
///
/// Source: AWS CloudTrail User Guide, quotas; for Organizations and CloudFormation the table
/// in `src/aws/rates.rs`, below AWS's quotas of each operation where it publishes any.
const RATES: &[(&str, &[&str], f64, f64, bool)] = &[
    (
        "CloudTrail reads",
        &["CloudTrail:Get", "CloudTrail:Describe", "CloudTrail:List"],
        10.0,
        10.0,
        true,
    ),
    ("CloudTrail writes", &["CloudTrail:"], 1.0, 1.0, true),
    ("Organizations Describe*", &["Organizations:Describe"], 5.0, 10.0, false),
    ("Organizations List*", &["Organizations:List"], 5.0, 8.0, false),
    ("Organizations writes", &["Organizations:"], 1.0, 1.0, false),
    (
        "CloudFormation reads",
        &["CloudFormation:Describe", "CloudFormation:Get", "CloudFormation:List"],
        5.0,
        10.0,
        true,
    ),
    ("CloudFormation writes", &["CloudFormation:"], 1.0, 2.0, true),
];

/// Calls with when they left.
pub(crate) type Calls = Arc<Mutex<Vec<(Instant, String)>>>;

/// Runs the bench; `--accounts N` sets the largest organization.
pub(crate) fn run(options: &[String]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let most: usize = match options {
        [] => 1_000,
        [flag] if flag == QUICK => {
            let few = runtime.block_on(measure(10));
            let many = runtime.block_on(measure(300));
            let growth = many.calls / few.calls;
            row(
                "plan and apply: calls for 300 accounts",
                growth,
                "those for 10",
                Goal::AtMost(1.0),
            );
            row(
                "plan and apply: calls",
                many.of_rates(),
                "the documented rates",
                Goal::AtMost(1.0),
            );
            return;
        }
        [name, number] if name == "--accounts" => {
            number.parse().expect("--accounts takes a number")
        }
        _ => panic!("expected: provision [--accounts N]"),
    };
    println!("provision: plan, apply, plan; {LATENCY_MS} ms a call, paced to the documented rates");
    println!(
        "{:>9}  {:>6}  {:>8}  {:>9}  {:>9}  {:>9}  {:>14}  {:>12}  {:>9}",
        "accounts",
        "calls",
        "plan s",
        "apply s",
        "plan s",
        "peak MiB",
        "calls/account",
        "ms/account",
        "in rates"
    );
    let sizes = [10_usize, 100, 1_000].into_iter().filter(|accounts| *accounts <= most);
    let all: Vec<Measured> = sizes
        .map(|accounts| {
            let measured = runtime.block_on(measure(accounts));
            measured.print();
            measured
        })
        .collect();
    print_growth(&all);
}

/// Prints how calls and time grow with the organization.
pub(crate) fn print_growth(all: &[Measured]) {
    if let [first, .., last] = all {
        println!(
            "largest over smallest: calls {:.2}x, wall time {:.2}x",
            last.calls / first.calls,
            last.seconds() / first.seconds()
        );
    }
}

/// What plan, apply and plan again took.
pub(crate) struct Measured {
    pub(crate) accounts: f64,
    pub(crate) calls: f64,
    /// Units: seconds.
    pub(crate) planned: f64,
    /// Units: seconds.
    pub(crate) applied: f64,
    /// Units: seconds.
    pub(crate) planned_again: f64,
    /// The rates, the closest first.
    pub(crate) shares: Vec<Share>,
}

impl Measured {
    /// With the times at which the plan, the apply and the second plan ended, from the start.
    pub(crate) fn new(
        accounts: usize,
        calls: &[(Instant, String)],
        [planned, applied, all]: [Duration; 3],
    ) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let (count, accounts) = (calls.len() as f64, accounts as f64);
        Self {
            accounts,
            calls: count,
            planned: planned.as_secs_f64(),
            applied: applied.saturating_sub(planned).as_secs_f64(),
            planned_again: all.saturating_sub(applied).as_secs_f64(),
            shares: shares(calls),
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.planned + self.applied + self.planned_again
    }

    /// The largest share of a rate that was needed.
    pub(crate) fn of_rates(&self) -> f64 {
        self.shares.first().map_or(0.0, |share| share.of_allowed)
    }

    fn print(&self) {
        let over = over_rates(&self.shares);
        println!(
            "{:>9}  {:>6}  {:>8.2}  {:>9.2}  {:>9.2}  {:>9.0}  {:>14.3}  {:>12.2}  {:>9}",
            self.accounts,
            self.calls,
            self.planned,
            self.applied,
            self.planned_again,
            peak_mib(),
            self.calls / self.accounts,
            self.seconds() * 1_000.0 / self.accounts,
            if over.is_empty() { "yes" } else { "NO" }
        );
        for line in over {
            println!("           {line}");
        }
    }
}

async fn measure(accounts: usize) -> Measured {
    let mut options = Options::new("us-east-1".parse().unwrap());
    options.accounts = accounts;
    let sandbox = Sandbox::start(options).await.unwrap();
    sandbox.faults().inject(Fault::every("*", Effect::Latency { milliseconds: LATENCY_MS }));
    let calls = Calls::default();
    let aws = sign_in(&sandbox, &calls).await;
    let ids = sandbox.accounts();
    let text = format!(
        "[organization]\nmanagement_account = \"{}\"\nlog_archive_account = \"{}\"\n\
         home_region = \"us-east-1\"\n[archive]\nbucket = \"bench-log-archive\"\n",
        ids[0], ids[1]
    );
    let config = Loaded::from_text(&text, &Environment::default()).unwrap().config;

    let started = Instant::now();
    let organization = OrganizationFacts::read(&aws, &config).await.unwrap();
    let desired = Desired::new(config, organization, Unmanaged::Keep);
    let observed = Box::pin(observe(&aws, &desired)).await;
    let to_do = plan(&desired, &observed);
    assert!(!to_do.is_empty());
    let planned = started.elapsed();

    let results =
        apply(&aws, &desired, &observed, &to_do, &BTreeSet::new(), &|_| {}).await.unwrap();
    for result in &results {
        assert_eq!(result.outcome, StepOutcome::Done, "{}", result.id);
    }
    let (_, left) = wait_until_converged(&aws, &desired, &results).await;
    assert!(left.is_empty(), "{}", left.to_text());
    let applied = started.elapsed();

    let again = plan(&desired, &Box::pin(observe(&aws, &desired)).await);
    assert!(again.is_empty());
    let all = started.elapsed();
    sandbox.stop().await.unwrap();

    let calls = std::mem::take(&mut *calls.lock());
    Measured::new(accounts, &calls, [planned, applied, all])
}

pub(crate) async fn sign_in(sandbox: &Sandbox, calls: &Calls) -> Aws {
    let keys = sandbox.administrator().unwrap();
    let (plain, log) = (aws_smithy_http_client::Builder::new().build_http(), Arc::clone(calls));
    let counting = http_client_fn(move |settings, components| {
        let inner = plain.http_connector(settings, components);
        SharedHttpConnector::new(Counting { inner, calls: Arc::clone(&log) })
    });
    let credentials = Credentials::from_keys(keys.access_key_id, keys.secret_access_key, None);
    let base = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(sandbox.endpoint())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(counting)
        .build();
    let settings = Settings {
        home_region: Some("us-east-1".parse().unwrap()),
        pacing: Pacing::Documented,
        ..Settings::default()
    };
    Aws::with_base(settings, base).await.unwrap()
}

/// Sends on, and notes what left when.
#[derive(Debug)]
struct Counting {
    inner: SharedHttpConnector,
    calls: Calls,
}

impl HttpConnector for Counting {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        // `com.amazonaws.….CloudTrail_20131101.GetTrail`, `AWSOrganizationsV20161128.ListRoots`
        let (service, operation) = target.rsplit_once('.').unwrap_or_default();
        let service =
            ["CloudTrail", "Organizations"].into_iter().find(|name| service.contains(name));
        // `Action=ListStackInstances&Version=2010-05-15&…`
        let body = request.body().bytes().unwrap_or_default();
        let form = std::str::from_utf8(body).unwrap_or_default();
        let action = form.strip_prefix("Action=").filter(|form| form.contains("2010-05-15"));
        let name = match action.and_then(|form| form.split('&').next()) {
            Some(operation) => format!("CloudFormation:{operation}"),
            None => format!("{}:{operation}", service.unwrap_or("other")),
        };
        self.calls.lock().push((Instant::now(), name));
        self.inner.call(request)
    }
}

/// The calls of one rate in the time in which they came closest to it.
pub(crate) struct Share {
    /// The rate.
    pub(crate) name: &'static str,
    /// The calls, as a share of those that the rate and burst allow: over 1.0 are too many.
    pub(crate) of_allowed: f64,
    calls: f64,
    within: Duration,
    allowed: f64,
}

/// The share of each rate that calls need, the largest first.
pub(crate) fn shares(calls: &[(Instant, String)]) -> Vec<Share> {
    // A call waits its turn before it is signed and sent, a little unevenly.
    const JITTER: Duration = Duration::from_millis(250);
    let mut lanes: BTreeMap<(usize, &str), Vec<Instant>> = BTreeMap::new();
    for (at, call) in calls {
        let rule = RATES.iter().position(|rate| rate.1.iter().any(|start| call.starts_with(start)));
        if let Some(rule) = rule {
            let lane = if RATES[rule].4 { "" } else { call.as_str() };
            lanes.entry((rule, lane)).or_default().push(*at);
        }
    }
    let of_lane = |((rule, _), mut times): ((usize, &str), Vec<Instant>)| {
        let (name, _, rate, burst, _) = RATES[rule];
        times.sort();
        let mut most: Option<Share> = None;
        for (first, from) in times.iter().enumerate() {
            let mut calls = 0.0;
            for to in &times[first..] {
                calls += 1.0;
                let within = *to - *from;
                let allowed = (burst + rate * (within + JITTER).as_secs_f64()).max(1.0);
                let of_allowed = calls / allowed;
                if most.as_ref().is_none_or(|share| share.of_allowed < of_allowed) {
                    most = Some(Share { name, of_allowed, calls, within, allowed });
                }
            }
        }
        most
    };
    let mut shares: Vec<Share> = lanes.into_iter().filter_map(of_lane).collect();
    shares.sort_by(|one, other| other.of_allowed.total_cmp(&one.of_allowed));
    shares
}

/// Where more calls left in some time than the rate and burst allow.
pub(crate) fn over_rates(shares: &[Share]) -> Vec<String> {
    let over = shares.iter().filter(|share| share.of_allowed > 1.0).take(5);
    let over = over.map(|share| {
        let Share { name, calls, within, allowed, .. } = share;
        format!("{name}: {calls} calls in {within:?}, {allowed:.1} allowed")
    });
    over.collect()
}
