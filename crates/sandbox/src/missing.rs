//! Errors for names that the sandbox does not have.

use orgtrail_base::names::AccountId;

/// There is no such account, or no organization that it could join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox has no account {account}, or no organization")]
pub struct NoSuchAccount {
    /// The account.
    pub account: AccountId,
}

/// There is no such account or user who could sign in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox has no user {} in an account {account}", user.as_deref().unwrap_or("root"))]
pub struct NoSuchUser {
    /// The account.
    pub account: AccountId,
    /// The user's name; `None` is the root user.
    pub user: Option<String>,
}

/// There is no such bucket or object in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox has no object `{key}` in a bucket `{bucket}`")]
pub struct NoSuchObject {
    /// The requested bucket.
    pub bucket: String,
    /// The requested key.
    pub key: String,
}

impl NoSuchObject {
    pub(super) fn new(bucket: &str, key: &str) -> Self {
        Self { bucket: bucket.to_owned(), key: key.to_owned() }
    }
}
