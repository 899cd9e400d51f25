//! `orgtrail events who` on directories of log files.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::program::{Finished, NOWHERE, finish, orgtrail_at};

const ORG: [&str; 2] = ["111111111111", "222222222222"];
const ALICE: &str = "AIDAALICEEXAMPLE0000";
const ROLE: &str = "AROADEPLOYEXAMPLE000";
const FIRST: &str = "ASIAFIRSTEXAMPLE0000";
const SECOND: &str = "ASIASECONDEXAMPLE000";

fn record(id: &str, time: &str, name: &str, account: &str, identity: Value) -> Value {
    let source = if name.starts_with("Assume") { "sts" } else { "ec2" };
    json!({
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": time,
        "eventSource": format!("{source}.amazonaws.com"),
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.17 md/Botocore",
        "eventID": id,
        "recipientAccountId": account,
    })
}

fn user(id: &str, name: &str) -> Value {
    json!({
        "type": "IAMUser", "principalId": id, "userName": name, "accountId": ORG[0],
        "arn": format!("arn:aws:iam::{}:user/{name}", ORG[0]),
        "accessKeyId": format!("AKIA{}", &id[4..]),
    })
}

fn session(account: &str, role: &str, name: &str, key: &str, created: &str) -> Value {
    json!({
        "type": "AssumedRole", "principalId": format!("{role}:{name}"), "accountId": account,
        "arn": format!("arn:aws:sts::{account}:assumed-role/deploy/{name}"), "accessKeyId": key,
        "sessionContext": { "attributes": { "creationDate": created, "mfaAuthenticated": "false" } },
    })
}

fn assume(mut call: Value, account: &str, role: &str, name: &str, key: &str) -> Value {
    call["responseElements"] = json!({
        "credentials": { "accessKeyId": key },
        "assumedRoleUser": {
            "assumedRoleId": format!("{role}:{name}"),
            "arn": format!("arn:aws:sts::{account}:assumed-role/deploy/{name}"),
        },
    });
    call
}

/// Writes a log file where CloudTrail would, named by its time of delivery.
fn deliver(
    root: &Path,
    account: &str,
    region: &str,
    delivered: &str,
    records: &[Value],
) -> PathBuf {
    let at: jiff::Timestamp = delivered.parse().unwrap();
    let folder = root
        .join(format!("AWSLogs/{account}/CloudTrail/{region}"))
        .join(at.strftime("%Y/%m/%d").to_string());
    fs::create_dir_all(&folder).unwrap();
    let time = at.strftime("%Y%m%dT%H%MZ");
    let path =
        folder.join(format!("{account}_CloudTrail_{region}_{time}_aaaaaaaaaaaaaaaa.json.gz"));
    let mut file = GzEncoder::new(fs::File::create(&path).unwrap(), Compression::fast());
    file.write_all(json!({ "Records": records }).to_string().as_bytes()).unwrap();
    file.finish().unwrap();
    path
}

fn who(folder: &Path, arguments: &[&str]) -> Finished {
    let arguments = [&["events", "who"], arguments, &["--in", "logs"]].concat();
    finish(&mut orgtrail_at(NOWHERE, folder, &arguments))
}

