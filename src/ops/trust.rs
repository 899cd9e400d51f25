//! What makes the records below `orgtrail/` in the archive trusted.

use super::Env;
use crate::archive::authenticity::RecordTrust;
use crate::aws::{At as _, Aws, AwsError, Clients};
use crate::names::OrgId;
use crate::ops::OpError;

/// What the configuration trusts: its key for MACs, and the SHA-256 that it lists.
///
/// # Errors
/// A key is configured, and the organization is unreadable.
pub(crate) async fn trust(env: &Env, aws: &Aws) -> Result<RecordTrust, OpError> {
    let config = env.config()?;
    let known = env.session().identity().and_then(|identity| identity.organization.clone());
    let organization = match known {
        Some(known) => Some(known),
        None if config.records.mac_key.is_none() => None,
        None => Some(organization(&aws.own_clients()).await?),
    };
    Ok(RecordTrust::of_config(config, aws, organization.as_ref()))
}

/// What the configuration, if there is one, and the request list.
pub(super) fn listed(env: &Env, more: &[String]) -> RecordTrust {
    let of_config = env.valid_config().into_iter().flat_map(|config| &config.records.acceptances);
    RecordTrust::listed(of_config.chain(more))
}

async fn organization(clients: &Clients) -> Result<OrgId, AwsError> {
    const ACTION: &str = "organizations:DescribeOrganization";
    let answer =
        clients.organizations().describe_organization().send().await.at(clients, ACTION)?;
    let id = answer.organization().and_then(|it| it.id()).unwrap_or_default();
    id.parse().map_err(|_| clients.malformed(ACTION, &format!("the id `{id}`")))
}
