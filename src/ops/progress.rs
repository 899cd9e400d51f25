use std::fmt::Debug;
use std::sync::Arc;

use super::round::{Part, PartResult};
use crate::archive::consolidate::run::Progress as Copied;
use crate::plan::apply::StepResult;

/// Who watches an operation. Every method may be left out.
pub trait Progress: Debug + Send + Sync {
    /// Something worth knowing that is not in the result.
    fn note(&self, _text: &str) {}

    /// Something that is wrong and does not end the operation.
    fn warn(&self, _text: &str) {}

    /// A phase starts, and ends when the returned value is dropped. `steps` is 0 if their
    /// number is not known yet.
    fn phase(&self, _name: &str, _steps: usize) -> Box<dyn Phase> {
        Box::new(NoProgress)
    }

    /// Objects are being copied until the returned value is dropped.
    fn copying(&self, _copied: &Arc<Copied>) -> Box<dyn Phase> {
        Box::new(NoProgress)
    }

    /// Whether [`Progress::copying`] shows the time that is left, which costs a listing of
    /// the sources ahead of the copies.
    fn wants_forecast(&self) -> bool {
        false
    }

    /// A part of a round starts.
    fn part_started(&self, _part: Part) {}

    /// A part of a round has ended, or was not started because the round was stopped.
    fn part_ended(&self, _result: &PartResult) {}
}

/// A phase of an operation.
pub trait Phase: Debug + Send + Sync {
    /// The number of steps is known.
    fn set_steps(&self, _steps: usize) {}

    /// A step is done.
    fn step_done(&self) {}

    /// A step of a plan has ended.
    fn step_ended(&self, _result: &StepResult) {}

    /// The phase in other words.
    fn set_name(&self, _name: &str) {}
}

/// Reports no progress.
#[derive(Debug, Clone, Copy)]
pub struct NoProgress;

impl Progress for NoProgress {}

impl Phase for NoProgress {}
