use serde::Serialize;

use crate::aws::{At, ErrorKind, Observation};
use crate::resources::change::{Change, Confirmation, field_changes};
use crate::resources::destroy::{Kept, KeptCost};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError, Undeclared,
};

/// The log group that receives a copy of the trail's events.
///
/// Source: CloudWatch Logs `DescribeLogGroups`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogGroup {
    /// Days that it keeps its events; absent if it keeps them forever.
    pub retention_days: Option<u32>,
    /// The account-level policy that sets the retention instead of the group's own
    /// setting; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_policy: Option<String>,
    /// The ARN of the KMS key that encrypts its events; absent if CloudWatch Logs
    /// encrypts them with its own key.
    pub kms_key: Option<String>,
    /// Whether it contains no events, so that none can be lost: CloudWatch Logs counts
    /// with a delay, but what it has not counted yet is new.
    #[serde(skip)]
    pub empty: bool,
}

fn declared_key(desired: &Desired) -> Option<String> {
    desired.config.cloudwatch_logs.kms_key.as_ref().map(ToString::to_string)
}

impl Resource for LogGroup {
    type State = Self;
    const ID: &'static str = "log-group";
    const DEPENDS_ON: &'static [&'static str] = &[];
    const ACTIONS: &'static [&'static str] = &[
        "logs:AssociateKmsKey",
        "logs:CreateLogGroup",
        "logs:DeleteRetentionPolicy",
        "logs:DescribeLogGroups",
        "logs:PutRetentionPolicy",
    ];
    const MAY_BE_UNDECLARED: bool = true;

    fn location(desired: &Desired) -> Location {
        desired.home_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.cloudwatch_logs.enabled
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        if !Self::is_enabled(context.desired) {
            return Observation::Absent;
        }
        let management = &context.management();
        let desired = context.desired;
        let name = desired.config.cloudwatch_logs.group.as_str();
        let groups = management
            .logs()
            .describe_log_groups()
            .log_group_name_prefix(name)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .at(management, "logs:DescribeLogGroups");
        Observation::from_result(groups, |_| false)
            .map(|groups| {
                let group = groups.iter().find(|group| group.log_group_name() == Some(name))?;
                let days = group.retention_in_days().and_then(|days| u32::try_from(days).ok());
                let empty = group.stored_bytes() == Some(0);
                let kms_key = group.kms_key_id().map(str::to_owned);
                let retention_policy = group.retention_policy_name().map(str::to_owned);
                Some(Self { retention_days: days, retention_policy, kms_key, empty })
            })
            .flatten()
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let declared = &desired.config.cloudwatch_logs;
        let days = (!declared.keep_forever).then_some(declared.retention_days);
        let policy = found.and_then(|found| found.retention_policy.clone());
        let wanted = Self {
            // The group cannot change what an account-level policy sets.
            retention_days: match found {
                Some(found) if policy.is_some() => found.retention_days,
                _ => days,
            },
            retention_policy: policy.clone(),
            kms_key: declared_key(desired).or_else(|| found?.kms_key.clone()),
            empty: found.is_none_or(|found| found.empty),
        };
        let fields = field_changes(found, &wanted);
        let why = "alarms and searches need the trail's events there";
        let Some(found) = found else { return Change::create(why, fields) };
        let note = policy.filter(|_| found.retention_days != days).map(|policy| {
            let in_words = |days: Option<u32>| match days {
                Some(days) => format!("{days} days"),
                None => "forever".to_owned(),
            };
            format!(
                "events are kept {}, as the account-level retention policy `{policy}` sets, and not {} as in [cloudwatch_logs]: change the policy, or configure the retention that it sets",
                in_words(found.retention_days),
                in_words(days)
            )
        });
        let decided_here = found.retention_policy.is_none();
        let change =
            Change::update("events are kept and encrypted as configured", fields).with_notes(note);
        let change = match (&found.kms_key, &wanted.kms_key) {
            (Some(old), Some(new)) if old != new => change.irreversible(
                Confirmation::ReplacedKey,
                format!("existing events need {old} for as long as they are kept"),
            ),
            _ => change,
        };
        let shorter = decided_here
            && days.is_some_and(|days| found.retention_days.is_none_or(|found| found > days));
        // A run that stopped before it set the retention leaves an empty group.
        if shorter && !found.empty {
            return change.irreversible(
                Confirmation::WeakenedGuard,
                "older events are deleted from the log group; the bucket keeps them",
            );
        }
        change
    }

    fn undeclared(desired: &Desired, found: &Self) -> Vec<Undeclared> {
        let key = found.kms_key.as_ref().filter(|_| declared_key(desired).is_none());
        let undeclared = key.map(|key| {
            let what = format!("the log group encrypts its events with {key}");
            Undeclared::by_others(Self::ID, "cloudwatch_logs.kms_key", what)
        });
        undeclared.into_iter().collect()
    }

    fn kept(desired: &Desired, _: Option<&Self>) -> Vec<Kept> {
        let why = "it keeps events until their retention ends";
        vec![Kept::new(&desired.config.cloudwatch_logs.group, why, KeptCost::Events)]
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.management();
        let declared = &context.desired.config.cloudwatch_logs;
        if context.observed.log_group.is_absent() {
            let made = clients
                .logs()
                .create_log_group()
                .log_group_name(declared.group.as_str())
                .send()
                .await
                .at(&clients, "logs:CreateLogGroup");
            match made {
                Err(error) if error.kind() != ErrorKind::Conflict => return Err(error.into()),
                _ => context.mark_created(),
            }
        }
        let found = context.observed.log_group.present().and_then(|found| found.kms_key.as_ref());
        if let Some(key) = declared_key(context.desired).filter(|key| found != Some(key)) {
            clients
                .logs()
                .associate_kms_key()
                .log_group_name(declared.group.as_str())
                .kms_key_id(key)
                .send()
                .await
                .at(&clients, "logs:AssociateKmsKey")?;
        }
        let found = context.observed.log_group.present();
        if found.is_some_and(|found| found.retention_policy.is_some()) {
            return Ok(());
        }
        if declared.keep_forever {
            if found.is_some_and(|found| found.retention_days.is_some()) {
                let call = clients.logs().delete_retention_policy();
                let done = call.log_group_name(declared.group.as_str()).send().await;
                done.at(&clients, "logs:DeleteRetentionPolicy")?;
            }
            return Ok(());
        }
        clients
            .logs()
            .put_retention_policy()
            .log_group_name(declared.group.as_str())
            .retention_in_days(i32::try_from(declared.retention_days).unwrap_or(i32::MAX))
            .send()
            .await
            .at(&clients, "logs:PutRetentionPolicy")?;
        Ok(())
    }
}
