//! Plan, apply, plan again.

use std::fs;

use super::ground::{Ground, unexpected};
use super::{Stop, Story};
use crate::cli::Outcome;

pub(super) async fn play(story: &mut Story, ground: &Ground) -> Result<(), Stop> {
    story.chapter(
        "4. One trail for the whole organization",
        "A plan shows every step before anything is written; apply does exactly that, and then\n\
         looks again. The second plan is empty: what was declared is what is there.",
    )?;
    let ran = ground.program.run(&["plan"]).await?;
    let held = ran.ended(Outcome::ChangesPending);
    let said = if held { ran.summary(1) } else { ran.in_full() };
    story.step(
        "the plan has steps to do, and says so with exit code 10",
        Some("orgtrail plan"),
        held,
        said,
    )?;

    let ran = ground.program.run(&["apply", "--yes"]).await?;
    let held = ran.ended(Outcome::Clean);
    let said = if held { ran.summary(1) } else { ran.in_full() };
    story.must("apply does them all", Some("orgtrail apply --yes"), held, said)?;

    let ran = ground.program.run(&["plan"]).await?;
    let held = ran.ended(Outcome::Clean);
    let said = if held { ran.summary(1) } else { ran.in_full() };
    story.step("planned again, nothing is left to do", Some("orgtrail plan"), held, said)?;
    alarms(story, ground).await
}

/// Two more lines of config make an alarm for each of CIS's patterns; who is to
/// hear of them has to confirm.
async fn alarms(story: &mut Story, ground: &Ground) -> Result<(), Stop> {
    let path = ground.folder.path().join("orgtrail.toml");
    let config = fs::read_to_string(&path).map_err(unexpected)?;
    let more = format!("{config}[alarms]\nsubscribers = [\"security@example.com\"]\n");
    fs::write(&path, more).map_err(unexpected)?;
    let ran = ground.program.run(&["apply", "--yes"]).await?;
    let confirmed = ground.sandbox.confirm_subscriptions();
    let aws = ground.aws().await?;
    let clients = ground.clients(&aws, &ground.management);
    let there = clients.cloudwatch().describe_alarms().send().await;
    let there = there.map_err(|error| clients.error("cloudwatch:DescribeAlarms", error))?;
    let alarms = there.metric_alarms();
    let tell = alarms.iter().filter(|alarm| !alarm.alarm_actions().is_empty()).count();
    let held = ran.ended(Outcome::Clean) && confirmed == 1 && (alarms.len(), tell) == (16, 16);
    let said = if held {
        format!("{}\nsecurity@example.com confirmed, by the link in its message", ran.summary(1))
    } else {
        ran.in_full()
    };
    story.step(
        "two more lines, `[alarms]`: sixteen alarms, and who hears of them",
        Some("orgtrail apply --yes"),
        held,
        said,
    )?;
    Ok(())
}
