//! `orgtrail sandbox`

use std::path::PathBuf;

use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{CliError, Context, Exit, Explain, Format};
use crate::{
    names::{AccountId, OrgId, Region},
    sandbox::{Options, Pace, Sandbox, StartError},
};

/// An AWS organization on this machine, to try everything on
///
/// The sandbox answers the AWS CLI, every AWS SDK and orgtrail itself on a
/// loopback address: Organizations, STS, IAM, S3, KMS, CloudTrail, CloudWatch,
/// Logs, SNS and Account Management. Nothing leaves this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail sandbox up --accounts 12 --port 4566 --write-config orgtrail.toml
  orgtrail sandbox up > sandbox.env &
  source sandbox.env && aws organizations list-accounts
  orgtrail sandbox tick --hours 24")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Up(Up),
    Tick(Tick),
    Confirm(Confirm),
}

/// Run a sandbox until Ctrl-C
///
/// Prints the lines that point the AWS CLI and orgtrail at it. With
/// `--format json` it prints them as one line of JSON, with the root keys and
/// MFA seeds of all accounts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail sandbox up --port 4566 --write-config orgtrail.toml
  orgtrail sandbox up --accounts 100")]
struct Up {
    /// Accounts of the organization, the management account among them.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(3..=10_000))]
    accounts: u16,

    /// The port on 127.0.0.1; a free one where it is not given.
    #[arg(long, default_value_t = 0)]
    port: u16,

    /// The home Region.
    #[arg(long, default_value = "us-east-1")]
    region: Region,

    /// Keep the state in this directory across restarts.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Write a config that matches the sandbox; an existing file is replaced
    /// only with --yes.
    #[arg(long, value_name = "FILE")]
    write_config: Option<PathBuf>,

    /// What the simulated clock shows at the start; now where it is not given.
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,

    /// Let the clock move by ticks alone, so that every run sees the same
    /// times.
    #[arg(long)]
    frozen: bool,

    /// What ids and keys are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Put a sandbox's clock forward, and deliver what comes due
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail sandbox tick --hours 24")]
struct Tick {
    /// Hours to put the clock forward.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=87_600))]
    hours: u32,

    /// The sandbox's endpoint.
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
    endpoint: String,
}

/// Confirm every subscription that waits for it, as the owners of the addresses
/// do by the link in their message
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail sandbox confirm")]
struct Confirm {
    /// The sandbox's endpoint.
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
    endpoint: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    match args.command {
        Command::Up(args) => up(args, context).await,
        Command::Tick(args) => tick(&args, context).await,
        Command::Confirm(args) => confirm(&args, context).await,
    }
}

async fn up(args: Up, context: &Context) -> Result<Exit, CliError> {
    if let Some(path) = &args.write_config
        && path.exists()
        && !context.yes
    {
        return Err(CliError::usage(format!("{} exists already", path.display()))
            .with_hint("name another file, or let it be replaced with `--yes`"));
    }
    let options = Options {
        accounts: args.accounts.into(),
        port: args.port,
        data: args.data,
        start: args.start,
        pace: if args.frozen { Pace::Frozen } else { Pace::Flowing },
        seed: args.seed,
        ..Options::new(args.region)
    };
    let sandbox = Sandbox::start(options).await?;
    if let Some(path) = &args.write_config {
        std::fs::write(path, config_of(&sandbox)).map_err(|error| {
            CliError::new(format!("writing {}: {error}", path.display()), Exit::Unexpected)
        })?;
        context.out.note(format_args!("wrote {}", path.display()));
    }
    let up = Running::of(&sandbox);
    match context.format {
        Format::Json => {
            let line = serde_json::to_string(&up)
                .map_err(|error| CliError::new(error, Exit::Unexpected))?;
            context.out.data(line)?;
        }
        Format::Text => {
            context.out.data(up.exports())?;
            context.out.note(format_args!(
                "{} accounts on {}; Ctrl-C stops it",
                up.accounts.len(),
                up.endpoint
            ));
        }
    }
    // Without a way to hear Ctrl-C the sandbox would end at once.
    tokio::signal::ctrl_c().await.map_err(|error| CliError::new(error, Exit::Unexpected))?;
    sandbox.stop().await.map_err(|error| CliError::new(error, Exit::Unexpected))?;
    Ok(Exit::Clean)
}

/// What a client needs to know of a sandbox. The JSON contract: fields may be
/// added; `version` grows when one changes its meaning or goes.
#[derive(Debug, Serialize)]
struct Running {
    version: u32,
    endpoint: String,
    region: Region,
    organization: Option<OrgId>,
    access_key_id: String,
    secret_access_key: String,
    accounts: Vec<RunningAccount>,
}

#[derive(Debug, Serialize)]
struct RunningAccount {
    account: AccountId,
    root_access_key_id: Option<String>,
    root_secret_access_key: Option<String>,
    root_mfa_serial: Option<String>,
    /// In base32, as authenticator apps take it.
    root_mfa_seed: Option<String>,
}

impl Running {
    fn of(sandbox: &Sandbox) -> Self {
        let administrator = sandbox.administrator();
        let accounts = sandbox.accounts().into_iter().map(|account| {
            let root = sandbox.root(&account);
            let device = sandbox.root_mfa_device(&account);
            RunningAccount {
                root_access_key_id: root.as_ref().map(|keys| keys.access_key_id.clone()),
                root_secret_access_key: root.map(|keys| keys.secret_access_key),
                root_mfa_serial: device.as_ref().map(|device| device.serial.clone()),
                root_mfa_seed: device.map(|device| device.seed_base32()),
                account,
            }
        });
        Self {
            version: 1,
            endpoint: sandbox.endpoint(),
            region: sandbox.home_region().clone(),
            organization: sandbox.organization_id(),
            accounts: accounts.collect(),
            access_key_id: administrator
                .as_ref()
                .map(|keys| keys.access_key_id.clone())
                .unwrap_or_default(),
            secret_access_key: administrator.map(|keys| keys.secret_access_key).unwrap_or_default(),
        }
    }

