//! For every check a state in which it passes, one in which it fails, and one in which it
//! is unknown.
//!
//! The state in which all pass is real: an organization that orgtrail provisioned, a day
//! later. Each row changes one thing in it.

use std::collections::BTreeSet;
use std::sync::OnceLock;

mod cases;
mod rows;

use self::rows::{ROWS, Row};
use super::{CATALOGUE, Check, Facts, Run, Severity, Verdict};
use crate::aws::{Aws, AwsError, ErrorKind, Failure, Observation};
use crate::config::Config;
use crate::plan::apply::{StepOutcome, apply};
use crate::plan::plan;
use crate::policy::{PolicyDocument, Statement, Unmanaged};
use crate::resources::{Desired, OrganizationFacts, observe};
use crate::test_env::{TestEnv, writer};

const CONFIG: &str = r#"
[organization]
management_account = "111111111111"
log_archive_account = "222222222222"
home_region = "us-east-1"
regions = ["us-east-1", "eu-central-1"]
[trail]
insights = { call_rate = true, error_rate = true }
tags = { team = "audit" }
[[trail.data_events]]
resource_type = "AWS::S3::Object"
[archive]
bucket = "acme-log-archive"
readers = ["333333333333"]
[[archive.notifications]]
target = "arn:aws:sns:us-east-1:222222222222:told"
events = ["s3:ObjectCreated:*"]
[archive.replication]
bucket = "acme-vault"
account = "333333333333"
[key]
readers = ["333333333333"]
[topic]
name = "trail-told"
[alarms]
subscribers = ["security@example.com"]
[guardrail]
enabled = true
[drift]
neighbors = ["config", "guardduty", "security-hub"]
"#;

/// The facts of an organization in which every check passes.
pub(crate) fn holding() -> Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    let of_its_own = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(provisioned())
    };
    // A test may run in a runtime, in which another one cannot block.
    FACTS.get_or_init(|| std::thread::spawn(of_its_own).join().unwrap()).clone()
}

async fn provisioned() -> Facts {
    let env = TestEnv::start().await;
    for account in env.sandbox.accounts() {
        for region in ["us-east-1", "eu-central-1"] {
            env.sandbox.enable_neighbors(&account, &region.parse().unwrap());
        }
    }
    let aws = env.sign_in().await;
    let key = create_unmanaged(&aws).await;
    let config = format!("{CONFIG}[cloudwatch_logs]\nkms_key = \"{key}\"\n");
    let config: Config = config.parse().unwrap();
    let organization = OrganizationFacts::read(&aws, &config).await.unwrap();
    let desired = Desired::new(config, organization, Unmanaged::Keep);
    let observed = Box::pin(observe(&aws, &desired)).await;
    let to_do = plan(&desired, &observed);
    let results =
        apply(&aws, &desired, &observed, &to_do, &BTreeSet::new(), &|_| {}).await.unwrap();
    for result in results {
        assert_eq!(result.outcome, StepOutcome::Done, "{}", result.id);
    }
    assert_eq!(env.sandbox.confirm_subscriptions(), 1);
    env.sandbox.tick(jiff::SignedDuration::from_hours(26));
    let now = env.sandbox.now();
    let mut facts = Box::pin(Facts::gather(&aws, desired, now, &super::Silent)).await;
    // An earlier run saw the same accounts.
    let accounts = facts.accounts.present().into_iter().flatten();
    facts.earlier = Some(accounts.map(|one| one.account.clone()).collect());
    facts
}

