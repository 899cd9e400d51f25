//! The service and resource control policies that bind an account, and what
//! they say of a request.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_organizations::types::{PolicyType, PolicyTypeStatus};
use serde::Serialize;

use crate::aws::{At as _, AwsError, Clients};
use crate::names::AccountId;
use crate::policy::eval::{Decision, MalformedPolicy, PolicyEvaluator, Request};
use crate::policy::{Effect, PolicyDocument, Statement};

/// Which control policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlKind {
    /// Service control policies: what an account's identities may do.
    Service,
    /// Resource control policies: what may be done with an account's resources.
    Resource,
}

/// The control policies of one kind that bind an account.
///
/// Source: Organizations `ListParents`, `ListPoliciesForTarget`,
/// `DescribePolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlPolicies {
    /// From the account up to the root. Empty where nothing binds the account:
    /// the policy type is off, or it is the management account.
    pub levels: Vec<ControlLevel>,
}

/// What is attached to one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlLevel {
    /// The id of the account, unit or root.
    pub target: String,
    /// The policies that are attached to it.
    pub policies: Vec<ControlPolicy>,
}

/// One control policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlPolicy {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it says.
    pub document: PolicyDocument,
}

/// What control policies say of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// None of them stands against it.
    Permitted,
    /// One of them does. The words name the policy, its statement and where it
    /// is attached.
    Denied(String),
    /// One of them may, depending on what is not known before the request is made.
    Unclear(String),
}

impl ControlKind {
    /// The kind as Organizations calls it.
    #[must_use]
    pub fn policy_type(self) -> PolicyType {
        match self {
            Self::Service => PolicyType::ServiceControlPolicy,
            Self::Resource => PolicyType::ResourceControlPolicy,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Service => "service control policy",
            Self::Resource => "resource control policy",
        }
    }
}

impl ControlPolicies {
    /// Reads what binds `account`, with the clients of the management account.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn read(
        management: &Clients,
        kind: ControlKind,
        account: &AccountId,
        management_account: &AccountId,
    ) -> Result<Self, AwsError> {
        // They bind every account but the one that manages the organization.
        if account == management_account || !is_enabled(management, kind).await? {
            return Ok(Self { levels: Vec::new() });
        }
        let mut targets = vec![account.to_string()];
        while let Some(parent) = parent(management, targets.last().map_or("", |id| id)).await? {
            targets.push(parent);
        }
        let mut known = BTreeMap::new();
        let mut levels = Vec::new();
        for target in targets {
            let policies = attached(management, kind, &target, &mut known).await?;
            levels.push(ControlLevel { target, policies });
        }
        Ok(Self { levels })
    }

    /// What they say of a request. Every level must permit it, by whichever of its
    /// policies, and no policy may deny it.
    ///
    /// `absent` are the condition keys that the request does not have; of all others
    /// that the request does not list, nothing is known.
    pub(crate) fn ruling(
        &self,
        kind: ControlKind,
        request: &Request<'_>,
        absent: &[&str],
    ) -> Ruling {
        let mut unclear = None;
        for ControlLevel { target, policies } in &self.levels {
            let mut permitted = false;
            for ControlPolicy { id, name, document } in policies {
                let named = |statement: &Statement| {
                    let sid = statement.sid.as_deref().filter(|sid| !sid.is_empty());
                    let sid = sid.map(|sid| format!("statement {sid} of ")).unwrap_or_default();
                    format!("{sid}the {} {name} ({id}) at {target}", kind.words())
                };
                for statement in &document.statements {
                    let decision = evaluate(document, statement, request);
                    let unknown = unknown_keys(statement, request, absent);
                    match (statement.effect, decision) {
                        (_, Err(why)) => {
                            let why = format!("{}: {why}", named(statement));
                            unclear.get_or_insert(why);
                        }
                        (Effect::Deny, Ok(Decision::Denied { .. })) if unknown.is_empty() => {
                            return Ruling::Denied(named(statement));
                        }
                        // Without these keys it is unknown whether it applies.
                        (Effect::Deny, Ok(_))
                            if !unknown.is_empty()
                                && could_deny(document, statement, request, absent) =>
                        {
                            let keys = unknown.into_iter().collect::<Vec<_>>().join(", ");
                            let why = format!("{}, depending on {keys}", named(statement));
                            unclear.get_or_insert(why);
                        }
                        (Effect::Allow, Ok(Decision::Allowed { .. })) => permitted = true,
                        _ => {}
                    }
                }
            }
            if !permitted {
                return Ruling::Denied(format!("no {} at {target} permits it", kind.words()));
            }
        }
        unclear.map_or(Ruling::Permitted, Ruling::Unclear)
    }
}

