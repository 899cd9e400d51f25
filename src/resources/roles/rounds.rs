//! What a process needs that only runs rounds: `orgtrail run` on a schedule, or `orgtrail serve`.

use super::grant::Grant;
use super::{RoleKind, roles};
use crate::config::Config;

/// Actions without `Get`, `List`, `Describe` or `Lookup` in their names that change nothing in
/// the account.
const ALSO: [&str; 4] =
    ["athena:BatchGetNamedQuery", "kms:Decrypt", "kms:VerifyMac", "sts:AssumeRole"];

/// The statements that are kept whole: they write what rounds write.
const WHOLE: [&str; 8] = [
    // Where the management account is also the log archive.
    "WriteLogs",
    "EncryptLogs",
    "AuthenticateRecords",
    "ReceiveAccountEvents",
    "WriteState",
    "PublishNotifications",
    "PutNotifications",
    "ImportFindings",
];

/// What rounds and the service need in the management account: the part of
/// [`RoleKind::Management`] that reads, and what they write themselves. With a role of these
/// permissions, `apply`, `retire` and `destroy` are denied there.
#[must_use]
pub fn round_grants(config: &Config) -> Vec<Grant> {
    let management = roles(config).into_iter().find(|role| role.kind == RoleKind::Management);
    management.into_iter().flat_map(|role| role.grants).filter_map(part).collect()
}

/// The part of a statement that rounds use.
fn part(grant: Grant) -> Option<Grant> {
    let sid = grant.statement.sid.as_deref().unwrap_or_default();
    let actions: Vec<&str> = grant.statement.action.iter().collect();
    let kept: Vec<&str> = actions.iter().copied().filter(|action| is_read(action)).collect();
    if WHOLE.contains(&sid) || kept.len() == actions.len() {
        return Some(grant);
    }
    if kept.is_empty() {
        return None;
    }
    let (sid, why) = match sid.strip_prefix("Manage") {
        Some(resource) => (format!("Read{resource}"), "Compares it with the configuration."),
        None => (sid.to_owned(), grant.why),
    };
    let mut part = Grant::new(&sid, kept, grant.statement.resource.iter(), why);
    part.statement.condition.clone_from(&grant.statement.condition);
    Some(part)
}

fn is_read(action: &str) -> bool {
    let (_, operation) = action.split_once(':').unwrap_or_default();
    let reads = ["Get", "List", "Describe", "Lookup"];
    reads.iter().any(|verb| operation.starts_with(verb)) || ALSO.contains(&action)
}
