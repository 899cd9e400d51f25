//! Organizations that are broken in different ways: each names its cause and its fix.

use aws_credential_types::Credentials;
use aws_sdk_organizations::types::PolicyType;
use orgtrail::aws::WriteClients;
use orgtrail::policy::PolicyDocument;
use orgtrail::sandbox::{Effect, Fault};
use serde_json::{Value, json};

use super::{items, provisioned};
use crate::configured::ConfiguredEnv;
use crate::env::{HOME, MINIMAL, home, session_keys, working_day};
use crate::program::{NOWHERE, finish_apart, sign};

const MANAGEMENT: &str = "111111111111";
const ARCHIVE: &str = "222222222222";
const MEMBERS: [&str; 3] = [ARCHIVE, "333333333333", "100000000004"];

/// What is broken, and what is named.
struct Row {
    /// The way in which the organization is broken.
    broken: &'static str,
    /// Whether orgtrail provisioned it before.
    provisioned: bool,
    /// What the configuration has beyond the smallest one.
    config: &'static str,
    item: &'static str,
    evidence: &'static str,
    fix: &'static str,
    code: i32,
}

const fn row(
    broken: &'static str,
    provisioned: bool,
    config: &'static str,
    item: &'static str,
    evidence: &'static str,
    fix: &'static str,
) -> Row {
    Row { broken, provisioned, config, item, evidence, fix, code: 11 }
}

const OWN_ROLE: &str = "[roles]\nname = \"OrgTrailMember\"\n";
const STACKS: &str = "[roles]\nname = \"OrgTrailMember\"\n\
                      [roles.accounts.222222222222]\nname = \"OrgTrailArchive\"\n";
const EXTERNAL_ID: &str = "[roles]\nname = \"OrgTrailMember\"\nexternal_id = \"audit-2031\"\n";
const ALARMS: &str = "[alarms]\nsubscribers = [\"security@example.com\"]\n";
const CHANNEL: &str = "[[service.notify]]\nname = \"hook\"\nkind = \"webhook\"\n\
                       target = \"https://example.com/\"\nsecret_env = \"NOT_SET\"\n";
const QUEUE: &str = "[new_accounts]\nqueue = \"orgtrail-accounts\"\n";
const STATE: &str = "[service]\nstate = \"s3://acme-no-such-state/prod\"\n";
const NEVER: &str = "[[service.schedule]]\nname = \"never\"\nrun = [\"drift\"]\n\
                     cron = \"0 0 30 2 *\"\n";
const NEIGHBORS: &str = "[drift]\nneighbors = [\"config\", \"guardduty\", \"security-hub\"]\n";

