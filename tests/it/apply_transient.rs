//! `apply` in a real AWS's first minute: what it created a moment before is not
//! seen everywhere.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_organizations::types::PolicyType;
use orgtrail::plan::apply::{StepOutcome, StepResult, wait_until_converged};
use orgtrail::sandbox::{Effect, Fault, transient};

use crate::configured::ConfiguredEnv;
use crate::env::MINIMAL;
use crate::program::finish_apart;

/// With all that `apply` can create.
fn everything() -> String {
    format!(
        r#"{MINIMAL}
[archive.replication]
bucket = "acme-vault"
[guardrail]
enabled = true
[trail]
tags = {{ team = "security" }}
[[trail.data_events]]
resource_type = "AWS::S3::Object"
"#
    )
}

/// Long enough for every error of the list, however slow the machine.
const LONG: Duration = Duration::from_mins(5);
/// A few tries.
const SHORT: Duration = Duration::from_millis(100);

async fn waiting(at_most: Duration) -> ConfiguredEnv {
    let config = everything();
    let env = ConfiguredEnv::new(&config).await.waiting(&config, at_most).await;
    // So that there is something to do about every call of the list.
    let root = env.desired.organization.root.to_string();
    let organizations = env.management().organizations().clone();
    let call = organizations.disable_policy_type().root_id(root);
    call.policy_type(PolicyType::ServiceControlPolicy).send().await.unwrap();
    env
}

/// The faults one after the other, each so often.
fn in_turn(times: u64) -> Vec<Fault> {
    let mut before: BTreeMap<String, u64> = BTreeMap::new();
    transient()
        .into_iter()
        .map(|fault| {
            let before = before.entry(fault.call.clone()).or_default();
            let fault = fault.after(*before).times(times);
            *before += times;
            fault
        })
        .collect()
}

fn refuse(call: &str, code: &str) -> Fault {
    let effect = Effect::Refuse { code: code.into(), message: "Try again.".into(), status: 400 };
    Fault::every(call, effect)
}

