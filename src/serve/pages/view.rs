//! What a page shows, at one moment.

use std::sync::Arc;

use axum::Extension;
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use maud::Markup;
use tracing::error;

use super::errors::unreadable_state;
use super::query::Query;
use crate::compute::of_pages;
use crate::config::{Config, Schedule};
use crate::names::{AccountId, BucketName};
use crate::report::contract::live::LiveRound;
use crate::serve::accounts::Accounts;
use crate::serve::app::{App, Health};
use crate::serve::board::{Account, Board, Coverage};
use crate::serve::evidence::Bundles;
use crate::serve::slots::Timetable;
use crate::serve::status;

/// What a page shows.
#[derive(Debug)]
pub(super) struct View {
    /// The time.
    pub now: Timestamp,
    /// The configuration.
    pub config: Arc<Config>,
    /// What the rounds know.
    pub board: Arc<Board>,
    /// What is known about accounts that join and leave.
    pub accounts: Arc<Accounts>,
    /// The round that this replica runs.
    pub live: Option<LiveRound>,
    /// The name of this replica.
    pub replica: String,
    /// The path of the page, with its parameters.
    pub address: String,
    /// The parameters.
    pub query: Query,
    /// What the client may do.
    pub allowed: Allowed,
}

/// What a client may do, except reading pages.
#[derive(Debug, Clone, Default)]
pub(in crate::serve) struct Allowed {
    /// Whether it may ask for rounds.
    pub run: bool,
    /// The evidence bundles, if it may have them.
    pub bundles: Option<Bundles>,
}

/// The next round.
#[derive(Debug, Clone)]
pub(super) struct NextSlot<'a> {
    /// Its schedule.
    pub schedule: &'a Schedule,
    /// When it starts.
    pub at: Timestamp,
}

impl View {
    /// What there is to show now.
    ///
    /// # Errors
    /// The state could not be read: the page that says so.
    pub(super) fn of(app: &App, uri: &Uri) -> Result<Self, Box<Response>> {
        let health = app.health();
        let view = Self {
            now: app.now(),
            config: app.config(),
            board: app.board(),
            accounts: app.accounts(),
            live: app.live().round(),
            replica: app.replica().to_owned(),
            address: address(uri),
            query: Query::of(uri.query()),
            allowed: Allowed::default(),
        };
        match health {
            Health { state: None, state_at: Some(_), .. } => Ok(view),
            health => Err(Box::new(unreadable_state(&view, &health))),
        }
    }

    /// The same for a client that may do more than read pages.
    ///
    /// # Errors
    /// As for [`Self::of`].
    pub(super) fn of_client(
        app: &App,
        uri: &Uri,
        allowed: Option<Extension<Allowed>>,
    ) -> Result<Self, Box<Response>> {
        let allowed = allowed.map(|Extension(allowed)| allowed).unwrap_or_default();
        Ok(Self { allowed, ..Self::of(app, uri)? })
    }

    /// The archive bucket.
    pub(super) fn bucket(&self) -> &BucketName {
        &self.config.archive.bucket
    }

    /// The schedules that run, and when.
    pub(super) fn timetables(&self) -> impl Iterator<Item = (&Schedule, Timetable)> {
        let management_account = &self.config.organization.management_account;
        let schedules = self.config.service.schedule.iter();
        schedules.map(move |schedule| (schedule, Timetable::new(schedule, management_account)))
    }

    /// When the next round of a schedule starts.
    pub(super) fn next_of(&self, schedule: &Schedule, timetable: &Timetable) -> Option<Timestamp> {
        let next = timetable.next_after(self.now).filter(|_| !schedule.paused)?;
        Some(next.due_at)
    }

    /// The next round of all schedules.
    pub(super) fn next_slot(&self) -> Option<NextSlot<'_>> {
        let next = self.timetables().filter_map(|(schedule, timetable)| {
            Some(NextSlot { schedule, at: self.next_of(schedule, &timetable)? })
        });
        next.min_by_key(|next| next.at)
    }

    /// Whether the evidence is older than the schedules allow.
    pub(super) fn evidence_is_old(&self) -> bool {
        status::evidence_is_old(&self.config, &self.board, self.now)
    }

    /// Through when everything is proven of which something is, and how many accounts and
    /// Regions are not proven at all.
    pub(super) fn proven_through(&self) -> (Option<Timestamp>, usize) {
        let ends = self.board.coverage.as_ref().map(Coverage::proven_through).unwrap_or_default();
        let unproven = ends.iter().filter(|end| end.is_none()).count();
        (ends.into_iter().flatten().next(), unproven)
    }

    /// An account of the organization.
    pub(super) fn account(&self, id: &AccountId) -> Option<&Account> {
        self.board.coverage.as_ref()?.account(id)
    }
}

/// The path and the parameters of a request, for a link to the same page.
fn address(uri: &Uri) -> String {
    let address = uri.path_and_query().map_or("/", |it| it.as_str());
    // `//host` would be a link to another site.
    format!("/{}", address.trim_start_matches('/'))
}

/// Renders a page for a client that may not only read.
pub(super) async fn respond_to(
    app: &App,
    uri: &Uri,
    allowed: Option<Extension<Allowed>>,
    page: fn(&View) -> Markup,
) -> Response {
    match View::of_client(app, uri, allowed) {
        Ok(view) => super::layout::response(page(&view)),
        Err(response) => *response,
    }
}

/// Renders a page apart from the tasks of rounds, because a large organization takes a while.
pub(super) async fn respond(
    app: &App,
    uri: &Uri,
    page: impl FnOnce(&View) -> Result<Markup, Box<Response>> + Send + 'static,
) -> Response {
    let view = match View::of(app, uri) {
        Ok(view) => view,
        Err(response) => return *response,
    };
    match of_pages(move || page(&view)).await {
        Ok(Ok(page)) => super::layout::response(page),
        Ok(Err(response)) => *response,
        Err(error) => {
            error!(%error, "a page was not rendered");
            axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
