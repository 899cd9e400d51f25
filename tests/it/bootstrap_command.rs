//! `orgtrail bootstrap`, from accounts without an organization to a guarded trail and back.

use aws_credential_types::Credentials;
use jiff::SignedDuration;
use orgtrail::aws::StackWrite;
use orgtrail::resources::roles::{RoleKind, roles};
use orgtrail::sandbox::{Effect, Fault};

use crate::bootstrap_env::{ARCHIVE, BootstrapEnv, CONFIG, MANAGEMENT, MEMBER};
use crate::configured::parse;
use crate::env::session_keys;
use crate::program::{finish_apart, sign};

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_to_a_guarded_trail_and_back() {
    let env = BootstrapEnv::nothing(5).await;
    // Nothing is created without being asked for.
    let refused = env.ends(&["bootstrap"], 12).await;
    assert!(refused.stdout.contains("add --create-organization"), "{}", refused.text());
    let planned = env.ends(&["bootstrap", "--create-organization"], 10).await;
    assert!(planned.stdout.contains("role/member/pilot-account"), "{}", planned.text());
    assert!(planned.stdout.contains("cost nothing"), "{}", planned.text());
    assert_eq!(env.sandbox.organization_id(), None);

    // The archive's account cannot have been invited yet.
    let create = ["bootstrap", "--create-organization", "--apply", "--yes"];
    let first = env.ends(&create, 10).await;
    assert!(first.text().contains(&format!("account {ARCHIVE} is not in the organization")));
    assert!(env.has_role(MANAGEMENT, "OrgTrailManagement").await);

    // Invited accounts have no role of Organizations.
    let accounts = env.all_accounts();
    let (late, invited) = accounts[1..].split_last().unwrap();
    for account in invited {
        env.sandbox.join(account).unwrap();
        assert!(!env.has_role(account.as_str(), "OrganizationAccountAccessRole").await);
    }
    env.ends(&["bootstrap", "--apply", "--yes"], 0).await;
    let clean = env.ends(&["bootstrap"], 0).await;
    assert!(clean.stdout.contains("Next:"), "{}", clean.text());
    assert!(env.has_role(ARCHIVE, "OrgTrailArchive").await);
    assert!(env.has_role(MEMBER, "OrgTrailMember").await);

    // From here on, only the roles are used.
    let keys = env.session("OrgTrailManagement").await;
    env.ends_as(&keys, &["plan"], 10).await;
    env.ends_as(&keys, &["apply", "--yes"], 0).await;
    env.ends_as(&keys, &["plan"], 0).await;

    // An account that joins gets its role without anybody's doing.
    env.sandbox.join(late).unwrap();
    env.sandbox.tick(SignedDuration::from_mins(5));
    assert!(env.has_role(late.as_str(), "OrgTrailMember").await);
    env.ends_as(&keys, &["accounts"], 0).await;
    env.ends(&["bootstrap"], 0).await;
    // One that leaves loses it.
    let management = env.management().await;
    let leave = management.organizations().remove_account_from_organization();
    leave.account_id(late.as_str()).send().await.unwrap();
    assert!(!env.has_role(late.as_str(), "OrgTrailMember").await);
    env.ends(&["bootstrap"], 0).await;

    // The roles stay as long as the trail.
    let id = env.sandbox.organization_id().unwrap();
    let confirm = ["--confirm-organization", id.as_str()];
    let destroy = [&["bootstrap", "--destroy"][..], &confirm].concat();
    let refused = env.ends(&destroy, 12).await;
    assert!(refused.stderr.contains("orgtrail destroy --confirm-trail"), "{}", refused.text());
    env.ends_as(&keys, &["destroy", "--confirm-trail", "orgtrail"], 0).await;
    let unconfirmed = env.ends(&["bootstrap", "--destroy", "--yes"], 12).await;
    assert!(unconfirmed.stderr.contains(id.as_str()), "{}", unconfirmed.text());
    let shown = env.ends(&["bootstrap", "--destroy", "--dry-run"], 10).await;
    assert!(shown.stdout.contains("role/member") && shown.stdout.contains("Not deleted"));
    for undo in [
        "delete-organization",
        "disable-policy-type --root-id r-",
        "deactivate-organizations-access",
        "disable-aws-service-access --service-principal cloudtrail.amazonaws.com",
        "delete-service-linked-role --role-name AWSServiceRoleForCloudTrail",
    ] {
        assert!(shown.stdout.contains(undo), "{undo}: {}", shown.text());
    }
    assert!(env.has_role(MEMBER, "OrgTrailMember").await);
    let deleted = env.ends(&destroy, 0).await;
    let lines: Vec<&str> = deleted.stderr.lines().filter(|it| it.contains("delete done")).collect();
    assert!(lines.last().unwrap().starts_with("role/management"), "{lines:?}");
    for (account, role) in [
        (MANAGEMENT, "OrgTrailManagement"),
        (ARCHIVE, "OrgTrailArchive"),
        (MEMBER, "OrgTrailMember"),
    ] {
        assert!(!env.has_role(account, role).await, "{role}");
    }
    env.ends(&destroy, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_template_is_deployed_again_wave_by_wave() {
    let env = BootstrapEnv::bootstrapped(5).await;
    // As another version of orgtrail, which gave the roles other permissions.
    let other = CONFIG.replace("[guardrail]\nenabled = true", "");
    let other = format!("{other}\n[archive.replication]\nbucket = \"acme-vault\"\n");
    let planned = env.runs(&other, &["bootstrap", "--format", "json"]).await;
    assert_eq!(planned.code, 10, "{}", planned.text());
    let steps = planned.json()["plan"]["steps"].as_array().unwrap().clone();
    let changed: Vec<_> = steps
        .iter()
        .filter(|step| step["action"] == "update")
        .map(|step| step["id"].as_str().unwrap())
        .collect();
    assert!(changed.contains(&"role/archive"), "{changed:?}");
    let applied = env.runs(&other, &["bootstrap", "--apply", "--yes"]).await;
    assert_eq!(applied.code, 0, "{}", applied.text());
    let again = env.runs(&other, &["bootstrap"]).await;
    assert_eq!(again.code, 0, "{}", again.text());
    // A member's template, first in the pilot.
    let renamed = other.replace("external_id = \"orgtrail-test\"", "external_id = \"another\"");
    let applied = env.runs(&renamed, &["bootstrap", "--apply", "--yes"]).await;
    assert_eq!(applied.code, 0, "{}", applied.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn bootstrap_runs_in_the_management_account_only() {
    let env = BootstrapEnv::invited(4).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = env.bootstrap(folder.path(), CONFIG, &["bootstrap"]);
    sign(&mut command, &env.root_user(&MEMBER.parse().unwrap()));
    let refused = finish_apart(command).await;
    assert_eq!(refused.code, 2, "{}", refused.text());
    assert!(refused.stderr.contains("expected the management account"), "{}", refused.stderr);
    assert!(refused.stderr.contains("config roles bootstrap"), "{}", refused.stderr);
    env.ends(&["bootstrap"], 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_names_that_collide_is_refused_with_what_to_write() {
    let env = BootstrapEnv::invited(4).await;
    let default = CONFIG.replace("name = \"OrgTrailMember\"\n", "");
    let refused = env.runs(&default, &["bootstrap"]).await;
    assert_eq!(refused.code, 2, "{}", refused.text());
    assert!(refused.stderr.contains("OrganizationAccountAccessRole"), "{}", refused.stderr);
    let shared = CONFIG.replace("OrgTrailArchive", "OrgTrailMember");
    let refused = env.runs(&shared, &["bootstrap"]).await;
    assert_eq!(refused.code, 2, "{}", refused.text());
    assert!(refused.stderr.contains("[roles.accounts.222222222222]"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_that_fails_stops_the_next_one() {
    let env = BootstrapEnv::invited(6).await;
    // The pilot's role name is in use.
    env.create_role(MEMBER, "OrgTrailMember").await;
    let failed = env.ends(&["bootstrap", "--apply", "--yes"], 14).await;
    assert!(failed.stderr.contains("role/member/organization: skipped"), "{}", failed.text());
    let other = env.all_accounts()[3].clone();
    assert!(!env.has_role(other.as_str(), "OrgTrailMember").await);
    // The plan names the cause.
    let planned = env.ends(&["bootstrap"], 10).await;
    assert!(planned.stdout.contains("failed before: a role of this name"), "{}", planned.text());
    let owner = env.root(MEMBER).await;
    owner.iam().delete_role().role_name("OrgTrailMember").send().await.unwrap();
    env.ends(&["bootstrap", "--apply", "--yes"], 0).await;
    assert!(env.has_role(other.as_str(), "OrgTrailMember").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_in_another_account_works_through_the_hub() {
    let runner = format!("arn:aws:iam::{MEMBER}:role/Scheduler");
    let config = CONFIG
        .replace("[roles]\n", "[roles]\nhub = \"arn:aws:iam::111111111111:role/OrgTrailHub\"\n")
        .replace(
            "[landing_zone]\n",
            &format!(
                "[roles.accounts.111111111111]\nname = \"OrgTrailManagement\"\n\
                 [landing_zone]\ntrusted_principal = \"{runner}\"\n"
            ),
        );
    let env = BootstrapEnv::invited(5).await;
    // The runner is what the user has already.
    env.create_role(MEMBER, "Scheduler").await;
    let all = roles(&parse(&config));
    let policy = all.iter().find(|role| role.kind == RoleKind::Runner).unwrap().policy();
    let owner = env.root(MEMBER).await;
    let put = owner.iam().put_role_policy().role_name("Scheduler").policy_name("orgtrail");
    put.policy_document(policy.to_json()).send().await.unwrap();
    let applied = env.runs(&config, &["bootstrap", "--apply", "--yes"]).await;
    assert_eq!(applied.code, 0, "{}", applied.text());
    assert!(env.has_role(MANAGEMENT, "OrgTrailHub").await);
    // A hub that is deleted and created again is still trusted.
    let management = env.management().await;
    let name = vec![("StackName".to_owned(), "orgtrail-hub".to_owned())];
    management.write_stacks(StackWrite::DeleteStack, &name).await.unwrap();
    assert!(!env.has_role(MANAGEMENT, "OrgTrailHub").await);
    let again = env.runs(&config, &["bootstrap", "--apply", "--yes"]).await;
    assert_eq!(again.code, 0, "{}", again.text());

    let user = owner.iam().create_user().user_name("timer").send().await.unwrap();
    let assume = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": runner,
    }] });
    let put = owner.iam().put_user_policy().user_name("timer").policy_name("assume");
    put.policy_document(assume.to_string()).send().await.unwrap();
    assert!(user.user.is_some());
    let key = owner.iam().create_access_key().user_name("timer").send().await.unwrap();
    let key = key.access_key.unwrap();
    let keys = Credentials::from_keys(key.access_key_id, key.secret_access_key, None);
    let sts = aws_sdk_sts::Client::new(&env.sdk_config(keys, "us-east-1"));
    let session = sts.assume_role().role_arn(&runner).role_session_name("nightly").send().await;
    let keys = session_keys(session.unwrap().credentials.unwrap());
    env.ends_with(&keys, &config, &["plan"], 10).await;
    env.ends_with(&keys, &config, &["apply", "--yes"], 0).await;
    env.ends_with(&keys, &config, &["accounts"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_of_account_events_is_as_apply_declares_it_and_deleted_before_the_roles() {
    let env = BootstrapEnv::bootstrapped(4).await;
    assert!(env.has_queue().await);
    let keys = env.session("OrgTrailManagement").await;
    let planned = env.ends_as(&keys, &["plan", "--format", "json"], 10).await.json();
    let steps = planned["steps"].as_array().unwrap();
    for id in ["new-accounts-queue", "new-accounts-queue/policy", "new-accounts-rule"] {
        let step = steps.iter().find(|step| step["id"] == id).unwrap();
        assert_eq!(step["action"], "nothing", "{step:#}");
    }
    // What could not be read is neither created nor deleted.
    let id = env.sandbox.organization_id().unwrap();
    let destroy = ["bootstrap", "--destroy", "--confirm-organization", id.as_str()];
    env.sandbox.faults().inject(Fault::every("events:DescribeRule", Effect::Deny));
    let planned = env.ends(&["bootstrap"], 14).await;
    assert!(planned.stdout.contains("new-accounts-rule (blocked)"), "{}", planned.text());
    env.ends(&destroy, 14).await;
    env.sandbox.faults().clear();
    let deleted = env.ends(&destroy, 0).await;
    let lines: Vec<&str> = deleted.stderr.lines().filter(|it| it.contains("delete done")).collect();
    assert!(lines[0].starts_with("new-accounts-rule"), "{lines:?}");
    assert!(lines[1].starts_with("new-accounts-queue"), "{lines:?}");
    assert!(!env.has_queue().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn stacks_of_another_prefix_are_listed_and_deleted_only_by_name() {
    let env = BootstrapEnv::bootstrapped(4).await;
    let id = env.sandbox.organization_id().unwrap();
    let other = CONFIG.replace("[landing_zone]", "[landing_zone]\nprefix = \"acme\"");
    let refused = env.runs(&other, &["bootstrap"]).await;
    assert_eq!(refused.code, 12, "{}", refused.text());
    for name in ["orgtrail-archive", "orgtrail-management", "orgtrail-member"] {
        let command = format!("--old-stack {name} --confirm-organization {id}");
        assert!(refused.stdout.contains(&command), "{}", refused.text());
    }
    // The usual removal leaves them: another configuration may use them.
    let confirm = ["--confirm-organization", id.as_str()];
    let destroy = [&["bootstrap", "--destroy"][..], &confirm].concat();
    let removed = env.runs(&other, &destroy).await;
    assert!(removed.stdout.contains("old-stacks/orgtrail-member"), "{}", removed.text());
    assert!(env.has_role(MEMBER, "OrgTrailMember").await);
    let of = |names: &[&'static str]| -> Vec<&str> {
        let names = names.iter().flat_map(|name| ["--old-stack", name]);
        ["bootstrap", "--destroy", "--yes"].into_iter().chain(names).collect()
    };
    let all = ["orgtrail-archive", "orgtrail-management", "orgtrail-member"];
    let unconfirmed = env.runs(&other, &of(&all)).await;
    assert_eq!(unconfirmed.code, 12, "{}", unconfirmed.text());
    assert!(env.has_role(MEMBER, "OrgTrailMember").await);
    // Neither what the configuration declares nor somebody else's.
    let declared = [&of(&["acme-member"])[..], &confirm].concat();
    assert_eq!(env.runs(&other, &declared).await.code, 12);
    let unknown = env.runs(&other, &[&of(&["payroll-member"])[..], &confirm].concat()).await;
    assert!(unknown.stdout.contains("orgtrail created no stack"), "{}", unknown.text());
    let deleted = env.runs(&other, &[&of(&all)[..], &confirm].concat()).await;
    assert_eq!(deleted.code, 0, "{}", deleted.text());
    assert!(!env.has_role(MEMBER, "OrgTrailMember").await);
    // The name of the queue that was deleted is free again after a minute.
    env.sandbox.tick(SignedDuration::from_mins(2));
    let applied = env.runs(&other, &["bootstrap", "--apply", "--yes"]).await;
    assert_eq!(applied.code, 0, "{}", applied.text());
    assert!(env.has_role(MEMBER, "OrgTrailMember").await);
    let planned = env.runs(&other, &["bootstrap"]).await;
    assert!(!planned.stdout.contains("--old-stack"), "{}", planned.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pilot_unit_is_deployed_before_the_organization() {
    let env = BootstrapEnv::invited(6).await;
    let management = env.management().await;
    let organizations = management.organizations();
    let roots = organizations.list_roots().send().await.unwrap();
    let root = roots.roots()[0].id().unwrap().to_owned();
    let create = organizations.create_organizational_unit().parent_id(&root).name("Pilots");
    let unit = create.send().await.unwrap().organizational_unit.unwrap().id.unwrap();
    let moved = env.all_accounts()[3].to_string();
    let other = env.all_accounts()[4].to_string();
    let to_unit = organizations.move_account().account_id(&moved).source_parent_id(&root);
    to_unit.destination_parent_id(&unit).send().await.unwrap();
    let pilots = format!("[landing_zone]\npilot_unit = \"{unit}\"\n");
    let config = CONFIG.replace("[landing_zone]\n", &pilots);
    // In the unit the name is in use: the organization is not reached.
    env.create_role(&moved, "OrgTrailMember").await;
    let failed = env.runs(&config, &["bootstrap", "--apply", "--yes"]).await;
    assert_eq!(failed.code, 14, "{}", failed.text());
    assert!(failed.stderr.contains("role/member/pilot-unit: "), "{}", failed.text());
    assert!(env.has_role(MEMBER, "OrgTrailMember").await);
    assert!(!env.has_role(&other, "OrgTrailMember").await);
    let owner = env.root(&moved).await;
    owner.iam().delete_role().role_name("OrgTrailMember").send().await.unwrap();
    let applied = env.runs(&config, &["bootstrap", "--apply", "--yes"]).await;
    assert_eq!(applied.code, 0, "{}", applied.text());
    assert!(env.has_role(&other, "OrgTrailMember").await);
    let missing = config.replace(&unit, "ou-ab12-99999999");
    let blocked = env.runs(&missing, &["bootstrap"]).await;
    assert_eq!(blocked.code, 10, "{}", blocked.text());
    assert!(blocked.stdout.contains("has no unit ou-ab12-99999999"), "{}", blocked.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_is_reported_and_nothing_is_created_in_its_place() {
    let env = BootstrapEnv::bootstrapped(5).await;
    for call in [
        "cloudformation:DescribeStackSet",
        "cloudformation:DescribeStacks",
        "cloudformation:DescribeOrganizationsAccess",
        "organizations:ListAccountsForParent",
        "cloudformation:ListStackSets",
        "sqs:GetQueueUrl",
    ] {
        env.sandbox.faults().inject(Fault::every(call, Effect::Deny));
        let planned = env.ends(&["bootstrap"], 14).await;
        assert!(planned.stdout.contains("it could not be read"), "{call}: {}", planned.text());
        assert!(!planned.stdout.contains("(create)"), "{call}: {}", planned.text());
        env.sandbox.faults().clear();
    }
    env.ends(&["bootstrap"], 0).await;
}
