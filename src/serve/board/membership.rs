//! Accounts that joined and are not covered in time, and accounts that left, as signals.

use jiff::Timestamp;

use super::Board;
use super::signals::{fingerprint, scope_text};
use crate::report::contract::checks::Severity;
use crate::report::contract::drift::Scope;
use crate::report::contract::new_accounts::{DepartedAccount, JoinedAccount};
use crate::report::contract::round::Part;
use crate::report::contract::service::{Signal, SignalState};

/// The check of accounts that joined.
const LATE: &str = "account-not-covered";
/// The check of accounts that left.
const DEPARTED: &str = "account-departed";

impl Board {
    pub(super) fn of_membership(&self) -> impl Iterator<Item = Signal> + '_ {
        let late = self.late.iter().map(|account| self.of_late(account));
        late.chain(self.departed.iter().map(of_departed))
    }

    fn of_late(&self, account: &JoinedAccount) -> Signal {
        let scope = Scope::Account { account: account.account.clone() };
        let reason = account.reason.as_deref().unwrap_or("nothing is known yet");
        let fix = match (account.role_assumed_at, account.trail_logging_at) {
            (None, _) => {
                "create the role of [roles] in the account: `orgtrail config roles` prints it"
            }
            (Some(_), None) => {
                "CloudTrail creates the trail in a new account, usually within minutes: if it \
                 does not within a day, contact AWS Support"
            }
            (Some(_), Some(_)) => "look at the delivery errors: `orgtrail coverage`",
        };
        Signal {
            unit_path: self.unit_path(Some(&account.account)),
            expected: Some("its role, the trail and a first delivery, in time".to_owned()),
            fix: Some(fix.to_owned()),
            ..signal(
                LATE,
                Severity::High,
                scope,
                "an account that joined is not covered in time",
                format!("joined at {:.0}: {reason}", account.joined_at),
            )
        }
    }
}

fn of_departed(account: &DepartedAccount) -> Signal {
    let scope = Scope::Account { account: account.account.clone() };
    let found = format!(
        "it was no longer a member at {:.0}: the trail records nothing of it since",
        account.departed_at
    );
    let fix = "nothing, if it was meant to leave: its logs stay in the archive, where `orgtrail \
               verify` proves them";
    Signal {
        fix: Some(fix.to_owned()),
        ..signal(DEPARTED, Severity::Medium, scope, "an account left the organization", found)
    }
}

fn signal(check: &str, severity: Severity, scope: Scope, title: &str, found: String) -> Signal {
    Signal {
        fingerprint: fingerprint(Part::Drift, check, &scope_text(&scope)),
        part: Part::Drift,
        check: check.to_owned(),
        severity,
        state: SignalState::Failing,
        scope,
        unit_path: None,
        title: title.to_owned(),
        expected: None,
        found,
        fix: None,
        cause: None,
        events: None,
        suppressed: false,
        since: Timestamp::MIN,
    }
}
