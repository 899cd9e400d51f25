//! What the queue of account events needs in the management account.

use super::grant::{Grant, Scope};
use crate::names::Arn;

pub(super) fn grants(scope: &Scope<'_>) -> Vec<Grant> {
    let Some(name) = &scope.config.new_accounts.queue else { return Vec::new() };
    let region = scope.config.organization.events_region();
    let arn = |service: &str, resource: String| {
        Arn::regional(scope.partition(), service, &region, scope.management(), resource).to_string()
    };
    let (queue, rule) = (arn("sqs", name.to_string()), arn("events", format!("rule/{name}")));
    vec![
        Grant::new(
            "ManageAccountQueue",
            [
                "sqs:CreateQueue",
                "sqs:DeleteQueue",
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
                "sqs:SetQueueAttributes",
            ],
            [queue.clone()],
            "Creates, configures and deletes the queue of account events.",
        ),
        Grant::new(
            "ReceiveAccountEvents",
            ["sqs:DeleteMessage", "sqs:ReceiveMessage"],
            [queue],
            "The service receives account events, and deletes them then.",
        ),
        Grant::new(
            "ManageAccountRule",
            [
                "events:DeleteRule",
                "events:DescribeRule",
                "events:ListTargetsByRule",
                "events:PutRule",
                "events:PutTargets",
                "events:RemoveTargets",
            ],
            [rule],
            "Creates, configures and deletes the rule that fills the queue.",
        ),
    ]
}
