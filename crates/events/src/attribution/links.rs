//! Every kind of link, and where it fails.

use serde_json::{Value, json};

use super::answer::{Break, Claim, Link, Origin, Strength, Verdict};
use super::descend::{Followed, Following};
use super::{Answer, Index, Recorded};
use crate::event::Event;

const A: &str = "111111111111";
const B: &str = "222222222222";

pub(super) fn event(id: &str, time: &str, name: &str, identity: &Value) -> Value {
    let source = match name {
        "GetRoleCredentials" | "Federate" => "sso",
        "ConsoleLogin" | "SwitchRole" => "signin",
        "CreateAccessKey" | "CreateLoginProfile" => "iam",
        _ if name.starts_with("Assume") || name.starts_with("Get") => "sts",
        _ => "ec2",
    };
    json!({
        "eventID": id,
        "eventTime": format!("2026-11-20T{time}Z"),
        "eventSource": format!("{source}.amazonaws.com"),
        "eventName": name,
        "awsRegion": "us-east-1",
        "recipientAccountId": A,
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2",
        "userIdentity": identity,
    })
}

pub(super) fn user(id: &str, name: &str) -> Value {
    json!({
        "type": "IAMUser",
        "principalId": id,
        "arn": format!("arn:aws:iam::{A}:user/{name}"),
        "accountId": A,
        "accessKeyId": format!("AKIA{}", &id[4..]),
        "userName": name,
    })
}

pub(super) fn session(role: &str, name: &str, key: Option<&str>, created: Option<&str>) -> Value {
    let mut identity = json!({
        "type": "AssumedRole",
        "principalId": format!("{role}:{name}"),
        "arn": format!("arn:aws:sts::{A}:assumed-role/deploy/{name}"),
        "accountId": A,
        "sessionContext": { "sessionIssuer": {
            "type": "Role", "principalId": role, "accountId": A,
            "arn": format!("arn:aws:iam::{A}:role/deploy"),
        } },
    });
    if let Some(key) = key {
        identity["accessKeyId"] = json!(key);
    }
    if let Some(created) = created {
        identity["sessionContext"]["attributes"] = json!({ "creationDate": format!("2026-11-20T{created}Z"), "mfaAuthenticated": "false" });
    }
    identity
}

/// What `AssumeRole` answers.
pub(super) fn assumed(role: &str, name: &str, key: &str) -> Value {
    json!({
        "credentials": { "accessKeyId": key, "sessionToken": "t" },
        "assumedRoleUser": {
            "assumedRoleId": format!("{role}:{name}"),
            "arn": format!("arn:aws:sts::{A}:assumed-role/deploy/{name}"),
        },
    })
}

fn with(mut event: Value, member: &str, value: Value) -> Value {
    event[member] = value;
    event
}

fn index(question: &str, at: Option<&str>, events: &[Value]) -> Index {
    let texts: Vec<String> = events.iter().map(Value::to_string).collect();
    index_of(question, at, &texts)
}

/// An index of records, given as their texts.
pub(super) fn index_of(question: &str, at: Option<&str>, events: &[String]) -> Index {
    let at = at.map(|at| format!("2026-11-20T{at}Z").parse().unwrap());
    let mut index = Index::new(question.parse().unwrap(), at);
    for event in events {
        index.add(&Event::parse(event).unwrap(), "log.json.gz");
    }
    index
}

fn ask(question: &str, events: &[Value]) -> Answer {
    index(question, None, events).resolve(&Recorded::default())
}

fn alice() -> Value {
    user("AIDAALICEEXAMPLE0000", "alice")
}

fn is_alice(origin: Option<&Origin>) -> bool {
    matches!(origin, Some(Origin::IamUser { id: Some(id), .. }) if **id == *"AIDAALICEEXAMPLE0000")
}

const ROLE: &str = "AROADEPLOYEXAMPLE000";
const KEY: &str = "ASIASESSIONEXAMPLE00";
const OTHER_KEY: &str = "ASIAOTHEREXAMPLE0000";

fn assume(id: &str, time: &str, by: &Value, name: &str, key: &str) -> Value {
    let event = event(id, time, "AssumeRole", by);
    with(event, "responseElements", assumed(ROLE, name, key))
}

