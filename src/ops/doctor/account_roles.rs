//! Whether the role of each account can be assumed; failures by their cause.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use futures::{StreamExt as _, stream};
use orgtrail_base::percent::decode_lossy;

use super::inputs::Inputs;
use super::item::{Item, Verdict, grouped, in_accounts};
use crate::aws::{At as _, Aws, AwsError, ErrorKind};
use crate::config::Roles;
use crate::names::{AccountId, Arn};
use crate::org::Access;
use crate::policy::PolicyDocument;
use crate::policy::eval::{PolicyEvaluator, Principal, Request};
use crate::words::counted;

const ID: &str = "account-roles";
/// Accounts that are examined at the same time.
const AT_ONCE: usize = 16;

/// Why a role cannot be assumed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// There is no role of this name.
    Missing,
    /// It has another path.
    OtherPath(String),
    /// Its trust policy does not name who assumes it.
    TrustPolicy,
    /// Its trust policy requires another external id.
    ExternalId,
    /// A control policy denies it.
    ControlPolicy(&'static str),
    /// The trust policy allows it, so the permission is missing where it is assumed.
    Caller,
    /// One of the first four, or the caller's permission: nothing in the account can be read.
    Undetermined,
}

pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    if let Err(error) = &inputs.organization {
        return vec![Item::waits(ID, &format!("the accounts cannot be listed ({})", error.kind()))];
    }
    let refused: Vec<AccountId> = inputs
        .accounts
        .iter()
        .filter(|account| matches!(account.access, Access::Failed { .. }))
        .map(|account| account.account.clone())
        .collect();
    let ways = Ways::new(inputs);
    let reads = refused.into_iter().map(|account| {
        let ways = &ways;
        async move {
            let cause = ways.cause(&account).await;
            (account, cause)
        }
    });
    let causes: Vec<(AccountId, Result<Cause, AwsError>)> =
        stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect().await;
    let mut by_cause: BTreeMap<Cause, Vec<AccountId>> = BTreeMap::new();
    let mut others = Vec::new();
    for (account, cause) in causes {
        match cause {
            Ok(cause) => by_cause.entry(cause).or_default().push(account),
            Err(error) => others.push((account, error)),
        }
    }
    let mut items: Vec<Item> = by_cause
        .into_iter()
        .map(|(cause, mut accounts)| {
            accounts.sort();
            ways.item(&cause, accounts)
        })
        .collect();
    items.extend(grouped(ID, others));
    if items.is_empty() {
        items.push(fine(inputs));
    }
    items
}

