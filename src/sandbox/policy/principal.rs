//! Whom a statement names.

use serde_json::Value;

use super::document::{Malformed, strings};
use crate::{
    names::AccountId,
    sandbox::auth::{Caller, Identity},
};

/// The principals of a statement.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Principals {
    anybody: bool,
    accounts: Vec<AccountId>,
    arns: Vec<String>,
    services: Vec<String>,
}

/// How closely a statement names a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    /// Not at all.
    No,
    /// By its account: the account's own policies must allow it too.
    Account,
    /// Itself, its role, or everybody.
    Itself,
    /// As this very session, which session policies do not bound.
    Session,
}

impl Principals {
    /// Reads a `Principal` element.
    pub(super) fn new(value: &Value) -> Result<Self, Malformed> {
        let mut principals = Self::default();
        let entries = match value {
            Value::String(all) if all == "*" => {
                principals.anybody = true;
                return Ok(principals);
            }
            Value::Object(entries) if !entries.is_empty() => entries,
            other => return Err(Malformed(format!("Invalid principal in policy: {other}"))),
        };
        for (kind, names) in entries {
            let names = strings(names)
                .ok_or_else(|| Malformed(format!("Invalid principal in policy: {names}")))?;
            for name in names {
                match kind.as_str() {
                    "AWS" => principals.add(name)?,
                    "Service" => principals.services.push(name),
                    // Nobody in the sandbox is federated or a canonical user.
                    "Federated" | "CanonicalUser" => {}
                    _ => return Err(Malformed(format!("Invalid principal in policy: \"{kind}\""))),
                }
            }
        }
        Ok(principals)
    }

    fn add(&mut self, name: String) -> Result<(), Malformed> {
        let invalid =
            |name: &str| Malformed(format!("Invalid principal in policy: \"AWS\":\"{name}\""));
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
            // What AWS leaves of a principal that was deleted: it names nobody.
        } else {
            return Err(invalid(&name));
        }
        Ok(())
    }

    /// How closely these name the caller; `None` is anonymous.
    pub(super) fn name(&self, caller: Option<&Caller>) -> Named {
        let Some(caller) = caller else {
            return if self.anybody { Named::Itself } else { Named::No };
        };
        if let Identity::Service { principal, .. } = &caller.identity {
            let named = self.anybody || self.services.contains(principal);
            return if named { Named::Itself } else { Named::No };
        }
        if !self.arns.is_empty() {
            if matches!(caller.identity, Identity::AssumedRole { .. })
                && self.arns.contains(&caller.arn())
            {
                return Named::Session;
            }
            if self.arns.contains(&caller.principal_arn()) {
                return Named::Itself;
            }
        }
        if self.anybody {
            Named::Itself
        } else if self.accounts.contains(&caller.account) {
            // The root user is the account.
            if caller.identity == Identity::Root { Named::Itself } else { Named::Account }
        } else {
            Named::No
        }
    }
}
