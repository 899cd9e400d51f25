//! Reading a key, and saying where it stops being one.

use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use super::{DIGEST_FOLDER, LogClass, ObjectKey, ObjectKind, Root};
use crate::names::{AccountId, OrgId, Region, TrailName};

/// A key that CloudTrail would not have written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is not a CloudTrail key: {part} is `{found}` at byte {at}, expected {expected}")]
pub struct KeyError {
    /// The key as it was found.
    pub key: String,
    /// Where in the key it stops fitting. Units: bytes from the start.
    pub at: usize,
    /// The part that does not fit, with its article: `the Region`.
    pub part: &'static str,
    /// That part as it was found.
    pub found: String,
    /// What would have been accepted.
    pub expected: String,
}

const SUFFIX: &str = ".json.gz";
const BACKFILL: &str = "_backfill";

/// Whether the text can stand as a log file's unique part.
pub(super) fn is_unique(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl FromStr for ObjectKey {
    type Err = KeyError;

    fn from_str(key: &str) -> Result<Self, KeyError> {
        let (prefix, rest) = split_at_awslogs(key)?;
        let mut folders = Folders { key, rest };

        let mut first = folders.next("the account or organization")?;
        let org = if first.text.starts_with("o-") {
            let org = first.read::<OrgId>("an organization id")?;
            first = folders.next("the account")?;
            Some(org)
        } else {
            None
        };
        let account: AccountId = first.read("an account id")?;
        let folder = folders.next("the kind of object")?;
        let class = match folder.text {
            DIGEST_FOLDER => None,
            name => Some(LogClass::ALL.into_iter().find(|class| class.folder() == name).ok_or_else(
                || {
                    folder.refuse(
                        "CloudTrail, CloudTrail-Insight, CloudTrail-NetworkActivity, CloudTrail-Aggregated or CloudTrail-Digest",
                    )
                },
            )?),
        };
        let region: Region = folders.next("the Region")?.read("a Region's code")?;
        let date = Date {
            year: folders.next("the year")?,
            month: folders.next("the month")?,
            day: folders.next("the day")?,
        };

        let mut name = folders.last("the file name")?;
        name.strip_suffix(SUFFIX)?;
        name.strip("the account in the file name", account.as_str())?;
        name.strip("the kind in the file name", folder.text)?;
        name.strip("the Region in the file name", region.as_str())?;
        let (time, kind) = if let Some(class) = class {
            let time = name.split_first("the time in the file name")?;
            let unique = name.as_part("the unique part of the file name");
            if !is_unique(unique.text) {
                return Err(unique.refuse("16 letters or digits"));
            }
            let kind = ObjectKind::Log { class, unique: unique.text.into() };
            (time.time("%Y%m%dT%H%MZ", "YYYYMMDDThhmmZ")?, kind)
        } else {
            let backfill = name.take_suffix(BACKFILL);
            let time = name.split_last("the time in the file name")?;
            let home = name.split_last("the home Region in the file name")?;
            let trail = name.as_part("the trail in the file name");
            let kind = ObjectKind::Digest {
                trail: trail.read::<TrailName>("a trail's name")?,
                home_region: home.read("a Region's code")?,
                backfill,
            };
            (time.time("%Y%m%dT%H%M%SZ", "YYYYMMDDThhmmssZ")?, kind)
        };
        date.check(time)?;
        let root = Root { prefix: prefix.map(Into::into), org };
        Ok(Self { root, account, region, time, kind })
    }
}

/// What stands before and after the last folder named `AWSLogs`.
fn split_at_awslogs(key: &str) -> Result<(Option<&str>, &str), KeyError> {
    if let Some(at) = key.rfind("/AWSLogs/") {
        return Ok((Some(&key[..at]), &key[at + "/AWSLogs/".len()..]));
    }
    match key.strip_prefix("AWSLogs/") {
        Some(rest) => Ok((None, rest)),
        None => Err(Part { key, name: "the folder", text: key }.refuse("a folder `AWSLogs`")),
    }
}

/// A piece of the key under examination.
#[derive(Clone, Copy)]
struct Part<'a> {
    key: &'a str,
    name: &'static str,
    /// A slice of `key`.
    text: &'a str,
}

