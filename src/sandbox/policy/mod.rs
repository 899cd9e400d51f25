//! May this caller do this? Service control policies, identity policies,
//! session policies and resource policies, evaluated as AWS does.

mod ask;
mod audit;
mod condition;
mod document;
mod keys;
mod managed;
mod pattern;
mod principal;

pub(crate) use ask::{Asked, Question, Says, Who};
pub(super) use audit::Audit;
pub use audit::AuthorizationRecord;
pub(super) use document::{Document, Kind, Malformed, Policy, parse};
pub(super) use managed::managed;

use std::collections::BTreeSet;

use condition::Keys;
use principal::Named;

use super::{
    api::ApiError,
    auth::{Caller, Identity},
    world::Control,
};
use crate::names::{AccountId, Region};

/// Whether `text` matches a pattern with `*` and `?`, in any case.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let pattern = pattern::Pattern::new(pattern, false);
    pattern.expand(&|_| None).is_some_and(|p| pattern::matches(&p, text.as_bytes(), true))
}

/// What a request asks to do, and what is known about it.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// The IAM action: `s3:PutObject`.
    pub(super) action: &'a str,
    /// The resource's ARN, or `*`.
    pub(super) resource: &'a str,
    /// The account that owns the resource.
    pub(super) resource_account: &'a AccountId,
    /// The Region that the request was sent to (`aws:RequestedRegion`): that of its
    /// endpoint, `us-east-1` for global services.
    pub(super) region: &'a Region,
    /// The resource's own policy, where it has one.
    pub(super) resource_policy: Option<&'a Policy>,
    /// Condition keys beside the global ones that the caller itself tells:
    /// (`s3:x-amz-acl`, value). More than one entry of a key is a list.
    pub(super) context: &'a [(&'a str, String)],
    /// Whether the request came over TLS.
    pub(super) secure_transport: bool,
}

/// Why a request may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    /// Whether a policy says so, rather than none saying otherwise.
    pub(super) explicit: bool,
    /// AWS's wording: who, what, on what, and why.
    pub(super) message: String,
}

impl From<Denial> for ApiError {
    fn from(denial: Denial) -> Self {
        Self::access_denied(denial.message)
    }
}

/// What one set of policies says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Denied,
    Allowed(Named),
    Silent,
}

impl Policy {
    /// What the policy says; principals count only where `principals` is set.
    fn verdict(
        &self,
        caller: Option<&Caller>,
        request: &Request<'_>,
        keys: &dyn Keys,
        principals: bool,
    ) -> Verdict {
        let mut verdict = Verdict::Silent;
        for statement in &self.statements {
            let named = match &statement.principals {
                Some(element) if principals => {
                    let named = element.of.name(caller);
                    match (element.not, named) {
                        (false, named) => named,
                        (true, Named::No) => Named::Itself,
                        (true, _) => Named::No,
                    }
                }
                _ => Named::Itself,
            };
            if named == Named::No || !statement.covers(request.action, request.resource, keys) {
                continue;
            }
            if statement.deny {
                return Verdict::Denied;
            }
            verdict = match verdict {
                Verdict::Allowed(before) => Verdict::Allowed(before.max(named)),
                _ => Verdict::Allowed(named),
            };
        }
        verdict
    }
}

/// The verdict of several policies that are read as one.
fn together<'a>(
    policies: impl Iterator<Item = &'a Policy>,
    caller: &Caller,
    request: &Request<'_>,
    keys: &dyn Keys,
) -> Verdict {
    let mut together = Verdict::Silent;
    for policy in policies {
        match policy.verdict(Some(caller), request, keys, false) {
            Verdict::Denied => return Verdict::Denied,
            Verdict::Silent => {}
            allowed @ Verdict::Allowed(_) => together = allowed,
        }
    }
    together
}

impl Control {
    /// Decides a request: explicit deny anywhere wins; the organization's SCPs
    /// must allow; then, within one account, identity or resource policy must
    /// allow, across accounts both.
    ///
    /// # Errors
    /// `AccessDeniedException` with AWS's wording, naming who, what and on what.
    pub(super) fn authorize(&self, caller: &Caller, request: &Request<'_>) -> Result<(), ApiError> {
        Ok(self.decide(Some(caller), request)?)
    }