fn act(id: &str, time: &str, by: &Value) -> Value {
    event(id, time, "StopInstances", by)
}

#[test]
fn the_issued_key_proves_who_assumed_a_role() {
    let mut issuing = assume("e1", "10:00:00", &alice(), "x", KEY);
    issuing["requestParameters"] = json!({ "serialNumber": "arn:aws:iam::1:mfa/a" });
    let events = [issuing, act("e2", "10:42:00", &session(ROLE, "x", Some(KEY), Some("10:00:00")))];
    for question in [
        KEY,
        "AROADEPLOYEXAMPLE000:x",
        "deploy/x",
        "x",
        "arn:aws:sts::111111111111:assumed-role/deploy/x",
    ] {
        let answer = ask(question, &events);
        assert_eq!(answer.verdict, Verdict::Resolved(Strength::Proven), "{question}");
        let [chain] = &*answer.chains else { panic!("{question}: {:?}", answer.chains) };
        assert!(is_alice(chain.origin.as_ref()));
        assert_eq!((chain.hops.len(), chain.hops[0].link), (1, Link::IssuedKey));
        assert_eq!(chain.hops[0].mfa, Some(true));
        assert_eq!(chain.hops[0].event.as_ref().unwrap().file.as_deref(), Some("log.json.gz"));
        assert_eq!((chain.subject.sessions, chain.subject.events), (1, 1));
    }
    // Without any event of the session itself.
    let answer = ask(KEY, &events[..1]);
    assert!(is_alice(answer.chains[0].origin.as_ref()));
}

#[test]
fn a_chain_of_roles_is_followed_to_the_user() {
    let second = session("AROASECONDEXAMPLE000", "y", Some(OTHER_KEY), Some("10:10:00"));
    let first = session(ROLE, "x", Some(KEY), Some("10:00:00"));
    let issued = assumed("AROASECONDEXAMPLE000", "y", OTHER_KEY);
    let events = [
        assume("e1", "10:00:00", &alice(), "x", KEY),
        with(event("e2", "10:10:00", "AssumeRole", &first), "responseElements", issued),
        act("e3", "10:20:00", &second),
    ];
    let answer = ask(OTHER_KEY, &events);
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Proven));
    assert_eq!(answer.chains[0].hops.len(), 2);
    assert!(is_alice(answer.chains[0].origin.as_ref()));
    // Without the first call the chain ends, and the session's name is a claim.
    let answer = ask(OTHER_KEY, &events[1..]);
    assert_eq!(answer.verdict, Verdict::Broken(Break::NotFound));
    assert_eq!(answer.chains[0].origin, None);
    assert_eq!(answer.chains[0].claims, [Claim::SessionName("x".into())]);
    // Forward.
    let key = "AKIAALICEEXAMPLE0000";
    let forward = index(key, None, &events).descendants(&Recorded::default());
    let found: Vec<_> = forward.sessions.iter().map(|one| (one.depth, one.strength)).collect();
    assert_eq!(found, [(1, Strength::Proven), (2, Strength::Proven)]);
    let followed = Followed::new(key.parse().unwrap(), &forward);
    for (event, wanted) in [
        (&events[0], Some(Following::Directly)),
        (&events[2], Some(Following::Session(Strength::Proven))),
        (&act("e4", "10:00:00", &user("AIDABOBEXAMPLE000000", "bob")), None),
    ] {
        let text = event.to_string();
        assert_eq!(followed.of(&Event::parse(&text).unwrap()), wanted, "{text}");
    }
}

