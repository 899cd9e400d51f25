//! The archive, proven; then damaged behind everybody's back, and found out.

use super::ground::{BUCKET, Ground, unexpected};
use super::trail::Delivered;
use super::{Stop, Story};
use crate::cli::Exit;

pub(super) async fn play(
    story: &mut Story,
    ground: &Ground,
    delivered: &Delivered,
) -> Result<(), Stop> {
    story.chapter(
        "8. The archive, proven",
        "Every digest's signature, link and log file is checked, for every account and Region at once.\n\
         Then a log is changed and a digest taken away, past all guards, as who owns the disks could.",
    )?;
    let ran = ground.program.run(&["verify"]).await?;
    let held = ran.ended(Exit::Clean);
    let said = if held { ran.summary(1) } else { ran.in_full() };
    if !story.step("every chain of digests holds", Some("orgtrail verify"), held, said)? {
        return Err(Stop::Broken);
    }

    let account = ground.log_archive.as_str();
    let part = format!("/{account}/CloudTrail-Digest/");
    let digests: Vec<String> =
        ground.sandbox.keys_raw(BUCKET, "").into_iter().filter(|key| key.contains(&part)).collect();
    let Some(digest) = digests.get(digests.len() / 2) else {
        return Err(Stop::Broken);
    };
    let flip = |body: &mut Vec<u8>| {
        let middle = body.len() / 2;
        if let Some(byte) = body.get_mut(middle) {
            *byte ^= 1;
        }
    };
    ground.sandbox.tamper(BUCKET, &delivered.log, flip).map_err(unexpected)?;
    ground.sandbox.vanish(BUCKET, digest).map_err(unexpected)?;
    let ran = ground.program.run(&["verify", "--account", account, "--format", "json"]).await?;
    let failed = ran.ended(Exit::IntegrityFailure);
    for (title, key) in [
        ("one changed byte of a log file is found, and the file named", delivered.log.as_str()),
        ("one missing digest is found, and named", digest.as_str()),
    ] {
        let held = failed && ran.stdout.contains(key);
        let said = if held { key.to_owned() } else { ran.in_full() };
        story.step(title, Some(&format!("orgtrail verify --account {account}")), held, said)?;
    }
    Ok(())
}
