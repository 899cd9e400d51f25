//! The short form of every bench: one line for each figure, with its ratio and its target.
//!
//! `cargo bench -- quick`, or `cargo bench -- NAME --quick` for one bench. Each bench runs in a
//! process of its own, so that its peak memory is its own; the sizes are smaller than those of
//! the full benches, whose figures `docs/performance.md` has.

use std::process::Command;
use std::time::Instant;

/// What a bench is started with for its short form.
pub(crate) const QUICK: &str = "--quick";

/// The ratio that a figure should reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// Prints one figure: `what` is `ratio` times or of `to`.
pub(crate) fn row(what: &str, ratio: f64, to: &str, goal: Goal) {
    let (bound, number, is_met) = match goal {
        Goal::AtLeast(least) => ("at least", least, ratio >= least),
        Goal::AtMost(most) => ("at most", most, ratio <= most),
    };
    println!(
        "{what:41} {ratio:>7.2} of {to:30} {bound:>8} {number:<5.2} {}",
        if is_met { "met" } else { "MISSED" }
    );
}

/// Runs the short form of every bench.
pub(crate) fn run(benches: &[&str]) {
    let (began, mut failed) = (Instant::now(), 0);
    for bench in benches {
        let status =
            Command::new(std::env::current_exe().unwrap()).args([bench, QUICK]).status().unwrap();
        if !status.success() {
            println!("{bench}: FAILED, {status}");
            failed += 1;
        }
    }
    println!("{} benches in {:.0} s", benches.len(), began.elapsed().as_secs_f64());
    assert_eq!(failed, 0, "benches failed");
}
