//! What the demo tells: its steps, each held or not.

use std::fmt::Write as _;

use tokio::time::Instant;

use super::super::{Context, Format, OpError, Outcome, Output};
use super::Stop;
use crate::report::contract::Emitted;
pub(super) use crate::report::contract::demo::Kept;
use crate::report::contract::demo::{Report, Step};

/// Where to go from here.
const NEXT: &str = "\
Next:
  orgtrail demo --keep          the same, and play on in what it built
  orgtrail init                 a config from your own organization; reads only
  orgtrail plan                 what would change there; reads only
  orgtrail --help               every command, by what it is for";

/// The steps so far, told as they happen.
#[derive(Debug)]
pub(super) struct Story {
    out: Output,
    format: Format,
    began: Instant,
    step_began: Instant,
    steps: Vec<Step>,
}

/// That a step did not hold and was told: only a story knows.
#[derive(Debug)]
pub(super) struct Broke(());

fn how_to_go_on(kept: &Kept) -> String {
    let (folder, state) = (kept.folder.display(), kept.state.display());
    let config = kept.folder.join("orgtrail.toml");
    let config = config.display();
    format!(
        "Kept in {folder}. To go on in it:\n  \
         orgtrail sandbox exec --data {state} -- orgtrail --config {config} plan\n  \
         orgtrail sandbox exec --data {state} -- bash"
    )
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Story {
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

    /// A heading, and why what comes matters.
    pub(super) fn chapter(&self, title: &str, why: &str) -> Result<(), OpError> {
        self.tell(format_args!("\n{title}\n  {}", why.replace('\n', "\n  ")))
    }

    /// Tells how a step went that the next ones stand on.
    ///
    /// # Errors
    /// It did not hold.
    pub(super) fn must(
        &mut self,
        title: &str,
        command: Option<&str>,
        held: bool,
        found: impl Into<String>,
    ) -> Result<(), Stop> {
        self.step(title, command, held, found)?;
        if held { Ok(()) } else { Err(Stop::Broken(Broke(()))) }
    }

    /// Tells how a step went.
    pub(super) fn step(
        &mut self,
        title: &str,
        command: Option<&str>,
        held: bool,
        found: impl Into<String>,
    ) -> Result<(), OpError> {
        let found = found.into();
        let mark = if held { "held " } else { "BROKE" };
        let mut text = String::new();
        if let Some(command) = command {
            // Writing to a String does not fail.
            let _ = writeln!(text, "    $ {command}");
        }
        let _ = write!(text, "    {mark}  {title}");
        for line in found.lines() {
            let _ = write!(text, "\n           {line}");
        }
        self.tell(text)?;
        self.steps.push(Step {
            title: title.to_owned(),
            command: command.map(str::to_owned),
            found,
            passed: held,
            duration_ms: milliseconds(self.step_began.elapsed()),
        });
        self.step_began = Instant::now();
        Ok(())
    }

    /// The last word, and the exit code.
    pub(super) fn end(self, kept: Option<Kept>) -> Result<Outcome, OpError> {
        let held = self.steps.iter().filter(|step| step.passed).count();
        let all = held == self.steps.len();
        let took = self.began.elapsed();
        match self.format {
            Format::Text => {
                let left = kept.as_ref().map_or_else(
                    || "The temporary folder is removed; nothing else was touched.".to_owned(),
                    how_to_go_on,
                );
                self.out.data(format_args!(
                    "\n{held} of {} steps held, in {:.1} s. {left}\n\n{NEXT}",
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

    fn tell(&self, text: impl std::fmt::Display) -> Result<(), OpError> {
        match self.format {
            Format::Text => self.out.data(text),
            Format::Json => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story() -> Story {
        let now = Instant::now();
        Story {
            out: Output::new(false),
            format: Format::Json,
            began: now,
            step_began: now,
            steps: Vec::new(),
        }
    }

    #[tokio::test]
    async fn an_organization_that_could_not_be_kept_is_told_and_goes() {
        use super::super::ground::{Ground, STATE};
        let mut story = story();
        let ground = Ground::lay(&mut story, 4, true).await.unwrap();
        let folder = ground.folder.path().to_owned();
        crate::sandbox::keep_from_saving(&folder.join(STATE));
        ground.sandbox.tick(jiff::SignedDuration::from_hours(1));
        let kept = ground.clear(&mut story).await.unwrap();
        assert!(kept.is_none() && !folder.exists());
        assert_eq!(story.end(kept).unwrap(), Outcome::Unexpected);
    }

    #[test]
    fn a_step_that_broke_ends_the_demo_with_an_error() {
        let mut whole = story();
        whole.step("one", None, true, "").unwrap();
        whole.must("two", None, true, "").unwrap();
        assert_eq!(whole.end(None).unwrap(), Outcome::Clean);
        let mut stopped = story();
        stopped.must("one", None, true, "").unwrap();
        assert!(matches!(stopped.must("two", None, false, ""), Err(Stop::Broken(_))));
        assert_eq!(stopped.end(None).unwrap(), Outcome::Unexpected);
        let mut went_on = story();
        went_on.step("one", None, false, "").unwrap();
        went_on.step("two", None, true, "").unwrap();
        assert_eq!(went_on.end(None).unwrap(), Outcome::Unexpected);
    }
}
