//! Comparing the archive with Event history, which AWS keeps by itself: whether the trail
//! records and delivers everything.

mod history;
mod trail;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use self::trail::TrailFacts;
use crate::archive::key::Root;
use crate::archive::verify::source::{S3Source, Source};
use crate::aws::Aws;
use crate::config::Regions;
use crate::events::files::{LogFiles, Window};
use crate::events::ids::Ids;
use crate::events::read::{Options, Piece, read};
use crate::events::reconcile::{HistoryEvent, Place, Reconciled};
use crate::names::{AccountId, Region};
use crate::ops::drift::declared;
use crate::ops::{Env, Moment, OpError, Outcome};
use crate::org::{Account, Organization, own_regions};
use crate::policy::Unmanaged;
use crate::resources::Desired;
use crate::words::{counted, in_one_line};

/// How long an event may be on its way before the archive must have it.
///
/// Source: CloudTrail User Guide: log files arrive within about 5 minutes on average, and this
/// is not guaranteed.
pub const SETTLED_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// How far back events are sampled unless requested otherwise.
pub const DEFAULT_WINDOW: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Pages of Event history that are read per account and Region unless requested otherwise.
pub const DEFAULT_SAMPLES: u16 = 3;

/// Accounts, and Regions of each, that are compared at the same time.
const ACCOUNTS_AT_ONCE: usize = 16;
const REGIONS_AT_ONCE: usize = 8;

/// What to compare.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Only these accounts; all if empty.
    pub accounts: BTreeSet<AccountId>,
    /// Only these Regions; all enabled ones if empty.
    pub regions: BTreeSet<Region>,
    /// The earliest time of events; [`DEFAULT_WINDOW`] ago if absent.
    pub since: Option<Moment>,
    /// The latest; [`SETTLED_AFTER`] ago if absent or later.
    pub until: Option<Moment>,
    /// Pages of 50 events per account and Region, one of the newest events and the others at
    /// random times; all events if absent.
    pub samples: Option<u16>,
}

/// How a comparison ended: something is missing, or could not be compared.
#[must_use]
pub fn outcome(reconciled: &Reconciled) -> Outcome {
    if reconciled.missing() > 0 {
        Outcome::Drift
    } else if reconciled.was_stopped
        || reconciled.unknown() > 0
        || reconciled.places.is_empty()
        || !reconciled.notes.is_empty()
    {
        Outcome::Incomplete
    } else {
        Outcome::Clean
    }
}

/// The result in one line.
#[must_use]
pub fn summary(reconciled: &Reconciled) -> String {
    let missing = reconciled.missing();
    let mut text = format!(
        "{} of Event history in {}: {}",
        counted(reconciled.sampled(), "event"),
        counted(reconciled.places.len() as u64, "account and Region").replace("Regions", "Region"),
        if missing == 0 { "none is missing".to_owned() } else { format!("{missing} missing") },
    );
    if reconciled.unknown() > 0 {
        text = format!("{text}, {} not compared", reconciled.unknown());
    }
    text
}

/// Compares the archive with Event history.
///
/// # Errors
/// The request is invalid, no way into AWS, or the accounts cannot be listed. What else is
/// unreadable is in the result.
pub async fn reconcile(env: &Env, request: &Request) -> Result<Reconciled, OpError> {
    let config = env.config()?;
    let (aws, desired) = declared(env, Unmanaged::Keep).await?;
    let now = aws.now();
    let settled = now.saturating_sub(SETTLED_AFTER).unwrap_or(now);
    let since = request.since.map_or_else(
        || settled.saturating_sub(DEFAULT_WINDOW).unwrap_or(settled),
        |since| since.resolve(now),
    );
    let until = request.until.map_or(settled, |until| until.resolve(now).min(settled));
    if since > until {
        return Err(OpError::usage(format!(
            "nothing to compare: events from {since} to {until}; events of the last {} may still be on their way",
            SETTLED_AFTER.as_hours(),
        )));
    }
    let management = aws.clients(desired.management(), desired.home_region());
    let organization = Organization::read(&management).await?;
    unknown_accounts(request, &organization)?;
    let phase = env.progress().phase("comparing with Event history", 0);
    let archive = aws.clients(desired.archive(), &config.archive.region);
    let (trail, notes) = TrailFacts::read(&management, &desired.trail_arn(), since).await;
    let comparing = Comparing {
        aws: &aws,
        desired: &desired,
        request,
        window: Window { since: Some(since), until: Some(until) },
        source: Arc::new(Source::S3(S3Source::new(archive, config.archive.bucket.as_str()))),
        root: Root {
            prefix: config.archive.prefix.as_ref().map(|prefix| prefix.to_string().into()),
            org: Some(organization.id.clone()),
        },
        trail,
        env,
    };
    let accounts: Vec<&Account> = organization
        .accounts
        .values()
        .filter(|account| request.accounts.is_empty() || request.accounts.contains(&account.id))
        .filter(|account| organization.exclusion(account, &config.organization).is_none())
        .collect();
    phase.set_steps(accounts.len());
    let mut places: Vec<Place> = stream::iter(accounts)
        .map(async |account| {
            let places = comparing.account(account).await;
            phase.step_done();
            places
        })
        .buffer_unordered(ACCOUNTS_AT_ONCE)
        .concat()
        .await;
    places.sort_by(|a, b| (&a.account, &a.region).cmp(&(&b.account, &b.region)));
    Ok(Reconciled {
        at: aws.now(),
        from: since,
        to: until,
        places,
        notes,
        was_stopped: env.stop().is_requested(),
    })
}

