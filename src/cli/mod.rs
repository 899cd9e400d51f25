//! The command line: one file per command.
//!
//! A command is a file `src/cli/<name>.rs` with a `#[derive(clap::Args)]
//! pub(crate) struct Args` (its docstring is the help, its `after_help` the examples) and
//! `pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome,
//! OpError>`; one variant in `Command`, its arm in `Command::run`, and
//! its place in the help in `groups.rs`.
//! Results go through `context.out.data` or `.json`, words for people through
//! `.note` and `.warn`; errors are returned, with their hint, by [`Explain`].

mod accept;
mod accounts;
mod apply;
mod archived;
mod bootstrap;
mod completions;
mod config;
mod confirm;
mod consolidate;
mod context;
mod copying;
mod cost;
mod coverage;
#[cfg(feature = "sandbox")]
mod demo;
mod destroy;
mod doctor;
mod drift;
mod estimate;
mod events;
mod evidence;
mod exit;
mod explain;
mod gather;
mod groups;
mod init;
mod man;
mod mfa_delete;
mod output;
mod output_path;
mod plan;
mod plan_file;
mod progress;
mod provision;
mod records;
mod retire;
mod run;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serve;
mod service;
mod shard;
mod shutdown;
mod sources;
mod status;
mod trust;
mod units;
mod values;
mod verify;
mod version;
mod watch;

use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};
pub use context::{Context, Format, Rendering};
pub use output::Output;

use crate::config::Environment;
use crate::ops::{Explain, OpError, Outcome, Session};
use crate::stop::Stop;

/// Set up, consolidate, verify and monitor an AWS organization's CloudTrail
#[derive(Debug, Parser)]
#[command(name = "orgtrail", version = version::version(), propagate_version = true)]
#[command(after_help = after_help())]
pub struct Cli {
    #[command(flatten)]
    global: GlobalOptions,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
struct GlobalOptions {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", env = "ORGTRAIL_CONFIG")]
    #[arg(default_value = "orgtrail.toml")]
    config: PathBuf,

    /// The format of results on standard output.
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Rendering,

    /// Let environment variables set identity keys of the configuration: accounts, bucket,
    /// prefix, trail, key, home Region, log group, topic.
    #[arg(long, global = true)]
    allow_env_identity: bool,

    /// Allow unencrypted calls (http://) to endpoints on other machines.
    #[arg(long, global = true)]
    allow_plain_http: bool,

    /// Answer yes to every prompt.
    #[arg(long, short = 'y', global = true)]
    yes: bool,

    /// Print results and errors only.
    #[arg(long, short = 'q', global = true)]
    quiet: bool,

    /// Log to standard error. FILTER is a level, or `tracing` directives such as
    /// `orgtrail=debug,aws_config=info`.
    #[arg(long, global = true, value_name = "FILTER", value_parser = log_filter)]
    log: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[cfg(feature = "sandbox")]
    Demo(demo::Args),
    Doctor(doctor::Args),
    Accounts(accounts::Args),
    Bootstrap(bootstrap::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Destroy(destroy::Args),
    MfaDelete(mfa_delete::Args),
    Config(config::Args),
    #[cfg(feature = "sandbox")]
    Sandbox(sandbox::Args),
    Sources(sources::Args),
    Consolidate(consolidate::Args),
    Records(records::Args),
    Accept(accept::Args),
    Retire(retire::Args),
    Cost(cost::Args),
    Completions(completions::Args),
    Init(init::Args),
    Man(man::Args),
    Verify(verify::Args),
    Events(events::Args),
    Evidence(evidence::Args),
    Units(units::Args),
    Gather(gather::Args),
    Run(run::Args),
    Serve(serve::Args),
    Service(service::Args),
    Status(status::Args),
    Drift(drift::Args),
    Explain(explain::Args),
    Coverage(coverage::Args),
}

impl Command {
    /// Whether it changes nothing in AWS, so that a stop may end its calls. A
    /// verification ends by account and Region instead.
    fn reads_only(&self) -> bool {
        match self {
            Self::Accounts(_)
            | Self::Doctor(_)
            | Self::Plan(_)
            | Self::Sources(_)
            | Self::Records(_)
            | Self::Cost(_)
            | Self::Init(_)
            | Self::Units(_)
            | Self::Gather(_)
            | Self::Status(_)
            | Self::Coverage(_) => true,
            Self::Drift(args) => args.reads_only(),
            _ => false,
        }
    }