/// Alice assumes a role in her account in eu-west-1, and from it one in another account, where
/// instances are stopped. Mallory uses the same session name earlier.
fn chain(logs: &Path) -> [PathBuf; 4] {
    let (first, second) = (
        session(ORG[0], ROLE, "deploy", FIRST, "2026-11-20T10:00:00Z"),
        session(ORG[1], "AROAOTHEREXAMPLE0000", "deploy", SECOND, "2026-11-20T10:30:00Z"),
    );
    let call = |id, time, by| record(id, time, "AssumeRole", ORG[0], by);
    let mallory = user("AIDAMALLORYEXAMPLE00", "alice");
    let earlier = assume(
        call("e0", "2026-11-20T08:00:00Z", mallory),
        ORG[0],
        ROLE,
        "deploy",
        "ASIAEARLIEREXAMPLE00",
    );
    let used = record(
        "11111111-1111-4111-8111-111111111111",
        "2026-11-20T10:42:00Z",
        "StopInstances",
        ORG[1],
        second,
    );
    let shared = |mut call: Value| {
        call["sharedEventID"] = json!("shared-1");
        call
    };
    let by_account = json!({ "type": "AWSAccount", "principalId": format!("{ROLE}:deploy"), "accountId": ORG[0] });
    let mut issuing = call("e1", "2026-11-20T10:00:00Z", user(ALICE, "alice"));
    issuing["awsRegion"] = json!("eu-west-1");
    [
        deliver(logs, ORG[0], "us-east-1", "2026-11-20T08:05:00Z", &[earlier]),
        deliver(
            logs,
            ORG[0],
            "eu-west-1",
            "2026-11-20T10:05:00Z",
            &[assume(issuing, ORG[0], ROLE, "deploy", FIRST)],
        ),
        deliver(
            logs,
            ORG[0],
            "us-east-1",
            "2026-11-20T10:35:00Z",
            &[shared(assume(
                call("e2", "2026-11-20T10:30:00Z", first),
                ORG[1],
                "AROAOTHEREXAMPLE0000",
                "deploy",
                SECOND,
            ))],
        ),
        deliver(
            logs,
            ORG[1],
            "us-east-1",
            "2026-11-20T10:45:00Z",
            &[
                shared(assume(
                    record("e3", "2026-11-20T10:30:00Z", "AssumeRole", ORG[1], by_account),
                    ORG[1],
                    "AROAOTHEREXAMPLE0000",
                    "deploy",
                    SECOND,
                )),
                used,
            ],
        ),
    ]
}

#[test]
fn a_session_is_followed_over_accounts_and_regions() {
    let folder = tempfile::tempdir().unwrap();
    chain(&folder.path().join("logs"));
    for arguments in [
        &[SECOND][..],
        &["11111111-1111-4111-8111-111111111111"],
        &["AROAOTHEREXAMPLE0000:deploy", "--at", "2026-11-20T10:42:00Z"],
    ] {
        let found = who(folder.path(), arguments);
        assert_eq!(found.code, 0, "{}", found.text());
        let report = who(folder.path(), &[arguments, &["--format", "json"]].concat()).json();
        assert_eq!(
            (&report["verdict"], &report["strength"]),
            (&json!("resolved"), &json!("proven"))
        );
        assert_eq!(report["origin"]["id"], ALICE);
        let hops = report["chains"][0]["hops"].as_array().unwrap();
        let links: Vec<_> = hops.iter().map(|hop| hop["link"].as_str().unwrap()).collect();
        assert_eq!(links, ["shared_event", "issued_key"]);
        assert_eq!(hops[0]["other_event"]["account"], ORG[1]);
        let key = hops[1]["event"]["key"].as_str().unwrap();
        assert!(key.contains("/CloudTrail/eu-west-1/2026/11/20/"), "{key}");
        assert_eq!(report["summary"]["files"]["read"], 4);
    }
    let text = who(folder.path(), &[SECOND]);
    for part in [
        "PROVEN: IAM user alice (AIDAALICEEXAMPLE0000) in 111111111111\n",
        "  session  assumed-role/deploy/deploy in 222222222222 (AROAOTHEREXAMPLE0000:deploy)\n",
        "  proven   the call issued the session's access key (two accounts' records)\n",
        "           AssumeRole at 2026-11-20T10:00:00Z in 111111111111 us-east-1\n",
        "           event e1\n",
        "from 198.51.100.7",
        "proof: not checked",
    ] {
        let part = part
            .replace("10:00:00Z in 111111111111 us-east-1", "10:00:00Z in 111111111111 eu-west-1");
        assert!(text.stdout.contains(&part), "{part}: {}", text.text());
    }
}

