use orgtrail_events::detection::{Kind, OwnCalls, OwnResource, TrailFacts};

use crate::alarms::{ALARMS, Alarm};
use crate::aws::{Aws, Observation};
use crate::config::Config;
use crate::events::detections::FactsSummary;
use crate::names::{AccountId, Arn};
use crate::policy::Unmanaged;
use crate::resources::{Desired, OrganizationFacts, read_some};
use crate::words::in_one_line;

/// What the user agent of the AWS SDK that orgtrail uses begins with.
const USER_AGENT: &str = "aws-sdk-rust/";

/// What detection compares events with: what the configuration declares, and if AWS may be
/// called, the ids that AWS gave.
pub(super) async fn facts(
    config: Option<&Config>,
    aws: Option<&Aws>,
) -> (TrailFacts, FactsSummary) {
    let Some(config) = config else { return (TrailFacts::default(), FactsSummary::default()) };
    let mut facts = declared(config);
    let mut summary = FactsSummary { is_configured: true, unknown: Vec::new() };
    if let Some(aws) = aws {
        look_up(aws, config, &mut facts, &mut summary).await;
    } else {
        let why = "AWS is not called for a directory or bundle".to_owned();
        let unknown = facts.resources.iter().filter(|own| own.has_unknown_names);
        summary.unknown.extend(unknown.map(|own| (own.role.clone(), why.clone())));
    }
    (facts, summary)
}

/// What the configuration declares.
fn declared(config: &Config) -> TrailFacts {
    let organization = &config.organization;
    let (management, archive) =
        (&organization.management_account, &organization.log_archive_account);
    let home = organization.home_region.as_str();
    let own = |kind, role: &str, name: &str| OwnResource::named(kind, role, name);
    let at_home = |kind, role: &str, name: &str| {
        own(kind, role, name).within(management.as_str(), Some(home))
    };
    let mut all = vec![
        // It may be named in any Region.
        own(Kind::Trail, "the trail", config.trail.name.as_str()).within(management.as_str(), None),
        own(Kind::Bucket, "the archive", config.archive.bucket.as_str())
            .within(archive.as_str(), None),
    ];
    let logging = &config.archive.access_logging;
    if logging.enabled {
        let logs = own(Kind::Bucket, "the access logs", logging.bucket.as_str());
        all.push(logs.within(archive.as_str(), None));
    }
    if let Some(bucket) = config.service.state.as_ref().and_then(|state| state.bucket()) {
        let mut state = own(Kind::Bucket, "the service's state", bucket.as_str());
        state.account = config.service.state_owner(archive).map(ToString::to_string);
        all.push(state);
    }
    let region = config.archive.region.as_str();
    all.push(key("the key", config.key.alias.as_str(), config.key.arn.as_ref(), archive, region));
    if let Some(mac) = &config.records.mac_key {
        all.push(by_arn(Kind::Key, "the records' key", mac));
    }
    if let Some(vault) = &config.archive.replication {
        let bucket = own(Kind::Bucket, "the vault", vault.bucket.as_str());
        all.push(bucket.within(vault.account.as_str(), None));
        let (alias, region) = (vault.key_alias.as_str(), vault.region.as_str());
        all.push(key("the vault's key", alias, None, &vault.account, region));
        let role = own(Kind::Role, "the replication's role", vault.role.as_str());
        all.push(role.within(archive.as_str(), None));
    }
    let logs = &config.cloudwatch_logs;
    if logs.enabled {
        all.push(at_home(Kind::LogGroup, "the trail's log group", logs.group.as_str()));
        let role = own(Kind::Role, "the log group's role", logs.role.as_str());
        all.push(role.within(management.as_str(), None));
    }
    if let Some(topic) = &config.topic {
        all.push(match &topic.arn {
            Some(arn) => by_arn(Kind::Topic, "the trail's topic", arn),
            None => at_home(Kind::Topic, "the trail's topic", topic.name.as_str()),
        });
    }
    if let Some(alarms) = &config.alarms {
        all.push(at_home(Kind::Topic, "the alarms' topic", alarms.topic.as_str()));
        let mut own = at_home(Kind::Alarm, "an alarm", "");
        own.names = ALARMS.iter().map(Alarm::full_name).collect();
        all.push(own);
    }
    if config.guardrail.enabled {
        // Events name policies by id alone.
        let mut guardrail = own(Kind::Policy, "the guardrail", &config.guardrail.name);
        guardrail.account = Some(management.to_string());
        guardrail.has_unknown_names = true;
        all.push(guardrail);
    }
    let mut archive_accounts = vec![archive];
    archive_accounts.extend(config.archive.replication.as_ref().map(|vault| &vault.account));
    let roles = own_roles(config);
    all.extend(roles.iter().map(|arn| by_arn(Kind::Role, "a role of orgtrail", arn)));
    TrailFacts {
        archive_accounts: archive_accounts.into_iter().map(ToString::to_string).collect(),
        resources: all,
        own: Some(OwnCalls {
            roles: roles.iter().map(ToString::to_string).collect(),
            session_name: config.roles.session_name.to_string(),
            user_agent: USER_AGENT.to_owned(),
        }),
    }
}

