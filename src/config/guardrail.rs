use serde::{Deserialize, Serialize};

use super::section::section;
use crate::names::{AccountId, NameError, UnitId};

section! {
    /// A service control policy that keeps members from tampering with the
    /// trail, its role and its key. It binds neither the management account nor
    /// service-linked roles.
    pub struct Guardrail {
        /// Whether it is on.
        enabled: bool = default(false),
        /// The policy's name.
        name: String = default("orgtrail-guardrail".to_owned()),
        /// What it is attached to: organizational units, roots or accounts. Default: the
        /// organization's root.
        targets: Vec<GuardrailTarget> = default(Vec::<GuardrailTarget>::new()),
    }
}

/// What a service control policy can be attached to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum GuardrailTarget {
    /// An organizational unit or a root.
    Unit(UnitId),
    /// One account.
    Account(AccountId),
}

impl std::str::FromStr for GuardrailTarget {
    type Err = NameError;
    fn from_str(found: &str) -> Result<Self, NameError> {
        if let Ok(unit) = found.parse() {
            return Ok(Self::Unit(unit));
        }
        found.parse().map(Self::Account).map_err(|_| NameError {
            kind: "a target of a service control policy",
            found: found.to_owned(),
            expected: "`ou-ab12-cdefgh34`, `r-ab12` for the root, or an account id",
        })
    }
}

impl std::fmt::Display for GuardrailTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unit(unit) => unit.fmt(f),
            Self::Account(account) => account.fmt(f),
        }
    }
}

impl TryFrom<String> for GuardrailTarget {
    type Error = NameError;
    fn try_from(found: String) -> Result<Self, NameError> {
        found.parse()
    }
}

impl From<GuardrailTarget> for String {
    fn from(target: GuardrailTarget) -> Self {
        target.to_string()
    }
}

impl schemars::JsonSchema for GuardrailTarget {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GuardrailTarget".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^([0-9]{12}|r-[a-z0-9]{4,32}|ou-[a-z0-9]{4,32}-[a-z0-9]{8,32})$",
        })
    }
}
