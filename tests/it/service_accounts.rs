//! The service follows accounts that join and leave the organization.

use std::path::Path;

use aws_sdk_organizations::types::{HandshakeParty, HandshakePartyType};
use jiff::SignedDuration;
use orgtrail::names::AccountId;
use orgtrail::report::contract::new_accounts::{JoinedAccount, JoiningState};
use orgtrail::report::contract::service::Signals;
use orgtrail::serve::accounts::AccountWatcher;
use orgtrail::serve::app::App;
use serde_json::json;

use crate::configured::ConfiguredEnv;
use crate::env::{HOME, MINIMAL, TestEnv, working_day};
use crate::service_rounds::{round, service};

/// The queue, in which the events arrive, and the service's state.
pub(crate) fn config(state: &Path) -> String {
    format!(
        "{MINIMAL}[new_accounts]\nqueue = \"new-accounts\"\n[service]\nlisten = \"127.0.0.1:0\"\n\
         state = \"{}\"\n[[service.schedule]]\nname = \"nightly\"\nrun = [\"drift\"]\n\
         cron = \"17 3 * * *\"\n",
        state.display()
    )
}

/// An organization with everything that the configuration declares, and busy accounts.
pub(crate) async fn organization(state: &Path) -> ConfiguredEnv {
    let env = Box::pin(ConfiguredEnv::at(&config(state), working_day())).await;
    env.sandbox.set_volume(600.0, None);
    Box::pin(env.converge()).await;
    env.sandbox.tick(SignedDuration::from_hours(2));
    env
}

/// Creates an account.
pub(crate) async fn create(env: &ConfiguredEnv, name: &str) -> AccountId {
    let management = env.management();
    let client = management.organizations();
    let create = client.create_account().account_name(name);
    create.email(format!("{name}@example.com")).send().await.unwrap();
    let accounts = client.list_accounts().send().await.unwrap();
    let new = accounts.accounts().iter().find(|account| account.name() == Some(name));
    new.unwrap().id().unwrap().parse().unwrap()
}

/// Invites a standalone account, which accepts, and has no role for orgtrail.
async fn invite(env: &ConfiguredEnv) -> AccountId {
    let account = env.sandbox.add_standalone_account().unwrap();
    let party = HandshakeParty::builder().id(account.as_str());
    let party = party.r#type(HandshakePartyType::Account).build().unwrap();
    let invited = env.management().organizations().invite_account_to_organization().target(party);
    let id = invited.send().await.unwrap().handshake.unwrap().id.unwrap();
    let member = env.sdk_config(env.root_user(&account), HOME);
    let member = aws_sdk_organizations::Client::new(&member);
    member.accept_handshake().handshake_id(id).send().await.unwrap();
    account
}

/// Gives an account the role that orgtrail assumes, as a stack set does.
async fn add_role(env: &TestEnv, account: &AccountId) {
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "AWS": format!("arn:aws:iam::{}:root", env.account(0)) },
        "Action": "sts:AssumeRole",
    }] });
    let iam = aws_sdk_iam::Client::new(&env.sdk_config(env.root_user(account), HOME));
    let name = "OrganizationAccountAccessRole";
    let create = iam.create_role().role_name(name).assume_role_policy_document(trust.to_string());
    create.send().await.unwrap();
    let attach = iam.attach_role_policy().role_name(name);
    attach.policy_arn("arn:aws:iam::aws:policy/AdministratorAccess").send().await.unwrap();
}

fn joined(app: &App, account: &AccountId) -> JoinedAccount {
    let joined = app.accounts().joined(&app.config(), app.now());
    joined.into_iter().find(|it| it.account == *account).expect("it joined")
}

