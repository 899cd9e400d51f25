//! Resource control policies that stand between CloudTrail and the archive.

use aws_sdk_organizations::types::PolicyType;
use jiff::SignedDuration;
use orgtrail::checks::{CATALOGUE, Facts, Run, Silent, Verdict};
use orgtrail::report::drift::text;
use orgtrail::sandbox::{Effect, Fault};
use serde_json::json;

use crate::configured::ConfiguredEnv;

const CONFIG: &str = r#"
[organization]
management_account = "111111111111"
log_archive_account = "222222222222"
home_region = "us-east-1"
regions = ["us-east-1"]
[archive]
bucket = "acme-log-archive"
"#;

async fn verdict(env: &ConfiguredEnv) -> (Verdict, Run) {
    let now = env.sandbox.now();
    let facts = Box::pin(Facts::gather(&env.aws, env.desired.clone(), now, &Silent)).await;
    let run = Run::of(&facts, CATALOGUE);
    let found = run.findings.iter().find(|finding| finding.check == "rcp-archive").unwrap();
    (found.verdict.clone(), run)
}

/// Attaches a resource control policy to the root; gives its id.
async fn attach(env: &ConfiguredEnv, name: &str, condition: serde_json::Value) -> String {
    let management = env.management();
    let organizations = management.organizations();
    let content = json!({ "Version": "2012-10-17", "Statement": [{
        "Sid": "Perimeter", "Effect": "Deny", "Principal": "*",
        "Action": ["s3:*", "kms:*"], "Resource": "*", "Condition": condition,
    }] });
    let made = organizations
        .create_policy()
        .name(name)
        .description("")
        .r#type(PolicyType::ResourceControlPolicy)
        .content(content.to_string())
        .send()
        .await
        .unwrap();
    let id = made.policy.unwrap().policy_summary.unwrap().id.unwrap();
    let root = env.desired.organization.root.to_string();
    organizations.attach_policy().policy_id(&id).target_id(root).send().await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_shuts_cloudtrail_out_of_the_archive_is_named() {
    let env = ConfiguredEnv::new(CONFIG).await;
    env.converge().await;
    env.sandbox.tick(SignedDuration::from_hours(3));
    assert_eq!(verdict(&env).await.0, Verdict::Pass);

    let management = env.management();
    let root = env.desired.organization.root.to_string();
    let enable = management.organizations().enable_policy_type().root_id(&root);
    enable.policy_type(PolicyType::ResourceControlPolicy).send().await.unwrap();
    let org = env.desired.org_id().to_string();
    let fine = json!({
        "StringNotEqualsIfExists": { "aws:PrincipalOrgID": org },
        "BoolIfExists": { "aws:PrincipalIsAWSService": "false" },
    });
    attach(&env, "perimeter", fine).await;
    let (found, run) = verdict(&env).await;
    assert_eq!(found, Verdict::Pass, "{}", text(&run));

    let shut = json!({ "StringNotEqualsIfExists": { "aws:PrincipalOrgID": org } });
    let id = attach(&env, "shut", shut).await;
    let (found, run) = verdict(&env).await;
    let Verdict::Fail { found, .. } = found else { panic!("{}", text(&run)) };
    assert!(found.contains("s3:PutObject") && found.contains(&id), "{found}");
    // It is so: nothing is delivered any more.
    let before = env.sandbox.keys_raw("acme-log-archive", "").len();
    env.sandbox.tick(SignedDuration::from_hours(3));
    assert_eq!(env.sandbox.keys_raw("acme-log-archive", "").len(), before);

    let detach = management.organizations().detach_policy().policy_id(id).target_id(root);
    detach.send().await.unwrap();
    assert_eq!(verdict(&env).await.0, Verdict::Pass);

    env.sandbox.faults().inject(Fault::every("organizations:DescribePolicy", Effect::Deny));
    let (found, _) = verdict(&env).await;
    let Verdict::Unknown { permission, .. } = found else { panic!("{found:?}") };
    assert_eq!(permission.as_deref(), Some("organizations:DescribePolicy"));
}

#[tokio::test]
async fn the_sandbox_takes_resource_control_policies_as_aws_does() {
    let env = ConfiguredEnv::new(CONFIG).await;
    let management = env.management();
    let organizations = management.organizations();
    let create = |content: serde_json::Value| {
        let policy = json!({ "Version": "2012-10-17", "Statement": [content] }).to_string();
        let create = organizations.create_policy().name("one").description("");
        create.r#type(PolicyType::ResourceControlPolicy).content(policy).send()
    };
    let allow = json!({ "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*" });
    let named = json!({
        "Effect": "Deny", "Principal": { "AWS": "111111111111" }, "Action": "s3:*", "Resource": "*",
    });
    for refused in [allow, named] {
        assert!(create(refused).await.is_err());
    }
    let root = env.desired.organization.root.to_string();
    let enable = organizations.enable_policy_type().root_id(&root);
    enable.policy_type(PolicyType::ResourceControlPolicy).send().await.unwrap();
    let attached = organizations.list_policies_for_target().target_id(&root);
    let attached = attached.filter(PolicyType::ResourceControlPolicy).send().await.unwrap();
    assert_eq!(attached.policies()[0].name(), Some("RCPFullAWSAccess"));
    let detach = organizations.detach_policy().policy_id("p-RCPFullAWSAccess").target_id(root);
    assert!(detach.send().await.is_err());
}
