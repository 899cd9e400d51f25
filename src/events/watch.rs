//! Which records detection looks at: those that a rule may match.

use std::sync::Arc;

use orgtrail_events::Event;
use orgtrail_events::detection::sigma::Sigma;
use orgtrail_events::detection::{Detector, FirstUses};

use super::files::{LogFile, Window};
use super::query::FoundEvent;
use super::read::{Look, Malformed};

/// Finds the events that a rule may match.
#[derive(Debug, Default)]
pub struct Watch {
    /// When they happened. An event without a time is in every period.
    pub window: Window,
    /// The accounts that they were recorded for, one of these; any if empty.
    pub accounts: Vec<String>,
    /// Their Regions, one of these; any if empty.
    pub regions: Vec<String>,
    /// Rules of others.
    pub sigma: Option<Arc<Sigma>>,
    /// The Regions that accounts use, with those of the baseline before the window.
    pub first_uses: Option<Arc<FirstUses>>,
}

impl Watch {
    fn is_chosen(&self, event: &Event<'_>) -> bool {
        let is_any = |wanted: &[String], found: Option<&str>| {
            wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|one| one == found))
        };
        is_any(&self.accounts, event.account()) && is_any(&self.regions, event.region.as_deref())
    }
}

impl Look for Watch {
    type Found = FoundEvent;

    fn record(
        &self,
        file: &Arc<LogFile>,
        raw: &[u8],
        found: &mut Vec<FoundEvent>,
    ) -> Result<(), Malformed> {
        let may_detect = Detector::may_detect(raw);
        if !may_detect && self.sigma.is_none() && self.first_uses.is_none() {
            return Ok(());
        }
        let text = std::str::from_utf8(raw).map_err(|_| Malformed)?;
        let event = Event::parse(text).map_err(|_| Malformed)?;
        if !self.is_chosen(&event) {
            return Ok(());
        }
        if let Some(first_uses) = &self.first_uses {
            first_uses.add(&event, &file.key);
        }
        if !event.at().is_none_or(|at| self.window.contains(at)) {
            return Ok(());
        }
        let matches = match &self.sigma {
            _ if may_detect => true,
            Some(sigma) => sigma.matches(&serde_json::from_str(text).map_err(|_| Malformed)?),
            None => false,
        };
        if matches {
            found.push(FoundEvent::new(text, &event, file));
        }
        Ok(())
    }

    fn weight(found: &FoundEvent) -> usize {
        found.raw.len() + size_of::<FoundEvent>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(watch: &Watch, record: &str) -> bool {
        let file = Arc::new(LogFile { key: "k".to_owned(), size_bytes: 0, parsed: None });
        let mut found = Vec::new();
        watch.record(&file, record.as_bytes(), &mut found).unwrap();
        !found.is_empty()
    }

    #[test]
    fn only_records_of_the_selection_that_a_rule_may_match_are_found() {
        let stop = r#"{"eventName":"StopLogging","eventTime":"2026-01-02T00:00:00Z","awsRegion":"us-east-1","recipientAccountId":"111111111111"}"#;
        let window = Window {
            since: "2026-01-01T00:00:00Z".parse().ok(),
            until: "2026-01-03T00:00:00Z".parse().ok(),
        };
        let watch = |account: &str, region: &str| Watch {
            window,
            accounts: vec![account.to_owned()],
            regions: vec![region.to_owned()],
            ..Watch::default()
        };
        assert!(finds(&watch("111111111111", "us-east-1"), stop));
        assert!(!finds(&watch("222222222222", "us-east-1"), stop));
        assert!(!finds(&watch("111111111111", "eu-west-1"), stop));
        let own = watch("111111111111", "us-east-1");
        assert!(!finds(&own, &stop.replace("01-02", "01-04")));
        assert!(!finds(&own, &stop.replace("StopLogging", "DescribeTrails")));
        assert!(finds(&own, &stop.replace("StopLogging", "\\u0053topLogging")));
    }
}
