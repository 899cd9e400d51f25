//! A commented configuration, drafted from the existing resources.

use std::fmt::Write;

use super::recorded;
use crate::config::Roles;
use crate::names::{
    AccountId, Arn, BucketName, KeyAlias, KeyPrefix, LogGroupName, Partition, Region, RoleName,
    TopicName, TrailName,
};
use crate::ops::{Discovery, FoundTrail, Kept, log_group_name};
use crate::org::Organization;
use crate::resources::called;

/// A complete configuration in which comments state where each value comes from.
///
/// The trail's selectors are written as comments unless they are `declarable`.
pub(super) fn draft(found: &Discovery, roles: &Roles, declarable: bool) -> String {
    let mut lines = Lines::default();
    let organization = &found.organization;
    lines.comment(&format!(
        "orgtrail configuration for {}, drafted from the existing resources.",
        organization.id
    ));
    lines
        .comment("`orgtrail config reference` describes every key; `orgtrail config show` lists the defaults.");
    if !organization.all_features {
        lines.comment("");
        lines.comment("ATTENTION: the organization has only consolidated billing. An organization");
        lines.comment("trail requires all features: enable them in AWS Organizations first.");
    }
    let home = home_region(found, &mut lines);
    let archive = accounts(found, &home, &mut lines);
    roles_section(roles, &mut lines);
    trail_section(found, &mut lines);
    recorded_sections(found, declarable, &mut lines);
    topic_section(found, &home, &mut lines);
    let region = archive_section(found, &home, &mut lines);
    key_section(found, &archive, &region, &mut lines);
    logs_section(found, &mut lines);
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn section(&mut self, name: &str) {
        let _ = writeln!(self.0, "\n[{name}]");
    }

    /// A comment. Untrusted text, such as an account's name, cannot end it.
    fn comment(&mut self, text: &str) {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = if text.is_empty() { "#".to_owned() } else { format!("# {text}") };
        self.0.push_str(&line);
        self.0.push('\n');
    }

    /// A value without quotes, such as a name.
    fn value(&mut self, key: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{key} = \"{value}\"");
    }

    /// A number or a truth value.
    fn bare(&mut self, key: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    /// Prepared sections, as comments if the configuration cannot express them.
    fn sections(&mut self, about: &str, text: &str, declarable: bool) {
        if text.is_empty() {
            return;
        }
        self.0.push('\n');
        self.comment(about);
        if declarable {
            self.0.push_str(text.trim_start());
            return;
        }
        self.comment(
            "ATTENTION: the configuration cannot express this; `apply` asks before it records less.",
        );
        text.trim().lines().for_each(|line| self.comment(line));
    }

    fn list(&mut self, key: &str, values: &[String]) {
        let values: Vec<_> = values.iter().map(|value| format!("\"{value}\"")).collect();
        let _ = writeln!(self.0, "{key} = [{}]", values.join(", "));
    }
}

/// The home Region; problems with it go to the head of the file.
fn home_region(found: &Discovery, lines: &mut Lines) -> Region {
    let home = found.trail().and_then(|trail| trail.home_region.as_ref()).unwrap_or(&found.region);
    if !home.is_opt_in() {
        return home.clone();
    }
    lines.comment("");
    lines.comment(&format!(
        "ATTENTION: {home} is an opt-in Region, which cannot be a trail's home Region."
    ));
    // Every partition but the commercial one has no opt-in Regions.
    Region::enabled_by_default()
        .find(|region| region.as_str() == "us-east-1")
        .unwrap_or_else(|| home.clone())
}

