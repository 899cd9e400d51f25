//! The records of consolidation runs.

use std::fmt::Write as _;

use super::trust::trust;
use super::{Env, OpError, Outcome, archive};
use crate::archive::consolidate::history::{History, history};
use crate::archive::consolidate::ledger::Ledger;
use crate::report::contract;

/// What records without MACs cannot prove.
const NOT_AUTHENTICATED: &str = "no `records.mac_key` is declared: anyone who can write below `orgtrail/` in the archive can add a record, so `consolidate` lists every day again and `verify` does not rely on records";

/// The runs that the archive has records of, and whether the records are consistent.
#[derive(Debug)]
pub struct Records {
    /// The runs, and what is wrong with their records.
    pub history: History,
    /// The ARN of the KMS key of their MACs.
    pub mac_key: Option<String>,
    /// Why not every record is known to be orgtrail's.
    pub not_authenticated: Option<String>,
}

/// Reads and checks every run record. Changes nothing.
///
/// # Errors
/// Not signed in, or the records are unreadable.
pub async fn records(env: &Env) -> Result<Records, OpError> {
    let config = env.config()?;
    let aws = env.aws_of_member().await?;
    let mac_key = trust(env, &aws).await?.mac_key;
    let target = archive::bucket(config, &aws);
    let ledger = Ledger::new(target, archive::prefix(config)).authenticated_by(mac_key);
    let history = history(&ledger, aws.now()).await?;
    let mac_key = ledger.mac_key().map(|key| key.arn().to_string());
    let not_authenticated = not_authenticated(mac_key.as_deref(), &history);
    Ok(Records { history, mac_key, not_authenticated })
}

impl Records {
    /// Whether the records are consistent and authenticated.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let history = &self.history;
        // Records before the key was configured have no MACs; that none has one is wrong.
        let have_none = self.mac_key.is_some()
            && history.before_mac_key > 0
            && history.authenticated_records == 0;
        if !history.faults.is_empty() {
            Outcome::IntegrityFailure
        } else if have_none || !history.unchecked.is_empty() {
            Outcome::Incomplete
        } else {
            Outcome::Clean
        }
    }

    /// The same as a document.
    #[must_use]
    pub fn document(&self) -> contract::records::Report {
        let (mac_key, reason) = (self.mac_key.clone(), self.not_authenticated.clone());
        contract::records::Report::new(&self.history, mac_key, reason)
    }
}

/// Why it is not known of every record who wrote it.
fn not_authenticated(mac_key: Option<&str>, history: &History) -> Option<String> {
    let Some(mac_key) = mac_key else { return Some(NOT_AUTHENTICATED.to_owned()) };
    let (records, authenticated) = (history.records, history.authenticated_records);
    if authenticated == records && history.faults.is_empty() {
        return None;
    }
    let mut reason = format!("{authenticated} of {records} records have a valid MAC of {mac_key}");
    if history.before_mac_key > 0 {
        let before = history.before_mac_key;
        let _ = write!(reason, "; {before} have none and were written before the first with one");
    }
    if let Some(unchecked) = history.unchecked.first() {
        let count = history.unchecked.len();
        let _ = write!(reason, "; {count} could not be checked: {}", unchecked.reason);
    }
    Some(reason)
}
