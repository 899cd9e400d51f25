use orgtrail_base::names::{Partition, Region};

use super::*;
use crate::clock::real_now;
use crate::{Options, bootstrap};

fn control() -> Control {
    let options = Options::new("us-east-1".parse().unwrap());
    bootstrap::control(&options, real_now(), &mut fastrand::Rng::with_seed(1)).unwrap()
}

fn account(digit: &str) -> AccountId {
    digit.repeat(12).parse().unwrap()
}

fn caller(digit: &str, identity: Identity) -> Caller {
    let mut caller = Caller::service(Partition::Aws, &account(digit), "", None);
    caller.temporary = matches!(identity, Identity::AssumedRole { .. });
    caller.identity = identity;
    caller
}

fn member(digit: &str) -> Caller {
    let role = bootstrap::ACCESS_ROLE.to_owned();
    caller(digit, Identity::AssumedRole { role, session: "s".to_owned() })
}

fn document(effect: &str, principal: &str, action: &str, condition: &str) -> Document {
    let principal =
        if principal.is_empty() { String::new() } else { format!(r#""Principal":{principal},"#) };
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}",{principal}"Action":"{action}","Resource":"*","Condition":{{{condition}}}}}]}}"#
    );
    let kind = if principal.is_empty() { PolicyType::Identity } else { PolicyType::Resource };
    Document::new(text, kind).unwrap()
}

fn decide(
    control: &Control,
    caller: &Caller,
    owner: &AccountId,
    action: &str,
    policy: Option<&Document>,
) -> Result<(), Denial> {
    let region: Region = "us-east-1".parse().unwrap();
    let request = Request {
        action,
        resource: "arn:aws:s3:::bucket/key",
        resource_account: owner,
        region: &region,
        resource_policy: policy.map(Document::evaluator),
        context: &[],
        secure_transport: true,
    };
    control.decide(Some(caller), &request)
}

#[test]
fn across_accounts_both_sides_must_allow() {
    let control = control();
    let (archive, member) = (account("2"), member("3"));
    let ask =
        |policy: Option<&Document>| decide(&control, &member, &archive, "s3:GetObject", policy);
    assert!(
        ask(None)
            .unwrap_err()
            .message
            .ends_with("because no resource-based policy allows the s3:GetObject action")
    );
    for (principal, allowed) in [
        (r#"{"AWS":"333333333333"}"#, true),
        (r#"{"AWS":"arn:aws:iam::333333333333:root"}"#, true),
        (r#"{"AWS":"arn:aws:iam::333333333333:role/OrganizationAccountAccessRole"}"#, true),
        (r#""*""#, true),
        (r#"{"AWS":"*"}"#, true),
        (r#"{"AWS":"arn:aws:iam::111111111111:root"}"#, false),
        (r#"{"AWS":"arn:aws:iam::333333333333:role/Other"}"#, false),
        (r#"{"Service":"cloudtrail.amazonaws.com"}"#, false),
    ] {
        let policy = document("Allow", principal, "s3:GetObject", "");
        assert_eq!(ask(Some(&policy)).is_ok(), allowed, "{principal}");
    }
    let deny = document("Deny", r#""*""#, "s3:*", "");
    assert!(ask(Some(&deny)).unwrap_err().explicit);
}

#[test]
fn a_key_policy_must_allow_even_its_own_account() {
    let control = control();
    let (archive, member) = (account("2"), member("2"));
    assert!(decide(&control, &member, &archive, "s3:GetObject", None).is_ok());
    let other = document("Allow", r#"{"AWS":"111111111111"}"#, "kms:*", "");
    assert!(decide(&control, &member, &archive, "kms:Decrypt", Some(&other)).is_err());
    let own = document("Allow", r#"{"AWS":"222222222222"}"#, "kms:*", "");
    assert!(decide(&control, &member, &archive, "kms:Decrypt", Some(&own)).is_ok());
}

#[test]
fn services_are_told_apart_by_what_they_act_for() {
    let control = control();
    let (archive, management) = (account("2"), account("1"));
    let condition = r#""ArnLike":{"aws:SourceArn":"arn:aws:cloudtrail:*:111111111111:trail/*"}"#;
    let service = r#"{"Service":"cloudtrail.amazonaws.com"}"#;
    let policy = document("Allow", service, "s3:PutObject", condition);
    for (name, trail, allowed) in [
        ("cloudtrail.amazonaws.com", "arn:aws:cloudtrail:us-east-1:111111111111:trail/t", true),
        ("cloudtrail.amazonaws.com", "arn:aws:cloudtrail:us-east-1:444444444444:trail/t", false),
        ("config.amazonaws.com", "arn:aws:cloudtrail:us-east-1:111111111111:trail/t", false),
    ] {
        let caller = Caller::service(Partition::Aws, &management, name, Some(trail.to_owned()));
        let decided = decide(&control, &caller, &archive, "s3:PutObject", Some(&policy));
        assert_eq!(decided.is_ok(), allowed, "{name} {trail}");
    }
}

#[test]
fn a_session_policy_bounds_and_long_term_keys_have_no_mfa_key() {
    let control = control();
    let archive = account("2");
    let mut bound = member("2");
    bound.session_policy = Some(document("Allow", "", "s3:GetObject", ""));
    assert!(decide(&control, &bound, &archive, "s3:GetObject", None).is_ok());
    let refused = decide(&control, &bound, &archive, "s3:PutObject", None).unwrap_err();
    assert!(refused.message.contains("no session policy allows"), "{}", refused.message);

    let guard = |operator: &str| {
        document(
            "Deny",
            r#""*""#,
            "s3:*",
            &format!(r#""{operator}":{{"aws:MultiFactorAuthPresent":"false"}}"#),
        )
    };
    let admin = caller("1", Identity::User(bootstrap::ADMINISTRATOR.to_owned()));
    let management = account("1");
    let ask = |caller: &Caller, operator: &str| {
        decide(&control, caller, &management, "s3:DeleteObject", Some(&guard(operator))).is_ok()
    };
    assert!(ask(&admin, "Bool"));
    assert!(!ask(&admin, "BoolIfExists"));
    let mut session = admin.clone();
    session.temporary = true;
    assert!(!ask(&session, "Bool"));
    session.mfa_at = Some(real_now());
    assert!(ask(&session, "BoolIfExists"));
}

#[test]
fn a_boundary_that_names_no_policy_allows_nothing() {
    let mut control = control();
    let (archive, member) = (account("2"), member("2"));
    let iam = &mut control.accounts.get_mut(&archive).unwrap().iam;
    let role = iam.roles.get_mut(bootstrap::ACCESS_ROLE).unwrap();
    role.grants.boundary = Some("arn:aws:iam::222222222222:policy/gone".to_owned());
    let refused = decide(&control, &member, &archive, "s3:GetObject", None).unwrap_err();
    assert!(refused.message.contains("no permissions boundary allows"), "{}", refused.message);
}
