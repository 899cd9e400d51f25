use super::section::section;
use crate::names::TopicName;

section! {
    /// Alarms on the trail's log group, in the management account and the home Region: one for
    /// each of the fifteen patterns of CIS AWS Foundations, section 4, and one for what those
    /// miss.
    pub struct Alarms {
        /// The SNS topic that the alarms notify.
        topic: TopicName = default(TopicName::alarms()),
        /// Email addresses to subscribe to the topic; the owner of each must confirm by the
        /// message that SNS sends.
        subscribers: Vec<String> = default(Vec::<String>::new()),
        /// Whether the alarms also notify the topic when they end.
        ok_actions: bool = default(true),
        /// The namespace of the metrics that the filters count in.
        namespace: String = default("OrgTrail".to_owned()),
    }
}
