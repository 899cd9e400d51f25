//! What the queue of account events needs in the management account.

use super::grant::{Grant, Scope};
use crate::names::Arn;

/// Creating and deleting the queue and its rule, and receiving what it holds.
pub(super) fn grants(scope: &Scope<'_>) -> Vec<Grant> {
    let mut grants = manage(scope);
    grants.extend(queue(scope).map(|queue| {
        Grant::new(
            "ReceiveAccountEvents",
            ["sqs:DeleteMessage", "sqs:ReceiveMessage"],
            [queue],
            "The service receives account events, and deletes them then.",
        )
    }));
    grants
}

/// Creating and deleting the queue and its rule.
pub(super) fn manage(scope: &Scope<'_>) -> Vec<Grant> {
    let (Some(queue), Some(rule)) = (queue(scope), rule(scope)) else { return Vec::new() };
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
            [queue],
            "Creates, configures and deletes the queue of account events.",
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

fn queue(scope: &Scope<'_>) -> Option<String> {
    let name = scope.config.new_accounts.queue.as_ref()?;
    Some(arn(scope, "sqs", name.to_string()))
}

fn rule(scope: &Scope<'_>) -> Option<String> {
    let name = scope.config.new_accounts.queue.as_ref()?;
    Some(arn(scope, "events", format!("rule/{name}")))
}

fn arn(scope: &Scope<'_>, service: &str, resource: String) -> String {
    let region = scope.config.organization.events_region();
    Arn::regional(scope.partition(), service, &region, scope.management(), resource).to_string()
}