const ROWS: &[Row] = &[
    row("expired session", true, "", "credentials", "ExpiredToken", "sign in again"),
    row("unknown key", true, "", "credentials", "InvalidClientTokenId", "AWS rejects these"),
    row("no endpoint", true, "", "credentials", "cannot sign in", "AWS_ENDPOINT_URL"),
    row("root user", true, "", "credentials", "cannot assume roles", "use a role or an IAM user"),
    row(
        "another organization",
        true,
        "",
        "configuration",
        "whose management account is 111111111111, expected 333333333333",
        "organization.management_account = \"111111111111\"",
    ),
    row(
        "trusted access",
        true,
        "",
        "trusted-access",
        "an existing one records one account only",
        "aws organizations enable-aws-service-access",
    ),
    row(
        "single account",
        true,
        "",
        "organization-trail",
        "`orgtrail` has become a single-account trail because trusted access is off",
        "--is-organization-trail",
    ),
    row(
        "nothing",
        false,
        "",
        "service-linked-role",
        "AWSServiceRoleForCloudTrail does not exist",
        "aws iam create-service-linked-role",
    ),
    row(
        "administrator",
        true,
        "",
        "delegated-administrators",
        "333333333333 can stop and delete the trail",
        "orgtrail apply deregisters it",
    ),
    row(
        "nothing",
        true,
        OWN_ROLE,
        "account-roles",
        "the role OrgTrailMember is missing in 3 accounts",
        "orgtrail config roles member --part template",
    ),
    row(
        "trust policy",
        true,
        OWN_ROLE,
        "account-roles",
        "the trust policy of OrgTrailMember does not allow arn:aws:iam::111111111111:user/admin",
        "orgtrail config roles member --part trust",
    ),
    row(
        "external id",
        true,
        EXTERNAL_ID,
        "account-roles",
        "requires another external id in 3 accounts",
        "set roles.external_id",
    ),
    row(
        "resource control policy on roles",
        true,
        "",
        "account-roles",
        "a resource control policy denies sts:AssumeRole on OrganizationAccountAccessRole",
        "exempt arn:aws:iam::111111111111:user/admin",
    ),
    row(
        "weak role",
        true,
        OWN_ROLE,
        "permissions",
        "OrgTrailMember lacks",
        "aws iam put-role-policy --role-name OrgTrailMember",
    ),
    row(
        "service control policy on CloudTrail",
        true,
        "",
        "control-policies",
        "cloudtrail:DescribeTrails is denied by statement Broken of the service control policy",
        "aws organizations update-policy",
    ),
    row(
        "service control policy on stack sets",
        true,
        "",
        "control-policies",
        "iam:CreateRole by StackSets is denied",
        "stacksets-exec-*",
    ),
    row(
        "resource control policy on the archive",
        true,
        "",
        "control-policies",
        "CloudTrail's s3:PutObject is denied",
        "aws:PrincipalIsAWSService",
    ),
    row("key", true, "", "archive", "key-enabled", "orgtrail drift --fix"),
    row("bucket policy", true, "", "archive", "bucket-tls-only", "orgtrail drift --fix"),
    row("taken name", false, "", "archive", "another account", "archive.bucket"),
    row(
        "root sessions",
        true,
        "",
        "root-access",
        "deletes the archive's bucket policy without MFA",
        "disable-organizations-root-sessions",
    ),
    row(
        "root key",
        true,
        "",
        "root-keys",
        "the root user of 1 account (333333333333) has an access key",
        "aws iam delete-access-key",
    ),
    row(
        "Control Tower",
        false,
        "",
        "landing-zone",
        "AWS Control Tower 3.3 owns the trail `aws-controltower-BaselineCloudTrail`",
        "trail.name = \"aws-controltower-BaselineCloudTrail\"",
    ),
    row(
        "second organization trail",
        true,
        "",
        "duplicate-trails",
        "2 organization trails record the same events: orgtrail, other",
        "aws cloudtrail delete-trail",
    ),
    row(
        "own trail",
        true,
        "",
        "duplicate-trails",
        "1 account (222222222222) have trails of their own",
        "orgtrail retire ARN",
    ),
    row(
        "five trails",
        false,
        "",
        "trail-quota",
        "there is no room for the organization trail",
        "the quota cannot be raised",
    ),
    row(
        "opt-in Region",
        true,
        "",
        "regions",
        "1 account (333333333333) enabled the opt-in Region me-south-1",
        "add \"me-south-1\" to organization.regions",
    ),
    row(
        "nothing",
        true,
        ALARMS,
        "subscriptions",
        "not confirmed: security@example.com",
        "confirm the message from SNS",
    ),
    row("nothing", true, NEIGHBORS, "neighbors", "GuardDuty in 4 accounts", "create-detector"),
    row(
        "stack set",
        false,
        STACKS,
        "stack-sets",
        "a role of this name exists that the stack set did not create in 1 account (333333333333)",
        "delete or rename the role",
    ),
    row(
        "nothing",
        true,
        QUEUE,
        "new-accounts",
        "the queue orgtrail-accounts does not exist",
        "orgtrail apply",
    ),
    row("nothing", true, CHANNEL, "channels", "hook:", "correct the channel hook"),
    row("nothing", true, STATE, "state-store", "does not exist in account", "create-bucket"),
    row("nothing", true, NEVER, "schedules", "`never`", "correct `cron`"),
    Row {
        code: 14,
        ..row("denied reads", true, "", "endpoints", "cloudtrail:DescribeTrails", "lacks")
    },
];

