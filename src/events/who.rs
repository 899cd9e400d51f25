//! Which records an attribution needs: those about the question, and those that issued
//! credentials.

use std::sync::Arc;

use orgtrail_events::Event;
use orgtrail_events::attribution::Question;
use orgtrail_events::attribution::index::Interest;

use super::files::{LogFile, Window};
use super::query::FoundEvent;
use super::read::{Look, Malformed};

/// Finds the records that an attribution may need.
#[derive(Debug)]
pub struct Interesting {
    interest: Interest,
    window: Window,
}

impl Interesting {
    /// The records about a question, those that issued credentials, and those of a shared
    /// event, of a period.
    #[must_use]
    pub fn new(question: &Question, shared: Option<&str>, window: Window) -> Self {
        Self { interest: Interest::new(question, shared), window }
    }
}

impl Look for Interesting {
    type Found = FoundEvent;

    fn record(
        &self,
        file: &Arc<LogFile>,
        raw: &[u8],
        found: &mut Vec<FoundEvent>,
    ) -> Result<(), Malformed> {
        if !self.interest.may_concern(raw) {
            return Ok(());
        }
        let text = std::str::from_utf8(raw).map_err(|_| Malformed)?;
        let event = Event::parse(text).map_err(|_| Malformed)?;
        if event.at().is_none_or(|at| self.window.contains(at)) {
            found.push(FoundEvent::new(text, &event, file));
        }
        Ok(())
    }

    fn weight(found: &FoundEvent) -> usize {
        found.raw.len() + size_of::<FoundEvent>()
    }
}