/// Lets time pass, and looks again.
async fn pass(env: &ConfiguredEnv, app: &App, watcher: &mut AccountWatcher, minutes: i64) {
    env.sandbox.tick(SignedDuration::from_mins(minutes));
    // It learns the time from a response.
    Box::pin(app.sign_in()).await.unwrap();
    watcher.turn().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_join_are_followed_until_covered_and_one_that_leaves_is_reported() {
    let state = tempfile::tempdir().unwrap();
    let env = organization(state.path()).await;
    let config = config(state.path());
    let app = Box::pin(service(&env, &config)).await;
    let mut watcher = AccountWatcher::new(app.clone());
    watcher.turn().await;
    assert_eq!(app.accounts().error, None);
    assert_eq!(app.accounts().count, Some(4));
    assert!(app.accounts().joined(&app.config(), app.now()).is_empty());

    let (created, invited) = (create(&env, "payments").await, invite(&env).await);
    env.sandbox.tick(SignedDuration::from_mins(1));
    // Nobody waits for an hour: events announce them.
    assert!(watcher.receive().await.unwrap() >= 2);
    watcher.turn().await;
    assert_eq!(app.accounts().count, Some(6));
    let one = joined(&app, &created);
    assert_eq!((one.state, one.name.as_str()), (JoiningState::Joining, "payments"));
    assert!(one.role_assumed_at.is_some() && one.trail_logging_at.is_none(), "{one:?}");
    assert!(one.reason.unwrap().contains("the trail is not logging in"));
    let other = joined(&app, &invited);
    assert!(other.role_assumed_at.is_none(), "{other:?}");
    assert!(other.reason.unwrap().contains("access denied"));

    pass(&env, &app, &mut watcher, 5).await;
    assert!(joined(&app, &created).trail_logging_at.is_some());
    for _ in 0..4 {
        pass(&env, &app, &mut watcher, 4).await;
    }
    let one = joined(&app, &created);
    assert_eq!((one.state, one.reason.as_deref()), (JoiningState::Covered, None));
    let minutes = one.covered_after_seconds.unwrap() / 60;
    assert!((6..=22).contains(&minutes), "{one:?}");

    add_role(&env, &invited).await;
    for _ in 0..3 {
        pass(&env, &app, &mut watcher, 15).await;
    }
    assert_eq!(joined(&app, &invited).state, JoiningState::Covered);

    // The program shows it, and another replica or a restart reads the same.
    let ran = env.run(&config, &["status"]).await;
    let said = format!("covered {minutes} min after joining");
    assert!(ran.stdout.contains(&said), "no `{said}` in {}", ran.stdout);
    let ran = env.run(&config, &["accounts"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(ran.stdout.contains(&format!("covered after {minutes} min")), "{}", ran.stdout);
    let again = Box::pin(service(&env, &config)).await;
    let mut replica = AccountWatcher::new(again.clone());
    replica.turn().await;
    assert_eq!(again.accounts().history, app.accounts().history);

    let member = env.sdk_config(env.root_user(&invited), HOME);
    aws_sdk_organizations::Client::new(&member).leave_organization().send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_mins(1));
    assert!(watcher.receive().await.unwrap() >= 1);
    watcher.turn().await;
    let departed = app.accounts().departed();
    let [departed] = departed.as_slice() else { panic!("{departed:?}") };
    assert_eq!(departed.account, invited);
    replica.turn().await;
    assert_eq!(again.accounts().history, app.accounts().history);

    let ran = env.run(&config, &["accounts"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    let said = format!("account {invited} (account-{invited}) left the organization by");
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);

    // Its logs stay verifiable: everything until it left is proven, and where its chains end is
    // reported.
    let left_at = env.sandbox.now();
    env.sandbox.tick(SignedDuration::from_hours(3));
    let until = (left_at - SignedDuration::from_mins(10)).to_string();
    let own = ["verify", "--account", invited.as_str(), "--until", &until, "--format", "json"];
    let ran = env.run(&config, &own).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    let report = ran.json();
    let scopes = report["scopes"].as_array().unwrap();
    let proven = scopes.iter().filter(|it| !it["proven"].as_array().unwrap().is_empty()).count();
    assert_eq!((scopes.len(), proven), (2, 2), "{report:#}");
    let ran = env.run(&config, &["verify", "--format", "json"]).await;
    assert_eq!(ran.code, 14, "{}", ran.text());
    let report = ran.json();
    let found = report["findings"].as_array().unwrap();
    let is_end =
        |it: &serde_json::Value| it["kind"] == "ends-early" && it["account"] == invited.as_str();
    assert!(found.len() == 2 && found.iter().all(is_end), "{report:#}");
}

/// The signals after a round that knows what the watcher knows.
async fn signals(env: &ConfiguredEnv, config: &str, watched: &App) -> Signals {
    // A process has one scheduler.
    let app = Box::pin(service(env, config)).await;
    app.set_accounts((*watched.accounts()).clone());
    Box::pin(round(&app)).await;
    let newest = app.board().newest().unwrap().id.clone();
    app.rounds().signals(&newest).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_not_covered_in_time_is_a_finding_until_it_is() {
    let state = tempfile::tempdir().unwrap();
    let env = organization(state.path()).await;
    let config = config(state.path());
    let app = Box::pin(service(&env, &config)).await;
    let mut watcher = AccountWatcher::new(app.clone());
    watcher.turn().await;
    let invited = invite(&env).await;
    pass(&env, &app, &mut watcher, 61).await;
    let open = |signals: &Signals, check: &str| signals.signals.iter().any(|it| it.check == check);
    assert!(!open(&signals(&env, &config, &app).await, "account-not-covered"));
    for _ in 0..3 {
        pass(&env, &app, &mut watcher, 30).await;
    }
    assert_eq!(joined(&app, &invited).state, JoiningState::Late);
    let late = signals(&env, &config, &app).await;
    let late = late.signals.iter().find(|it| it.check == "account-not-covered").unwrap();
    assert!(late.found.contains("access denied"), "{late:?}");
    assert!(late.fix.as_ref().unwrap().contains("config roles"), "{late:?}");

    add_role(&env, &invited).await;
    pass(&env, &app, &mut watcher, 61).await;
    assert_eq!(joined(&app, &invited).state, JoiningState::Covered);
    assert!(!open(&signals(&env, &config, &app).await, "account-not-covered"));

    let remove = env.management().organizations().remove_account_from_organization();
    remove.account_id(invited.as_str()).send().await.unwrap();
    pass(&env, &app, &mut watcher, 61).await;
    assert!(open(&signals(&env, &config, &app).await, "account-departed"));
    pass(&env, &app, &mut watcher, 25 * 60).await;
    assert!(!open(&signals(&env, &config, &app).await, "account-departed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_read_is_an_error_and_nobody_has_left() {
    use orgtrail::sandbox::{Effect, Fault};

    let state = tempfile::tempdir().unwrap();
    let env = organization(state.path()).await;
    let app = Box::pin(service(&env, &config(state.path()))).await;
    let mut watcher = AccountWatcher::new(app.clone());
    watcher.turn().await;
    let leaver = env.account(3);
    let remove = env.management().organizations().remove_account_from_organization();
    remove.account_id(leaver.as_str()).send().await.unwrap();
    for call in ["organizations:ListAccountsForParent", "organizations:DescribeAccount"] {
        env.sandbox.faults().inject(Fault::every(call, Effect::Deny));
        pass(&env, &app, &mut watcher, 61).await;
        let error = app.accounts().error.clone().unwrap();
        assert!(error.contains(call) && error.contains("access denied"), "{error}");
        assert!(app.accounts().departed().is_empty());
        env.sandbox.faults().clear();
    }
    pass(&env, &app, &mut watcher, 61).await;
    assert_eq!(app.accounts().error, None);
    assert_eq!(app.accounts().departed()[0].account, leaver);
}