/// What one statement says by itself.
fn evaluate(
    document: &PolicyDocument,
    statement: &Statement,
    request: &Request<'_>,
) -> Result<Decision, MalformedPolicy> {
    let alone = PolicyDocument {
        version: document.version.clone(),
        id: None,
        statements: vec![statement.clone()],
    };
    PolicyEvaluator::new(&alone).map(|policy| policy.evaluate(request))
}

/// Whether a statement denies the request where all its conditions hold.
fn could_deny(
    document: &PolicyDocument,
    statement: &Statement,
    request: &Request<'_>,
    absent: &[&str],
) -> bool {
    let mut statement = statement.clone();
    for keys in statement.condition.values_mut() {
        keys.retain(|key, _| is_known(key, request, absent));
    }
    statement.condition.retain(|_, keys| !keys.is_empty());
    evaluate(document, &statement, request).is_ok_and(Decision::is_denied)
}

/// The condition keys of a statement of which nothing is known.
fn unknown_keys(statement: &Statement, request: &Request<'_>, absent: &[&str]) -> BTreeSet<String> {
    let keys = statement.condition.values().flat_map(BTreeMap::keys);
    keys.filter(|key| !is_known(key, request, absent)).cloned().collect()
}

/// Whether it is known what a request has of a condition key. A name that ends in a
/// slash stands for all keys that begin so: `aws:PrincipalTag/`.
fn is_known(key: &str, request: &Request<'_>, absent: &[&str]) -> bool {
    let key = key.to_ascii_lowercase();
    request.context.iter().any(|(name, _)| name.eq_ignore_ascii_case(&key))
        || absent.iter().any(|name| {
            let name = name.to_ascii_lowercase();
            key == name || (name.ends_with('/') && key.starts_with(&name))
        })
}

async fn is_enabled(management: &Clients, kind: ControlKind) -> Result<bool, AwsError> {
    let pages = management.organizations().list_roots().into_paginator().send();
    let pages =
        pages.collect::<Result<Vec<_>, _>>().await.at(management, "organizations:ListRoots")?;
    let roots = pages.into_iter().flat_map(|page| page.roots.unwrap_or_default());
    let mut types = roots.flat_map(|root| root.policy_types.unwrap_or_default());
    Ok(types.any(|found| {
        found.r#type() == Some(&kind.policy_type())
            && found.status() == Some(&PolicyTypeStatus::Enabled)
    }))
}

/// The parent of an account or unit; the root has none.
async fn parent(management: &Clients, child: &str) -> Result<Option<String>, AwsError> {
    const ACTION: &str = "organizations:ListParents";
    if child.starts_with("r-") {
        return Ok(None);
    }
    let answer = management.organizations().list_parents().child_id(child).send().await;
    let answer = answer.at(management, ACTION)?;
    let parent = answer.parents().first().and_then(|parent| parent.id()).map(str::to_owned);
    // Half of what is above it would leave out what binds it.
    parent.map(Some).ok_or_else(|| management.malformed(ACTION, &format!("no parent of {child}")))
}

