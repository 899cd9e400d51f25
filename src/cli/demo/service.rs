//! The service with the demo's organization, until Ctrl-C.

use super::env::DemoEnv;
use super::{DemoReport, Stop};
use crate::stop;

/// Runs the service with a round of everything, and shows where its pages are.
pub(super) async fn run(
    report: &mut DemoReport,
    env: &DemoEnv,
    stop: &stop::Stop,
) -> Result<(), Stop> {
    report.section(
        "11. The service",
        "It runs a round now and the others at their times. Open the URL below; Ctrl-C ends the\n\
         demo.",
    )?;
    let passed = env.program.serve(stop).await?;
    report.step(
        "the service ends when it is asked to",
        Some("orgtrail serve --run-now weekly"),
        passed,
        "",
    )?;
    Ok(())
}
