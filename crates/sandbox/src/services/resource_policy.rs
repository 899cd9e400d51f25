//! The policies that hang on resources other than buckets: keys and topics.

use orgtrail_base::names::AccountId;
use orgtrail_base::policy::eval::{PolicyEvaluator, PolicyType, matches_wildcards};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth::{Caller, Identity};

/// A resource's policy: as it was put, and its evaluator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ResourcePolicy {
    text: String,
    evaluator: std::sync::Arc<PolicyEvaluator>,
    statements: Vec<Value>,
}

impl TryFrom<String> for ResourcePolicy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let json: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let statements = match json.get("Statement") {
            Some(Value::Array(list)) => list.clone(),
            Some(one) => vec![one.clone()],
            None => return Err("the policy has no Statement".to_owned()),
        };
        if statements.iter().any(|s| !matches!(s["Effect"].as_str(), Some("Allow" | "Deny"))) {
            return Err("a statement's Effect is neither Allow nor Deny".to_owned());
        }
        let evaluator = PolicyEvaluator::of_type(&text, PolicyType::Resource)
            .map_err(|error| error.to_string())?;
        Ok(Self { text, evaluator: std::sync::Arc::new(evaluator), statements })
    }
}

impl From<ResourcePolicy> for String {
    fn from(policy: ResourcePolicy) -> Self {
        policy.text
    }
}

impl ResourcePolicy {
    /// As it was put.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Its evaluator.
    pub(crate) fn evaluator(&self) -> &PolicyEvaluator {
        &self.evaluator
    }

    /// Whether some statement hands an action over to an account's own IAM, by
    /// allowing it to the account.
    pub(crate) fn delegates(&self, account: &AccountId, action: &str) -> bool {
        let root = format!(":iam::{account}:root");
        self.allows(action, |id| id == account.as_str() || id.ends_with(&root))
    }

    /// Whether some statement allows an action to this very principal.
    pub(crate) fn names(&self, caller: &Caller, action: &str) -> bool {
        let (arn, principal_arn) = (caller.arn(), caller.principal_arn());
        self.allows(action, |id| {
            id == arn
                || id == principal_arn
                || (id == "*" && !matches!(caller.identity, Identity::Service { .. }))
        })
    }

    fn allows(&self, action: &str, principal: impl Fn(&str) -> bool) -> bool {
        self.statements.iter().any(|statement| {
            statement["Effect"] == "Allow"
                && one_or_many(&statement["Action"])
                    .iter()
                    .any(|pattern| matches_wildcards(pattern, action))
                && principals(&statement["Principal"]).iter().any(|id| principal(id))
        })
    }
}

fn principals(principal: &Value) -> Vec<&str> {
    match principal {
        Value::Object(kinds) => kinds.values().flat_map(one_or_many).collect(),
        other => one_or_many(other),
    }
}

fn one_or_many(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowing_the_account_delegates_to_its_iam() {
        let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"kms:*","Resource":"*"}}"#;
        let policy = ResourcePolicy::try_from(text.to_owned()).unwrap();
        assert!(policy.delegates(&"111111111111".parse().unwrap(), "kms:Encrypt"));
        assert!(!policy.delegates(&"222222222222".parse().unwrap(), "kms:Encrypt"));
        assert!(!policy.delegates(&"111111111111".parse().unwrap(), "sns:Publish"));
        assert!(ResourcePolicy::try_from("{}".to_owned()).is_err());
    }
}
