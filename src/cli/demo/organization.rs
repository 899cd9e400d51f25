//! The configuration, and the accounts.

use std::fs;

use serde_json::Value;

use super::env::{BUCKET, DemoEnv};
use super::{DemoReport, Stop};
use crate::cli::{OpError, Outcome};

/// The accounts whose role could be assumed.
pub(super) async fn run(report: &mut DemoReport, env: &DemoEnv) -> Result<Vec<String>, Stop> {
    report.section(
        "2. Five lines of configuration",
        "Everything else has a safe default: multi-Region, validated, encrypted, locked, retained.\n\
         Contradictions, and what AWS would reject, are reported before AWS is called.",
    )?;
    let config = format!(
        "[organization]\nmanagement_account = \"{}\"\nlog_archive_account = \"{}\"\n\
         home_region = \"{}\"\n[archive]\nbucket = \"{BUCKET}\"\n",
        env.management,
        env.log_archive,
        env.sandbox.home_region(),
    );
    fs::write(env.folder.path().join("orgtrail.toml"), &config).map_err(OpError::unexpected)?;
    let output = env.program.run(&["config", "check"]).await?;
    let passed = output.exited_with(Outcome::Clean);
    let details = if passed { output.summary(2) } else { output.in_full() };
    report.required_step(
        "the configuration is valid",
        Some("orgtrail config check"),
        passed,
        details,
    )?;

    let wrong = config.replace(env.log_archive.as_str(), "22222222222");
    fs::write(env.folder.path().join("wrong.toml"), wrong).map_err(OpError::unexpected)?;
    let output = env.program.run(&["--config", "wrong.toml", "config", "check"]).await?;
    let passed = output.exited_with(Outcome::Usage) && output.stdout.contains("wrong.toml:3:");
    let details = if passed { output.stdout.trim().to_owned() } else { output.in_full() };
    report.step(
        "an account id of 11 digits is rejected, with its line",
        Some("orgtrail --config wrong.toml config check"),
        passed,
        details,
    )?;

    report.section(
        "3. Every account is accessible",
        "An account that orgtrail cannot read is a blind spot: it is listed with the reason, not\n\
         omitted.",
    )?;
    let output = env.program.run(&["accounts", "--format", "json"]).await?;
    let (accessible, excluded) = survey(&output.stdout);
    let passed = output.exited_with(Outcome::Clean)
        && !accessible.is_empty()
        && accessible.len() + excluded.len() == env.accounts;
    let details = if passed {
        let named = excluded.iter().map(|(id, reason)| format!("\n{id} is excluded: {reason}"));
        format!("{} accounts accessible{}", accessible.len(), named.collect::<String>())
    } else {
        output.in_full()
    };
    let title = "every account is accessible, or listed with the reason";
    report.required_step(title, Some("orgtrail accounts"), passed, details)?;
    Ok(accessible)
}

/// The accessible accounts of a listing, and the excluded ones with their reasons. An account
/// that failed is in neither.
fn survey(listing: &str) -> (Vec<String>, Vec<(String, String)>) {
    let listing: Value = serde_json::from_str(listing).unwrap_or_default();
    let (mut accessible, mut excluded) = (Vec::new(), Vec::new());
    for one in listing["accounts"].as_array().into_iter().flatten() {
        let Some(account) = one["account"].as_str() else { continue };
        match (one["access"]["status"].as_str(), one["access"]["reason"].as_str()) {
            (Some("granted"), _) => accessible.push(account.to_owned()),
            (Some("excluded"), Some(reason)) => {
                excluded.push((account.to_owned(), reason.to_owned()));
            }
            _ => {}
        }
    }
    (accessible, excluded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_failed_is_neither_accessible_nor_excluded() {
        let listing = r#"{"accounts": [
            {"account": "1", "access": {"status": "granted", "principal": "p"}},
            {"account": "2", "access": {"status": "excluded", "reason": "suspended"}},
            {"account": "3", "access": {"status": "failed", "reason": "denied"}}]}"#;
        let (accessible, excluded) = survey(listing);
        assert_eq!(accessible, ["1"]);
        assert_eq!(excluded, [("2".to_owned(), "suspended".to_owned())]);
        assert_eq!(survey("error: no"), (Vec::new(), Vec::new()));
    }
}
