//! Hints and outcomes of the library's errors. The library itself knows neither.

use std::path::Path;
use std::sync::Arc;

use super::{Explain, Outcome};
use crate::archive::accept::AcceptError;
use crate::archive::bundle::{BundleError, BundleFault};
use crate::archive::consolidate::copy::CopyError;
use crate::archive::consolidate::ledger::LedgerError;
use crate::archive::consolidate::run::MAC_HINT;
use crate::archive::sequence::SequenceError;
use crate::archive::verify::public_keys::KeyListError;
use crate::archive::verify::run::Unmatched;
use crate::archive::verify::source::ListError;
use crate::aws::{AwsError, ErrorKind};
use crate::config::{ConfigError, Finding, Origin, Severity};
use crate::events::export::{DestinationError, UnitError};
use crate::org::IdentityError;
use crate::plan::apply::{ApplyRefused, Stale};
use crate::plan::mfa_delete::MfaDeleteError;
use crate::plan::retire::{Left, RetireError};
use crate::resources::OrganizationError;
use crate::resources::landing_zone::LandingZoneError;

impl Explain for IdentityError {
    fn hint(&self) -> Option<String> {
        let credentials = "use credentials of the organization in the configuration \
                           (AWS_PROFILE, AWS_ACCESS_KEY_ID)";
        match self {
            Self::OtherManagement { found, .. } => {
                Some(format!("{credentials}, or set organization.management_account = \"{found}\""))
            }
            Self::OtherAccount { .. } => Some(
                "use an administrator's credentials of the management account (AWS_PROFILE); \
                 `orgtrail config roles bootstrap` prints the permissions that are needed"
                    .to_owned(),
            ),
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

    fn outcome(&self) -> Outcome {
        match self {
            Self::OtherManagement { .. }
            | Self::NoOrganization { .. }
            | Self::OtherAccount { .. }
            | Self::OtherPartition { .. }
            | Self::NotAMember { .. } => Outcome::Usage,
            Self::NeedsManagement { .. } | Self::Unreadable { .. } | Self::Closed { .. } => {
                Outcome::Incomplete
            }
        }
    }
}

impl Explain for LandingZoneError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::AccessRole(_) => {
                Some("set another name, such as `name = \"OrgTrailMember\"` in [roles]".to_owned())
            }
            Self::SameName { account, suggestion, .. } => Some(format!(
                "add to the configuration:\n    [roles.accounts.{account}]\n    name = \
                 \"{suggestion}\""
            )),
            Self::Unnamed(_) => Some("give its ARN in roles.hub".to_owned()),
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome::Usage
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

    fn outcome(&self) -> Outcome {
        match self {
            Self::Unreadable(error) => error.outcome(),
            Self::OtherManagement { .. } => Outcome::Usage,
        }
    }
}

impl Explain for Stale {
    fn hint(&self) -> Option<String> {
        Some("run the same command again, and read the new plan".to_owned())
    }

    fn outcome(&self) -> Outcome {
        Outcome::Refused
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

    fn outcome(&self) -> Outcome {
        Outcome::Refused
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

    fn outcome(&self) -> Outcome {
        match self {
            Self::Refused { .. } => Outcome::Refused,
            Self::NotStopped { source, .. } if source.kind() == ErrorKind::AccessDenied => {
                Outcome::Refused
            }
            Self::NotStopped { .. } | Self::Left { .. } => Outcome::Incomplete,
        }
    }
}

impl Explain for MfaDeleteError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(_) => Some(
                "S3 requires root's long-term access key, the device's serial as shown by IAM, an unused code, and a bucket without lifecycle rules"
                    .to_owned(),
            ),
            Self::NotShown(_) => {
                Some("the endpoint ignores MFA delete; check with `orgtrail plan`".to_owned())
            }
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome::Refused
    }
}

impl Explain for AwsError {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }

    /// What AWS refused or did not answer could not be read; what it answered
    /// otherwise is unexpected.
    fn outcome(&self) -> Outcome {
        let unread = [
            ErrorKind::AccessDenied,
            ErrorKind::Throttled,
            ErrorKind::Timeout,
            ErrorKind::Expired,
            ErrorKind::Network,
            ErrorKind::Busy,
            ErrorKind::Stopped,
        ];
        if unread.contains(&self.kind()) { Outcome::Incomplete } else { Outcome::Unexpected }
    }
}

