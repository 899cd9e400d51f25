//! Rounds: several operations in order, for a scheduler or the service.

mod request;
mod sharded;

use std::sync::Arc;

use jiff::Timestamp;

pub use self::request::{Part, Request};
pub use self::sharded::{ShardRound, shard_round};
use super::consolidate::{self, Consolidated, prepare};
use super::events::{detect, reconcile};
use super::verify::{self, Verified};
use super::{Env, Interrupted, OpError, Outcome, Phase, Progress, archive, drift};
use crate::archive::consolidate::pending::Unfinished;
use crate::archive::consolidate::run::Progress as Copied;
use crate::archive::verify::finding::{Finding, FindingKind, Severity};
use crate::archive::verify::run::Verification;
use crate::aws::{At as _, WriteAuthority};
use crate::checks::{self, Run, Verdict};
use crate::events::detections::Detections;
use crate::events::reconcile::Reconciled;
use crate::report::contract::events::ReconcileReport;
use crate::report::contract::round::{self as contract, PartDocument};
use crate::report::contract::{Emitted, detections};
use crate::report::verification;
use crate::words::counted;

/// The result of a round.
#[derive(Debug)]
pub struct Round {
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The results of its parts.
    pub parts: Vec<PartResult>,
}

/// The result of a part.
#[derive(Debug)]
pub struct PartResult {
    /// The part.
    pub part: Part,
    /// How it ended.
    pub outcome: Outcome,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The result in one line.
    pub summary: String,
    /// What it found or did; absent if it failed or did not start.
    pub result: Option<PartValue>,
}

/// What a part found or did.
#[derive(Debug)]
pub enum PartValue {
    /// Of [`Part::Consolidate`].
    Consolidated(Box<Consolidated>),
    /// Of [`Part::Verify`].
    Verified(Box<Verified>),
    /// Of [`Part::Drift`].
    Drift(Box<Run>),
    /// Of [`Part::Reconcile`].
    Reconciled(Box<Reconciled>),
    /// Of [`Part::Detect`].
    Detected(Box<Detections>),
}

/// Runs the parts in order. A part that fails does not prevent the next one; a stop does.
/// Whether parts may write is for the caller to decide before.
///
/// # Errors
/// The request is invalid, or not signed in as the parts need it.
pub async fn round(env: &Env, request: &Request) -> Result<Round, OpError> {
    request.check_distinct()?;
    // Who is signed in where is wrong for all parts, or for none.
    if request.parts.iter().all(|part| *part == Part::Verify) {
        env.aws_of_member().await?;
    } else {
        env.aws().await?;
    }
    let started_at = env.now();
    let mut parts = Vec::new();
    let mut state = State {
        env,
        // The parts' own notes would repeat one another.
        muted: env.clone().with_progress(Arc::new(Muted(Arc::clone(env.progress())))),
        request,
        consolidation: None,
    };
    let mut is_stopped = false;
    for part in &request.parts {
        let started_at = env.now();
        let ended = if is_stopped || env.stop().is_requested() {
            Ended::failed(Outcome::Incomplete, "not started: the round was stopped".to_owned())
        } else {
            env.progress().part_started(*part);
            state.run(*part).await
        };
        is_stopped |= ended.is_stopped;
        let Ended { outcome, summary, result, .. } = ended;
        let part =
            PartResult { part: *part, outcome, started_at, ended_at: env.now(), summary, result };
        env.progress().part_ended(&part);
        parts.push(part);
    }
    Ok(Round { started_at, ended_at: env.now(), parts })
}

impl Round {
    /// The outcome of its most severe part.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome::most_severe(self.parts.iter().map(|part| part.outcome))
    }

    /// The same as a document.
    #[must_use]
    pub fn document(&self) -> contract::Report {
        let outcome = contract::Outcome::from(self.outcome());
        contract::Report {
            program: format!("orgtrail {}", env!("CARGO_PKG_VERSION")),
            started_at: self.started_at,
            ended_at: self.ended_at,
            exit_code: outcome.exit_code(),
            outcome,
            parts: self.parts.iter().map(contract::PartReport::from).collect(),
        }
    }
}