async fn attach(env: &ConfiguredEnv, kind: PolicyType, statement: Value) {
    let management = env.management();
    let organizations = management.organizations();
    let root = env.desired.organization.root.to_string();
    if kind == PolicyType::ResourceControlPolicy {
        let enable = organizations.enable_policy_type().root_id(&root).policy_type(kind.clone());
        enable.send().await.unwrap();
    }
    let content = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    let create = organizations.create_policy().name("broken").description("").r#type(kind);
    let made = create.content(content).send().await.unwrap();
    let id = made.policy.unwrap().policy_summary.unwrap().id.unwrap();
    organizations.attach_policy().policy_id(&id).target_id(root).send().await.unwrap();
}

/// The role of the configuration in every member.
async fn create_roles(env: &ConfiguredEnv, trusted: Value, policy: Value) {
    for member in MEMBERS {
        let root = env.root(member).await;
        let create = root.iam().create_role().role_name("OrgTrailMember");
        let trust = json!({ "Version": "2012-10-17", "Statement": [trusted] });
        create.assume_role_policy_document(trust.to_string()).send().await.unwrap();
        let put = root.iam().put_role_policy().role_name("OrgTrailMember").policy_name("p");
        let policy = json!({ "Version": "2012-10-17", "Statement": [policy] });
        put.policy_document(policy.to_string()).send().await.unwrap();
    }
}

fn trusts(principal: &str) -> Value {
    json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "sts:AssumeRole" })
}

fn everything() -> Value {
    json!({ "Effect": "Allow", "Action": "*", "Resource": "*" })
}

/// A bucket that lets every trail in.
async fn open_bucket(owner: &WriteClients, name: &str) {
    owner.s3().create_bucket().bucket(name).send().await.unwrap();
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "cloudtrail.amazonaws.com" },
        "Action": ["s3:GetBucketAcl", "s3:PutObject"],
        "Resource": [format!("arn:aws:s3:::{name}"), format!("arn:aws:s3:::{name}/*")],
    }] });
    let put = owner.s3().put_bucket_policy().bucket(name).policy(policy.to_string());
    put.send().await.unwrap();
}

async fn trust_cloudtrail(management: &WriteClients) {
    let service = "cloudtrail.amazonaws.com";
    let enable = management.organizations().enable_aws_service_access();
    enable.service_principal(service).send().await.unwrap();
    let create = management.iam().create_service_linked_role().aws_service_name(service);
    create.send().await.unwrap();
}

