//! A lane's entries, a day at a time.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use jiff::civil::Date;

use super::super::join::{JoinError, Joined};
use crate::archive::units::Cutter;

/// A join, cut into days.
pub(super) struct Units<J> {
    joined: Pin<Box<J>>,
    cutter: Cutter<Joined>,
    ended: bool,
}

impl<J: Stream<Item = Result<Joined, JoinError>>> Units<J> {
    /// Nothing cut yet.
    pub(super) fn new(joined: J) -> Self {
        Self { joined: Box::pin(joined), cutter: Cutter::default(), ended: false }
    }

    /// The next day of which the source has anything. A day before an error is
    /// not whole, and left out.
    ///
    /// Loses nothing where it is dropped before it ends.
    pub(super) async fn next(&mut self) -> Option<Result<(Option<Date>, Vec<Joined>), JoinError>> {
        while !self.ended {
            match self.joined.next().await {
                Some(Ok(Joined::ArchiveOnly(_))) => {}
                Some(Ok(entry)) => {
                    let path = entry.path().to_owned();
                    if let Some(unit) = self.cutter.push(&path, entry) {
                        return Some(Ok(unit));
                    }
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                None => {
                    self.ended = true;
                    return std::mem::take(&mut self.cutter).finish().map(Ok);
                }
            }
        }
        None
    }
}
