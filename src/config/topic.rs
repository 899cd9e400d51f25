use super::section::section;
use crate::names::TopicName;

section! {
    /// The SNS topic that CloudTrail tells of every delivered log file, in the
    /// management account and the home Region.
    pub struct Topic {
        /// The topic's name.
        name: TopicName = default(TopicName::default()),
    }
}
