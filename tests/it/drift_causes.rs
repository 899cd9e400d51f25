//! One thing that went wrong is one problem in the report, however many accounts
//! and Regions show it.

use jiff::SignedDuration;
use orgtrail::checks::{CATALOGUE, Facts, Run, Severity, Silent};
use orgtrail::report::drift::text;
use orgtrail::sandbox::{Effect, Fault};

use crate::configured::ConfiguredEnv;
use crate::env::home;

const CONFIG: &str = r#"
[organization]
management_account = "111111111111"
log_archive_account = "222222222222"
home_region = "us-east-1"
regions = ["us-east-1", "eu-central-1"]
[archive]
bucket = "acme-log-archive"
"#;

/// An organization that was recorded for a day.
async fn recorded() -> ConfiguredEnv {
    let env = ConfiguredEnv::new(CONFIG).await;
    env.converge().await;
    env.sandbox.tick(SignedDuration::from_hours(26));
    let run = drift(&env).await;
    assert!(run.causes.is_empty() && !run.has_drift(Severity::Low), "{:#?}", run.causes);
    env
}

async fn drift(env: &ConfiguredEnv) -> Run {
    let now = env.sandbox.now();
    let facts = Box::pin(Facts::gather(&env.aws, env.desired.clone(), now, &Silent)).await;
    Run::of(&facts, CATALOGUE)
}

/// The causes, and what has none.
fn printed(run: &Run) -> (Vec<&str>, Vec<&str>) {
    let open = run.findings.iter().filter(|one| one.is_open() && one.cause.is_none());
    let causes = run.causes.iter().map(|cause| cause.id.as_str());
    (causes.collect(), open.map(|one| one.check.as_str()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_trail_is_one_problem() {
    let env = recorded().await;
    let trail = env.desired.trail_arn().to_string();
    env.management().cloudtrail().stop_logging().name(trail).send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_hours(30));
    let run = drift(&env).await;
    assert_eq!(printed(&run), (vec!["trail-stopped"], Vec::new()), "{}", text(&run));
    assert!(run.has_drift(Severity::Critical));
    let said = text(&run);
    assert_eq!(said.matches("CRITICAL ").count(), 1, "{said}");
    assert!(said.contains("in 4 accounts and 2 Regions"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_without_trusted_access_has_become_one_accounts() {
    let env = recorded().await;
    let management = env.management();
    let service = "cloudtrail.amazonaws.com";
    let update = management.cloudtrail().update_trail();
    let update = update.name(env.desired.trail_arn().to_string());
    update.is_organization_trail(false).send().await.unwrap();
    let off = management.organizations().disable_aws_service_access();
    off.service_principal(service).send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_hours(30));
    let run = drift(&env).await;
    assert_eq!(printed(&run), (vec!["trail-single-account"], Vec::new()), "{}", text(&run));
    assert_eq!(run.causes[0].severity, Severity::Critical);
    assert!(run.causes[0].accounts >= 3, "{:?}", run.causes[0]);
    assert!(text(&run).contains("has become a single-account trail"), "{}", text(&run));
    // It is fixed, and no cause is left to print.
    env.converge().await;
    env.sandbox.tick(SignedDuration::from_hours(8));
    let run = drift(&env).await;
    assert_eq!(printed(&run), (Vec::new(), Vec::new()), "{}", text(&run));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_denied_everywhere_is_one_problem() {
    let env = recorded().await;
    env.sandbox.faults().inject(Fault::every("cloudtrail:GetTrailStatus", Effect::Deny));
    let run = drift(&env).await;
    let (causes, alone) = printed(&run);
    assert_eq!((causes, alone), (vec!["denied:cloudtrail:GetTrailStatus"], Vec::new()));
    assert!(!run.has_drift(Severity::Low) && run.has_unknown(Severity::Low));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_be_entered_is_one_problem() {
    let env = recorded().await;
    let account = "333333333333".parse().unwrap();
    let member = env.clients(&account, &home());
    let role = "OrganizationAccountAccessRole";
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
    let update = member.iam().update_assume_role_policy().role_name(role);
    update.policy_document(trust).send().await.unwrap();
    env.sandbox.expire_sessions();
    let run = drift(&env).await;
    assert_eq!(printed(&run), (vec!["role-not-assumable"], Vec::new()), "{}", text(&run));
    assert_eq!((run.causes[0].accounts, run.causes[0].failed), (1, 0));
    assert!(run.causes[0].title.contains("333333333333"), "{}", run.causes[0].title);
}
