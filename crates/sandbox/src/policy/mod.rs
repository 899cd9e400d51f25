//! May this caller do this? Service control policies, identity policies,
//! session policies and resource policies, evaluated as AWS does.

mod audit;
mod document;
mod keys;
mod managed;

use std::collections::BTreeSet;

pub(super) use audit::Audit;
pub use audit::AuthorizationRecord;
pub(super) use document::Document;
pub(super) use managed::managed;
use orgtrail_base::names::{AccountId, Region};
use orgtrail_base::policy::eval::{ConditionKeys, Decision, Grant, PolicyEvaluator, Principal};
pub(super) use orgtrail_base::policy::eval::{MalformedPolicy, PolicyType};

use super::api::ApiError;
use super::auth::{Caller, Identity};
use super::services::organizations::{RCP, SCP};
use super::simulation::Control;

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
    pub(super) resource_policy: Option<&'a PolicyEvaluator>,
    /// Condition keys other than the global ones of the caller:
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

/// The ARNs by which policies name a caller.
struct Arns {
    principal: String,
    session: String,
}

impl Arns {
    fn of(caller: &Caller) -> Self {
        Self { principal: caller.principal_arn(), session: caller.arn() }
    }

    fn principal<'a>(&'a self, caller: &'a Caller) -> Principal<'a> {
        let account = &caller.account;
        match &caller.identity {
            Identity::Root => Principal::Root(account),
            Identity::User(_) => Principal::User { account, arn: &self.principal },
            Identity::AssumedRole { .. } => {
                Principal::Role { account, arn: &self.principal, session_arn: Some(&self.session) }
            }
            Identity::Service { principal, .. } => Principal::Service(principal),
        }
    }
}

/// The decision of several policies that are read as one.
fn combined<'a>(
    policies: impl Iterator<Item = &'a PolicyEvaluator>,
    principal: Principal<'_>,
    request: &Request<'_>,
    keys: &dyn ConditionKeys,
) -> Decision {
    let mut combined = Decision::NotApplicable;
    for policy in policies {
        match request.evaluate(policy, principal, keys) {
            denied @ Decision::Denied { .. } => return denied,
            Decision::NotApplicable => {}
            allowed @ Decision::Allowed { .. } => combined = allowed,
        }
    }
    combined
}

impl<'a> Request<'a> {
    /// A request over TLS, without condition keys of its own, for a resource without a
    /// policy.
    pub(super) fn over_tls(
        action: &'a str,
        resource: &'a str,
        resource_account: &'a AccountId,
        region: &'a Region,
    ) -> Self {
        Self {
            action,
            resource,
            resource_account,
            region,
            resource_policy: None,
            context: &[],
            secure_transport: true,
        }
    }

    fn evaluate(
        &self,
        policy: &PolicyEvaluator,
        principal: Principal<'_>,
        keys: &dyn ConditionKeys,
    ) -> Decision {
        policy.evaluate_with(principal, self.action, self.resource, keys)
    }
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

    /// The same for anyone, `None` being anonymous, and telling whether the
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

    /// What [`Control::decide`] would decide of a request that is not made.
    ///
    /// # Errors
    /// The denial.
    pub(super) fn simulate(&self, caller: &Caller, request: &Request<'_>) -> Result<(), Denial> {
        self.decide_by(Some(caller), request, true)
    }

