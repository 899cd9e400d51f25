//! Progress of operations on the terminal.

use std::sync::Arc;

use indicatif::ProgressBar;

use super::copying;
use super::output::Output;
use super::provision::print_step;
use crate::archive::consolidate::run::Progress as Copied;
use crate::ops::{Phase, Progress};
use crate::plan::apply::StepResult;

/// Prints what happens while an operation runs, on standard error.
#[derive(Debug)]
pub(super) struct Watcher {
    out: Output,
}

impl Watcher {
    pub(super) fn new(out: Output) -> Self {
        Self { out }
    }
}

impl Progress for Watcher {
    fn note(&self, text: &str) {
        self.out.note(text);
    }

    fn warn(&self, text: &str) {
        self.out.warn(text);
    }

    fn phase(&self, name: &str, steps: usize) -> Box<dyn Phase> {
        Box::new(PhaseProgress { bar: self.out.progress(name, steps), out: self.out })
    }

    fn copying(&self, copied: &Arc<Copied>) -> Box<dyn Phase> {
        let bar = self.out.copying();
        let task = tokio::spawn(copying::show(self.out, Arc::clone(copied), bar.clone()));
        Box::new(CopyProgress { bar, task })
    }

    fn wants_forecast(&self) -> bool {
        self.out.copying().is_some()
    }
}

#[derive(Debug)]
struct PhaseProgress {
    bar: ProgressBar,
    out: Output,
}

impl Phase for PhaseProgress {
    fn set_steps(&self, steps: usize) {
        self.bar.set_length(steps as u64);
    }

    fn step_done(&self) {
        self.bar.inc(1);
    }

    fn step_ended(&self, result: &StepResult) {
        self.bar.inc(1);
        self.bar.suspend(|| print_step(self.out, result));
    }

    fn set_name(&self, name: &str) {
        self.bar.set_message(name.to_owned());
    }
}

impl Drop for PhaseProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[derive(Debug)]
struct CopyProgress {
    bar: Option<ProgressBar>,
    task: tokio::task::JoinHandle<()>,
}

impl Phase for CopyProgress {}

impl Drop for CopyProgress {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