fn accounts(found: &Discovery, home: &Region, lines: &mut Lines) -> AccountId {
    let organization = &found.organization;
    lines.section("organization");
    lines.comment("Found: the organization's management account.");
    lines.value("management_account", &organization.management_account);
    let zone = found.landing_zone.present();
    let mut archive = None;
    if let Some(bucket) = &found.bucket {
        lines.comment(&format!(
            "Found: {} owns the bucket that the organization trail delivers to.",
            account_name(organization, &bucket.owner)
        ));
        archive = Some(bucket.owner.clone());
    } else if let Some(zoned) = zone.and_then(|zone| zone.log_archive.as_ref()) {
        lines.comment(&format!(
            "Found: {} is the log archive of Control Tower.",
            account_name(organization, zoned)
        ));
        archive = Some(zoned.clone());
    } else if let [first, others @ ..] = found.log_archives.as_slice() {
        lines.comment(&format!(
            "Guessed from its name: {}. Check it.",
            account_name(organization, first)
        ));
        for other in others {
            lines.comment(&format!("  also possible: {}", account_name(organization, other)));
        }
        archive = Some(first.clone());
    } else {
        lines.comment("NOT FOUND: no account is named log archive or logging, and there is no");
        lines
            .comment("organization trail. The management account is used as a placeholder: create");
        lines.comment("a separate account for the logs.");
    }
    let archive = archive.unwrap_or_else(|| organization.management_account.clone());
    lines.value("log_archive_account", &archive);
    let audits: Vec<_> = found.audits.iter().filter(|audit| **audit != archive).collect();
    if let Some(zoned) = zone.and_then(|zone| zone.audit.as_ref()) {
        lines.comment(&format!(
            "Found: {} is the audit account of Control Tower.",
            account_name(organization, zoned)
        ));
        lines.value("audit_account", zoned);
    } else if let [first, others @ ..] = audits.as_slice() {
        lines.comment(&format!(
            "Guessed from its name: {}. Check it.",
            account_name(organization, first)
        ));
        for other in others {
            lines.comment(&format!("  also possible: {}", account_name(organization, other)));
        }
        lines.value("audit_account", first);
    } else {
        lines.comment("Not found: no account is named audit or security.");
        lines.comment("audit_account = \"123456789012\"");
    }
    administrators(found, home, lines);
    match found.trail().and_then(|trail| trail.home_region.as_ref()) {
        Some(region) if region == home => {
            lines.comment("Found: the organization trail's home Region.");
        }
        _ if *home == found.region => {
            lines.comment("The credentials' Region, because there is no organization trail.");
        }
        _ => lines.comment("Replaces an opt-in Region."),
    }
    lines.value("home_region", home);
    regions(found, lines);
    let left_out = organization
        .accounts
        .values()
        .filter(|account| account.state != crate::org::AccountState::Active);
    for account in left_out {
        lines.comment(&format!(
            "Not used, because it is {}: {}",
            account.state.as_str(),
            account_name(organization, &account.id)
        ));
    }
    lines.comment("excluded_accounts = []");
    archive
}

fn administrators(found: &Discovery, home: &Region, lines: &mut Lines) {
    match &found.administrators {
        Ok(ids) if ids.is_empty() => {
            lines.comment("None registered for CloudTrail:");
            lines.comment("delegated_administrators = []");
        }
        Ok(_) if !Partition::of(home).has_cloudtrail_delegated_administrators() => {
            lines.comment("CloudTrail has no delegated administrators in this partition.");
        }
        Ok(ids) => {
            lines.comment("Found: registered for CloudTrail.");
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            lines.list("delegated_administrators", &ids);
        }
        Err(error) => {
            lines.comment(&format!("Unreadable: {}", error.in_full()));
            lines.comment("delegated_administrators = []");
        }
    }
}

fn regions(found: &Discovery, lines: &mut Lines) {
    let codes: Vec<_> = found.regions.regions.iter().map(Region::as_str).collect();
    match &found.regions.unread {
        None => lines.comment(&format!(
            "The management account has {} Regions enabled: {}",
            codes.len(),
            codes.join(", ")
        )),
        Some(error) => lines
            .comment(&format!("The list of enabled Regions is unreadable: {}", error.in_full())),
    }
    lines.value("regions", "all-enabled");
}

fn roles_section(roles: &Roles, lines: &mut Lines) {
    let default = Roles::default();
    lines.section("roles");
    lines.comment("The role that orgtrail assumes in each account; `orgtrail accounts` tests it.");
    lines.value("name", &roles.name);
    match &roles.external_id {
        Some(id) => lines.value("external_id", id),
        None => lines.comment("external_id = \"...\""),
    }
    match &roles.hub {
        Some(hub) => lines.value("hub", hub),
        None => lines.comment("hub = \"arn:aws:iam::123456789012:role/OrgTrailHub\""),
    }
    lines.comment(&format!("session_name = \"{}\"", default.session_name));
}

