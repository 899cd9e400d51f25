//! Finds objects that are missing in the archive: a merge join of two listings.
//!
//! Below the account's folder an object has the same path at its source and in the archive,
//! and S3 lists both in the order of their keys. So one pass over both, with one entry of
//! each in memory, finds what to copy.

use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;

use super::restore::Archived;
use crate::aws::AwsError;

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The key below the account's folder: the same at source and archive.
    pub path: Box<str>,
    /// The object's size. Units: bytes.
    pub size_bytes: u64,
    /// Set if the object must be restored before it can be read.
    pub archived: Option<Archived>,
    /// The entity tag: equal tags mean equal content; different tags prove nothing if one side
    /// is encrypted with KMS.
    pub etag: Option<Box<str>>,
    /// When S3 wrote it; a writer cannot choose this time.
    pub modified_at: Option<Timestamp>,
}

/// The presence of an object in the source and the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinEntry {
    /// Only at the source: to be copied.
    Missing(Listed),
    /// On both sides, with the same size and entity tag.
    Present(Listed),
    /// On both sides, with the same size; the content must be compared.
    SameSize(Listed),
    /// On both sides, with different sizes: a conflict, never overwritten.
    Differs {
        /// As listed at the source.
        source: Listed,
        /// The size in the archive. Units: bytes.
        archive_bytes: u64,
    },
    /// Only in the archive: from another source or the organization trail.
    ArchiveOnly(Listed),
}

impl JoinEntry {
    /// The object's path.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Missing(listed)
            | Self::Present(listed)
            | Self::SameSize(listed)
            | Self::ArchiveOnly(listed) => &listed.path,
            Self::Differs { source, .. } => &source.path,
        }
    }
}

/// Why a join stopped.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// One of the listings failed.
    #[error(transparent)]
    Listing(#[from] AwsError),
    /// A listing was not in key order, so missing entries prove nothing.
    #[error("the listing of {side} is out of order: `{found}` came after `{after}`")]
    OutOfOrder {
        /// `the source` or `the archive`.
        side: &'static str,
        /// The path that is out of order.
        found: Box<str>,
        /// The path before it.
        after: Box<str>,
    },
}

impl JoinError {
    /// A hint for the user.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Listing(error) => error.hint(),
            Self::OutOfOrder { .. } => None,
        }
    }
}