/// Creates what the configuration refers to and orgtrail does not manage: the topic of the
/// bucket's notifications, and the key of the log group.
async fn create_unmanaged(aws: &Aws) -> String {
    let region = "us-east-1".parse().unwrap();
    let clients = |account: &str| writer(&aws.clients(&account.parse().unwrap(), &region));
    let archive = clients("222222222222");
    let made = archive.sns().create_topic().name("told").send().await.unwrap();
    let topic = made.topic_arn.unwrap();
    let publish = Statement::allow("S3")
        .service("s3.amazonaws.com")
        .actions(["sns:Publish"])
        .resources([topic.clone()]);
    let call = archive.sns().set_topic_attributes().topic_arn(topic).attribute_name("Policy");
    let policy = PolicyDocument::new(vec![publish]).to_json();
    call.attribute_value(policy).send().await.unwrap();

    let management = clients("111111111111");
    let owner = Statement::allow("Owner")
        .principals(["arn:aws:iam::111111111111:root"])
        .actions(["kms:*"])
        .resources(["*"]);
    let logs = Statement::allow("Logs")
        .service("logs.us-east-1.amazonaws.com")
        .actions(["kms:Encrypt*", "kms:Decrypt*", "kms:GenerateDataKey*", "kms:Describe*"])
        .resources(["*"]);
    let policy = PolicyDocument::new(vec![owner, logs]).to_json();
    let key = management.kms().create_key().policy(policy).send().await.unwrap();
    key.key_metadata.unwrap().arn.unwrap()
}

/// A read that was denied.
pub(crate) fn denied<T>() -> Observation<T> {
    Observation::Unreadable(error())
}

fn error() -> AwsError {
    Failure {
        operation: "GetSomething".to_owned(),
        service: "s3".to_owned(),
        account: Some("222222222222".parse().unwrap()),
        region: None,
        principal: None,
        kind: ErrorKind::AccessDenied,
        code: Some("AccessDenied".to_owned()),
        message: None,
        request_id: None,
        bucket_region: None,
        source: None,
    }
    .into()
}

fn declare(facts: &mut Facts, more: &str) {
    let config: Config = format!("{CONFIG}\n{more}").parse().unwrap();
    let organization = facts.desired.organization.clone();
    facts.desired = Desired::new(config, organization, Unmanaged::Keep);
}

fn row(check: &Check) -> &'static Row {
    let rows: Vec<&Row> = ROWS.iter().filter(|row| row.check == check.id).collect();
    assert_eq!(rows.len(), 1, "{} has {} rows in the table", check.id, rows.len());
    rows[0]
}

#[test]
fn every_check_passes_after_provisioning() {
    let facts = holding();
    for check in CATALOGUE {
        let results = check.judge(&facts);
        assert!(!results.is_empty(), "{} has no result", check.id);
        for result in results {
            assert_eq!(result.verdict, Verdict::Pass, "{} of {}", check.id, result.scope);
        }
    }
}

#[test]
fn every_check_has_a_state_in_which_it_fails() {
    for check in CATALOGUE {
        let mut facts = holding();
        (row(check).fail)(&mut facts);
        let results = check.judge(&facts);
        let broken = results.iter().find_map(|result| match &result.verdict {
            Verdict::Fail { found, expected } => Some((found, expected)),
            _ => None,
        });
        let (found, expected) =
            broken.unwrap_or_else(|| panic!("{} does not fail: {results:?}", check.id));
        assert!(!found.is_empty() && !expected.is_empty(), "{}: {found:?}, {expected:?}", check.id);
    }
}

#[test]
fn every_check_has_a_state_in_which_it_is_unknown() {
    for check in CATALOGUE {
        let mut facts = holding();
        (row(check).unknown)(&mut facts);
        let results = check.judge(&facts);
        assert!(
            results.iter().any(|result| matches!(
                &result.verdict,
                Verdict::Unknown { reason, permission }
                    if reason.contains("GetSomething")
                        && permission.as_deref() == Some("s3:GetSomething")
            )),
            "{} is not unknown: {results:?}",
            check.id
        );
        let has_failed = |verdict: &Verdict| matches!(verdict, Verdict::Fail { .. });
        assert!(!results.iter().any(|result| has_failed(&result.verdict)), "{}", check.id);
    }
}

