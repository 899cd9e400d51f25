use std::sync::Arc;

use orgtrail_events::Event;

use super::Row;
use crate::events::files::LogFile;
use crate::events::read::{Look, Malformed};
use crate::names::{AccountId, Region};

/// Takes every record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rows;

/// A record, and where it belongs.
#[derive(Debug)]
pub struct FoundRow {
    /// The record.
    pub row: Row,
    /// The file that contains it.
    pub file: Arc<LogFile>,
    /// The account of its file, or else of the record.
    pub account: Option<AccountId>,
    /// The Region of its file, or else of the record.
    pub region: Option<Region>,
}

impl Look for Rows {
    type Found = FoundRow;

    fn record(
        &self,
        file: &Arc<LogFile>,
        raw: &[u8],
        found: &mut Vec<FoundRow>,
    ) -> Result<(), Malformed> {
        let raw = std::str::from_utf8(raw).map_err(|_| Malformed)?;
        let event = Event::parse(raw).map_err(|_| Malformed)?;
        let (account, region) = match &file.parsed {
            Some(key) => (Some(key.account().clone()), Some(key.region().clone())),
            None => (
                event.account().and_then(|account| account.parse().ok()),
                event.region.as_deref().and_then(|region| region.parse().ok()),
            ),
        };
        let row = Row {
            at: event.at(),
            id: event.id.as_deref().unwrap_or_default().into(),
            is_original: event.addendum.reason.is_none(),
            key: file.key.as_str().into(),
            raw: raw.into(),
        };
        found.push(FoundRow { row, file: Arc::clone(file), account, region });
        Ok(())
    }

    fn weight(found: &FoundRow) -> usize {
        found.row.weight()
    }
}
