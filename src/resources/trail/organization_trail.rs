use std::collections::BTreeMap;

use serde::Serialize;

use crate::aws::{At, AwsError, Clients, Observation};
use crate::config::TrailManager;
use crate::names::Arn;
use crate::resources::change::{Change, Confirmation, field_changes};
use crate::resources::destroy::{Deletion, ignore_missing};
use crate::resources::key::is_key;
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError, called,
};

/// The organization trail.
///
/// Source: CloudTrail `DescribeTrails`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrganizationTrail {
    /// Its settings.
    pub settings: TrailSettings,
    /// The Region it was created in, and can be changed in.
    pub home_region: String,
    /// Its ARN.
    pub arn: String,
}

/// The settings of a trail that can be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrailSettings {
    pub s3_bucket_name: String,
    pub s3_key_prefix: Option<String>,
    pub sns_topic: Option<String>,
    pub include_global_service_events: bool,
    pub is_multi_region_trail: bool,
    pub is_organization_trail: bool,
    pub log_file_validation: bool,
    pub kms_key: Option<String>,
    pub log_group: Option<String>,
    pub log_group_role: Option<String>,
}

/// All trails in the home Region of the management account: the declared one, and the
/// others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trails {
    /// The declared trail.
    pub own: Option<OrganizationTrail>,
    /// Names of the others.
    pub others: Vec<String>,
    /// Names of the others that deliver into the archive's bucket: what the trail was
    /// called before it was renamed.
    pub others_into_archive: Vec<String>,
    /// Those of the others that are organization trails, with their buckets.
    pub others_of_organization: BTreeMap<String, String>,
    /// The other tool whose trail the declared one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_manager: Option<TrailManager>,
    /// Those of the others that another tool manages.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub others_managed: BTreeMap<String, TrailManager>,
}

/// Trails that an account can have in a Region, including shadow trails.
///
/// Source: CloudTrail User Guide, "Quotas"; not adjustable.
const QUOTA: usize = 5;

impl OrganizationTrail {
    fn of(trail: &aws_sdk_cloudtrail::types::Trail) -> Self {
        let text = |value: Option<&str>| value.filter(|v| !v.is_empty()).map(str::to_owned);
        #[expect(deprecated, reason = "servers that answer no ARN")]
        let topic = trail.sns_topic_arn().or_else(|| trail.sns_topic_name());
        Self {
            settings: TrailSettings {
                s3_bucket_name: trail.s3_bucket_name().unwrap_or_default().to_owned(),
                s3_key_prefix: text(trail.s3_key_prefix()),
                sns_topic: text(topic),
                include_global_service_events: trail.include_global_service_events() == Some(true),
                is_multi_region_trail: trail.is_multi_region_trail() == Some(true),
                is_organization_trail: trail.is_organization_trail() == Some(true),
                log_file_validation: trail.log_file_validation_enabled() == Some(true),
                kms_key: text(trail.kms_key_id()),
                log_group: text(trail.cloud_watch_logs_log_group_arn()),
                log_group_role: text(trail.cloud_watch_logs_role_arn()),
            },
            home_region: trail.home_region().unwrap_or_default().to_owned(),
            arn: trail.trail_arn().unwrap_or_default().to_owned(),
        }
    }
}

impl TrailSettings {
    /// What the configuration declares; `key` is the key's ARN, or a description while it
    /// is unknown.
    fn declared(desired: &Desired, key: String) -> Self {
        let logs = desired.config.cloudwatch_logs.enabled;
        Self {
            s3_bucket_name: desired.bucket().to_string(),
            s3_key_prefix: desired.config.archive.prefix.as_ref().map(ToString::to_string),
            sns_topic: desired.topic_arn().map(|arn| arn.to_string()),
            include_global_service_events: true,
            is_multi_region_trail: true,
            is_organization_trail: true,
            log_file_validation: true,
            kms_key: Some(key),
            log_group: logs.then(|| format!("{}:*", desired.log_group_arn())),
            log_group_role: logs.then(|| desired.log_group_role_arn().to_string()),
        }
    }
}

