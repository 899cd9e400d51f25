use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::local_file;

/// The longest plan that is read. Units: bytes.
const LONGEST: u64 = 256 << 20;

/// The name that a plan file carries.
const FORMAT: &str = "orgtrail-plan";
/// The version of the form that this program writes and reads.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Envelope<P> {
    format: String,
    version: u32,
    #[serde(flatten)]
    plan: P,
}

/// A plan file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
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
    /// It has another version.
    #[error("the plan file {} has {found}, this program reads {FORMAT} version {VERSION}", path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Its format and version.
        found: String,
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

impl Plan {
    /// The plan as it is printed with `--format json` and saved with `--out`.
    #[must_use]
    pub fn to_document(&self) -> impl Serialize + '_ {
        Envelope { format: FORMAT.to_owned(), version: VERSION, plan: self }
    }

    /// Writes the plan to a file.
    pub fn save(&self, path: &Path) -> Result<(), PlanFileError> {
        let mut text = serde_json::to_string_pretty(&self.to_document())
            .map_err(|source| PlanFileError::Malformed { path: path.to_owned(), source })?;
        text.push('\n');
        crate::local_file::replace(path, text.as_bytes())
            .map_err(|source| PlanFileError::Io { path: path.to_owned(), source })
    }

    /// Reads a plan from a file.
    pub fn open(path: &Path) -> Result<Self, PlanFileError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let text = local_file::read(path, LONGEST)
            .and_then(|text| String::from_utf8(text).map_err(io::Error::other))
            .map_err(|source| PlanFileError::Io { path: path.to_owned(), source })?;
        let malformed = |source| PlanFileError::Malformed { path: path.to_owned(), source };
        let head: Head = serde_json::from_str(&text).map_err(malformed)?;
        if head.format != FORMAT || head.version != VERSION {
            let found = format!("{} version {}", head.format, head.version);
            return Err(PlanFileError::OtherVersion { path: path.to_owned(), found });
        }
        let envelope: Envelope<Self> = serde_json::from_str(&text).map_err(malformed)?;
        Ok(envelope.plan)
    }

    /// Refuses a saved plan that is not the one that would be made now.
    pub fn check_fresh(&self, now: &Self, path: &Path) -> Result<(), PlanFileError> {
        match self.changed_since(now) {
            Some(changed) => Err(PlanFileError::Stale { path: path.to_owned(), changed }),
            None => Ok(()),
        }
    }

    /// What changed between this plan and the one of now: resources by id.
    #[must_use]
    pub fn changed_since(&self, now: &Self) -> Option<Vec<String>> {
        if self.fingerprint != now.fingerprint {
            let ids = self.observed.keys().chain(now.observed.keys());
            let mut changed: Vec<String> =
                ids.filter(|id| self.observed.get(*id) != now.observed.get(*id)).cloned().collect();
            changed.sort();
            changed.dedup();
            if changed.is_empty() {
                changed.push("the fingerprint".to_owned());
            }
            return Some(changed);
        }
        (self.steps != now.steps).then(|| vec!["what this version of orgtrail would do".to_owned()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan::new(
            Vec::new(),
            [("kms-key".to_owned(), "aa".to_owned()), ("trail".to_owned(), "bb".to_owned())].into(),
        )
    }

    #[test]
    fn a_plan_comes_back_as_it_was_saved() {
        let file = tempfile::NamedTempFile::new().unwrap();
        plan().save(file.path()).unwrap();
        let read = Plan::open(file.path()).unwrap();
        assert_eq!(read, plan());
        assert!(read.check_fresh(&plan(), file.path()).is_ok());
    }

    #[test]
    fn a_plan_of_a_world_that_moved_on_is_stale_and_says_where() {
        let now = Plan::new(
            Vec::new(),
            [("kms-key".to_owned(), "aa".to_owned()), ("trail".to_owned(), "cc".to_owned())].into(),
        );
        let error = plan().check_fresh(&now, Path::new("plan.json")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the plan file plan.json is stale: trail changed since it was made"
        );
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["", "{}", "[]", r#"{"format":"orgtrail-plan","version":1}"#] {
            std::fs::write(file.path(), text).unwrap();
            assert!(
                matches!(Plan::open(file.path()), Err(PlanFileError::Malformed { .. })),
                "{text}"
            );
        }
        std::fs::write(file.path(), r#"{"format":"orgtrail-plan","version":9}"#).unwrap();
        assert!(matches!(Plan::open(file.path()), Err(PlanFileError::OtherVersion { .. })));
        assert!(matches!(Plan::open(Path::new("/nowhere/plan")), Err(PlanFileError::Io { .. })));
    }
}
