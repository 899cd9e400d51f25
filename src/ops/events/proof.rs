use std::sync::Arc;

use crate::archive::verify::finding::Severity;
use crate::archive::verify::run::{FileVerdict, Verification};
use crate::events::answer::Proof;
use crate::events::files::{DELIVERED_WITHIN, LogFile, Selection};
use crate::ops::verify::{FileVerdicts, Scope, Target, checked_with, window};
use crate::ops::{Env, OpError};

/// How events are proven: by the digests that list their files.
#[derive(Debug)]
pub(super) struct Proofs {
    files: Arc<FileVerdicts>,
    /// The verification of the accounts, Regions and time that were searched.
    pub(super) verification: Verification,
}

impl Proofs {
    /// Verifies the digests and log files that a selection may concern.
    pub(super) async fn of(
        name: Option<&str>,
        scope: &Scope,
        selection: &Selection,
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
        let request = target.request(scope.selection(), window);
        let _kept = request.kept.clone();
        let verification = checked_with(request, Some(Arc::clone(&files)), env).await?;
        Ok(Self { files, verification })
    }

    /// Whether the events of a file are proven.
    pub(super) fn of_file(&self, file: &LogFile) -> Proof {
        match self.files.of(&file.key) {
            Some(FileVerdict::Proven) => Proof::Proven,
            Some(FileVerdict::Contradicted) => Proof::Contradicted,
            Some(FileVerdict::Unreadable) | None => Proof::Unproven,
        }
    }

    /// The most severe finding of the verification.
    pub(super) fn severity(&self) -> Option<Severity> {
        self.verification.severity()
    }
}