#[test]
fn the_principal_and_the_time_bound_who_it_was_and_the_principal_alone_does_not() {
    let hidden = "HIDDEN_DUE_TO_SECURITY_REASONS";
    let events = [
        assume("e1", "10:00:00", &alice(), "x", hidden),
        assume("e2", "11:00:00", &user("AIDABOBEXAMPLE000000", "bob"), "x", hidden),
    ];
    let ask_of = |by: Value| {
        ask(
            "e3e3e3e3-0000-0000-0000-000000000000",
            &[&events[..], &[act("e3e3e3e3-0000-0000-0000-000000000000", "11:30:00", &by)]]
                .concat(),
        )
    };
    let answer = ask_of(session(ROLE, "x", Some(KEY), Some("10:00:03")));
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Bounded));
    assert!(is_alice(answer.chains[0].origin.as_ref()));
    let answer = ask_of(session(ROLE, "x", Some(KEY), Some("10:30:00")));
    assert_eq!(answer.verdict, Verdict::Broken(Break::KeyRedacted));
    let answer = ask_of(session(ROLE, "x", None, None));
    assert_eq!(answer.verdict, Verdict::Ambiguous);
    assert_eq!(answer.chains.len(), 2);
    assert!(answer.chains.iter().all(|chain| chain.strength() == Strength::Claimed));
    let only = ask(
        "e3e3e3e3-0000-0000-0000-000000000000",
        &[
            events[0].clone(),
            act(
                "e3e3e3e3-0000-0000-0000-000000000000",
                "11:30:00",
                &session(ROLE, "x", None, None),
            ),
        ],
    );
    assert_eq!(only.verdict, Verdict::Claimed);
}

#[test]
fn a_call_that_issued_another_key_is_not_the_one() {
    let events = [
        assume("e1", "10:00:00", &alice(), "x", OTHER_KEY),
        act("e2", "10:42:00", &session(ROLE, "x", Some(KEY), Some("10:00:00"))),
    ];
    assert_eq!(ask(KEY, &events).verdict, Verdict::Broken(Break::NotFound));
    // A service that acts for the session has a key of its own.
    let mut by_service = session(ROLE, "x", Some(KEY), Some("10:00:00"));
    by_service["invokedBy"] = json!("cloudformation.amazonaws.com");
    let events = [events[0].clone(), act("e2", "10:42:00", &by_service)];
    assert_eq!(ask(KEY, &events).verdict, Verdict::Resolved(Strength::Bounded));
}

#[test]
fn sessions_of_one_name_at_one_time_are_candidates() {
    let bob = user("AIDABOBEXAMPLE000000", "bob");
    let events = [
        assume("e1", "10:00:00", &alice(), "x", KEY),
        assume("e2", "10:10:00", &bob, "x", OTHER_KEY),
        act("e3", "10:42:00", &session(ROLE, "x", Some(KEY), Some("10:00:00"))),
        act("e4", "10:50:00", &session(ROLE, "x", Some(OTHER_KEY), Some("10:10:00"))),
    ];
    let question = "AROADEPLOYEXAMPLE000:x";
    let answer = index(question, Some("10:42:00"), &events).resolve(&Recorded::default());
    assert_eq!(answer.verdict, Verdict::Ambiguous);
    assert_eq!(answer.chains.len(), 2);
    assert!(answer.chains[0].subject.has_acted_at && !answer.chains[1].subject.has_acted_at);
    assert!(is_alice(answer.chains[0].origin.as_ref()));
    // Before the second session there was one only.
    let answer = index(question, Some("10:05:00"), &events).resolve(&Recorded::default());
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Proven));
    // Both of one person: the answer is the person.
    let events = [
        events[0].clone(),
        assume("e2", "10:10:00", &alice(), "x", OTHER_KEY),
        events[2].clone(),
        events[3].clone(),
    ];
    let answer = index(question, Some("10:42:00"), &events).resolve(&Recorded::default());
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Proven));
    assert_eq!(answer.chains.len(), 2);
}

