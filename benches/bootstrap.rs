//! What bootstrap costs as the organization grows.
//!
//! `cargo bench -- bootstrap [--accounts 1000]`. For 10, 100 and 1,000 accounts a fresh sandbox
//! answers every call 30 ms late; plan, apply and plan run against it, paced as against AWS.
//! Every call that leaves is counted where it enters the network, and its times are compared
//! with the rates of `provision`.

use std::collections::BTreeMap;
use std::time::Instant;

use orgtrail::config::{Environment, Loaded};
use orgtrail::plan::apply::StepOutcome;
use orgtrail::plan::bootstrap::{apply_bootstrap, plan_bootstrap};
use orgtrail::resources::landing_zone::{LandingZone, observe_zone};
use orgtrail::sandbox::{Effect, Fault, Options, Sandbox};
use orgtrail::stop::Stop;

use crate::provision::{Calls, Measured, over_rates, print_growth, sign_in};
use crate::quick::{Goal, QUICK, row};

const LATENCY_MS: u64 = 30;

/// Runs the bench; `--accounts N` sets the largest organization.
pub(crate) fn run(options: &[String]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let most: usize = match options {
        [] => 1_000,
        [flag] if flag == QUICK => {
            let few = runtime.block_on(measure(10)).0;
            let many = runtime.block_on(measure(100)).0;
            let growth = many.calls / few.calls;
            row("bootstrap: calls for 100 accounts", growth, "those for 10", Goal::AtMost(1.5));
            row("bootstrap: calls", many.of_rates(), "the documented rates", Goal::AtMost(1.0));
            return;
        }
        [name, number] if name == "--accounts" => {
            number.parse().expect("--accounts takes a number")
        }
        _ => panic!("expected: bootstrap [--accounts N]"),
    };
    println!("bootstrap: plan, apply, plan; {LATENCY_MS} ms a call, paced to the rates");
    println!(
        "{:>9}  {:>6}  {:>8}  {:>9}  {:>9}  {:>14}  {:>12}",
        "accounts", "calls", "plan s", "apply s", "plan s", "calls/account", "ms/account"
    );
    let sizes = [10_usize, 100, 1_000].into_iter().filter(|accounts| *accounts <= most);
    let all: Vec<Measured> = sizes
        .map(|accounts| {
            let (measured, calls) = runtime.block_on(measure(accounts));
            print(&measured, &calls);
            measured
        })
        .collect();
    print_growth(&all);
}

/// What all three took together, and the calls.
async fn measure(accounts: usize) -> (Measured, Vec<(Instant, String)>) {
    let mut options = Options::new("us-east-1".parse().unwrap());
    options.accounts = accounts;
    let sandbox = Sandbox::start(options).await.unwrap();
    sandbox.faults().inject(Fault::every("*", Effect::Latency { milliseconds: LATENCY_MS }));
    let calls = Calls::default();
    let aws = sign_in(&sandbox, &calls).await;
    let ids = sandbox.accounts();
    let text = format!(
        "[organization]\nmanagement_account = \"{}\"\nlog_archive_account = \"{}\"\n\
         home_region = \"us-east-1\"\n[archive]\nbucket = \"bench-log-archive\"\n\
         [roles]\nname = \"OrgTrailMember\"\n[roles.accounts.{}]\nname = \"OrgTrailArchive\"\n\
         [landing_zone]\npilot_account = \"{}\"\n",
        ids[0], ids[1], ids[1], ids[2]
    );
    let config = Loaded::from_text(&text, &Environment::default()).unwrap().config;
    let zone = LandingZone::new(config, false).unwrap();

    let started = Instant::now();
    let observed = Box::pin(observe_zone(&aws, &zone)).await;
    let to_do = plan_bootstrap(&zone, &observed);
    assert!(!to_do.is_empty() && !to_do.has_refused(), "{}", to_do.to_text());
    let planned = started.elapsed();

    let results = apply_bootstrap(&aws, &zone, &to_do, &|_| {}, &Stop::never()).await;
    for result in &results {
        assert_eq!(result.outcome, StepOutcome::Done, "{}", result.id);
    }
    let applied = started.elapsed();

    let again = plan_bootstrap(&zone, &Box::pin(observe_zone(&aws, &zone)).await);
    assert!(again.is_empty(), "{}", again.to_text());
    let all = started.elapsed();
    sandbox.stop().await.unwrap();

    let calls = std::mem::take(&mut *calls.lock());
    (Measured::new(accounts, &calls, [planned, applied, all]), calls)
}

fn print(measured: &Measured, calls: &[(Instant, String)]) {
    println!(
        "{:>9}  {:>6}  {:>8.2}  {:>9.2}  {:>9.2}  {:>14.3}  {:>12.2}",
        measured.accounts,
        measured.calls,
        measured.planned,
        measured.applied,
        measured.planned_again,
        measured.calls / measured.accounts,
        measured.seconds() * 1_000.0 / measured.accounts
    );
    let mut by_call: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, call) in calls {
        *by_call.entry(call).or_default() += 1;
    }
    let mut most: Vec<_> = by_call.into_iter().collect();
    most.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let most: Vec<String> =
        most.iter().take(4).map(|(call, count)| format!("{call} {count}")).collect();
    println!("           most: {}", most.join(", "));
    let over = over_rates(&measured.shares);
    if let Some(busiest) = measured.shares.first() {
        println!(
            "           within the documented API rates: {}; closest: {}, at {:.2} of its rate and \
             burst",
            if over.is_empty() { "yes" } else { "NO" },
            busiest.name,
            busiest.of_allowed
        );
    }
    for line in over {
        println!("           {line}");
    }
}
