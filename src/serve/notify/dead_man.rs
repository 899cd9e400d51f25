//! Monitors that raise an alarm if rounds stop: the protocol of healthchecks.io.

use bytes::Bytes;

use super::SendError;
use crate::config::{RoundPart, Schedule, ScheduleName};
use crate::report::contract::round::Part;
use crate::report::contract::service::Round;
use crate::serve::outgoing::{Post, Server};

/// A monitor.
#[derive(Debug)]
pub(super) struct DeadMan {
    pub(super) name: String,
    pub(super) server: Server,
    /// The schedule whose rounds it expects; all if absent.
    pub(super) schedule: Option<ScheduleName>,
}

impl DeadMan {
    /// Whether it is notified of the rounds of a schedule: a round that does not verify
    /// proves nothing.
    pub(super) fn expects(&self, schedule: &Schedule) -> bool {
        self.is_of(schedule.name.as_str()) && schedule.run.contains(&RoundPart::Verify)
    }

    /// Whether a round proved something: its verification has a result. Without one, the
    /// monitor waits, and raises its alarm.
    pub(super) fn is_proven(&self, round: &Round) -> bool {
        let is_verified = |part: &crate::report::contract::service::RoundPart| {
            part.part == Part::Verify && part.report_bytes.is_some() && !part.was_stopped
        };
        self.is_of(&round.schedule) && round.parts.iter().any(is_verified)
    }

    pub(super) async fn started(&self) -> Result<(), SendError> {
        self.ping("start").await
    }

    pub(super) async fn ended(&self, exit_code: u8) -> Result<(), SendError> {
        self.ping(&exit_code.to_string()).await
    }

    async fn ping(&self, path: &str) -> Result<(), SendError> {
        let url = self.server.url().join(path);
        self.server.post(Post { url, headers: Vec::new(), body: Bytes::new() }).await?;
        Ok(())
    }

    fn is_of(&self, schedule: &str) -> bool {
        self.schedule.as_ref().is_none_or(|it| it.as_str() == schedule)
    }
}
