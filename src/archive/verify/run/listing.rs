//! Lists digests and log files below the roots of a bucket.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::deleted::DeletedDigests;
use super::{ChainScope, Request};
use crate::archive::key::{DIGEST_FOLDER, ObjectKey, Root};
use crate::archive::verify::clutter::is_clutter;
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::place::ChainName;
use crate::archive::verify::source::{ListError, ListedKey, ListedObject, Source};
use crate::archive::verify::unlisted::HOUR_MARGIN;
use crate::names::TrailName;

/// Digests per step.
const STEP: usize = 64;
/// The maximum number of unexpected objects per folder with their own finding; the last
/// finding counts all further ones.
const MAX_UNEXPECTED: usize = 1000;

/// The objects of one folder of a scope, in key order.
pub(super) struct Listing {
    /// The root of CloudTrail's keys in it.
    root: Root,
    objects: BoxStream<'static, Result<ListedKey, ListError>>,
    /// The deleted digests.
    deleted: DeletedDigests,
    /// The number of unexpected objects in it.
    unexpected: usize,
}

/// The digests of an account and Region below all roots, listed by day.
pub(super) struct Digests {
    /// By root; completed listings are removed.
    listings: Vec<DigestListing>,
    /// The deleted digests of completed listings, by root.
    deleted: Vec<DeletedDigests>,
    /// Listed digests that were not returned yet.
    waiting: VecDeque<ObjectKey>,
    /// The first digest after the window.
    pub(super) beyond: Option<ObjectKey>,
    /// The trails with digests that were not selected.
    pub(super) other_trails: BTreeSet<TrailName>,
}

/// The digests below one root.
struct DigestListing {
    /// The index of the root among the scopes.
    place: usize,
    listing: Listing,
    /// The next digest.
    next: Option<ObjectKey>,
    /// Whether it is complete, or past the window.
    ended: bool,
}

impl Digests {
    pub(super) fn new(request: &Request, scopes: &[Arc<ChainScope>]) -> Self {
        let open = |(place, scope): (usize, &Arc<ChainScope>)| {
            let listing = listing(request, scope, DIGEST_FOLDER, request.window.since);
            DigestListing { place, listing, next: None, ended: false }
        };
        Self {
            listings: scopes.iter().enumerate().map(open).collect(),
            deleted: scopes.iter().map(|_| DeletedDigests::default()).collect(),
            waiting: VecDeque::new(),
            beyond: None,
            other_trails: BTreeSet::new(),
        }
    }

    /// The next digests to verify, in the order of their hours; empty at the end.
    pub(super) async fn next_step(
        &mut self,
        request: &Request,
        findings: &mut Vec<Finding>,
    ) -> Vec<ObjectKey> {
        while self.waiting.len() < STEP {
            let Some(day) = self.next_day(request, findings).await else { break };
            self.waiting.extend(day);
        }
        self.waiting.drain(..self.waiting.len().min(STEP)).collect()
    }

    /// The deleted digests, after all digests were returned: without those before a chain if its
    /// `missing_start` is reported.
    pub(super) fn deleted(&self, scopes: &[Arc<ChainScope>], missing_start: bool) -> Vec<Finding> {
        DeletedDigests::findings(&self.deleted, scopes, missing_start)
    }

    /// The next day's digests in the order of their hours: listings are ordered by root and
    /// trail first.
    async fn next_day(
        &mut self,
        request: &Request,
        findings: &mut Vec<Finding>,
    ) -> Option<Vec<ObjectKey>> {
        for listing in &mut self.listings {
            if listing.next.is_none() && !listing.ended {
                listing.read(request, findings).await;
            }
        }
        for ended in self.listings.extract_if(.., |listing| listing.ended) {
            if let Some(deleted) = self.deleted.get_mut(ended.place) {
                *deleted = ended.listing.deleted;
            }
        }
        let heads = self.listings.iter().filter_map(|listing| listing.next.as_ref());
        let day = heads.map(|key| day_of(key.time())).min()?;
        let mut keys = Vec::new();
        for at in 0..self.listings.len() {
            self.take_day(at, day, request, findings, &mut keys).await;
        }
        keys.sort_by(|a, b| (a.time(), a).cmp(&(b.time(), b)));
        Some(keys)
    }

