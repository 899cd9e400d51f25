//! The service control policies that bind an account, and which of orgtrail's
//! calls they deny: what a step would only find when it is applied.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_organizations::types::PolicyType;
use serde::Serialize;

use super::policy_change::name_of;
use super::reach::condition_keys;
use super::{Desired, Observed, Place};
use crate::aws::{At, AwsError, Clients, Seen};
use crate::names::AccountId;
use crate::plan::{Action, Change};
use crate::policy::PolicyDocument;
use crate::resources::catalogue::Entry;
use crate::sandbox::{Asked, Question, Says, Who};

/// What reading them needs in the management account.
pub(crate) const ACTIONS: &[&str] = &[
    "organizations:DescribePolicy",
    "organizations:ListParents",
    "organizations:ListPoliciesForTarget",
];

/// The service control policies that bind an account, from the account up to the
/// root. Each level must allow a call, and none may deny it.
///
/// Source: Organizations `ListPoliciesForTarget`, `DescribePolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountScps {
    /// The levels; one without policies has the policy type not enabled.
    pub levels: Vec<ScpLevel>,
}

/// The policies of one account, unit or root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScpLevel {
    /// The id of the account, unit or root.
    pub target: String,
    /// The policies that are attached there.
    pub policies: Vec<Scp>,
}

/// A service control policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scp {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it says.
    pub document: PolicyDocument,
}

/// Reads those of every account but the management account, which none binds.
pub(super) async fn observe(
    management: &Clients,
    desired: &Desired,
) -> BTreeMap<AccountId, Seen<AccountScps>> {
    let vault = desired.config.archive.replication.as_ref().map(|vault| &vault.account);
    let accounts: BTreeSet<&AccountId> = vault.into_iter().chain([desired.archive()]).collect();
    let mut read = BTreeMap::new();
    let mut known = BTreeMap::new();
    for account in accounts {
        if account != desired.management() {
            let seen = match of_account(management, account, &mut known).await {
                Ok(found) => Seen::Present(found),
                Err(error) => Seen::Unreadable(error),
            };
            read.insert(account.clone(), seen);
        }
    }
    read
}

async fn of_account(
    management: &Clients,
    account: &AccountId,
    known: &mut BTreeMap<String, PolicyDocument>,
) -> Result<AccountScps, AwsError> {
    const DESCRIBE: &str = "organizations:DescribePolicy";
    let organizations = management.organizations();
    let mut levels = Vec::new();
    let mut target = Some(account.to_string());
    while let Some(at) = target {
        let listed = organizations
            .list_policies_for_target()
            .target_id(&at)
            .filter(PolicyType::ServiceControlPolicy)
            .into_paginator()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .at(management, "organizations:ListPoliciesForTarget")?;
        let mut policies = Vec::new();
        for one in listed.into_iter().flat_map(|page| page.policies.unwrap_or_default()) {
            let (id, name) = (one.id.unwrap_or_default(), one.name.unwrap_or_default());
            let document = if let Some(document) = known.get(&id) {
                document.clone()
            } else {
                let described = organizations.describe_policy().policy_id(&id).send().await;
                let policy = described.at(management, DESCRIBE)?.policy;
                let text = policy.as_ref().and_then(|policy| policy.content());
                let document: PolicyDocument =
                    text.unwrap_or_default().parse().map_err(|error| {
                        let found = format!("a policy that cannot be read ({error:?})");
                        management.malformed(DESCRIBE, &found)
                    })?;
                known.insert(id.clone(), document.clone());
                document
            };
            policies.push(Scp { id, name, document });
        }
        policies.sort_by(|one, other| one.id.cmp(&other.id));
        let is_root = at.starts_with("r-");
        levels.push(ScpLevel { target: at.clone(), policies });
        target = if is_root {
            None
        } else {
            let parents = organizations.list_parents().child_id(&at).send().await;
            let parents = parents.at(management, "organizations:ListParents")?.parents;
            parents.unwrap_or_default().into_iter().find_map(|parent| parent.id)
        };
    }
    Ok(AccountScps { levels })
}

/// What keeps a call from being made.
struct Denial {
    /// The policy, in words.
    by: String,
    /// Whether nothing unknown decides.
    certain: bool,
}

