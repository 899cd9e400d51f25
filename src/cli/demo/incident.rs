//! A change elsewhere turns CloudTrail's trusted access off, and the organization trail
//! silently becomes a single-account trail.

use super::env::DemoEnv;
use super::{DemoReport, Stop};
use crate::cli::Outcome;
use crate::policy::CLOUDTRAIL;

pub(super) async fn run(report: &mut DemoReport, env: &DemoEnv) -> Result<(), Stop> {
    report.section(
        "10. Trusted access disappears",
        "A setting of another tool turns CloudTrail's trusted access off. The organization trail\n\
         silently records one account only, and other tools report no drift. `drift` detects it in\n\
         its next run, `doctor` names the cause, and `drift --fix` turns trusted access on again.",
    )?;
    let aws = env.aws().await?;
    let management = env.clients(&aws, &env.management);
    let off = management.organizations().disable_aws_service_access();
    let off = off.service_principal(CLOUDTRAIL).send().await;
    off.map_err(|error| management.error("organizations:DisableAWSServiceAccess", error))?;

    let output = env.program.run(&["drift", "--format", "json"]).await?;
    let passed = output.exited_with(Outcome::Drift)
        && has(&output.stdout, "findings", "check", "org-trusted-access");
    let details = if passed { "org-trusted-access failed".to_owned() } else { output.in_full() };
    report.step("drift detects it", Some("orgtrail drift"), passed, details)?;

    let output = env.program.run(&["doctor", "--format", "json"]).await?;
    let passed = output.exited_with(Outcome::Drift)
        && has(&output.stdout, "items", "item", "trusted-access");
    let details = if passed { first_problem(&output.stdout) } else { output.in_full() };
    report.step("doctor names the cause and the fix", Some("orgtrail doctor"), passed, details)?;

    let (command, fix) = ("orgtrail drift --fix", ["drift", "--fix", "--yes"]);
    let output = env.program.run(&fix).await?;
    let enabled =
        management.organizations().list_aws_service_access_for_organization().send().await;
    let enabled = enabled.map_err(|error| {
        management.error("organizations:ListAWSServiceAccessForOrganization", error)
    })?;
    let passed = enabled
        .enabled_service_principals()
        .iter()
        .any(|it| it.service_principal() == Some(CLOUDTRAIL));
    let details = if passed { "trusted access is on again".to_owned() } else { output.in_full() };
    report.step("drift turns trusted access on again", Some(command), passed, details)?;
    Ok(())
}

/// Whether a report has a failed check, or an item with a problem, of this name.
fn has(report: &str, list: &str, field: &str, name: &str) -> bool {
    let report: serde_json::Value = serde_json::from_str(report).unwrap_or_default();
    let mut entries = report[list].as_array().into_iter().flatten();
    entries.any(|entry| {
        entry[field] == name && (entry["verdict"] == "fail" || entry["verdict"] == "problem")
    })
}

/// The evidence of the first problem.
fn first_problem(report: &str) -> String {
    let report: serde_json::Value = serde_json::from_str(report).unwrap_or_default();
    report["items"][0]["evidence"].as_str().unwrap_or_default().to_owned()
}