    /// Takes a listing's digests of a day that are to be verified.
    async fn take_day(
        &mut self,
        at: usize,
        day: Date,
        request: &Request,
        findings: &mut Vec<Finding>,
        keys: &mut Vec<ObjectKey>,
    ) {
        let Some(listing) = self.listings.get_mut(at) else { return };
        while let Some(key) = listing.next.take() {
            if day_of(key.time()) != day {
                listing.next = Some(key);
                return;
            }
            if let Some(chain_name) = ChainName::of(&key) {
                let trails = &request.selection.trails;
                if !trails.is_empty() && !trails.contains(&chain_name.trail) {
                    self.other_trails.insert(chain_name.trail);
                } else if !request.before_last(key.time()) {
                    let known = self.beyond.take();
                    self.beyond = known.into_iter().chain([key]).min_by_key(ObjectKey::time);
                    // The keys of a day are ordered by trail before time; later days are not
                    // read.
                } else if request.includes(key.time()) {
                    keys.push(key);
                }
            }
            let last = request.window.last.and_then(|last| last.checked_add(HOUR_MARGIN).ok());
            let is_past = last.is_some_and(|last| day > day_of(last));
            if is_past {
                listing.ended = true;
                return;
            }
            listing.read(request, findings).await;
        }
    }
}

impl DigestListing {
    /// Reads up to the next digest.
    async fn read(&mut self, request: &Request, findings: &mut Vec<Finding>) {
        loop {
            let Some(key) = next_key(&mut self.listing, request, findings).await else {
                self.ended = true;
                return;
            };
            if ChainName::of(&key).is_some() {
                self.next = Some(key);
                return;
            }
        }
    }
}

