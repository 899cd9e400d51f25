//! Every command under exactly the generated roles, trust policies included: nothing is
//! denied, and every statement, action and resource of every role is used.

mod legacy;
mod setting;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use orgtrail::resources::roles::{Role, RoleKind};
use orgtrail::sandbox::{AuthorizationRecord, Effect, Fault};

use legacy::Legacy;
use setting::Setting;

/// The roles do all that orgtrail does; what each request asked is recorded.
async fn rehearse() -> (Setting, BTreeSet<AuthorizationRecord>) {
    let setting = Setting::new().await;
    setting.sandbox.record_authorization();
    setting.runs(&["plan"], 10).await;
    setting.runs(&["apply", "--yes"], 0).await;
    setting.runs(&["plan"], 0).await;
    setting.sandbox.tick(SignedDuration::from_hours(30));
    let legacy = Legacy::of_every_kind(&setting).await;

    setting.change_everything().await;
    setting.runs(&["drift"], 11).await;
    setting.runs(&["apply", "--yes", "--confirm-weakened-guard"], 0).await;

    setting.runs(&["accounts"], 0).await;
    setting.runs(&["sources"], 0).await;
    setting.runs(&["consolidate", "--yes", "--restore"], 14).await;
    setting.sandbox.tick(SignedDuration::from_hours(24));
    // The large log is copied in parts, and what is not completed is aborted.
    setting.sandbox.faults().inject(Fault::every("s3:UploadPart", Effect::Deny));
    setting.runs(&["consolidate", "--yes"], 14).await;
    setting.sandbox.faults().clear();
    setting.runs(&["consolidate", "--yes"], 0).await;
    setting.runs(&["verify"], 0).await;
    setting.runs(&["records"], 0).await;
    setting.runs(&["drift"], 0).await;
    setting.runs(&["coverage"], 0).await;
    setting.runs(&["run", "consolidate,verify,drift", "--yes"], 0).await;
    let (from, until) = setting.last_hours(6);
    let evidence = ["evidence", "--from", &from, "--until", &until, "-o", "evidence.tar"];
    setting.runs(&evidence, 0).await;

    for trail in &legacy {
        // Where CloudTrail refuses to delete it, logging is started again.
        trail.start(&setting).await;
        setting.sandbox.faults().inject(Fault::every("cloudtrail:DeleteTrail", Effect::Deny));
        setting.runs(&["retire", &trail.arn, "--yes"], 14).await;
        setting.sandbox.faults().clear();
        setting.runs(&["retire", &trail.arn, "--yes"], 0).await;
    }
    setting.runs(&["destroy", "--confirm-trail", "orgtrail"], 0).await;
    let records = setting.sandbox.take_authorization();
    (setting, records)
}

/// The records of the accounts that a role is for.
fn of_role<'r>(
    role: &Role,
    setting: &Setting,
    records: &'r BTreeSet<AuthorizationRecord>,
) -> Vec<&'r AuthorizationRecord> {
    let principals = setting.principals(role);
    records.iter().filter(|record| principals.contains(&record.principal)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_needs_exactly_what_the_generated_roles_allow() {
    let (setting, records) = rehearse().await;
    let mut problems = Vec::new();
    for role in &setting.roles {
        let kind = role.kind.as_str();
        let records = of_role(role, &setting, &records);
        for record in records.iter().filter(|record| !record.allowed) {
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
            for action in statement.action.iter() {
                if !needed.iter().any(|record| record.action == action) {
                    problems.push(format!("{kind}: {sid} does not need {action}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    drop(BTreeMap::<RoleKind, ()>::new());
}
