use crate::checks::Run;
use crate::ops::{Explain, Outcome};
use crate::report::contract::{self, ReadError};
use crate::words::json_fault;

/// A text that is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is a report of another version.
    #[error("{name} is a report of version {found}, expected {expected}")]
    OtherVersion {
        /// What the text is called.
        name: String,
        /// Its version.
        found: u32,
        /// The version that is read.
        expected: u32,
    },
    /// It is another document, or none.
    #[error("{name} is not a report of `orgtrail drift`: {fault}")]
    NotAReport {
        /// What the text is called.
        name: String,
        /// What is wrong with it.
        fault: String,
    },
}

impl Explain for BaselineError {
    fn hint(&self) -> Option<String> {
        Some("save one with `orgtrail drift --format json`".to_owned())
    }

    fn outcome(&self) -> Outcome {
        Outcome::Usage
    }
}

/// Reads the run of a drift report. `name` is what the text is called in errors: its path.
///
/// # Errors
/// It is no drift report, or one of another version: usage.
pub fn read_baseline(name: &str, text: &[u8]) -> Result<Run, BaselineError> {
    let name = name.to_owned();
    match contract::read::<contract::drift::Report>(text) {
        Ok(report) => Ok(report.into()),
        Err(ReadError::OtherVersion { found, expected }) => {
            Err(BaselineError::OtherVersion { name, found, expected })
        }
        Err(ReadError::Malformed(error)) => {
            Err(BaselineError::NotAReport { name, fault: json_fault(&error) })
        }
        Err(error @ ReadError::OtherDocument { .. }) => {
            Err(BaselineError::NotAReport { name, fault: error.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::contract::Emitted;
    use crate::report::drift::samples;

    #[test]
    fn a_baseline_is_a_drift_report_of_this_version() {
        let run = samples::clean();
        let report = Emitted::new(contract::drift::Report::from(&run));
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(read_baseline("today.json", text.as_bytes()).unwrap(), run);
        for (text, said) in [
            ("<html>", "today.json is not a report of `orgtrail drift`: it is not JSON"),
            (
                r#"{"document":"drift-report","version":99}"#,
                "today.json is a report of version 99, expected ",
            ),
            (
                r#"{"document":"plan","version":1}"#,
                "today.json is not a report of `orgtrail drift`",
            ),
        ] {
            let error = read_baseline("today.json", text.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with(said), "{error}");
            assert_eq!(error.outcome(), Outcome::Usage);
        }
    }
}
