//! The plan finds what apply would find: policies of others that shut CloudTrail or
//! orgtrail out, and principals that AWS does not take any more.

use aws_sdk_organizations::types::PolicyType;
use orgtrail::plan::{Action, Plan};
use orgtrail::policy::Unmanaged;
use orgtrail::sandbox::{Effect, Fault};

use crate::configured::ConfiguredEnv;
use crate::env::MINIMAL;

const BUCKET: &str = "acme-log-archive";

async fn bucket_with(env: &ConfiguredEnv, statement: &str) {
    let archive = env.archive();
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    archive.s3().put_bucket_policy().bucket(BUCKET).policy(policy).send().await.unwrap();
}

fn refused<'p>(plan: &'p Plan, id: &str) -> (&'p str, &'p str) {
    let step = plan.step(id).unwrap();
    assert_eq!(step.action, Action::Refused, "{}", plan.to_text());
    (&step.why, step.hint.as_deref().unwrap())
}

#[tokio::test]
async fn a_deny_of_all_but_the_organization_is_named_before_anything_is_done() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let archive = env.archive();
    archive.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
    let deny = |condition: &str| {
        format!(
            r#"{{"Sid":"OnlyOurOrganization","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::{BUCKET}","arn:aws:s3:::{BUCKET}/*"],"Condition":{condition}}}"#
        )
    };
    let org = env.desired.org_id().to_string();
    let perimeter = format!(r#""StringNotEquals":{{"aws:PrincipalOrgID":"{org}"}}"#);
    bucket_with(&env, &deny(&format!("{{{perimeter}}}"))).await;
    let plan = env.plan().await;
    let (why, hint) = refused(&plan, "archive-bucket/policy");
    assert!(why.contains("`OnlyOurOrganization`"), "{why}");
    assert!(why.contains("cloudtrail.amazonaws.com s3:"), "{why}");
    assert!(hint.contains("aws:PrincipalIsAWSService"), "{hint}");
    for command in [&["plan"][..], &["apply", "--yes"]] {
        let ran = env.run(MINIMAL, command).await;
        assert_eq!(ran.code, 12, "{}{}", ran.stdout, ran.stderr);
    }
    // As the hint says.
    let exempt = r#""BoolIfExists":{"aws:PrincipalIsAWSService":"false"}"#;
    bucket_with(&env, &deny(&format!("{{{perimeter},{exempt}}}"))).await;
    env.converge().await;
}

#[tokio::test]
async fn a_deny_without_a_name_in_the_keys_policy_is_named_by_its_place() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let archive = env.archive();
    let key = env.observe().await.kms_key.present().unwrap().arn.to_string();
    let read = archive.kms().get_key_policy().key_id(&key).send().await.unwrap().policy.unwrap();
    let deny = r#"{"Effect":"Deny","Principal":"*","Action":"kms:GenerateDataKey*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalAccount":"222222222222"}}}"#;
    let policy = read.replacen("\"Statement\":[", &format!("\"Statement\":[{deny},"), 1);
    archive.kms().put_key_policy().key_id(&key).policy(policy).send().await.unwrap();
    let plan = env.plan().await;
    let (why, _) = refused(&plan, "kms-key/policy");
    assert!(why.contains("statement number 1") && why.contains("kms:GenerateDataKey"), "{why}");
}

#[tokio::test]
async fn an_scp_that_denies_what_a_step_needs_is_named() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let management = env.management();
    let organizations = management.organizations();
    let enable = organizations.enable_policy_type();
    let root = env.desired.organization.root.to_string();
    let kind = PolicyType::ServiceControlPolicy;
    // It may be enabled already.
    let _ = enable.root_id(&root).policy_type(kind.clone()).send().await;
    let content = r#"{"Version":"2012-10-17","Statement":[{"Sid":"NoKeys","Effect":"Deny","Action":"kms:CreateKey","Resource":"*"},{"Sid":"OnlyFrankfurt","Effect":"Deny","Action":"s3:PutBucketVersioning","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":"eu-central-1"}}}]}"#;
    let made = organizations.create_policy().name("house-rules").description("").r#type(kind);
    let made = made.content(content).send().await.unwrap();
    let id = made.policy.unwrap().policy_summary.unwrap().id.unwrap();
    organizations.attach_policy().policy_id(&id).target_id(&root).send().await.unwrap();
    let plan = env.plan().await;
    let (why, hint) = refused(&plan, "kms-key");
    for word in ["kms:CreateKey", "NoKeys", "house-rules", id.as_str(), root.as_str()] {
        assert!(why.contains(word), "{word}: {why}");
    }
    assert!(hint.contains("role/OrganizationAccountAccessRole"), "{hint}");
    let (why, _) = refused(&plan, "archive-bucket/versioning");
    assert!(why.contains("OnlyFrankfurt"), "{why}");
    // It binds no step that is done in the management account, and goes with its
    // attachment.
    assert_eq!(plan.step("log-group").unwrap().action, Action::Create);
    organizations.detach_policy().policy_id(&id).target_id(&root).send().await.unwrap();
    env.converge().await;
}

