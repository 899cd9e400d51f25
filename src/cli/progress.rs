//! Progress of a long command, on standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Output;

impl Output {
    /// A bar over `steps` steps if standard error is a terminal, otherwise one plain line;
    /// nothing with `--quiet`.
    pub(crate) fn progress(self, what: &str, steps: usize) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(
            Some(u64::try_from(steps).unwrap_or(u64::MAX)),
            ProgressDrawTarget::stderr(),
        );
        match steps {
            _ if !bar.is_hidden() => {}
            // The number is not known yet.
            0 => self.note(what),
            steps => self.note(format_args!("{what} ({steps})")),
        }
        if self.is_quiet() || bar.is_hidden() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
            return bar;
        }
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar
    }
}
