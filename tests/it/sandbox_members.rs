//! Accounts of the sandbox join and leave the organization while it runs.

use aws_sdk_organizations::types::{
    CreateAccountState, HandshakeParty, HandshakePartyType, HandshakeState,
};
use jiff::SignedDuration;
use orgtrail::names::AccountId;

use crate::env::HOME;
use crate::trail_env::{HOUR, TrailEnv, check_chain, code};

fn organizations(env: &TrailEnv) -> aws_sdk_organizations::Client {
    aws_sdk_organizations::Client::new(&env.config(0, HOME))
}

/// Clients of an account's root user.
fn of(env: &TrailEnv, account: &AccountId) -> aws_sdk_organizations::Client {
    aws_sdk_organizations::Client::new(&env.sdk_config(env.root_user(account), HOME))
}

fn party(account: &AccountId) -> HandshakeParty {
    HandshakeParty::builder()
        .id(account.as_str())
        .r#type(HandshakePartyType::Account)
        .build()
        .unwrap()
}

/// Creates an account.
async fn create(env: &TrailEnv, name: &str) -> AccountId {
    let client = organizations(env);
    let create = client.create_account().account_name(name);
    let begun = create.email(format!("{name}@example.com")).send().await.unwrap();
    let begun = begun.create_account_status.unwrap();
    assert_eq!(begun.state, Some(CreateAccountState::InProgress));
    let status = client.describe_create_account_status();
    let status = status.create_account_request_id(begun.id.unwrap()).send().await.unwrap();
    status.create_account_status.unwrap().account_id.unwrap().parse().unwrap()
}

/// Invites a standalone account, which accepts.
async fn invite(env: &TrailEnv) -> AccountId {
    let account = env.sandbox.add_standalone_account().unwrap();
    let invited = organizations(env).invite_account_to_organization().target(party(&account));
    let id = invited.send().await.unwrap().handshake.unwrap().id.unwrap();
    let accepted = of(env, &account).accept_handshake().handshake_id(id).send().await.unwrap();
    assert_eq!(accepted.handshake.unwrap().state, Some(HandshakeState::Accepted));
    account
}

async fn trails_of(env: &TrailEnv, account: &AccountId) -> usize {
    let config = env.sdk_config(env.root_user(account), HOME);
    let trails = aws_sdk_cloudtrail::Client::new(&config).describe_trails().send().await.unwrap();
    trails.trail_list().len()
}

#[tokio::test]
async fn a_created_account_has_the_access_role_and_an_invited_one_does_not() {
    let env = TrailEnv::start(3).await;
    let (created, invited) = (create(&env, "new").await, invite(&env).await);
    let sts = aws_sdk_sts::Client::new(&env.config(0, HOME));
    let assume = |account: &AccountId| {
        let arn = format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole");
        sts.assume_role().role_arn(arn).role_session_name("test").send()
    };
    assume(&created).await.unwrap();
    assert_eq!(code(assume(&invited).await), "AccessDenied");
    let accounts = organizations(&env).list_accounts().send().await.unwrap();
    let method = |id: &AccountId| {
        let account = accounts.accounts().iter().find(|it| it.id() == Some(id.as_str()));
        account.unwrap().joined_method().unwrap().as_str().to_owned()
    };
    assert_eq!((method(&created), method(&invited)), ("CREATED".to_owned(), "INVITED".to_owned()));
}

#[tokio::test]
async fn the_trail_appears_in_an_account_some_minutes_after_it_joined_and_goes_when_it_leaves() {
    let env = TrailEnv::start(3).await;
    let arn = env.organization_trail().await;
    env.sandbox.tick(HOUR * 9);
    let account = invite(&env).await;
    assert_eq!(trails_of(&env, &account).await, 0);
    let config = env.sdk_config(env.root_user(&account), HOME);
    let trails = aws_sdk_cloudtrail::Client::new(&config);
    let status = || trails.get_trail_status().name(&arn).send();
    assert_eq!(code(status().await), "TrailNotFoundException");
    env.sandbox.tick(SignedDuration::from_mins(6));
    assert_eq!(trails_of(&env, &account).await, 1);
    let at_first = status().await.unwrap();
    assert!(at_first.is_logging().unwrap() && at_first.latest_delivery_time().is_none());
    env.sandbox.tick(HOUR * 3);
    assert!(status().await.unwrap().latest_delivery_time().is_some());

    of(&env, &account).leave_organization().send().await.unwrap();
    assert_eq!(trails_of(&env, &account).await, 0);
    assert_eq!(code(status().await), "TrailNotFoundException");
    let organization = env.sandbox.organization_id().unwrap();
    let below = |folder: &str| format!("AWSLogs/{organization}/{account}/{folder}/{HOME}/");
    let (logs, digests) = (below("CloudTrail"), below("CloudTrail-Digest"));
    let before = env.keys(1, crate::trail_env::BUCKET, &logs).await;
    assert!(!before.is_empty());
    // One chain, whose last digest covers what was recorded until it left.
    assert_eq!(check_chain(&env, 1, 2, &digests).await, (1, before.len()));
    env.sandbox.tick(HOUR * 5);
    assert_eq!(env.keys(1, crate::trail_env::BUCKET, &logs).await, before);
}

