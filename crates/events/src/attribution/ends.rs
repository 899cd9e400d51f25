//! Where a chain ends: who acted, as AWS wrote it.

use super::actor::Actor;
use super::answer::{Hop, Link, Origin, Strength};
use super::fact::{Fact, account_of};

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
