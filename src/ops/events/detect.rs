//! Detecting events that concern the trail, sign-ins, and what the rules of others match.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use orgtrail_events::detection::sigma::{Sigma, SigmaMatch};
use orgtrail_events::detection::{Certainty, Detector, EventRef, Finding, Findings, FirstUses};

use super::facts::facts;
use super::place::{Place, PlaceRequest};
use super::proof::{Proofs, proof_summary};
use super::rules::rules;
use crate::archive::key::LogClass;
use crate::archive::verify::finding::Severity as ProofSeverity;
use crate::checks::Severity;
use crate::config::Config;
use crate::events::Event;
use crate::events::answer::Proof;
use crate::events::coverage::Coverage;
use crate::events::detections::{DetectedFinding, Detections, RuleSet};
use crate::events::files::{LogFile, LogFiles, Selection, Window};
use crate::events::query::FoundEvent;
use crate::events::read::{Options, Piece, read};
use crate::events::timeline::Timeline;
use crate::events::watch::Watch;
use crate::names::{AccountId, Region};
use crate::ops::verify::Scope;
use crate::ops::{Env, Moment, OpError, Outcome};
use crate::words::counted;

/// What to look at, and by which rules.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Where.
    pub place: PlaceRequest,
    /// Only these accounts; all if empty.
    pub accounts: BTreeSet<AccountId>,
    /// Only these Regions; all if empty.
    pub regions: BTreeSet<Region>,
    /// When the events happened, at the earliest; any time if absent.
    pub since: Option<Moment>,
    /// At the latest; up to now if absent.
    pub until: Option<Moment>,
    /// How long before `since` events are read to know which Regions accounts use. Without it,
    /// first uses of Regions are not detected.
    pub baseline: Option<SignedDuration>,
    /// A directory with Sigma rules.
    pub rules: Option<PathBuf>,
    /// How the events are proven, if they are to be.
    pub proof: Option<Scope>,
}

impl Request {
    /// What a round looks at: the archive, as far back as the configuration says.
    #[must_use]
    pub fn of_round(config: &Config) -> Self {
        let detect = &config.events.detect;
        let baseline = i64::from(detect.baseline_days);
        Self {
            since: Some(Moment::Ago(SignedDuration::from_hours(detect.since_hours.into()))),
            baseline: (baseline > 0).then(|| SignedDuration::from_hours(24 * baseline)),
            rules: detect.rules.as_ref().map(PathBuf::from),
            ..Self::default()
        }
    }
}

/// Detects what the built-in rules and those of a directory match.
///
/// # Errors
/// The rules or the place cannot be opened, nothing in it can be listed, or a stop was
/// requested before the first file was read.
pub async fn detect(env: &Env, request: &Request) -> Result<Detections, OpError> {
    // Before AWS is called.
    let (sigma, set) = match &request.rules {
        Some(directory) => {
            let (sigma, set) = rules(directory)?;
            (sigma.map(Arc::new), Some(set))
        }
        None => (None, None),
    };
    let place = env.unless_stopped(Box::pin(Place::open(&request.place, env))).await??;
    let looking = facts(env.valid_config(), place.aws.as_ref());
    let (facts, summary) = env.unless_stopped(Box::pin(looking)).await?;
    let (window, baseline) = windows(request, &place)?;
    let selection = Selection {
        accounts: request.accounts.clone(),
        regions: request.regions.clone(),
        classes: [LogClass::Events].into(),
        window: Window { since: baseline.or(window.since), until: window.until },
    };
    let proofs = match &request.proof {
        Some(scope) => {
            let name = request.place.name.as_deref();
            let selection = Selection { window, ..selection.clone() };
            Some(Box::pin(Proofs::of(name, scope, &selection, None, env)).await?)
        }
        None => None,
    };
    let first_uses = baseline.and(window.since).map(|since| Arc::new(FirstUses::new(since)));
    let watch = Watch {
        window,
        accounts: request.accounts.iter().map(ToString::to_string).collect(),
        regions: request.regions.iter().map(ToString::to_string).collect(),
        sigma: sigma.clone(),
        first_uses: first_uses.clone(),
    };
    let mut detecting = Detecting {
        detector: Detector::new(facts),
        sigma,
        findings: Findings::default(),
        timeline: Timeline::default(),
        coverage: Coverage::new(selection.window),
    };
    detecting.run(&place, &selection, watch, env).await?;
    let Detecting { mut findings, timeline, coverage, .. } = detecting;
    let first_uses = first_uses.map(|uses| uses.summary());
    for first in first_uses.iter().flat_map(|uses| &uses.found) {
        findings.add(Finding::of_first_use(first.clone()));
    }
    let (findings, left_out) = findings.finish();
    let mut proof = proofs.as_ref().map(proof_summary);
    let mut weigh = |finding: &Finding| {
        let proofs = proofs.as_ref()?;
        let all = finding.events.iter().map(|event| proofs.of_key(&event.key));
        let all: Vec<Proof> = all.collect();
        if let Some(summary) = &mut proof {
            for one in &all {
                summary.count(*one);
            }
        }
        all.into_iter().max()
    };
    let findings = findings
        .into_iter()
        .map(|finding| DetectedFinding {
            severity: finding.severity,
            proof: weigh(&finding),
            finding,
        })
        .collect();
    Ok(Detections {
        place: place.name.clone(),
        at: place.now,
        findings,
        left_out,
        coverage,
        copies: timeline.copies(),
        was_stopped: env.stop().is_requested(),
        proof,
        facts: summary,
        first_uses,
        rules: set,
    })
}

