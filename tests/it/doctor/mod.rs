//! `orgtrail doctor`: it names the cause of what is broken and how to fix it, and writes
//! nothing.

pub(crate) mod broken;

use serde_json::Value;

use crate::configured::ConfiguredEnv;
use crate::env::{MINIMAL, TestEnv, working_day};
use crate::program::{Finished, finish, finish_apart, orgtrail};

/// A provisioned organization.
async fn provisioned(config: &str) -> ConfiguredEnv {
    let env = ConfiguredEnv::at(config, working_day()).await;
    env.converge().await;
    env
}

fn items(finished: &Finished) -> Vec<Value> {
    finished.json()["items"].as_array().unwrap().clone()
}

fn verdict<'a>(items: &'a [Value], item: &str) -> &'a str {
    let found = items.iter().find(|it| it["item"] == item);
    found.unwrap_or_else(|| panic!("no item {item}: {items:#?}"))["verdict"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provisioned_organization_has_no_problem_and_nothing_is_written() {
    let env = provisioned(MINIMAL).await;
    env.sandbox.record_authorization();
    env.sandbox.record_s3();
    let found = env.run(MINIMAL, &["doctor"]).await;
    assert_eq!(found.code, 0, "{}", found.text());
    assert!(found.stdout.ends_with("Next: run `orgtrail plan`\n"), "{}", found.stdout);
    let reads = ["Assume", "Describe", "Get", "Head", "List", "Simulate"];
    let records = env.sandbox.take_authorization();
    let is_read = |action: &str| {
        let (_, operation) = action.split_once(':').unwrap();
        reads.iter().any(|verb| operation.starts_with(verb))
    };
    let writes: Vec<_> = records.iter().filter(|record| !is_read(&record.action)).collect();
    assert!(records.len() > 30 && writes.is_empty(), "{writes:#?}");
    let requests = env.sandbox.take_s3_requests();
    let writes: Vec<_> = requests
        .iter()
        .filter(|request| !reads.iter().any(|verb| request.operation.starts_with(verb)))
        .collect();
    assert!(!requests.is_empty() && writes.is_empty(), "{writes:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_configuration_it_examines_what_the_credentials_show() {
    let env = TestEnv::builder().at(working_day()).start().await;
    let folder = tempfile::tempdir().unwrap();
    let run =
        |arguments: &'static [&'static str]| finish_apart(env.signed_in(folder.path(), arguments));
    let found = run(&["doctor", "--format", "json"]).await;
    assert_eq!(found.code, 11, "{}", found.text());
    let found_items = items(&found);
    for (item, expected) in [
        ("credentials", "ok"),
        ("organization", "ok"),
        ("account-roles", "ok"),
        ("trusted-access", "problem"),
        ("organization-trail", "problem"),
        ("configuration", "skipped"),
        ("archive", "skipped"),
        ("schedules", "skipped"),
    ] {
        assert_eq!(verdict(&found_items, item), expected, "{item}: {found_items:#?}");
    }
    let next = "run `orgtrail init` to write a configuration, then `orgtrail doctor` again";
    assert_eq!(found.json()["next_step"], next);
    // The file that `init` writes is one that `doctor` reads.
    let init = run(&["init"]).await;
    assert_eq!(init.code, 0, "{}", init.text());
    let again = run(&["doctor", "--format", "json"]).await;
    assert_eq!(verdict(&items(&again), "configuration"), "ok", "{}", again.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_fit_a_terminal_and_problems_come_first() {
    let env = TestEnv::builder().at(working_day()).start().await;
    let found = env.run(MINIMAL, &["doctor"]).await;
    assert_eq!(found.code, 11, "{}", found.text());
    for line in found.stdout.lines() {
        // Words, such as ARNs, are not broken.
        let is_word = line.split_whitespace().count() <= 2;
        assert!(line.chars().count() <= 80 || is_word, "{line}");
    }
    let at = |word: &str| found.stdout.lines().position(|line| line.starts_with(word));
    assert!(at("PROBLEM").is_some() && at("PROBLEM") < at("ok"), "{}", found.stdout);
    assert!(found.stdout.contains("\nNext: fix the first item: "), "{}", found.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_configuration_is_a_usage_error() {
    let env = TestEnv::start().await;
    let found = env.run(&MINIMAL.replace("us-east-1", "nowhere"), &["doctor"]).await;
    assert_eq!(found.code, 2, "{}", found.text());
    assert!(found.stderr.contains("organization.home_region"), "{}", found.stderr);
}

#[test]
fn a_named_configuration_file_that_does_not_exist_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["doctor", "--config", "missing.toml"];
    let refused = finish(&mut orgtrail(folder.path(), &arguments));
    assert_eq!(refused.code, 2, "{}", refused.text());
    assert!(refused.stderr.contains("missing.toml"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--config"), "{}", refused.stderr);
}