impl From<&PartResult> for contract::PartReport {
    fn from(part: &PartResult) -> Self {
        let outcome = contract::Outcome::from(part.outcome);
        Self {
            part: part.part.into(),
            exit_code: outcome.exit_code(),
            outcome,
            started_at: part.started_at,
            ended_at: part.ended_at,
            summary: part.summary.clone(),
            report: part.result.as_ref().map(PartDocument::from),
        }
    }
}

impl From<Part> for contract::Part {
    fn from(part: Part) -> Self {
        match part {
            Part::Consolidate => Self::Consolidate,
            Part::Verify => Self::Verify,
            Part::Drift => Self::Drift,
            Part::Reconcile => Self::Reconcile,
            Part::Detect => Self::Detect,
        }
    }
}

impl From<&PartValue> for PartDocument {
    fn from(value: &PartValue) -> Self {
        match value {
            PartValue::Consolidated(it) => {
                Self::Consolidation(Box::new(Emitted::new(it.document())))
            }
            PartValue::Verified(it) => Self::Verification(Box::new(Emitted::new(it.document()))),
            PartValue::Drift(it) => Self::Drift(Box::new(Emitted::new((&**it).into()))),
            PartValue::Reconciled(it) => {
                Self::Reconciliation(Box::new(Emitted::new(ReconcileReport::new(it))))
            }
            PartValue::Detected(it) => {
                Self::Detection(Box::new(Emitted::new(detections::Report::from(&**it))))
            }
        }
    }
}

impl From<contract::Outcome> for Outcome {
    fn from(outcome: contract::Outcome) -> Self {
        match outcome {
            contract::Outcome::Clean => Self::Clean,
            contract::Outcome::Unexpected => Self::Unexpected,
            contract::Outcome::Usage => Self::Usage,
            contract::Outcome::ChangesPending => Self::ChangesPending,
            contract::Outcome::Drift => Self::Drift,
            contract::Outcome::Refused => Self::Refused,
            contract::Outcome::IntegrityFailure => Self::IntegrityFailure,
            contract::Outcome::Incomplete => Self::Incomplete,
        }
    }
}

impl From<Outcome> for contract::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Clean => Self::Clean,
            Outcome::Unexpected => Self::Unexpected,
            Outcome::Usage => Self::Usage,
            Outcome::ChangesPending => Self::ChangesPending,
            Outcome::Drift => Self::Drift,
            Outcome::Refused => Self::Refused,
            Outcome::IntegrityFailure => Self::IntegrityFailure,
            Outcome::Incomplete => Self::Incomplete,
        }
    }
}

/// A round between its parts.
struct State<'a> {
    env: &'a Env,
    /// The same for the parts.
    muted: Env,
    request: &'a Request,
    /// How the round's own consolidation ended, if there was one.
    consolidation: Option<Consolidation>,
}

/// How a consolidation of the round ended.
#[derive(Debug)]
enum Consolidation {
    /// It failed, and what it would have copied is not known.
    Failed,
    /// It has run, to the end or in part.
    Done(Unfinished),
}

impl Consolidation {
    fn was_stopped(&self) -> bool {
        matches!(self, Self::Done(unfinished) if unfinished.stopped)
    }

    /// Whether a missing file may still arrive with the next consolidation.
    fn may_still_copy(&self, missing: &Finding) -> bool {
        missing.origin.as_ref().is_some_and(|origin| match self {
            Self::Failed => true,
            Self::Done(unfinished) => {
                unfinished.may_still_copy(&origin.bucket, missing.account.as_ref())
            }
        })
    }
}

/// How a part ended.
struct Ended {
    outcome: Outcome,
    summary: String,
    result: Option<PartValue>,
    is_stopped: bool,
}

impl Ended {
    fn failed(outcome: Outcome, summary: String) -> Self {
        Self { outcome, summary, result: None, is_stopped: false }
    }
}

