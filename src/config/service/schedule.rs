use std::str::FromStr;

use croner::parser::{CronParser, Seconds};

use crate::config::section::{choice, section};
use crate::config::text::read_text;

section! {
    /// A round that the service runs at certain times.
    pub struct Schedule {
        /// Its name, in lower-case letters, digits and hyphens.
        name: ScheduleName = required,
        /// The parts of the round, in order.
        run: Vec<RoundPart> = required,
        /// When, as minute, hour, day of month, month and day of week: `17 3 * * *`.
        cron: CronPattern = required,
        /// The time zone of `cron`, as the IANA names it: `Europe/Berlin`. A time that clocks
        /// skip in spring runs after the gap; one that they repeat in autumn runs once.
        time_zone: ZoneName = default(ZoneName::utc()),
        /// How many days of digests to verify. Default: all days.
        verify_days: Option<u32> = default(None::<u32>),
        /// Whether to verify of each account and Region only what the archive's newest proof
        /// record does not contain, and a random earlier day. Where anything of that is not
        /// proven, everything is verified.
        incremental: bool = default(false),
        /// How many seconds a round may start after its time. The delay is the same for every
        /// round, and different for every organization, so that not all start at once.
        jitter_seconds: u32 = default(120_u32),
        /// After how many minutes a round is stopped.
        deadline_minutes: u32 = default(720_u32),
        /// Whether the schedule starts no rounds for now.
        paused: bool = default(false),
    }
}

choice! {
    /// A part of a round.
    pub enum RoundPart {
        /// Copy the logs of legacy trails into the archive.
        Consolidate = "consolidate",
        /// Verify the archive's digest chains.
        Verify = "verify",
        /// Check for drift, without fixing it.
        Drift = "drift",
        /// Compare the archive with Event history.
        Reconcile = "reconcile",
        /// Detect tampering and suspicious sign-ins in the events.
        Detect = "detect",
    }
}

/// The schedules of a configuration that names none.
pub(super) fn default_schedules() -> Vec<Schedule> {
    let schedule = |name: &str, run: &[RoundPart], cron: &str, verify_days, incremental| {
        Some(Schedule {
            name: name.parse().ok()?,
            run: run.to_vec(),
            cron: cron.parse().ok()?,
            time_zone: ZoneName::utc(),
            verify_days,
            incremental,
            jitter_seconds: 120,
            deadline_minutes: 720,
            paused: false,
        })
    };
    [
        schedule("hourly", &[RoundPart::Drift, RoundPart::Verify], "23 * * * *", Some(1), false),
        schedule("nightly", RoundPart::ALL, "17 3 * * 1-6", None, true),
        schedule("weekly", RoundPart::ALL, "17 3 * * 0", None, false),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A name in the keys of the state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct ScheduleName(String);

impl ScheduleName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ScheduleName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = !text.is_empty() && text.len() <= 64 && text.bytes().all(is_plain);
        if is_name { Ok(Self(text.to_owned())) } else { Err(SCHEDULE_NAME.to_owned()) }
    }
}

const SCHEDULE_NAME: &str = "1 to 64 lower-case letters, digits and hyphens";

/// A cron pattern of five fields.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct CronPattern {
    text: String,
    #[serde(skip)]
    cron: croner::Cron,
}

impl CronPattern {
    /// The parsed pattern.
    #[must_use]
    pub fn cron(&self) -> &croner::Cron {
        &self.cron
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for CronPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| format!("{CRON}: {error}"))?;
        Ok(Self { text: text.to_owned(), cron })
    }
}

const CRON: &str = "minute, hour, day of month, month and day of week, as in `17 3 * * *`";

/// The name of a time zone, which jiff knows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct ZoneName {
    text: String,
    #[serde(skip)]
    zone: jiff::tz::TimeZone,
}

impl ZoneName {
    pub(crate) fn utc() -> Self {
        Self { text: "UTC".to_owned(), zone: jiff::tz::TimeZone::UTC }
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The time zone.
    #[must_use]
    pub fn zone(&self) -> &jiff::tz::TimeZone {
        &self.zone
    }
}

impl FromStr for ZoneName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let zone = jiff::tz::TimeZone::get(text).map_err(|_| ZONE.to_owned())?;
        Ok(Self { text: text.to_owned(), zone })
    }
}

const ZONE: &str = "a time zone of the IANA database, as in Europe/Berlin";

read_text!(ScheduleName, SCHEDULE_NAME, "nightly");
read_text!(CronPattern, CRON, "17 3 * * *");
read_text!(ZoneName, ZONE, "Europe/Berlin");
