//! Amazon CloudWatch Logs: groups, streams, events, metric filters.

use std::collections::BTreeMap;

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Arn, Region};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input, unknown_operation};

mod definitions;
mod events;
mod filters;
mod group;
mod policies;

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// By Region and name: `eu-central-1/name`.
    groups: BTreeMap<String, Group>,
    /// Resource policies by Region and name.
    policies: BTreeMap<String, policies::Policy>,
    /// Query definitions by id.
    #[serde(default)]
    definitions: BTreeMap<String, definitions::Definition>,
    /// The account-level retention policy: its name and days.
    #[serde(default)]
    retention: Option<(String, i64)>,
}

impl State {
    /// Sets the account-level retention policy, or takes it away.
    pub(crate) fn set_retention(&mut self, policy: Option<(String, i64)>) {
        self.retention = policy;
    }
}

/// A log group.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Group {
    name: String,
    arn: Arn,
    created: Timestamp,
    retention_days: Option<i64>,
    key: Option<String>,
    class: String,
    tags: BTreeMap<String, String>,
    streams: BTreeMap<String, Stream>,
    filters: BTreeMap<String, Value>,
}

/// A log stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stream {
    created: Timestamp,
    events: Vec<Event>,
    /// Counting those that were dropped for room.
    bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Event {
    /// Milliseconds since 1970.
    at: i64,
    ingested: i64,
    message: String,
}

/// A log group's ARN, without the `:*` that many write after it.
#[derive(Debug, Clone)]
pub(crate) struct GroupArn {
    pub(crate) arn: Arn,
    pub(crate) name: String,
}

impl GroupArn {
    /// The ARN of one of the group's streams.
    pub(crate) fn stream_arn(&self, stream: &str) -> String {
        format!("{}:log-stream:{stream}", self.arn)
    }
}

/// Reads a log group's ARN in either form.
pub(crate) fn parse_group_arn(text: &str) -> Option<GroupArn> {
    let arn: Arn = text.strip_suffix(":*").unwrap_or(text).parse().ok()?;
    let name = arn.resource.strip_prefix("log-group:")?.to_owned();
    let fits = &*arn.service == "logs"
        && !name.contains(':')
        && arn.account.is_some()
        && arn.region.is_some();
    fits.then_some(GroupArn { arn, name })
}

fn place(region: &Region, name: &str) -> String {
    format!("{region}/{name}")
}

/// Whether a log group is there.
pub(crate) fn group_exists(control: &Control, group: &GroupArn) -> bool {
    let (Some(account), Some(region)) = (&group.arn.account, &group.arn.region) else {
        return false;
    };
    control
        .accounts
        .get(account)
        .is_some_and(|account| account.logs.groups.contains_key(&place(region, &group.name)))
}

/// The largest event that CloudTrail sends to a log group.
const MAX_EVENT_BYTES: usize = 256 * 1024;
/// How many events a stream keeps; a sandbox needs no more.
const KEPT_EVENTS: usize = 10_000;

/// Writes events into a stream, which is made if need be. Gives `false` when
/// there is no such group.
pub(crate) fn deliver(
    control: &mut Control,
    group: &GroupArn,
    stream: &str,
    messages: Vec<String>,
    now: Timestamp,
) -> bool {
    let (Some(account), Some(region)) = (&group.arn.account, &group.arn.region) else {
        return false;
    };
    let groups = control.accounts.get_mut(account).map(|account| &mut account.logs.groups);
    let Some(group) = groups.and_then(|groups| groups.get_mut(&place(region, &group.name))) else {
        return false;
    };
    let stream = group.streams.entry(stream.to_owned()).or_insert_with(|| Stream::new(now));
    let at = now.as_millisecond();
    let fitting = messages.into_iter().filter(|message| message.len() <= MAX_EVENT_BYTES);
    stream.append(fitting.map(|message| Event { at, ingested: at, message }));
    true
}

