//! `orgtrail sandbox`

mod admin;
mod detached;
mod exec;
pub(in crate::cli) mod history;
mod launch;
mod process;
mod up;
mod variables;

use self::detached::SandboxDir;
use super::{Context, Explain, Format, OpError, Outcome};
use crate::names::AccountId;
use crate::report::contract::{Emitted, sandbox as contract};
use crate::sandbox::{Sandbox, StartError};
use crate::words::counted;

/// Run an AWS organization on this machine, to try orgtrail
///
/// The sandbox serves the AWS CLI, every AWS SDK and orgtrail on a loopback address:
/// Organizations, STS, IAM, S3, KMS, CloudTrail, CloudFormation, CloudWatch, Logs, SNS and Account
/// Management.
/// Nothing leaves this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail sandbox exec -- orgtrail plan
  orgtrail sandbox exec --accounts 12 -- bash

  orgtrail sandbox up --detach --accounts 12
  orgtrail sandbox exec --detached -- aws organizations list-accounts
  orgtrail sandbox tick --hours 24
  orgtrail sandbox down")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Exec(exec::Args),
    Up(up::Args),
    Down(detached::Down),
    Tick(Tick),
    Confirm(Confirm),
}

/// Advance the sandbox's clock, and deliver what is due
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail sandbox tick --hours 24")]
struct Tick {
    /// Hours to advance the clock.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=87_600))]
    hours: u32,

    #[command(flatten)]
    target: TargetSandbox,
}

/// Confirm all pending subscriptions, as their owners would by the link in the message
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail sandbox confirm")]
struct Confirm {
    #[command(flatten)]
    target: TargetSandbox,
}

/// The sandbox to call.
#[derive(Debug, clap::Args)]
struct TargetSandbox {
    /// The sandbox's endpoint. Without it: the one that `sandbox exec` runs in, that
    /// of `sandbox up --detach`, or `AWS_ENDPOINT_URL`.
    #[arg(long, value_name = "URL", env = variables::ENDPOINT)]
    endpoint: Option<String>,

    #[command(flatten)]
    place: SandboxDir,
}

impl TargetSandbox {
    fn endpoint(&self, context: &Context) -> Result<String, OpError> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(endpoint.clone());
        }
        match (self.place.read(), context.environment.var("AWS_ENDPOINT_URL")) {
            (Ok(found), _) => Ok(found.sandbox.endpoint),
            (Err(_), Some(endpoint)) => Ok(endpoint.to_owned()),
            (Err(error), None) => Err(error),
        }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    match args.command {
        Command::Exec(args) => Box::pin(exec::run(args, context)).await,
        Command::Up(args) => Box::pin(up::run(args, context)).await,
        Command::Down(args) => detached::down(&args, context).await,
        Command::Tick(args) => tick(&args, context).await,
        Command::Confirm(args) => confirm(&args, context).await,
    }
}

async fn tick(args: &Tick, context: &Context) -> Result<Outcome, OpError> {
    let answer = admin::tick(&args.target.endpoint(context)?, args.hours).await?;
    match context.format {
        Format::Json => {
            context.out.json(&Emitted::new(contract::Clock { clock_at: answer.now }))?;
        }
        Format::Text => {
            context.out.data(format_args!("the sandbox's clock shows {}", answer.now))?;
        }
    }
    Ok(Outcome::Clean)
}

async fn confirm(args: &Confirm, context: &Context) -> Result<Outcome, OpError> {
    let confirmed = admin::confirm(&args.target.endpoint(context)?).await?.confirmed;
    match context.format {
        Format::Json => {
            let document = contract::Confirmation { confirmed_subscriptions: confirmed };
            context.out.json(&Emitted::new(document))?;
        }
        Format::Text => {
            context.out.data(format_args!("{} confirmed", counted(confirmed, "subscription")))?;
        }
    }
    Ok(Outcome::Clean)
}

/// How to reach a sandbox that this process runs.
fn running(sandbox: &Sandbox) -> contract::Sandbox {
    let administrator = sandbox.administrator();
    let accounts = sandbox.accounts().into_iter().map(|account| {
        let root = sandbox.root(&account);
        let device = sandbox.root_mfa_device(&account);
        contract::Account {
            root_access_key_id: root.as_ref().map(|keys| keys.access_key_id.clone()),
            root_secret_access_key: root.map(|keys| keys.secret_access_key),
            root_mfa_serial: device.as_ref().map(|device| device.serial.clone()),
            root_mfa_seed: device.map(|device| device.seed_base32()),
            account,
        }
    });
    contract::Sandbox {
        endpoint: sandbox.endpoint(),
        region: sandbox.home_region().clone(),
        organization: sandbox.organization_id(),
        accounts: accounts.collect(),
        access_key_id: administrator
            .as_ref()
            .map(|keys| keys.access_key_id.clone())
            .unwrap_or_default(),
        secret_access_key: administrator.map(|keys| keys.secret_access_key).unwrap_or_default(),
        background: None,
    }
}

/// The document as one line of JSON.
fn line(running: &contract::Sandbox) -> Result<String, OpError> {
    serde_json::to_string(&Emitted::new(running.clone())).map_err(OpError::unexpected)
}

/// The config that a sandbox's organization needs.
pub(super) fn config_of(sandbox: &Sandbox) -> String {
    let accounts = sandbox.accounts();
    let id = |index: usize| accounts.get(index).map_or("", AccountId::as_str);
    // Without an organization there are no roles that it made: bootstrap creates them.
    let roles = if sandbox.organization_id().is_some() {
        String::new()
    } else {
        format!(
            "\n[roles]\nname = \"OrgTrailMember\"\n\
             \n[roles.accounts.{}]\nname = \"OrgTrailArchive\"\n",
            id(1)
        )
    };
    format!(
        "# The organization of a sandbox.\n\
         [organization]\n\
         management_account = \"{}\"\n\
         log_archive_account = \"{}\"\n\
         audit_account = \"{}\"\n\
         home_region = \"{}\"\n\
         \n\
         [archive]\n\
         bucket = \"sandbox-log-archive\"\n{roles}",
        id(0),
        id(1),
        id(2),
        sandbox.home_region(),
    )
}

impl Explain for StartError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                Some("name another port with `--port`, or omit it to use a free one".to_owned())
            }
            _ => None,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Listen { .. } | Self::Data(_) => Outcome::Usage,
            _ => Outcome::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_config_that_is_written_passes_its_check() {
        let env = crate::test_env::TestEnv::start().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orgtrail.toml");
        std::fs::write(&path, config_of(&env.sandbox)).unwrap();
        let environment = crate::config::Environment::of_process();
        let loaded = crate::config::Loaded::from_file(&path, &environment).unwrap();
        assert_eq!(loaded.warnings, []);
        let env = crate::test_env::TestEnv::builder().without_organization().start().await;
        std::fs::write(&path, config_of(&env.sandbox)).unwrap();
        let loaded = crate::config::Loaded::from_file(&path, &environment).unwrap();
        assert!(crate::resources::landing_zone::deployments(&loaded.config).is_ok());
    }
}