#[tokio::test]
async fn an_account_that_joins_again_begins_a_new_chain() {
    let env = TrailEnv::start(3).await;
    env.organization_trail().await;
    env.sandbox.tick(HOUR * 9);
    let account = invite(&env).await;
    env.sandbox.tick(HOUR * 2);
    let client = organizations(&env);
    let remove = client.remove_account_from_organization().account_id(account.as_str());
    remove.send().await.unwrap();
    env.sandbox.tick(HOUR * 3);
    let invited = client.invite_account_to_organization().target(party(&account));
    let id = invited.send().await.unwrap().handshake.unwrap().id.unwrap();
    of(&env, &account).accept_handshake().handshake_id(id).send().await.unwrap();
    env.sandbox.tick(HOUR * 2);
    let organization = env.sandbox.organization_id().unwrap();
    let digests = format!("AWSLogs/{organization}/{account}/CloudTrail-Digest/{HOME}/");
    assert_eq!(check_chain(&env, 1, 2, &digests).await.0, 2);
}

#[tokio::test]
async fn accounts_that_aws_does_not_let_go_stay() {
    let env = TrailEnv::start(3).await;
    env.organization_trail().await;
    let client = organizations(&env);
    let remove = |account: &AccountId| {
        client.remove_account_from_organization().account_id(account.as_str()).send()
    };
    let refused = "ConstraintViolationException";
    assert_eq!(code(remove(&env.account(0)).await), "MasterCannotLeaveOrganizationException");
    let created = create(&env, "young").await;
    assert_eq!(code(remove(&created).await), refused);
    let delegate = client.register_delegated_administrator().account_id(env.account(2).as_str());
    delegate.service_principal("cloudtrail.amazonaws.com").send().await.unwrap();
    assert_eq!(code(remove(&env.account(2)).await), refused);
    let close = |account: &AccountId| client.close_account().account_id(account.as_str()).send();
    assert_eq!(code(close(&env.account(2)).await), refused);
    assert_eq!(code(close(&env.account(0)).await), refused);
    close(&env.account(1)).await.unwrap();
    assert_eq!(code(close(&env.account(1)).await), "AccountAlreadyClosedException");
    // Four days later it may go.
    env.sandbox.tick(SignedDuration::from_hours(4 * 24));
    remove(&created).await.unwrap();
    assert_eq!(code(remove(&created).await), "AccountNotFoundException");
}

#[tokio::test]
async fn invitations_are_accepted_declined_cancelled_or_expire() {
    let env = TrailEnv::start(3).await;
    let client = organizations(&env);
    let account = env.sandbox.add_standalone_account().unwrap();
    let invite = || client.invite_account_to_organization().target(party(&account)).send();
    let opened = async || invite().await.unwrap().handshake.unwrap().id.unwrap();
    let own = of(&env, &account);
    let id = opened().await;
    assert_eq!(code(invite().await), "DuplicateHandshakeException");
    let declined = own.decline_handshake().handshake_id(&id).send().await.unwrap();
    assert_eq!(declined.handshake.unwrap().state, Some(HandshakeState::Declined));
    let accept = |id: &str| own.accept_handshake().handshake_id(id).send();
    assert_eq!(code(accept(&id).await), "InvalidHandshakeTransitionException");
    let id = opened().await;
    client.cancel_handshake().handshake_id(&id).send().await.unwrap();
    assert_eq!(code(accept(&id).await), "InvalidHandshakeTransitionException");
    let id = opened().await;
    let other = of(&env, &env.account(2));
    assert_eq!(
        code(other.decline_handshake().handshake_id(&id).send().await),
        "AccessDeniedException"
    );
    env.sandbox.tick(SignedDuration::from_hours(15 * 24));
    assert_eq!(code(accept(&id).await), "InvalidHandshakeTransitionException");
    let id = opened().await;
    accept(&id).await.unwrap();
    assert_eq!(code(accept(&id).await), "HandshakeAlreadyInStateException");
    assert_eq!(code(invite().await), "HandshakeConstraintViolationException");
    let listed = client.list_handshakes_for_organization().send().await.unwrap();
    let mut states: Vec<_> =
        listed.handshakes().iter().map(|it| it.state().unwrap().as_str().to_owned()).collect();
    states.sort();
    assert_eq!(states, ["ACCEPTED", "CANCELED", "DECLINED", "EXPIRED"]);
    assert_eq!(code(accept("h-0123456789").await), "HandshakeNotFoundException");
}

#[tokio::test]
async fn an_account_whose_address_is_taken_is_not_created() {
    let env = TrailEnv::start(3).await;
    create(&env, "one").await;
    let client = organizations(&env);
    let again = client.create_account().account_name("two").email("one@example.com");
    let id = again.send().await.unwrap().create_account_status.unwrap().id.unwrap();
    let failed = client.list_create_account_status().states(CreateAccountState::Failed);
    let failed = failed.send().await.unwrap();
    let [failed] = failed.create_account_statuses() else { panic!("{failed:?}") };
    assert_eq!(failed.id(), Some(id.as_str()));
    assert_eq!(failed.failure_reason().unwrap().as_str(), "EMAIL_ALREADY_EXISTS");
    assert_eq!(client.list_accounts().send().await.unwrap().accounts().len(), 4);
}
