//! The archive of the configuration, as operations read it and write into it.

use aws_sdk_s3::types::StorageClass;

use crate::archive::authenticity::RecordTrust;
use crate::archive::consolidate::copy::{PART_BYTES, Target};
use crate::archive::consolidate::run::{Archive, RunInfo};
use crate::archive::key::Root;
use crate::aws::Aws;
use crate::config::Config;
use crate::names::OrgId;

/// The archive as consolidation fills it.
pub(crate) fn archive(config: &Config, organization: &OrgId, aws: &Aws) -> Archive {
    let prefix = prefix(config);
    let root = Root { prefix: prefix.as_deref().map(Into::into), org: Some(organization.clone()) };
    let trust = RecordTrust::of_config(config, aws, Some(organization));
    Archive { target: bucket(config, aws), prefix, trust, root }
}

/// The archive's bucket.
pub(crate) fn bucket(config: &Config, aws: &Aws) -> Target {
    let account = &config.organization.log_archive_account;
    Target {
        clients: aws.clients(account, &config.archive.region),
        bucket: config.archive.bucket.clone(),
        storage_class: StorageClass::from(config.consolidate.storage_class.as_str()),
        part_bytes: PART_BYTES,
    }
}

/// What precedes `AWSLogs/` in the archive's keys.
pub(crate) fn prefix(config: &Config) -> Option<String> {
    config.archive.prefix.as_ref().map(ToString::to_string)
}

/// A consolidation run that starts now.
pub(crate) fn start_run(aws: &Aws) -> RunInfo {
    let now = aws.now();
    RunInfo {
        id: format!("{}-{:08x}", now.strftime("%Y%m%dT%H%M%SZ"), fastrand::u32(..)),
        now,
        caller: aws.caller().arn.to_string(),
        program: format!("orgtrail {}", env!("CARGO_PKG_VERSION")),
    }
}
