//! The report of the demo: its steps, each passed or failed.

use std::fmt::Write as _;

use tokio::time::Instant;

use super::super::{Context, Format, OpError, Outcome, Output};
use super::Stop;
use crate::report::contract::Emitted;
pub(super) use crate::report::contract::demo::Kept;
use crate::report::contract::demo::{Report, Step};

/// The commands to try next.
const NEXT: &str = "\
Next:
  orgtrail demo --keep          run the demo again, and keep its sandbox
  orgtrail doctor               examine your organization, and what to fix first; read-only
  orgtrail init                 write a configuration for your organization; read-only
  orgtrail plan                 show what would change there; read-only
  orgtrail --help               list all commands";

/// The steps so far, printed as they end.
#[derive(Debug)]
pub(super) struct DemoReport {
    out: Output,
    format: Format,
    began: Instant,
    step_began: Instant,
    steps: Vec<Step>,
}

/// A required step failed, and was printed. Only a report creates it.
#[derive(Debug)]
pub(super) struct RequiredStepFailed(());

fn how_to_continue(kept: &Kept) -> String {
    let (folder, state) = (kept.folder.display(), kept.state.display());
    let config = kept.folder.join("orgtrail.toml");
    let config = config.display();
    format!(
        "Kept in {folder}. To continue with it:\n  \
         orgtrail sandbox exec --data {state} -- orgtrail --config {config} plan\n  \
         orgtrail sandbox exec --data {state} -- bash"
    )
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Ends the demo if the step that was just reported failed.
pub(super) fn require(passed: bool) -> Result<(), Stop> {
    if passed { Ok(()) } else { Err(Stop::StepFailed(RequiredStepFailed(()))) }
}

impl DemoReport {
    pub(super) fn new(context: &Context) -> Self {
        let now = Instant::now();
        Self {
            out: context.out,
            format: context.format,
            began: now,
            step_began: now,
            steps: Vec::new(),
        }
    }

    /// Prints a heading, and why its steps matter.
    pub(super) fn section(&self, title: &str, why: &str) -> Result<(), OpError> {
        self.print(format_args!("\n{title}\n  {}", why.replace('\n', "\n  ")))
    }

    /// Reports a step that later steps require.
    ///
    /// # Errors
    /// The step failed.
    pub(super) fn required_step(
        &mut self,
        title: &str,
        command: Option<&str>,
        passed: bool,
        found: impl Into<String>,
    ) -> Result<(), Stop> {
        self.step(title, command, passed, found)?;
        require(passed)
    }

    /// Reports a step.
    pub(super) fn step(
        &mut self,
        title: &str,
        command: Option<&str>,
        passed: bool,
        found: impl Into<String>,
    ) -> Result<(), OpError> {
        let found = found.into();
        let mark = if passed { "ok    " } else { "FAILED" };
        let mut text = String::new();
        if let Some(command) = command {
            // Writing to a String does not fail.
            let _ = writeln!(text, "    $ {command}");
        }
        let _ = write!(text, "    {mark}  {title}");
        for line in found.lines() {
            let _ = write!(text, "\n           {line}");
        }
        self.print(text)?;
        self.steps.push(Step {
            title: title.to_owned(),
            command: command.map(str::to_owned),
            found,
            passed,
            duration_ms: milliseconds(self.step_began.elapsed()),
        });
        self.step_began = Instant::now();
        Ok(())
    }

    /// Prints the end of the report; its outcome.
    pub(super) fn end(self, kept: Option<Kept>) -> Result<Outcome, OpError> {
        let passed = self.steps.iter().filter(|step| step.passed).count();
        let all = passed == self.steps.len();
        let took = self.began.elapsed();
        match self.format {
            Format::Text => {
                let left = kept.as_ref().map_or_else(
                    || "The temporary directory was deleted; nothing else changed.".to_owned(),
                    how_to_continue,
                );
                self.out.data(format_args!(
                    "\n{passed} of {} steps passed in {:.1} s. {left}\n\n{NEXT}",
                    self.steps.len(),
                    took.as_secs_f64(),
                ))?;
            }
            Format::Json => self.out.json(&Emitted::new(Report {
                passed: all,
                steps: self.steps,
                duration_ms: milliseconds(took),
                kept,
            }))?,
        }
        Ok(if all { Outcome::Clean } else { Outcome::Unexpected })
    }

    fn print(&self, text: impl std::fmt::Display) -> Result<(), OpError> {
        match self.format {
            Format::Text => self.out.data(text),
            Format::Json => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> DemoReport {
        let now = Instant::now();
        DemoReport {
            out: Output::new(false),
            format: Format::Json,
            began: now,
            step_began: now,
            steps: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_sandbox_that_cannot_be_saved_is_reported_and_deleted() {
        use super::super::env::{DemoEnv, STATE};
        let mut report = report();
        let env = DemoEnv::start(&mut report, 4, true).await.unwrap();
        let folder = env.folder.path().to_owned();
        crate::sandbox::keep_from_saving(&folder.join(STATE));
        env.sandbox.tick(jiff::SignedDuration::from_hours(1));
        let kept = env.stop(&mut report).await.unwrap();
        assert!(kept.is_none() && !folder.exists());
        assert_eq!(report.end(kept).unwrap(), Outcome::Unexpected);
    }

    #[test]
    fn a_failed_step_ends_the_demo_with_an_error() {
        let mut complete = report();
        complete.step("one", None, true, "").unwrap();
        complete.required_step("two", None, true, "").unwrap();
        assert_eq!(complete.end(None).unwrap(), Outcome::Clean);
        let mut stopped = report();
        stopped.required_step("one", None, true, "").unwrap();
        assert!(matches!(stopped.required_step("two", None, false, ""), Err(Stop::StepFailed(_))));
        assert_eq!(stopped.end(None).unwrap(), Outcome::Unexpected);
        let mut continued = report();
        continued.step("one", None, false, "").unwrap();
        continued.step("two", None, true, "").unwrap();
        assert_eq!(continued.end(None).unwrap(), Outcome::Unexpected);
    }
}
