//! Progress of a consolidation: a bar if standard error is a terminal, otherwise a line
//! every few seconds.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{
    BinaryBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle,
};
use tokio::time::Instant;

use super::Output;
use crate::archive::consolidate::run::Progress;
use crate::words::counted;

/// How often the bar is redrawn.
const BAR_EVERY: Duration = Duration::from_millis(250);
/// How often a line is written without a bar.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How long a run must have taken before the remaining time is estimated.
const FORECAST_AFTER: Duration = Duration::from_secs(2);

/// Shows the progress until the task is aborted.
pub(super) async fn show(out: Output, progress: Arc<Progress>, bar: Option<ProgressBar>) {
    let started = Instant::now();
    loop {
        tokio::time::sleep(if bar.is_some() { BAR_EVERY } else { LINE_EVERY }).await;
        let state = State::of(&progress, started.elapsed());
        match &bar {
            Some(bar) => {
                bar.set_length(state.expected.max(state.done));
                bar.set_position(state.done);
                bar.set_message(crate::printable::lines(&state.text()).into_owned());
            }
            None => out.note(state.text()),
        }
    }
}

impl Output {
    /// A bar for [`show`], if it can be drawn.
    pub(super) fn copying(self) -> Option<ProgressBar> {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if self.is_quiet() || bar.is_hidden() {
            return None;
        }
        bar.set_style(ProgressStyle::with_template("{wide_bar}\n{msg}").ok()?);
        Some(bar)
    }
}

/// The progress at one moment.
#[derive(Debug, Default, PartialEq)]
struct State {
    /// Objects that were processed or already present.
    done: u64,
    /// Those of them that were already present.
    present: u64,
    copied_bytes: u64,
    /// All objects, as far as known.
    expected: u64,
    elapsed: Duration,
    /// The source with the least progress, and its percentage.
    slowest: Option<(String, u64)>,
}

impl State {
    fn of(progress: &Progress, elapsed: Duration) -> Self {
        let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let present = of(&progress.present);
        let sources = progress.sources();
        let percent = |done: u64, expected: u64| (done * 100).checked_div(expected);
        let slowest = sources
            .iter()
            .filter_map(|(name, source)| {
                Some((name.clone(), percent(of(&source.done), of(&source.expected))?))
            })
            .filter(|(_, percent)| *percent < 100)
            .min_by_key(|(_, percent)| *percent);
        Self {
            done: of(&progress.done) + present,
            present,
            copied_bytes: of(&progress.copied_bytes),
            expected: sources.values().map(|source| of(&source.expected)).sum(),
            elapsed,
            slowest,
        }
    }

    /// Objects per second.
    fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate is shown roughly")]
        let done = self.done as f64;
        done / self.elapsed.as_secs_f64().max(0.001)
    }

    /// The remaining time, if it can be estimated.
    fn left(&self) -> Option<Duration> {
        let rate = self.rate();
        let rest = self.expected.checked_sub(self.done).filter(|rest| *rest > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "a time is shown roughly")]
        let seconds = rest as f64 / rate;
        let can_forecast = self.elapsed >= FORECAST_AFTER && rate > 0.0;
        can_forecast.then(|| Duration::try_from_secs_f64(seconds).ok())?
    }

    fn text(&self) -> String {
        let mut text = counted(self.done, "object");
        if self.expected > self.done {
            text = format!("{text} of about {}", HumanCount(self.expected));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is positive and shown roughly"
        )]
        let rate = self.rate() as u64;
        text = format!(
            "{text}, {} already present, {} copied, {}/s",
            HumanCount(self.present),
            BinaryBytes(self.copied_bytes),
            HumanCount(rate),
        );
        if let Some(left) = self.left() {
            text = format!("{text}, {} left", HumanDuration(left));
        }
        if let Some((source, percent)) = &self.slowest {
            text = format!("{text}, slowest {source} ({percent} %)");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_known_is_shown() {
        let state = State {
            done: 1000,
            present: 400,
            copied_bytes: 3 << 20,
            expected: 7000,
            elapsed: Duration::from_secs(10),
            slowest: Some(("s3://legacy".to_owned(), 12)),
        };
        assert_eq!(
            state.text(),
            "1,000 objects of about 7,000, 400 already present, 3.00 MiB copied, 100/s, 60 seconds left, slowest s3://legacy (12 %)"
        );
    }

    #[test]
    fn nothing_is_made_up_where_nothing_is_known() {
        assert_eq!(State::default().text(), "0 objects, 0 already present, 0 B copied, 0/s");
        let beyond = State { done: 5, expected: 3, ..State::default() };
        assert_eq!(beyond.left(), None);
    }
}
