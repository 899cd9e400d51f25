//! Whether stack sets may work in the organization.

use serde::Serialize;

use super::parameters::Parameters;
use super::{ZoneWriter, failed};
use crate::aws::{AwsError, Clients, Observation, StackRead, StackWrite};
use crate::resources::StepError;

/// Whether stack sets may work in the organization.
///
/// Source: CloudFormation `DescribeOrganizationsAccess`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Access {
    /// They may.
    Enabled,
    /// They may not yet, or not any more.
    Disabled,
    /// They may not, and it cannot be changed.
    DisabledPermanently,
}

/// Reads it; absent if there is no organization.
pub(super) async fn read(clients: &Clients) -> Observation<Access> {
    let call = StackRead::DescribeOrganizationsAccess;
    let answer = clients.read_stacks(call, Parameters::default().get()).await;
    let answer = answer.and_then(|answer| match answer.text("Status") {
        Some("ENABLED") => Ok(Access::Enabled),
        Some("DISABLED") => Ok(Access::Disabled),
        Some("DISABLED_PERMANENTLY") => Ok(Access::DisabledPermanently),
        found => Err(clients
            .malformed(call.action(), &format!("the status `{}`", found.unwrap_or_default()))),
    });
    let is_absent = |error: &AwsError| error.is_code("InvalidOperationException");
    Observation::from_result(answer, is_absent)
}

/// Lets stack sets work in the organization, and waits until they may.
pub(crate) async fn activate(writer: &ZoneWriter<'_>) -> Result<(), StepError> {
    let call = StackWrite::ActivateOrganizationsAccess;
    writer.clients.write_stacks(call, Parameters::default().get()).await?;
    let mut waited = std::time::Duration::ZERO;
    for wait in writer.waits() {
        match read(&writer.clients).await {
            Observation::Present(Access::Enabled) => return Ok(()),
            Observation::Unreadable(error) => return Err(error.into()),
            _ if waited >= writer.propagation.at_most => break,
            _ => {}
        }
        writer.pause(wait).await?;
        waited += wait;
    }
    Err(failed(
        "stack sets were activated, but CloudFormation does not report it yet",
        Some("run `orgtrail bootstrap --apply` again in a few minutes".to_owned()),
    ))
}
