//! Files that no digest lists, put among an account's logs: no window that contains one
//! is proven.

use jiff::{SignedDuration, Timestamp};
use orgtrail::archive::key::{LogClass, ObjectKey, ObjectKind, Root};

use crate::consolidate_env::log_body;
use crate::env::home;
use crate::program::{finish, orgtrail};
use crate::rounds::{ARCHIVE, LegacyEnv, member};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// An archive of which all is proven.
async fn proven_archive() -> LegacyEnv {
    let env = LegacyEnv::new().await;
    let done = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(done.code, 0, "{}", done.text());
    let verified = env.run(&["verify", "--account", member().as_str()]).await;
    assert_eq!(verified.code, 0, "{}", verified.text());
    env
}

/// The hour in which the member's own trail was stopped.
fn end_of_own_trail(env: &LegacyEnv) -> Timestamp {
    let times = env.legacy.iter().map(|key| key.parse::<ObjectKey>().unwrap().time());
    times.max().unwrap()
}

fn planted_key(env: &LegacyEnv, class: LogClass, region: &str, time: Timestamp) -> String {
    let org = env.sandbox.organization_id().unwrap();
    let root = Root { prefix: None, org: Some(org.to_string().parse().unwrap()) };
    let kind = ObjectKind::Log { class, unique: "planted000000000".into() };
    ObjectKey::new(root, member(), region.parse().unwrap(), time, kind).unwrap().to_string()
}

