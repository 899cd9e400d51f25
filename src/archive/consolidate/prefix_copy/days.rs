//! A log prefix's entries, a day at a time.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use jiff::civil::Date;

use super::super::join::{JoinEntry, JoinError};
use crate::archive::batches::DaySplitter;

/// Join entries, split into days.
pub(super) struct DayBatches<J> {
    joined: Pin<Box<J>>,
    splitter: DaySplitter<JoinEntry>,
    ended: bool,
}

impl<J: Stream<Item = Result<JoinEntry, JoinError>>> DayBatches<J> {
    /// Starts with the first day.
    pub(super) fn new(joined: J) -> Self {
        Self { joined: Box::pin(joined), splitter: DaySplitter::default(), ended: false }
    }

    /// The next day with objects at the source. An incomplete day before an error is dropped.
    ///
    /// Cancel-safe: no entry is lost if the future is dropped.
    pub(super) async fn next(
        &mut self,
    ) -> Option<Result<(Option<Date>, Vec<JoinEntry>), JoinError>> {
        while !self.ended {
            match self.joined.next().await {
                Some(Ok(JoinEntry::ArchiveOnly(_))) => {}
                Some(Ok(entry)) => {
                    let path = entry.path().to_owned();
                    if let Some(batch) = self.splitter.push(&path, entry) {
                        return Some(Ok(batch));
                    }
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                None => {
                    self.ended = true;
                    return std::mem::take(&mut self.splitter).finish().map(Ok);
                }
            }
        }
        None
    }
}
