use super::{Location, OrganizationFacts};
use crate::config::Config;
use crate::names::{AccountId, Arn, BucketName, OrgId, Partition, Region, prefix_folder};
use crate::policy::Unmanaged;

/// What the configuration declares, and what follows from it: the names and ARNs of
/// everything that orgtrail manages.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The config. On the heap, because many futures contain what is declared.
    pub config: Box<Config>,
    /// What a plan needs to know of the organization.
    pub organization: OrganizationFacts,
    /// The roles that the bucket policy and the guardrail exempt: orgtrail's own in the
    /// log-archive account.
    pub own_roles: Vec<Arn>,
    /// What happens to unmanaged policy statements.
    pub unmanaged: Unmanaged,
}

impl Desired {
    /// What a config declares for an organization.
    #[must_use]
    pub fn new(config: Config, organization: OrganizationFacts, unmanaged: Unmanaged) -> Self {
        let archive = &config.organization.log_archive_account;
        let own_roles = vec![config.roles.arn_in(config.partition(), archive)];
        Self { config: Box::new(config), organization, own_roles, unmanaged }
    }

    /// The partition of everything.
    #[must_use]
    pub fn partition(&self) -> Partition {
        self.config.partition()
    }

    /// The account that owns the trail.
    #[must_use]
    pub fn management(&self) -> &AccountId {
        &self.config.organization.management_account
    }

    /// The account that owns the bucket and the key.
    #[must_use]
    pub fn archive(&self) -> &AccountId {
        &self.config.organization.log_archive_account
    }

    /// The organization's id.
    #[must_use]
    pub fn org_id(&self) -> &OrgId {
        &self.organization.id
    }

    /// The trail's ARN: always with the management account's id.
    #[must_use]
    pub fn trail_arn(&self) -> Arn {
        self.management_arn("cloudtrail", format!("trail/{}", self.config.trail.name))
    }

    /// The log group's ARN, without the suffix `:*` that CloudTrail requires.
    #[must_use]
    pub fn log_group_arn(&self) -> Arn {
        self.management_arn("logs", format!("log-group:{}", self.config.cloudwatch_logs.group))
    }

    /// The ARN of the role with which CloudTrail writes into the log group.
    #[must_use]
    pub fn log_group_role_arn(&self) -> Arn {
        let role = format!("role/{}", self.config.cloudwatch_logs.role);
        Arn::global(self.partition(), "iam", self.management(), role)
    }

    /// The ARN of the topic that the trail notifies, if one is declared.
    #[must_use]
    pub fn topic_arn(&self) -> Option<Arn> {
        let topic = self.config.topic.as_ref()?;
        topic.arn.clone().or_else(|| self.own_topic_arn())
    }

    /// The ARN of the topic that orgtrail creates; absent if the ARN of an existing one
    /// is declared.
    pub(super) fn own_topic_arn(&self) -> Option<Arn> {
        let topic = self.config.topic.as_ref().filter(|topic| topic.arn.is_none())?;
        Some(self.management_arn("sns", topic.name.as_str()))
    }

    /// Condition keys of a request that an AWS service makes for something in the
    /// organization.
    pub(super) fn service_context(&self) -> Vec<(&'static str, String)> {
        let org = self.org_id().to_string();
        vec![("aws:SourceOrgID", org.clone()), ("aws:ResourceOrgID", org)]
    }

    /// The ARN of the topic that the alarms notify, if alarms are declared.
    #[must_use]
    pub fn alarm_topic_arn(&self) -> Option<Arn> {
        let alarms = self.config.alarms.as_ref()?;
        Some(self.management_arn("sns", alarms.topic.as_str()))
    }

    /// The archive bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &BucketName {
        &self.config.archive.bucket
    }

    /// The ARN of the role with which S3 replicates.
    #[must_use]
    pub fn replication_role_arn(&self, vault: &crate::config::Replication) -> Arn {
        Arn::global(self.partition(), "iam", self.archive(), format!("role/{}", vault.role))
    }

    /// The ARN of a bucket, or with a path after it, of objects in it.
    #[must_use]
    pub fn s3_arn(&self, resource: impl Into<Box<str>>) -> Arn {
        Arn::s3(self.partition(), resource)
    }

    /// The key's alias as an ARN in the log-archive account.
    #[must_use]
    pub fn key_alias_arn(&self) -> Arn {
        let region = &self.config.archive.region;
        Arn::regional(
            self.partition(),
            "kms",
            region,
            self.archive(),
            self.config.key.alias.as_str(),
        )
    }

    /// The prefixes of the keys that CloudTrail writes: the management account's own, and
    /// the organization's.
    #[must_use]
    pub fn log_prefixes(&self) -> [String; 2] {
        let prefix = prefix_folder(self.config.archive.prefix.as_ref());
        [
            format!("{prefix}AWSLogs/{}/", self.management()),
            format!("{prefix}AWSLogs/{}/", self.org_id()),
        ]
    }

    pub(crate) fn management_location(&self) -> Location {
        Location { account: self.management().clone(), region: None }
    }

    pub(crate) fn home_location(&self) -> Location {
        let region = Some(self.config.organization.home_region.clone());
        Location { account: self.management().clone(), region }
    }

    pub(crate) fn archive_location(&self) -> Location {
        let region = Some(self.config.archive.region.clone());
        Location { account: self.archive().clone(), region }
    }

    pub(crate) fn home_region(&self) -> &Region {
        &self.config.organization.home_region
    }

    pub(super) fn management_arn(&self, service: &str, resource: impl Into<Box<str>>) -> Arn {
        Arn::regional(self.partition(), service, self.home_region(), self.management(), resource)
    }
}
