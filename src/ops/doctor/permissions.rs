//! The actions that the generated roles allow and the real ones do not, simulated.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};

use super::account_roles::role_of;
use super::inputs::Inputs;
use super::item::{Item, grouped, in_accounts};
use crate::aws::{At as _, AwsError, Clients};
use crate::names::{AccountId, Arn, OrgId};
use crate::policy::Statement;
use crate::resources::roles::{Role, RoleKind, roles};
use crate::words::counted;

const ID: &str = "permissions";

/// What roles lack: the actions, and whether a service control policy denies one.
type Lacking = (BTreeSet<String>, bool);

pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let Some(config) = inputs.config else {
        return vec![Item::skipped(ID, "there is no configuration file")];
    };
    let all = roles(config);
    let organization = inputs.organization.as_ref().ok().map(|it| &it.id);
    let caller = inputs.aws.caller();
    let is_runner = config.roles.hub.is_some();
    let read = |clients: Clients, account: AccountId| {
        let role = role(&all, &account).cloned();
        let arn = role_of(&inputs.aws.principal_in(&account));
        // The runner's role is not one of those that are assumed.
        let is_left_out = is_runner && account == caller.account;
        let home = inputs.aws.home_region().as_str();
        async move {
            match role.filter(|_| !is_left_out) {
                Some(role) => {
                    let simulation =
                        Simulation { clients: &clients, account: &account, organization, home };
                    simulation.lacking(&arn, &role).await
                }
                None => Ok(Lacking::default()),
            }
        }
    };
    let (found, failed) = inputs.in_accounts(read).await;
    let mut items = grouped(ID, failed);
    let mut groups: BTreeMap<Lacking, Vec<AccountId>> = BTreeMap::new();
    let checked = found.len();
    for (account, lacking) in found {
        if !lacking.0.is_empty() {
            groups.entry(lacking).or_default().push(account);
        }
    }
    for ((actions, is_denied), mut accounts) in groups {
        accounts.sort();
        items.push(item(inputs, actions, is_denied, accounts));
    }
    if items.is_empty() && checked == 0 {
        items.push(Item::waits(ID, "no account's role can be assumed"));
    } else if items.is_empty() {
        items.push(Item::ok(
            ID,
            format!("{} allow what the configuration needs", counted(checked, "role")),
        ));
    }
    items
}

fn item(
    inputs: &Inputs<'_>,
    actions: BTreeSet<String>,
    is_denied: bool,
    accounts: Vec<AccountId>,
) -> Item {
    let name = accounts.first().map(|account| role_of(&inputs.aws.principal_in(account)));
    let name = name.map(|arn| arn.resource_name().to_owned()).unwrap_or_default();
    let lacks = counted(actions.len(), "action");
    let by = if is_denied { ", by a service control policy," } else { "" };
    let kind = accounts.first().map_or(RoleKind::Member, |account| kind(inputs, account));
    let item = Item::problem(
        ID,
        format!("{name} lacks {lacks}{by} in {}", in_accounts(&accounts)),
        if is_denied {
            format!("exempt {name} in the service control policy: aws organizations update-policy")
        } else {
            format!(
                "aws iam put-role-policy --role-name {name} with `orgtrail config roles {}`",
                kind.as_str()
            )
        },
    );
    item.missing(actions).of_accounts(accounts)
}

fn kind(inputs: &Inputs<'_>, account: &AccountId) -> RoleKind {
    let all = inputs.config.map(roles).unwrap_or_default();
    role(&all, account).map_or(RoleKind::Member, |role| role.kind)
}

/// The generated role of an account.
fn role<'r>(roles: &'r [Role], account: &AccountId) -> Option<&'r Role> {
    let others = [RoleKind::Bootstrap, RoleKind::Runner, RoleKind::Hub];
    let assumed = || roles.iter().filter(|role| !others.contains(&role.kind));
    let own = assumed().find(|role| role.account.as_ref() == Some(account));
    own.or_else(|| assumed().find(|role| role.account.is_none()))
}

/// A simulation in one account.
struct Simulation<'a> {
    clients: &'a Clients,
    account: &'a AccountId,
    organization: Option<&'a OrgId>,
    home: &'a str,
}