fn unknown_accounts(request: &Request, organization: &Organization) -> Result<(), OpError> {
    let unknown = request.accounts.iter().find(|id| !organization.accounts.contains_key(*id));
    unknown.map_or(Ok(()), |id| {
        Err(OpError::usage(format!("account {id} is not in organization {}", organization.id)))
    })
}

struct Comparing<'c> {
    aws: &'c Aws,
    desired: &'c Desired,
    request: &'c Request,
    window: Window,
    source: Arc<Source>,
    root: Root,
    trail: TrailFacts,
    env: &'c Env,
}

impl Comparing<'_> {
    async fn account(&self, account: &Account) -> Vec<Place> {
        let enabled = own_regions(self.aws, self.desired.management(), &account.id).await;
        let declared = |region: &Region| match &self.desired.config.organization.regions {
            Regions::AllEnabled => true,
            Regions::Only(only) => only.contains(region),
        };
        let chosen = &self.request.regions;
        let regions = enabled.regions.into_iter().filter(declared);
        let regions = regions.filter(|region| chosen.is_empty() || chosen.contains(region));
        let mut places: Vec<Place> = stream::iter(regions)
            .map(async |region| self.place(account, region).await)
            .buffer_unordered(REGIONS_AT_ONCE)
            .collect()
            .await;
        if let (Some(unread), Some(first)) = (enabled.unread, places.first_mut()) {
            first.unknown.get_or_insert(format!(
                "the account's own Regions could not be read: {}",
                unread.in_full()
            ));
        }
        if ![self.desired.management(), self.desired.archive()].contains(&&account.id) {
            self.aws.release(&account.id);
        }
        places
    }

    async fn place(&self, account: &Account, region: Region) -> Place {
        let mut place = Place::new(account.id.clone(), region.clone());
        if self.env.stop().is_requested() {
            place.unknown = Some("not compared: the command was stopped".to_owned());
            return place;
        }
        let clients = self.aws.clients(&account.id, &region);
        let mut sampled = match history::sample(&clients, self.window, self.request.samples).await {
            Ok(sampled) => sampled,
            Err(error) => {
                place.hint = error.hint();
                place.unknown = Some(format!("Event history: {}", error.in_full()));
                return place;
            }
        };
        sampled.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        sampled.dedup_by(|a, b| a.id == b.id);
        let found = match self.in_archive(&account.id, &region, &sampled).await {
            Ok(found) => found,
            Err(unknown) => {
                place.unknown = Some(unknown.reason);
                unknown.found
            }
        };
        let is_whole = place.unknown.is_none();
        for event in sampled {
            let is_found = found.contains(&event.id);
            let expected = self.trail.expected(&event, account.joined_at);
            // What was not read may have it.
            if is_found || expected.is_some() || is_whole {
                place.add(event, is_found, expected);
            }
        }
        place
    }

    /// Which of some events the archive has.
    async fn in_archive(
        &self,
        account: &AccountId,
        region: &Region,
        events: &[HistoryEvent],
    ) -> Result<HashSet<String>, Unknown> {
        let mut found = HashSet::new();
        let mut reason = None;
        for span in spans(events) {
            let wanted = events.iter().filter(|event| span.contains(event.at));
            let wanted: HashSet<String> = wanted.map(|event| event.id.clone()).collect();
            let files = LogFiles::of_folder(
                Arc::clone(&self.source),
                self.root.clone(),
                account.clone(),
                region.clone(),
                span,
            );
            let (source, stop) = (Arc::clone(&self.source), self.env.stop().clone());
            let mut pieces =
                read(source, files, Arc::new(Ids::new(wanted)), Options::default(), stop);
            while let Some(piece) = pieces.recv().await {
                match piece {
                    Piece::Found(ids) => found.extend(ids),
                    Piece::File(result) => {
                        if let Some(fault) = &result.fault {
                            let key = &result.file.key;
                            reason.get_or_insert(format!("the archive: {key}: {fault}"));
                        }
                    }
                    Piece::ReadUpTo(_) => {}
                    Piece::Failed(error) => {
                        reason.get_or_insert(format!("the archive: {}", in_one_line(&error)));
                    }
                }
            }
        }
        if self.env.stop().is_requested() {
            reason.get_or_insert("the command was stopped".to_owned());
        }
        match reason {
            None => Ok(found),
            Some(reason) => Err(Unknown { reason, found }),
        }
    }
}

/// Part of the archive could not be read.
struct Unknown {
    reason: String,
    found: HashSet<String>,
}

/// The periods of sampled events, which are sorted by time: events far apart are in
/// different ones, so that the files between are not read.
fn spans(events: &[HistoryEvent]) -> Vec<Window> {
    const APART: SignedDuration = SignedDuration::from_hours(3);
    let mut spans: Vec<(Timestamp, Timestamp)> = Vec::new();
    for event in events {
        match spans.last_mut() {
            Some((_, last)) if event.at.duration_since(*last) <= APART => *last = event.at,
            _ => spans.push((event.at, event.at)),
        }
    }
    let window = |(since, until)| Window { since: Some(since), until: Some(until) };
    spans.into_iter().map(window).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_far_apart_are_looked_for_separately() {
        let event = |at: &str| HistoryEvent {
            id: at.to_owned(),
            at: at.parse().unwrap(),
            name: String::new(),
            source: String::new(),
            read_only: None,
        };
        let events = [
            event("2026-01-01T00:00:00Z"),
            event("2026-01-01T02:00:00Z"),
            event("2026-01-02T00:00:00Z"),
        ];
        let found: Vec<_> = spans(&events).iter().map(|it| (it.since, it.until)).collect();
        let at = |index: usize| Some(events[index].at);
        assert_eq!(found, [(at(0), at(1)), (at(2), at(2))]);
        assert!(spans(&[]).is_empty());
    }
}
