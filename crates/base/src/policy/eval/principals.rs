//! Whom a statement names.

use serde_json::Value;

use super::Principal;
use super::compile::{MalformedPolicy, strings};
use crate::names::AccountId;

/// The principals of a statement.
#[derive(Debug, Default)]
pub(super) struct Principals {
    anybody: bool,
    accounts: Vec<AccountId>,
    arns: Vec<String>,
    services: Vec<String>,
}

/// How closely a statement that applies names the principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// By its account: the account's own policies must allow it too.
    Account,
    /// Itself, its role, or everybody.
    Principal,
    /// As this very session, which session policies do not bound.
    Session,
}

impl Principals {
    /// Reads a `Principal` element.
    pub(super) fn new(value: &Value) -> Result<Self, MalformedPolicy> {
        let mut principals = Self::default();
        let entries = match value {
            Value::String(all) if all == "*" => {
                principals.anybody = true;
                return Ok(principals);
            }
            Value::Object(entries) if !entries.is_empty() => entries,
            other => return Err(MalformedPolicy(format!("Invalid principal in policy: {other}"))),
        };
        for (kind, names) in entries {
            let names = strings(names)
                .ok_or_else(|| MalformedPolicy(format!("Invalid principal in policy: {names}")))?;
            for name in names {
                match kind.as_str() {
                    "AWS" => principals.add(name)?,
                    "Service" => principals.services.push(name),
                    // No request is made by a federated or canonical user.
                    "Federated" | "CanonicalUser" => {}
                    _ => {
                        return Err(MalformedPolicy(format!(
                            "Invalid principal in policy: \"{kind}\""
                        )));
                    }
                }
            }
        }
        Ok(principals)
    }

    fn add(&mut self, name: String) -> Result<(), MalformedPolicy> {
        let invalid = |name: &str| {
            MalformedPolicy(format!("Invalid principal in policy: \"AWS\":\"{name}\""))
        };
        if name == "*" {
            self.anybody = true;
        } else if let Ok(account) = name.parse() {
            self.accounts.push(account);
        } else if let Some(account) = name.strip_suffix(":root") {
            let account = account.rsplit(':').next().unwrap_or_default();
            self.accounts.push(account.parse().map_err(|_| invalid(&name))?);
        } else if name.starts_with("arn:") && name.split(':').count() >= 6 {
            if name.contains(['*', '?']) {
                return Err(invalid(&name));
            }
            self.arns.push(name);
        } else if name.starts_with("AIDA") || name.starts_with("AROA") {
            // What AWS leaves of a principal that was deleted: it names no one.
        } else {
            return Err(invalid(&name));
        }
        Ok(())
    }

    /// How closely these name the principal; `None` where not at all.
    pub(super) fn grant(&self, principal: Principal<'_>) -> Option<Grant> {
        let (account, arn) = match principal {
            Principal::Anonymous => return self.anybody.then_some(Grant::Principal),
            Principal::Service(name) => {
                let named = self.anybody || self.services.iter().any(|service| service == name);
                return named.then_some(Grant::Principal);
            }
            // The root user is the account.
            Principal::Root(account) => {
                let named = self.anybody || self.accounts.contains(account);
                return named.then_some(Grant::Principal);
            }
            Principal::User { account, arn } => (account, arn),
            Principal::Role { account, arn, session_arn } => {
                if session_arn.is_some_and(|session| self.names(session)) {
                    return Some(Grant::Session);
                }
                (account, arn)
            }
        };
        if self.anybody || self.names(arn) {
            Some(Grant::Principal)
        } else {
            self.accounts.contains(account).then_some(Grant::Account)
        }
    }

    fn names(&self, arn: &str) -> bool {
        self.arns.iter().any(|named| named == arn)
    }
}
