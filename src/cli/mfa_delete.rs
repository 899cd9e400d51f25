use super::{Context, OpError, Outcome};
use crate::ops::provision::mfa_delete::{NotRoot, Target};

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

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let Command::Enable(args) = args.command;
    let env = context.env()?;
    let target = Target::of(env.config()?)?;
    let examined = match target.examine(&env).await {
        Err(error) if error.is::<NotRoot>() => {
            context.out.data(target.runbook())?;
            return Err(error);
        }
        examined => examined?,
    };
    context.confirm(&format!(
        "Enable MFA delete for {}? S3 does not allow lifecycle rules while it is enabled.",
        examined.description()
    ))?;
    if !context.yes {
        examined.check_unchanged().await?;
    }
    let bucket = examined.enable(&args.serial, &args.code).await?;
    context.out.data(format!("MFA delete of `{bucket}` is enabled"))?;
    context.out.note("now delete root's access key");
    Ok(Outcome::Clean)
}

fn six_digits(text: &str) -> Result<String, String> {
    if text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err("expected the six digits shown by the device".to_owned())
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
