//! Where a chain ends: who acted, as AWS wrote it.

use super::actor::Actor;
use super::answer::{Hop, Link, Origin, Strength};
use super::fact::{Fact, account_of};
use super::texts::Texts;
use crate::Event;

/// Who acted, where the record says it.
pub(super) fn direct(actor: &Actor) -> Option<(Option<Hop>, Origin)> {
    let Actor { principal_id, arn, account, user_name, provider, .. } = actor;
    let id = principal_id.clone();
    if let Some(user) = &actor.center_user {
        let origin = Origin::IdentityCenterUser {
            id: user.clone(),
            store: actor.identity_store.clone(),
            name: user_name.clone().or_else(|| actor.session_name().map(Into::into)),
        };
        let hop = (actor.is_session()).then(|| written(Link::OnBehalfOf, None));
        return Some((hop, origin));
    }
    let is_user = id.as_deref().is_some_and(|id| id.starts_with("AIDA"));
    let origin = match actor.kind() {
        "IAMUser" => Origin::IamUser { id, arn: arn.clone(), account: account.clone() },
        "AWSAccount" if is_user => {
            Origin::IamUser { id, arn: arn.clone(), account: account.clone() }
        }
        "Root" if !actor.assumed_root => Origin::Root { account: account.clone()? },
        "SAMLUser" => {
            Origin::SamlSubject { provider: provider.clone(), id, name: user_name.clone() }
        }
        "WebIdentityUser" => {
            Origin::WebIdentity { provider: provider.clone(), id, name: user_name.clone() }
        }
        // Before `onBehalfOf`, IAM Identity Center wrote the user's id as principal.
        "IdentityCenterUser" | "Unknown" if user_name.is_some() && id != *account => {
            Origin::IdentityCenterUser { id: id?, store: None, name: user_name.clone() }
        }
        "AWSService" | "" => Origin::Service { name: actor.invoked_by.clone()?, acts_for: None },
        _ => return None,
    };
    Some((None, origin))
}

/// Who is behind an event, where AWS wrote it into the record itself: a principal that is no
/// session, or the user, the issuer or the instance that the session's record names. The call that
/// issued a session is in another record.
#[must_use]
pub fn named_in_record(event: &Event<'_>) -> Option<Origin> {
    let actor = Actor::new(&event.identity, &mut Texts::default());
    let named = direct(&actor).map(|(_, origin)| origin);
    named.or_else(|| Some(written_origin(&actor)?.1))
}

/// Who is behind a session by what AWS wrote into the session itself.
pub(super) fn written_origin(actor: &Actor) -> Option<(Hop, Origin)> {
    if actor.kind() == "FederatedUser" {
        let id = actor.issuer_id.clone()?;
        let account =
            account_of(actor.issuer_arn.as_deref()).map(Into::into).or(actor.account.clone());
        let origin = match actor.issuer_kind.as_deref() {
            Some("Root") => Origin::Root { account: account? },
            Some("IAMUser") if id.starts_with("AIDA") => {
                Origin::IamUser { id: Some(id), arn: actor.issuer_arn.clone(), account }
            }
            _ => return None,
        };
        return Some((written(Link::SessionIssuer, None), origin));
    }
    let instance = actor.instance().filter(|_| actor.ec2_role_delivery.is_some())?;
    let origin = Origin::Instance { id: instance.into(), account: actor.account.clone() };
    Some((written(Link::InstanceRole, Some(actor)), origin))
}

fn written(link: Link, by: Option<&Actor>) -> Hop {
    Hop {
        link,
        strength: Strength::Proven,
        broken: None,
        event: None,
        other: None,
        by: by.cloned(),
        source_ip: None,
        user_agent: None,
        mfa: None,
    }
}

/// The service that issued a session to itself, or to what runs in it.
pub(super) fn of_service(fact: &Fact, session: &Actor) -> Option<Origin> {
    if fact.actor.kind() != "AWSService" {
        return None;
    }
    let name = fact.actor.invoked_by.clone()?;
    if let ("ec2.amazonaws.com", Some(instance)) = (&*name, session.instance()) {
        return Some(Origin::Instance { id: instance.into(), account: session.account.clone() });
    }
    Some(Origin::Service { name, acts_for: session.session_name().map(Into::into) })
}

/// Who switched to a role in the console: the record has the ARN only.
pub(super) fn switched_from(fact: &Fact) -> Actor {
    let arn = fact.issued.arn.clone();
    let resource = arn.as_deref().and_then(|arn| arn.split(':').nth(5)).unwrap_or_default();
    let kind = match resource.split('/').next().unwrap_or_default() {
        "user" => "IAMUser",
        "root" => "Root",
        "assumed-role" => "AssumedRole",
        _ => "Unknown",
    };
    Actor {
        kind: Some(kind.into()),
        account: account_of(arn.as_deref()).map(Into::into),
        user_name: resource.rsplit('/').next().filter(|_| kind == "IAMUser").map(Into::into),
        arn,
        ..Actor::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn named(identity: &Value) -> Option<String> {
        let record = json!({ "eventName": "GetObject", "userIdentity": identity }).to_string();
        let origin = named_in_record(&Event::parse(&record).unwrap())?;
        origin.unique_id().map(|(_, id)| id.to_owned())
    }

    #[test]
    fn a_record_names_who_is_behind_it_only_where_aws_wrote_it() {
        let user = "arn:aws:iam::111111111111:user/alice";
        let session = json!({
            "type": "AssumedRole", "accountId": "111111111111", "principalId": "AROAX:alice",
            "arn": "arn:aws:sts::111111111111:assumed-role/deploy/alice",
            "sessionContext": { "sourceIdentity": "alice" },
        });
        // A caller chose the name of the session, and its source identity.
        assert_eq!(named(&session), None);
        let with = |member: &str, value: Value| {
            let mut session = session.clone();
            session[member] = value;
            session
        };
        let instance = {
            let mut session = with("principalId", json!("AROAX:i-0123456789abcdef0"));
            session["sessionContext"]["ec2RoleDelivery"] = json!("2.0");
            session
        };
        for (identity, expected) in [
            (json!({ "type": "IAMUser", "principalId": "AIDAX", "arn": user }), "AIDAX"),
            (json!({ "type": "Root", "accountId": "111111111111" }), "111111111111"),
            (with("onBehalfOf", json!({ "userId": "u-1" })), "u-1"),
            (instance, "i-0123456789abcdef0"),
            (json!({ "type": "AWSService", "invokedBy": "x.amazonaws.com" }), "x.amazonaws.com"),
            (
                json!({
                    "type": "FederatedUser", "principalId": "111111111111:bob",
                    "sessionContext": { "sessionIssuer": {
                        "type": "IAMUser", "principalId": "AIDAX", "arn": user } },
                }),
                "AIDAX",
            ),
        ] {
            assert_eq!(named(&identity).as_deref(), Some(expected), "{identity}");
        }
        // A name alone is not unique: another user may have had it.
        assert_eq!(named(&json!({ "type": "SAMLUser", "userName": "bob" })), None);
        // The root user of a member, whose session somebody assumed.
        let assumed = json!({
            "type": "Root", "accountId": "111111111111",
            "sessionContext": { "assumedRoot": "true" },
        });
        assert_eq!(named(&assumed), None);
    }
}