impl AccountScps {
    /// The policy that keeps a call from being made; none where all levels let it
    /// through, or where a policy cannot be judged.
    fn denies(&self, question: &Question<'_>) -> Option<Denial> {
        let is_known = |key: &String| {
            question.context.iter().any(|(known, _)| known.eq_ignore_ascii_case(key))
        };
        for level in &self.levels {
            let mut allowed = level.policies.is_empty();
            for policy in &level.policies {
                let asked = Asked::new(&policy.document).ok()?;
                match asked.decides(question) {
                    (Says::Denies, Some(at)) => {
                        let statement = name_of(&policy.document, at);
                        let Scp { id, name, .. } = policy;
                        let by = format!(
                            "the statement {statement} of the service control policy `{name}` ({id}) on {}",
                            level.target
                        );
                        // A condition on what is not known here may not hold.
                        let statement = policy.document.statements.get(at);
                        let mut keys = statement.into_iter().flat_map(condition_keys);
                        return Some(Denial { by, certain: keys.all(|key| is_known(&key)) });
                    }
                    (Says::Allows, _) => allowed = true,
                    _ => {}
                }
            }
            if !allowed {
                let by =
                    format!("every service control policy on {}: none allows it", level.target);
                return Some(Denial { by, certain: true });
            }
        }
        None
    }
}

/// Refuses a step whose writing calls a service control policy denies, or notes
/// where the step may do without the denied ones.
pub(crate) fn bound(
    entry: &Entry,
    place: &Place,
    desired: &Desired,
    observed: &Observed,
    change: Change,
) -> Change {
    let Some(Seen::Present(scps)) = observed.scps.get(&place.account) else {
        return unread(entry, place, observed, change);
    };
    if !change.action.writes() {
        return change;
    }
    let role = desired.config.roles.arn_in(desired.partition(), &place.account);
    let role_arn = role.to_string();
    let mut context = vec![
        ("aws:PrincipalAccount", place.account.as_str()),
        ("aws:PrincipalArn", role_arn.as_str()),
        ("aws:PrincipalIsAWSService", "false"),
        ("aws:PrincipalOrgID", desired.org_id().as_str()),
        ("aws:SecureTransport", "true"),
        ("s3:TlsVersion", "1.3"),
    ];
    if let Some(region) = &place.region {
        context.push(("aws:RequestedRegion", region.as_str()));
    }
    let resource = resource(entry, desired, observed);
    let denied = |action: &&'static str| {
        let question = Question {
            who: Who::Role(desired.partition(), &place.account, role.resource_name()),
            action,
            resource: &resource,
            context: &context,
        };
        scps.denies(&question).map(|denial| (*action, denial))
    };
    let writing: Vec<&&'static str> =
        entry.actions.iter().filter(|action| is_writing(action)).collect();
    let is_needed = |action: &&&'static str| makes(action) == (change.action == Action::Create);
    let needed: Vec<_> = match writing.as_slice() {
        [_] => writing.clone(),
        several => several.iter().copied().filter(is_needed).collect(),
    };
    let hint = format!(
        "let {role_arn} through: except it in that policy by aws:PrincipalArn, or attach the policy elsewhere"
    );
    // Of several calls a step may need only some.
    let refused: Vec<_> = needed.iter().copied().filter_map(denied).collect();
    if let Some((action, denial)) = refused.first()
        && refused.len() == needed.len()
        && denial.certain
    {
        let refused = Change::refused(format!("{action} is denied by {}", denial.by), hint);
        return refused.with_notes(change.notes);
    }
    let Some((action, denial)) = writing.iter().copied().find_map(denied) else { return change };
    change.with_notes([format!(
        "{action}, which the step may need, may be denied by {}; {hint}",
        denial.by
    )])
}

/// Says once that the policies could not be read.
fn unread(entry: &Entry, place: &Place, observed: &Observed, change: Change) -> Change {
    let Some(Seen::Unreadable(error)) = observed.scps.get(&place.account) else { return change };
    if !matches!(entry.id, "archive-bucket" | "vault") {
        return change;
    }
    change.with_notes([format!(
        "whether service control policies let orgtrail work in {} is unknown: they could not be read ({})",
        place.account,
        error.in_full()
    )])
}

fn is_writing(action: &str) -> bool {
    let operation = action.split_once(':').map_or(action, |(_, operation)| operation);
    !["Get", "List", "Describe", "Head"].iter().any(|prefix| operation.starts_with(prefix))
}

fn makes(action: &str) -> bool {
    action.split_once(':').is_some_and(|(_, operation)| operation.starts_with("Create"))
}

/// What a resource's calls are about, as far as policies may name it.
fn resource(entry: &Entry, desired: &Desired, observed: &Observed) -> String {
    let archive = &desired.config.archive;
    let bucket = |name: &crate::names::BucketName| desired.s3_arn(name.as_str()).to_string();
    match entry.id.split('/').next().unwrap_or_default() {
        "archive-bucket" => bucket(&archive.bucket),
        "access-log-bucket" => bucket(&archive.access_logging.bucket),
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
