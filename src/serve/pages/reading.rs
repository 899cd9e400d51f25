//! Reading recorded events for a page: few pages at once, each for a limited time.

use std::convert::Infallible;
use std::time::Duration;

use maud::{Markup, html};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::components::{command, note, only_note, tag};
use super::view::View;
use crate::archive::blocking::or_panic;
use crate::ops::{Env, OpError};
use crate::printable::plain;
use crate::serve::app::App;
use crate::stop::{Stop, Stopper};

/// How long a page reads. It responds before the server gives up on it.
const LONGEST: Duration = Duration::from_secs(20);
/// The most pages that read at once: each inflates log files on every processor.
static READERS: Semaphore = Semaphore::const_new(2);

/// What came of reading.
#[derive(Debug)]
pub(super) enum Reading<T> {
    /// Nothing was asked for yet.
    NotAsked,
    /// The client may not read logs.
    NotAllowed,
    /// Other pages are reading.
    Busy,
    /// An answer, which may be incomplete.
    Read(T),
    /// There is none.
    Failed(OpError),
}

impl<T> Reading<T> {
    /// Reads for a page in a session of its own. After a while it is asked to stop, and then
    /// gives what it has.
    pub(super) async fn of(
        app: &App,
        view: &View,
        read: impl AsyncFnOnce(Env) -> Result<T, OpError> + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
    {
        if !may_read(view) {
            return Self::NotAllowed;
        }
        let Ok(place) = READERS.try_acquire() else { return Self::Busy };
        let (stopper, stop) = Stop::by_hand();
        let env = app.env_of_round().with_stop(stop).read_only();
        let runtime = Handle::current();
        // If the client goes away, it ends by itself.
        let reading = move || {
            let _place = place;
            runtime.block_on(async {
                tokio::select! {
                    read = read(env) => read,
                    never = stop_later(stopper) => match never {},
                }
            })
        };
        match or_panic(tokio::task::spawn_blocking(reading).await) {
            Ok(read) => Self::Read(read),
            Err(error) => Self::Failed(error),
        }
    }

    /// What to show instead of an answer, if there is none.
    pub(super) fn instead(&self, the_same: &str) -> Option<Markup> {
        let body = match self {
            Self::Read(_) => return None,
            Self::NotAsked => html! { div.pad {
                p { "Nothing was read yet. The same as a command:" }
                (command("The same as a command", the_same))
            } },
            Self::NotAllowed => html! { div.pad {
                (note(&html! {
                    "Log files are shown to clients with the scope " code { "evidence" }
                    " alone. Sign in with such a token, or run the command:"
                }))
                (command("The same as a command", the_same))
            } },
            Self::Busy => only_note(&html! {
                (tag("unreadable", "busy"))
                " Other pages are reading log files. Reload this page in a few seconds."
            }),
            Self::Failed(error) => html! { div.pad {
                (note(&html! {
                    (tag("failed", "not read")) " " (plain(&error.message())) "."
                    @if let Some(hint) = error.hint() { " " (plain(hint)) "." }
                }))
                (command("The same as a command", the_same))
            } },
        };
        Some(body)
    }
}

async fn stop_later(stopper: Stopper) -> Infallible {
    tokio::time::sleep(LONGEST).await;
    stopper.request();
    std::future::pending().await
}

/// Whether a client may read log files: with the right to bundles, which contain them.
pub(super) fn may_read(view: &View) -> bool {
    view.allowed.bundles.is_some()
}
