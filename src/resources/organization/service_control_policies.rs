//! The service control policies that apply to an account, and which of orgtrail's calls
//! they deny: a plan reports it before a step fails.

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::Observation;
use crate::names::AccountId;
use crate::org::{ControlKind, ControlPolicies, Ruling};
use crate::policy::eval::{Principal, Request};
use crate::resources::catalogue::Entry;
use crate::resources::change::{Action, Change};
use crate::resources::{Desired, Location, ObserveContext, Observed};

/// Reads those of every account that steps write to, except the management account,
/// which none binds.
pub(in crate::resources) async fn read(
    context: &ObserveContext<'_>,
) -> BTreeMap<AccountId, Observation<ControlPolicies>> {
    let (management, desired) = (&context.management(), context.desired);
    let vault = desired.config.archive.replication.as_ref().map(|vault| &vault.account);
    let athena = desired.config.athena.as_ref().map(|athena| &athena.account);
    let accounts: BTreeSet<&AccountId> =
        vault.into_iter().chain(athena).chain([desired.archive()]).collect();
    let mut read = BTreeMap::new();
    for account in accounts {
        if account != desired.management() {
            let kind = ControlKind::Service;
            let found = ControlPolicies::read(management, kind, account, desired.management());
            let seen = match found.await {
                Ok(found) => Observation::Present(found),
                Err(error) => Observation::Unreadable(error),
            };
            read.insert(account.clone(), seen);
        }
    }
    read
}

/// Refuses a step if a service control policy denies its writing calls, or adds a note if
/// the step may not need the denied ones.
pub(crate) fn refuse_denied(
    entry: &Entry,
    location: &Location,
    desired: &Desired,
    observed: &Observed,
    change: Change,
) -> Change {
    let Some(Observation::Present(scps)) = observed.scps.get(&location.account) else {
        return note_unreadable(entry, location, observed, change);
    };
    if !change.action.writes() {
        return change;
    }
    let role_arn = desired.config.roles.arn_in(desired.partition(), &location.account).to_string();
    let mut context = vec![
        ("aws:PrincipalAccount", location.account.as_str()),
        ("aws:PrincipalArn", role_arn.as_str()),
        ("aws:PrincipalIsAWSService", "false"),
        ("aws:PrincipalOrgID", desired.org_id().as_str()),
        ("aws:SecureTransport", "true"),
        ("s3:TlsVersion", "1.3"),
    ];
    if let Some(region) = &location.region {
        context.push(("aws:RequestedRegion", region.as_str()));
    }
    let resource = resource_arn(entry, desired, observed);
    let denied = |action: &&'static str| {
        let request = Request {
            principal: Principal::role(&location.account, &role_arn),
            action,
            resource: &resource,
            context: &context,
        };
        match scps.ruling(ControlKind::Service, &request, &[]) {
            Ruling::Permitted => None,
            Ruling::Denied(by) => Some((*action, by, true)),
            Ruling::Unclear(by) => Some((*action, by, false)),
        }
    };
    let writing: Vec<&&'static str> =
        entry.actions.iter().filter(|action| is_write(action)).collect();
    let is_needed = |action: &&&'static str| creates(action) == (change.action == Action::Create);
    let needed: Vec<_> = match writing.as_slice() {
        [_] => writing.clone(),
        several => several.iter().copied().filter(is_needed).collect(),
    };
    let hint = format!(
        "exempt {role_arn} in that policy by aws:PrincipalArn, or attach the policy elsewhere"
    );
    // A step with several calls may need only some of them.
    let refused: Vec<_> = needed.iter().copied().filter_map(denied).collect();
    if let Some((action, by, true)) = refused.first()
        && refused.len() == needed.len()
    {
        let refused = Change::refused(format!("{action} is denied by {by}"), hint);
        return refused.with_notes(change.notes);
    }
    let Some((action, by, _)) = writing.iter().copied().find_map(denied) else { return change };
    change.with_notes([format!("{action}, which the step may need, may be denied by {by}; {hint}")])
}

/// Adds one note that the policies could not be read.
fn note_unreadable(
    entry: &Entry,
    location: &Location,
    observed: &Observed,
    change: Change,
) -> Change {
    let Some(Observation::Unreadable(error)) = observed.scps.get(&location.account) else {
        return change;
    };
    if !matches!(entry.id, "archive-bucket" | "vault") {
        return change;
    }
    change.with_notes([format!(
        "it is unknown whether service control policies allow orgtrail's calls in {}: they could not be read ({})",
        location.account,
        error.in_full()
    )])
}

fn is_write(action: &str) -> bool {
    let operation = action.split_once(':').map_or(action, |(_, operation)| operation);
    !["Get", "BatchGet", "List", "Describe", "Head"]
        .iter()
        .any(|prefix| operation.starts_with(prefix))
}

fn creates(action: &str) -> bool {
    action.split_once(':').is_some_and(|(_, operation)| operation.starts_with("Create"))
}

/// The ARN that a resource's calls are evaluated with.
fn resource_arn(entry: &Entry, desired: &Desired, observed: &Observed) -> String {
    let archive = &desired.config.archive;
    let bucket = |name: &crate::names::BucketName| desired.s3_arn(name.as_str()).to_string();
    match entry.id.split('/').next().unwrap_or_default() {
        "archive-bucket" => bucket(&archive.bucket),
        "access-log-bucket" => bucket(&archive.access_logging.bucket),
        "state-bucket" => {
            let state = desired.config.service.state.as_ref().and_then(|state| state.bucket());
            state.map_or_else(|| "*".to_owned(), bucket)
        }
        "athena-results" => {
            let athena = desired.config.athena.as_ref();
            athena.map_or_else(|| "*".to_owned(), |athena| bucket(&athena.results.bucket))
        }
        "vault" => archive
            .replication
            .as_ref()
            .map_or_else(|| "*".to_owned(), |vault| bucket(&vault.bucket)),
        "kms-key" if entry.id == "kms-key/alias" => desired.key_alias_arn().to_string(),
        "kms-key" => observed.kms_key.present().map_or_else(
            || desired.key_alias_arn().to_string().replace(":alias/", ":key/"),
            |key| key.arn.to_string(),
        ),
        _ => "*".to_owned(),
    }
}
