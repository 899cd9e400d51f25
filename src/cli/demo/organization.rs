//! The config, and the accounts that it points at.

use std::fs;

use serde_json::Value;

use super::ground::{BUCKET, Ground, unexpected};
use super::{Stop, Story};
use crate::cli::Outcome;

/// Gives the accounts that were entered.
pub(super) async fn play(story: &mut Story, ground: &Ground) -> Result<Vec<String>, Stop> {
    story.chapter(
        "2. Five lines of config",
        "Everything else has a sound default: multi-Region, validated, encrypted, locked, kept.\n\
         What AWS would refuse, or what contradicts itself, is refused before AWS is called.",
    )?;
    let config = format!(
        "[organization]\nmanagement_account = \"{}\"\nlog_archive_account = \"{}\"\n\
         home_region = \"{}\"\n[archive]\nbucket = \"{BUCKET}\"\n",
        ground.management,
        ground.log_archive,
        ground.sandbox.home_region(),
    );
    fs::write(ground.folder.path().join("orgtrail.toml"), &config).map_err(unexpected)?;
    let ran = ground.program.run(&["config", "check"]).await?;
    let held = ran.ended(Outcome::Clean);
    let said = if held { ran.summary(2) } else { ran.in_full() };
    story.must("the config holds", Some("orgtrail config check"), held, said)?;

    let wrong = config.replace(ground.log_archive.as_str(), "22222222222");
    fs::write(ground.folder.path().join("wrong.toml"), wrong).map_err(unexpected)?;
    let ran = ground.program.run(&["--config", "wrong.toml", "config", "check"]).await?;
    let held = ran.ended(Outcome::Usage) && ran.stdout.contains("wrong.toml:3:");
    let said = if held { ran.stdout.trim().to_owned() } else { ran.in_full() };
    story.step(
        "an account id of 11 digits is refused, with its place",
        Some("orgtrail --config wrong.toml config check"),
        held,
        said,
    )?;

    story.chapter(
        "3. The accounts, and whether they can be entered",
        "An account that nobody can look into is a blind spot: it is named with the reason, not\n\
         left out.",
    )?;
    let ran = ground.program.run(&["accounts", "--format", "json"]).await?;
    let (entered, left_out) = survey(&ran.stdout);
    let held = ran.ended(Outcome::Clean)
        && !entered.is_empty()
        && entered.len() + left_out.len() == ground.accounts;
    let said = if held {
        let named = left_out.iter().map(|(id, reason)| format!("\n{id} was not tried: {reason}"));
        format!("{} accounts entered{}", entered.len(), named.collect::<String>())
    } else {
        ran.in_full()
    };
    let title = "every account is entered, or named with the reason why not";
    story.must(title, Some("orgtrail accounts"), held, said)?;
    Ok(entered)
}

/// Which accounts a listing says were entered, and which were not tried and
/// why. An account that failed is in neither.
fn survey(listing: &str) -> (Vec<String>, Vec<(String, String)>) {
    let listing: Value = serde_json::from_str(listing).unwrap_or_default();
    let (mut entered, mut left_out) = (Vec::new(), Vec::new());
    for one in listing["accounts"].as_array().into_iter().flatten() {
        let Some(account) = one["account"].as_str() else { continue };
        match (one["access"]["status"].as_str(), one["access"]["reason"].as_str()) {
            (Some("granted"), _) => entered.push(account.to_owned()),
            (Some("excluded"), Some(reason)) => {
                left_out.push((account.to_owned(), reason.to_owned()));
            }
            _ => {}
        }
    }
    (entered, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_failed_is_neither_entered_nor_left_out() {
        let listing = r#"{"accounts": [
            {"account": "1", "access": {"status": "granted", "principal": "p"}},
            {"account": "2", "access": {"status": "excluded", "reason": "suspended"}},
            {"account": "3", "access": {"status": "failed", "reason": "denied"}}]}"#;
        let (entered, left_out) = survey(listing);
        assert_eq!(entered, ["1"]);
        assert_eq!(left_out, [("2".to_owned(), "suspended".to_owned())]);
        assert_eq!(survey("error: no"), (Vec::new(), Vec::new()));
    }
}