/// Joins two listings of the same folder.
///
/// Both must ascend strictly by path, in the order of their UTF-8 bytes; this is checked,
/// because joining unordered lists gives wrong results. Ends at the first error.
pub fn join<S, A>(source: S, archive: A) -> impl Stream<Item = Result<JoinEntry, JoinError>>
where
    S: Stream<Item = Result<Listed, AwsError>> + Unpin,
    A: Stream<Item = Result<Listed, AwsError>> + Unpin,
{
    let state = Some((Side::new("the source", source), Side::new("the archive", archive)));
    stream::unfold(state, |state| async move {
        let (mut source, mut archive) = state?;
        match step(&mut source, &mut archive).await {
            Ok(Some(joined)) => Some((Ok(joined), Some((source, archive)))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    })
}

async fn step<S, A>(
    source: &mut Side<S>,
    archive: &mut Side<A>,
) -> Result<Option<JoinEntry>, JoinError>
where
    S: Stream<Item = Result<Listed, AwsError>> + Unpin,
    A: Stream<Item = Result<Listed, AwsError>> + Unpin,
{
    use std::cmp::Ordering::{Equal, Greater, Less};
    source.fill().await?;
    archive.fill().await?;
    let order = match (&source.head, &archive.head) {
        (Some(s), Some(a)) => s.path.cmp(&a.path),
        (Some(_), None) => Less,
        (None, Some(_)) => Greater,
        (None, None) => return Ok(None),
    };
    Ok(match order {
        Less => source.head.take().map(JoinEntry::Missing),
        Greater => archive.head.take().map(JoinEntry::ArchiveOnly),
        Equal => source.head.take().zip(archive.head.take()).map(|(source, archive)| {
            if source.size_bytes != archive.size_bytes {
                JoinEntry::Differs { source, archive_bytes: archive.size_bytes }
            } else if source.etag.is_some() && source.etag == archive.etag {
                JoinEntry::Present(source)
            } else {
                JoinEntry::SameSize(source)
            }
        }),
    })
}

/// A listing with its next entry.
struct Side<S> {
    name: &'static str,
    listing: S,
    ended: bool,
    head: Option<Listed>,
    last: Option<Box<str>>,
}

impl<S: Stream<Item = Result<Listed, AwsError>> + Unpin> Side<S> {
    fn new(name: &'static str, listing: S) -> Self {
        Self { name, listing, ended: false, head: None, last: None }
    }

    async fn fill(&mut self) -> Result<(), JoinError> {
        if self.head.is_some() || self.ended {
            return Ok(());
        }
        let Some(next) = self.listing.next().await.transpose()? else {
            self.ended = true;
            return Ok(());
        };
        if let Some(after) = self.last.take()
            && next.path <= after
        {
            return Err(JoinError::OutOfOrder { side: self.name, found: next.path, after });
        }
        self.last = Some(next.path.clone());
        self.head = Some(next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures::FutureExt;
    use proptest::prelude::*;

    use super::*;

    fn listing(
        entries: &BTreeMap<String, u64>,
    ) -> impl Stream<Item = Result<Listed, AwsError>> + Unpin {
        let listed: Vec<_> = entries
            .iter()
            .map(|(path, size_bytes)| {
                Ok(Listed {
                    path: path.as_str().into(),
                    size_bytes: *size_bytes,
                    archived: None,
                    etag: None,
                    modified_at: None,
                })
            })
            .collect();
        stream::iter(listed)
    }

    fn collect(source: &BTreeMap<String, u64>, archive: &BTreeMap<String, u64>) -> Vec<JoinEntry> {
        join(listing(source), listing(archive))
            .map(Result::unwrap)
            .collect::<Vec<_>>()
            .now_or_never()
            .expect("listings from memory never wait")
    }

    proptest! {
        #[test]
        fn a_join_agrees_with_a_comparison_of_two_maps(
            source in proptest::collection::btree_map("[a-c/]{1,4}", 0_u64..3, 0..30),
            archive in proptest::collection::btree_map("[a-c/]{1,4}", 0_u64..3, 0..30),
        ) {
            let joined = collect(&source, &archive);
            let mut paths: Vec<_> = joined.iter().map(|j| j.path().to_owned()).collect();
            let mut union: Vec<_> = source.keys().chain(archive.keys()).cloned().collect();
            union.sort();
            union.dedup();
            prop_assert_eq!(&paths, &union);
            paths.dedup();
            prop_assert_eq!(paths.len(), joined.len());
            for entry in joined {
                let path = entry.path().to_owned();
                let expected = match (source.get(&path), archive.get(&path)) {
                    (Some(_), None) => matches!(entry, JoinEntry::Missing(_)),
                    (None, Some(_)) => matches!(entry, JoinEntry::ArchiveOnly(_)),
                    (Some(s), Some(a)) if s == a => matches!(entry, JoinEntry::SameSize(_)),
                    (Some(_), Some(a)) => {
                        matches!(entry, JoinEntry::Differs { archive_bytes, .. } if archive_bytes == *a)
                    }
                    (None, None) => false,
                };
                prop_assert!(expected, "{path}");
            }
        }
    }

    #[test]
    fn a_listing_out_of_order_ends_the_join() {
        let entry = |path: &str| {
            let path = path.into();
            Ok(Listed { path, size_bytes: 1, archived: None, etag: None, modified_at: None })
        };
        let unordered = stream::iter(vec![entry("b"), entry("a")]);
        let joined: Vec<_> = join(unordered, listing(&BTreeMap::new()))
            .collect::<Vec<_>>()
            .now_or_never()
            .expect("listings from memory never wait");
        assert_eq!(joined.len(), 2);
        let error = joined[1].as_ref().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the listing of the source is out of order: `a` came after `b`"
        );
    }
}
