//! AWS's time, as its answers state it.

use std::time::SystemTime;

use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::date_time::{DateTime, Format};
use jiff::{SignedDuration, Timestamp};
use orgtrail_base::SANDBOX_TIME;
use parking_lot::RwLock;

/// A longer round trip does not determine the time.
const MAX_ROUND_TRIP: SignedDuration = SignedDuration::from_mins(5);
/// The unit of a `Date` header.
const ONE_SECOND: SignedDuration = SignedDuration::from_secs(1);

/// AWS's time: the local clock, corrected by what AWS's answers state.
#[derive(Debug)]
pub(super) struct ServiceClock {
    local: SharedTimeSource,
    stated: RwLock<ServiceTime>,
}

/// AWS's time, as the newest response stated it.
#[derive(Debug, Clone, Copy, Default)]
enum ServiceTime {
    /// No response yet: the local clock is used.
    #[default]
    Unknown,
    /// How far AWS is ahead of the local clock; zero if the two agree.
    Ahead(SignedDuration),
    /// The time of a sandbox's simulated clock.
    Sandbox(Timestamp),
}

impl ServiceClock {
    pub(super) fn new(local: SharedTimeSource) -> Self {
        Self { local, stated: RwLock::default() }
    }

    /// The local clock.
    pub(super) fn local(&self) -> Timestamp {
        timestamp(self.local.now())
    }

    /// AWS's time.
    pub(super) fn now(&self) -> Timestamp {
        match *self.stated.read() {
            ServiceTime::Unknown => self.local(),
            ServiceTime::Ahead(by) => self.local().saturating_add(by).unwrap_or(Timestamp::MAX),
            ServiceTime::Sandbox(shows) => shows,
        }
    }

    /// How far AWS is ahead of the local clock; negative where it is behind.
    pub(super) fn ahead(&self) -> SignedDuration {
        match *self.stated.read() {
            ServiceTime::Unknown => SignedDuration::ZERO,
            ServiceTime::Ahead(by) => by,
            ServiceTime::Sandbox(shows) => shows.duration_since(self.local()),
        }
    }

    /// Whether an orgtrail sandbox answers.
    pub(super) fn is_sandbox(&self) -> bool {
        matches!(*self.stated.read(), ServiceTime::Sandbox(_))
    }

    /// Reads the time from an answer to a request that was sent at `sent`, by the
    /// local clock. On loopback, a sandbox's own time counts.
    pub(super) fn read(&self, answer: &HttpResponse, sent: Timestamp, is_loopback: bool) {
        let headers = answer.headers();
        let simulated = headers.get(SANDBOX_TIME).filter(|_| is_loopback);
        if let Some(shows) = simulated.and_then(|time| time.parse::<Timestamp>().ok()) {
            let mut stated = self.stated.write();
            *stated = match *stated {
                // Answers overtake each other.
                ServiceTime::Sandbox(before) => ServiceTime::Sandbox(before.max(shows)),
                _ => ServiceTime::Sandbox(shows),
            };
            return;
        }
        // A cache states the time at which it was filled (RFC 9110, section 5.6.7).
        if headers.get("age").is_some() || self.is_sandbox() {
            return;
        }
        let Some(stated) = headers.get("date").and_then(http_date) else { return };
        let received = self.local();
        if let Some(by) = difference(stated, sent, received) {
            *self.stated.write() = ServiceTime::Ahead(by);
        }
    }
}

/// How far a server that stated a time is ahead; zero where it may agree with the
/// local clock. `None` where the answer took too long.
fn difference(stated: Timestamp, sent: Timestamp, received: Timestamp) -> Option<SignedDuration> {
    let took = received.duration_since(sent);
    if took.is_negative() || took > MAX_ROUND_TRIP {
        return None;
    }
    // The server's clock showed a time of the second that it states, at a moment
    // between the two.
    let (least, most) = (stated.duration_since(received), stated.duration_since(sent) + ONE_SECOND);
    if least <= SignedDuration::ZERO && most >= SignedDuration::ZERO {
        return Some(SignedDuration::ZERO);
    }
    Some(least + (most - least) / 2)
}

fn http_date(text: &str) -> Option<Timestamp> {
    let time = DateTime::from_str(text, Format::HttpDate).ok()?;
    Timestamp::from_second(time.secs()).ok()
}

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use aws_smithy_async::time::StaticTimeSource;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn clock(local: &str) -> ServiceClock {
        let local = SystemTime::from(at(local));
        ServiceClock::new(SharedTimeSource::new(StaticTimeSource::new(local)))
    }

    fn answer(headers: &[(&'static str, &'static str)]) -> HttpResponse {
        let mut answer = HttpResponse::new(200.try_into().unwrap(), SdkBody::empty());
        for (name, value) in headers {
            answer.headers_mut().insert(*name, *value);
        }
        answer
    }

    const DATE: (&str, &str) = ("date", "Thu, 01 Jan 2026 12:00:00 GMT");

    #[test]
    fn the_local_clock_stands_where_it_may_be_right() {
        for local in ["2026-01-01T12:00:00Z", "2026-01-01T12:00:00.999Z", "2026-01-01T12:00:01Z"] {
            let clock = clock(local);
            clock.read(&answer(&[DATE]), at("2026-01-01T12:00:00Z"), false);
            assert_eq!((clock.now(), clock.ahead()), (at(local), SignedDuration::ZERO), "{local}");
        }
    }

    #[test]
    fn a_wrong_local_clock_is_corrected_by_the_answers_date() {
        for (local, ahead) in [("2026-01-01T11:50:00Z", 600), ("2026-01-01T13:00:00Z", -3600)] {
            let clock = clock(local);
            assert_eq!(clock.now(), at(local));
            clock.read(&answer(&[DATE]), at(local), false);
            // The header states whole seconds.
            let found = clock.ahead().as_secs();
            assert!((found - ahead).abs() <= 1, "{local}: {found}");
            let off = clock.now().duration_since(at("2026-01-01T12:00:00Z")).abs();
            assert!(off <= ONE_SECOND, "{local}: {off}");
        }
    }

    #[test]
    fn what_states_no_time_of_now_is_not_believed() {
        let local = "2026-01-01T10:00:00Z";
        for (headers, sent) in [
            (&[][..], local),
            (&[("date", "yesterday")], local),
            (&[DATE, ("age", "7200")], local),
            // It took an hour.
            (&[DATE], "2026-01-01T09:00:00Z"),
            // A sandbox is on this machine alone.
            (&[(SANDBOX_TIME, "2030-01-01T00:00:00Z")], local),
        ] {
            let clock = clock(local);
            clock.read(&answer(headers), at(sent), false);
            assert_eq!(clock.now(), at(local), "{headers:?}");
            assert!(!clock.is_sandbox());
        }
    }

    #[test]
    fn a_sandboxs_clock_counts_on_loopback_and_never_goes_back() {
        let clock = clock("2026-01-01T10:00:00Z");
        for shows in ["2026-01-08T10:00:00Z", "2026-01-08T09:59:59Z"] {
            clock.read(&answer(&[DATE, (SANDBOX_TIME, shows)]), at("2026-01-01T10:00:00Z"), true);
            assert_eq!(clock.now(), at("2026-01-08T10:00:00Z"));
        }
        assert!(clock.is_sandbox());
        assert_eq!(clock.ahead(), SignedDuration::from_hours(7 * 24));
    }
}
