//! Every command under exactly the generated roles, trust policies included: nothing is
//! denied, and every statement, action and resource of every role is used.

mod command;
mod legacy;
mod limits;
mod notify;
mod removed;
mod roles_env;
mod service;

use std::collections::BTreeSet;

use jiff::SignedDuration;
use legacy::Legacy;
use orgtrail::config::matches_any;
use orgtrail::resources::roles::{Role, RoleKind};
use orgtrail::sandbox::{AuthorizationRecord, Effect, Fault};
use roles_env::{ARCHIVE, MANAGEMENT, RolesEnv};

use crate::env::home;

/// The roles do all that orgtrail does; what each request asked is recorded.
async fn rehearse() -> (RolesEnv, BTreeSet<AuthorizationRecord>) {
    let env = RolesEnv::through_a_hub().await;
    env.before_the_first_apply().await;
    env.sandbox.record_authorization();
    env.runs(&["plan"], 10).await;
    env.runs(&["apply", "--yes"], 0).await;
    env.sandbox.confirm_subscriptions();
    env.runs(&["plan"], 0).await;
    env.store_state().await;

    env.receive_account_events().await;
    env.change_everything().await;
    env.runs(&["drift"], 11).await;
    env.runs(&["apply", "--yes", "--confirm-weakened-guard"], 0).await;

    // No digest lists what was delivered while the trail had no validation.
    let validated = env.sandbox.now().checked_add(SignedDuration::from_hours(1)).unwrap();
    let validated = validated.to_string();
    let verify = ["verify", "--since", &validated];
    env.sandbox.tick(SignedDuration::from_hours(30));
    let legacy = Legacy::of_every_kind(&env).await;
    env.runs(&["accounts"], 0).await;
    env.runs(&["sources"], 0).await;
    // A large log is copied in parts, and what is not completed is aborted.
    let large = legacy[0].put_large_log(&env);
    env.sandbox.faults().inject(Fault::every("s3:UploadPart", Effect::Deny));
    env.runs(&["consolidate", "--yes", "--restore"], 14).await;
    env.sandbox.faults().clear();
    env.sandbox.delete_raw(&legacy[0].bucket, &large).unwrap();
    env.sandbox.tick(SignedDuration::from_hours(24));
    env.runs(&["consolidate", "--yes"], 0).await;
    // Where the first accounts cannot list the public keys, all others are asked.
    env.sandbox.faults().inject(Fault::every("cloudtrail:ListPublicKeys", Effect::Truncate));
    env.runs(&verify, 14).await;
    env.sandbox.faults().clear();
    env.runs(&verify, 0).await;
    env.runs(&["records"], 0).await;
    for account in [MANAGEMENT, ARCHIVE] {
        let account = account.parse().unwrap();
        env.sandbox.have_event_data_store(&account, &home(), "lake", false);
    }
    env.runs(&["coverage", "--event-history"], 0).await;
    env.export_events().await;
    let (from, until) = env.last_hours(6);
    let evidence = ["evidence", "--from", &from, "--until", &until, "-o", "evidence.tar"];
    env.runs(&evidence, 0).await;

    for trail in &legacy {
        trail.start(&env).await;
        // Where CloudTrail refuses to delete it, logging is started again.
        env.sandbox.faults().inject(Fault::every("cloudtrail:DeleteTrail", Effect::Deny));
        env.runs(&["retire", &trail.arn, "--yes"], 14).await;
        env.sandbox.faults().clear();
        env.runs(&["retire", &trail.arn, "--yes"], 0).await;
    }
    env.runs(&["drift"], 0).await;
    env.create_stacks().await;
    env.runs(&["doctor"], 0).await;
    let round = ["run", "consolidate,verify,drift", "--verify-days", "1", "--yes"];
    env.runs(&round, 0).await;
    env.runs(&["destroy", "--confirm-trail", "orgtrail"], 0).await;
    let records = env.sandbox.take_authorization();
    (env, records)
}