#[test]
fn several_sessions_of_one_name_are_candidates() {
    let folder = tempfile::tempdir().unwrap();
    chain(&folder.path().join("logs"));
    let found =
        who(folder.path(), &["AROADEPLOYEXAMPLE000:deploy", "--at", "2026-11-20T10:10:00Z"]);
    assert_eq!(found.code, 14, "{}", found.text());
    assert!(found.stdout.contains("AMBIGUOUS: 2 candidates"), "{}", found.text());
    for id in [ALICE, "AIDAMALLORYEXAMPLE00"] {
        assert!(found.stdout.contains(id), "{}", found.text());
    }
    // A name, which two users have.
    let found = who(folder.path(), &["alice", "--format", "json"]).json();
    assert_eq!((&found["verdict"], &found["origin"]), (&json!("ambiguous"), &Value::Null));
    // What two people did is not printed as if it were one.
    for option in ["--sessions", "--events"] {
        let refused = who(folder.path(), &["alice", option]);
        assert_eq!(refused.code, 14, "{}", refused.text());
        let hint = "ask for one of the candidates by its id";
        assert!(refused.stderr.contains(hint), "{}", refused.text());
        assert!(!refused.stdout.contains("issued from it"), "{}", refused.text());
    }
    let nobody = who(folder.path(), &["ASIANOBODYEXAMPLE000"]);
    assert!(nobody.code == 14 && nobody.stdout.contains("NOT FOUND"), "{}", nobody.text());
    let wrong = who(folder.path(), &["/"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("expected an access key"), "{}", wrong.text());
}

#[test]
fn a_missing_call_breaks_the_chain_and_the_reason_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let [_, issuing, ..] = chain(&folder.path().join("logs"));
    // Read from after the first call on, as requested; without a limit it is looked for.
    let late = ["--at", "2026-11-20T10:42:00Z", "--since", "2026-11-20T10:20:00Z"];
    let cut = who(folder.path(), &[&[SECOND], &late[..]].concat());
    assert_eq!(cut.code, 14, "{}", cut.text());
    let reason =
        "UNKNOWN: the session was created at 2026-11-20T10:00:00Z, before the time that was read";
    assert!(cut.stdout.contains(reason), "{}", cut.text());
    assert!(cut.stdout.contains("claimed  session name deploy"), "{}", cut.text());
    fs::write(&issuing, "{}").unwrap();
    let unreadable = who(folder.path(), &[SECOND]);
    assert_eq!(unreadable.code, 14);
    assert!(
        unreadable
            .stdout
            .contains("UNKNOWN: the issuing call was not found, and something could not be read"),
        "{}",
        unreadable.text()
    );
    fs::remove_file(&issuing).unwrap();
    let missing = who(folder.path(), &[SECOND]);
    assert!(
        missing.stdout.contains("UNKNOWN: the issuing call is not in what was read"),
        "{}",
        missing.text()
    );
}

#[test]
fn an_earlier_session_is_looked_for_around_its_creation() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    // Before the 36 hours that are read at first.
    let created = "2026-11-18T10:00:00Z";
    let mut issuing = record("e1", created, "GetFederationToken", ORG[0], user(ALICE, "alice"));
    issuing["eventSource"] = json!("sts.amazonaws.com");
    issuing["responseElements"] = json!({
        "credentials": { "accessKeyId": FIRST },
        "federatedUser": { "federatedUserId": format!("{}:app", ORG[0]) },
    });
    let used = record(
        "e2",
        "2026-11-19T00:00:00Z",
        "StopInstances",
        ORG[0],
        json!({
            "type": "FederatedUser", "principalId": format!("{}:app", ORG[0]), "accountId": ORG[0],
            "accessKeyId": FIRST, "sessionContext": { "attributes": { "creationDate": created } },
        }),
    );
    deliver(&logs, ORG[0], "us-east-1", "2026-11-18T10:05:00Z", &[issuing]);
    deliver(&logs, ORG[0], "us-east-1", "2026-11-19T00:05:00Z", &[used]);
    let until = ["--until", "2026-11-20T10:00:00Z", "--format", "json"];
    let found = who(folder.path(), &[&[FIRST], &until[..]].concat());
    assert_eq!(found.code, 0, "{}", found.text());
    let report = found.json();
    assert_eq!(report["origin"]["id"], ALICE);
    assert_eq!(report["chains"][0]["hops"][0]["event"]["event_id"], "e1", "{report:#}");
}