fn trail_section(found: &Discovery, lines: &mut Lines) {
    lines.section("trail");
    match (&found.trails, found.trail()) {
        (Err(error), _) => {
            lines.comment(&format!("Trails are unreadable: {}", error.in_full()));
            lines.comment("name = \"orgtrail\"");
        }
        (Ok(trails), Some(trail)) => {
            match trail.name.parse::<TrailName>() {
                Ok(name) => {
                    lines.comment(
                        "Found: the existing organization trail. Another name would create",
                    );
                    lines.comment("a second trail, and AWS charges for second copies of events.");
                    lines.value("name", name);
                }
                Err(error) => {
                    lines.comment(&format!("The organization trail's name is not valid: {error}"));
                    lines.comment("name = \"orgtrail\"");
                }
            }
            if let Some(manager) = found.manager {
                lines.comment(&format!(
                    "{} manages it, its bucket, its key and its log group:",
                    called(manager)
                ));
                lines.comment("orgtrail observes them, and never changes them.");
                lines.value("managed_by", manager);
            } else if !trail.multi_region {
                lines.comment("It covers one Region; orgtrail extends it to all.");
            }
            for other in trails.iter().skip(1) {
                lines.comment(&format!("Another organization trail: {}", other.name));
            }
        }
        (Ok(_), None) => {
            lines.comment("Not found: there is no organization trail yet.");
            lines.comment("name = \"orgtrail\"");
        }
    }
}

/// The trail's selectors and Insights, so that adopting the trail changes nothing.
fn recorded_sections(found: &Discovery, declarable: bool, lines: &mut Lines) {
    let Some(adopted) = &found.adopted else { return };
    match &adopted.selectors {
        Ok(selectors) => {
            for source in &selectors.unknown_sources {
                lines.comment(&format!(
                    "ATTENTION: the trail excludes {source}, which the configuration cannot express."
                ));
            }
            if let Some(selectors) = &selectors.selectors {
                lines.sections(
                    "Found: what the organization trail records.",
                    &recorded::selectors(selectors),
                    declarable,
                );
            }
        }
        Err(error) => lines.comment(&format!(
            "ATTENTION: the trail's event selectors are unreadable: {}",
            error.in_full()
        )),
    }
    match &adopted.insights {
        Ok(types) => lines.sections(
            "Found: the Insights that the organization trail records.",
            &recorded::insights(types),
            declarable,
        ),
        Err(error) => lines.comment(&format!(
            "ATTENTION: the trail's Insights are unreadable: {}",
            error.in_full()
        )),
    }
}

fn topic_section(found: &Discovery, home: &Region, lines: &mut Lines) {
    let Some(topic) = found.trail().and_then(|trail| trail.topic.as_deref()) else { return };
    let Ok(arn) = topic.parse::<Arn>() else {
        lines.comment(&format!("The trail's topic is not adopted: {topic}"));
        return;
    };
    lines.section("topic");
    let own = arn.account.as_ref() == Some(&found.organization.management_account)
        && arn.region.as_ref() == Some(home);
    match arn.resource.parse::<TopicName>() {
        Ok(name) if own => {
            lines.comment("Found: the organization trail notifies it.");
            lines.value("name", name);
        }
        _ => {
            lines.comment("Found: the organization trail notifies it. Its owner manages its");
            lines.comment("policy, because it is not the management account's in the home Region.");
            lines.value("arn", arn);
        }
    }
}

fn key_section(found: &Discovery, archive: &AccountId, region: &Region, lines: &mut Lines) {
    let Some(key) = found.trail().and_then(|trail| trail.key.as_deref()) else { return };
    let Ok(arn) = key.parse::<Arn>() else {
        lines.comment(&format!("The trail's key is not adopted: {key}"));
        return;
    };
    if arn.region.as_ref() != Some(region) {
        lines.comment(&format!("ATTENTION: the trail's key {arn} is not in the bucket's Region."));
        return;
    }
    lines.section("key");
    lines.comment("Found: the organization trail encrypts with it.");
    let of_archive = arn.account.as_ref() == Some(archive);
    let known = found.adopted.as_ref().and_then(|adopted| adopted.key_alias.as_deref());
    match known.filter(|_| of_archive).unwrap_or(&arn.resource).parse::<KeyAlias>() {
        Ok(alias) if of_archive => lines.value("alias", alias),
        Ok(_) => lines.comment(&format!("It uses {arn}: set `arn` here to the key's own ARN.")),
        Err(_) => {
            if !of_archive {
                lines.comment(
                    "Another account owns it and manages its policy; `plan` lists what the",
                );
                lines.comment("policy lacks.");
            }
            lines.value("arn", &arn);
        }
    }
    if found.adopted.as_ref().and_then(|adopted| adopted.rotated) == Some(false) {
        lines.comment("Found: KMS does not rotate it.");
        lines.bare("rotation", false);
    }
}

