//! Rounds and the service under the policy of `infra/` for them, with their state in a bucket.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};

use jiff::SignedDuration;
use orgtrail::policy::PolicyDocument;
use orgtrail::resources::roles::{RoleKind, round_grants};
use serde_json::{Value, json};

use super::legacy::Legacy;
use super::roles_env::{MANAGEMENT, RolesEnv};
use super::{is_expected, of_role};
use crate::service_client::Service;

const BUCKET: &str = "acme-round-state";
/// The state of the example, which `apply` creates in the log-archive account.
const MANAGED: &str = "[service]\nstate = \"s3://acme-orgtrail-state/prod\"\nmanage_state = true\n";
/// That of the templates in `infra/`, in the account of the service.
const STATE: &str = "
[service]
listen = \"127.0.0.1:0\"
state = \"s3://acme-round-state/prod\"
[[service.schedule]]
name = \"test\"
run = [\"consolidate\", \"verify\", \"drift\"]
cron = \"0 0 1 1 *\"
[[drift.suppress]]
check = \"org-unmanaged-trails\"
reason = \"legacy\"
until = 2026-12-31
";

/// Has the service run a round, and returns its document.
fn round(service: &Service) -> Value {
    let events = service.open("GET /api/v1/events", "", "");
    let (status, requested) = service.post("/api/v1/rounds", &json!({ "schedule": "test" }));
    assert_eq!(status, 202, "{requested}");
    let mut lines = BufReader::new(events).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "event: round_ended"), "the service ended");
    let (status, round) =
        service.get(&format!("/api/v1/rounds/{}", requested["id"].as_str().unwrap()));
    assert_eq!(status, 200, "{round}");
    round
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_and_the_service_need_what_their_policy_allows_and_can_apply_nothing() {
    let env = RolesEnv::in_the_management_account().await;
    env.runs(&["apply", "--yes"], 0).await;
    env.sandbox.confirm_subscriptions();
    env.sandbox.tick(SignedDuration::from_hours(30));
    Legacy::of_a_member(&env).await;
    // An archived log is restored by a person, not by rounds.
    env.runs(&["consolidate", "--yes", "--restore"], 14).await;
    env.sandbox.tick(SignedDuration::from_hours(24));
    let management = env.root(MANAGEMENT).await;
    for bucket in [BUCKET, "acme-other-state"] {
        management.s3().create_bucket().bucket(bucket).send().await.unwrap();
    }
    let env = env.declaring(|config| config.replace(MANAGED, STATE));
    let grants = round_grants(&env.config);
    let statements = grants.iter().map(|grant| grant.statement.clone()).collect();
    let policy = serde_json::to_value(PolicyDocument::new(statements)).unwrap();
    let role = env.role(RoleKind::Management).clone();
    env.put_policy(&role, &policy).await;

    // Without a place for its own files it does not say that it runs.
    let refused = env.output(&["serve"]).await;
    assert_eq!(refused.code, 2, "{}", refused.text());
    assert!(refused.stderr.contains("no folder for evidence bundles"), "{}", refused.text());
    assert!(!refused.stderr.contains("SERVICE:"), "{}", refused.text());

    env.sandbox.record_authorization();
    let folder = tempfile::tempdir().unwrap();
    let mut command = env.command_of_session(folder.path(), &["serve"]);
    // Evidence bundles are built on this machine.
    command.env("XDG_STATE_HOME", folder.path());
    let service = Service::start(command);
    let round = round(&service);
    assert_eq!(round["exit_code"], 0, "{round:#}");
    drop(service);
    env.runs(&["run", "consolidate,verify,drift", "--yes"], 0).await;
    // Regions without events have no digests, so not everything is proven.
    let status = env.runs(&["status"], 14).await;
    assert!(status.contains("accounts are not fully proven"), "{status}");
    let records = env.sandbox.take_authorization();
    let records = of_role(&role, &env, &records);
    let denied: Vec<_> =
        records.iter().filter(|record| !record.allowed && !is_expected(record)).collect();
    assert!(denied.is_empty(), "{denied:#?}");
    // The state needs each of its permissions.
    for grant in &grants {
        let sid = grant.statement.sid.as_deref().unwrap();
        for action in grant.statement.action.iter().filter(|_| sid.ends_with("State")) {
            let is_needed = records.iter().any(|record| {
                // Sources may be read in all of the account's buckets.
                let is_only = record.statements == BTreeSet::from([sid.to_owned()]);
                record.action == action
                    && record.allowed
                    && record.statements.contains(sid)
                    && (is_only || action != "s3:PutObject")
            });
            assert!(is_needed, "{sid}: {action}");
        }
    }

    // The stacks of the roles can be read too.
    env.create_stacks().await;
    let doctor = env.output(&["doctor", "--format", "json"]).await;
    let items = serde_json::from_str::<Value>(&doctor.stdout).unwrap()["items"].clone();
    let stacks = items.as_array().unwrap().iter().find(|item| item["item"] == "stack-sets");
    assert_eq!(stacks.unwrap()["verdict"], "ok", "{items:#}");

    // Another place of the state is not its own.
    let elsewhere =
        env.declaring(|config| config.replace("acme-round-state/prod", "acme-other-state"));
    let refused = elsewhere.output(&["serve"]).await;
    assert_eq!(refused.code, 14, "{}", refused.text());
    assert!(refused.stderr.contains("s3:PutObject"), "{}", refused.text());
    // This role allows no change in the management account.
    let trail = management.cloudtrail();
    trail.stop_logging().name("orgtrail").send().await.unwrap();
    let refused = elsewhere.output(&["apply", "--yes"]).await;
    assert_eq!(refused.code, 14, "{}", refused.text());
    let status = trail.get_trail_status().name("orgtrail").send().await.unwrap();
    assert_eq!(status.is_logging(), Some(false));
}