#[tokio::test]
async fn policies_that_may_not_be_read_are_said_to_be_unknown() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let fault = Fault::every("organizations:ListPoliciesForTarget", Effect::Deny);
    env.sandbox.faults().inject(fault);
    let plan = env.plan().await;
    assert!(plan.is_empty(), "{}", plan.to_text());
    let notes = &plan.step("archive-bucket").unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("is unknown")), "{notes:?}");
}

#[tokio::test]
async fn a_deleted_principal_is_named_and_can_be_dropped() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let archive = env.archive();
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"222222222222"},"Action":"sts:AssumeRole"}}"#;
    let call = archive.iam().create_role().role_name("auditor").assume_role_policy_document(trust);
    let role = call.send().await.unwrap().role.unwrap();
    let (arn, id) = (role.arn, role.role_id);
    let statement = format!(
        r#"{{"Sid":"Auditors","Effect":"Allow","Principal":{{"AWS":"{arn}"}},"Action":"s3:GetObject","Resource":"arn:aws:s3:::{BUCKET}/*"}}"#
    );
    let read =
        archive.s3().get_bucket_policy().bucket(BUCKET).send().await.unwrap().policy.unwrap();
    let policy = read.replacen("\"Statement\":[", &format!("\"Statement\":[{statement},"), 1);
    archive.s3().put_bucket_policy().bucket(BUCKET).policy(policy).send().await.unwrap();
    archive.iam().delete_role().role_name("auditor").send().await.unwrap();
    let read =
        archive.s3().get_bucket_policy().bucket(BUCKET).send().await.unwrap().policy.unwrap();
    assert!(read.contains(&id) && !read.contains(&arn), "{read}");
    // A role of the same name is another one.
    let call = archive.iam().create_role().role_name("auditor").assume_role_policy_document(trust);
    call.send().await.unwrap();
    // Where nothing is to be written it harms nobody.
    let plan = env.plan().await;
    assert!(plan.is_empty(), "{}", plan.to_text());
    let notes = &plan.step("archive-bucket/policy").unwrap().notes;
    assert!(notes[0].contains(&id) && notes[0].contains("deleted"), "{notes:?}");
    let stricter = format!("{MINIMAL}tls_floor = \"1.3\"\n");
    env.declare(&stricter);
    let plan = env.plan().await;
    let (why, hint) = refused(&plan, "archive-bucket/policy");
    assert!(why.contains("`Auditors`") && why.contains(&id), "{why}");
    assert!(hint.contains("--drop-deleted-principals"), "{hint}");
    let ran = env.run(&stricter, &["plan"]).await;
    assert_eq!(ran.code, 12, "{}", ran.stderr);
    let ran = env.run(&stricter, &["plan", "--drop-deleted-principals"]).await;
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    env.desired.unmanaged = Unmanaged::KeepLiving;
    let plan = env.plan().await;
    assert_eq!(plan.step("archive-bucket/policy").unwrap().action, Action::Update);
    assert_eq!(plan.step("archive-bucket/policy").unwrap().irreversible, None);
    env.converge().await;
    let read =
        archive.s3().get_bucket_policy().bucket(BUCKET).send().await.unwrap().policy.unwrap();
    assert!(!read.contains("Auditors"), "{read}");
}

#[tokio::test]
async fn a_policy_with_a_principal_that_does_not_exist_is_refused_in_each_services_words() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let (archive, management) = (env.archive(), env.management());
    let key = env.observe().await.kms_key.present().unwrap().arn.to_string();
    let topic = management.sns().create_topic().name("x").send().await.unwrap().topic_arn.unwrap();
    for principal in ["AROAEXAMPLEEXAMPLE123", "arn:aws:iam::222222222222:role/never-was"] {
        let statement = |action: &str, resource: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::222222222222:root"}},"Action":"{action}","Resource":"{resource}"}},{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"{action}","Resource":"{resource}"}}]}}"#
            )
        };
        let s3 = archive.s3().put_bucket_policy().bucket(BUCKET);
        let s3 = s3.policy(statement("s3:GetObject", &format!("arn:aws:s3:::{BUCKET}/*")));
        let refused = format!("{:?}", s3.send().await.unwrap_err());
        assert!(refused.contains("MalformedPolicy"), "{refused}");
        assert!(refused.contains("Invalid principal in policy"), "{refused}");
        let kms = archive.kms().put_key_policy().key_id(&key).policy(statement("kms:*", "*"));
        let refused = format!("{:?}", kms.send().await.unwrap_err());
        assert!(refused.contains("MalformedPolicyDocumentException"), "{refused}");
        let sns = management.sns().set_topic_attributes().topic_arn(&topic);
        let sns = sns.attribute_name("Policy");
        let sns = sns.attribute_value(statement("SNS:Publish", &topic));
        let refused = format!("{:?}", sns.send().await.unwrap_err());
        assert!(refused.contains("PrincipalNotFound"), "{refused}");
    }
}