impl Trails {
    /// What happens to the existing trails if one with a new name is created: CloudTrail
    /// cannot rename a trail.
    fn rename_effects(&self, desired: &Desired) -> Option<String> {
        let mut left = Vec::new();
        let names = self.others_into_archive.join(", ");
        if !names.is_empty() {
            left.push(format!(
                "a second trail is created: {names} delivers into the archive now, stays, and is \
                 denied access by the new policies of the bucket and the key (to keep it: \
                 trail.name; otherwise delete it after the new trail delivers)"
            ));
        }
        let elsewhere = self.others_of_organization.iter();
        for (name, bucket) in elsewhere.filter(|(_, to)| **to != desired.bucket().as_str()) {
            left.push(format!(
                "a second organization trail is created: {name} stays and is no longer guarded (to \
                 keep it: trail.name), and logs of the new trail do not go to the bucket {bucket} \
                 (to keep it: archive.bucket)"
            ));
        }
        (!left.is_empty()).then(|| left.join("; "))
    }
}

impl TrailSettings {
    /// Where events are delivered now and would no longer be, and how to keep it: every
    /// destination and delivery that changes or is removed.
    fn lost_deliveries(&self, wanted: &Self, desired: &Desired) -> Vec<String> {
        let mut lost = Vec::new();
        if self.s3_bucket_name != wanted.s3_bucket_name {
            lost.push(format!(
                "logs no longer go to the bucket {} (to keep it: archive.bucket)",
                self.s3_bucket_name
            ));
        }
        if self.s3_key_prefix != wanted.s3_key_prefix {
            let prefix = self.s3_key_prefix.as_deref().unwrap_or_default();
            lost.push(format!(
                "logs no longer go below the prefix `{prefix}` (to keep it: archive.prefix)"
            ));
        }
        if let Some(topic) = self.sns_topic.as_ref().filter(|_| self.sns_topic != wanted.sns_topic)
        {
            let keep = topic
                .parse::<Arn>()
                .map_or_else(|_| format!("name = \"{topic}\""), |arn| topic_setting(&arn, desired));
            lost.push(format!(
                "{topic} is no longer notified of new logs (to keep it: [topic] {keep})"
            ));
        }
        if let Some(group) = self.log_group.as_ref().filter(|_| self.log_group != wanted.log_group)
        {
            lost.push(format!(
                "events no longer go to {group} (to keep it: cloudwatch_logs.group)"
            ));
        }
        let role = self.log_group_role.as_ref();
        if let Some(role) = role.filter(|_| self.log_group_role != wanted.log_group_role) {
            lost.push(format!(
                "events are no longer delivered with {role} (to keep it: cloudwatch_logs.role)"
            ));
        }
        lost
    }
}

/// The setting of `[topic]` that declares an existing topic.
fn topic_setting(topic: &Arn, desired: &Desired) -> String {
    if *topic == desired.management_arn("sns", topic.resource.clone()) {
        format!("name = \"{}\"", topic.resource)
    } else {
        format!("arn = \"{topic}\"")
    }
}

/// Reads a part of the trail, if the trail exists.
pub(super) async fn read_part<T>(
    context: &ObserveContext<'_>,
    read: impl AsyncFnOnce(&Clients, &Arn) -> Observation<T>,
) -> Observation<T> {
    let clients = context.management();
    let arn = context.desired.trail_arn();
    let trail = async {
        let trails = context.state_of::<OrganizationTrail>().await.as_ref();
        trails.map(|trails| trails.own.as_ref()).flatten()
    };
    context.part_of(trail, read(&clients, &arn)).await
}

