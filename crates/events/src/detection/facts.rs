use std::collections::BTreeSet;

/// What is known of the trail and its guards, with which events are compared.
///
/// Everything is as AWS writes it. Empty facts mean that no configuration is known: then the
/// rules about trails and about the organization apply to any of them.
#[derive(Debug, Clone, Default)]
pub struct TrailFacts {
    /// The accounts that own the archive and its vault.
    pub archive_accounts: BTreeSet<String>,
    /// The resources that deliver, keep and guard the events.
    pub resources: Vec<OwnResource>,
    /// How the calls of orgtrail itself look.
    pub own: Option<OwnCalls>,
}

/// A kind of resource that rules are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A trail of CloudTrail.
    Trail,
    /// An S3 bucket.
    Bucket,
    /// A KMS key.
    Key,
    /// An SNS topic.
    Topic,
    /// A log group of CloudWatch Logs.
    LogGroup,
    /// An alarm of CloudWatch.
    Alarm,
    /// A policy of AWS Organizations.
    Policy,
    /// An IAM role.
    Role,
}

/// A resource that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnResource {
    /// Its kind.
    pub kind: Kind,
    /// What it is, in words, as `the archive`.
    pub role: String,
    /// Its names, ids and aliases, without the account.
    pub names: BTreeSet<String>,
    /// Its ARNs.
    pub arns: BTreeSet<String>,
    /// The account that owns it, if known.
    pub account: Option<String>,
    /// Its Region, if it has one and that is known.
    pub region: Option<String>,
    /// Whether events may name it in ways that are not known, as by the id of a key of which
    /// the configuration has only the alias.
    pub has_unknown_names: bool,
}

/// How the calls that orgtrail makes look.
///
/// Anyone who may assume its roles can make calls that look the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnCalls {
    /// The ARNs of the roles that it assumes.
    pub roles: BTreeSet<String>,
    /// The session name that it gives.
    pub session_name: String,
    /// What the user agent begins with.
    pub user_agent: String,
}

impl TrailFacts {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.archive_accounts.is_empty()
    }

    /// The resources of a kind.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &OwnResource> {
        self.resources.iter().filter(move |resource| resource.kind == kind)
    }
}

impl OwnResource {
    /// A resource with a name.
    #[must_use]
    pub fn named(kind: Kind, role: &str, name: impl Into<String>) -> Self {
        Self {
            kind,
            role: role.to_owned(),
            names: [name.into()].into(),
            arns: BTreeSet::new(),
            account: None,
            region: None,
            has_unknown_names: false,
        }
    }

    /// The same, of an account and in a Region.
    #[must_use]
    pub fn within(mut self, account: impl Into<String>, region: Option<&str>) -> Self {
        self.account = Some(account.into());
        self.region = region.map(str::to_owned);
        self
    }

    /// The same with an ARN.
    #[must_use]
    pub fn with_arn(mut self, arn: impl Into<String>) -> Self {
        self.arns.insert(arn.into());
        self
    }
}
