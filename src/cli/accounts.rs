//! `orgtrail accounts`

use std::collections::BTreeMap;

use comfy_table::Table;

use super::{Context, Format, OpError, Outcome};
use crate::aws::ErrorKind;
use crate::ops::accounts::accounts;
use crate::org::{Access, Surveyed};
use crate::report::drift::plain;
use crate::report::new_table;
use crate::words::counted;

/// List the organization's accounts, and whether their role can be assumed
///
/// Assumes the configured role in every active account that the configuration does not exclude,
/// and shows the resulting identity. Suspended, closing and excluded accounts are listed but
/// not tried. Read-only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail accounts
  orgtrail accounts --format json | jq '.accounts[] | select(.access.status == \"failed\")'

Exit code 14 if the role of an account could not be assumed.")]
pub(super) struct Args {}

pub(crate) async fn run(_args: Args, context: &Context) -> Result<Outcome, OpError> {
    let list = accounts(&context.env()?).await?;
    match context.format {
        Format::Json => context.document(list.document())?,
        Format::Text => {
            context.head()?;
            context.out.data(table(&list.accounts).trim_fmt())?;
            let summary = list.summary();
            context.out.note(format_args!(
                "{} in {}: {} accessible, {} failed, {} excluded",
                counted(summary.accounts, "account"),
                list.organization(),
                summary.granted,
                summary.failed,
                summary.excluded
            ));
            print_failures(context, &list.accounts);
        }
    }
    Ok(list.outcome())
}

fn table(accounts: &[Surveyed]) -> Table {
    let mut table = new_table(["ACCOUNT", "NAME", "OU", "STATE", "REGIONS", "ACCESS"]);
    for account in accounts {
        let regions = match (&account.regions, &account.regions_unread) {
            (Some(regions), None) => regions.len().to_string(),
            (Some(regions), Some(_)) => format!("{}?", regions.len()),
            (None, _) => "-".to_owned(),
        };
        let access = match &account.access {
            Access::Granted { principal } => format!("as {principal}"),
            Access::Failed { kind, role, .. } => format!("failed: {kind}: {role}"),
            Access::Excluded { reason } => format!("excluded: {reason}"),
        };
        let (name, unit) = (plain(&account.name), plain(&account.unit_path));
        table.add_row([
            account.account.as_str(),
            &name,
            &unit,
            account.state.as_str(),
            &regions,
            &access,
        ]);
    }
    table
}

fn print_failures(context: &Context, accounts: &[Surveyed]) {
    let mut unread: BTreeMap<&str, usize> = BTreeMap::new();
    let not_tried = |access: &Access| matches!(access, Access::Failed { kind, .. } if *kind == ErrorKind::Stopped);
    let stopped = accounts.iter().filter(|account| not_tried(&account.access)).count();
    if stopped > 0 {
        context.out.warn(format_args!("stopped before checking {}", counted(stopped, "account")));
    }
    for account in accounts.iter().filter(|account| !not_tried(&account.access)) {
        if let Access::Failed { reason, hint, .. } = &account.access {
            context.out.warn(format_args!("account {}: {reason}", account.account));
            if let Some(hint) = hint {
                context.out.warn(format_args!("  hint: {hint}"));
            }
        }
        if let Some(reason) = &account.regions_unread {
            *unread.entry(reason).or_default() += 1;
        }
    }
    for (reason, accounts) in unread {
        context.out.note(format_args!(
            "the Regions of {} are unreadable, so those enabled by default are assumed (marked \
             `?`): {reason}",
            counted(accounts, "account")
        ));
    }
}
