use super::section::section;
use crate::names::{Arn, TopicName};

section! {
    /// The SNS topic that CloudTrail notifies of every delivered log file, in the
    /// management account and the home Region.
    pub struct Topic {
        /// The topic's name.
        name: TopicName = default(TopicName::default()),
        /// The ARN of an existing topic of any account, instead of `name`. The trail notifies
        /// it; orgtrail neither creates it nor changes its policy, which must let CloudTrail
        /// publish.
        arn: Option<Arn> = default(None::<Arn>),
    }
}
