//! Policy documents as the sandbox stores them.

use std::sync::Arc;

use orgtrail_base::policy::eval::{MalformedPolicy, PolicyEvaluator, PolicyType};
use serde::{Deserialize, Serialize};

/// A policy's text with its evaluator.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Document {
    text: String,
    evaluator: Arc<PolicyEvaluator>,
}

impl Document {
    /// Reads a policy.
    ///
    /// # Errors
    /// What AWS would not take about it.
    pub(crate) fn new(
        text: impl Into<String>,
        policy_type: PolicyType,
    ) -> Result<Self, MalformedPolicy> {
        let text = text.into();
        let evaluator = Arc::new(PolicyEvaluator::of_type(&text, policy_type)?);
        Ok(Self { text, evaluator })
    }

    /// The text as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Its evaluator.
    pub(crate) fn evaluator(&self) -> &PolicyEvaluator {
        &self.evaluator
    }
}

impl TryFrom<String> for Document {
    type Error = MalformedPolicy;
    fn try_from(text: String) -> Result<Self, MalformedPolicy> {
        // Its type was checked when it was first written.
        let evaluator = Arc::new(PolicyEvaluator::of_any_type(&text)?);
        Ok(Self { text, evaluator })
    }
}

impl From<Document> for String {
    fn from(document: Document) -> Self {
        document.text
    }
}