impl State<'_> {
    async fn run(&mut self, part: Part) -> Ended {
        let ended = match part {
            Part::Consolidate => self.consolidate().await,
            Part::Verify => self.verify().await,
            Part::Drift => self.drift().await,
            Part::Reconcile => self.reconcile().await,
            Part::Detect => self.detect().await,
        };
        ended.unwrap_or_else(|error| {
            self.env.progress().warn(&error.render());
            let failed = Ended::failed(error.outcome(), error.headline());
            Ended { is_stopped: error.is::<Interrupted>(), ..failed }
        })
    }

    async fn consolidate(&mut self) -> Result<Ended, OpError> {
        self.consolidation = Some(Consolidation::Failed);
        let done = consolidate_all(&self.muted).await?;
        self.consolidation = Some(Consolidation::Done(done.unfinished()));
        Ok(Ended {
            outcome: done.outcome(),
            summary: done.summary(),
            is_stopped: done.was_stopped(),
            result: Some(PartValue::Consolidated(Box::new(done))),
        })
    }

    async fn verify(&mut self) -> Result<Ended, OpError> {
        let request = self.request.verification(self.env.now());
        let once = || self.env.unless_ended(Box::pin(verify::verify(&self.muted, &request)));
        let mut verified = once().await?;
        let mut is_stopped = verified.was_stopped;
        if !is_stopped
            && self.consolidation.is_some()
            && can_arrive(verified.verification.all_findings()).next().is_some()
        {
            let progress = self.env.progress();
            progress.note("files are missing: consolidating again to copy late arrivals …");
            // After a stop, what was found before stands.
            match self.consolidate_missing(&verified.verification).await {
                Err(error) => {
                    progress.warn(&error.render());
                    is_stopped = error.is::<Interrupted>();
                }
                Ok(false) => {}
                Ok(true) => {
                    let again = verify::verify(&self.muted, &request);
                    verified = self.env.unless_ended(Box::pin(again)).await?;
                    is_stopped = verified.was_stopped;
                }
            }
            if is_stopped {
                self.consolidation = Some(Consolidation::Failed);
            }
        }
        if self.request.records() && !is_stopped {
            // Without the record, the next verification takes longer.
            let authority = WriteAuthority::granted();
            let recorded = verify::record(&self.muted, &verified, &authority).await;
            if let Err(error) = recorded {
                self.env.progress().warn(&error.render());
            }
        }
        let (outcome, summary) = verification_ended(&verified, self.consolidation.as_ref());
        let was_stopped = self.consolidation.as_ref().is_some_and(Consolidation::was_stopped);
        Ok(Ended {
            outcome,
            summary,
            result: Some(PartValue::Verified(Box::new(verified))),
            is_stopped: is_stopped || was_stopped,
        })
    }

    /// Consolidates again; whether one of the missing files is there now.
    ///
    /// Another round may have copied digests and not yet their logs when this one looked.
    /// Files that were deleted do not arrive, and nothing is verified twice for them.
    async fn consolidate_missing(&mut self, verification: &Verification) -> Result<bool, OpError> {
        let done = consolidate_all(&self.muted).await?;
        self.consolidation = Some(Consolidation::Done(done.unfinished()));
        self.muted
            .unless_stopped(Box::pin(has_arrived(
                can_arrive(verification.all_findings()),
                &self.muted,
            )))
            .await?
    }

    async fn drift(&self) -> Result<Ended, OpError> {
        // What is not read before a stop is unknown.
        let reading = self.muted.clone().read_only();
        let check = drift::check(&reading, drift::Request::everything());
        let drift = self.env.unless_ended(Box::pin(check)).await?;
        let findings = &drift.run.findings;
        let failed =
            findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Fail { .. }));
        Ok(Ended {
            outcome: drift.outcome(self.env, checks::Severity::Low),
            summary: format!("{}, {} failed", counted(findings.len(), "check"), failed.count()),
            is_stopped: self.env.stop().is_requested(),
            result: Some(PartValue::Drift(Box::new(drift.run))),
        })
    }

    async fn reconcile(&self) -> Result<Ended, OpError> {
        let request =
            reconcile::Request { samples: Some(reconcile::DEFAULT_SAMPLES), ..Default::default() };
        let comparing = reconcile::reconcile(&self.muted, &request);
        let reconciled = self.env.unless_ended(Box::pin(comparing)).await?;
        Ok(Ended {
            outcome: reconcile::outcome(&reconciled),
            summary: reconcile::summary(&reconciled),
            is_stopped: reconciled.was_stopped,
            result: Some(PartValue::Reconciled(Box::new(reconciled))),
        })
    }

    async fn detect(&self) -> Result<Ended, OpError> {
        let request = detect::Request::of_round(self.env.config()?);
        let detecting = detect::detect(&self.muted, &request);
        let detections = self.env.unless_ended(Box::pin(detecting)).await?;
        Ok(Ended {
            outcome: detect::outcome(&detections, checks::Severity::High),
            summary: detect::summary(&detections),
            is_stopped: detections.was_stopped,
            result: Some(PartValue::Detected(Box::new(detections))),
        })
    }
}

