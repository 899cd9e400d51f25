use std::sync::Arc;

use crate::archive::shard::Shard;
use crate::archive::verify::finding::{Finding, Severity};
use crate::archive::verify::run::{self as chains, FileVerdict, Verification};
use crate::events::answer::{Proof, ProofSummary};
use crate::events::files::{DELIVERED_WITHIN, LogFile, Selection};
use crate::ops::verify::{FileVerdicts, Scope, Target, checked_with, window};
use crate::ops::{Env, OpError};

/// The most findings that a summary names.
const MAX_FINDINGS: usize = 10;

/// How events are proven: by the digests that list their files.
#[derive(Debug)]
pub(super) struct Proofs {
    files: Arc<FileVerdicts>,
    /// The verification of the accounts, Regions and time that were searched.
    pub(super) verification: Verification,
    /// Whether it was of a shard, which may have nothing.
    is_part: bool,
}

impl Proofs {
    /// Verifies the digests and log files that a selection may concern.
    pub(super) async fn of(
        name: Option<&str>,
        scope: &Scope,
        selection: &Selection,
        shard: Option<Shard>,
        env: &Env,
    ) -> Result<Self, OpError> {
        let scope = Scope {
            accounts: selection.accounts.clone(),
            regions: selection.regions.clone(),
            ..scope.clone()
        };
        let opening = Target::open(name, &scope, env);
        let target = env.unless_stopped(Box::pin(opening)).await??;
        for note in target.notes() {
            env.progress().note(note);
        }
        let until = selection.window.until.and_then(|at| at.checked_add(DELIVERED_WITHIN).ok());
        let window = window(selection.window.since, until, target.is_live(), target.now);
        let files = Arc::new(FileVerdicts::default());
        let is_part = shard.is_some();
        let request = target.request(chains::Selection { shard, ..scope.selection() }, window);
        let _kept = request.kept.clone();
        let verification = checked_with(request, Some(Arc::clone(&files)), env).await?;
        Ok(Self { files, verification, is_part })
    }

    /// Whether the events of a file are proven.
    pub(super) fn of_file(&self, file: &LogFile) -> Proof {
        self.of_key(&file.key)
    }

    /// Whether the events of a file are proven, by its key.
    pub(super) fn of_key(&self, key: &str) -> Proof {
        match self.files.of(key) {
            Some(FileVerdict::Proven) => Proof::Proven,
            Some(FileVerdict::Contradicted) => Proof::Contradicted,
            Some(FileVerdict::Unreadable) | None => Proof::Unproven,
        }
    }

    /// The most severe finding of the verification.
    pub(super) fn severity(&self) -> Option<Severity> {
        if self.is_part {
            return self.verification.all_findings().map(|finding| finding.severity).max();
        }
        self.verification.severity()
    }
}

/// What the verification found, before events are counted.
pub(super) fn proof_summary(proofs: &Proofs) -> ProofSummary {
    let in_words = |finding: &Finding| {
        let at = finding.key.as_deref().unwrap_or_default();
        format!("{}: {at}", finding.kind.code())
    };
    let severe = proofs.verification.all_findings();
    let severe = severe.filter(|finding| finding.severity > Severity::Notice);
    ProofSummary {
        severity: proofs.severity(),
        findings: severe.take(MAX_FINDINGS).map(in_words).collect(),
        ..ProofSummary::default()
    }
}