#[test]
fn two_accounts_records_of_a_call_are_joined() {
    let shared = |event: Value| with(event, "sharedEventID", json!("s1"));
    let from_b =
        json!({ "type": "AWSAccount", "principalId": "AIDACAROLEXAMPLE0000", "accountId": B });
    let mut carol = user("AIDACAROLEXAMPLE0000", "carol");
    carol["accountId"] = json!(B);
    let owner = shared(assume("e1", "10:00:00", &from_b, "x", KEY));
    let caller =
        with(shared(assume("e2", "10:00:00", &carol, "x", KEY)), "recipientAccountId", json!(B));
    let used = act("e3", "10:42:00", &session(ROLE, "x", Some(KEY), Some("10:00:00")));
    for order in [[&owner, &caller], [&caller, &owner]] {
        let answer = ask(KEY, &[order[0].clone(), order[1].clone(), used.clone()]);
        assert_eq!(answer.verdict, Verdict::Resolved(Strength::Proven));
        let hop = &answer.chains[0].hops[0];
        assert_eq!(hop.link, Link::SharedEvent);
        assert_eq!(hop.event.as_ref().unwrap().account.as_deref(), Some(B));
        assert_eq!(hop.other.as_ref().unwrap().account.as_deref(), Some(A));
        assert_eq!(hop.by.as_ref().unwrap().user_name.as_deref(), Some("carol"));
    }
    // The role owner's record alone has the user's id.
    let answer = ask(KEY, &[owner.clone(), used.clone()]);
    assert!(
        matches!(&answer.chains[0].origin, Some(Origin::IamUser { id: Some(id), arn: None, .. }) if **id == *"AIDACAROLEXAMPLE0000")
    );
    // Or only that of a session, whose account is not here.
    let from_b =
        json!({ "type": "AWSAccount", "principalId": "AROABEXAMPLE00000000:y", "accountId": B });
    let answer = ask(KEY, &[assume("e1", "10:00:00", &from_b, "x", KEY), used]);
    assert_eq!(answer.verdict, Verdict::Broken(Break::CallerElsewhere(B.into())));
    assert_eq!(answer.chains[0].claims, [Claim::SessionName("y".into())]);
}

#[test]
fn identity_center_is_followed_by_its_user_or_by_the_time() {
    let role = "AROASSOEXAMPLE000000";
    let permission_set = |mut identity: Value| {
        identity["sessionContext"]["sessionIssuer"]["arn"] = json!(format!(
            "arn:aws:iam::{A}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef"
        ));
        identity
    };
    let mut identity = permission_set(session(role, "dave", Some(KEY), Some("10:00:01")));
    let credentials = |id: &str, user: &str, set: &str| {
        let by = json!({ "type": "IdentityCenterUser", "accountId": B,
            "onBehalfOf": { "userId": user, "identityStoreArn": "arn:aws:identitystore::2:identitystore/d-1" } });
        with(
            event(id, "10:00:00", "GetRoleCredentials", &by),
            "serviceEventDetails",
            json!({ "role_name": set, "account_id": A }),
        )
    };
    let used = act("e9", "10:42:00", &identity);
    let center = |answer: &Answer| match &answer.chains[0].origin {
        Some(Origin::IdentityCenterUser { id, .. }) => id.to_string(),
        other => panic!("{other:?}"),
    };
    let answer = ask(
        KEY,
        &[credentials("e1", "u-dave", "Admin"), credentials("e2", "u-eve", "Adm"), used.clone()],
    );
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Bounded));
    assert_eq!(
        (center(&answer), answer.chains[0].hops[0].link),
        ("u-dave".to_owned(), Link::IdentityCenter)
    );
    // Two people at one time.
    let answer = ask(
        KEY,
        &[credentials("e1", "u-dave", "Admin"), credentials("e2", "u-eve", "Admin"), used.clone()],
    );
    assert_eq!(answer.verdict, Verdict::Ambiguous);
    // The session itself names its user.
    identity["onBehalfOf"] = json!({ "userId": "u-dave", "identityStoreArn": "s" });
    let answer = ask(KEY, &[act("e9", "10:42:00", &identity)]);
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Proven));
    assert_eq!(
        (center(&answer), answer.chains[0].hops[0].link),
        ("u-dave".to_owned(), Link::OnBehalfOf)
    );
    // Neither.
    let answer = ask(KEY, &[used]);
    assert_eq!(answer.verdict, Verdict::Broken(Break::NotFound));
    assert_eq!(answer.chains[0].claims, [Claim::SessionName("dave".into())]);
}

#[test]
fn federated_sign_in_ends_at_the_providers_subject() {
    let saml = json!({ "type": "SAMLUser", "principalId": "abc=:frank", "userName": "frank",
        "identityProvider": "arn:aws:iam::111111111111:saml-provider/corp" });
    let web = json!({ "type": "WebIdentityUser", "principalId": "token.actions.githubusercontent.com:sts.amazonaws.com:repo:o/r:ref",
        "userName": "repo:o/r:ref", "identityProvider": "arn:aws:iam::111111111111:oidc-provider/token.actions.githubusercontent.com" });
    let used = act("e2", "10:42:00", &session(ROLE, "x", Some(KEY), Some("10:00:00")));
    for (name, by, kind) in [
        ("AssumeRoleWithSAML", saml, "SAML subject"),
        ("AssumeRoleWithWebIdentity", web, "web identity"),
    ] {
        let issuing =
            with(event("e1", "10:00:00", name, &by), "responseElements", assumed(ROLE, "x", KEY));
        let answer = ask(KEY, &[issuing, used.clone()]);
        assert_eq!(answer.verdict, Verdict::Resolved(Strength::Proven));
        let origin = answer.chains[0].origin.as_ref().unwrap();
        assert_eq!(origin.kind(), kind);
        assert!(origin.unique_id().is_some());
    }
}

