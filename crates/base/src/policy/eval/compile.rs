//! Policy documents: read, checked and compiled once.

use serde_json::{Map, Value};

use super::Principal;
use super::condition::{Condition, ConditionKeys};
use super::pattern::{Pattern, matches, matches_arn};
use super::principals::{Grant, Principals};

/// What a policy is for: each type allows other elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyType {
    /// Of a user, group or role: no principal.
    Identity,
    /// Of a bucket, key or topic: a principal and a resource.
    Resource,
    /// Of a role: a principal and no resource.
    Trust,
    /// A service control policy.
    ServiceControl,
    /// A resource control policy: it denies, and applies to everyone.
    ///
    /// Source: Organizations User Guide, "RCP syntax".
    ResourceControl,
    /// Passed to `AssumeRole`: as an identity's.
    Session,
}

/// A policy that AWS would not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedPolicy(pub String);

/// A compiled policy, which evaluates requests.
#[derive(Debug)]
pub struct PolicyEvaluator {
    pub(super) statements: Vec<Statement>,
}

/// A compiled statement.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) deny: bool,
    principals: Option<Negatable<Principals>>,
    actions: Negatable<Vec<Vec<u8>>>,
    /// `None` where the policy hangs on its resource.
    resources: Option<Negatable<Vec<Pattern>>>,
    conditions: Vec<Condition>,
}

/// An element or its `Not` form.
#[derive(Debug)]
struct Negatable<T> {
    not: bool,
    of: T,
}

impl Statement {
    /// How closely the statement names the principal; `None` where not at all. A
    /// statement without the element is attached to its principals.
    pub(super) fn grant(&self, principal: Principal<'_>) -> Option<Grant> {
        let Some(element) = &self.principals else { return Some(Grant::Principal) };
        match (element.not, element.of.grant(principal)) {
            (false, grant) => grant,
            (true, None) => Some(Grant::Principal),
            (true, Some(_)) => None,
        }
    }

    /// Whether the statement is about this, principals left aside.
    pub(super) fn covers(&self, action: &str, resource: &str, keys: &dyn ConditionKeys) -> bool {
        let action = self.actions.of.iter().any(|a| matches(a, action.as_bytes(), true));
        if action == self.actions.not {
            return false;
        }
        if let Some(resources) = &self.resources {
            let variable =
                |key: &str| keys.values(key).into_iter().next().map(std::borrow::Cow::into_owned);
            let covered = resources.of.iter().any(|pattern| {
                pattern.expand(&variable).is_some_and(|pattern| matches_arn(&pattern, resource))
            });
            if covered == resources.not {
                return false;
            }
        }
        self.conditions.iter().all(|condition| condition.holds(keys))
    }
}

impl PolicyEvaluator {
    /// Reads a policy of a type.
    ///
    /// # Errors
    /// What AWS would not take about it.
    pub fn of_type(text: &str, policy_type: PolicyType) -> Result<Self, MalformedPolicy> {
        compile(text, Some(policy_type))
    }

    /// Reads a policy of whatever type.
    ///
    /// # Errors
    /// What AWS would not take about it, wherever it is attached.
    pub fn of_any_type(text: &str) -> Result<Self, MalformedPolicy> {
        compile(text, None)
    }

    /// The `Sid`s of the statements that allow an action on a resource, principals left
    /// aside; an empty one of a statement without.
    pub fn allowing_sids<'a>(
        &'a self,
        action: &'a str,
        resource: &'a str,
        keys: &'a dyn ConditionKeys,
    ) -> impl Iterator<Item = &'a str> {
        self.statements
            .iter()
            .filter(move |one| !one.deny && one.covers(action, resource, keys))
            .map(|one| one.sid.as_deref().unwrap_or_default())
    }
}