    /// The same for anybody, `None` being anonymous, and telling whether the
    /// denial was explicit.
    ///
    /// # Errors
    /// The denial.
    pub(super) fn decide(
        &self,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<(), Denial> {
        let decision = self.decide_by(caller, request, true);
        if self.audit.is_recording()
            && let Some(caller) = caller
            && !matches!(caller.identity, Identity::Service { .. })
        {
            self.audit.record(AuthorizationRecord {
                principal: caller.principal_arn(),
                action: request.action.to_owned(),
                resource: request.resource.to_owned(),
                resource_account: request.resource_account.to_string(),
                allowed: decision.is_ok(),
                statements: self.statements_that_allow(caller, request),
                needs_identity: self.decide_by(Some(caller), request, false).is_err(),
            });
        }
        decision
    }

    /// The `Sid`s of the caller's own statements that allow a request.
    fn statements_that_allow(&self, caller: &Caller, request: &Request<'_>) -> BTreeSet<String> {
        let keys = keys::Context { control: self, caller: Some(caller), request };
        let own = self.accounts.get(&caller.account).map(|account| &account.iam);
        own.into_iter()
            .flat_map(|iam| iam.policies_of(&caller.identity))
            .flat_map(|document| &document.policy().statements)
            .filter(|one| !one.deny && one.covers(request.action, request.resource, &keys))
            .map(|one| one.sid.clone().unwrap_or_default())
            .collect()
    }

    /// Decides with the caller's own policies, or as if it had none.
    fn decide_by(
        &self,
        caller: Option<&Caller>,
        request: &Request<'_>,
        with_identity: bool,
    ) -> Result<(), Denial> {
        let keys = keys::Context { control: self, caller, request };
        let resource_verdict = request
            .resource_policy
            .map_or(Verdict::Silent, |policy| policy.verdict(caller, request, &keys, true));
        let denied = |kind: &str| Denial {
            explicit: true,
            message: format!(
                "{} with an explicit deny in {} {kind}",
                refusal(caller, request),
                if kind.starts_with('i') { "an" } else { "a" },
            ),
        };
        let unallowed = |kind: &str| Denial {
            explicit: false,
            message: format!(
                "{} because no {kind} allows the {} action",
                refusal(caller, request),
                request.action
            ),
        };
        if self.denied_by_rcps(caller, request, &keys) {
            return Err(denied("resource control policy"));
        }
        let Some(caller) =
            caller.filter(|caller| !matches!(caller.identity, Identity::Service { .. }))
        else {
            return match resource_verdict {
                Verdict::Denied => Err(denied("resource-based policy")),
                Verdict::Allowed(_) => Ok(()),
                Verdict::Silent => Err(unallowed("resource-based policy")),
            };
        };
        if self.revoked.contains(caller.account.as_str())
            || self.revoked.contains(&caller.principal_arn())
        {
            return Err(denied("identity-based policy"));
        }
        let say = |policies: &mut dyn Iterator<Item = &Policy>| {
            together(policies, caller, request, &keys)
        };
        if resource_verdict == Verdict::Denied {
            return Err(denied("resource-based policy"));
        }
        if self.bound_by_scps(caller)
            && let Some(organization) = &self.organization
        {
            for level in organization.scps_of(&caller.account) {
                match say(&mut level.map(Document::policy)) {
                    Verdict::Denied => return Err(denied("service control policy")),
                    Verdict::Silent => return Err(unallowed("service control policy")),
                    Verdict::Allowed(_) => {}
                }
            }
        }
        let own = self.accounts.get(&caller.account).map(|account| &account.iam);
        let identity = match (&caller.identity, own) {
            _ if !with_identity => Verdict::Silent,
            (Identity::Root, _) => Verdict::Allowed(Named::Itself),
            (identity, Some(iam)) => say(&mut iam.policies_of(identity).map(Document::policy)),
            (_, None) => Verdict::Silent,
        };
        if identity == Verdict::Denied {
            return Err(denied("identity-based policy"));
        }
        let mut bound_to = None;
        if let Some(iam) = own.filter(|iam| iam.is_bounded(&caller.identity)) {
            let boundary = iam.boundary_of(&caller.identity);
            match say(&mut boundary.into_iter().map(Document::policy)) {
                Verdict::Denied => return Err(denied("permissions boundary")),
                Verdict::Silent => bound_to = Some("permissions boundary"),
                Verdict::Allowed(_) => {}
            }
        }
        if let Some(session) = &caller.session_policy {
            match say(&mut std::iter::once(session.policy())) {
                Verdict::Denied => return Err(denied("session policy")),
                Verdict::Silent => bound_to = Some("session policy"),
                Verdict::Allowed(_) => {}
            }
        }
        let by_identity = matches!(identity, Verdict::Allowed(_)) && bound_to.is_none();
        let same_account = caller.account == *request.resource_account;
        let missing = bound_to.unwrap_or("identity-based policy");
        match resource_verdict {
            // Cross-account, and where only the account was named, both.
            Verdict::Allowed(Named::Account) if by_identity => Ok(()),
            Verdict::Allowed(Named::Account) => Err(unallowed(missing)),
            Verdict::Allowed(_) if !same_account => {
                if by_identity {
                    Ok(())
                } else {
                    Err(unallowed(missing))
                }
            }
            // No bound of the caller's own reaches what its session was given.
            Verdict::Allowed(Named::Session) => Ok(()),
            Verdict::Allowed(_) => bound_to.map_or(Ok(()), |bound| Err(unallowed(bound))),
            _ if !same_account || self_governed(request) => {
                Err(unallowed(if by_identity { "resource-based policy" } else { missing }))
            }
            _ if by_identity => Ok(()),
            _ => Err(unallowed(missing)),
        }
    }

    /// Whether a resource control policy denies a request, whoever makes it. They bind
    /// the resources of every account but the management account's, of the services
    /// that support them, and no service-linked role.
    ///
    /// Source: Organizations User Guide, "Resource control policies (RCPs)".
    fn denied_by_rcps(
        &self,
        caller: Option<&Caller>,
        request: &Request<'_>,
        keys: &dyn Keys,
    ) -> bool {
        let Some(organization) = &self.organization else { return false };
        let supported = request
            .action
            .split_once(':')
            .is_some_and(|(service, _)| ["s3", "kms", "sts"].contains(&service));
        let linked = caller.is_some_and(|caller| {
            matches!(&caller.identity, Identity::AssumedRole { role, .. }
                if role.starts_with("aws-service-role/"))
        });
        if !supported || linked || organization.management_account == *request.resource_account {
            return false;
        }
        let levels = organization.rcps_of(request.resource_account);
        levels.into_iter().flatten().any(|document| {
            document.policy().verdict(caller, request, keys, true) == Verdict::Denied
        })
    }

    /// SCPs bind neither the management account nor service-linked roles.
    fn bound_by_scps(&self, caller: &Caller) -> bool {
        let management = self
            .organization
            .as_ref()
            .is_some_and(|organization| organization.management_account == caller.account);
        let service_linked = matches!(
            &caller.identity,
            Identity::AssumedRole { role, .. } if role.starts_with("aws-service-role/")
        );
        !management && !service_linked
    }
}

/// Whether the resource's own policy must allow even its own account: a key's,
/// and a role's trust.
fn self_governed(request: &Request<'_>) -> bool {
    request.resource_policy.is_some()
        && (request.action.starts_with("kms:") || request.action.starts_with("sts:"))
}

fn refusal(caller: Option<&Caller>, request: &Request<'_>) -> String {
    let who = caller.map_or_else(|| "anonymous".to_owned(), Caller::arn);
    let Request { action, resource, .. } = request;
    if *resource == "*" {
        format!("User: {who} is not authorized to perform: {action}")
    } else {
        format!("User: {who} is not authorized to perform: {action} on resource: {resource}")
    }
}

#[cfg(test)]
mod tests;
