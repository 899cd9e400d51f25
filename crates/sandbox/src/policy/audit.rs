//! What was decided for the principals of accounts, while recording is on: which role
//! made which request on which resource, and which of its statements allowed it.

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// A decision for a principal of an account. The same decision is recorded once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuthorizationRecord {
    /// The ARN of the user or role.
    pub principal: String,
    /// The IAM action: `s3:PutObject`.
    pub action: String,
    /// The resource's ARN, or `*`.
    pub resource: String,
    /// The account that owns the resource.
    pub resource_account: String,
    /// Whether the request was allowed.
    pub allowed: bool,
    /// The `Sid`s of the principal's own statements that allow it.
    pub statements: BTreeSet<String>,
    /// Whether the request is denied where the principal's own policies do not allow it: a
    /// resource's policy may allow it alone.
    pub needs_identity: bool,
}

/// The decisions since recording started; none before.
#[derive(Debug, Default)]
pub(crate) struct Audit(Mutex<Option<BTreeSet<AuthorizationRecord>>>);

impl Audit {
    pub(crate) fn begin(&self) {
        self.0.lock().get_or_insert_default();
    }

    pub(crate) fn take(&self) -> BTreeSet<AuthorizationRecord> {
        self.0.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn is_recording(&self) -> bool {
        self.0.lock().is_some()
    }

    pub(super) fn record(&self, record: AuthorizationRecord) {
        if let Some(records) = self.0.lock().as_mut() {
            records.insert(record);
        }
    }
}