/// Writes the section of the archive; its Region.
fn archive_section(found: &Discovery, home: &Region, lines: &mut Lines) -> Region {
    let mut archive_region = home.clone();
    lines.section("archive");
    let from_trail = found.trail().map(|trail| (trail, trail.bucket.parse::<BucketName>()));
    match from_trail {
        Some((trail, Ok(bucket))) => {
            lines.comment("Found: the organization trail delivers here.");
            lines.value("bucket", &bucket);
            prefix(trail, lines);
            let elsewhere = found.bucket.as_ref().and_then(|bucket| bucket.region.as_ref());
            if let Some(region) = elsewhere.filter(|region| *region != home) {
                lines.comment("Found: the bucket is outside the trail's home Region.");
                lines.value("region", region);
                archive_region = region.clone();
            }
            if found.adopted.as_ref().and_then(|adopted| adopted.lifecycle) == Some(false) {
                lines.section("archive.lifecycle");
                lines
                    .comment("Found: the bucket has no lifecycle rules, so logs are kept forever.");
                lines.comment(
                    "`true` moves logs to cheaper storage and deletes them after retention_days.",
                );
                lines.bare("enabled", false);
            }
            // Its default name would be too long.
            if bucket.as_str().len() > 63 - ACCESS_LOGS.len() {
                let stem = bucket.as_str()[..63 - ACCESS_LOGS.len()].trim_end_matches(['-', '.']);
                lines.section("archive.access_logging");
                lines.value("bucket", format_args!("{stem}{ACCESS_LOGS}"));
            }
        }
        other => {
            if let Some((trail, Err(error))) = other {
                lines.comment(&format!(
                    "The trail's bucket {} is not adopted: {error}",
                    trail.bucket
                ));
            }
            lines.comment("Proposed: bucket names are globally unique, so choose your own.");
            lines.value("bucket", format_args!("{}-log-archive", found.organization.id));
        }
    }
    archive_region
}

const ACCESS_LOGS: &str = "-access-logs";

fn prefix(trail: &FoundTrail, lines: &mut Lines) {
    let Some(prefix) = &trail.prefix else { return };
    match prefix.parse::<KeyPrefix>() {
        Ok(prefix) => lines.value("prefix", prefix),
        Err(error) => lines.comment(&format!("The trail's prefix is not adopted: {error}")),
    }
}

fn logs_section(found: &Discovery, lines: &mut Lines) {
    let Some(trail) = found.trail() else { return };
    lines.section("cloudwatch_logs");
    let Some(arn) = trail.log_group.as_deref() else {
        lines.comment("The organization trail writes to no log group; `true` creates one.");
        lines.comment("enabled = false");
        return;
    };
    match log_group_name(arn).map(str::parse::<LogGroupName>) {
        Some(Ok(group)) => {
            lines.comment("Found: the organization trail writes here too.");
            lines.value("group", group);
        }
        _ => lines.comment(&format!("The trail's log group is not adopted: {arn}")),
    }
    match found.adopted.as_ref().and_then(|adopted| adopted.kept) {
        Some(Kept::Days(days)) => {
            lines.comment("Found: its retention.");
            lines.bare("retention_days", days);
        }
        Some(Kept::Forever) => {
            lines.comment("Found: it keeps events forever.");
            lines.bare("keep_forever", true);
        }
        None => {}
    }
    let role = trail.log_role.as_deref().and_then(|role| role.split_once(":role/"));
    match role.map(|(_, name)| name.parse::<RoleName>()) {
        Some(Ok(name)) => {
            lines.comment("Found: the role that CloudTrail writes with.");
            lines.value("role", name);
        }
        Some(Err(error)) => lines.comment(&format!("The trail's role is not adopted: {error}")),
        None => {}
    }
}

