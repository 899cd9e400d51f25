//! Events arrive on a bus, and go to the targets of the rules that want them.

use orgtrail_base::names::{AccountId, Arn, Region};
use serde_json::{Value, json};

use super::{Control, rules};
use crate::auth::Caller;
use crate::services::sqs;
use crate::simulation::Simulation;
use crate::simulator;

/// The service that sends.
const PRINCIPAL: &str = "events.amazonaws.com";
/// Rules without this state do not see events that only read.
///
/// Source: EventBridge User Guide, "Management events from AWS services".
const ALL_MANAGEMENT_EVENTS: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";

/// A record of CloudTrail arrives on the default bus of its account and Region, if a trail
/// that is logging records it.
///
/// Source: EventBridge User Guide, "AWS service events delivered via AWS CloudTrail".
pub(crate) fn arrive_via_cloudtrail(
    control: &mut Control,
    simulation: &Simulation,
    account: &AccountId,
    record: &Value,
) {
    let Some(region) = record["awsRegion"].as_str().and_then(|it| it.parse::<Region>().ok()) else {
        return;
    };
    if !has_rules(control, account, &region) {
        return;
    }
    let now = simulation.clock.now();
    let mut trails = control.accounts.values().flat_map(|owner| owner.cloudtrail.trails.values());
    let is_recorded = trails.any(|trail| {
        trail.logging
            && trail.is_visible(control, account, &region, now)
            && simulator::is_recorded_by(record, trail)
    });
    if !is_recorded {
        return;
    }
    let source = record["eventSource"].as_str().unwrap_or_default();
    let source = source.split('.').next().unwrap_or_default();
    let kind = if record["eventType"] == "AwsServiceEvent" {
        "AWS Service Event via CloudTrail"
    } else {
        "AWS API Call via CloudTrail"
    };
    let event = json!({
        "version": "0",
        "id": simulation.uuid(),
        "detail-type": kind,
        "source": format!("aws.{source}"),
        "account": account,
        "time": record["eventTime"],
        "region": region,
        "resources": [],
        "detail": record,
    });
    arrive(control, simulation, account, &region, &event);
}

fn has_rules(control: &Control, account: &AccountId, region: &Region) -> bool {
    let rules = control.accounts.get(account).map(|it| &it.events.rules);
    let in_region = rules::key(region, "");
    rules.is_some_and(|rules| rules.keys().any(|key| key.starts_with(&in_region)))
}

/// An event arrives on the default bus of an account and Region.
pub(super) fn arrive(
    control: &mut Control,
    simulation: &Simulation,
    account: &AccountId,
    region: &Region,
    event: &Value,
) {
    let only_reads = event["detail"]["readOnly"] == true;
    let rules = control.accounts.get(account).into_iter().flat_map(|it| it.events.rules.values());
    let wanted = rules.filter(|rule| {
        let is_on = rule.state == ALL_MANAGEMENT_EVENTS || (rule.state == "ENABLED" && !only_reads);
        is_on && rule.arn.region.as_ref() == Some(region) && rule.pattern.matches(event)
    });
    let sends: Vec<(Arn, rules::Target)> = wanted
        .flat_map(|rule| rule.targets.values().map(|target| (rule.arn.clone(), target.clone())))
        .collect();
    for (rule, target) in sends {
        let caller =
            Caller::service(simulation.partition, account, PRINCIPAL, Some(rule.to_string()));
        let sent = sqs::deliver(control, simulation, &caller, &target.arn, event.to_string());
        if let (Err(_), Some(dead_letters)) = (sent, target.dead_letters) {
            // What neither takes is lost.
            let _ = sqs::deliver(control, simulation, &caller, &dead_letters, event.to_string());
        }
    }
}