impl Stream {
    fn new(created: Timestamp) -> Self {
        Self { created, events: Vec::new(), bytes: 0 }
    }

    fn append(&mut self, events: impl Iterator<Item = Event>) {
        for event in events {
            self.bytes += event.message.len() as u64 + 26;
            self.events.push(event);
        }
        let surplus = self.events.len().saturating_sub(KEPT_EVENTS);
        self.events.drain(..surplus);
    }
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        "CreateLogGroup" => group::create(control, call),
        "DeleteLogGroup" => group::delete(control, call),
        "DescribeLogGroups" => group::describe(control, call),
        "PutRetentionPolicy" => group::put_retention(control, call),
        "DeleteRetentionPolicy" => group::delete_retention(control, call),
        "AssociateKmsKey" => group::associate_key(control, call),
        "DisassociateKmsKey" => group::disassociate_key(control, call),
        "TagResource" => group::tag(control, call),
        "UntagResource" => group::untag(control, call),
        "ListTagsForResource" => group::list_tags(control, call),
        "CreateLogStream" => events::create_stream(control, call),
        "DeleteLogStream" => events::delete_stream(control, call),
        "DescribeLogStreams" => events::describe_streams(control, call),
        "PutLogEvents" => events::put(control, call),
        "GetLogEvents" => events::get(control, call),
        "FilterLogEvents" => events::filter(control, call),
        "PutMetricFilter" => filters::put(control, call),
        "DescribeMetricFilters" => filters::describe(control, call),
        "DeleteMetricFilter" => filters::delete(control, call),
        "PutQueryDefinition" => definitions::put(control, call),
        "DescribeQueryDefinitions" => definitions::describe(control, call),
        "DeleteQueryDefinition" => definitions::delete(control, call),
        "PutResourcePolicy" => policies::put(control, call),
        "DescribeResourcePolicies" => policies::describe(control, call),
        "DeleteResourcePolicy" => policies::delete(control, call),
        _ => Err(unknown_operation(call)),
    }
}

fn groups<'a>(
    control: &'a Control,
    account: &AccountId,
) -> Result<&'a BTreeMap<String, Group>, ApiError> {
    Ok(&input::account(control, account)?.logs.groups)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterException", message)
}

fn no_group() -> ApiError {
    ApiError::new("ResourceNotFoundException", "The specified log group does not exist.")
}

/// The name of the group that a call means, by name or ARN.
fn name_of(call: &Call<'_>) -> Result<String, ApiError> {
    for member in ["logGroupName", "logGroupIdentifier", "resourceArn", "resourceIdentifier"] {
        if let Some(text) = input::text(call.input, member) {
            return match parse_group_arn(text) {
                Some(group) => Ok(group.name),
                None if text.starts_with("arn:") => Err(no_group()),
                None => Ok(text.to_owned()),
            };
        }
    }
    Err(invalid("logGroupName must not be null"))
}

/// The group that a call means, once the caller may do this to it.
fn group_mut<'a>(control: &'a mut Control, call: &Call<'_>) -> Result<&'a mut Group, ApiError> {
    let name = name_of(call)?;
    call.allow(control, &call.arn(format!("log-group:{name}:*")).to_string())?;
    input::account_mut(control, &call.caller.account)?
        .logs
        .groups
        .get_mut(&place(call.region, &name))
        .ok_or_else(no_group)
}

/// One page in the service's manner: `limit`, `nextToken`.
fn page(
    call: &Call<'_>,
    member: &str,
    items: impl IntoIterator<Item = (String, Value)>,
    most: usize,
) -> Reply {
    let limit = input::limit(call.input, "limit", most, most)
        .ok_or_else(|| invalid(format!("limit is 1 to {most}")))?;
    let (items, next) = input::page(items, input::text(call.input, "nextToken"), limit)
        .ok_or_else(|| invalid("The specified nextToken is invalid."))?;
    Ok(json!({ member: items, "nextToken": next }))
}