/// The roles that orgtrail assumes to change what it manages.
fn own_roles(config: &Config) -> Vec<Arn> {
    let organization = &config.organization;
    let mut accounts = vec![&organization.management_account, &organization.log_archive_account];
    accounts.extend(config.archive.replication.as_ref().map(|vault| &vault.account));
    accounts.sort_unstable();
    accounts.dedup();
    let partition = config.partition();
    let mut roles: Vec<Arn> =
        accounts.into_iter().map(|account| config.roles.arn_in(partition, account)).collect();
    roles.extend(config.roles.hub.clone());
    roles
}

/// A key by its ARN, or by its alias, whose id only AWS knows.
fn key(
    role: &str,
    alias: &str,
    arn: Option<&Arn>,
    account: &AccountId,
    region: &str,
) -> OwnResource {
    if let Some(arn) = arn {
        return by_arn(Kind::Key, role, arn);
    }
    let mut key = OwnResource::named(Kind::Key, role, alias).within(account.as_str(), Some(region));
    key.has_unknown_names = true;
    key
}

fn by_arn(kind: Kind, role: &str, arn: &Arn) -> OwnResource {
    let mut own = OwnResource::named(kind, role, arn.resource_name()).with_arn(arn.to_string());
    own.account = arn.account.as_ref().map(ToString::to_string);
    own.region = arn.region.as_ref().map(ToString::to_string);
    own
}

/// Adds the ids that AWS gave to what is declared by name.
async fn look_up(aws: &Aws, config: &Config, facts: &mut TrailFacts, summary: &mut FactsSummary) {
    let mut unknown = |role: &str, why: String| summary.unknown.push((role.to_owned(), why));
    let organization = match OrganizationFacts::read(aws, config).await {
        Ok(organization) => organization,
        Err(error) => {
            let why = in_one_line(&error);
            let open = facts.resources.iter().filter(|own| own.has_unknown_names);
            open.for_each(|own| unknown(&own.role, why.clone()));
            return;
        }
    };
    let desired = Desired::new(config.clone(), organization, Unmanaged::Keep);
    let observed = Box::pin(read_some(aws, &desired, &["trail", "kms-key", "guardrail"])).await;
    for own in &mut facts.resources {
        if !own.has_unknown_names {
            continue;
        }
        let found = match own.role.as_str() {
            "the key" => observed.kms_key.as_ref().map(|key| {
                let mut names = key.names.clone();
                names.insert(key.arn.resource_name().to_owned());
                (Some(key.arn.to_string()), names)
            }),
            "the guardrail" => observed
                .guardrail
                .as_ref()
                .map(|policy| (None, policy.id.iter().chain(&policy.renamed).cloned().collect())),
            role => {
                unknown(role, "its id is not looked up".to_owned());
                continue;
            }
        };
        match found {
            Observation::Present((arn, names)) => {
                own.arns.extend(arn);
                own.names.extend(names);
                own.has_unknown_names = false;
            }
            // What was deleted is what an event may be about.
            Observation::Absent => unknown(&own.role, "it does not exist".to_owned()),
            Observation::Unreadable(error) => unknown(&own.role, in_one_line(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Loaded};

    fn config(more: &str) -> Config {
        let text = format!("{}{more}", crate::config::SMALLEST);
        Loaded::from_text(&text, &Environment::default()).unwrap().config
    }

    #[test]
    fn the_configuration_names_every_resource_of_the_trail() {
        let config = config(
            "[archive.replication]\nbucket = \"vault\"\naccount = \"333333333333\"\n[alarms]\n[topic]\n[guardrail]\nenabled = true\n",
        );
        let facts = declared(&config);
        let names = |kind: Kind| -> Vec<&str> {
            let own = facts.resources.iter().filter(|own| own.kind == kind);
            own.flat_map(|own| own.names.iter().map(String::as_str)).collect()
        };
        assert_eq!(names(Kind::Trail), [config.trail.name.as_str()]);
        assert_eq!(
            names(Kind::Bucket),
            ["acme-log-archive", "acme-log-archive-access-logs", "vault"]
        );
        assert_eq!(names(Kind::Key), [config.key.alias.as_str(), "alias/orgtrail-vault"]);
        assert_eq!(names(Kind::Topic).len(), 2);
        assert_eq!(names(Kind::Alarm).len(), ALARMS.len());
        assert_eq!(names(Kind::Policy), ["orgtrail-guardrail"]);
        assert_eq!(facts.archive_accounts.len(), 2);
        let own = facts.own.unwrap();
        assert_eq!(own.session_name, config.roles.session_name.to_string());
        assert!(own.roles.contains("arn:aws:iam::222222222222:role/OrganizationAccountAccessRole"));
        // The id of a key and of a policy is AWS's.
        let open: Vec<&str> = facts
            .resources
            .iter()
            .filter(|own| own.has_unknown_names)
            .map(|own| own.role.as_str())
            .collect();
        assert_eq!(open, ["the key", "the vault's key", "the guardrail"]);
    }
}
