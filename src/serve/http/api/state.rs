//! What the handlers share.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, header};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::super::problem::Problem;
use super::start::KnownRequest;
use crate::report::contract::service::Status;
use crate::serve::app::App;
use crate::serve::evidence::Bundles;
use crate::stop::Stop;

/// For how long a status is good: it asks the state who runs the slots.
const STATUS_AGE: Duration = Duration::from_secs(5);
/// The most reports and bundles that are sent at once: each report is in memory.
const MOST_DOWNLOADS: usize = 4;
/// The most readers of events.
const MOST_READERS: usize = 64;

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::serve::http) struct Service {
    pub(in crate::serve::http) app: App,
    pub(in crate::serve::http) bundles: Bundles,
    pub(in crate::serve::http) stop: Stop,
    downloads: Arc<Semaphore>,
    conversions: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    status: Arc<tokio::sync::Mutex<Option<ReadStatus>>>,
    pub(super) requests: Arc<Mutex<VecDeque<KnownRequest>>>,
}

/// A status, and when it was read.
type ReadStatus = (Instant, Arc<Status>);

impl Service {
    pub(in crate::serve::http) fn new(app: App, bundles: Bundles, stop: Stop) -> Self {
        Self {
            app,
            bundles,
            stop,
            downloads: Arc::new(Semaphore::new(MOST_DOWNLOADS)),
            conversions: Arc::new(Semaphore::new(1)),
            readers: Arc::new(Semaphore::new(MOST_READERS)),
            status: Arc::default(),
            requests: Arc::default(),
        }
    }

    /// The status, which is read once for all clients that ask at about the same time.
    pub(super) async fn status(&self) -> Result<Arc<Status>, Problem> {
        let mut known = self.status.lock().await;
        let round = self.app.board().newest().map(|round| round.id.clone());
        if let Some((at, status)) = &*known
            && at.elapsed() < STATUS_AGE
            && status.rounds.first().map(|round| &round.id) == round.as_ref()
        {
            return Ok(Arc::clone(status));
        }
        let status = self.app.status().await;
        self.app.note_state(&status);
        let status = Arc::new(status?);
        *known = Some((Instant::now(), Arc::clone(&status)));
        Ok(status)
    }

    /// The right to send a large answer, until it is dropped.
    pub(in crate::serve::http) fn download(&self) -> Result<OwnedSemaphorePermit, Problem> {
        place(&self.downloads, "too many downloads are running")
    }

    /// The right to convert a report, until it is dropped: a report of thousands of accounts
    /// takes several times its size.
    pub(super) fn conversion(&self) -> Result<OwnedSemaphorePermit, Problem> {
        place(&self.conversions, "another report is being converted")
    }

    /// The right to read events, until it is dropped.
    pub(super) fn reader(&self) -> Result<OwnedSemaphorePermit, Problem> {
        place(&self.readers, "too many clients read events")
    }
}

fn place(places: &Arc<Semaphore>, full: &str) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(places).try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, full).with_header(header::RETRY_AFTER, "5")
    })
}