pub(super) fn day_of(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

/// Lists a scope's folder from the day of an instant on.
pub(super) fn listing(
    request: &Request,
    scope: &ChainScope,
    folder: &str,
    since: Option<Timestamp>,
) -> Listing {
    let prefix = scope.root.folder(&scope.account, folder, &scope.region);
    let since = since.and_then(|since| since.checked_sub(HOUR_MARGIN).ok());
    let after = since.map(|since| format!("{prefix}{}", since.strftime("%Y/%m/%d/")));
    // Digests show which log files are missing.
    let objects = if folder == DIGEST_FOLDER {
        request.source.list_with_deleted(&prefix, after)
    } else {
        request.source.list(&prefix, after).map_ok(ListedKey::Object).boxed()
    };
    let deleted = DeletedDigests::default();
    Listing { root: scope.root.clone(), objects, deleted, unexpected: 0 }
}

/// The next key that CloudTrail writes; other objects become findings.
pub(super) async fn next_key(
    listing: &mut Listing,
    request: &Request,
    findings: &mut Vec<Finding>,
) -> Option<ObjectKey> {
    loop {
        let bucket = request.source.bucket();
        match listing.objects.try_next().await {
            Ok(None) => return None,
            Ok(Some(ListedKey::Deleted { key, at })) => {
                if let Ok(key) = key.parse::<ObjectKey>()
                    && *key.root() == listing.root
                {
                    listing.deleted.deleted(request, &key, at);
                }
            }
            Ok(Some(ListedKey::Object(object))) => match object.key.parse::<ObjectKey>() {
                Ok(key) if *key.root() == listing.root => {
                    listing.deleted.listed(request, &key);
                    return Some(key);
                }
                // A complete CloudTrail key of any account and Region, in a deeper folder.
                Ok(key) => listing.unexpected(
                    findings,
                    Finding::new(FindingKind::UnexpectedObject)
                        .at(bucket, &object.key)
                        .with_mismatch(format!("a key below `{}`", listing.root), key.root()),
                ),
                Err(error) => {
                    if let Some(found) = odd(&request.source, &object, error).await {
                        listing.unexpected(findings, found);
                    }
                }
            },
            Err(error) => {
                let cause = error.source.to_string();
                findings.push(
                    Finding::new(FindingKind::Unreadable)
                        .at(bucket, &error.prefix)
                        .with_mismatch("a whole listing", cause),
                );
                return None;
            }
        }
    }
}

impl Listing {
    /// Adds a finding about an object of the folder, up to a maximum number.
    fn unexpected(&mut self, findings: &mut Vec<Finding>, finding: Finding) {
        if finding.kind != FindingKind::UnexpectedObject {
            return findings.push(finding);
        }
        self.unexpected += 1;
        let same = |known: &&mut Finding| known.kind == FindingKind::UnexpectedObject;
        match findings.iter_mut().rev().find(same).filter(|_| self.unexpected > MAX_UNEXPECTED) {
            Some(last) => {
                last.objects += 1;
                last.found = Some(format!("this, and {} more in its folder", last.objects - 1));
            }
            None => findings.push(finding),
        }
    }
}

/// The finding for an object in one of CloudTrail's folders with an unexpected key.
pub(super) async fn odd(
    source: &Source,
    object: &ListedObject,
    why: impl std::fmt::Display,
) -> Option<Finding> {
    let at = |kind| Finding::new(kind).at(source.bucket(), &object.key);
    // Consoles and tools create such objects for empty folders.
    if object.key.ends_with('/') && object.size_bytes == 0 {
        return None;
    }
    // Only in local mirrors: nothing creates these files in a bucket unnoticed.
    if source.is_mirror() && is_clutter(&object.key) {
        let holds_log = match source.fetch(None, &object.key).await {
            Ok(fetched) => is_readable_as_log(&fetched.bytes),
            Err(error) => {
                return Some(at(FindingKind::Unreadable).with_mismatch("a file", error));
            }
        };
        if !holds_log {
            let clutter = at(FindingKind::Clutter);
            return Some(
                clutter.with_mismatch("a key of CloudTrail's", "a file that verification ignores"),
            );
        }
    }
    Some(at(FindingKind::UnexpectedObject).with_mismatch("a key of CloudTrail's", why))
}

/// Magic numbers of compressed formats that programs decompress automatically: gzip,
/// compress, zstd, bzip2, xz, zip, LZ4, 7z, lzip, framed Snappy and zlib.
const COMPRESSED: [&[u8]; 13] = [
    &[0x1f, 0x8b],
    &[0x1f, 0x9d],
    &[0x28, 0xb5, 0x2f, 0xfd],
    b"BZh",
    &[0xfd, b'7', b'z', b'X', b'Z', 0],
    b"PK",
    &[0x04, 0x22, 0x4d, 0x18],
    &[b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c],
    b"LZIP",
    &[0xff, 0x06, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y'],
    &[0x78, 0x01],
    &[0x78, 0x9c],
    &[0x78, 0xda],
];
/// Fields of records and digests, in lower case.
const FIELDS: [&str; 4] = ["\"records\"", "eventversion", "eventtime", "digeststarttime"];

/// Whether a program that reads logs could mistake a file for one.
fn is_readable_as_log(bytes: &[u8]) -> bool {
    if COMPRESSED.iter().any(|magic| bytes.starts_with(magic)) {
        return true;
    }
    // UTF-16 and UTF-32 are UTF-8 with zeros between, where the text is ASCII.
    let is_mark = |byte: &u8| matches!(byte, 0 | 0xef | 0xbb | 0xbf | 0xfe | 0xff);
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| !is_mark(byte)).collect();
    let text = String::from_utf8_lossy(&text).to_lowercase();
    text.trim_start().starts_with('{') || FIELDS.iter().any(|field| text.contains(field))
}

#[cfg(test)]
mod tests {
    use super::is_readable_as_log;

    #[test]
    fn a_log_in_any_encoding_is_readable_and_what_systems_leave_is_not() {
        let log = r#" [{"Records":[{"eventVersion":"1.08"}]}]"#;
        let utf16 = |big: bool| -> Vec<u8> {
            let units = std::iter::once(0xfeff).chain(log.encode_utf16());
            units
                .flat_map(|it: u16| if big { it.to_be_bytes() } else { it.to_le_bytes() })
                .collect()
        };
        let marked = [&[0xef, 0xbb, 0xbf], log.as_bytes()].concat();
        let padded = [&[0; 16], log.as_bytes()].concat();
        for bytes in [utf16(true), utf16(false), marked, padded, log.into(), b"PK\x03\x04".into()] {
            assert!(is_readable_as_log(&bytes), "{bytes:?}");
        }
        for bytes in [
            &b""[..],
            b"\x00\x00\x00\x01Bud1\x00\x00",
            b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X",
            b"[.ShellClassInfo]\r\nIconResource=a.dll,1",
            b"\xff\xfe[\x00.\x00S\x00h\x00e\x00l\x00l\x00",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        ] {
            assert!(!is_readable_as_log(bytes), "{bytes:?}");
        }
    }
}
