use std::collections::BTreeMap;

use super::section::{choice, section};
use super::selectors::{
    AdvancedEventSelector, DataEvents, EventSelector, ManagementEventSource, ReadWriteType,
    Selectors,
};
use crate::names::TrailName;

section! {
    /// The organization trail: multi-Region, with global service events and log
    /// file validation, all three always.
    pub struct Trail {
        /// The trail's name.
        name: TrailName = default(TrailName::default()),
        /// Whether management events are recorded.
        include_management_events: bool = default(true),
        /// The tool that manages the trail, its bucket, its key and its log group. Those of
        /// another tool are observed and never written. Default: detected from the trail and
        /// from AWS Control Tower.
        managed_by: Option<TrailManager> = default(None::<TrailManager>),
        /// Which management events: `All`, `ReadOnly` or `WriteOnly`.
        read_write_type: ReadWriteType = default(ReadWriteType::All),
        /// High-volume services whose management events are excluded: KMS, the RDS Data API.
        exclude_management_event_sources: Vec<ManagementEventSource> =
            default(Vec::<ManagementEventSource>::new()),
        /// Data events to record, by resource type. They cost extra.
        data_events: Vec<DataEvents> = default(Vec::<DataEvents>::new()),
        /// AWS's classic event selectors, instead of the four keys above.
        event_selectors: Vec<EventSelector> = default(Vec::<EventSelector>::new()),
        /// AWS's advanced event selectors, instead of all of the above.
        advanced_event_selectors: Vec<AdvancedEventSelector> =
            default(Vec::<AdvancedEventSelector>::new()),
        /// Insights: unusual rates of calls and of errors. They cost extra.
        insights: Insights = section,
        /// Tags of the trail and of all other resources that orgtrail creates.
        tags: BTreeMap<String, String> = default(BTreeMap::<String, String>::new()),
    }
}

choice! {
    /// The tool that manages a trail.
    pub enum TrailManager {
        /// orgtrail, also where the trail looks like another tool's.
        Orgtrail = "orgtrail",
        /// AWS Control Tower.
        ControlTower = "control-tower",
        /// The Landing Zone Accelerator on AWS.
        Accelerator = "landing-zone-accelerator",
    }
}

section! {
    /// CloudTrail Insights.
    pub struct Insights {
        /// Record unusual rates of calls (`ApiCallRateInsight`).
        call_rate: bool = default(false),
        /// The events whose call rates are analyzed: write management events, and all recorded
        /// data events.
        call_rate_events: Vec<InsightEvents> = default(vec![InsightEvents::Management]),
        /// Record unusual rates of errors (`ApiErrorRateInsight`).
        error_rate: bool = default(false),
        /// The events whose error rates are analyzed.
        error_rate_events: Vec<InsightEvents> = default(vec![InsightEvents::Management]),
    }
}

choice! {
    /// The events that Insights analyzes.
    ///
    /// Source: CloudTrail `InsightSelector.EventCategories`.
    pub enum InsightEvents {
        /// Management events.
        Management = "Management",
        /// Data events.
        Data = "Data",
    }
}

impl Trail {
    /// The selectors to put on the trail.
    #[must_use]
    pub fn selectors(&self) -> Selectors {
        if !self.advanced_event_selectors.is_empty() {
            return Selectors::Advanced(self.advanced_event_selectors.clone());
        }
        if !self.event_selectors.is_empty() {
            return Selectors::Classic(self.event_selectors.clone());
        }
        if self.data_events.is_empty() {
            return Selectors::Classic(vec![EventSelector {
                read_write_type: self.read_write_type,
                include_management_events: self.include_management_events,
                exclude_management_event_sources: self.exclude_management_event_sources.clone(),
                data_resources: Vec::new(),
            }]);
        }
        let management = self.include_management_events.then(|| {
            AdvancedEventSelector::management(
                self.read_write_type,
                &self.exclude_management_event_sources,
            )
        });
        let data = self.data_events.iter().map(AdvancedEventSelector::data);
        Selectors::Advanced(management.into_iter().chain(data).collect())
    }
}
