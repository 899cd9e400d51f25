use crate::aws::{AwsError, ErrorKind};
use crate::names::AccountId;
use crate::report::contract::doctor as contract;
use crate::words::counted;

/// The result of an item. The order is that of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Something is wrong.
    Problem,
    /// It could not be read.
    Unknown,
    /// Nothing is wrong.
    Ok,
    /// Not examined: the configuration does not require it.
    Skipped,
}

/// One line of a diagnosis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What was examined, in kebab-case.
    pub id: &'static str,
    /// The result.
    pub verdict: Verdict,
    /// What was found.
    pub evidence: String,
    /// The IAM actions that are missing.
    pub missing_actions: Vec<String>,
    /// How to fix it: a command or a setting.
    pub fix: Option<String>,
    /// The affected accounts, if it concerns single accounts.
    pub accounts: Vec<AccountId>,
}

/// The most accounts that a line names.
const NAMED: usize = 3;

impl Item {
    fn new(id: &'static str, verdict: Verdict, evidence: impl Into<String>) -> Self {
        Self {
            id,
            verdict,
            evidence: evidence.into(),
            missing_actions: Vec::new(),
            fix: None,
            accounts: Vec::new(),
        }
    }

    /// Nothing is wrong.
    #[must_use]
    pub fn ok(id: &'static str, evidence: impl Into<String>) -> Self {
        Self::new(id, Verdict::Ok, evidence)
    }

    /// Something is wrong.
    #[must_use]
    pub fn problem(id: &'static str, evidence: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..Self::new(id, Verdict::Problem, evidence) }
    }

    /// Not examined: this setting or option would require it.
    #[must_use]
    pub fn skipped(id: &'static str, setting: &str) -> Self {
        Self::new(id, Verdict::Skipped, format!("not configured ({setting})"))
    }

    /// A read that failed.
    #[must_use]
    pub fn unread(id: &'static str, error: &AwsError) -> Self {
        let missing = (error.kind() == ErrorKind::AccessDenied || error.has_no_session())
            .then(|| error.permission());
        Self {
            missing_actions: missing.into_iter().collect(),
            fix: error.hint(),
            ..Self::new(id, Verdict::Unknown, error.in_full())
        }
    }

    /// Something that depends on what another item could not read.
    #[must_use]
    pub fn waits(id: &'static str, what: &str) -> Self {
        Self::new(id, Verdict::Unknown, format!("not examined: {what}"))
    }

    /// The same for these accounts.
    #[must_use]
    pub fn of_accounts(mut self, accounts: impl IntoIterator<Item = AccountId>) -> Self {
        self.accounts = accounts.into_iter().collect();
        self.accounts.sort();
        self
    }

    /// The same with missing IAM actions.
    #[must_use]
    pub fn missing(mut self, actions: impl IntoIterator<Item = String>) -> Self {
        self.missing_actions = actions.into_iter().collect();
        self
    }
}

impl From<&Item> for contract::Item {
    fn from(item: &Item) -> Self {
        let Item { id, verdict, evidence, missing_actions, fix, accounts } = item.clone();
        Self {
            item: id.to_owned(),
            verdict: verdict.into(),
            evidence,
            missing_actions,
            fix,
            accounts,
        }
    }
}

impl From<Verdict> for contract::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Problem => Self::Problem,
            Verdict::Unknown => Self::Unknown,
            Verdict::Ok => Self::Ok,
            Verdict::Skipped => Self::Skipped,
        }
    }
}

/// Accounts in words: their number, and the first ones.
pub(super) fn in_accounts(accounts: &[AccountId]) -> String {
    let mut named: Vec<&str> = accounts.iter().take(NAMED).map(AccountId::as_str).collect();
    if accounts.len() > NAMED {
        named.push("…");
    }
    format!("{} ({})", counted(accounts.len(), "account"), named.join(", "))
}

/// Failed reads of several accounts, one item for each cause: errors that differ only in the
/// account and the request are the same.
pub(super) fn grouped(id: &'static str, failed: Vec<(AccountId, AwsError)>) -> Vec<Item> {
    let mut groups: Vec<(String, AwsError, Vec<AccountId>)> = Vec::new();
    for (account, error) in failed {
        let kind = format!("{}:{}", error.permission(), error.kind());
        match groups.iter_mut().find(|(known, ..)| *known == kind) {
            Some((.., accounts)) => accounts.push(account),
            None => groups.push((kind, error, vec![account])),
        }
    }
    let items = groups.into_iter().map(|(_, error, mut accounts)| {
        accounts.sort();
        let item = Item::unread(id, &error);
        let evidence = match accounts.as_slice() {
            [_] => item.evidence,
            many => format!("{}: {} in {}", error.permission(), error.kind(), in_accounts(many)),
        };
        Item { evidence, accounts, ..item }
    });
    items.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Failure;

    fn denied(account: &str, request: &str) -> (AccountId, AwsError) {
        let account: AccountId = account.parse().unwrap();
        let failure = Failure {
            operation: "GetAccountSummary".to_owned(),
            service: "iam".to_owned(),
            account: Some(account.clone()),
            region: None,
            principal: None,
            kind: ErrorKind::AccessDenied,
            code: Some("AccessDenied".to_owned()),
            message: None,
            request_id: Some(request.to_owned()),
            bucket_region: None,
            source: None,
        };
        (account, failure.into())
    }

    #[test]
    fn the_same_failure_in_many_accounts_is_one_item() {
        let ids = ["444444444444", "111111111111", "222222222222", "333333333333"];
        let failed = ids.iter().map(|id| denied(id, id)).collect();
        let items = grouped("root-keys", failed);
        assert_eq!(items.len(), 1, "{items:?}");
        assert_eq!(items[0].verdict, Verdict::Unknown);
        assert_eq!(items[0].missing_actions, ["iam:GetAccountSummary"]);
        assert_eq!(items[0].accounts.len(), 4);
        assert_eq!(
            items[0].evidence,
            "iam:GetAccountSummary: access denied in 4 accounts (111111111111, 222222222222, 333333333333, …)"
        );
    }
}
