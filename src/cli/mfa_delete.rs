use super::sign_in::refuse_taken;
use super::{CliError, Context, Exit};
use crate::config::Config;
use crate::config::MfaDelete as Mode;
use crate::names::{AccountId, BucketName, Region};
use crate::plan::apply::Stale;
use crate::plan::mfa_delete;

/// Enable S3 MFA delete as the root user
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Enable(Enable),
}

/// Enable MFA delete with root credentials from the environment
///
/// Applies to the archive bucket in mode `root`, and to the vault bucket in mode `vault`.
/// Without root credentials it prints the steps for the root user and exits with 12.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail mfa-delete enable --serial arn:aws:iam::222222222222:mfa/root --code 123456")]
struct Enable {
    /// The serial number or ARN of root's MFA device.
    #[arg(long)]
    serial: String,

    /// The device's current six-digit code.
    #[arg(long, value_parser = six_digits)]
    code: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let Command::Enable(args) = args.command;
    let config = context.config()?;
    let (account, bucket, region) = target(&config)?;
    let runbook = crate::resources::bucket::runbook(account, bucket, region);
    let aws = context.aws_of_root(&config, region).await?;
    let caller = aws.caller();
    if caller.account != *account || &*caller.arn.resource != "root" {
        context.out.data(runbook)?;
        return Err(CliError::new(
            format!(
                "the credentials are those of {}, MFA delete needs root of account {account}",
                caller.arn
            ),
            Exit::Refused,
        )
        .with_hint("follow the steps above"));
    }
    let setting = match config.archive.mfa_delete {
        Mode::Vault => "archive.replication.bucket",
        _ => "archive.bucket",
    };
    refuse_taken(&aws, account, bucket, region, setting).await?;
    let clients = aws.clients(account, region);
    let shown = mfa_delete::describe(&clients, bucket).await?;
    context.confirm(&format!(
        "Switch MFA delete on for `{bucket}` of account {account}, {shown}? Lifecycle rules are \
         impossible with it."
    ))?;
    if !context.yes {
        // What was confirmed is what was shown: AWS may have changed under the prompt.
        refuse_taken(&aws, account, bucket, region, setting).await?;
        if mfa_delete::describe(&clients, bucket).await? != shown {
            return Err(Stale { changed: vec![format!("`{bucket}`")] }.into());
        }
    }
    mfa_delete::enable(&clients, bucket, &args.serial, &args.code).await?;
    context.out.data(format!("MFA delete of `{bucket}` is enabled, as S3 confirms"))?;
    context.out.note("delete root's access key again");
    Ok(Exit::Clean)
}

/// The bucket that carries MFA delete, by the declared mode.
fn target(config: &Config) -> Result<(&AccountId, &BucketName, &Region), CliError> {
    let archive = &config.archive;
    match (archive.mfa_delete, &archive.replication) {
        (Mode::Root, _) => {
            Ok((&config.organization.log_archive_account, &archive.bucket, &archive.region))
        }
        (Mode::Vault, Some(vault)) => Ok((&vault.account, &vault.bucket, &vault.region)),
        (mode, _) => Err(CliError::new(
            format!("archive.mfa_delete is `{mode}`, expected `root` or `vault`"),
            Exit::Refused,
        )
        .with_hint("MFA delete excludes lifecycle rules, so the config has to ask for it")),
    }
}

fn six_digits(text: &str) -> Result<String, String> {
    if text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err("expected the six digits that the device shows".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_six_digits() {
        assert!(six_digits("012345").is_ok());
        for text in ["", "12345", "1234567", "12345a", "１２３４５６"] {
            assert!(six_digits(text).is_err(), "{text}");
        }
    }
}