#[test]
fn federation_and_session_tokens_end_at_their_user() {
    let federated = |issuer: bool| {
        let mut identity = json!({ "type": "FederatedUser", "principalId": format!("{A}:app"),
            "arn": format!("arn:aws:sts::{A}:federated-user/app"), "accountId": A, "accessKeyId": KEY,
            "sessionContext": { "attributes": { "creationDate": "2026-11-20T10:00:00Z" } } });
        if issuer {
            identity["sessionContext"]["sessionIssuer"] = json!({ "type": "IAMUser",
                "principalId": "AIDAALICEEXAMPLE0000", "arn": format!("arn:aws:iam::{A}:user/alice") });
        }
        act("e2", "12:00:00", &identity)
    };
    let issuing = with(
        event("e1", "10:00:00", "GetFederationToken", &alice()),
        "responseElements",
        json!({ "credentials": { "accessKeyId": KEY }, "federatedUser": { "federatedUserId": format!("{A}:app") } }),
    );
    let answer = ask(KEY, &[issuing, federated(false)]);
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Proven));
    assert!(is_alice(answer.chains[0].origin.as_ref()));
    assert_eq!(answer.chains[0].claims, [Claim::FederatedName("app".into())]);
    let answer = ask(KEY, &[federated(true)]);
    assert_eq!(answer.chains[0].hops[0].link, Link::SessionIssuer);
    assert!(is_alice(answer.chains[0].origin.as_ref()));
    assert_eq!(ask(KEY, &[federated(false)]).verdict, Verdict::Broken(Break::NotFound));

    let mut token = alice();
    token["accessKeyId"] = json!(KEY);
    token["sessionContext"] = json!({ "attributes": { "creationDate": "2026-11-20T10:00:00Z" } });
    let issuing = with(
        event("e1", "10:00:00", "GetSessionToken", &alice()),
        "responseElements",
        json!({ "credentials": { "accessKeyId": KEY } }),
    );
    let created = with(
        event("e0", "09:00:00", "CreateAccessKey", &user("AIDAADMINEXAMPLE0000", "admin")),
        "responseElements",
        json!({ "accessKey": { "accessKeyId": "AKIAALICEEXAMPLE0000", "userName": "alice" } }),
    );
    let answer = ask(KEY, &[created, issuing, act("e2", "10:42:00", &token)]);
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Proven));
    let chain = &answer.chains[0];
    assert!(is_alice(chain.origin.as_ref()) && chain.hops.len() == 1);
    let creator = chain.credential.as_ref().unwrap();
    assert_eq!(creator.by.as_ref().unwrap().user_name.as_deref(), Some("admin"));
}

#[test]
fn the_console_is_bounded_by_the_time_of_the_sign_in() {
    let mut console = alice();
    console["accessKeyId"] = json!(KEY);
    console["sessionContext"] = json!({ "attributes": { "creationDate": "2026-11-20T10:00:00Z" } });
    let mut plain = alice();
    plain.as_object_mut().unwrap().remove("accessKeyId");
    let mut login = event("e1", "10:00:00", "ConsoleLogin", &plain);
    login["responseElements"] = json!({ "ConsoleLogin": "Success" });
    login["additionalEventData"] = json!({ "MFAUsed": "Yes" });
    let mut other = console.clone();
    other["accessKeyId"] = json!(OTHER_KEY);
    let events = [login.clone(), act("e2", "10:10:00", &console), act("e3", "10:20:00", &other)];
    let answer = ask("alice", &events);
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Bounded));
    let signed_in = answer.chains.iter().find(|chain| chain.subject.sessions == 2).unwrap();
    assert_eq!((signed_in.hops[0].link, signed_in.hops[0].mfa), (Link::SignIn, Some(true)));
    // A refused sign-in issued nothing; the user is known all the same.
    login["responseElements"] = json!({ "ConsoleLogin": "Failure" });
    let answer = ask(KEY, &[login, events[1].clone()]);
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Proven));
    assert!(answer.chains[0].hops.is_empty() && is_alice(answer.chains[0].origin.as_ref()));

    let role = session(ROLE, "alice", Some(KEY), Some("10:30:00"));
    let mut switch = event("e4", "10:30:00", "SwitchRole", &session(ROLE, "alice", None, None));
    switch["additionalEventData"] = json!({ "SwitchFrom": format!("arn:aws:iam::{A}:user/alice") });
    let answer = ask(KEY, &[switch, act("e5", "10:31:00", &role)]);
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Bounded));
    assert_eq!(answer.chains[0].hops[0].link, Link::SwitchedRole);
    // The record has a name only, which another user may have had.
    assert_eq!(answer.chains[0].origin.as_ref().unwrap().unique_id(), None);
}

