//! Plan, apply, plan again.

use super::ground::Ground;
use super::{Stop, Story};
use crate::cli::Exit;

pub(super) async fn play(story: &mut Story, ground: &Ground) -> Result<(), Stop> {
    story.chapter(
        "4. One trail for the whole organization",
        "A plan shows every step before anything is written; apply does exactly that, and then\n\
         looks again. The second plan is empty: what was declared is what is there.",
    )?;
    let ran = ground.program.run(&["plan"]).await?;
    let held = ran.ended(Exit::ChangesPending);
    let said = if held { ran.summary(1) } else { ran.in_full() };
    story.step(
        "the plan has steps to do, and says so with exit code 10",
        Some("orgtrail plan"),
        held,
        said,
    )?;

    let ran = ground.program.run(&["apply", "--yes"]).await?;
    let held = ran.ended(Exit::Clean);
    let said = if held { ran.summary(1) } else { ran.in_full() };
    if !story.step("apply does them all", Some("orgtrail apply --yes"), held, said)? {
        return Err(Stop::Broken);
    }

    let ran = ground.program.run(&["plan"]).await?;
    let held = ran.ended(Exit::Clean);
    let said = if held { ran.summary(1) } else { ran.in_full() };
    story.step("planned again, nothing is left to do", Some("orgtrail plan"), held, said)?;
    Ok(())
}