#[test]
fn what_a_key_did_is_listed_directly_and_through_sessions() {
    let folder = tempfile::tempdir().unwrap();
    chain(&folder.path().join("logs"));
    let key = "AKIAALICEEXAMPLE0000";
    let report = who(folder.path(), &[key, "--sessions", "--format", "json"]).json();
    let sessions = report["sessions"].as_array().unwrap();
    let found: Vec<_> = sessions
        .iter()
        .map(|one| (one["session"]["access_key"].as_str().unwrap(), one["hops"].as_u64().unwrap()))
        .collect();
    assert_eq!(found, [(FIRST, 1), (SECOND, 2)]);
    let text = who(folder.path(), &[key, "--sessions"]);
    assert_eq!(text.code, 0, "{}", text.text());
    assert!(text.stdout.contains("2 sessions issued from it"), "{}", text.text());
    assert!(text.stdout.contains("SECONDEXAMPLE000, over 1 session\n"), "{}", text.text());
    let since = ["--since", "2026-11-20T10:30:00Z", "--events", "--format", "jsonl"];
    let events = who(folder.path(), &[&[key], &since[..]].concat());
    let names: Vec<_> = events
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["eventID"].clone())
        .collect();
    assert_eq!(names, ["e2", "11111111-1111-4111-8111-111111111111"], "{}", events.text());
}

/// The real logs of an attack: every session whose issuing call they contain is resolved, and
/// users of the console and services are known by their ids.
#[test]
fn real_sessions_are_resolved() {
    let data = Path::new("/work/shared/data/cloudtrail");
    if !data.exists() {
        eprintln!("SKIPPED: no real log files in {}", data.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    for file in fs::read_dir(data.join("invictus-aws-dataset/CloudTrail")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), logs.join(file.file_name())).unwrap();
    }
    let user = "AIDATFQR7NSC5AU2ZV3IE";
    for (question, strength, origin, hops) in [
        ("ASIATFQR7NSCVW2R4OHT", "proven", user, 1),
        ("ASIATFQR7NSCXLFJ4S5E", "proven", user, 1),
        ("ASIATFQR7NSCSHSEVYP5", "proven", "i-0dbc91f429e48eeed", 1),
        ("i-05c30218156bcc246", "proven", "i-05c30218156bcc246", 1),
        // The console, with the sign-in among the logs and without it.
        ("ASIATFQR7NSCVDQK5XKV", "bounded", user, 1),
        ("ASIATFQR7NSCXRLH2ACF", "bounded", user, 1),
        ("ASIATFQR7NSCX6ILTQHM", "proven", "AIDATFQR7NSC5U6Q3TMDR", 0),
    ] {
        let report = who(folder.path(), &[question, "--format", "json"]).json();
        assert_eq!(report["verdict"], "resolved", "{question}: {report:#}");
        assert_eq!(report["strength"], strength, "{question}");
        assert_eq!(report["origin"]["id"], origin, "{question}");
        assert_eq!(report["chains"][0]["hops"].as_array().unwrap().len(), hops, "{question}");
    }
    let report =
        who(folder.path(), &["AKIATFQR7NSC8Q4X20BJ", "--sessions", "--format", "json"]).json();
    assert_eq!(report["origin"]["id"], user);
    let sessions = report["sessions"].as_array().unwrap();
    assert!(sessions.iter().all(|one| one["strength"] == "proven") && !sessions.is_empty());
}
