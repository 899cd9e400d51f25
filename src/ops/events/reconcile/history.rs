use aws_sdk_cloudtrail::types::Event;
use jiff::{SignedDuration, Timestamp};

use crate::aws::{At as _, AwsError, Clients};
use crate::events::files::Window;
use crate::events::reconcile::HistoryEvent;

/// Events of a page.
///
/// Source: CloudTrail `LookupEvents`, `MaxResults`.
const PAGE: i32 = 50;
/// The most pages of an account and Region, if all events are read: half an hour at two
/// requests a second.
const MAX_PAGES: usize = 3_600;
/// The length of Event history.
const HISTORY: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Reads events of Event history: the newest page and pages at random times, or all.
pub(super) async fn sample(
    clients: &Clients,
    window: Window,
    samples: Option<u16>,
) -> Result<Vec<HistoryEvent>, AwsError> {
    let until = window.until.unwrap_or(Timestamp::MAX);
    let oldest = until.saturating_sub(HISTORY).unwrap_or(until);
    let since = window.since.map_or(oldest, |since| since.max(oldest));
    let Some(samples) = samples else { return all(clients, since, until).await };
    let mut events = Vec::new();
    for number in 0..samples {
        let end = if number == 0 { until } else { between(since, until) };
        let (page, _) = page(clients, since, end, None).await?;
        let is_empty = page.is_empty();
        events.extend(page);
        // The newest page has what there is.
        if is_empty && number == 0 {
            break;
        }
    }
    Ok(events)
}

async fn all(
    clients: &Clients,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<HistoryEvent>, AwsError> {
    let (mut events, mut token) = (Vec::new(), None);
    for _ in 0..MAX_PAGES {
        let (found, next) = page(clients, since, until, token).await?;
        events.extend(found);
        token = next;
        if token.is_none() {
            return Ok(events);
        }
    }
    let found = format!("more than {} events: narrow the window", events.len());
    Err(clients.malformed("cloudtrail:LookupEvents", &found))
}

fn between(since: Timestamp, until: Timestamp) -> Timestamp {
    let (from, to) = (since.as_second(), until.as_second());
    Timestamp::from_second(fastrand::i64(from..=to.max(from))).unwrap_or(until)
}

async fn page(
    clients: &Clients,
    since: Timestamp,
    until: Timestamp,
    token: Option<String>,
) -> Result<(Vec<HistoryEvent>, Option<String>), AwsError> {
    const ACTION: &str = "cloudtrail:LookupEvents";
    let time = |at: Timestamp| aws_smithy_types::DateTime::from_secs(at.as_second());
    let answer = clients
        .cloudtrail()
        .lookup_events()
        .start_time(time(since))
        .end_time(time(until))
        .max_results(PAGE)
        .set_next_token(token)
        .send()
        .await
        .at(clients, ACTION)?;
    let events = answer.events().iter().map(|event| {
        read(event).ok_or_else(|| clients.malformed(ACTION, "an event without an id or a time"))
    });
    Ok((events.collect::<Result<_, _>>()?, answer.next_token))
}

fn read(event: &Event) -> Option<HistoryEvent> {
    Some(HistoryEvent {
        id: event.event_id()?.to_owned(),
        at: Timestamp::from_second(event.event_time()?.secs()).ok()?,
        name: event.event_name().unwrap_or_default().to_owned(),
        source: event.event_source().unwrap_or_default().to_owned(),
        read_only: event.read_only().and_then(|flag| flag.parse().ok()),
    })
}