impl Resource for OrganizationTrail {
    type State = Trails;
    const ID: &'static str = "trail";
    const DEPENDS_ON: &'static [&'static str] = &[
        "trusted-access",
        "service-linked-role",
        "archive-bucket",
        "archive-bucket/ownership",
        "archive-bucket/public-access",
        "archive-bucket/object-lock",
        "archive-bucket/encryption",
        "archive-bucket/policy",
        "kms-key",
        "kms-key/alias",
        "kms-key/policy",
        "log-group",
        "log-group/role",
        "topic",
        "topic/policy",
    ];
    const ACTIONS: &'static [&'static str] = &[
        "cloudtrail:CreateTrail",
        "cloudtrail:DescribeTrails",
        "cloudtrail:UpdateTrail",
        // The log group's role is passed to CloudTrail.
        "iam:PassRole",
        // CloudTrail calls these on behalf of its caller.
        "organizations:DescribeOrganization",
        "organizations:ListAWSServiceAccessForOrganization",
    ];
    const IS_DELETABLE: bool = true;

    fn location(desired: &Desired) -> Location {
        desired.home_location()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Trails> {
        let management = &context.management();
        let desired = context.desired;
        let answer =
            management.cloudtrail().describe_trails().include_shadow_trails(true).send().await;
        let name = desired.config.trail.name.as_str();
        let answer = match answer.at(management, "cloudtrail:DescribeTrails") {
            Ok(answer) => answer,
            Err(error) => return Observation::Unreadable(error),
        };
        let managers = super::managers(management, desired, answer.trail_list()).await;
        Observation::Present(answer).map(|answer| {
            let (mut own, mut others, mut organization) = (None, Vec::new(), BTreeMap::new());
            let mut into_archive = Vec::new();
            for trail in answer.trail_list.unwrap_or_default() {
                if trail.name() == Some(name) {
                    own = Some(Self::of(&trail));
                    continue;
                }
                let other = trail.name().unwrap_or_default().to_owned();
                if trail.is_organization_trail() == Some(true) {
                    let bucket = trail.s3_bucket_name().unwrap_or_default().to_owned();
                    organization.insert(other.clone(), bucket);
                }
                if trail.s3_bucket_name() == Some(desired.bucket().as_str()) {
                    into_archive.push(other.clone());
                }
                others.push(other);
            }
            others.sort();
            into_archive.sort();
            Trails {
                own,
                others,
                others_into_archive: into_archive,
                others_of_organization: organization,
                own_manager: managers.get(name).copied(),
                others_managed: managers.into_iter().filter(|(other, _)| other != name).collect(),
            }
        })
    }

    fn diff(desired: &Desired, found: Option<&Trails>, observed: &Observed) -> Change {
        let name = &desired.config.trail.name;
        let own = found.and_then(|found| found.own.as_ref());
        let mut notes: Vec<String> = found
            .into_iter()
            .flat_map(|found| found.others_of_organization.keys())
            .map(|other| format!("`{other}` is also an organization trail, and records a second, paid copy; to adopt it instead of creating a trail, set trail.name = \"{other}\""))
            .collect();
        let key = observed.kms_key.present();
        let wanted_key = key.map_or_else(
            || format!("the key behind {}", desired.config.key.alias),
            |key| key.arn.to_string(),
        );
        let mut wanted = TrailSettings::declared(desired, wanted_key);
        let kept = own.and_then(|own| own.settings.s3_key_prefix.as_deref());
        let prefix = desired.config.archive.prefix.as_ref();
        if let Some(prefix) = prefix.filter(|it| !it.is_plain() && kept != Some(it.as_str())) {
            return Change::refused(
                format!(
                    "archive.prefix is `{prefix}`, and not every tool can read keys with such a prefix"
                ),
                "use letters, digits and `!_.*'()-` between single slashes, without a folder `AWSLogs`; the prefix of an existing trail is kept",
            );
        }
        let Some(own) = own else {
            let others = found.map_or(0, |found| found.others.len());
            if others >= QUOTA {
                let names = found.map(|found| found.others.join(", ")).unwrap_or_default();
                return Change::refused(
                    format!(
                        "{others} trails exist in {} ({names}), and AWS allows {QUOTA}",
                        desired.home_region()
                    ),
                    "delete one that is no longer needed, or adopt one with trail.name; the quota cannot be raised",
                );
            }
            let managed = found.and_then(|found| found.others_managed.first_key_value());
            let is_forced = desired.config.trail.managed_by == Some(TrailManager::Orgtrail);
            if let Some((other, manager)) = managed.filter(|_| !is_forced) {
                return Change::refused(
                    format!(
                        "the organization trail `{other}` of {} exists, and a second one records the same events again",
                        called(*manager)
                    ),
                    format!(
                        "adopt it: set trail.name = \"{other}\", with its bucket in archive.bucket; or run `orgtrail init`. To create a second trail: trail.managed_by = \"orgtrail\""
                    ),
                );
            }
            let change = Change::create(
                "the organization has no trail of this name",
                field_changes(None, &wanted),
            )
            .with_notes(notes);
            return match found.and_then(|found| found.rename_effects(desired)) {
                Some(what) => change.irreversible(Confirmation::WeakenedGuard, what),
                None => change,
            };
        };
        if own.home_region != desired.home_region().as_str() {
            return Change::refused(
                format!(
                    "the trail `{name}` has the home Region {}, but the configuration says {}",
                    own.home_region,
                    desired.home_region()
                ),
                "a trail cannot be moved: set organization.home_region to the trail's, or set trail.name to another name",
            );
        }
        if own.arn != desired.trail_arn().to_string() {
            return Change::refused(
                format!("the trail `{name}` is {}, not the management account's own", own.arn),
                "set trail.name to another name",
            );
        }
        let found_key = own.settings.kms_key.clone();
        let same_key = found_key.as_deref().is_some_and(|named| {
            key.is_some_and(|key| is_key(named, key, &desired.key_alias_arn()))
        });
        if same_key {
            wanted.kms_key.clone_from(&found_key);
        }
        // Some servers return a topic's name instead of its ARN.
        if let (Some(found), Some(arn)) = (&own.settings.sns_topic, desired.topic_arn())
            && *found == *arn.resource
        {
            wanted.sns_topic = Some(found.clone());
        }
        if own.settings.s3_bucket_name != desired.bucket().as_str() {
            notes.push(format!(
                "existing logs stay in `{}`; consolidate them",
                own.settings.s3_bucket_name
            ));
        }
        if let Some(arn) = desired.config.topic.as_ref().and_then(|topic| topic.arn.as_ref())
            && own.settings.sns_topic != wanted.sns_topic
        {
            notes.push(super::required_statement(desired, arn));
        }
        let lost = own.settings.lost_deliveries(&wanted, desired);
        let fields = field_changes(Some(&own.settings), &wanted);
        let change =
            Change::update("the trail matches the configuration", fields).with_notes(notes);
        let change = match found_key {
            Some(old) if !same_key => change.irreversible(
                Confirmation::ReplacedKey,
                format!("existing logs need {old} for as long as they are kept"),
            ),
            _ => change,
        };
        if lost.is_empty() {
            return change;
        }
        change.irreversible(Confirmation::WeakenedGuard, lost.join("; "))
    }

    fn deletion(_: &Desired, found: &Trails) -> Option<Deletion> {
        let value = found.own.as_ref()?.arn.clone();
        let why = "its event selectors and Insights are deleted with it";
        Some(Deletion { field: "arn", value, why })
    }

    async fn delete(context: &ApplyContext<'_>) -> Result<(), AwsError> {
        let clients = context.management();
        let name = context.desired.trail_arn().to_string();
        let deleted = clients.cloudtrail().delete_trail().name(name).send().await;
        ignore_missing(deleted.at(&clients, "cloudtrail:DeleteTrail"))
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.management();
        let settings = TrailSettings::declared(context.desired, context.key_arn().await?);
        let topic = context.desired.config.topic.as_ref().map(|_| &settings.sns_topic).cloned();
        let topic = topic.flatten();
        let own = context.observed.trails.present().and_then(|trails| trails.own.as_ref());
        if let Some(own) = own.map(|own| &own.settings) {
            // An empty value removes what is no longer declared; omitting it would keep
            // it.
            let or_away = |wanted: &Option<String>, found: &Option<String>| {
                wanted.clone().or_else(|| found.as_ref().map(|_| String::new()))
            };
            let topic = or_away(&topic, &own.sns_topic);
            let log_group = or_away(&settings.log_group, &own.log_group);
            let log_group_role = or_away(&settings.log_group_role, &own.log_group_role);
            let arn = context.desired.trail_arn().to_string();
            context
                .retry(|| async {
                    clients
                        .cloudtrail()
                        .update_trail()
                        .name(&arn)
                        .s3_bucket_name(&settings.s3_bucket_name)
                        // An empty prefix removes one; omitting it would keep it.
                        .s3_key_prefix(settings.s3_key_prefix.as_deref().unwrap_or_default())
                        .set_sns_topic_name(topic.clone())
                        .include_global_service_events(true)
                        .is_multi_region_trail(true)
                        .is_organization_trail(true)
                        .enable_log_file_validation(true)
                        .set_kms_key_id(settings.kms_key.clone())
                        .set_cloud_watch_logs_log_group_arn(log_group.clone())
                        .set_cloud_watch_logs_role_arn(log_group_role.clone())
                        .send()
                        .await
                        .at(&clients, "cloudtrail:UpdateTrail")
                })
                .await?;
            return Ok(());
        }
        context
            .retry(|| async {
                clients
                    .cloudtrail()
                    .create_trail()
                    .name(context.desired.config.trail.name.as_str())
                    .s3_bucket_name(&settings.s3_bucket_name)
                    .set_s3_key_prefix(settings.s3_key_prefix.clone())
                    .set_sns_topic_name(topic.clone())
                    .include_global_service_events(true)
                    .is_multi_region_trail(true)
                    .is_organization_trail(true)
                    .enable_log_file_validation(true)
                    .set_kms_key_id(settings.kms_key.clone())
                    .set_cloud_watch_logs_log_group_arn(settings.log_group.clone())
                    .set_cloud_watch_logs_role_arn(settings.log_group_role.clone())
                    .send()
                    .await
                    .at(&clients, "cloudtrail:CreateTrail")
            })
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::arbitrary::arbitrary_config;
    use crate::resources::change::Irreversible;

    fn declared(desired: &Desired) -> TrailSettings {
        TrailSettings::declared(desired, "arn:aws:kms:us-east-1:222222222222:key/one".to_owned())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn whatever_destination_differs_between_two_configs_asks_for_its_confirmation(
            live in arbitrary_config(),
            next in arbitrary_config(),
        ) {
            let facts = crate::checks::table::holding();
            let of = |config| {
                Desired::new(config, facts.desired.organization.clone(), facts.desired.unmanaged)
            };
            let (live, mut next) = (of(live), of(next));
            // The same trail: its account, home Region and name.
            next.config.organization = live.config.organization.clone();
            next.config.trail.name = live.config.trail.name.clone();
            let settings = declared(&live);
            let own = OrganizationTrail {
                settings: settings.clone(),
                home_region: live.home_region().to_string(),
                arn: live.trail_arn().to_string(),
            };
            let trails = Trails {
                own: Some(own),
                others: Vec::new(),
                others_into_archive: Vec::new(),
                others_of_organization: BTreeMap::new(),
                own_manager: None,
                others_managed: BTreeMap::new(),
            };
            let change = OrganizationTrail::diff(&next, Some(&trails), &facts.observed);
            if change.action.stops() {
                return Ok(());
            }
            let wanted = declared(&next);
            let lost = |before: &Option<String>, after: &Option<String>| {
                before.is_some() && before != after
            };
            let moved = settings.s3_bucket_name != wanted.s3_bucket_name
                || settings.s3_key_prefix != wanted.s3_key_prefix
                || lost(&settings.sns_topic, &wanted.sns_topic)
                || lost(&settings.log_group, &wanted.log_group)
                || lost(&settings.log_group_role, &wanted.log_group_role);
            let confirmations: Vec<Confirmation> =
                change.irreversible.iter().flat_map(Irreversible::confirmations).collect();
            prop_assert_eq!(confirmations.contains(&Confirmation::WeakenedGuard), moved);
        }
    }
}
