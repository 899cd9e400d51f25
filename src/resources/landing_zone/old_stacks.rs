//! Stacks and stack sets that orgtrail created and the configuration no longer names: after
//! `landing_zone.prefix` changed, or a role was removed.

use std::collections::BTreeSet;

use serde::Serialize;

use super::parameters::{Parameters, is_owned};
use super::{LandingZone, Place};
use crate::aws::{AwsError, Clients, Observation, StackRead, XmlElement};
use crate::names::AccountId;
use crate::resources::roles::RoleKind;

/// The most pages of a list that are read: AWS allows some thousand stacks in a Region.
const PAGES: usize = 200;

/// A stack or stack set that orgtrail created and the configuration no longer names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct OldStack {
    /// Its name.
    pub name: String,
    /// Whether it is a stack set.
    pub stack_set: bool,
}

impl OldStack {
    /// What it is, with its name.
    #[must_use]
    pub fn in_words(&self) -> String {
        let kind = if self.stack_set { "stack set" } else { "stack" };
        format!("{kind} `{}`", self.name)
    }
}

/// Reads them: those in the home Region of the management account with orgtrail's tag.
pub(super) async fn read(clients: &Clients, zone: &LandingZone) -> Observation<Vec<OldStack>> {
    Observation::from_result(found(clients, zone).await, |_| false)
}

async fn found(clients: &Clients, zone: &LandingZone) -> Result<Vec<OldStack>, AwsError> {
    let declared = |place: fn(&Place) -> bool| -> BTreeSet<&str> {
        let all = zone.deployments.iter().filter(|one| place(&one.place));
        all.map(|one| one.name.as_str()).collect()
    };
    let stacks = declared(|place| *place == Place::Management);
    let sets = declared(|place| *place != Place::Management);
    let mut old = Vec::new();
    for page in pages(clients, StackRead::DescribeStacks, Parameters::default()).await? {
        let mine = page.members("Stacks").filter(|stack| is_owned(stack));
        let live = mine.filter(|stack| stack.text("StackStatus") != Some("DELETE_COMPLETE"));
        let names = live.filter_map(|stack| stack.text("StackName"));
        let undeclared = names.filter(|name| !stacks.contains(name));
        old.extend(undeclared.map(|name| OldStack { name: name.to_owned(), stack_set: false }));
    }
    let active = Parameters::default().with("Status", "ACTIVE").with("MaxResults", "100");
    for page in pages(clients, StackRead::ListStackSets, active).await? {
        for summary in page.members("Summaries") {
            let Some(name) = summary.text("StackSetName") else { continue };
            // The list has no tags, and describing every stack set would be many calls.
            if sets.contains(name) || !is_name_of_role(name) {
                continue;
            }
            let parameters = Parameters::of_stack_set(name);
            let call = StackRead::DescribeStackSet;
            match clients.read_stacks(call, parameters.get()).await {
                Ok(answer) if answer.child("StackSet").is_some_and(is_owned) => {
                    old.push(OldStack { name: name.to_owned(), stack_set: true });
                }
                Ok(_) => {}
                // It was deleted meanwhile.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
    }
    old.sort();
    Ok(old)
}

/// Whether a stack set's name is one that orgtrail gives: a prefix, and the kind of a role.
fn is_name_of_role(name: &str) -> bool {
    let is_of = |name: &str, kind: RoleKind| {
        let prefix = name.strip_suffix(kind.as_str()).and_then(|rest| rest.strip_suffix('-'));
        prefix.is_some_and(|prefix| !prefix.is_empty())
    };
    RoleKind::ALL.into_iter().any(|kind| is_of(name, kind))
        || name.rsplit_once('-').is_some_and(|(rest, account)| {
            account.parse::<AccountId>().is_ok() && is_of(rest, RoleKind::Member)
        })
}

/// All pages of a list.
async fn pages(
    clients: &Clients,
    call: StackRead,
    parameters: Parameters,
) -> Result<Vec<XmlElement>, AwsError> {
    let mut pages = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let mut parameters = parameters.clone();
        if let Some(token) = &next {
            parameters = parameters.with("NextToken", token);
        }
        let page = clients.read_stacks(call, parameters.get()).await?;
        let token = page.text("NextToken").filter(|token| !token.is_empty()).map(str::to_owned);
        pages.push(page);
        if token.is_none() {
            return Ok(pages);
        }
        if token == next || pages.len() >= PAGES {
            return Err(clients.malformed(call.action(), "a list that does not end"));
        }
        next = token;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_orgtrail_gives_are_recognized_with_any_prefix() {
        for name in ["orgtrail-member", "acme-archive", "a-b-vault", "old-member-333333333333"] {
            assert!(is_name_of_role(name), "{name}");
        }
        for name in ["member", "payroll", "orgtrail-member-3333", "x-archive-333333333333"] {
            assert!(!is_name_of_role(name), "{name}");
        }
    }
}