fn account_name(organization: &Organization, id: &AccountId) -> String {
    match organization.accounts.get(id) {
        Some(account) => {
            format!("{id}, \"{}\" in {}", account.name, organization.path(&account.unit))
        }
        None => id.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::aws::Observation;
    use crate::config::{
        AdvancedEventSelector, Config, DataEvents, InsightEvents, ManagementEventSource,
        ReadWriteType, Selectors,
    };
    use crate::ops::{Adopted, FoundBucket};
    use crate::org::{Account, AccountState, EnabledRegions, Unit};
    use crate::resources::FoundSelectors;

    fn account(id: &str, name: &str, state: AccountState) -> (AccountId, Account) {
        let id: AccountId = id.parse().unwrap();
        let unit = "r-ab12".parse().unwrap();
        (id.clone(), Account { id, name: name.into(), state, unit, joined_at: None })
    }

    /// An organization in which nothing has been set up yet.
    fn bare() -> Discovery {
        let root = Unit { name: "Root".into(), parent: None };
        Discovery {
            organization: Organization {
                id: "o-exampleorgid".parse().unwrap(),
                management_account: "111111111111".parse().unwrap(),
                all_features: true,
                units: BTreeMap::from([("r-ab12".parse().unwrap(), root)]),
                accounts: BTreeMap::from([
                    account("111111111111", "acme", AccountState::Active),
                    account("222222222222", "log-archive", AccountState::Active),
                    account("333333333333", "audit", AccountState::Active),
                    account("444444444444", "gone", AccountState::Suspended),
                ]),
            },
            region: "eu-central-1".parse().unwrap(),
            trails: Ok(Vec::new()),
            bucket: None,
            adopted: None,
            manager: None,
            landing_zone: Observation::Absent,
            log_archives: Vec::new(),
            audits: Vec::new(),
            administrators: Ok(BTreeSet::new()),
            regions: EnabledRegions {
                regions: Region::enabled_by_default().collect(),
                unread: None,
            },
        }
    }

    /// All management events, and the data events of one bucket whose name could
    /// end a string.
    fn selectors() -> Selectors {
        let data = DataEvents {
            resource_type: "AWS::S3::Object".into(),
            read_write_type: ReadWriteType::WriteOnly,
            resources: vec!["arn:aws:s3:::a\"b\\c/".into()],
        };
        Selectors::Advanced(vec![
            AdvancedEventSelector::management(ReadWriteType::All, &[ManagementEventSource::Kms]),
            AdvancedEventSelector::data(&data),
        ])
    }

    fn with_trail() -> Discovery {
        let trail = FoundTrail {
            name: "aws-controltower-BaselineCloudTrail".into(),
            arn: "arn:aws:cloudtrail:us-west-2:111111111111:trail/aws-controltower-BaselineCloudTrail".into(),
            home_region: Some("us-west-2".parse().unwrap()),
            bucket: "aws-controltower-logs-222222222222-us-west-2".into(),
            prefix: Some("o-exampleorgid".into()),
            multi_region: true,
            log_group: Some(
                "arn:aws:logs:us-west-2:111111111111:log-group:aws-controltower/CloudTrailLogs:*"
                    .into(),
            ),
            log_role: Some("arn:aws:iam::111111111111:role/CloudTrailRole".into()),
            topic: Some(
                "arn:aws:sns:us-west-2:333333333333:aws-controltower-AllConfigNotifications".into(),
            ),
            key: Some("arn:aws:kms:us-east-1:111111111111:key/1".into()),
        };
        Discovery {
            trails: Ok(vec![trail]),
            bucket: Some(FoundBucket {
                owner: "222222222222".parse().unwrap(),
                region: Some("us-east-1".parse().unwrap()),
            }),
            adopted: Some(Adopted {
                selectors: Ok(FoundSelectors {
                    selectors: Some(selectors()),
                    unknown_sources: vec!["other.amazonaws.com".into()],
                }),
                insights: Ok(BTreeMap::from([(
                    "ApiErrorRateInsight".into(),
                    BTreeSet::from(["Management".into(), "Data".into()]),
                )])),
                key_alias: None,
                rotated: Some(false),
                lifecycle: Some(false),
                kept: Some(Kept::Forever),
            }),
            log_archives: vec!["222222222222".parse().unwrap()],
            audits: vec!["333333333333".parse().unwrap()],
            administrators: Ok(BTreeSet::from(["333333333333".parse().unwrap()])),
            ..bare()
        }
    }

    fn config_of(found: &Discovery) -> Config {
        let text = draft(found, &Roles::default(), true);
        text.parse().unwrap_or_else(|error| panic!("{error:?} in:\n{text}"))
    }

    #[test]
    fn what_was_found_stands_in_the_config() {
        let config = config_of(&with_trail());
        let organization = &config.organization;
        assert_eq!(organization.management_account.as_str(), "111111111111");
        assert_eq!(organization.log_archive_account.as_str(), "222222222222");
        assert_eq!(organization.audit_account.as_ref().unwrap().as_str(), "333333333333");
        assert_eq!(organization.delegated_administrators.len(), 1);
        assert_eq!(organization.home_region.as_str(), "us-west-2");
        assert_eq!(config.trail.name.as_str(), "aws-controltower-BaselineCloudTrail");
        assert_eq!(config.archive.bucket.as_str(), "aws-controltower-logs-222222222222-us-west-2");
        assert_eq!(config.archive.prefix.as_ref().unwrap().as_str(), "o-exampleorgid");
        assert_eq!(config.archive.region.as_str(), "us-east-1");
        assert_eq!(config.cloudwatch_logs.group.as_str(), "aws-controltower/CloudTrailLogs");
        assert!(config.cloudwatch_logs.keep_forever);
        assert_eq!(config.cloudwatch_logs.role.as_str(), "CloudTrailRole");
        let topic = config.topic.as_ref().unwrap().arn.as_ref().unwrap().to_string();
        assert_eq!(
            topic,
            "arn:aws:sns:us-west-2:333333333333:aws-controltower-AllConfigNotifications"
        );
        assert_eq!(
            config.key.arn.as_ref().unwrap().to_string(),
            "arn:aws:kms:us-east-1:111111111111:key/1"
        );
        assert!(!config.key.rotation);
        assert!(!config.archive.lifecycle.enabled);
        assert_eq!(config.trail.selectors(), selectors());
        assert!(config.trail.insights.error_rate && !config.trail.insights.call_rate);
        assert_eq!(
            config.trail.insights.error_rate_events,
            [InsightEvents::Data, InsightEvents::Management]
        );
    }

    #[test]
    fn where_nothing_is_found_the_config_is_valid_and_says_so() {
        let found = bare();
        let config = config_of(&found);
        assert_eq!(config.organization.log_archive_account.as_str(), "111111111111");
        assert_eq!(config.archive.bucket.as_str(), "o-exampleorgid-log-archive");
        let text = draft(&found, &Roles::default(), true);
        for said in ["NOT FOUND", "there is no organization trail yet", "444444444444"] {
            assert!(text.contains(said), "{said} in:\n{text}");
        }
    }

    #[test]
    fn the_whole_draft_reads_well() {
        insta::assert_snapshot!(draft(&with_trail(), &Roles::default(), true), @r#"
        # orgtrail configuration for o-exampleorgid, drafted from the existing resources.
        # `orgtrail config reference` describes every key; `orgtrail config show` lists the defaults.

        [organization]
        # Found: the organization's management account.
        management_account = "111111111111"
        # Found: 222222222222, "log-archive" in /Root owns the bucket that the organization trail delivers to.
        log_archive_account = "222222222222"
        # Guessed from its name: 333333333333, "audit" in /Root. Check it.
        audit_account = "333333333333"
        # Found: registered for CloudTrail.
        delegated_administrators = ["333333333333"]
        # Found: the organization trail's home Region.
        home_region = "us-west-2"
        # The management account has 17 Regions enabled: ap-northeast-1, ap-northeast-2, ap-northeast-3, ap-south-1, ap-southeast-1, ap-southeast-2, ca-central-1, eu-central-1, eu-north-1, eu-west-1, eu-west-2, eu-west-3, sa-east-1, us-east-1, us-east-2, us-west-1, us-west-2
        regions = "all-enabled"
        # Not used, because it is SUSPENDED: 444444444444, "gone" in /Root
        # excluded_accounts = []

        [roles]
        # The role that orgtrail assumes in each account; `orgtrail accounts` tests it.
        name = "OrganizationAccountAccessRole"
        # external_id = "..."
        # hub = "arn:aws:iam::123456789012:role/OrgTrailHub"
        # session_name = "orgtrail"

        [trail]
        # Found: the existing organization trail. Another name would create
        # a second trail, and AWS charges for second copies of events.
        name = "aws-controltower-BaselineCloudTrail"
        # ATTENTION: the trail excludes other.amazonaws.com, which the configuration cannot express.

        # Found: what the organization trail records.
        [[trail.advanced_event_selectors]]
        name = "Management events selector"
        field_selectors = [
            { field = "eventCategory", equals = ["Management"] },
            { field = "eventSource", not_equals = ["kms.amazonaws.com"] },
        ]

        [[trail.advanced_event_selectors]]
        name = "data events of AWS::S3::Object"
        field_selectors = [
            { field = "eventCategory", equals = ["Data"] },
            { field = "resources.type", equals = ["AWS::S3::Object"] },
            { field = "readOnly", equals = ["false"] },
            { field = "resources.ARN", starts_with = ["arn:aws:s3:::a\"b\\c/"] },
        ]

        # Found: the Insights that the organization trail records.
        [trail.insights]
        error_rate = true
        error_rate_events = ["Data", "Management"]

        [topic]
        # Found: the organization trail notifies it. Its owner manages its
        # policy, because it is not the management account's in the home Region.
        arn = "arn:aws:sns:us-west-2:333333333333:aws-controltower-AllConfigNotifications"

        [archive]
        # Found: the organization trail delivers here.
        bucket = "aws-controltower-logs-222222222222-us-west-2"
        prefix = "o-exampleorgid"
        # Found: the bucket is outside the trail's home Region.
        region = "us-east-1"

        [archive.lifecycle]
        # Found: the bucket has no lifecycle rules, so logs are kept forever.
        # `true` moves logs to cheaper storage and deletes them after retention_days.
        enabled = false

        [key]
        # Found: the organization trail encrypts with it.
        # Another account owns it and manages its policy; `plan` lists what the
        # policy lacks.
        arn = "arn:aws:kms:us-east-1:111111111111:key/1"
        # Found: KMS does not rotate it.
        rotation = false

        [cloudwatch_logs]
        # Found: the organization trail writes here too.
        group = "aws-controltower/CloudTrailLogs"
        # Found: it keeps events forever.
        keep_forever = true
        # Found: the role that CloudTrail writes with.
        role = "CloudTrailRole"
        "#);
    }

    #[test]
    fn a_trail_of_control_tower_is_observed_and_its_accounts_are_found() {
        let mut found = with_trail();
        found.manager = Some(crate::config::TrailManager::ControlTower);
        found.bucket = None;
        found.log_archives.clear();
        found.landing_zone = Observation::Present(crate::org::LandingZone {
            version: "4.0".to_owned(),
            log_archive: Some("222222222222".parse().unwrap()),
            audit: Some("333333333333".parse().unwrap()),
        });
        let config = config_of(&found);
        assert_eq!(config.trail.managed_by, Some(crate::config::TrailManager::ControlTower));
        assert_eq!(config.organization.log_archive_account.as_str(), "222222222222");
        assert_eq!(config.organization.audit_account.unwrap().as_str(), "333333333333");
    }

    #[test]
    fn a_trail_at_home_in_an_opt_in_region_is_not_followed_there() {
        let mut found = with_trail();
        found.trails.as_mut().unwrap()[0].home_region = Some("me-south-1".parse().unwrap());
        assert_eq!(config_of(&found).organization.home_region.as_str(), "us-east-1");
        assert!(draft(&found, &Roles::default(), true).contains("ATTENTION: me-south-1"));
    }

    #[test]
    fn names_that_others_chose_stay_in_their_comments() {
        let mut found = with_trail();
        let hostile = "x\"\nlog_archive_account = \"999999999999\"\r[roles]";
        found.organization.accounts.values_mut().for_each(|one| one.name = hostile.into());
        found.trails.as_mut().unwrap()[0].name = "a trail\n[key]".into();
        found.trails.as_mut().unwrap()[0].bucket = "Upper_Case\nx".into();
        let config = config_of(&found);
        assert_eq!(config.organization.log_archive_account.as_str(), "222222222222");
        assert_eq!(config.trail.name.as_str(), "orgtrail");
        assert_eq!(config.archive.bucket.as_str(), "o-exampleorgid-log-archive");
    }

    #[test]
    fn the_longest_bucket_name_has_room_for_its_access_logs() {
        let mut found = with_trail();
        found.trails.as_mut().unwrap()[0].bucket = "b".repeat(63);
        let config = config_of(&found);
        assert!(config.archive.access_logging.bucket.as_str().ends_with("-access-logs"));
    }
}