#[test]
fn instances_and_services_are_workloads() {
    let by = |service: &str| json!({ "type": "AWSService", "invokedBy": service });
    let instance = "i-0123456789abcdef0";
    let mut used = session(ROLE, instance, Some(KEY), Some("10:00:00"));
    let issuing = assume("e1", "10:00:00", &by("ec2.amazonaws.com"), instance, KEY);
    let answer = ask(instance, &[issuing, act("e2", "10:42:00", &used)]);
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Proven));
    assert!(
        matches!(&answer.chains[0].origin, Some(Origin::Instance { id, .. }) if **id == *instance)
    );
    // The name alone proves nothing: anyone may choose it.
    let answer = ask(KEY, &[act("e2", "10:42:00", &used)]);
    assert_eq!(answer.verdict, Verdict::Broken(Break::NotFound));
    assert_eq!(answer.chains[0].claims, [Claim::SessionName(instance.into())]);
    used["sessionContext"]["ec2RoleDelivery"] = json!("2.0");
    let answer = ask(KEY, &[act("e2", "10:42:00", &used)]);
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Proven));
    assert_eq!(answer.chains[0].hops[0].link, Link::InstanceRole);

    let issuing = assume("e1", "10:00:00", &by("lambda.amazonaws.com"), "f", KEY);
    let answer = ask(
        KEY,
        &[issuing, act("e2", "10:42:00", &session(ROLE, "f", Some(KEY), Some("10:00:00")))],
    );
    assert!(
        matches!(&answer.chains[0].origin, Some(Origin::Service { name, acts_for: Some(function) })
        if **name == *"lambda.amazonaws.com" && **function == *"f")
    );
}

#[test]
fn a_session_of_centralized_root_access_ends_at_its_caller() {
    let root = json!({ "type": "Root", "principalId": B, "arn": format!("arn:aws:iam::{B}:root"), "accountId": B,
        "accessKeyId": KEY, "sessionContext": { "assumedRoot": "true", "attributes": { "creationDate": "2026-11-20T10:00:00Z" } } });
    let issue = |key: &str| {
        let mut issuing = event("e1", "10:00:00", "AssumeRoot", &alice());
        issuing["requestParameters"] = json!({ "targetPrincipal": B });
        issuing["responseElements"] = json!({ "credentials": { "accessKeyId": key } });
        issuing
    };
    for (key, strength) in [(KEY, Strength::Proven), ("HIDDEN", Strength::Bounded)] {
        let answer = ask(KEY, &[issue(key), act("e2", "10:01:00", &root)]);
        assert_eq!(answer.verdict, Verdict::Resolved(strength));
        assert!(is_alice(answer.chains[0].origin.as_ref()));
    }
    assert_eq!(ask(KEY, &[act("e2", "10:01:00", &root)]).verdict, Verdict::Broken(Break::NotFound));
    let mut itself = root;
    itself["sessionContext"] = json!({});
    let answer = ask(KEY, &[act("e2", "10:01:00", &itself)]);
    assert!(matches!(&answer.chains[0].origin, Some(Origin::Root { account }) if **account == *B));
}

