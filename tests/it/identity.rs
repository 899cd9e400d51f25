//! Credentials, organizations and endpoints that do not fit the configuration:
//! one line, before anything else is asked.

use std::path::Path;

use orgtrail::names::AccountId;
use orgtrail::ops::{Explain as _, Outcome};
use orgtrail::org::{Identity, Needs};
use serde_json::Value;

use crate::configured::{ConfiguredEnv, parse};
use crate::env::{MINIMAL, session_keys};
use crate::loopback::{Loopback, answer, caller};
use crate::program::{Finished, finish_apart, sign};
use crate::retire_env::{BUCKET, config, with_legacy_trail};

const MEMBER_ROLE: &str = "OrganizationAccountAccessRole";

/// Runs a command with a session of an account's member role.
async fn run_as(env: &ConfiguredEnv, account: &str, config: &str, arguments: &[&str]) -> Finished {
    let role = format!("arn:aws:iam::{account}:role/{MEMBER_ROLE}");
    let assume = env.management();
    let assume = assume.sts().assume_role().role_arn(role).role_session_name("test");
    let keys = assume.send().await.unwrap().credentials.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = env.command(folder.path(), config, arguments);
    sign(&mut command, &session_keys(keys));
    finish_apart(command).await
}

/// Commands that need the management account.
const MANAGING: [&[&str]; 12] = [
    &["plan"],
    &["apply", "--yes"],
    &["destroy", "--dry-run"],
    &["drift"],
    &["coverage"],
    &["accounts"],
    &["sources"],
    &["consolidate", "--yes"],
    &["cost"],
    &["retire", "arn:aws:cloudtrail:us-east-1:333333333333:trail/legacy", "--yes"],
    &["run", "consolidate,verify,drift", "--yes"],
    &["run", "drift"],
];