    fn exports(&self) -> String {
        let Self { endpoint, region, access_key_id, secret_access_key, .. } = self;
        format!(
            "export AWS_ENDPOINT_URL={endpoint}\n\
             export AWS_ACCESS_KEY_ID={access_key_id}\n\
             export AWS_SECRET_ACCESS_KEY={secret_access_key}\n\
             export AWS_REGION={region}\n\
             export AWS_DEFAULT_REGION={region}\n\
             export ORGTRAIL_PACING=off\n\
             unset AWS_SESSION_TOKEN AWS_PROFILE"
        )
    }
}

/// The config that a sandbox's organization needs.
pub(super) fn config_of(sandbox: &Sandbox) -> String {
    let accounts = sandbox.accounts();
    let id = |index: usize| accounts.get(index).map_or("", AccountId::as_str);
    format!(
        "# The organization of a sandbox.\n\
         [organization]\n\
         management_account = \"{}\"\n\
         log_archive_account = \"{}\"\n\
         audit_account = \"{}\"\n\
         home_region = \"{}\"\n\
         \n\
         [archive]\n\
         bucket = \"sandbox-log-archive\"\n",
        id(0),
        id(1),
        id(2),
        sandbox.home_region(),
    )
}

/// What a sandbox answers to a tick.
#[derive(Debug, Serialize, Deserialize)]
struct Ticked {
    now: Timestamp,
}

/// What a sandbox answers to a confirmation.
#[derive(Debug, Serialize, Deserialize)]
struct Confirmed {
    confirmed: u64,
}

async fn tick(args: &Tick, context: &Context) -> Result<Exit, CliError> {
    let seconds = u64::from(args.hours) * 3600;
    let asked = format!("{{\"seconds\":{seconds}}}");
    let answer: Ticked = post(&args.endpoint, "/_sandbox/tick", asked).await?;
    match context.format {
        Format::Json => context.out.json(&answer)?,
        Format::Text => {
            context.out.data(format_args!("the sandbox's clock shows {}", answer.now))?;
        }
    }
    Ok(Exit::Clean)
}

async fn confirm(args: &Confirm, context: &Context) -> Result<Exit, CliError> {
    let answer: Confirmed = post(&args.endpoint, "/_sandbox/confirm", String::new()).await?;
    let confirmed = answer.confirmed;
    match context.format {
        Format::Json => context.out.json(&answer)?,
        Format::Text => {
            let word = if confirmed == 1 { "subscription" } else { "subscriptions" };
            context.out.data(format_args!("{confirmed} {word} confirmed"))?;
        }
    }
    Ok(Exit::Clean)
}

/// Why a sandbox could not be asked.
#[derive(Debug, thiserror::Error)]
enum AskError {
    /// Only a sandbox has these calls, and it listens on loopback alone.
    #[error("`{found}` is no sandbox's endpoint: expected `http://127.0.0.1:PORT`")]
    Endpoint { found: String },
    /// Nobody answers there.
    #[error("asking the sandbox at {endpoint}")]
    Connect { endpoint: String, source: std::io::Error },
    /// It broke off.
    #[error("asking the sandbox at {endpoint}")]
    Http { endpoint: String, source: hyper::Error },
    /// It did not like the question.
    #[error("the sandbox answered {status}: {answer}")]
    Refused { status: u16, answer: String },
}

impl Explain for AskError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Connect { .. } => Some("is `orgtrail sandbox up` running there?".to_owned()),
            Self::Endpoint { .. } => {
                Some("`orgtrail sandbox up` prints it as AWS_ENDPOINT_URL".to_owned())
            }
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Endpoint { .. } => Exit::Usage,
            _ => Exit::Unexpected,
        }
    }
}

