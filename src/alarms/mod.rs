//! What the alarms watch for: the fifteen patterns of the CIS AWS Foundations
//! Benchmark (version 5, section 4), and the changes that those miss.
//!
//! Each pattern is written to satisfy CIS, Security Hub and Prowler at once.
//! What Prowler looks for was read from its source. The terms of CIS were compared
//! with public renderings of its audit steps for 4.1 to 4.4, 4.8, 4.10, 4.11 and
//! 4.14; the others, and Security Hub's, stand as they are widely deployed.

mod judge;
mod table;
#[cfg(test)]
mod tests;

pub use judge::Shortfall;
pub use table::ALARMS;

/// Something that must raise an alarm.
#[derive(Debug)]
pub struct Alarm {
    /// The governance check that asks for it.
    pub check: &'static str,
    /// What its filter, metric and alarm are called, behind `orgtrail-`.
    pub name: &'static str,
    /// What it watches for, in a few words.
    pub about: &'static str,
    pub(crate) watched: Watched,
}

/// The events that an alarm watches for.
#[derive(Debug)]
pub(crate) enum Watched {
    /// Calls of a service, with any caller and any result.
    Calls {
        /// The service's `eventSource`.
        source: &'static str,
        /// Whether the pattern asks for the source too, as CIS has it.
        ask_for_source: bool,
        /// Their `eventName`s.
        names: &'static [&'static str],
    },
    /// Calls that AWS did not permit.
    Unauthorized,
    /// A user's sign-in to the console without a second factor.
    SignInWithoutMfa,
    /// Anything that the root user does by itself.
    Root,
    /// A sign-in to the console that failed.
    FailedSignIn,
}

impl Alarm {
    /// The filter pattern, as CIS prescribes it.
    #[must_use]
    pub fn pattern(&self) -> String {
        match self.watched {
            Watched::Calls { source, ask_for_source, names } => {
                let names: Vec<String> =
                    names.iter().map(|name| format!("($.eventName = {name})")).collect();
                let names = names.join(" || ");
                if ask_for_source {
                    format!("{{ ($.eventSource = {source}) && ({names}) }}")
                } else {
                    format!("{{ {names} }}")
                }
            }
            Watched::Unauthorized => {
                r#"{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }"#
                    .to_owned()
            }
            Watched::SignInWithoutMfa => [
                r#"{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes")"#,
                r#" && ($.userIdentity.type = "IAMUser")"#,
                r#" && ($.responseElements.ConsoleLogin = "Success") }"#,
            ]
            .concat(),
            Watched::Root => [
                r#"{ $.userIdentity.type = "Root" && $.userIdentity.invokedBy NOT EXISTS"#,
                r#" && $.eventType != "AwsServiceEvent" }"#,
            ]
            .concat(),
            Watched::FailedSignIn => {
                r#"{ ($.eventName = ConsoleLogin) && ($.errorMessage = "Failed authentication") }"#
                    .to_owned()
            }
        }
    }

    /// The name of its filter, its metric and its alarm.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("orgtrail-{}", self.name)
    }
}
