//! `orgtrail accounts`

use std::collections::BTreeMap;

use comfy_table::Table;

use super::serve::default_state;
use super::{Context, Format, OpError, Outcome};
use crate::aws::ErrorKind;
use crate::config::{Place, StatePlace};
use crate::ops::Env;
use crate::ops::accounts::accounts;
use crate::org::{Access, Surveyed};
use crate::report::contract::accounts::{Memberships, Report};
use crate::report::contract::new_accounts::JoinedAccount;
use crate::report::drift::plain;
use crate::report::new_table;
use crate::serve::accounts::{AccountLedger, Accounts};
use crate::serve::open;
use crate::words::counted;

/// List the organization's accounts, and whether their role can be assumed
///
/// Assumes the configured role in every active account that the configuration does not exclude,
/// and shows the resulting identity. Suspended, closing and excluded accounts are listed but
/// not tried. With `service.state`, also shows when accounts that joined were covered, and which
/// accounts left. Read-only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail accounts
  orgtrail accounts --format json | jq '.accounts[] | select(.access.status == \"failed\")'

Exit code 14 if the role of an account could not be assumed.")]
pub(super) struct Args {}

pub(crate) async fn run(_args: Args, context: &Context) -> Result<Outcome, OpError> {
    let env = context.env()?;
    let list = accounts(&env).await?;
    let memberships = memberships(&env, context).await?;
    match context.format {
        Format::Json => context.document(Report { memberships, ..list.document() })?,
        Format::Text => {
            context.head()?;
            context.out.data(table(&list.accounts, memberships.as_ref()).trim_fmt())?;
            print_departed(context, memberships.as_ref());
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

/// The accounts that joined and left, from the state of the service, if it is configured. A
/// state that cannot be read is a warning: the list is complete without it.
async fn memberships(env: &Env, context: &Context) -> Result<Option<Memberships>, OpError> {
    let config = env.config()?;
    match config.service.state.as_ref().map(StatePlace::place) {
        None => return Ok(None),
        // To read it is no reason to create it.
        Some(Place::Directory(path)) if !path.is_dir() => return Ok(None),
        Some(_) => {}
    }
    let read = async {
        let store = open::open(env, || default_state(context)).await?;
        Ok::<_, OpError>(AccountLedger::new(store).read().await?)
    };
    let history = match read.await {
        Ok(history) => history,
        Err(error) => {
            context
                .out
                .warn(format_args!("the service's state is unreadable: {}", error.message()));
            return Ok(None);
        }
    };
    let accounts = Accounts::of(history);
    Ok(Some(Memberships {
        joined: accounts.joined(config, env.now()),
        departed: accounts.departed(),
    }))
}

fn table(accounts: &[Surveyed], memberships: Option<&Memberships>) -> Table {
    let mut table = new_table(["ACCOUNT", "NAME", "OU", "STATE", "JOINED", "REGIONS", "ACCESS"]);
    let of_account = |account: &Surveyed| {
        let joined = memberships.into_iter().flat_map(|it| &it.joined);
        let mut own = joined.filter(|it| it.account == account.account);
        own.find(|it| Some(it.joined_at) == account.joined_at)
    };
    for account in accounts {
        let joined = match (account.joined_at, of_account(account)) {
            (Some(at), None) => at.strftime("%F").to_string(),
            (None, None) => "-".to_owned(),
            (_, Some(JoinedAccount { covered_after_seconds: Some(seconds), joined_at, .. })) => {
                format!("{}, covered after {} min", joined_at.strftime("%F"), seconds / 60)
            }
            (_, Some(joined)) => format!("{}, not covered", joined.joined_at.strftime("%F")),
        };
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
            &joined,
            &regions,
            &access,
        ]);
    }
    table
}

fn print_departed(context: &Context, memberships: Option<&Memberships>) {
    for account in memberships.into_iter().flat_map(|it| &it.departed) {
        context.out.note(format_args!(
            "account {} ({}) left the organization by {:.0}; its logs stay in the archive",
            account.account,
            plain(&account.name),
            account.departed_at
        ));
    }
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
