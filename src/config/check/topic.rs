use super::{Checker, roles};
use crate::config::Config;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let Some(arn) = config.topic.as_ref().and_then(|topic| topic.arn.as_ref()) else { return };
    if &*arn.service != "sns" || arn.account.is_none() || arn.resource.contains(':') {
        checker
            .error(&["topic.arn"], format!("found {arn}, expected the ARN of an SNS topic"))
            .hint("as in `arn:aws:sns:us-east-1:111111111111:cloudtrail`");
    }
    roles::partition(config, checker, "topic.arn", arn);
    if checker.is_set("topic.name") {
        checker.warning(&["topic.name", "topic.arn"], "has no effect: `topic.arn` names the topic");
    }
}