impl<'a> Part<'a> {
    fn refuse(&self, expected: impl Into<String>) -> KeyError {
        KeyError {
            key: self.key.to_owned(),
            at: self.text.as_ptr().addr() - self.key.as_ptr().addr(),
            part: self.name,
            found: self.text.to_owned(),
            expected: expected.into(),
        }
    }

    fn read<T: FromStr>(&self, expected: &str) -> Result<T, KeyError> {
        self.text.parse().map_err(|_| self.refuse(expected))
    }

    fn number<T: FromStr>(&self, digits: usize) -> Result<T, KeyError> {
        let expected = || format!("{digits} digits");
        if self.text.len() != digits || !self.text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.refuse(expected()));
        }
        self.text.parse().map_err(|_| self.refuse(expected()))
    }

    fn time(&self, format: &str, expected: &str) -> Result<Timestamp, KeyError> {
        // The parser takes fewer digits than printing would give back.
        if self.text.len() != expected.len() {
            return Err(self.refuse(expected));
        }
        let read = civil::DateTime::strptime(format, self.text)
            .and_then(|time| time.to_zoned(TimeZone::UTC))
            .map_err(|_| self.refuse(expected))?;
        if read.strftime(format).to_string() == self.text {
            Ok(read.timestamp())
        } else {
            Err(self.refuse(expected))
        }
    }

    fn strip_suffix(&mut self, suffix: &str) -> Result<(), KeyError> {
        if self.take_suffix(suffix) {
            return Ok(());
        }
        Err(self.refuse(format!("a name that ends in `{suffix}`")))
    }

    fn take_suffix(&mut self, suffix: &str) -> bool {
        let stripped = self.text.strip_suffix(suffix);
        self.text = stripped.unwrap_or(self.text);
        stripped.is_some()
    }

    /// Takes the field that the folder already names, and the underscore
    /// after it.
    fn strip(&mut self, name: &'static str, field: &str) -> Result<(), KeyError> {
        match self.text.strip_prefix(field).and_then(|rest| rest.strip_prefix('_')) {
            Some(rest) => {
                self.text = rest;
                Ok(())
            }
            None => Err(self.as_part(name).refuse(format!("`{field}`, as in the folder"))),
        }
    }

    fn split_first(&mut self, name: &'static str) -> Result<Self, KeyError> {
        let (first, rest) =
            self.text.split_once('_').ok_or_else(|| self.as_part(name).refuse("an underscore"))?;
        self.text = rest;
        Ok(Self { name, text: first, ..*self })
    }

    fn split_last(&mut self, name: &'static str) -> Result<Self, KeyError> {
        let (rest, last) =
            self.text.rsplit_once('_').ok_or_else(|| self.as_part(name).refuse("an underscore"))?;
        self.text = rest;
        Ok(Self { name, text: last, ..*self })
    }

    fn as_part(&self, name: &'static str) -> Part<'a> {
        Self { name, ..*self }
    }
}

/// The folders that are left to read.
struct Folders<'a> {
    key: &'a str,
    rest: &'a str,
}

impl<'a> Folders<'a> {
    fn next(&mut self, name: &'static str) -> Result<Part<'a>, KeyError> {
        let (text, rest) = self.rest.split_once('/').ok_or_else(|| {
            Part { key: self.key, name, text: self.rest }.refuse("a folder, with a slash after it")
        })?;
        self.rest = rest;
        Ok(Part { key: self.key, name, text })
    }

    fn last(self, name: &'static str) -> Result<Part<'a>, KeyError> {
        let last = Part { key: self.key, name, text: self.rest };
        if self.rest.contains('/') {
            return Err(last.refuse("no further folder"));
        }
        Ok(last)
    }
}

/// The day in the folders.
struct Date<'a> {
    year: Part<'a>,
    month: Part<'a>,
    day: Part<'a>,
}

impl Date<'_> {
    fn check(&self, time: Timestamp) -> Result<(), KeyError> {
        let year: i16 = self.year.number(4)?;
        let month: i8 = self.month.number(2)?;
        let day: i8 = self.day.number(2)?;
        let named = time.to_zoned(TimeZone::UTC).date();
        if (year, month, day) == (named.year(), named.month(), named.day()) {
            return Ok(());
        }
        let wrong = if year != named.year() {
            &self.year
        } else if month != named.month() {
            &self.month
        } else {
            &self.day
        };
        Err(wrong.refuse(format!("the day of the file name, {named}")))
    }
}