/// Breaks the organization. Returns the credentials to diagnose it with, if they are others.
async fn break_it(env: &ConfiguredEnv, what: &str) -> Option<Credentials> {
    let management = env.management();
    let cloudtrail = management.cloudtrail();
    let organizations = management.organizations();
    let service = "cloudtrail.amazonaws.com";
    match what {
        "nothing" | "another organization" | "no endpoint" => {}
        "expired session" => {
            let sts = aws_sdk_sts::Client::new(&env.sdk_config(env.administrator(), HOME));
            let session = sts.get_session_token().send().await.unwrap();
            env.sandbox.expire_sessions();
            return Some(session_keys(session.credentials.unwrap()));
        }
        "unknown key" => return Some(Credentials::from_keys("AKIAEXAMPLE", "secret", None)),
        "root user" => return Some(env.root_user(&MANAGEMENT.parse().unwrap())),
        "trusted access" | "single account" => {
            if what == "single account" {
                let update = cloudtrail.update_trail().name(env.desired.trail_arn().to_string());
                update.is_organization_trail(false).send().await.unwrap();
            }
            let off = organizations.disable_aws_service_access();
            off.service_principal(service).send().await.unwrap();
        }
        "administrator" => {
            let register = cloudtrail.register_organization_delegated_admin();
            register.member_account_id(MEMBERS[1]).send().await.unwrap();
        }
        "trust policy" => create_roles(env, trusts("333333333333"), everything()).await,
        "external id" => {
            let mut trusted = trusts(MANAGEMENT);
            trusted["Condition"] = json!({ "StringEquals": { "sts:ExternalId": "other" } });
            create_roles(env, trusted, everything()).await;
        }
        "weak role" => {
            let weak = json!({
                "Effect": "Allow", "Action": ["iam:*", "cloudtrail:DescribeTrails"], "Resource": "*",
            });
            create_roles(env, trusts(MANAGEMENT), weak).await;
        }
        "resource control policy on roles" | "resource control policy on the archive" => {
            let actions = if what.ends_with("roles") {
                json!("sts:AssumeRole")
            } else {
                json!("s3:PutObject")
            };
            let deny = json!({
                "Sid": "Broken", "Effect": "Deny", "Principal": "*", "Action": actions,
                "Resource": "*",
            });
            attach(env, PolicyType::ResourceControlPolicy, deny).await;
        }
        "service control policy on CloudTrail" | "service control policy on stack sets" => {
            let action =
                if what.ends_with("sets") { "iam:CreateRole" } else { "cloudtrail:DescribeTrails" };
            let deny =
                json!({ "Sid": "Broken", "Effect": "Deny", "Action": action, "Resource": "*" });
            attach(env, PolicyType::ServiceControlPolicy, deny).await;
        }
        "key" => {
            let key = env.observe().await.kms_key.present().unwrap().arn.to_string();
            env.archive().kms().disable_key().key_id(key).send().await.unwrap();
        }
        "bucket policy" => {
            let bucket = env.desired.bucket().as_str();
            let archive = env.archive();
            let read = archive.s3().get_bucket_policy().bucket(bucket).send().await.unwrap();
            let mut policy: PolicyDocument = read.policy.unwrap().parse().unwrap();
            policy.statements.retain(|it| it.sid.as_deref() != Some("OrgTrailTlsOnly"));
            // The account's root user is not bound by the policy.
            let root = env.root(ARCHIVE).await;
            let put = root.s3().put_bucket_policy().bucket(bucket).policy(policy.to_json());
            put.send().await.unwrap();
        }
        "taken name" => {
            let other = env.root(MEMBERS[1]).await;
            let bucket = env.desired.bucket().as_str();
            other.s3().create_bucket().bucket(bucket).send().await.unwrap();
        }
        "root sessions" => {
            let enable = organizations.enable_aws_service_access();
            enable.service_principal("iam.amazonaws.com").send().await.unwrap();
            management.iam().enable_organizations_root_sessions().send().await.unwrap();
        }
        "root key" => {
            let root = env.root(MEMBERS[1]).await;
            root.iam().create_access_key().send().await.unwrap();
        }
        "Control Tower" => control_tower(env, "3.3").await,
        "second organization trail" => {
            open_bucket(&management, "acme-other").await;
            let create = cloudtrail.create_trail().name("other").s3_bucket_name("acme-other");
            create.is_organization_trail(true).send().await.unwrap();
        }
        "stack set" => {
            let root = env.root(MEMBERS[1]).await;
            let create = root.iam().create_role().role_name("OrgTrailMember");
            let trust = json!({ "Version": "2012-10-17", "Statement": [trusts(MANAGEMENT)] });
            create.assume_role_policy_document(trust.to_string()).send().await.unwrap();
            let config = format!("{MINIMAL}{STACKS}");
            let folder = tempfile::tempdir().unwrap();
            let bootstrap = ["bootstrap", "--apply", "--yes"];
            let mut command = env.command(folder.path(), &config, &bootstrap);
            command.env("ORGTRAIL_PROPAGATION_SECONDS", "0");
            finish_apart(command).await;
        }
        "own trail" => {
            let archive = env.archive();
            open_bucket(&archive, "acme-own").await;
            let create = archive.cloudtrail().create_trail().name("own");
            create.s3_bucket_name("acme-own").send().await.unwrap();
        }
        "five trails" => {
            open_bucket(&management, "acme-many").await;
            for number in 1..=5 {
                let create = cloudtrail.create_trail().name(format!("legacy-{number}"));
                create.s3_bucket_name("acme-many").send().await.unwrap();
            }
        }
        "opt-in Region" => {
            let config = env.sdk_config(env.root_user(&MEMBERS[1].parse().unwrap()), HOME);
            let account = aws_sdk_account::Client::new(&config);
            account.enable_region().region_name("me-south-1").send().await.unwrap();
        }
        "denied reads" => {
            env.sandbox.faults().inject(Fault::every("cloudtrail:DescribeTrails", Effect::Deny));
        }
        other => panic!("unknown: {other}"),
    }
    None
}