async fn post<T: DeserializeOwned>(
    endpoint: &str,
    path: &str,
    body: String,
) -> Result<T, AskError> {
    let bad = || AskError::Endpoint { found: endpoint.to_owned() };
    let address = endpoint.strip_prefix("http://").ok_or_else(bad)?.trim_end_matches('/');
    let address = address.replace("localhost:", "127.0.0.1:");
    let address: std::net::SocketAddr = address.parse().map_err(|_| bad())?;
    if !address.ip().is_loopback() {
        return Err(bad());
    }
    let connect = |source| AskError::Connect { endpoint: endpoint.to_owned(), source };
    let http = |source| AskError::Http { endpoint: endpoint.to_owned(), source };
    let stream = tokio::net::TcpStream::connect(address).await.map_err(connect)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    let connection = tokio::spawn(connection);
    let mut request = http::Request::new(Full::<bytes::Bytes>::from(body));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = path.parse().map_err(|_| bad())?;
    if let Ok(host) = address.to_string().parse() {
        request.headers_mut().insert(http::header::HOST, host);
    }
    let response = sender.send_request(request).await.map_err(http)?;
    let status = response.status();
    let answer = response.into_body().collect().await.map_err(http)?.to_bytes();
    drop(sender);
    // Its end says nothing that the answer did not.
    drop(connection.await);
    let refused = || AskError::Refused {
        status: status.as_u16(),
        answer: String::from_utf8_lossy(&answer).into_owned(),
    };
    if !status.is_success() {
        return Err(refused());
    }
    serde_json::from_slice(&answer).map_err(|_| refused())
}

impl Explain for StartError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                Some("`--port` takes another one; without it a free one is found".to_owned())
            }
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Listen { .. } | Self::Data(_) => Exit::Usage,
            _ => Exit::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_config_that_is_written_passes_its_check() {
        let sandbox = Sandbox::start(Options::new("us-east-1".parse().unwrap())).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orgtrail.toml");
        std::fs::write(&path, config_of(&sandbox)).unwrap();
        let environment = crate::config::Environment::of_process();
        let loaded = crate::config::Loaded::from_file(&path, &environment).unwrap();
        assert_eq!(loaded.warnings, []);
    }

    #[tokio::test]
    async fn a_tick_reaches_the_sandbox() {
        let options = Options { pace: Pace::Frozen, ..Options::new("us-east-1".parse().unwrap()) };
        let sandbox = Sandbox::start(options).await.unwrap();
        let before = sandbox.now();
        let endpoint = sandbox.endpoint();
        let asked = "{\"seconds\":7200}".to_owned();
        let answer: Ticked = post(&endpoint, "/_sandbox/tick", asked).await.unwrap();
        assert_eq!(answer.now, sandbox.now());
        assert_eq!(sandbox.now().duration_since(before).as_hours(), 2);
    }

    #[tokio::test]
    async fn what_is_no_sandbox_is_refused() {
        for endpoint in ["https://127.0.0.1:1", "http://192.0.2.1:80", "127.0.0.1:80", "http://x"] {
            let error = post::<Ticked>(endpoint, "/_sandbox/tick", String::new()).await;
            let error = error.unwrap_err();
            assert!(matches!(error, AskError::Endpoint { .. }), "{endpoint}: {error}");
        }
        // Nor does another server's answer pass for a sandbox's.
        let sandbox = Sandbox::start(Options::new("us-east-1".parse().unwrap())).await.unwrap();
        let endpoint = sandbox.endpoint();
        let answer = post::<Ticked>(&endpoint, "/_sandbox/confirm", String::new()).await;
        assert!(matches!(answer, Err(AskError::Refused { status: 200, .. })), "{answer:?}");
    }
}
