//! What `destroy` does with a resource: it deletes it, or keeps it and says why.

use crate::aws::AwsError;

/// The deletion of a resource, as the plan shows it.
#[derive(Debug, Clone)]
pub(crate) struct Deletion {
    /// The field that names what is deleted: `arn`.
    pub(crate) field: &'static str,
    /// Its value.
    pub(crate) value: String,
    /// Why it is deleted.
    pub(crate) why: &'static str,
}

/// Something that a destroy keeps.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Its name.
    pub(crate) name: String,
    /// Why it is kept.
    pub(crate) why: &'static str,
    /// What it costs.
    pub(crate) cost: KeptCost,
}

/// What something that is kept costs; `cost` has the prices.
#[derive(Debug)]
pub(crate) enum KeptCost {
    /// Nothing.
    Nothing,
    /// Nothing, while no message is published.
    NothingWhileIdle,
    /// A KMS key and its rotations.
    Key,
    /// The objects of a bucket.
    Objects {
        /// Their storage classes.
        classes: Vec<&'static str>,
        /// What follows the prices.
        note: &'static str,
    },
    /// The events of a log group.
    Events,
    /// Alarms; their number, where it is known.
    Alarms(Option<usize>),
}

impl Kept {
    pub(super) fn new(name: impl ToString, why: &'static str, cost: KeptCost) -> Self {
        Self { name: name.to_string(), why, cost }
    }
}

/// What no longer exists was deleted: by somebody else, or by a call whose response was
/// lost.
pub(super) fn ignore_missing<T>(deleted: Result<T, AwsError>) -> Result<(), AwsError> {
    match deleted {
        Err(error) if !error.is_not_found() && !error.is_code("PolicyNotAttachedException") => {
            Err(error)
        }
        _ => Ok(()),
    }
}
