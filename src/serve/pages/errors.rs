//! Pages that say why a page is not shown.

use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use super::components::{capital, card, command, note, verdict};
use super::layout::{Page, Section, bare, response};
use super::time;
use super::view::View;
use crate::printable::plain;
use crate::serve::app::Health;

/// 404 for a path that is no page.
pub(in crate::serve) fn not_found_at(uri: &Uri) -> Response {
    not_found(None, &format!("There is no page `{}`.", uri.path()))
}

/// 404: what is missing, and where to look.
pub(super) fn not_found(view: Option<&View>, what: &str) -> Response {
    let main = html! {
        (failed("404 Not found", what, ""))
        (card("next", "What to do", &Markup::default(), &html! { div.pad { (note(&html! {
            "See " a href="/coverage" { "Coverage" } " for the accounts and Regions, or "
            a href="/rounds" { "Rounds" } " for the rounds."
        })) } }))
    };
    let page = match view {
        Some(view) => {
            let section = match view.address.as_str() {
                path if path.starts_with("/rounds") => Section::Rounds,
                _ => Section::Coverage,
            };
            Page { is_top: false, ..Page::new(view, section, "Not found") }.render(&main)
        }
        None => bare("Not found", &main),
    };
    with_status(StatusCode::NOT_FOUND, page)
}

/// A request that is refused: the scope that is missing, or another condition. The page has
/// nothing of the organization.
pub(in crate::serve) fn refused(status: StatusCode, detail: &str) -> Response {
    let reason = status.canonical_reason().unwrap_or("Refused");
    let state = format!("{} {reason}", status.as_u16());
    let sentence = format!("{}.", capital(detail));
    let next = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => html! {
            p { a href="/sign-in" { "Sign in with another token" } ". Create one where the \
                service runs:" }
            (command("Create a token", "orgtrail service token --scope read --days 90"))
        },
        _ => html! { p { "Open the service by its own address, and send the form from there." } },
    };
    let main = html! {
        (failed(&state, &sentence, ""))
        (card("next", "What to do", &Markup::default(), &html! { div.pad { (next) } }))
    };
    with_status(status, bare(reason, &main))
}

/// 503: the state could not be read, so nothing current can be shown.
pub(super) fn unreadable_state(view: &View, health: &Health) -> Response {
    let (sentence, more) = match (&health.state, health.state_at) {
        (None, _) => ("The service is starting: it has not read its state yet.", String::new()),
        (Some(_), None) => {
            ("The state of the service could not be read since it started.", String::new())
        }
        (Some(_), Some(at)) => (
            "The state of the service cannot be read.",
            format!("The last good answer was {}.", time::ago(at, view.now)),
        ),
    };
    let reason = health.state.as_deref();
    let action = reason.and_then(denied_action);
    let main = html! {
        (failed("503 State unreadable", sentence, &more))
        @if let Some(reason) = reason {
            (card("reason", "What failed", &Markup::default(), &html! { div.pad {
                dl.pairs {
                    dt { "Failed call" } dd { (plain(reason)) }
                    @if let Some(action) = action {
                        dt { "Missing permission" } dd { code { (action) } }
                    }
                    dt { "Last good answer" }
                    dd {
                        @match health.state_at {
                            Some(at) => { (time::full(at)) ", " (time::ago(at, view.now)) },
                            None => { "none since the service started" },
                        }
                    }
                    @if let (Some(at), Some(round)) = (health.state_at, view.board.newest()) {
                        dt { "Known then" }
                        dd { (crate::serve::board::sentence(&view.board)) " "
                            span.soft {
                                "From the round of " (time::at(round.started_at, view.now))
                                ", read " (time::ago(at, view.now)) "; it may have changed."
                            }
                        }
                    }
                }
            } }))
        }
        (card("next", "What to do", &Markup::default(), &html! { div.pad {
            @match (reason, action) {
                (_, Some(action)) => {
                    p { "Allow the service's role " code { (action) } " on the state bucket. \
                        The service tries again within 30 seconds." }
                },
                (Some(_), None) => {
                    p { "Check the place of the state, " code { "service.state" } " in the \
                        configuration. The service tries again within 30 seconds." }
                },
                (None, None) => { p { "Reload this page in a few seconds." } },
            }
            (note(&html! {
                "A round that runs goes on. " code { "orgtrail status" } " reads the state \
                 without the service."
            }))
        } }))
    };
    let page = Page::new(view, Section::Overview, "State unreadable");
    with_status(StatusCode::SERVICE_UNAVAILABLE, page.render(&main))
}

/// The action that AWS denied, according to an error.
fn denied_action(reason: &str) -> Option<&str> {
    let is_action = |word: &&str| {
        word.split_once(':').is_some_and(|(service, operation)| {
            !service.is_empty()
                && service.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                && operation.starts_with(|first: char| first.is_ascii_uppercase())
                && operation.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    };
    let is_denied = reason.contains("access denied") || reason.contains("AccessDenied");
    let words = reason.split([' ', ',', '(', ')', '\n']).map(|word| word.trim_end_matches(':'));
    words.filter(|_| is_denied).find(is_action)
}

fn failed(state: &str, sentence: &str, more: &str) -> Markup {
    let line = html! { span.tag.failed { (state) } };
    let more = html! { @if !more.is_empty() { (more) } };
    verdict("bad", &line, &plain(sentence), &more, &Markup::default())
}

fn with_status(status: StatusCode, page: Markup) -> Response {
    (status, response(page)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_denied_action_is_found_in_the_error() {
        let reason = "the object rounds/: s3:ListBucket in account 111122223333 \
                      (eu-central-1): access denied: not authorized (request 4QX)";
        assert_eq!(denied_action(reason), Some("s3:ListBucket"));
        assert_eq!(denied_action("the object x: s3:GetObject: timed out"), None);
        assert_eq!(denied_action("the file x: access denied"), None);
    }
}
