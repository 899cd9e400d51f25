//! The events that trails record, and whether they recorded them at a time: the current
//! settings, if the event history shows no change since.

use std::collections::BTreeMap;

use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::ChainScope;
use crate::archive::verify::chain::TrailId;
use crate::archive::verify::place::{OrgOwner, TrailOwner};
use crate::aws::{At as _, Aws, AwsError, Clients, Observation};
use crate::names::{Arn, Partition};
use crate::resources::EventSelectors;

/// The length of the event history. Source: CloudTrail User Guide, "Working with CloudTrail
/// event history".
const HISTORY: SignedDuration = SignedDuration::from_hours(24 * 90);
/// The events that change what a trail records.
const CHANGES: [&str; 4] = ["PutEventSelectors", "UpdateTrail", "CreateTrail", "DeleteTrail"];
/// The maximum number of pages to read; more events count as a change.
const PAGES: usize = 20;

/// The results by the trail's ARN.
#[derive(Debug, Default)]
pub(super) struct TrailRecordings {
    trails: Mutex<BTreeMap<String, Result<RecordedEvents, String>>>,
    changed: Mutex<BTreeMap<(String, Timestamp), Result<(), String>>>,
}

/// The events that a trail records.
#[derive(Debug, Clone)]
struct RecordedEvents {
    selectors: EventSelectors,
    /// Whether it records the events of global services (IAM, STS).
    global: bool,
}

impl TrailRecordings {
    /// Whether one trail recorded at least as much as another since a time, or why that is
    /// unknown.
    pub(super) async fn covers_trail(
        &self,
        aws: &Aws,
        scope: &ChainScope,
        (one, other): (&TrailId, &TrailId),
        since: Timestamp,
        org_owner: Option<&OrgOwner>,
    ) -> Result<(), String> {
        let own = self.of(aws, scope, one, org_owner).await?;
        let theirs = self.of(aws, scope, other, org_owner).await?;
        let mut lacks = own.selectors.lacks(&theirs.selectors);
        if theirs.global && !own.global {
            lacks.push("the events of global services".to_owned());
        }
        if !lacks.is_empty() {
            let lacks = lacks.join(", ");
            return Err(format!("the trail {} does not record {lacks}", one.trail));
        }
        for trail in [one, other] {
            self.unchanged(aws, scope, trail, since, org_owner).await?;
        }
        Ok(())
    }

    async fn of(
        &self,
        aws: &Aws,
        scope: &ChainScope,
        trail: &TrailId,
        org_owner: Option<&OrgOwner>,
    ) -> Result<RecordedEvents, String> {
        let arn = arn(scope, trail, org_owner)?;
        let mut known = self.trails.lock().await;
        if let Some(known) = known.get(&arn.to_string()) {
            return known.clone();
        }
        let clients = clients(aws, &arn)?;
        let read = match EventSelectors::read(&clients, &arn).await {
            Observation::Present(selectors) => records_global(&clients, &arn)
                .await
                .map(|global| RecordedEvents { selectors, global })
                .map_err(|error| format!("the trail {arn} could not be read: {error}")),
            Observation::Absent => {
                Err(format!("the trail {arn} no longer exists: what it recorded is not known"))
            }
            Observation::Unreadable(error) => {
                Err(format!("what the trail {arn} records could not be read: {error}"))
            }
        };
        known.insert(arn.to_string(), read.clone());
        read
    }

    async fn unchanged(
        &self,
        aws: &Aws,
        scope: &ChainScope,
        trail: &TrailId,
        since: Timestamp,
        org_owner: Option<&OrgOwner>,
    ) -> Result<(), String> {
        let arn = arn(scope, trail, org_owner)?;
        if aws.now().duration_since(since) >= HISTORY {
            return Err(format!("what the trail {arn} recorded at {since} is no longer known"));
        }
        let asked = (arn.to_string(), since);
        let mut known = self.changed.lock().await;
        if let Some(known) = known.get(&asked) {
            return known.clone();
        }
        let answer = match changed(&clients(aws, &arn)?, &arn, since).await {
            Ok(None) => Ok(()),
            Ok(Some(event)) => Err(format!("the trail {arn} was changed since ({event})")),
            Err(error) => {
                Err(format!("whether the trail {arn} was changed since could not be read: {error}"))
            }
        };
        known.insert(asked, answer.clone());
        answer
    }
}

fn arn(scope: &ChainScope, trail: &TrailId, org_owner: Option<&OrgOwner>) -> Result<Arn, String> {
    let owner = match &trail.owner {
        Some(TrailOwner::Account) => Some(scope.account.clone()),
        Some(TrailOwner::Organization(org)) => {
            org_owner.filter(|known| known.org == *org).map(|known| known.management.clone())
        }
        None => None,
    };
    let owner =
        owner.ok_or_else(|| format!("the owner of the trail {} is not known", trail.trail))?;
    let partition = Partition::of(&scope.region);
    let name = format!("trail/{}", trail.trail);
    Ok(Arn::regional(partition, "cloudtrail", &trail.home_region, &owner, name))
}

/// Whether a trail records the events of global services.
async fn records_global(clients: &Clients, trail: &Arn) -> Result<bool, AwsError> {
    const ACTION: &str = "cloudtrail:DescribeTrails";
    let read = clients.cloudtrail().describe_trails().trail_name_list(trail.to_string());
    let read = read.send().await.at(clients, ACTION)?;
    let read = read.trail_list().first().ok_or_else(|| clients.malformed(ACTION, "no trail"))?;
    Ok(read.include_global_service_events() == Some(true))
}

fn clients(aws: &Aws, arn: &Arn) -> Result<Clients, String> {
    let place = arn.account.as_ref().zip(arn.region.as_ref());
    let (account, region) = place.ok_or_else(|| format!("{arn} names no account and Region"))?;
    Ok(aws.clients(account, region))
}

/// The first event that changed what a trail records since a time.
async fn changed(
    clients: &Clients,
    trail: &Arn,
    since: Timestamp,
) -> Result<Option<&'static str>, AwsError> {
    let name = trail.resource_name().to_owned();
    for event in CHANGES {
        let attribute = LookupAttribute::builder()
            .attribute_key(LookupAttributeKey::EventName)
            .attribute_value(event)
            .build()
            .map_err(|error| clients.malformed("cloudtrail:LookupEvents", &error.to_string()))?;
        let mut token = None;
        for page in 0.. {
            if page == PAGES {
                return Ok(Some(event));
            }
            let found = clients
                .cloudtrail()
                .lookup_events()
                .lookup_attributes(attribute.clone())
                .start_time(aws_smithy_types::DateTime::from_secs(since.as_second()))
                .set_next_token(token.take())
                .send()
                .await
                .at(clients, "cloudtrail:LookupEvents")?;
            let names = |text: Option<&str>| text.is_none_or(|text| text.contains(&name));
            if found.events().iter().any(|one| names(one.cloud_trail_event())) {
                return Ok(Some(event));
            }
            token = found.next_token;
            if token.is_none() {
                break;
            }
        }
    }
    Ok(None)
}