impl Explain for ConfigError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { source, .. } => Some(match source.kind() {
                std::io::ErrorKind::NotFound => {
                    "`orgtrail init` writes one; `--config FILE` names another".to_owned()
                }
                std::io::ErrorKind::IsADirectory => {
                    "`--config` takes the file itself, not its directory".to_owned()
                }
                _ => "check the file's owner and mode".to_owned(),
            }),
            Self::NotText { .. } => Some("save the file as UTF-8".to_owned()),
            Self::TooLarge { .. } => Some("`--config` may name the wrong file".to_owned()),
            Self::Invalid { .. } => None,
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome::Usage
    }

    fn report(&self) -> Option<String> {
        match self {
            Self::Invalid { path, findings } => Some(config_findings(path, findings)),
            _ => None,
        }
    }
}

impl Explain for Arc<ConfigError> {
    fn hint(&self) -> Option<String> {
        (**self).hint()
    }

    fn outcome(&self) -> Outcome {
        (**self).outcome()
    }

    fn report(&self) -> Option<String> {
        (**self).report()
    }
}

/// A finding as people read it: where, what, and below it the hint.
fn line(path: &Path, finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = match &finding.origin {
        Origin::File { line, column } => format!("{}:{line}:{column}", path.display()),
        Origin::Environment { variable } => format!("${variable}"),
        Origin::Default => path.display().to_string(),
    };
    let key = if finding.key.is_empty() { String::new() } else { format!("{}: ", finding.key) };
    let mut text = format!("{severity}: {place}: {key}{}", finding.message);
    if let Some(hint) = &finding.hint {
        text.push_str("\n  hint: ");
        text.push_str(hint);
    }
    text
}

/// Findings about a configuration, one below the other.
pub(crate) fn config_findings(path: &Path, findings: &[Finding]) -> String {
    findings.iter().map(|finding| line(path, finding)).collect::<Vec<_>>().join("\n")
}

const RECORDS_ALTERED: &str = "the records were altered: leave the bucket unchanged and inspect the versions of the objects below orgtrail/";

impl Explain for LedgerError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Sequence(error) => Explain::hint(error),
            Self::Record(_) => Some(RECORDS_ALTERED.to_owned()),
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Sequence(error) => Explain::outcome(error),
            Self::Record(_) => Outcome::IntegrityFailure,
        }
    }
}

impl Explain for SequenceError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Aws(error) | Self::Fetch(CopyError::Aws(error)) => error.hint(),
            Self::Mac(error) => error.hint().or_else(|| Some(MAC_HINT.to_owned())),
            Self::TooLarge { .. } | Self::NoneLeft => Some(RECORDS_ALTERED.to_owned()),
            Self::Fetch(_) | Self::Contended(_) | Self::Encode(_) => None,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Aws(error) | Self::Fetch(CopyError::Aws(error)) => Explain::outcome(error),
            Self::TooLarge { .. } | Self::NoneLeft => Outcome::IntegrityFailure,
            Self::Contended(_) | Self::Mac(_) => Outcome::Incomplete,
            Self::Fetch(_) | Self::Encode(_) => Outcome::Unexpected,
        }
    }
}

impl Explain for ListError {
    fn hint(&self) -> Option<String> {
        let error = self.source.downcast_ref::<AwsError>()?;
        error.hint().or_else(|| {
            let hint = "check the bucket's name; `orgtrail apply` creates the archive of the \
                        configuration";
            error.is_code("NoSuchBucket").then(|| hint.to_owned())
        })
    }

    fn outcome(&self) -> Outcome {
        Outcome::Incomplete
    }
}

impl Explain for Unmatched {
    fn hint(&self) -> Option<String> {
        Some(self.existing.clone())
    }

    fn outcome(&self) -> Outcome {
        Outcome::Usage
    }
}

impl Explain for UnitError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Sort(_) => {
                Some("set TMPDIR to a directory with more space, and run again".to_owned())
            }
            Self::Destination(DestinationError::Object { source, .. }) => source.hint(),
            Self::Destination(_) | Self::Export(_) => None,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Destination(DestinationError::Object { source, .. }) => source.outcome(),
            Self::Destination(DestinationError::Contended { .. }) => Outcome::Incomplete,
            Self::Sort(_) | Self::Destination(_) | Self::Export(_) => Outcome::Unexpected,
        }
    }
}

impl Explain for KeyListError {
    fn outcome(&self) -> Outcome {
        Outcome::Usage
    }
}

impl Explain for BundleError {
    fn outcome(&self) -> Outcome {
        match &self.fault {
            BundleFault::Io(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Outcome::Refused
            }
            BundleFault::Io(_) => Outcome::Unexpected,
            _ => Outcome::IntegrityFailure,
        }
    }
}

impl Explain for AcceptError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Aws(error) | Self::Mac(error) => error.hint(),
            Self::Contended(_) | Self::Unreadable { .. } | Self::Encode(_) => None,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Contended(_) | Self::Unreadable { .. } | Self::Mac(_) => Outcome::Incomplete,
            Self::Aws(_) | Self::Encode(_) => Outcome::Unexpected,
        }
    }
}