/// The item if every role can be assumed.
fn fine(inputs: &Inputs<'_>) -> Item {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for account in &inputs.accounts {
        if let Access::Excluded { reason } = &account.access {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let mut evidence = format!("{} can be assumed", counted(inputs.accessible().count(), "role"));
    for (reason, accounts) in reasons {
        let accounts = counted(accounts, "account");
        let _ = write!(evidence, "; {accounts} not tried: {reason}");
    }
    Item::ok(ID, evidence)
}

/// How roles are assumed, and another way into the accounts.
struct Ways {
    aws: Aws,
    /// With the role that AWS Organizations creates, to look at the refused one.
    fallback: Aws,
    roles: Roles,
    /// Who assumes the roles.
    assumes: Arn,
}

impl Ways {
    fn new(inputs: &Inputs<'_>) -> Self {
        let roles = inputs.config.map_or_else(Roles::default, |config| config.roles.clone());
        let aws = inputs.aws.clone();
        let assumes = roles.hub.clone().unwrap_or_else(|| role_of(&aws.caller().arn));
        Self { fallback: aws.assuming(Roles::default()), aws, roles, assumes }
    }

    /// Why the role of an account cannot be assumed.
    ///
    /// # Errors
    /// The failure is none of permissions, or passed.
    async fn cause(&self, account: &AccountId) -> Result<Cause, AwsError> {
        let Err(error) = self.aws.assume_role_in(account).await else {
            // It propagated meanwhile.
            return Ok(Cause::Undetermined);
        };
        if error.kind() != ErrorKind::AccessDenied {
            return Err(error);
        }
        let says = error.in_full();
        for kind in ["service control policy", "resource control policy"] {
            if says.contains(&format!("explicit deny in a {kind}")) {
                return Ok(Cause::ControlPolicy(kind));
            }
        }
        let role = self.roles.arn_in(self.aws.partition(), account);
        if self.fallback.principal_in(account) == role {
            return Ok(Cause::Undetermined);
        }
        let clients = self.fallback.clients(account, self.aws.home_region());
        let read = clients.iam().get_role().role_name(role.resource_name()).send().await;
        let found = match read.at(&clients, "iam:GetRole") {
            Ok(found) => found.role,
            Err(error) if error.is_not_found() => return Ok(Cause::Missing),
            Err(_) => return Ok(Cause::Undetermined),
        };
        let Some(found) = found else { return Ok(Cause::Undetermined) };
        if found.arn() != role.to_string() {
            return Ok(Cause::OtherPath(found.path().to_owned()));
        }
        let trust = decode_lossy(found.assume_role_policy_document().unwrap_or_default());
        Ok(self.of_trust(account, &role, &trust))
    }

    /// What a trust policy says of who assumes the role.
    fn of_trust(&self, account: &AccountId, role: &Arn, trust: &str) -> Cause {
        let Ok(mut trust) = trust.parse::<PolicyDocument>() else { return Cause::Undetermined };
        if self.is_trusted(account, role, &trust) {
            return Cause::Caller;
        }
        for statement in &mut trust.statements {
            for keys in statement.condition.values_mut() {
                keys.retain(|key, _| !key.eq_ignore_ascii_case("sts:ExternalId"));
            }
            statement.condition.retain(|_, keys| !keys.is_empty());
        }
        if self.is_trusted(account, role, &trust) { Cause::ExternalId } else { Cause::TrustPolicy }
    }

    fn is_trusted(&self, account: &AccountId, role: &Arn, trust: &PolicyDocument) -> bool {
        let Some(own) = &self.assumes.account else { return false };
        let (assumes, role) = (self.assumes.to_string(), role.to_string());
        let principal = match self.assumes.resource_type() {
            "user" => Principal::User { account: own, arn: &assumes },
            _ => Principal::role(own, &assumes),
        };
        let mut context =
            vec![("aws:PrincipalArn", assumes.as_str()), ("aws:PrincipalAccount", own.as_str())];
        if let Some(id) = self.roles.external_id_for(account) {
            context.push(("sts:ExternalId", id.as_str()));
        }
        let action = "sts:AssumeRole";
        let request = Request { principal, action, resource: &role, context: &context };
        PolicyEvaluator::new(trust).is_ok_and(|policy| policy.evaluate(&request).is_allowed())
    }

    fn item(&self, cause: &Cause, accounts: Vec<AccountId>) -> Item {
        let (name, assumes) = (&self.roles.name, &self.assumes);
        let many = in_accounts(&accounts);
        let template = "orgtrail config roles member --part template";
        let (evidence, fix) = match cause {
            Cause::Missing => (
                format!("the role {name} is missing in {many}"),
                format!(
                    "deploy it by a stack set: `{template}` prints the CloudFormation template"
                ),
            ),
            Cause::OtherPath(path) => (
                format!("the role {name} has the path {path} in {many}"),
                format!("set roles.path = \"{path}\""),
            ),
            Cause::TrustPolicy => (
                format!("the trust policy of {name} does not allow {assumes} in {many}"),
                format!(
                    "aws iam update-assume-role-policy --role-name {name} with `orgtrail config roles member --part trust`"
                ),
            ),
            Cause::ExternalId => (
                format!("the trust policy of {name} requires another external id in {many}"),
                "set roles.external_id to the value of sts:ExternalId in the trust policy"
                    .to_owned(),
            ),
            Cause::ControlPolicy(kind) => (
                format!("a {kind} denies sts:AssumeRole on {name} in {many}"),
                format!("exempt {assumes} in the {kind}: aws organizations update-policy"),
            ),
            Cause::Caller => (
                format!("{name} trusts {assumes}, which lacks sts:AssumeRole, in {many}"),
                format!(
                    "allow {assumes} sts:AssumeRole on arn:{}:iam::*:role{}{name}",
                    self.aws.partition(),
                    self.roles.path
                ),
            ),
            Cause::Undetermined => (
                format!(
                    "the role {name} cannot be assumed in {many}: it is missing, or its trust policy or external id does not match"
                ),
                format!(
                    "compare `aws iam get-role --role-name {name}` in one of the accounts with `orgtrail config roles member --part trust`; `{template}` creates it"
                ),
            ),
        };
        let missing = matches!(cause, Cause::Caller | Cause::ControlPolicy(_));
        let item = Item { verdict: Verdict::Problem, ..Item::problem(ID, evidence, fix) };
        item.missing(missing.then(|| "sts:AssumeRole".to_owned())).of_accounts(accounts)
    }
}

/// The role of a session; another caller's own ARN.
pub(super) fn role_of(caller: &Arn) -> Arn {
    let account = caller.account.as_ref().filter(|_| caller.resource_type() == "assumed-role");
    match (account, caller.resource.split('/').nth(1)) {
        (Some(account), Some(name)) => {
            Arn::global(caller.partition, "iam", account, format!("role/{name}"))
        }
        _ => caller.clone(),
    }
}
