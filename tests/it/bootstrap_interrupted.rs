//! A bootstrap that is killed anywhere is completed by the next run.

use orgtrail::sandbox::{Effect, Fault};

use crate::bootstrap_env::BootstrapEnv;

const APPLY: [&str; 4] = ["bootstrap", "--create-organization", "--apply", "--yes"];

#[tokio::test(flavor = "multi_thread")]
async fn bootstrap_that_is_killed_at_each_call_is_completed_by_the_next_run() {
    let env = BootstrapEnv::nothing(4).await;
    // Before each write, and between a write and the look at what became of it.
    for (call, after) in [
        ("organizations:CreateOrganization", 0),
        ("organizations:EnablePolicyType", 0),
        ("cloudformation:ActivateOrganizationsAccess", 0),
        ("cloudformation:CreateStack", 0),
        // The plan reads the stack first.
        ("cloudformation:DescribeStacks", 2),
        ("cloudformation:CreateStackSet", 0),
        ("organizations:EnableAWSServiceAccess", 0),
    ] {
        env.killed_before(None, &APPLY, call, after).await;
    }
    for account in &env.all_accounts()[1..] {
        env.sandbox.join(account).unwrap();
    }
    for (call, after) in [
        ("cloudformation:CreateStackInstances", 0),
        ("cloudformation:DescribeStackSetOperation", 0),
        ("cloudformation:CreateStackInstances", 1),
        ("iam:CreateServiceLinkedRole", 0),
        ("sqs:CreateQueue", 0),
        ("sqs:SetQueueAttributes", 0),
        ("events:PutRule", 0),
        ("events:PutTargets", 0),
    ] {
        env.killed_before(None, &APPLY, call, after).await;
    }
    env.ends(&["bootstrap", "--apply", "--yes"], 0).await;
    env.ends(&["bootstrap"], 0).await;
    let keys = env.session("OrgTrailManagement").await;
    env.ends_as(&keys, &["plan"], 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_is_killed_at_each_call_is_completed_by_the_next_run() {
    let env = BootstrapEnv::bootstrapped(4).await;
    let id = env.sandbox.organization_id().unwrap();
    let destroy = ["bootstrap", "--destroy", "--confirm-organization", id.as_str()];
    for (call, after) in [
        ("events:RemoveTargets", 0),
        ("events:DeleteRule", 0),
        ("sqs:DeleteQueue", 0),
        ("cloudformation:DeleteStackInstances", 0),
        ("cloudformation:DescribeStackSetOperation", 0),
        ("cloudformation:DeleteStackSet", 0),
        ("cloudformation:DeleteStackSet", 1),
        ("cloudformation:DeleteStack", 0),
    ] {
        env.killed_before(None, &destroy, call, after).await;
    }
    env.ends(&destroy, 0).await;
    assert!(!env.has_queue().await);
    for account in env.all_accounts() {
        for role in ["OrgTrailManagement", "OrgTrailArchive", "OrgTrailMember"] {
            assert!(!env.has_role(account.as_str(), role).await, "{account}: {role}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_whose_responses_are_lost_are_recognized() {
    let env = BootstrapEnv::nothing(4).await;
    let lose = |call: &str| {
        env.sandbox.faults().inject(Fault::every(call, Effect::ResetInBody).times(1));
    };
    for call in [
        "organizations:CreateOrganization",
        "organizations:EnablePolicyType",
        "organizations:EnableAWSServiceAccess",
        "cloudformation:ActivateOrganizationsAccess",
        "cloudformation:CreateStack",
        "cloudformation:CreateStackSet",
        "iam:CreateServiceLinkedRole",
    ] {
        lose(call);
    }
    env.ends(&APPLY, 10).await;
    for account in &env.all_accounts()[1..] {
        env.sandbox.join(account).unwrap();
    }
    lose("cloudformation:CreateStackInstances");
    for call in ["sqs:CreateQueue", "sqs:SetQueueAttributes", "events:PutRule", "events:PutTargets"]
    {
        lose(call);
    }
    env.ends(&APPLY, 0).await;
    let id = env.sandbox.organization_id().unwrap();
    let destroy = ["bootstrap", "--destroy", "--confirm-organization", id.as_str()];
    for call in ["DeleteStackInstances", "DeleteStackSet", "DeleteStack"] {
        lose(&format!("cloudformation:{call}"));
    }
    for call in ["events:RemoveTargets", "events:DeleteRule", "sqs:DeleteQueue"] {
        lose(call);
    }
    env.ends(&destroy, 0).await;
    let struck = env.sandbox.faults().triggered();
    assert!(struck.iter().all(|(_, times)| *times == 1), "{struck:#?}");
}
