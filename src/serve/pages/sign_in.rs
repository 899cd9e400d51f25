//! Signing in with a token, and requests that are refused.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use super::components::{card, note, verdict};
use super::layout::{bare, response};
use crate::printable::plain;

/// The form for a token. `next` is the path that it leads to.
pub fn sign_in(status: StatusCode, error: Option<&str>, next: &str) -> Response {
    let main = html! {
        @if let Some(error) = error {
            p role="alert" { span.tag.failed { "Not signed in" } " " (error) }
        }
        form.card.filter method="post" action="/sign-in" aria-label="Sign in" {
            label { "Token "
                input name="token" type="password" required autocomplete="off" maxlength="256"; }
            input type="hidden" name="next" value=(next);
            button { "Sign in" }
        }
        (card("next", "No token?", &Markup::default(), &html! { div.pad { (note(&html! {
            "An administrator of the service creates one: "
            code { "orgtrail service token --scope read --days 90" }
        })) } }))
    };
    let main = html! {
        (verdict(
            "run",
            &html! { span.tag.delivering { "Sign in" } },
            "Sign in with a token.",
            &Markup::default(),
            &Markup::default(),
        ))
        (main)
    };
    (status, response(bare("Sign in", &main))).into_response()
}

/// A request that is refused, and why.
pub fn refused(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Refused");
    let line = html! { span.tag.failed { (status.as_u16()) " " (title) } };
    let sentence = format!("{}.", plain(detail));
    let main = html! {
        (verdict("bad", &line, &sentence, &Markup::default(), &Markup::default()))
        (card("next", "What to do", &Markup::default(), &html! { div.pad { (note(&html! {
            a href="/sign-in" { "Sign in with another token" }
        })) } }))
    };
    (status, response(bare(title, &main))).into_response()
}
