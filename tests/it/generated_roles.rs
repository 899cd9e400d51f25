//! Every command under exactly the generated roles, trust policies included: nothing is
//! denied, and every statement, action and resource of every role is used.

mod command;
mod legacy;
mod limits;
mod removed;
mod setting;

use std::collections::BTreeSet;

use jiff::SignedDuration;
use orgtrail::config::matches_any;
use orgtrail::resources::roles::{Role, RoleKind};
use orgtrail::sandbox::{AuthorizationRecord, Effect, Fault};

use legacy::Legacy;
use setting::RolesEnv;

/// The roles do all that orgtrail does; what each request asked is recorded.
async fn rehearse() -> (RolesEnv, BTreeSet<AuthorizationRecord>) {
    let setting = RolesEnv::through_a_hub().await;
    setting.before_the_first_apply().await;
    setting.sandbox.record_authorization();
    setting.runs(&["plan"], 10).await;
    setting.runs(&["apply", "--yes"], 0).await;
    setting.sandbox.confirm_subscriptions();
    setting.runs(&["plan"], 0).await;

    setting.change_everything().await;
    setting.runs(&["drift"], 11).await;
    setting.runs(&["apply", "--yes", "--confirm-weakened-guard"], 0).await;

    setting.sandbox.tick(SignedDuration::from_hours(30));
    let legacy = Legacy::of_every_kind(&setting).await;
    setting.runs(&["accounts"], 0).await;
    setting.runs(&["sources"], 0).await;
    // A large log is copied in parts, and what is not completed is aborted.
    let large = legacy[0].put_large_log(&setting);
    setting.sandbox.faults().inject(Fault::every("s3:UploadPart", Effect::Deny));
    setting.runs(&["consolidate", "--yes", "--restore"], 14).await;
    setting.sandbox.faults().clear();
    setting.sandbox.vanish(&legacy[0].bucket, &large).unwrap();
    setting.sandbox.tick(SignedDuration::from_hours(24));
    setting.runs(&["consolidate", "--yes"], 0).await;
    // Where the first accounts cannot list the public keys, all others are asked.
    setting.sandbox.faults().inject(Fault::every("cloudtrail:ListPublicKeys", Effect::Truncate));
    setting.runs(&["verify"], 14).await;
    setting.sandbox.faults().clear();
    setting.runs(&["verify"], 0).await;
    setting.runs(&["records"], 0).await;
    setting.runs(&["coverage"], 0).await;
    let (from, until) = setting.last_hours(6);
    let evidence = ["evidence", "--from", &from, "--until", &until, "-o", "evidence.tar"];
    setting.runs(&evidence, 0).await;

    for trail in &legacy {
        trail.start(&setting).await;
        // Where CloudTrail refuses to delete it, logging is started again.
        setting.sandbox.faults().inject(Fault::every("cloudtrail:DeleteTrail", Effect::Deny));
        setting.runs(&["retire", &trail.arn, "--yes"], 14).await;
        setting.sandbox.faults().clear();
        setting.runs(&["retire", &trail.arn, "--yes"], 0).await;
    }
    setting.runs(&["drift"], 0).await;
    setting.runs(&["run", "consolidate,verify,drift", "--yes"], 0).await;
    setting.runs(&["destroy", "--confirm-trail", "orgtrail"], 0).await;
    let records = setting.sandbox.take_authorization();
    (setting, records)
}

/// The records of the accounts that a role is for.
fn of_role<'r>(
    role: &Role,
    setting: &RolesEnv,
    records: &'r BTreeSet<AuthorizationRecord>,
) -> Vec<&'r AuthorizationRecord> {
    let principals = setting.principals(role);
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
    optional.contains(&record.action.as_str()) || is_hidden || is_asked_elsewhere
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_needs_exactly_what_the_generated_roles_allow() {
    let (setting, records) = rehearse().await;
    let mut problems = Vec::new();
    for role in &setting.roles {
        let kind = role.kind.as_str();
        let records = of_role(role, &setting, &records);
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
    let setting = RolesEnv::in_the_management_account().await;
    assert!(setting.roles.iter().all(|role| role.kind != RoleKind::Runner));
    setting.sandbox.record_authorization();
    setting.runs(&["apply", "--yes"], 0).await;
    setting.sandbox.tick(SignedDuration::from_hours(30));
    Legacy::of_a_member(&setting).await;
    setting.runs(&["consolidate", "--yes", "--restore"], 14).await;
    setting.sandbox.tick(SignedDuration::from_hours(24));
    setting.runs(&["consolidate", "--yes"], 0).await;
    setting.runs(&["records"], 0).await;
    setting.runs(&["verify"], 0).await;
    let records = setting.sandbox.take_authorization();
    for role in &setting.roles {
        let of_role = of_role(role, &setting, &records);
        let denied: Vec<_> =
            of_role.iter().filter(|record| !record.allowed && !is_expected(record)).collect();
        assert!(denied.is_empty(), "{denied:#?}");
    }
    // What this role does only where there is no hub.
    let role = setting.role(RoleKind::Management);
    let of_role = of_role(role, &setting, &records);
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