#[test]
fn a_user_created_again_is_another() {
    let again = user("AIDAAGAINEXAMPLE0000", "alice");
    let events = [act("e1", "10:00:00", &alice()), act("e2", "11:00:00", &again)];
    let answer = ask("arn:aws:iam::111111111111:user/alice", &events);
    assert_eq!(answer.verdict, Verdict::Ambiguous);
    assert_eq!(answer.chains.len(), 2);
    assert_eq!(ask("AIDAAGAINEXAMPLE0000", &events).chains.len(), 1);
}

#[test]
fn the_reason_why_a_chain_is_broken_is_said() {
    let mut used = session(ROLE, "x", Some(KEY), Some("10:00:00"));
    used["sessionContext"]["sourceIdentity"] = json!("alice");
    let index = index(KEY, None, &[act("e1", "10:42:00", &used)]);
    let of = |recorded: &Recorded| index.resolve(recorded).verdict;
    let created = "2026-11-20T10:00:00Z".parse().unwrap();
    let since = "2026-11-20T10:30:00Z".parse().ok();
    assert_eq!(
        of(&Recorded { since, ..Recorded::default() }),
        Verdict::Broken(Break::BeforeWindow(created))
    );
    let accounts = [B.to_owned()].into();
    assert_eq!(
        of(&Recorded { accounts, ..Recorded::default() }),
        Verdict::Broken(Break::AccountNotRecorded(A.into()))
    );
    assert_eq!(
        of(&Recorded { is_incomplete: true, ..Recorded::default() }),
        Verdict::Broken(Break::Unreadable)
    );
    let answer = index.resolve(&Recorded::default());
    assert_eq!(
        answer.chains[0].claims,
        [Claim::SourceIdentity("alice".into()), Claim::SessionName("x".into())]
    );
    assert_eq!(ask("ASIANOBODYEXAMPLE000", &[]).verdict, Verdict::NotFound);
}

#[test]
fn a_circle_of_calls_ends() {
    let first = session(ROLE, "x", Some(KEY), Some("10:00:00"));
    let second = session("AROASECONDEXAMPLE000", "y", Some(OTHER_KEY), Some("10:00:00"));
    let issued = assumed("AROASECONDEXAMPLE000", "y", OTHER_KEY);
    let answer = ask(
        KEY,
        &[
            assume("e1", "10:00:00", &second, "x", KEY),
            with(event("e2", "10:00:00", "AssumeRole", &first), "responseElements", issued),
            act("e3", "10:42:00", &first),
        ],
    );
    assert_eq!(answer.verdict, Verdict::Broken(Break::Circular));
}

#[test]
fn a_failed_call_issues_nothing() {
    let refused =
        with(assume("e1", "10:00:00", &alice(), "x", KEY), "errorCode", json!("AccessDenied"));
    let used = act("e2", "10:42:00", &session(ROLE, "x", Some(KEY), Some("10:00:00")));
    assert_eq!(ask(KEY, &[refused, used]).verdict, Verdict::Broken(Break::NotFound));
}

#[test]
fn the_bucket_owners_record_of_an_event_leads_to_the_callers() {
    let id = "e5e5e5e5-0000-0000-0000-000000000000";
    let shared = |event: Value| with(event, "sharedEventID", json!("s1"));
    let by_account =
        json!({ "type": "AWSAccount", "principalId": format!("{ROLE}:x"), "accountId": A });
    let owners = shared(act(id, "10:42:00", &by_account));
    let callers = shared(act("e6", "10:42:00", &session(ROLE, "x", Some(KEY), Some("10:00:00"))));
    let issuing = assume("e1", "10:00:00", &alice(), "x", KEY);
    let mut index = index(id, None, &[callers.clone(), owners, issuing]);
    // Alone, it is one of the sessions of the role and name.
    let answer = index.resolve(&Recorded::default());
    assert_eq!(answer.verdict, Verdict::Claimed);
    let (missing, at) = index.missing_record().unwrap();
    assert_eq!((missing, at), ("s1", "2026-11-20T10:42:00Z".parse().unwrap()));
    index.add(&Event::parse(&callers.to_string()).unwrap(), "log.json.gz");
    assert_eq!(index.missing_record(), None);
    let answer = index.resolve(&Recorded::default());
    assert_eq!(answer.verdict, Verdict::Resolved(Strength::Proven));
    assert!(is_alice(answer.chains[0].origin.as_ref()));
}