async fn attached(
    management: &Clients,
    kind: ControlKind,
    target: &str,
    known: &mut BTreeMap<String, ControlPolicy>,
) -> Result<Vec<ControlPolicy>, AwsError> {
    const DESCRIBE: &str = "organizations:DescribePolicy";
    let organizations = management.organizations();
    let listed = organizations
        .list_policies_for_target()
        .target_id(target)
        .filter(kind.policy_type())
        .into_paginator()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .at(management, "organizations:ListPoliciesForTarget")?;
    let mut policies = Vec::new();
    for summary in listed.into_iter().flat_map(|page| page.policies.unwrap_or_default()) {
        let id = summary.id.unwrap_or_default();
        if let Some(policy) = known.get(&id) {
            policies.push(policy.clone());
            continue;
        }
        let answer = organizations.describe_policy().policy_id(&id).send().await;
        let text = answer.at(management, DESCRIBE)?.policy.and_then(|policy| policy.content);
        let document = text.unwrap_or_default().parse().map_err(|_| {
            management.malformed(DESCRIBE, &format!("{id}, which is not a policy document"))
        })?;
        let name = summary.name.unwrap_or_else(|| id.clone());
        let policy = ControlPolicy { id: id.clone(), name, document };
        known.insert(id, policy.clone());
        policies.push(policy);
    }
    Ok(policies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::eval::Principal;

    fn policy(name: &str, statements: Vec<Statement>) -> ControlPolicy {
        let document = PolicyDocument::new(statements);
        ControlPolicy { id: format!("p-{name}"), name: name.to_owned(), document }
    }

    fn full() -> ControlPolicy {
        policy("full", vec![Statement::allow("").actions(["*"]).resources(["*"])])
    }

    fn ruling(levels: Vec<Vec<ControlPolicy>>) -> Ruling {
        let account: AccountId = "333333333333".parse().unwrap();
        let context = [("aws:PrincipalArn", "arn:aws:iam::333333333333:role/orgtrail")];
        let request = Request {
            principal: Principal::role(&account, context[0].1),
            action: "cloudtrail:DeleteTrail",
            resource: "arn:aws:cloudtrail:us-east-1:333333333333:trail/legacy",
            context: &context,
        };
        let targets = ["333333333333", "ou-abcd-11111111", "r-abcd"];
        let levels = targets
            .iter()
            .zip(levels)
            .map(|(target, policies)| ControlLevel { target: (*target).to_owned(), policies });
        ControlPolicies { levels: levels.collect() }.ruling(ControlKind::Service, &request, &[])
    }

    fn deny() -> Statement {
        Statement::deny("Keep").actions(["cloudtrail:Delete*"]).resources(["*"])
    }

    #[test]
    fn a_deny_is_named_with_its_statement_and_where_it_is_attached() {
        let found = ruling(vec![vec![full()], vec![full(), policy("guard", vec![deny()])]]);
        let Ruling::Denied(words) = found else { panic!("{found:?}") };
        assert_eq!(
            words,
            "statement Keep of the service control policy guard (p-guard) at ou-abcd-11111111"
        );
        assert_eq!(ruling(vec![vec![full()], vec![full()]]), Ruling::Permitted);
        assert_eq!(ruling(Vec::new()), Ruling::Permitted);
    }

    #[test]
    fn every_level_must_permit() {
        let reads = policy("reads", vec![Statement::allow("").actions(["s3:*"]).resources(["*"])]);
        let found = ruling(vec![vec![full()], vec![reads]]);
        assert!(matches!(&found, Ruling::Denied(words) if words.contains("ou-abcd-11111111")));
    }

    #[test]
    fn a_deny_is_followed_as_far_as_its_conditions_are_known() {
        let but = |role: &str| {
            let own = format!("arn:aws:iam::333333333333:role/{role}");
            deny().when("ArnNotLike", "aws:PrincipalArn", [own])
        };
        let with = |statement| ruling(vec![vec![full(), policy("guard", vec![statement])]]);
        assert_eq!(with(but("orgtrail")), Ruling::Permitted);
        assert!(matches!(with(but("admin")), Ruling::Denied(_)));
        // Where the call comes from is not known before it is made.
        let network = deny().when("NotIpAddress", "aws:SourceIp", ["192.0.2.0/24"]);
        let found = with(network.clone());
        assert!(matches!(&found, Ruling::Unclear(words) if words.contains("aws:SourceIp")));
        let elsewhere = network.actions(["cloudtrail:UpdateTrail"]);
        assert_eq!(with(elsewhere), Ruling::Permitted);
    }
}