impl Simulation<'_> {
    /// What a principal lacks of what a generated role allows.
    async fn lacking(&self, principal: &Arn, role: &Role) -> Result<Lacking, AwsError> {
        let mut lacking = Lacking::default();
        for grant in &role.grants {
            let (actions, is_denied) = self.denied(principal, &grant.statement).await?;
            lacking.0.extend(actions);
            lacking.1 |= is_denied;
        }
        Ok(lacking)
    }

    /// The actions of a statement that are denied on any of its resources.
    async fn denied(
        &self,
        principal: &Arn,
        statement: &Statement,
    ) -> Result<(Vec<String>, bool), AwsError> {
        let resources = statement.resource.iter().map(|resource| self.concrete(resource));
        let call = self
            .clients
            .iam()
            .simulate_principal_policy()
            .policy_source_arn(principal.to_string())
            .set_action_names(Some(statement.action.iter().map(str::to_owned).collect()))
            .set_resource_arns(Some(resources.collect()))
            .set_context_entries(Some(self.context(statement)))
            .max_items(1000);
        let answer = call.send().await.at(self.clients, "iam:SimulatePrincipalPolicy")?;
        let mut denied = Vec::new();
        let mut by_organization = false;
        for result in answer.evaluation_results() {
            if result.eval_decision() != &PolicyEvaluationDecisionType::Allowed {
                denied.push(result.eval_action_name().to_owned());
                let detail = result.organizations_decision_detail();
                by_organization |= detail.is_some_and(|it| !it.allowed_by_organizations());
            }
        }
        Ok((denied, by_organization))
    }

    /// The context that meets a statement's conditions.
    fn context(&self, statement: &Statement) -> Vec<ContextEntry> {
        let mut values: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        if let Some(organization) = self.organization {
            values.insert("aws:PrincipalOrgID", vec![organization.to_string()]);
        }
        values.insert("aws:PrincipalAccount", vec![self.account.to_string()]);
        for (key, wanted) in statement.condition.values().flatten() {
            values.insert(key, wanted.iter().map(|value| self.value(value)).collect());
        }
        let entry = |(key, values): (&str, Vec<String>)| {
            ContextEntry::builder()
                .context_key_name(key)
                .set_context_key_values(Some(values))
                .context_key_type(ContextKeyTypeEnum::String)
                .build()
        };
        values.into_iter().map(entry).collect()
    }

    /// A value that a condition's pattern matches.
    fn value(&self, pattern: &str) -> String {
        let organization = self.organization.map(ToString::to_string).unwrap_or_default();
        pattern
            .replace("${aws:PrincipalOrgID}", &organization)
            .replace("${aws:PrincipalAccount}", self.account.as_str())
            .replace('*', self.home)
    }

    /// An ARN that a statement's pattern matches.
    fn concrete(&self, pattern: &str) -> String {
        let parts: Vec<&str> = pattern.splitn(6, ':').collect();
        let [arn, partition, service, region, account, resource] = parts.as_slice() else {
            return pattern.to_owned();
        };
        let region = if *region == "*" { self.home } else { region };
        let account = if *account == "*" { self.account.as_str() } else { account };
        let resource = resource.replace('*', "x");
        [arn, partition, service, region, account, &resource].join(":")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn patterns_become_arns_and_values_that_they_match() {
        let env = crate::test_env::TestEnv::start().await;
        let aws = env.sign_in().await;
        let account = env.account(2);
        let organization: OrgId = "o-exampleorgid".parse().unwrap();
        let clients = aws.own_clients();
        let simulation = Simulation {
            clients: &clients,
            account: &account,
            organization: Some(&organization),
            home: "us-east-1",
        };
        for (pattern, arn) in [
            ("*", "*".to_owned()),
            ("arn:aws:s3:::logs/*", "arn:aws:s3:::logs/x".to_owned()),
            ("arn:aws:kms:*:*:key/*", format!("arn:aws:kms:us-east-1:{account}:key/x")),
        ] {
            assert_eq!(simulation.concrete(pattern), arn);
        }
        assert_eq!(simulation.value("${aws:PrincipalOrgID}"), "o-exampleorgid");
        assert_eq!(simulation.value("s3.*.amazonaws.com"), "s3.us-east-1.amazonaws.com");
    }
}
