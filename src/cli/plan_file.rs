//! Plan files: what `orgtrail plan --out` saves and `orgtrail apply FILE` reads.

use std::path::{Path, PathBuf};

use super::{Explain, Outcome};
use crate::local_file;
use crate::plan::Plan;
use crate::report::contract::{self, Emitted, ReadError};

/// The longest plan that is read. Units: bytes.
const LONGEST: u64 = 256 << 20;

/// A plan file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanFileError {
    /// It cannot be read or written.
    #[error("the plan file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is no plan.
    #[error("the plan file {} is not a plan", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It is another document, or another version of it.
    #[error("the plan file {} cannot be used", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What it is.
        source: ReadError,
    },
    /// The world has moved on since the plan was made.
    #[error("the plan file {} is stale: {} changed since it was made", path.display(), changed.join(", "))]
    Stale {
        /// The file.
        path: PathBuf,
        /// The resources that are no longer as the plan saw them.
        changed: Vec<String>,
    },
}

impl Explain for PlanFileError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Io { .. } => "check the path, its owner and mode".to_owned(),
            Self::Malformed { .. } => "write one with `orgtrail plan --out FILE`".to_owned(),
            Self::Other { .. } | Self::Stale { .. } => {
                "run `orgtrail plan --out FILE` again, review the plan, then apply it".to_owned()
            }
        })
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Stale { .. } => Outcome::Refused,
            _ => Outcome::Usage,
        }
    }
}

/// Writes a plan to a file.
pub(super) fn save(plan: &Plan, path: &Path) -> Result<(), PlanFileError> {
    let document = Emitted::new(contract::plan::Plan::from(plan));
    let mut text = serde_json::to_string_pretty(&document)
        .map_err(|source| PlanFileError::Malformed { path: path.to_owned(), source })?;
    text.push('\n');
    local_file::replace(path, text.as_bytes())
        .map_err(|source| PlanFileError::Io { path: path.to_owned(), source })
}

/// Reads a plan from a file.
pub(super) fn open(path: &Path) -> Result<Plan, PlanFileError> {
    let text = local_file::read(path, LONGEST)
        .map_err(|source| PlanFileError::Io { path: path.to_owned(), source })?;
    let path = path.to_owned();
    match contract::read::<contract::plan::Plan>(&text) {
        Ok(plan) => Ok(plan.into()),
        Err(ReadError::Malformed(source)) => Err(PlanFileError::Malformed { path, source }),
        Err(source) => Err(PlanFileError::Other { path, source }),
    }
}

/// Refuses a saved plan that is not the one that would be made now.
pub(super) fn check_fresh(saved: &Plan, now: &Plan, path: &Path) -> Result<(), PlanFileError> {
    match saved.changed_since(now) {
        Some(changed) => Err(PlanFileError::Stale { path: path.to_owned(), changed }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(trail: &str) -> Plan {
        Plan::new(
            Vec::new(),
            [("kms-key".to_owned(), "aa".to_owned()), ("trail".to_owned(), trail.to_owned())]
                .into(),
        )
    }

    #[test]
    fn a_plan_comes_back_as_it_was_saved() {
        let file = tempfile::NamedTempFile::new().unwrap();
        save(&plan("bb"), file.path()).unwrap();
        let read = open(file.path()).unwrap();
        assert_eq!(read, plan("bb"));
        assert!(check_fresh(&read, &plan("bb"), file.path()).is_ok());
    }

    #[test]
    fn a_plan_of_a_world_that_moved_on_is_stale_and_says_where() {
        let error = check_fresh(&plan("bb"), &plan("cc"), Path::new("plan.json")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the plan file plan.json is stale: trail changed since it was made"
        );
        assert_eq!(error.outcome(), Outcome::Refused);
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["", "{}", "[]", r#"{"document":"plan","version":1}"#, "\u{fffd}"] {
            std::fs::write(file.path(), text).unwrap();
            assert!(matches!(open(file.path()), Err(PlanFileError::Malformed { .. })), "{text}");
        }
        for text in
            [r#"{"document":"plan","version":9}"#, r#"{"document":"apply-report","version":1}"#]
        {
            std::fs::write(file.path(), text).unwrap();
            let error = open(file.path()).unwrap_err();
            assert!(matches!(error, PlanFileError::Other { .. }), "{text}");
            assert_eq!(error.outcome(), Outcome::Usage);
        }
        assert!(matches!(open(Path::new("/nowhere/plan")), Err(PlanFileError::Io { .. })));
    }
}