#[test]
fn a_suppressed_finding_counts_again_when_its_time_is_over() {
    let suppressed = |until: &str| {
        let mut facts = holding();
        let check = CATALOGUE.iter().find(|check| check.id == "trail-log-validation").unwrap();
        (row(check).fail)(&mut facts);
        declare(
            &mut facts,
            &format!(
                "[[drift.suppress]]\ncheck = \"trail-log-validation\"\nscope = \"arn:*\"\n\
                 reason = \"moving\"\nuntil = \"{until}\""
            ),
        );
        let checks = CATALOGUE.iter().copied().filter(|check| check.id == "trail-log-validation");
        Run::of(&facts, &checks.collect::<Vec<_>>())
    };
    // The facts are of 2026-01-02.
    let run = suppressed("2026-01-02");
    assert!(!run.has_drift(Severity::Low));
    assert_eq!(run.findings[0].suppression.as_ref().unwrap().reason, "moving");
    let run = suppressed("2026-01-01");
    assert!(run.has_drift(Severity::Low));
    assert!(run.findings[0].suppression.as_ref().unwrap().expired);
    assert!(!run.has_drift(Severity::High));
}

#[test]
fn a_run_lists_what_is_new_and_what_is_fixed_since_another() {
    let mut facts = holding();
    let then = {
        let mut facts = facts.clone();
        facts.observed.ownership = Observation::Absent;
        facts.observed.insights = Observation::Absent;
        Run::of(&facts, CATALOGUE)
    };
    facts.observed.insights = Observation::Absent;
    facts.observed.trail_tags = denied();
    let run = Run::of(&facts, CATALOGUE).since(&then);
    let compared = run.compared.unwrap();
    let ids = |findings: &[super::Finding]| -> Vec<String> {
        findings.iter().map(|finding| finding.check.clone()).collect()
    };
    assert_eq!(ids(&compared.new), ["trail-tags"]);
    assert_eq!(ids(&compared.fixed), ["bucket-ownership"]);
    assert_eq!(ids(&compared.unchanged), ["trail-insights"]);
}

#[test]
fn what_can_no_longer_be_read_is_not_fixed() {
    let mut facts = holding();
    let check = CATALOGUE.iter().find(|check| check.id == "org-coverage").unwrap();
    let then = {
        let mut facts = facts.clone();
        (row(check).fail)(&mut facts);
        Run::of(&facts, CATALOGUE)
    };
    let fixed = |facts: &Facts| {
        let compared = Run::of(facts, CATALOGUE).since(&then).compared.unwrap();
        compared.fixed.iter().any(|one| one.check == "org-coverage")
    };
    assert!(fixed(&facts));
    facts.accounts = denied();
    assert!(!fixed(&facts));
}

#[test]
fn a_finding_is_known_by_its_check_and_scope() {
    let mut facts = holding();
    // Two steps of one account and Region that no other check covers.
    facts.observed.bucket_tags = Observation::Absent;
    let Observation::Present(policy) = &mut facts.observed.key_policy else { panic!("key policy") };
    policy.0.statements.retain(|one| one.sid.as_deref() != Some("OrgTrailDecrypt"));
    for check in CATALOGUE {
        let results = check.judge(&facts);
        let scopes: BTreeSet<&super::Scope> = results.iter().map(|result| &result.scope).collect();
        assert_eq!(scopes.len(), results.len(), "{}: {results:?}", check.id);
    }
    let check = CATALOGUE.iter().find(|check| check.id == "plan-empty").unwrap();
    let results = check.judge(&facts);
    let Verdict::Fail { found, .. } = &results[0].verdict else { panic!("{results:?}") };
    assert!(found.contains("archive-bucket/tags") && found.contains("kms-key/policy"), "{found}");
}

