use super::section::section;
use crate::names::Arn;

section! {
    /// A target of notifications about the archive's objects.
    pub struct Notification {
        /// The ARN of an SNS topic, an SQS queue or a Lambda function in the
        /// bucket's Region.
        target: Arn = required,
        /// S3's names of the events.
        events: Vec<String> = default(vec!["s3:ObjectCreated:*".to_owned()]),
        /// Notify only about keys with this prefix.
        prefix: Option<String> = default(None::<String>),
        /// Notify only about keys with this suffix.
        suffix: Option<String> = default(None::<String>),
    }
}
