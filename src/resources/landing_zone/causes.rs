//! Why a stack set could not be deployed: the reasons of all accounts, grouped by cause. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::AccountId;

/// Why a stack set could not be deployed to some accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The cause.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The accounts.
    pub accounts: BTreeSet<AccountId>,
}

/// A part of CloudFormation's reason, and what it means.
const KNOWN: [(&str, &str, &str); 7] = [
    (
        "already exists",
        "a role of this name exists that the stack set did not create",
        "delete or rename the role in these accounts, or choose another name in [roles]",
    ),
    (
        "service control policy",
        "a service control policy denies it",
        "exempt arn:*:iam::*:role/stacksets-exec-* in the policy",
    ),
    (
        "Scope ARN",
        "the policy of landing_zone.permissions_boundary does not exist",
        "create the policy in these accounts, or remove the setting",
    ),
    (
        "failure tolerance",
        "cancelled, because it failed in other accounts",
        "fix the other accounts, then run `orgtrail bootstrap --apply` again",
    ),
    (
        "Invalid principal",
        "the role that is trusted does not exist",
        "run `orgtrail bootstrap --apply` again: it creates the trusted role first",
    ),
    (
        "is not authorized to perform",
        "CloudFormation is not authorized to create it",
        "look for policies that limit stacksets-exec-*, or the caller of bootstrap",
    ),
    (
        "must detach",
        "policies that orgtrail does not manage are attached to the role",
        "detach them, then run the same command again",
    ),
];

/// Groups the reasons of accounts by cause, the most frequent first.
#[must_use]
pub fn causes<'a>(
    reasons: impl IntoIterator<Item = (&'a AccountId, Option<&'a str>)>,
) -> Vec<Cause> {
    let mut groups: BTreeMap<(String, Option<&str>), BTreeSet<AccountId>> = BTreeMap::new();
    for (account, reason) in reasons {
        let reason = reason.unwrap_or("AWS gave no reason");
        let known = KNOWN.iter().find(|(part, ..)| reason.contains(part));
        let key = match known {
            Some((_, what, hint)) => ((*what).to_owned(), Some(*hint)),
            // The same reason in two accounts differs in their ids.
            None => (reason.replace(account.as_str(), "ACCOUNT"), None),
        };
        groups.entry(key).or_default().insert(account.clone());
    }
    let mut causes: Vec<Cause> = groups
        .into_iter()
        .map(|((what, hint), accounts)| Cause { what, hint: hint.map(str::to_owned), accounts })
        .collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.accounts.len()));
    causes
}

/// The most accounts that a line names.
const NAMED: usize = 5;

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named: Vec<&str> = self.accounts.iter().take(NAMED).map(AccountId::as_str).collect();
        write!(f, "{} in {}", self.what, named.join(", "))?;
        match self.accounts.len().checked_sub(NAMED) {
            Some(more) if more > 0 => {
                write!(f, " and {}", crate::words::counted(more, "more account"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_grouped_by_cause_and_not_by_account() {
        let ids: Vec<AccountId> =
            (0..9).map(|at| format!("10000000000{at}").parse().unwrap()).collect();
        let denied = |id: &AccountId| {
            format!("role/x in {id} with an explicit deny in a service control policy")
        };
        let texts: Vec<String> = ids[1..].iter().map(denied).collect();
        let mut reasons = vec![(&ids[0], Some("'OrgTrailMember' already exists."))];
        reasons.extend(ids[1..].iter().zip(&texts).map(|(id, text)| (id, Some(text.as_str()))));
        let found = causes(reasons);
        assert_eq!(found.len(), 2);
        assert!(found[0].to_string().ends_with("and 3 more accounts"), "{}", found[0]);
        assert!(found[0].hint.as_deref().unwrap().contains("stacksets-exec-"));
        assert!(found[1].what.contains("did not create"));
        // Unknown reasons are one cause where they differ in the account only.
        let odd: Vec<String> = ids.iter().map(|id| format!("odd in {id}")).collect();
        let odd = ids.iter().zip(&odd).map(|(id, text)| (id, Some(text.as_str())));
        assert_eq!(causes(odd).len(), 1);
        assert_eq!(causes([(&ids[0], None)])[0].what, "AWS gave no reason");
    }
}