#[test]
fn a_reported_failure_fails_although_the_archive_is_unreadable() {
    let mut facts = holding();
    let Observation::Present(accounts) = &mut facts.accounts else { panic!("accounts") };
    let inside = accounts.iter_mut().find_map(|one| one.inside.as_mut().ok()).unwrap();
    let Some(Observation::Present(status)) = inside.regions.values_mut().next() else {
        panic!("status")
    };
    status.log_error = Some("AccessDenied".to_owned());
    status.archive_unread = Some(error());
    let check = CATALOGUE.iter().find(|check| check.id == "org-delivery-freshness").unwrap();
    let results = check.judge(&facts);
    assert!(results.iter().any(|one| matches!(one.verdict, Verdict::Fail { .. })));
    assert!(!results.iter().any(|one| matches!(one.verdict, Verdict::Unknown { .. })));
}

#[test]
fn a_region_that_could_not_be_listed_is_not_taken_for_not_enabled() {
    let mut facts = holding();
    let Observation::Present(accounts) = &mut facts.accounts else { panic!("accounts") };
    let inside = accounts.iter_mut().find_map(|one| one.inside.as_mut().ok()).unwrap();
    inside.regions.pop_first();
    let cells = |facts: &Facts| {
        let coverage = super::Coverage::of(&facts.desired, &facts.accounts, facts.at);
        coverage.accounts.into_iter().flat_map(|one| one.cells).collect::<Vec<_>>()
    };
    assert!(cells(&facts).contains(&super::Cell::NotEnabled));
    let Observation::Present(accounts) = &mut facts.accounts else { panic!("accounts") };
    let inside = accounts.iter_mut().find_map(|one| one.inside.as_mut().ok()).unwrap();
    inside.regions_unread = Some(error());
    let cells = cells(&facts);
    assert!(!cells.contains(&super::Cell::NotEnabled));
    assert!(cells.iter().any(|cell| matches!(cell, super::Cell::Unknown { .. })));
    facts.earlier = Some(BTreeSet::new());
    let check = CATALOGUE.iter().find(|check| check.id == "org-new-accounts").unwrap();
    let results = check.judge(&facts);
    assert!(results.iter().any(|one| matches!(one.verdict, Verdict::Unknown { .. })));
}

#[test]
fn what_is_turned_off_is_not_configured() {
    let mut facts = holding();
    declare(&mut facts, "chain_hours = 0");
    facts.chains = Observation::Absent;
    let check = CATALOGUE.iter().find(|check| check.id == "org-digest-chain").unwrap();
    let results = check.judge(&facts);
    assert!(
        matches!(&results[0].verdict, Verdict::NotConfigured { setting } if setting == "drift.chain_hours")
    );
}

#[test]
fn a_rule_that_expires_logs_on_a_day_contradicts_their_retention() {
    let mut facts = holding();
    let Observation::Present(lifecycle) = &mut facts.observed.lifecycle else {
        panic!("lifecycle")
    };
    let mut dated = lifecycle.rules["orgtrail-retention"].clone();
    dated.expiration_days = None;
    dated.expiration_date = Some("2026-01-03T00:00:00Z".to_owned());
    lifecycle.rules.insert("somebody-elses".to_owned(), dated);
    let check = CATALOGUE.iter().find(|check| check.id == "bucket-retention-conflict").unwrap();
    let results = check.judge(&facts);
    assert!(
        matches!(&results[0].verdict, Verdict::Fail { found, .. } if found.contains("2026-01-03"))
    );
}

#[test]
fn a_key_without_the_encryption_context_as_condition_is_open_to_others() {
    let mut facts = holding();
    let Observation::Present(policy) = &mut facts.observed.key_policy else { panic!("key policy") };
    let encrypt = policy.0.statements.iter_mut();
    let mut encrypt = encrypt.filter(|one| one.sid.as_deref() == Some("OrgTrailEncrypt"));
    assert!(encrypt.next().unwrap().condition.remove("StringLike").is_some());
    let check = CATALOGUE.iter().find(|check| check.id == "key-policy-scope").unwrap();
    let results = check.judge(&facts);
    assert!(
        matches!(&results[0].verdict, Verdict::Fail { found, .. } if found.contains("context"))
    );
}