/// Verifies with such an object in the archive, and takes it out again.
async fn verified_with_object(env: &LegacyEnv, key: &str, more: &[&str]) -> (i32, String) {
    env.sandbox.put_raw(ARCHIVE, key, log_body("planted")).unwrap();
    let account = member();
    let arguments = ["verify", "--account", account.as_str(), "--format", "json"];
    let output = env.run(&[&arguments[..], more].concat()).await;
    env.sandbox.delete_raw(ARCHIVE, key).unwrap();
    (output.code, output.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_log_is_never_proven_wherever_it_lies() {
    let env = proven_archive().await;
    let end = end_of_own_trail(&env);
    let hour = SignedDuration::from_hours(1);
    let begin = end - DAY;
    let events = |time| planted_key(&env, LogClass::Events, "us-east-1", time);
    let org = env.sandbox.organization_id().unwrap();
    let account = format!("AWSLogs/{org}/{}/", member());
    let inside = events(end - hour * 12);
    let name = inside.rsplit('/').next().unwrap().to_owned();
    for (key, wanted, kind) in [
        // In the middle of what digests cover.
        (inside.clone(), 13, "log-unlisted"),
        // After the member's own trail was stopped: another trail covers that.
        (events(end + hour * 2), 14, "logs-unproven"),
        // Where the coverage of its trail begins.
        (events(begin + SignedDuration::from_mins(5)), 14, "logs-unproven"),
        (events(begin - hour * 30), 14, "logs-unproven"),
        (planted_key(&env, LogClass::Insight, "us-east-1", end - hour), 14, "logs-unproven"),
        (planted_key(&env, LogClass::Aggregated, "us-east-1", end - hour), 14, "logs-unproven"),
        (planted_key(&env, LogClass::Events, "eu-north-7", end - hour), 14, "no-digests"),
        (planted_key(&env, LogClass::Insight, "eu-north-7", end - hour), 14, "no-digests"),
        (format!("backup/{}", inside.replace(&format!("{org}/"), "")), 14, "no-digests"),
        // Where CloudTrail writes nothing at all.
        (
            format!("awslogs/{}/CloudTrail/us-east-1/2026/03/04/{name}", member()),
            14,
            "logs-unproven",
        ),
        (
            format!("AWSLogs//{}/CloudTrail/us-east-1/2026/03/04/{name}", member()),
            14,
            "logs-unproven",
        ),
        (format!("АWSLogs/{name}"), 14, "logs-unproven"),
        (name.clone(), 14, "logs-unproven"),
        (format!("{account}x/{name}"), 14, "logs-unproven"),
        (format!("{account}xCloudTrail/us-east-1/2026/03/04/{name}"), 13, "unexpected-object"),
        // Below a trail's prefix that leads into the account's folder.
        (format!("{account}x/{}", inside.replace(&format!("{org}/"), "")), 14, "no-digests"),
        // From the future.
        (events(env.sandbox.now() + DAY * 40), 14, "logs-unproven"),
        (format!("{account}CloudTrail/us_east_1/2026/03/04/{name}"), 13, "unexpected-object"),
        (format!("{account}CloudTrail2/us-east-1/2026/03/04/{name}"), 13, "unexpected-object"),
        (format!("{account}CloudTrail/us-east-1/{name}"), 13, "unexpected-object"),
        (format!("{account}CloudTrail/us-east-1/z/{name}"), 13, "unexpected-object"),
        (format!("{account}CloudTrail/us-east-1/2026/z.json.gz"), 13, "unexpected-object"),
        (format!("{account}CloudTrail/{name}"), 13, "unexpected-object"),
        (format!("{account}{name}"), 13, "unexpected-object"),
        (format!("{account}CloudTrail-Digest/us-east-1/2026/03/z/{name}"), 13, "unexpected-object"),
    ] {
        let (exit, report) = verified_with_object(&env, &key, &[]).await;
        assert_eq!(exit, wanted, "{key}: {report}");
        assert!(report.contains(kind) && report.contains(&key), "{key}: {report}");
    }
    // What other services write beside CloudTrail's folders is not CloudTrail's.
    for key in [format!("{account}Config/us-east-1/2026/3/4/x.json.gz"), format!("{account}x/")] {
        let (exit, report) = verified_with_object(&env, &key, &[]).await;
        assert_eq!(exit, 0, "{key}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_window_is_not_proven_with_a_planted_log_at_its_edge() {
    let env = proven_archive().await;
    let end = end_of_own_trail(&env);
    let hour = SignedDuration::from_hours(1);
    let key = planted_key(&env, LogClass::Events, "us-east-1", end + hour * 2);
    let time = key.parse::<ObjectKey>().unwrap().time();
    let minutes = SignedDuration::from_mins;
    let window = |from: Timestamp, to: Timestamp| [from.to_string(), to.to_string()];
    for (window, wanted) in [
        (window(time - hour * 2, time + hour * 2), 14),
        // It lies where the window begins, and where it ends.
        (window(time, time + hour * 3), 14),
        (window(time - minutes(5), time + hour * 3), 14),
        (window(time - hour * 3, time), 14),
        (window(time - hour * 3, time + minutes(5)), 14),
        // The window of others is proven.
        (window(time + hour * 2, time + hour * 5), 0),
    ] {
        let more = ["--since", &window[0], "--until", &window[1]];
        let (exit, report) = verified_with_object(&env, &key, &more).await;
        let wanted = if report.contains("log-unlisted") { 13 } else { wanted };
        assert_eq!(exit, wanted, "{window:?}: {report}");
        let other = ["--region", "eu-central-1"];
        let (exit, report) = verified_with_object(&env, &key, &[&more[..], &other].concat()).await;
        assert_eq!(exit, 0, "{window:?}: {report}");
    }
    // Beside the window's days there is no other way in.
    let folder = key.rsplit_once("/2026/").unwrap().0;
    let more = ["--since", &window(time, time)[0]];
    for name in ["2026/00/x.json.gz", "2026/03/.x.json.gz", "!x.json.gz", "zz/x.json.gz"] {
        let (exit, report) = verified_with_object(&env, &format!("{folder}/{name}"), &more).await;
        assert_eq!(exit, 13, "{name}: {report}");
        assert!(report.contains("unexpected-object"), "{name}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_with_a_planted_log_is_not_proven_and_every_format_names_it() {
    let mut env = proven_archive().await;
    let end = end_of_own_trail(&env);
    let hour = SignedDuration::from_hours(1);
    let key = planted_key(&env, LogClass::Events, "us-east-1", end + hour * 2);
    env.sandbox.put_raw(ARCHIVE, &key, log_body("planted")).unwrap();
    for format in ["text", "json", "junit", "aws-cli"] {
        let output = env.run(&["verify", "--format", format]).await;
        assert_eq!(output.code, 14, "{format}: {}", output.text());
        assert!(output.text().contains(&key), "{format}: {}", output.text());
    }
    let folder = tempfile::tempdir().unwrap();
    let window = [(end - hour * 4).to_string(), (end + hour * 6).to_string()];
    let account = member();
    let pack = ["evidence", "--account", account.as_str(), "-o", "b.tar.zst", "--format", "json"];
    let window = ["--from", &window[0], "--until", &window[1]];
    let packed = env.run_in(folder.path(), &[&pack[..], &window].concat()).await;
    assert_eq!(packed.code, 14, "{}", packed.text());
    let printed = packed.json();
    assert_eq!(printed["proven"], false, "{printed:#}");
    let output = finish(&mut orgtrail(folder.path(), &["verify", "b.tar.zst", "--offline"]));
    assert_eq!(output.code, 14, "{}", output.text());
    assert!(output.text().contains(&key), "{}", output.text());

    // Somebody who knows why it is there may accept it: then it is a notice.
    let accepted = ["accept", &key, "--reason", "known: ticket 1", "--yes"];
    let accepted = env.run(&accepted).await;
    assert_eq!(accepted.code, 0, "{}", accepted.text());
    env.trust_acceptances();
    let output = env.run(&["verify"]).await;
    assert_eq!(output.code, 0, "{}", output.text());
    assert!(output.text().contains(&key) && output.text().contains("ticket 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_logs_of_an_invented_region_can_be_accepted_one_by_one() {
    let mut env = proven_archive().await;
    let time = end_of_own_trail(&env);
    let minute = SignedDuration::from_mins(1);
    let keys =
        [0, 1, 2].map(|nth| planted_key(&env, LogClass::Events, "eu-north-7", time - minute * nth));
    for key in &keys {
        env.sandbox.put_raw(ARCHIVE, key, log_body("planted")).unwrap();
    }
    for (nth, key) in keys.iter().enumerate() {
        let verified = env.run(&["verify"]).await;
        assert_eq!(verified.code, 14, "{nth}: {}", verified.text());
        assert!(verified.text().contains(key), "{nth}: {}", verified.text());
        let accepted = env.run(&["accept", key, "--reason", "ticket 2", "--yes"]).await;
        assert_eq!(accepted.code, 0, "{}", accepted.text());
        env.trust_acceptances();
    }
    let verified = env.run(&["verify"]).await;
    assert_eq!(verified.code, 0, "{}", verified.text());
    assert!(keys.iter().all(|key| verified.text().contains(key)), "{}", verified.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_hour_waits_for_its_digest_and_is_not_in_the_window() {
    let env = proven_archive().await;
    let region = home();
    let clients = env.clients(&member(), &region);
    clients.cloudtrail().describe_trails().send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_mins(20));
    let verified = env.run(&["verify"]).await;
    assert_eq!(verified.code, 0, "{}", verified.text());
    // Of the chosen trails' chains alone, the answer says so.
    let of_trail = ["verify", "--trail", "orgtrail", "--account", "222222222222"];
    let verified = env.run(&of_trail).await;
    assert_eq!(verified.code, 0, "{}", verified.text());
    assert!(verified.text().contains("for the chains of the chosen trails only"));
    assert!(verified.text().contains("unlisted-not-checked"), "{}", verified.text());
    // Where another trail delivered too, its log files are not proven.
    let verified = env.run(&of_trail[..3]).await;
    assert_eq!(verified.code, 14, "{}", verified.text());
    assert!(verified.text().contains("logs-of-other-trails"), "{}", verified.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_log_is_not_proven_by_the_chains_of_chosen_trails() {
    let env = proven_archive().await;
    let key = planted_key(&env, LogClass::Events, home().as_str(), end_of_own_trail(&env));
    let key = key.replace(member().as_str(), "222222222222");
    env.sandbox.put_raw(ARCHIVE, &key, log_body("planted")).unwrap();
    let of_trail = ["verify", "--trail", "orgtrail", "--account", "222222222222"];
    let verified = env.run(&of_trail).await;
    assert_eq!(verified.code, 14, "{}", verified.text());
    assert!(verified.text().contains(&key), "{}", verified.text());
    assert!(verified.text().contains("logs-of-other-trails"), "{}", verified.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_folders_beside_those_of_accounts_hide_none() {
    let env = proven_archive().await;
    let key = planted_key(&env, LogClass::Events, home().as_str(), end_of_own_trail(&env));
    let root = key.split_once(member().as_str()).unwrap().0;
    for nth in 0..=200 {
        let junk = format!("{root}a{nth:03}/b/junk");
        env.sandbox.put_raw(ARCHIVE, &junk, b"junk".to_vec()).unwrap();
    }
    let verified = env.run(&["verify"]).await;
    assert_eq!(verified.code, 14, "{}", verified.text());
    assert!(verified.text().contains("not all were searched"), "{}", verified.text());
}