fn is_one_error(ran: &Finished, code: i32, says: &[&str]) {
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{}", ran.stderr);
    for part in says {
        assert!(errors[0].contains(part), "no `{part}` in {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("warning:"), "{}", ran.stderr);
    assert!(ran.stderr.lines().count() <= 3, "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegated_administrator_is_told_whose_credentials_are_needed() {
    let delegated = "[organization]\ndelegated_administrators = [\"333333333333\"]";
    let config = MINIMAL.replace("[organization]", delegated);
    let env = ConfiguredEnv::new(&config).await;
    env.converge().await;
    for arguments in MANAGING {
        let ran = run_as(&env, "333333333333", &config, arguments).await;
        let says = [
            "signed in as 333333333333, a delegated administrator of o-",
            "needs credentials of the management account 111111111111",
        ];
        is_one_error(&ran, 14, &says);
    }
    // A member that is none is not called one.
    let ran = run_as(&env, "333333333333", MINIMAL, &["plan"]).await;
    is_one_error(&ran, 14, &["signed in as 333333333333, a member account of o-"]);
    // The commands that read the archive say that a caller has no access to it.
    for arguments in [["verify"].as_slice(), &["records"]] {
        let ran = run_as(&env, "333333333333", &config, arguments).await;
        is_one_error(&ran, 14, &["222222222222", "access denied"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_reads_the_archive_from_its_own_account() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.sandbox.set_volume(2.0, None);
    env.converge().await;
    env.sandbox.tick(jiff::SignedDuration::from_hours(5));
    let until = env.sandbox.now().to_string();
    let evidence = ["evidence", "--from", "2026-01-01T01:00:00Z", "--until", &until, "-o", "e.zst"];
    for arguments in [&["verify"][..], &["records"], &["run", "verify"], &evidence] {
        let ran = run_as(&env, "222222222222", MINIMAL, arguments).await;
        assert!([0, 14].contains(&ran.code), "{}{}", ran.stdout, ran.stderr);
        assert!(!ran.stderr.contains("error: "), "{arguments:?}: {}", ran.stderr);
        let who = "SANDBOX: signed in as arn:aws:sts::222222222222:assumed-role/";
        assert!(ran.stdout.starts_with(who), "{arguments:?}: {}", ran.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organization_than_the_configurations_is_refused_in_one_line() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let config = MINIMAL.replace("111111111111", "123456789012");
    for arguments in MANAGING.into_iter().chain([["verify"].as_slice(), &["records"]]) {
        let arguments: Vec<&str> = arguments.to_vec();
        let ran = env.run(&config, &arguments).await;
        let says = ["signed in as 111111111111", "expected 123456789012"];
        is_one_error(&ran, 2, &says);
        // Where the calls went is half of the answer.
        assert!(ran.stderr.contains(&env.sandbox.endpoint()), "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_outside_of_the_organization_is_refused_once() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    for (key, config) in [
        ("organization.log_archive_account", MINIMAL.replace("222222222222", "999999999999")),
        (
            "organization.audit_account",
            MINIMAL.replace("home_region", "audit_account = \"999999999999\"\nhome_region"),
        ),
        (
            "archive.replication.account",
            format!("{MINIMAL}[archive.replication]\nbucket = \"v\"\naccount = \"999999999999\"\n")
                .replace("\"v\"", "\"acme-vault\""),
        ),
    ] {
        for arguments in [["plan"].as_slice(), &["drift"], &["verify"]] {
            let ran = env.run(&config, arguments).await;
            let says = format!("999999999999 ({key}) is not an account of o-");
            is_one_error(&ran, 2, &[&says]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_lets_nobody_in_is_one_error_of_a_plan() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let iam = env.archive();
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::333333333333:root"},"Action":"sts:AssumeRole"}}"#;
    let update = iam.iam().update_assume_role_policy().role_name(MEMBER_ROLE);
    update.policy_document(trust).send().await.unwrap();
    for arguments in [["plan"].as_slice(), &["apply", "--yes"]] {
        let ran = env.run(MINIMAL, arguments).await;
        let says = ["222222222222 (organization.log_archive_account)", "access denied"];
        is_one_error(&ran, 14, &says);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_and_reports_say_as_whom_and_where_they_were_made() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let endpoint = env.sandbox.endpoint();
    let line = format!(
        "SANDBOX: signed in as arn:aws:iam::111111111111:user/admin, organization {} (management \
         account 111111111111), endpoint {endpoint}",
        env.sandbox.organization_id().unwrap()
    );
    for arguments in [&["plan"][..], &["destroy", "--dry-run"], &["drift"], &["accounts"]] {
        let ran = env.run(MINIMAL, arguments).await;
        assert_eq!(ran.stdout.lines().next(), Some(line.as_str()), "{arguments:?}");
        let json = [arguments, &["--format", "json"]].concat();
        let ran = env.run(MINIMAL, &json).await;
        let report = ran.json();
        let identity = &report["identity"];
        assert_eq!(identity["caller"], "arn:aws:iam::111111111111:user/admin", "{arguments:?}");
        assert_eq!(identity["management_account"], "111111111111", "{arguments:?}");
        assert_eq!(identity["endpoint"], endpoint.as_str(), "{arguments:?}");
        assert_eq!(identity["sandbox"], true, "{arguments:?}");
    }
    let page = env.run(MINIMAL, &["drift", "--format", "html"]).await.stdout;
    assert!(page.contains(&format!("<p>{line}</p>")), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_bucket_is_verified_with_its_accounts_role() {
    let env = with_legacy_trail(3).await;
    let target = format!("s3://{BUCKET}");
    let arguments = ["verify", target.as_str(), "--format", "json"];
    // Found by its trail, and by its declaration once the trail is gone.
    let declared = format!(
        "{}[[consolidate.sources]]\nbucket = \"{BUCKET}\"\naccount = \"333333333333\"\n",
        config()
    );
    for config in [config(), declared] {
        let ran = env.run(&config, &arguments).await;
        let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| {
            panic!("{}", ran.stderr);
        });
        assert!(report["summary"]["digests"]["valid"].as_u64().unwrap() > 0, "{report:#}");
    }
    // Without a configuration nobody says whose it is.
    let folder = tempfile::tempdir().unwrap();
    let command = env.command(folder.path(), "", &arguments);
    std::fs::remove_file(Path::new(folder.path()).join("orgtrail.toml")).unwrap();
    let output = finish_apart(command).await;
    let said = output.stderr;
    assert_eq!(output.code, 14, "{said}");
    assert!(said.contains("access denied"), "{said}");
    // A bucket that does not exist is a mistake of the call.
    let ran = env.run(&config(), &["verify", "s3://no-such-bucket-anywhere"]).await;
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

/// An AWS that knows the caller, and answers all else with an error of
/// Organizations.
async fn stranger(code: &'static str) -> Loopback {
    Loopback::start(move |asked, _| match asked.operation.as_str() {
        "GetCallerIdentity" => caller("arn:aws:iam::555555555555:user/somebody"),
        _ => answer(400, format!(r#"{{"__type":"{code}","message":"no"}}"#)),
    })
    .await
}

#[tokio::test]
async fn a_caller_without_an_organization_is_told_so_and_no_role_is_tried() {
    let server = stranger("AWSOrganizationsNotInUseException").await;
    let base = server.config().http_client(aws_smithy_http_client::Builder::new().build_http());
    let aws = orgtrail::aws::Aws::with_base(orgtrail::aws::Settings::default(), base.build());
    let aws = aws.await.unwrap();
    for needs in [Needs::Management, Needs::Member] {
        let error = Identity::validate(&aws, &parse(MINIMAL), needs).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Usage);
        let said = error.to_string();
        assert!(said.starts_with("signed in as 555555555555"), "{said}");
        assert!(
            said.contains("in no organization, expected management account 111111111111"),
            "{said}"
        );
    }
    assert!(server.asked("AssumeRole").is_empty());
}

#[tokio::test]
async fn an_organization_that_may_not_be_read_is_incomplete_and_never_absent() {
    let server = stranger("AccessDeniedException").await;
    let base = server.config().http_client(aws_smithy_http_client::Builder::new().build_http());
    let aws = orgtrail::aws::Aws::with_base(orgtrail::aws::Settings::default(), base.build());
    let aws = aws.await.unwrap();
    let own = MINIMAL.replace("111111111111", "555555555555");
    for config in [MINIMAL, &own] {
        let error = Identity::validate(&aws, &parse(config), Needs::Management).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Incomplete, "{error}");
    }
    let id: AccountId = "555555555555".parse().unwrap();
    assert_eq!(aws.caller().account, id);
    assert!(!aws.is_sandbox());
}