/// The records of the accounts that a role is for.
fn of_role<'r>(
    role: &Role,
    env: &RolesEnv,
    records: &'r BTreeSet<AuthorizationRecord>,
) -> Vec<&'r AuthorizationRecord> {
    let principals = env.principals(role);
    records.iter().filter(|record| principals.contains(&record.principal)).collect()
}

/// Denials that no permission is missing for.
fn is_expected(record: &AuthorizationRecord) -> bool {
    // S3 asks for these itself with every object that is read, and leaves out a header that
    // orgtrail does not use where they are denied.
    let optional = ["s3:GetObjectRetention", "s3:GetObjectLegalHold"];
    // The policy of somebody else's key lets its owner alone describe it.
    let is_hidden = record.action == "kms:DescribeKey" && record.statements.contains("ReadKeys");
    // The runner's organization need not be the one that is managed: orgtrail asks the
    // management account then.
    let is_asked_elsewhere = record.principal.ends_with("role/scheduler")
        && ["organizations:DescribeOrganization", "organizations:DescribeAccount"]
            .contains(&record.action.as_str());
    // The caller is asked first: it may read what the roles need not.
    let is_asked_first = record.principal.ends_with("role/scheduler")
        && record.action == "s3:GetBucketLocation"
        && record.resource.ends_with(":::acme-events-export");
    optional.contains(&record.action.as_str()) || is_hidden || is_asked_elsewhere || is_asked_first
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_needs_exactly_what_the_generated_roles_allow() {
    let (env, records) = rehearse().await;
    let mut problems = Vec::new();
    for role in &env.roles {
        let kind = role.kind.as_str();
        let records = of_role(role, &env, &records);
        let denied = records.iter().filter(|record| !record.allowed && !is_expected(record));
        for record in denied {
            problems.push(format!("{kind}: denied {} on {}", record.action, record.resource));
        }
        for grant in &role.grants {
            let statement = &grant.statement;
            let sid = statement.sid.as_deref().unwrap();
            // Without the statement, each of these is denied.
            let needed: Vec<_> = records
                .iter()
                .filter(|record| record.allowed && record.needs_identity)
                .filter(|record| record.statements == BTreeSet::from([sid.to_owned()]))
                .collect();
            for resource in statement.resource.iter() {
                let pattern = [resource.to_owned()];
                if !needed.iter().any(|record| matches_any(&pattern, &record.resource)) {
                    problems.push(format!("{kind}: {sid} does not need {resource}"));
                }
            }
            for action in statement.action.iter() {
                if !needed.iter().any(|record| record.action == action) {
                    problems.push(format!("{kind}: {sid} does not need {action}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn orgtrail_works_as_the_management_accounts_role_without_a_hub() {
    let env = RolesEnv::in_the_management_account().await;
    assert!(env.roles.iter().all(|role| role.kind != RoleKind::Runner));
    env.sandbox.record_authorization();
    env.runs(&["apply", "--yes"], 0).await;
    env.sandbox.tick(SignedDuration::from_hours(30));
    Legacy::of_a_member(&env).await;
    env.runs(&["consolidate", "--yes", "--restore"], 14).await;
    env.sandbox.tick(SignedDuration::from_hours(24));
    env.runs(&["consolidate", "--yes"], 0).await;
    env.runs(&["records"], 0).await;
    env.runs(&["verify"], 0).await;
    let records = env.sandbox.take_authorization();
    for role in &env.roles {
        let of_role = of_role(role, &env, &records);
        let denied: Vec<_> =
            of_role.iter().filter(|record| !record.allowed && !is_expected(record)).collect();
        assert!(denied.is_empty(), "{denied:#?}");
    }
    // What this role does only where there is no hub.
    let role = env.role(RoleKind::Management);
    let of_role = of_role(role, &env, &records);
    for sid in ["AssumeRoles", "AuthenticateRecords"] {
        let grant = role.grants.iter().find(|one| one.statement.sid.as_deref() == Some(sid));
        for action in grant.unwrap().statement.action.iter() {
            let is_needed = |one: &&AuthorizationRecord| {
                one.action == action && one.needs_identity && one.statements.contains(sid)
            };
            assert!(of_role.iter().any(is_needed), "{sid}: {action}");
        }
    }
}