    /// Whether it ends by itself after a stop, with a report of what it did.
    fn stops_gracefully(&self) -> bool {
        match self {
            Self::Accounts(_)
            | Self::Doctor(_)
            | Self::Apply(_)
            | Self::Bootstrap(_)
            | Self::Destroy(_)
            | Self::Sources(_)
            | Self::Consolidate(_)
            | Self::Retire(_)
            | Self::Cost(_)
            | Self::Verify(_)
            | Self::Events(_)
            | Self::Evidence(_)
            | Self::Run(_)
            | Self::Serve(_)
            | Self::Drift(_)
            | Self::Coverage(_) => true,
            #[cfg(feature = "sandbox")]
            Self::Demo(args) => args.stops_gracefully(),
            #[cfg(feature = "sandbox")]
            Self::Sandbox(_) => false,
            Self::Plan(_)
            | Self::MfaDelete(_)
            | Self::Accept(_)
            | Self::Config(_)
            | Self::Records(_)
            | Self::Completions(_)
            | Self::Init(_)
            | Self::Man(_)
            | Self::Service(_)
            | Self::Status(_)
            | Self::Units(_)
            | Self::Gather(_)
            | Self::Explain(_) => false,
        }
    }

    /// Whether it deals with signals by itself: a sandbox does, and what runs in one.
    fn handles_signals(&self) -> bool {
        match self {
            #[cfg(feature = "sandbox")]
            Self::Sandbox(_) => true,
            _ => false,
        }
    }

    /// What it logs without `--log`, and whether as JSON.
    fn log(&self) -> (&'static str, bool) {
        match self {
            Self::Serve(args) => ("orgtrail=info", args.log_json),
            _ => ("off", false),
        }
    }

    async fn run(self, context: &Context) -> Result<Outcome, OpError> {
        let knows = |rendering: &Rendering| match (&self, rendering) {
            (_, Rendering::Text | Rendering::Json)
            | (Self::Verify(_) | Self::Gather(_), Rendering::Junit | Rendering::AwsCli) => true,
            (Self::Events(args), other) => args.knows(*other),
            (Self::Drift(_), other) => drift::format_of(*other).is_some(),
            _ => false,
        };
        if !knows(&context.rendering) {
            let fitting = Rendering::value_variants().iter().filter(|one| knows(one));
            let words: Vec<String> = fitting
                .filter_map(clap::ValueEnum::to_possible_value)
                .map(|word| format!("`{}`", word.get_name()))
                .collect();
            let message = format!("`--format` is {} for this command", one_of(&words));
            return Err(OpError::usage(message));
        }
        // Boxed, since some commands' futures are large.
        let run: Pin<Box<dyn Future<Output = Result<Outcome, OpError>> + '_>> = match self {
            #[cfg(feature = "sandbox")]
            Self::Demo(args) => Box::pin(demo::run(args, context)),
            Self::Accounts(args) => Box::pin(accounts::run(args, context)),
            Self::Doctor(args) => Box::pin(doctor::run(args, context)),
            Self::Bootstrap(args) => Box::pin(bootstrap::run(args, context)),
            Self::Plan(args) => Box::pin(plan::run(args, context)),
            Self::Apply(args) => Box::pin(apply::run(args, context)),
            Self::Destroy(args) => Box::pin(destroy::run(args, context)),
            Self::MfaDelete(args) => Box::pin(mfa_delete::run(args, context)),
            Self::Config(args) => Box::pin(config::run(args, context)),
            #[cfg(feature = "sandbox")]
            Self::Sandbox(args) => Box::pin(sandbox::run(args, context)),
            Self::Sources(args) => Box::pin(sources::run(args, context)),
            Self::Consolidate(args) => Box::pin(consolidate::run(args, context)),
            Self::Records(args) => Box::pin(records::run(args, context)),
            Self::Accept(args) => Box::pin(accept::run(args, context)),
            Self::Retire(args) => Box::pin(retire::run(args, context)),
            Self::Cost(args) => Box::pin(cost::run(args, context)),
            Self::Completions(args) => Box::pin(completions::run(args, context)),
            Self::Init(args) => Box::pin(init::run(args, context)),
            Self::Man(args) => Box::pin(man::run(args, context)),
            Self::Verify(args) => Box::pin(verify::run(args, context)),
            Self::Events(args) => Box::pin(events::run(args, context)),
            Self::Evidence(args) => Box::pin(evidence::run(args, context)),
            Self::Units(args) => Box::pin(units::run(args, context)),
            Self::Gather(args) => Box::pin(gather::run(args, context)),
            Self::Run(args) => Box::pin(run::run(args, context)),
            Self::Serve(args) => Box::pin(serve::run(args, context)),
            Self::Service(args) => Box::pin(service::run(args, context)),
            Self::Status(args) => Box::pin(status::run(args, context)),
            Self::Drift(args) => Box::pin(drift::run(args, context)),
            Self::Explain(args) => Box::pin(explain::run(args, context)),
            Self::Coverage(args) => Box::pin(coverage::run(args, context)),
        };
        run.await
    }
}

/// Parses the command line, runs the command and returns the exit code.
pub fn main() -> ExitCode {
    let parsed = command().try_get_matches().and_then(|found| Cli::from_arg_matches(&found));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version too; a reader that has gone away is no error.
            let _ = error.print();
            let exit = if error.use_stderr() { Outcome::Usage } else { Outcome::Clean };
            return exit.into();
        }
    };
    let (log, as_json) = cli.command.log();
    start_log(cli.global.log.as_deref().unwrap_or(log), as_json);
    let mut context = Context {
        config_path: cli.global.config,
        format: cli.global.format.format(),
        rendering: cli.global.format,
        allow_plain_http: cli.global.allow_plain_http,
        yes: cli.global.yes,
        out: Output::new(cli.global.quiet),
        environment: Environment::of_process().allowing_identity(cli.global.allow_env_identity),
        stop: Stop::never(),
        reads_only: cli.command.reads_only(),
        session: Session::default(),
        env: OnceLock::new(),
    };
    let result = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let result = runtime.block_on(async {
                if cli.command.handles_signals() {
                    return cli.command.run(&context).await;
                }
                context.stop = Stop::on_signals();
                shutdown::until_stopped(cli.command, &context).await
            });
            // Whatever still waits, for a person's answer or a call's, is left.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(OpError::new(error, Outcome::Unexpected)),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            Output::error(&error);
            error.outcome().into()
        }
    }
}