/// A landing zone with its trail and its bucket. Version `none` has the trail alone.
pub(crate) async fn control_tower(env: &ConfiguredEnv, version: &str) {
    let organization = env.desired.org_id().to_string();
    let is_new = version.starts_with('4');
    let bucket = if is_new {
        format!("aws-controltower-cloudtrail-logs-{ARCHIVE}-x7k")
    } else {
        format!("aws-controltower-logs-{ARCHIVE}-us-east-1")
    };
    if version != "none" {
        env.sandbox.set_up_landing_zone(
            version,
            json!({
                "governedRegions": [HOME],
                "centralizedLogging": { "accountId": ARCHIVE, "enabled": true },
                "securityRoles": { "accountId": "333333333333" },
            }),
        );
    }
    let name = "aws-controltower-BaselineCloudTrail";
    organization_trail(env, name, &bucket, (!is_new).then_some(organization)).await;
}

/// The trail of the Landing Zone Accelerator, with its bucket.
pub(crate) async fn accelerator(env: &ConfiguredEnv) {
    let bucket = format!("aws-accelerator-central-logs-{ARCHIVE}-us-east-1");
    let prefix = Some("cloudtrail-organization".to_owned());
    organization_trail(env, "AWSAccelerator-Organizations-CloudTrail", &bucket, prefix).await;
}

async fn organization_trail(env: &ConfiguredEnv, name: &str, bucket: &str, prefix: Option<String>) {
    let management = env.management();
    trust_cloudtrail(&management).await;
    let archive = env.clients(&ARCHIVE.parse().unwrap(), &home());
    open_bucket(&archive, bucket).await;
    let create = management.cloudtrail().create_trail().name(name).s3_bucket_name(bucket);
    let create = create.is_organization_trail(true).is_multi_region_trail(true);
    let create = create.enable_log_file_validation(true).set_s3_key_prefix(prefix);
    create.send().await.unwrap();
    management.cloudtrail().start_logging().name(name).send().await.unwrap();
}

/// Whether a row's item is as expected; else what was found.
async fn examine(row: &Row) -> Result<(), String> {
    let base = match row.broken {
        "opt-in Region" => {
            MINIMAL.replace("home_region = ", "regions = [\"us-east-1\"]\nhome_region = ")
        }
        _ => MINIMAL.to_owned(),
    };
    let env = if row.provisioned {
        let before = if row.config == ALARMS { format!("{base}{ALARMS}") } else { base.clone() };
        provisioned(&before).await
    } else {
        ConfiguredEnv::at(&base, working_day()).await
    };
    let credentials = break_it(&env, row.broken).await;
    let mut config = format!("{base}{}", row.config);
    if row.broken == "another organization" {
        config = config.replace(
            "management_account = \"111111111111\"",
            "management_account = \"333333333333\"",
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = env.command(folder.path(), &config, &["doctor", "--format", "json"]);
    if let Some(credentials) = credentials {
        sign(&mut command, &credentials);
    }
    if row.broken == "no endpoint" {
        command.env("AWS_ENDPOINT_URL", NOWHERE);
    }
    let found = finish_apart(command).await;
    if found.stdout.is_empty() {
        return Err(format!("exit code {}: {}", found.code, found.stderr));
    }
    let all = items(&found);
    let expected = if row.code == 14 { "unknown" } else { "problem" };
    let is_named = all.iter().any(|item| {
        let text = |name: &str| item[name].as_str().unwrap_or_default();
        item["item"] == row.item
            && text("verdict") == expected
            && text("evidence").contains(row.evidence)
            && text("fix").contains(row.fix)
    });
    if is_named && found.code == row.code {
        return Ok(());
    }
    Err(format!("exit code {}: {all:#?}", found.code))
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_the_cause_and_the_fix_in_differently_broken_organizations() {
    assert!(ROWS.len() >= 20);
    let mut wrong = Vec::new();
    for row in ROWS {
        if let Err(found) = Box::pin(examine(row)).await {
            wrong.push(format!("{} ({}): {found}", row.broken, row.item));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ROWS.len(), wrong.join("\n\n"));
}
