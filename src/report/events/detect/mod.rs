//! What was detected, as text, SARIF and OCSF.

mod ocsf;
#[cfg(test)]
pub(crate) mod samples;
mod sarif;
mod text;

use orgtrail_events::detection::Certainty;

pub use self::ocsf::ocsf;
pub use self::sarif::sarif;
pub use self::text::{lint, text};
use crate::events::detections::DetectedFinding;

/// What a finding is about, in one sentence.
fn sentence(detected: &DetectedFinding) -> String {
    let finding = &detected.finding;
    let who = finding.principal().unwrap_or("someone unknown");
    let mut sentence = format!("{}: {} by {who}", finding.rule.title, finding.about);
    if finding.has_failed {
        let error = detected.first().and_then(|event| event.error.as_deref());
        sentence = format!("{sentence} (failed: {})", error.unwrap_or("no reason given"));
    }
    sentence
}

/// What limits a finding, in words.
fn remarks(detected: &DetectedFinding) -> Vec<&'static str> {
    let finding = &detected.finding;
    let mut remarks = Vec::new();
    if finding.has_failed {
        remarks.push("failed");
    }
    if finding.certainty == Certainty::Possible {
        remarks.push("possible");
    }
    if finding.claims_own_apply {
        remarks.push("own apply (claimed)");
    }
    remarks
}
