use super::section::section;
use crate::names::TopicName;

section! {
    /// Alarms on the trail's log group, in the management account and the home
    /// Region: for each of the fifteen patterns of CIS AWS Foundations, section
    /// 4, and for what those miss.
    pub struct Alarms {
        /// The SNS topic that the alarms tell.
        topic: TopicName = default(TopicName::alarms()),
        /// E-mail addresses that are subscribed to the topic; each must confirm
        /// the message that it gets.
        subscribers: Vec<String> = default(Vec::<String>::new()),
        /// Whether the topic also hears when an alarm ends.
        ok_actions: bool = default(true),
        /// The namespace of the metrics that the filters count in.
        namespace: String = default("OrgTrail".to_owned()),
    }
}
