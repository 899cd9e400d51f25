//! Plan, apply, plan again.

use std::fs;

use super::env::DemoEnv;
use super::report::require;
use super::{DemoReport, Stop};
use crate::cli::{OpError, Outcome};

pub(super) async fn run(report: &mut DemoReport, env: &DemoEnv) -> Result<(), Stop> {
    report.section(
        "4. One trail for the whole organization",
        "A plan shows every step before anything is written. `apply` runs exactly these steps and\n\
         reads AWS again. The second plan is empty: AWS matches the configuration.",
    )?;
    let title = "the plan has changes, and exits with code 10";
    env.step(report, title, "orgtrail plan", &["plan"], Outcome::ChangesPending).await?;

    let (command, apply) = ("orgtrail apply --yes", ["apply", "--yes"]);
    require(env.step(report, "apply applies them all", command, &apply, Outcome::Clean).await?)?;

    let title = "the second plan is empty";
    env.step(report, title, "orgtrail plan", &["plan"], Outcome::Clean).await?;
    alarms(report, env).await
}

/// Two more lines of configuration create an alarm for each of CIS's patterns; the subscriber
/// has to confirm.
async fn alarms(report: &mut DemoReport, env: &DemoEnv) -> Result<(), Stop> {
    let path = env.folder.path().join("orgtrail.toml");
    let config = fs::read_to_string(&path).map_err(OpError::unexpected)?;
    let more = format!("{config}[alarms]\nsubscribers = [\"security@example.com\"]\n");
    fs::write(&path, more).map_err(OpError::unexpected)?;
    let output = env.program.run(&["apply", "--yes"]).await?;
    let confirmed = env.sandbox.confirm_subscriptions();
    let aws = env.aws().await?;
    let clients = env.clients(&aws, &env.management);
    let there = clients.cloudwatch().describe_alarms().send().await;
    let there = there.map_err(|error| clients.error("cloudwatch:DescribeAlarms", error))?;
    let alarms = there.metric_alarms();
    let with_actions = alarms.iter().filter(|alarm| !alarm.alarm_actions().is_empty()).count();
    let passed = output.exited_with(Outcome::Clean)
        && confirmed == 1
        && (alarms.len(), with_actions) == (17, 17);
    let details = if passed {
        format!("{}\nsecurity@example.com confirmed its subscription", output.summary(1))
    } else {
        output.in_full()
    };
    report.step(
        "two more lines, `[alarms]`, create seventeen alarms and their subscription",
        Some("orgtrail apply --yes"),
        passed,
        details,
    )?;
    Ok(())
}
