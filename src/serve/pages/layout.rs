//! What all pages have in common: head, navigation and footer.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY as POLICY};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use super::view::View;
use super::{assets, time};
use crate::report::html::Document;

/// What a page may load: its style sheet, its script and its API, all from the service.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; \
     script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// An entry of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// `/`
    Overview,
    /// `/coverage` and `/chains/…`
    Coverage,
    /// `/drift`
    Drift,
    /// `/sources`
    Sources,
    /// `/rounds`
    Rounds,
    /// `/events` and `/events/who`
    Events,
    /// `/evidence`
    Evidence,
    /// `/landing-zone`
    LandingZone,
}

const SECTIONS: [(Section, &str, &str); 8] = [
    (Section::Overview, "/", "Overview"),
    (Section::Coverage, "/coverage", "Coverage"),
    (Section::Drift, "/drift", "Drift"),
    (Section::Sources, "/sources", "Sources"),
    (Section::Rounds, "/rounds", "Rounds"),
    (Section::Events, "/events", "Events"),
    (Section::Evidence, "/evidence", "Evidence"),
    (Section::LandingZone, "/landing-zone", "Landing zone"),
];

/// A page.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// What the page is about, the most important fact first.
    pub title: String,
    /// Its entry in the navigation.
    pub section: Section,
    /// Whether the page is that of the entry, not one below it.
    pub is_top: bool,
    /// Whether it shows the progress of a round.
    pub is_live: bool,
    /// What it shows.
    pub view: &'a View,
}

impl<'a> Page<'a> {
    /// A page of the navigation.
    pub(super) fn new(view: &'a View, section: Section, title: impl Into<String>) -> Self {
        Self { title: title.into(), section, is_top: true, is_live: false, view }
    }

    /// The page with its content.
    pub(super) fn render(&self, main: &Markup) -> Markup {
        let view = self.view;
        let organization = view.board.drift.as_ref().map(|drift| drift.organization.as_str());
        let management_account = &view.config.organization.management_account;
        let subject = organization.unwrap_or(management_account.as_str());
        let current = |section| match (section == self.section, self.is_top) {
            (true, true) => Some("page"),
            (true, false) => Some("true"),
            (false, _) => None,
        };
        let header = html! {
            p {
                @match organization {
                    Some(organization) => { (organization) },
                    None => { "Management account " (management_account) },
                }
            }
            p.asof { (time::full(view.now)) " " a.noprint href=(view.address) { "Reload" } }
        };
        let navigation = html! {
            nav aria-label="Main" { ul {
                @for (section, path, name) in SECTIONS {
                    li { a href=(path) aria-current=[current(section)] { (name) } }
                }
            } }
        };
        let footer = html! {
            "Archive " code { "s3://" (view.bucket()) } ". All times are UTC. \
             This page changes nothing in AWS."
        };
        let title = format!("{}, {subject}, orgtrail", self.title);
        document(title, self.is_live, header, navigation, main, footer)
    }
}

/// A page for those who may not see anything of the organization.
pub(super) fn bare(title: &str, main: &Markup) -> Markup {
    let none = Markup::default;
    document(format!("{title}, orgtrail"), false, none(), none(), main, none())
}

fn document(
    title: String,
    is_live: bool,
    header: Markup,
    navigation: Markup,
    main: &Markup,
    footer: Markup,
) -> Markup {
    let head = html! {
        link rel="stylesheet" href=(assets::style());
        @if is_live { script src=(assets::script()) defer {} }
    };
    Document { title, head, header, navigation, main: main.clone(), footer }.render(Some("/"))
}

/// The response with a page, which nobody stores.
pub(super) fn response(page: Markup) -> Response {
    ([(POLICY, CONTENT_SECURITY_POLICY), (CACHE_CONTROL, "no-store")], page).into_response()
}