async fn consolidate_all(env: &Env) -> Result<Consolidated, OpError> {
    let prepared = prepare(env, consolidate::Request::default()).await?;
    prepared.run(env, Some(&WriteAuthority::granted())).await
}

fn broken(verification: &Verification) -> impl Iterator<Item = &Finding> {
    verification.all_findings().filter(|finding| finding.severity == Severity::Broken)
}

/// Whether all that is broken is missing files that the next consolidation may copy.
fn are_all_still_to_copy(verification: &Verification, consolidation: &Consolidation) -> bool {
    broken(verification).all(|finding| {
        finding.kind.concerns_missing_file() && consolidation.may_still_copy(finding)
    })
}

/// How a verification of a round ended, and in one line.
fn verification_ended(
    verified: &Verified,
    consolidation: Option<&Consolidation>,
) -> (Outcome, String) {
    let text = verification::text(&verified.subject, &verified.verification);
    let mut summary = text.lines().last().unwrap_or_default().to_owned();
    let outcome = verified.outcome();
    if outcome == Outcome::IntegrityFailure
        && let Some(consolidation) = consolidation
        && are_all_still_to_copy(&verified.verification, consolidation)
    {
        summary.push_str("; missing files may not have been copied yet");
        return (Outcome::Incomplete, summary);
    }
    (outcome, summary)
}

/// The missing files that another consolidation may copy.
fn can_arrive<'a>(
    findings: impl Iterator<Item = &'a Finding>,
) -> impl Iterator<Item = &'a Finding> {
    findings.filter(|finding| {
        finding.origin.is_some()
            && (finding.kind.concerns_missing_file()
                || finding.kind == FindingKind::NotConsolidated)
    })
}

/// Whether the archive has one of the missing files now.
async fn has_arrived<'a>(
    missing: impl Iterator<Item = &'a Finding>,
    env: &Env,
) -> Result<bool, OpError> {
    let aws = env.aws().await?;
    let archive = archive::bucket(env.config()?, &aws);
    for finding in missing {
        let Some(key) = &finding.key else { continue };
        let head = archive.clients.s3().head_object().bucket(archive.bucket.as_str()).key(key);
        match head.send().await.at(&archive.clients, "s3:GetObject") {
            Ok(_) => return Ok(true),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Passes on everything but notes.
#[derive(Debug)]
struct Muted(Arc<dyn Progress>);

impl Progress for Muted {
    fn warn(&self, text: &str) {
        self.0.warn(text);
    }

    fn phase(&self, name: &str, steps: usize) -> Box<dyn Phase> {
        self.0.phase(name, steps)
    }

    fn copying(&self, copied: &Arc<Copied>) -> Box<dyn Phase> {
        self.0.copying(copied)
    }

    fn wants_forecast(&self) -> bool {
        self.0.wants_forecast()
    }
}