/// Words as people list them: `a`, `b` or `c`.
fn one_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The command line as it is parsed, completed and documented.
#[must_use]
pub fn command() -> clap::Command {
    groups::grouped(Cli::command())
}

fn start_log(filter: &str, as_json: bool) {
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(|| output::Printed(std::io::stderr()));
    if as_json { log.json().init() } else { log.init() }
}

fn log_filter(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}; expected a level or directives")),
    }
}

/// The example of a sandbox, where this binary has one.
const SANDBOX_EXAMPLE: &str = if cfg!(feature = "sandbox") {
    "
  orgtrail sandbox exec -- orgtrail plan
                                        try it on a sandbox on this machine"
} else {
    ""
};

fn after_help() -> String {
    format!(
        "\
Examples:
  orgtrail init                         write orgtrail.toml from the existing resources
  orgtrail config check                 check it offline
  orgtrail plan                         show what would change{SANDBOX_EXAMPLE}

Environment:
  ORGTRAIL_CONFIG                       the configuration file, like --config
  ORGTRAIL__<SECTION>__<KEY>            a key of the configuration; overrides the file
  AWS_PROFILE, AWS_REGION, …            credentials and endpoints, as for the AWS CLI
  ORGTRAIL_PACING=off                   no rate limiting, for endpoints other than AWS
  ORGTRAIL_PROPAGATION_SECONDS=120      how long `apply` waits for new resources to take effect
  NO_COLOR                              no colors

Results go to standard output, everything else to standard error.

Exit codes:
{}",
        exit::table()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_exit_code_is_in_the_help() {
        let help = Cli::command().render_long_help().to_string();
        for line in exit::table().lines() {
            assert!(help.contains(line.trim_end()), "{line}");
        }
    }

    /// Whatever the features of this build: what `--no-default-features` leaves out.
    #[test]
    fn no_other_command_refers_to_those_of_the_sandbox() {
        fn visit(command: &clap::Command) {
            let help = command.clone().render_long_help().to_string().to_lowercase();
            for word in ["sandbox", "demo"] {
                assert!(!help.contains(word), "{word} in\n{help}");
            }
            command.get_subcommands().for_each(visit);
        }
        let commands = Cli::command();
        let is_of_sandbox = |name: &str| ["sandbox", "demo"].contains(&name);
        let of_sandbox = commands.get_subcommands().filter(|it| is_of_sandbox(it.get_name()));
        assert_eq!(of_sandbox.count(), if cfg!(feature = "sandbox") { 2 } else { 0 });
        commands.get_subcommands().filter(|it| !is_of_sandbox(it.get_name())).for_each(visit);
        let general = after_help();
        assert_eq!(general.contains("sandbox"), cfg!(feature = "sandbox"), "{general}");
        assert!(!general.replace(SANDBOX_EXAMPLE, "").contains("sandbox"), "{general}");
    }

    #[test]
    fn every_command_tells_what_it_does_and_shows_examples() {
        fn visit(command: &clap::Command, path: &str) {
            for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
                let path = format!("{path} {}", inner.get_name());
                assert!(inner.get_about().is_some(), "{path}");
                // A command that only holds others may leave the examples to them.
                assert!(
                    inner.has_subcommands()
                        || inner
                            .get_after_help()
                            .is_some_and(|help| help.to_string().contains("xample")),
                    "{path}"
                );
                visit(inner, &path);
            }
        }
        visit(&Cli::command(), "orgtrail");
    }
}
