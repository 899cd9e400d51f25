use super::section::section;
use crate::names::Arn;

section! {
    /// Someone who is told of what happens to the archive's objects.
    pub struct Notification {
        /// The ARN of an SNS topic, an SQS queue or a Lambda function in the
        /// bucket's Region.
        target: Arn = required,
        /// S3's names of the events.
        events: Vec<String> = default(vec!["s3:ObjectCreated:*".to_owned()]),
        /// Only of keys that begin so.
        prefix: Option<String> = default(None::<String>),
        /// Only of keys that end so.
        suffix: Option<String> = default(None::<String>),
    }
}
