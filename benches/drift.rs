//! What looking at the whole organization costs as it grows.
//!
//! `cargo bench -- drift [--accounts 5000]`. For 10, 100, 1,000 and 5,000 accounts with 17
//! Regions each, a provisioned sandbox answers every call 30 ms late; everything is
//! gathered and judged once, paced as against AWS. Client and sandbox share a
//! process, and so its memory. Chains are left to the verifier's own bench.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use orgtrail::aws::{Aws, Pacing, Settings};
use orgtrail::checks::{CATALOGUE, Facts, Run, Silent};
use orgtrail::config::{Environment, Loaded};
use orgtrail::plan::apply::{StepOutcome, apply};
use orgtrail::plan::plan;
use orgtrail::policy::Unmanaged;
use orgtrail::resources::{Desired, OrganizationFacts, observe};
use orgtrail::sandbox::{Effect, Fault, Options, Sandbox};

use crate::curve::{Curve, Series};
use crate::quick::{Goal, QUICK, row};
use crate::usage::peak_mib;

const LATENCY_MS: u64 = 30;

/// Runs the bench; `--accounts N` sets the largest organization.
pub(crate) fn run(options: &[String]) {
    let most: usize = match options {
        [] => 5_000,
        [flag] if flag == QUICK => {
            quick();
            return;
        }
        [name, number] if name == "--accounts" => {
            number.parse().expect("--accounts takes a number")
        }
        _ => panic!("expected: drift [--accounts N]"),
    };
    println!("drift: gather and judge; {LATENCY_MS} ms a call, paced to the documented rates");
    println!(
        "{:>9}  {:>8}  {:>8}  {:>9}  {:>9}  {:>9}  {:>9}",
        "accounts", "calls", "gather s", "judge s", "findings", "peak MiB", "calls/acc"
    );
    let (mut seconds, mut memory) = (Vec::new(), Vec::new());
    for accounts in [10_usize, 100, 1_000, 5_000].into_iter().filter(|accounts| *accounts <= most) {
        let Measured { calls, gathered, judged, findings } = measure(accounts);
        let count = f64::from(u32::try_from(accounts).unwrap());
        seconds.push((count, gathered + judged));
        memory.push((count, peak_mib()));
        println!(
            "{accounts:>9}  {calls:>8}  {gathered:>8.2}  {judged:>9.2}  {findings:>9}  {:>9.0}  {:>9.2}",
            peak_mib(),
            calls / count,
        );
    }
    Curve {
        title: format!("drift: an organization that grows, {LATENCY_MS} ms a call"),
        x: "accounts of 17 Regions",
        y: "seconds, or MiB",
        series: vec![
            Series { name: "seconds", points: seconds },
            Series { name: "peak memory with the sandbox, MiB", points: memory },
        ],
    }
    .draw("drift");
}

fn quick() {
    const ACCOUNTS: usize = 500;
    let Measured { gathered, judged, .. } = measure(ACCOUNTS);
    // In proportion to the target of 60 seconds for 5,000 accounts.
    let limit = 6.0;
    let took = gathered + judged;
    row("drift: seconds for 500 accounts", took / limit, "6 s", Goal::AtMost(1.0));
    row("drift: peak memory with the sandbox", peak_mib() / 300.0, "300 MiB", Goal::AtMost(1.0));
}

/// What one complete reading took.
struct Measured {
    calls: f64,
    /// Units: seconds.
    gathered: f64,
    /// Units: seconds.
    judged: f64,
    findings: usize,
}

fn measure(accounts: usize) -> Measured {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(read(accounts))
}

async fn read(accounts: usize) -> Measured {
    let mut options = Options::new("us-east-1".parse().unwrap());
    options.accounts = accounts;
    let sandbox = Sandbox::start(options).await.unwrap();
    let ids = sandbox.accounts();
    let text = format!(
        "[organization]\nmanagement_account = \"{}\"\nlog_archive_account = \"{}\"\n\
         home_region = \"us-east-1\"\n[archive]\nbucket = \"bench-log-archive\"\n\
         [drift]\nchain_hours = 0\n",
        ids[0], ids[1]
    );
    let config = Loaded::from_text(&text, &Environment::default()).unwrap().config;
    let calls = Arc::new(AtomicU64::new(0));

    let unpaced = sign_in(&sandbox, Pacing::Off, &calls).await;
    let organization = OrganizationFacts::read(&unpaced, &config).await.unwrap();
    let desired = Desired::new(config, organization, Unmanaged::Keep);
    let observed = Box::pin(observe(&unpaced, &desired)).await;
    let to_do = plan(&desired, &observed);
    let results =
        apply(&unpaced, &desired, &observed, &to_do, &BTreeSet::new(), &|_| {}).await.unwrap();
    assert!(results.iter().all(|result| result.outcome == StepOutcome::Done));
    drop(unpaced);

    sandbox.faults().inject(Fault::every("*", Effect::Latency { milliseconds: LATENCY_MS }));
    let aws = sign_in(&sandbox, Pacing::Documented, &calls).await;
    calls.store(0, Ordering::Relaxed);
    let started = Instant::now();
    let facts = Box::pin(Facts::gather(&aws, desired, sandbox.now(), &Silent)).await;
    let gathered = started.elapsed();
    let run = Run::of(&facts, CATALOGUE);
    let judged = started.elapsed().saturating_sub(gathered);
    for finding in &run.findings {
        assert!(!finding.verdict.is_open(), "{} of {}", finding.check, finding.scope);
    }
    sandbox.stop().await.unwrap();
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let calls = calls.load(Ordering::Relaxed) as f64;
    Measured {
        calls,
        gathered: gathered.as_secs_f64(),
        judged: judged.as_secs_f64(),
        findings: run.findings.len(),
    }
}

async fn sign_in(sandbox: &Sandbox, pacing: Pacing, calls: &Arc<AtomicU64>) -> Aws {
    let keys = sandbox.administrator().unwrap();
    let (plain, count) = (aws_smithy_http_client::Builder::new().build_http(), Arc::clone(calls));
    let counting = http_client_fn(move |settings, components| {
        let inner = plain.http_connector(settings, components);
        SharedHttpConnector::new(Counting { inner, calls: Arc::clone(&count) })
    });
    let credentials = Credentials::from_keys(keys.access_key_id, keys.secret_access_key, None);
    let base = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(sandbox.endpoint())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(counting)
        .build();
    let home_region = Some("us-east-1".parse().unwrap());
    let settings = Settings { home_region, pacing, ..Settings::default() };
    Aws::with_base(settings, base).await.unwrap()
}

/// Sends on, and counts.
#[derive(Debug)]
struct Counting {
    inner: SharedHttpConnector,
    calls: Arc<AtomicU64>,
}

impl HttpConnector for Counting {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.call(request)
    }
}
