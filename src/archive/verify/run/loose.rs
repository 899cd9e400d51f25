//! Files with CloudTrail-like names outside every `AWSLogs/<account>/`: no digest covers
//! them there, but a program that reads a bucket by file names would use them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Finding, Selection, Source, Window};
use crate::archive::verify::finding::FindingKind;
use crate::archive::verify::source::ListedObject;
use crate::archive::verify::unlisted::MAX_NAMED;
use crate::names::AccountId;

/// The maximum number of reported files.
const MAX_FILES: usize = 1000;

/// Files with CloudTrail-like names in places where CloudTrail writes none.
#[derive(Debug, Default)]
pub(super) struct LooseFiles {
    /// The first files, with the account and time in their names.
    files: Vec<(String, AccountId, Timestamp)>,
    more: u64,
}

impl LooseFiles {
    /// Adds the objects of a folder.
    pub(super) fn add(&mut self, objects: &[ListedObject]) {
        for object in objects {
            let name = object.key.rsplit('/').next().unwrap_or_default();
            let Some((account, time)) = parse(name) else { continue };
            if self.files.len() < MAX_FILES {
                self.files.push((object.key.clone(), account, time));
            } else {
                self.more += 1;
            }
        }
    }

    /// The finding for files of the selected accounts and the window.
    pub(super) fn finding(
        self,
        source: &Source,
        selection: &Selection,
        window: Window,
    ) -> Option<Finding> {
        let end = window.last.or(window.until);
        let is_in_window = |(_, account, time): &(String, AccountId, Timestamp)| {
            (selection.accounts.is_empty() || selection.accounts.contains(account))
                && window.since.is_none_or(|since| *time >= since)
                && end.is_none_or(|end| *time <= end)
        };
        let asked: Vec<String> =
            self.files.into_iter().filter(is_in_window).map(|(key, ..)| key).collect();
        let count = asked.len() as u64 + self.more;
        let folder = asked.first().and_then(|key| Some(key.rsplit_once('/')?.0.to_owned() + "/"));
        let names = asked.into_iter().take(MAX_NAMED).collect();
        let finding = Finding::new(FindingKind::LogsUnproven)
            .at(source.bucket(), folder.unwrap_or_default())
            .with_mismatch(
                "files below `AWSLogs/<account>/`, where digests list them",
                "elsewhere",
            );
        (count > 0).then(|| finding.with_files(count, names))
    }
}

/// The account and time in a CloudTrail-like file name:
/// `<account>_CloudTrail_<region>_<time>_<characters>.json.gz`, and of digests.
fn parse(name: &str) -> Option<(AccountId, Timestamp)> {
    let (account, rest) = name.split_once('_')?;
    let account = account.parse().ok()?;
    if !rest.to_lowercase().starts_with("cloudtrail") {
        return None;
    }
    let time = rest.split(['_', '.']).find_map(|part| {
        let part = part.strip_suffix('Z')?;
        let formats = ["%Y%m%dT%H%M%S", "%Y%m%dT%H%M"];
        formats.iter().find_map(|format| DateTime::strptime(format, part).ok())
    })?;
    Some((account, time.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_and_time_are_read_from_names_as_cloudtrail_gives_them() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        for (name, wanted) in [
            (
                "111111111111_CloudTrail_us-east-1_20260110T0805Z_aaaaaaaaaaaaaaaa.json.gz",
                Some("2026-01-10T08:05:00Z"),
            ),
            (
                "111111111111_CloudTrail-Digest_us-east-1_t_us-east-1_20260110T080500Z.json.gz",
                Some("2026-01-10T08:05:00Z"),
            ),
            (
                "111111111111_CloudTrail_us-east-1_20260110T0805Z_a.json",
                Some("2026-01-10T08:05:00Z"),
            ),
            ("111111111111_elasticloadbalancing_us-east-1_20260110T0805Z.log", None),
            ("111111111111_CloudTrail_us-east-1.json.gz", None),
            ("1_CloudTrail_us-east-1_20260110T0805Z_a.json.gz", None),
            ("", None),
        ] {
            assert_eq!(parse(name).map(|(_, at)| at), wanted.map(time), "{name}");
        }
    }
}
