//! The sandbox that the demo plays on, and the ways into it.

use super::super::{OpError, Outcome};
use super::Story;
use super::folder::Folder;
use super::program::Program;
use super::story::Kept;
use crate::aws::{Aws, WriteAuthority, WriteClients};
use crate::cli::sandbox::past::aws_of;
use crate::names::{AccountId, Region};
use crate::sandbox::{Options, Sandbox};
use crate::words::in_one_line;

/// The archive's bucket.
pub(super) const BUCKET: &str = "acme-log-archive";

/// Where in its folder a sandbox that is kept has its state.
pub(super) const STATE: &str = "sandbox";

/// A running sandbox, a folder with a config, and this program.
pub(super) struct Ground {
    pub(super) sandbox: Sandbox,
    pub(super) folder: Folder,
    pub(super) program: Program,
    pub(super) management: AccountId,
    pub(super) log_archive: AccountId,
    /// A member that is neither the log archive nor the audit account.
    pub(super) member: AccountId,
    pub(super) accounts: usize,
}

impl Ground {
    /// Starts the sandbox.
    ///
    /// With `keep`, its state is written into the folder, and the folder stays.
    pub(super) async fn lay(
        story: &mut Story,
        accounts: usize,
        keep: bool,
    ) -> Result<Self, OpError> {
        story.chapter(
            "1. An AWS organization, on this machine",
            "The sandbox answers like AWS where orgtrail's promises rest on AWS: accounts, policies,\n\
             versions, locks and signed digests are real. It listens on loopback only.",
        )?;
        let home_region: Region = "us-east-1".parse().map_err(unexpected)?;
        let mut options = Options::new(home_region);
        let folder = Folder::new(keep).map_err(unexpected)?;
        options.accounts = accounts;
        options.data = keep.then(|| folder.path().join(STATE));
        let sandbox = Sandbox::start(options).await.map_err(unexpected)?;
        let ids = sandbox.accounts();
        let [management, log_archive, _, member, ..] = ids.as_slice() else {
            return Err(OpError::usage("the demo needs four accounts"));
        };
        let administrator = sandbox
            .administrator()
            .ok_or_else(|| unexpected("the sandbox has no administrator".to_owned()))?;
        let program = Program::new(folder.path(), &sandbox.endpoint(), &administrator)?;
        let organization =
            sandbox.organization_id().map_or_else(|| "none".to_owned(), |id| id.to_string());
        story.step(
            "the organization is up",
            Some(&format!("orgtrail sandbox up --accounts {accounts}")),
            ids.len() == accounts,
            format!("{organization}: {} accounts at {}", ids.len(), sandbox.endpoint()),
        )?;
        Ok(Self {
            management: management.clone(),
            log_archive: log_archive.clone(),
            member: member.clone(),
            accounts,
            sandbox,
            folder,
            program,
        })
    }

    /// The way in that orgtrail's own commands take: the administrator, and the
    /// role that every member has.
    pub(super) async fn aws(&self) -> Result<Aws, OpError> {
        aws_of(&self.sandbox).await
    }

    /// The clients of an account in the home Region.
    pub(super) fn clients(&self, aws: &Aws, account: &AccountId) -> WriteClients {
        let clients = aws.clients(account, self.sandbox.home_region());
        WriteClients::new(&clients, &WriteAuthority::granted())
    }

    /// Stops the sandbox; removes the folder, or says where it is kept. What could
    /// not be saved whole is told and goes.
    pub(super) async fn clear(mut self, story: &mut Story) -> Result<Option<Kept>, OpError> {
        let state = self.folder.path().join(STATE);
        if let Err(error) = self.sandbox.stop().await {
            self.folder.let_go();
            story.step("the organization is kept", None, false, in_one_line(&error))?;
        }
        let folder = self.folder.is_kept().then(|| self.folder.path().to_owned());
        Ok(folder.map(|folder| Kept { folder, state }))
    }
}

/// An error that has no exit code of its own.
pub(super) fn unexpected(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OpError {
    OpError::new(error, Outcome::Unexpected)
}
