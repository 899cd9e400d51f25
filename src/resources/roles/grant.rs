use serde::Serialize;

use crate::config::Config;
use crate::names::{AccountId, Arn, Partition, Region, RoleName};
use crate::policy::Statement;

/// A statement of a role's policy, and why the role needs it. Where its resource is `*` or a
/// pattern of names, that is why too.
#[derive(Debug, Clone, Serialize)]
pub struct Grant {
    /// The statement.
    pub statement: Statement,
    /// What orgtrail does with it, and why it is not narrower.
    pub why: &'static str,
}

impl Grant {
    pub(super) fn new<A: Into<String>, R: Into<String>>(
        sid: &str,
        actions: impl IntoIterator<Item = A>,
        resources: impl IntoIterator<Item = R>,
        why: &'static str,
    ) -> Self {
        let mut actions: Vec<String> = actions.into_iter().map(Into::into).collect();
        actions.sort();
        Self { statement: Statement::allow(sid).actions(actions).resources(resources), why }
    }

    pub(super) fn when<S: Into<String>>(
        mut self,
        operator: &str,
        key: &str,
        values: impl IntoIterator<Item = S>,
    ) -> Self {
        self.statement = self.statement.when(operator, key, values);
        self
    }
}

/// The account of a role, and the names that the configuration declares.
pub(super) struct Scope<'a> {
    pub(super) config: &'a Config,
    /// Without one, the policy is for every other account.
    pub(super) account: Option<&'a AccountId>,
}

impl Scope<'_> {
    pub(super) fn partition(&self) -> Partition {
        self.config.partition()
    }

    pub(super) fn management(&self) -> &AccountId {
        &self.config.organization.management_account
    }

    pub(super) fn archive(&self) -> &AccountId {
        &self.config.organization.log_archive_account
    }

    pub(super) fn home(&self) -> &Region {
        &self.config.organization.home_region
    }

    /// Whether the role is in an account.
    pub(super) fn is_in(&self, account: &AccountId) -> bool {
        self.account == Some(account)
    }

    /// The ARN of a bucket, or with a path behind it, of its objects.
    pub(super) fn s3(&self, resource: impl Into<Box<str>>) -> String {
        Arn::s3(self.partition(), resource).to_string()
    }

    /// The ARN of something in the management account's home Region.
    pub(super) fn at_home(&self, service: &str, resource: impl Into<Box<str>>) -> String {
        let (home, management) = (self.home(), self.management());
        Arn::regional(self.partition(), service, home, management, resource).to_string()
    }

    /// The ARN of a role without a path.
    pub(super) fn role(&self, account: &AccountId, name: &RoleName) -> String {
        Arn::global(self.partition(), "iam", account, format!("role/{name}")).to_string()
    }

    /// The ARNs of all trails of an account, or of any.
    pub(super) fn trails(&self, account: Option<&AccountId>) -> String {
        let account = account.map_or("*", AccountId::as_str);
        format!("arn:{}:cloudtrail:*:{account}:trail/*", self.partition())
    }

    /// The ARNs of all keys of an account, or of any.
    pub(super) fn keys(&self, account: Option<&AccountId>) -> String {
        let account = account.map_or("*", AccountId::as_str);
        format!("arn:{}:kms:*:{account}:key/*", self.partition())
    }

    /// S3 as KMS sees it, in any Region (`kms:ViaService`).
    pub(super) fn s3_of_any_region(&self) -> String {
        format!("s3.*.{}", self.partition().dns_suffix())
    }
}