/// The error and hint of each step that failed, by its id.
fn failures(results: &[StepResult]) -> BTreeMap<String, (String, Option<String>)> {
    results
        .iter()
        .filter_map(|result| match &result.outcome {
            StepOutcome::Failed { error, hint } => {
                Some((result.id.to_string(), (error.clone(), hint.clone())))
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn one_apply_outlasts_every_error_about_what_it_created() {
    let env = waiting(LONG).await;
    for fault in in_turn(2) {
        env.sandbox.faults().inject(fault);
    }
    env.converge().await;
    for (fault, struck) in env.sandbox.faults().triggered() {
        assert_eq!(struck, 2, "{fault:?}");
    }
}

#[tokio::test]
async fn an_error_that_never_ends_fails_its_step_alone_after_the_bound() {
    // One of each kind of step; what they share is tested with `is_transient`.
    for call in [
        "cloudtrail:CreateTrail",
        "cloudtrail:StartLogging",
        "kms:EnableKeyRotation",
        "logs:PutRetentionPolicy",
        "organizations:AttachPolicy",
        "s3:PutBucketReplication",
        "s3:PutBucketVersioning",
    ] {
        let fault = transient().into_iter().find(|fault| fault.call == call).unwrap();
        let env = waiting(SHORT).await;
        env.sandbox.faults().inject(fault.clone());
        let results = env.apply().await;
        let failed = failures(&results);
        let struck = env.sandbox.faults().triggered()[0].1;
        assert!(struck >= 2, "{fault:?} was tried {struck} times");
        assert!(!failed.is_empty(), "{fault:?}");
        for (id, (error, hint)) in failed {
            assert!(error.contains("s of retries"), "{fault:?}: {id}: {error}");
            let hint = hint.unwrap_or_default();
            assert!(hint.contains("again") || hint.contains("a minute"), "{id}: {error}: {hint}");
        }
        // The next run does the rest.
        env.sandbox.faults().clear();
        let results = env.apply().await;
        assert_eq!(failures(&results), BTreeMap::new(), "{fault:?}");
        assert!(env.plan().await.is_empty(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_policy_that_could_not_be_attached_is_not_reported_as_done() {
    let env = waiting(SHORT).await;
    env.sandbox
        .faults()
        .inject(refuse("organizations:AttachPolicy", "ConcurrentModificationException"));
    let results = env.apply().await;
    let failed = failures(&results);
    assert_eq!(failed.keys().collect::<Vec<_>>(), ["guardrail"]);
    assert!(failed["guardrail"].0.contains("ConcurrentModificationException"), "{failed:?}");
    assert!(env.observe().await.guardrail.present().unwrap().targets.is_empty());
}

#[tokio::test]
async fn a_policy_that_is_attached_already_is_as_good_as_attached() {
    let env = waiting(SHORT).await;
    let attached = refuse("organizations:AttachPolicy", "DuplicatePolicyAttachmentException");
    env.sandbox.faults().inject(attached.times(1));
    assert_eq!(failures(&env.apply().await), BTreeMap::new());
    assert_eq!(env.sandbox.faults().triggered()[0].1, 1);
}

#[tokio::test]
async fn a_create_that_met_another_change_is_tried_again_and_not_taken_for_done() {
    let env = waiting(LONG).await;
    let busy = [
        ("logs:CreateLogGroup", "OperationAbortedException"),
        ("iam:CreateRole", "ConcurrentModification"),
        ("sns:CreateTopic", "ConcurrentAccess"),
        ("cloudtrail:AddTags", "ConflictException"),
    ];
    for (call, code) in busy {
        env.sandbox.faults().inject(refuse(call, code).times(2));
    }
    env.converge().await;
}

#[tokio::test]
async fn what_is_missing_in_an_organization_of_long_standing_is_not_waited_for() {
    let env = waiting(LONG).await;
    env.converge().await;
    let arn = env.desired.trail_arn().to_string();
    env.management().cloudtrail().stop_logging().name(&arn).send().await.unwrap();
    for (call, code, calls) in [
        // Nothing was created in this run: the trail is gone.
        ("cloudtrail:StartLogging", "TrailNotFoundException", 1),
        // Not ready is documented to pass, whoever created it and when.
        ("cloudtrail:StartLogging", "ConflictException", 3),
    ] {
        env.sandbox.faults().inject(refuse(call, code).times(3));
        let results = env.apply().await;
        assert_eq!(env.sandbox.faults().triggered()[0].1, calls, "{code}");
        assert_eq!(failures(&results).len(), usize::from(calls == 1), "{code}: {results:?}");
        env.sandbox.faults().clear();
    }
    let (_, left) = wait_until_converged(&env.aws, &env.desired, &[]).await;
    assert!(left.is_empty(), "{}", left.to_text());
}

#[tokio::test]
async fn a_key_whose_alias_is_refused_for_long_is_made_once() {
    let env = waiting(SHORT).await;
    env.sandbox.faults().inject(refuse("kms:CreateAlias", "NotFoundException"));
    env.apply().await;
    env.sandbox.faults().clear();
    assert_eq!(failures(&env.apply().await), BTreeMap::new());
    // The archive's and the vault's, which are in one account here.
    let keys = env.archive().kms().list_keys().send().await.unwrap();
    let mut own = 0;
    for key in keys.keys() {
        let clients = env.archive();
        let key = clients.kms().describe_key().key_id(key.key_id().unwrap()).send().await.unwrap();
        let key = key.key_metadata.unwrap();
        own += usize::from(key.key_manager.unwrap().as_str() == "CUSTOMER");
    }
    assert_eq!(own, 2);
}

async fn exit_of(env: &ConfiguredEnv, seconds: &str, arguments: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = env.command(folder.path(), MINIMAL, arguments);
    command.env("ORGTRAIL_PROPAGATION_SECONDS", seconds);
    let output = finish_apart(command).await;
    (output.code, output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_ends_with_14_when_the_wait_is_over_and_with_0_when_it_was_long_enough() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let fault = refuse("cloudtrail:CreateTrail", "CloudTrailAccessNotEnabledException");
    env.sandbox.faults().inject(fault);
    let (code, said) = exit_of(&env, "0", &["apply", "--yes"]).await;
    assert_eq!(code, 14, "{said}");
    assert!(said.contains("trail: create failed: "), "{said}");
    assert!(said.contains("run `orgtrail apply` again in a few minutes"), "{said}");
    env.sandbox.faults().clear();

    let fresh = ConfiguredEnv::new(MINIMAL).await;
    let fault = refuse("cloudtrail:CreateTrail", "CloudTrailAccessNotEnabledException");
    fresh.sandbox.faults().inject(fault.times(2));
    let (code, said) = exit_of(&fresh, "2", &["apply", "--yes"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(fresh.run(MINIMAL, &["plan"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_not_a_number_of_seconds_is_a_usage_error() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let (code, said) = exit_of(&env, "soon", &["plan"]).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("ORGTRAIL_PROPAGATION_SECONDS is `soon`"), "{said}");
}
