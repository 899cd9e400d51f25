//! What the errors of signing in, planning and applying say to the person at the terminal,
//! and how the program exits after them. The library knows neither.

use super::{Exit, Explain};
use crate::aws::ErrorKind;
use crate::org::IdentityError;
use crate::plan::apply::{ApplyRefused, Stale};
use crate::plan::mfa_delete::MfaDeleteError;
use crate::plan::retire::{Left, RetireError};
use crate::resources::OrganizationError;

impl Explain for IdentityError {
    fn hint(&self) -> Option<String> {
        let credentials = "use credentials of the organization in the configuration \
                           (AWS_PROFILE, AWS_ACCESS_KEY_ID)";
        match self {
            Self::OtherManagement { found, .. } => {
                Some(format!("{credentials}, or set organization.management_account = \"{found}\""))
            }
            Self::NoOrganization { .. } | Self::OtherPartition { .. } => {
                Some(credentials.to_owned())
            }
            Self::NotAMember { key, .. } => {
                Some(format!("correct {key}, or invite the account into the organization first"))
            }
            Self::NeedsManagement { cause, .. } => Some(match cause.kind() {
                ErrorKind::AccessDenied => format!(
                    "sign in there, or let this caller assume a role in it: {}",
                    cause.hint().unwrap_or_else(|| cause.in_full())
                ),
                _ => cause.in_full(),
            }),
            Self::Unreadable { cause, .. } | Self::Closed { cause, .. } => cause.hint(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::OtherManagement { .. }
            | Self::NoOrganization { .. }
            | Self::OtherPartition { .. }
            | Self::NotAMember { .. } => Exit::Usage,
            Self::NeedsManagement { .. } | Self::Unreadable { .. } | Self::Closed { .. } => {
                Exit::Incomplete
            }
        }
    }
}

impl Explain for OrganizationError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable(error) => error.hint(),
            Self::OtherManagement { .. } => Some(
                "set organization.management_account, or use credentials of the other organization"
                    .to_owned(),
            ),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Unreadable(error) => error.exit(),
            Self::OtherManagement { .. } => Exit::Usage,
        }
    }
}

impl Explain for Stale {
    fn hint(&self) -> Option<String> {
        Some("run the same command again, and read the new plan".to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::Refused
    }
}

impl Explain for ApplyRefused {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Guard { hint, .. } => hint.clone(),
            Self::Unconfirmed { flags, .. } => {
                Some(format!("read the plan, then add {} to `orgtrail apply`", flags.join(" ")))
            }
        }
    }

    fn exit(&self) -> Exit {
        Exit::Refused
    }
}

impl Explain for RetireError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { .. } => None,
            Self::NotStopped { source, .. } => source.hint(),
            Self::Left { trail, left: Left::Started | Left::AsItWas | Left::Gone, source } => {
                let again = format!("then run `orgtrail retire {trail}` again");
                Some(match source.hint() {
                    Some(hint) => format!("{hint}; {again}"),
                    None => again,
                })
            }
            Self::Left { trail, left: Left::Stopped { .. }, .. } => Some(format!(
                "run `orgtrail retire {trail}` again to complete it, or start the trail with its \
                 owner's credentials: `aws cloudtrail start-logging --name {trail}`"
            )),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Refused { .. } => Exit::Refused,
            Self::NotStopped { source, .. } if source.kind() == ErrorKind::AccessDenied => {
                Exit::Refused
            }
            Self::NotStopped { .. } | Self::Left { .. } => Exit::Incomplete,
        }
    }
}

impl Explain for MfaDeleteError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(_) => Some(
                "S3 wants root's long-term access key, the device's serial as IAM shows it, a code that was not used yet, and a bucket without lifecycle rules"
                    .to_owned(),
            ),
            Self::NotShown(_) => {
                Some("the endpoint ignores MFA delete; look with `orgtrail plan`".to_owned())
            }
        }
    }

    fn exit(&self) -> Exit {
        Exit::Refused
    }
}