fn compile(text: &str, kind: Option<PolicyType>) -> Result<PolicyEvaluator, MalformedPolicy> {
    let malformed = |what: &str| MalformedPolicy(what.to_owned());
    let document: Value =
        serde_json::from_str(text).map_err(|_| malformed("Syntax errors in policy."))?;
    let document = document.as_object().ok_or_else(|| malformed("Syntax errors in policy."))?;
    known(document, &["Version", "Id", "Statement"])?;
    let variables = match document.get("Version") {
        None => false,
        Some(version) => match version.as_str() {
            Some("2012-10-17") => true,
            Some("2008-10-17") => false,
            _ => {
                return Err(malformed(
                    "The policy is not in the valid JSON format: its Version must be 2012-10-17 or 2008-10-17.",
                ));
            }
        },
    };
    if matches!(kind, Some(PolicyType::ServiceControl | PolicyType::ResourceControl)) && !variables
    {
        return Err(malformed(
            "The provided policy document does not meet the requirements of the specified policy type.",
        ));
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => {
            statements.iter().collect::<Vec<_>>()
        }
        Some(statement @ Value::Object(_)) => vec![statement],
        _ => return Err(malformed("Missing required field Statement")),
    };
    let mut sids = std::collections::HashSet::new();
    let statements = statements
        .into_iter()
        .map(|statement| {
            let statement =
                statement.as_object().ok_or_else(|| malformed("Syntax errors in policy."))?;
            if let Some(sid) = statement.get("Sid") {
                let sid = sid.as_str().ok_or_else(|| malformed("Sid must be a string"))?;
                if !sid.is_empty() && !sids.insert(sid) {
                    return Err(MalformedPolicy(format!(
                        "Statement IDs (SID) in a single policy must be unique: {sid}."
                    )));
                }
            }
            self::statement(statement, kind, variables)
        })
        .collect::<Result<_, _>>()?;
    Ok(PolicyEvaluator { statements })
}

fn statement(
    statement: &Map<String, Value>,
    kind: Option<PolicyType>,
    variables: bool,
) -> Result<Statement, MalformedPolicy> {
    known(
        statement,
        &[
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ],
    )?;
    let refuse = |what: String| Err(MalformedPolicy(what));
    let deny = match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow") => false,
        Some("Deny") => true,
        Some(other) => return refuse(format!("Invalid effect: {other}")),
        None => return refuse("Missing required field Effect".to_owned()),
    };
    let principals = either(statement, "Principal", "NotPrincipal")?
        .map(|(not, value)| {
            Ok::<_, MalformedPolicy>(Negatable { not, of: Principals::new(value)? })
        })
        .transpose()?;
    match kind {
        Some(PolicyType::Identity | PolicyType::Session) if principals.is_some() => {
            return refuse("Policy document should not specify a principal.".to_owned());
        }
        Some(PolicyType::ServiceControl) if principals.is_some() => {
            return refuse("The provided policy document does not meet the requirements of the specified policy type.".to_owned());
        }
        Some(PolicyType::ResourceControl)
            if !deny
                || statement.get("Principal").and_then(Value::as_str) != Some("*")
                || statement.contains_key("NotAction") =>
        {
            return refuse("The provided policy document does not meet the requirements of the specified policy type.".to_owned());
        }
        Some(PolicyType::Resource | PolicyType::Trust) if principals.is_none() => {
            return refuse("Missing required field Principal".to_owned());
        }
        _ => {}
    }
    let Some((not, actions)) = either(statement, "Action", "NotAction")? else {
        return refuse("Missing required field Action".to_owned());
    };
    let actions =
        strings(actions).ok_or_else(|| MalformedPolicy("Action must be strings".to_owned()))?;
    for action in &actions {
        if kind == Some(PolicyType::Trust) && !action.starts_with("sts:") && action != "*" {
            return refuse("AssumeRole policy may only specify STS AssumeRole actions.".to_owned());
        }
        let vendor = action.split_once(':').map(|(vendor, _)| vendor);
        if action != "*" && vendor.is_none_or(|vendor| vendor.is_empty() || vendor.contains(' ')) {
            return refuse(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
                    .to_owned(),
            );
        }
    }
    let resources = either(statement, "Resource", "NotResource")?;
    match (kind, resources) {
        (Some(PolicyType::Trust), Some(_)) => {
            return refuse("Has prohibited field Resource".to_owned());
        }
        (Some(PolicyType::Identity | PolicyType::Session), None) => {
            return refuse("Policy statement must contain resources.".to_owned());
        }
        (Some(PolicyType::Resource), None) => {
            return refuse("Missing required field Resource".to_owned());
        }
        (Some(PolicyType::ServiceControl | PolicyType::ResourceControl), None) => {
            return refuse("The provided policy document does not meet the requirements of the specified policy type.".to_owned());
        }
        _ => {}
    }
    let resources = resources
        .map(|(not, value)| {
            let texts = strings(value)
                .ok_or_else(|| MalformedPolicy("Resource must be strings".to_owned()))?;
            for text in &texts {
                if text != "*" && !(text.starts_with("arn:") && text.split(':').count() >= 6) {
                    return Err(MalformedPolicy(format!(
                        "Resource {text} must be in ARN format or \"*\"."
                    )));
                }
            }
            let of = texts.iter().map(|text| Pattern::new(text, variables)).collect();
            Ok(Negatable { not, of })
        })
        .transpose()?;
    let mut conditions = Vec::new();
    if let Some(block) = statement.get("Condition") {
        let block = block
            .as_object()
            .ok_or_else(|| MalformedPolicy("Condition must be an object".to_owned()))?;
        for (operator, keys) in block {
            let keys = keys.as_object().ok_or_else(|| {
                MalformedPolicy(format!("Condition {operator} must be an object"))
            })?;
            for (key, values) in keys {
                conditions.push(
                    Condition::new(operator, key, values, variables).map_err(MalformedPolicy)?,
                );
            }
        }
    }
    let literal = |text: &String| {
        Pattern::new(text, false).expand(&|_| None).map(std::borrow::Cow::into_owned)
    };
    let sid = statement.get("Sid").and_then(Value::as_str).map(str::to_owned);
    Ok(Statement {
        sid,
        deny,
        principals,
        actions: Negatable { not, of: actions.iter().filter_map(literal).collect() },
        resources,
        conditions,
    })
}

