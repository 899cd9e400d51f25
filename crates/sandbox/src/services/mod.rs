//! The services, one file each: its state and its operations.

use super::api::{ApiError, Call, Reply, Service};
use super::simulation::Control;

pub(super) mod account;
mod assume_root;
pub(super) mod athena;
pub(crate) mod cloudformation;
pub(super) mod cloudtrail;
pub(super) mod cloudwatch;
pub(super) mod config;
pub(super) mod control_tower;
pub(super) mod events;
pub(super) mod glue;
pub(super) mod guardduty;
pub(super) mod iam;
pub(crate) mod input;
pub(super) mod kms;
pub(super) mod logs;
pub(super) mod organizations;
pub(crate) mod resource_policy;
pub(super) mod security_hub;
pub(super) mod sns;
pub(super) mod sqs;
pub(super) mod sts;

/// Runs one call under the control plane's write lock.
pub(super) fn dispatch(control: &mut Control, call: &Call<'_>) -> Reply {
    let reply = answer(control, call);
    // Leaving the organization ends what its trail records: the call is recorded before.
    if call.operation != "LeaveOrganization" || reply.is_err() {
        super::simulator::record(control, call, &reply);
    }
    reply
}

fn answer(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.service {
        Service::Account => account::call(control, call),
        Service::Athena => athena::call(control, call),
        Service::CloudFormation => cloudformation::call(control, call),
        Service::CloudTrail => cloudtrail::call(control, call),
        Service::Config => config::call(control, call),
        Service::ControlTower => control_tower::call(control, call),
        Service::Monitoring => cloudwatch::call(control, call),
        Service::Events => events::call(control, call),
        Service::Glue => glue::call(control, call),
        Service::GuardDuty => guardduty::call(control, call),
        Service::Iam => iam::call(control, call),
        Service::Kms => kms::call(control, call),
        Service::Logs => logs::call(control, call),
        Service::Organizations => organizations::call(control, call),
        Service::SecurityHub => security_hub::call(control, call),
        Service::Sns => sns::call(control, call),
        Service::Sqs => sqs::call(control, call),
        Service::Sts => sts::call(control, call),
        Service::S3 => Err(unknown_operation(call)),
    }
}

/// For how long a call waits for messages: none where it does not.
pub(super) fn waits(control: &Control, call: &Call<'_>) -> Option<jiff::SignedDuration> {
    if call.service == Service::Sqs { sqs::waits(control, call) } else { None }
}

/// The answer to an operation that the sandbox does not have.
pub(super) fn unknown_operation(call: &Call<'_>) -> ApiError {
    ApiError::new(
        "UnknownOperationException",
        format!("the sandbox does not support {}:{}", call.service.action_prefix(), call.operation),
    )
}