    /// The `Sid`s of the caller's own statements that allow a request.
    fn statements_that_allow(&self, caller: &Caller, request: &Request<'_>) -> BTreeSet<String> {
        let keys = keys::Context { control: self, caller: Some(caller), request };
        let own = self.accounts.get(&caller.account).map(|account| &account.iam);
        own.into_iter()
            .flat_map(|iam| iam.policies_of(&caller.identity))
            .flat_map(|document| {
                document.evaluator().allowing_sids(request.action, request.resource, &keys)
            })
            .map(str::to_owned)
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
        let arns = caller.map(Arns::of);
        let principal = match (caller, &arns) {
            (Some(caller), Some(arns)) => arns.principal(caller),
            _ => Principal::Anonymous,
        };
        let by_resource = request
            .resource_policy
            .map_or(Decision::NotApplicable, |policy| request.evaluate(policy, principal, &keys));
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
        if self.denied_by_rcps(caller, principal, request, &keys) {
            return Err(denied("resource control policy"));
        }
        let Some(caller) =
            caller.filter(|caller| !matches!(caller.identity, Identity::Service { .. }))
        else {
            return match by_resource {
                Decision::Denied { .. } => Err(denied("resource-based policy")),
                Decision::Allowed { .. } => Ok(()),
                Decision::NotApplicable => Err(unallowed("resource-based policy")),
            };
        };
        if self.revoked.contains(caller.account.as_str())
            || self.revoked.contains(&caller.principal_arn())
        {
            return Err(denied("identity-based policy"));
        }
        let decide = |policies: &mut dyn Iterator<Item = &PolicyEvaluator>| {
            combined(policies, principal, request, &keys)
        };
        if by_resource.is_denied() {
            return Err(denied("resource-based policy"));
        }
        if self.bound_by_scps(caller)
            && let Some(organization) = &self.organization
        {
            for level in organization.controls_of(&caller.account, SCP) {
                match decide(&mut level.map(Document::evaluator)) {
                    Decision::Denied { .. } => return Err(denied("service control policy")),
                    Decision::NotApplicable => return Err(unallowed("service control policy")),
                    Decision::Allowed { .. } => {}
                }
            }
        }
        let own = self.accounts.get(&caller.account).map(|account| &account.iam);
        let allowed_by_identity = match (&caller.identity, own) {
            _ if !with_identity => false,
            (Identity::Root, _) => true,
            (identity, Some(iam)) => {
                match decide(&mut iam.policies_of(identity).map(Document::evaluator)) {
                    Decision::Denied { .. } => return Err(denied("identity-based policy")),
                    decision => decision.is_allowed(),
                }
            }
            (_, None) => false,
        };
        let mut bound_to = None;
        if let Some(iam) = own.filter(|iam| iam.is_bounded(&caller.identity)) {
            let boundary = iam.boundary_of(&caller.identity);
            match decide(&mut boundary.into_iter().map(Document::evaluator)) {
                Decision::Denied { .. } => return Err(denied("permissions boundary")),
                Decision::NotApplicable => bound_to = Some("permissions boundary"),
                Decision::Allowed { .. } => {}
            }
        }
        if let Some(session) = &caller.session_policy {
            match decide(&mut std::iter::once(session.evaluator())) {
                Decision::Denied { .. } => return Err(denied("session policy")),
                Decision::NotApplicable => bound_to = Some("session policy"),
                Decision::Allowed { .. } => {}
            }
        }
        let by_identity = allowed_by_identity && bound_to.is_none();
        let same_account = caller.account == *request.resource_account;
        let missing = bound_to.unwrap_or("identity-based policy");
        let granted = match by_resource {
            Decision::Allowed { grant, .. } => Some(grant),
            _ => None,
        };
        match granted {
            // Cross-account, and where only the account was named, both.
            Some(Grant::Account) if by_identity => Ok(()),
            Some(Grant::Account) => Err(unallowed(missing)),
            Some(_) if !same_account => {
                if by_identity {
                    Ok(())
                } else {
                    Err(unallowed(missing))
                }
            }
            // No bound of the caller's own reaches what its session was given.
            Some(Grant::Session) => Ok(()),
            Some(Grant::Principal) => bound_to.map_or(Ok(()), |bound| Err(unallowed(bound))),
            None if !same_account || self_governed(request) => {
                Err(unallowed(if by_identity { "resource-based policy" } else { missing }))
            }
            None if by_identity => Ok(()),
            None => Err(unallowed(missing)),
        }
    }

    /// Whether a resource control policy denies a request, regardless of the caller. They bind
    /// the resources of every account but the management account's, of the services
    /// that support them, and no service-linked role.
    ///
    /// Source: Organizations User Guide, "Resource control policies (RCPs)".
    fn denied_by_rcps(
        &self,
        caller: Option<&Caller>,
        principal: Principal<'_>,
        request: &Request<'_>,
        keys: &dyn ConditionKeys,
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
        let levels = organization.controls_of(request.resource_account, RCP);
        levels
            .into_iter()
            .flatten()
            .any(|document| request.evaluate(document.evaluator(), principal, keys).is_denied())
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
