//! The sandbox of the demo, and the clients for it.

use super::super::{OpError, Outcome};
use super::DemoReport;
use super::folder::Folder;
use super::program::Program;
use super::report::Kept;
use crate::aws::{Aws, WriteAuthority, WriteClients};
use crate::cli::sandbox::history::aws_of;
use crate::names::{AccountId, Region};
use crate::sandbox::{Options, Sandbox};
use crate::words::in_one_line;

/// The archive's bucket.
pub(super) const BUCKET: &str = "acme-log-archive";

/// The directory of a kept sandbox's state, in the demo's directory.
pub(super) const STATE: &str = "sandbox";

/// A running sandbox, a directory with a configuration, and this program.
pub(super) struct DemoEnv {
    pub(super) sandbox: Sandbox,
    pub(super) folder: Folder,
    pub(super) program: Program,
    pub(super) management: AccountId,
    pub(super) log_archive: AccountId,
    /// A member that is neither the log archive nor the audit account.
    pub(super) member: AccountId,
    pub(super) accounts: usize,
}

impl DemoEnv {
    /// Starts the sandbox.
    ///
    /// With `keep`, its state is saved in the directory, which is not deleted.
    pub(super) async fn start(
        report: &mut DemoReport,
        accounts: usize,
        keep: bool,
    ) -> Result<Self, OpError> {
        report.section(
            "1. An AWS organization on this machine",
            "The sandbox enforces what orgtrail's guarantees need from AWS: accounts, policies, object\n\
             versions, locks and signed digests. It listens on loopback only.",
        )?;
        let home_region: Region = "us-east-1".parse().map_err(OpError::unexpected)?;
        let mut options = Options::new(home_region);
        let folder = Folder::new(keep).map_err(OpError::unexpected)?;
        options.accounts = accounts;
        options.data = keep.then(|| folder.path().join(STATE));
        let sandbox = Sandbox::start(options).await.map_err(OpError::unexpected)?;
        let ids = sandbox.accounts();
        let [management, log_archive, _, member, ..] = ids.as_slice() else {
            return Err(OpError::usage("the demo requires at least four accounts"));
        };
        let administrator = sandbox
            .administrator()
            .ok_or_else(|| OpError::unexpected("the sandbox has no administrator".to_owned()))?;
        let program = Program::new(folder.path(), &sandbox.endpoint(), &administrator)?;
        let organization =
            sandbox.organization_id().map_or_else(|| "none".to_owned(), |id| id.to_string());
        report.step(
            "the sandbox has all accounts",
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

    /// Runs orgtrail, and reports a step that passes if it exits as expected; returns whether
    /// it did.
    pub(super) async fn step(
        &self,
        report: &mut DemoReport,
        title: &str,
        command: &str,
        arguments: &[&str],
        exit: Outcome,
    ) -> Result<bool, OpError> {
        let output = self.program.run(arguments).await?;
        let passed = output.exited_with(exit);
        let details = if passed { output.summary(1) } else { output.in_full() };
        report.step(title, Some(command), passed, details)?;
        Ok(passed)
    }

    /// The connection that orgtrail's own commands use: the administrator's credentials, and
    /// the role that every member has.
    pub(super) async fn aws(&self) -> Result<Aws, OpError> {
        aws_of(&self.sandbox).await
    }

    /// The clients of an account in the home Region.
    pub(super) fn clients(&self, aws: &Aws, account: &AccountId) -> WriteClients {
        let clients = aws.clients(account, self.sandbox.home_region());
        WriteClients::new(&clients, &WriteAuthority::granted())
    }

    /// Stops the sandbox, and deletes its directory or returns where it is kept. A state that
    /// could not be saved is reported and deleted.
    pub(super) async fn stop(mut self, report: &mut DemoReport) -> Result<Option<Kept>, OpError> {
        let state = self.folder.path().join(STATE);
        if let Err(error) = self.sandbox.stop().await {
            self.folder.stop_keeping();
            report.step("the sandbox is saved", None, false, in_one_line(&error))?;
        }
        let folder = self.folder.is_kept().then(|| self.folder.path().to_owned());
        Ok(folder.map(|folder| Kept { folder, state }))
    }
}