/// Reads and checks the rules of a directory, without evaluating them.
///
/// # Errors
/// The directory cannot be read.
pub fn lint(directory: &std::path::Path) -> Result<RuleSet, OpError> {
    rules(directory).map(|(_, set)| set)
}

/// How a detection ended: findings of at least a severity count as drift.
#[must_use]
pub fn outcome(detections: &Detections, fail_on: Severity) -> Outcome {
    let proof = detections.proof.as_ref();
    let is_contradicted = proof.is_some_and(|proof| {
        proof.contradicted > 0 || proof.severity == Some(ProofSeverity::Broken)
    });
    let is_unproven = proof.is_some_and(|proof| {
        proof.unproven > 0 || proof.severity == Some(ProofSeverity::Incomplete)
    });
    if is_contradicted {
        Outcome::IntegrityFailure
    } else if detections.has_at_least(fail_on) {
        Outcome::Drift
    } else if is_unproven || detections.is_incomplete() {
        Outcome::Incomplete
    } else {
        Outcome::Clean
    }
}

/// The findings in one line, the most severe first.
#[must_use]
pub fn summary(detections: &Detections) -> String {
    let mut text = counted(detections.findings.len(), "finding");
    let of = |severity: Severity| {
        let count = detections.findings.iter().filter(|one| one.severity == severity).count();
        (count > 0).then(|| format!("{count} {severity}"))
    };
    let severities: Vec<String> = Severity::ALL.into_iter().filter_map(of).collect();
    if !severities.is_empty() {
        text = format!("{text}: {}", severities.join(", "));
    }
    if detections.is_incomplete() {
        text.push_str("; something could not be read");
    }
    text
}

/// The window of the findings, and where the baseline before it begins.
fn windows(request: &Request, place: &Place) -> Result<(Window, Option<Timestamp>), OpError> {
    let [since, until] =
        [request.since, request.until].map(|at| at.map(|moment| moment.resolve(place.now)));
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        return Err(OpError::usage(format!("--since {since} is after --until {until}")));
    }
    let until = until.or_else(|| place.is_live.then_some(place.now));
    let baseline = match (request.baseline, since) {
        (Some(baseline), Some(since)) => {
            Some(since.checked_sub(baseline).unwrap_or(Timestamp::MIN))
        }
        (Some(_), None) => return Err(OpError::usage("--baseline needs --since")),
        (None, _) => None,
    };
    Ok((Window { since, until }, baseline))
}

struct Detecting {
    detector: Detector,
    sigma: Option<Arc<Sigma>>,
    findings: Findings,
    timeline: Timeline,
    coverage: Coverage,
}

impl Detecting {
    async fn run(
        &mut self,
        place: &Place,
        selection: &Selection,
        watch: Watch,
        env: &Env,
    ) -> Result<(), OpError> {
        let listing = LogFiles::find(Arc::clone(&place.source), &place.prefix, selection);
        let files = env.unless_stopped(listing).await??;
        for (account, region) in files.places() {
            self.coverage.add_place(account, region);
        }
        let phase = env.progress().phase("detecting", 0);
        let source = Arc::clone(&place.source);
        let mut pieces =
            read(source, files, Arc::new(watch), Options::default(), env.stop().clone());
        let mut next_report = 0;
        while let Some(piece) = pieces.recv().await {
            let ready = match piece {
                Piece::Found(found) => self.timeline.add(found),
                Piece::ReadUpTo(delivered) => self.timeline.read_up_to(delivered),
                Piece::File(result) => {
                    self.coverage.add(&result);
                    let files = self.coverage.files + self.coverage.unreadable;
                    if files >= next_report {
                        next_report = files + 100;
                        phase.set_name(&format!("detecting: {files} files"));
                    }
                    continue;
                }
                Piece::Failed(error) => {
                    self.coverage.cut_short = Some(crate::words::in_one_line(&error));
                    continue;
                }
            };
            self.take(&ready);
        }
        let rest = self.timeline.finish();
        self.take(&rest);
        Ok(())
    }

    /// Takes events in the order of time.
    fn take(&mut self, events: &[FoundEvent]) {
        let parsed =
            events.iter().filter_map(|found| Some((Event::parse(&found.raw).ok()?, found)));
        let parsed: Vec<_> = parsed.collect();
        for second in parsed.chunk_by(|(one, _), (next, _)| one.at() == next.at()) {
            for (event, _) in second {
                self.detector.note(event);
            }
            for (event, FoundEvent { raw, file, .. }) in second {
                for detected in self.detector.add(event) {
                    self.findings.add(Finding::of(detected, EventRef::new(event, &file.key)));
                }
                let Some(sigma) = &self.sigma else { continue };
                let Ok(record) = serde_json::from_str(raw) else { continue };
                for found in sigma.add(&record, event.at()) {
                    self.findings.add(of_sigma(found, event, file));
                }
            }
        }
    }
}

fn of_sigma(found: SigmaMatch, event: &Event<'_>, file: &LogFile) -> Finding {
    let event_ref = EventRef::new(event, &file.key);
    Finding {
        severity: found.severity,
        rule: found.rule,
        certainty: Certainty::Certain,
        has_failed: event.failure().is_some(),
        claims_own_apply: false,
        about: event_ref.name.clone().unwrap_or_default(),
        details: found.details,
        count: 1,
        last_at: event_ref.at,
        events: vec![event_ref],
    }
}