/// An element or its `Not` form, and which of the two it is.
fn either<'a>(
    statement: &'a Map<String, Value>,
    name: &str,
    not: &str,
) -> Result<Option<(bool, &'a Value)>, MalformedPolicy> {
    match (statement.get(name), statement.get(not)) {
        (Some(_), Some(_)) => {
            Err(MalformedPolicy(format!("Statement cannot contain both {name} and {not}")))
        }
        (Some(value), None) => Ok(Some((false, value))),
        (None, Some(value)) => Ok(Some((true, value))),
        (None, None) => Ok(None),
    }
}

/// One string or several.
pub(super) fn strings(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        }
        _ => None,
    }
}

fn known(object: &Map<String, Value>, names: &[&str]) -> Result<(), MalformedPolicy> {
    match object.keys().find(|name| !names.contains(&name.as_str())) {
        Some(unknown) => Err(MalformedPolicy(format!("Unknown field {unknown}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_policies_are_refused_for_their_kind() {
        let allow = r#""Effect":"Allow","Action":"s3:GetObject""#;
        let all = r#""Resource":"*""#;
        let anyone = r#""Principal":"*""#;
        let document = |statement: &str| {
            format!(r#"{{"Version":"2012-10-17","Statement":[{{{statement}}}]}}"#)
        };
        for (text, kind, accepted) in [
            (document(&format!("{allow},{all}")), PolicyType::Identity, true),
            (document(allow), PolicyType::Identity, false),
            (document(&format!("{allow},{all},{anyone}")), PolicyType::Identity, false),
            (document(&format!("{allow},{all},{anyone}")), PolicyType::Resource, true),
            (document(&format!("{allow},{all}")), PolicyType::Resource, false),
            (document(&format!("{allow},{all}")), PolicyType::ServiceControl, true),
            (document(&format!("{allow},{all},{anyone}")), PolicyType::ServiceControl, false),
            (document(&format!("{allow},{all},{anyone}")), PolicyType::ResourceControl, false),
            (
                document(&format!("{allow},{all},{anyone}").replace("Allow", "Deny")),
                PolicyType::ResourceControl,
                true,
            ),
            (
                document(&format!("{allow},{all}").replace("Allow", "Deny")),
                PolicyType::ResourceControl,
                false,
            ),
            (document(&format!("{allow},{anyone}")), PolicyType::Trust, false),
            (
                document(&format!(r#""Effect":"Allow","Action":"sts:AssumeRole",{anyone}"#)),
                PolicyType::Trust,
                true,
            ),
            (document(&format!("{allow},{all},\"Colour\":\"red\"")), PolicyType::Identity, false),
            (
                document(r#""Effect":"allow","Action":"s3:*","Resource":"*""#),
                PolicyType::Identity,
                false,
            ),
            (
                document(r#""Effect":"Allow","Action":"GetObject","Resource":"*""#),
                PolicyType::Identity,
                false,
            ),
            (
                document(r#""Effect":"Allow","Action":"s3:*","Resource":"bucket"#),
                PolicyType::Identity,
                false,
            ),
            ("{".to_owned(), PolicyType::Identity, false),
            (r#"{"Version":"2012-10-17"}"#.to_owned(), PolicyType::Identity, false),
            (r#"{"Version":"2013-10-17","Statement":[]}"#.to_owned(), PolicyType::Identity, false),
        ] {
            assert_eq!(PolicyEvaluator::of_type(&text, kind).is_ok(), accepted, "{kind:?} {text}");
        }
    }
}
