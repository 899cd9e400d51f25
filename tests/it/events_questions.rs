//! The ten questions about recorded events, asked about a simulated organization, where the
//! truth is known. `tests/peers/events_questions.py` asks them about real log files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;

use flate2::read::GzDecoder;
use jiff::Timestamp;
use orgtrail::sandbox::{Person, SignIn, TrueSession};
use serde_json::{Value, json};

use crate::env::HOME;
use crate::program::{Finished, NOWHERE, finish, orgtrail_at};
use crate::trail_env::{BUCKET, HOUR, TrailEnv};

/// The hours in which only the home Region was used.
const BEFORE: i32 = 4;

/// An organization's archive in a directory, and what is true of it.
struct Archive {
    folder: tempfile::TempDir,
    records: Vec<Value>,
    sessions: Vec<TrueSession>,
    from: Timestamp,
    accounts: usize,
    files: usize,
}

impl Archive {
    /// A day and two hours of three accounts. Somebody stopped the trail for a moment and root
    /// signed in without a second factor.
    async fn new() -> Self {
        let env = TrailEnv::start(3).await;
        let from = env.sandbox.now();
        let trail = env.organization_trail().await;
        env.sandbox.set_volume(60.0, Some(vec![HOME.parse().unwrap()]));
        env.sandbox.tick(HOUR * BEFORE);
        env.sandbox.set_volume(60.0, None);
        env.trail(0).stop_logging().name(&trail).send().await.unwrap();
        env.trail(0).start_logging().name(&trail).send().await.unwrap();
        let root = SignIn { account: env.account(1).clone(), user: None, mfa: false, fails: false };
        env.sandbox.sign_in(&root).unwrap();
        env.sandbox.tick(HOUR * (26 - BEFORE));
        let folder = tempfile::tempdir().unwrap();
        let (mut records, mut files) = (Vec::new(), 0);
        for key in env.sandbox.keys_raw(BUCKET, "AWSLogs/") {
            let body = env.sandbox.body_raw(BUCKET, &key).unwrap();
            let path = folder.path().join("logs").join(&key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &body).unwrap();
            if key.contains("/CloudTrail/") && key.ends_with(".json.gz") {
                let mut text = String::new();
                GzDecoder::new(&*body).read_to_string(&mut text).unwrap();
                let mut file: Value = serde_json::from_str(&text).unwrap();
                records.append(file["Records"].as_array_mut().unwrap());
                files += 1;
            }
        }
        let sessions = env.sandbox.true_sessions(from, env.sandbox.now());
        // The sessions of the last minutes are not delivered yet.
        let acted = |session: &TrueSession| records.iter().any(|record| is_of(record, session));
        let sessions = sessions.into_iter().filter(acted).collect();
        Self { folder, records, sessions, from, accounts: 3, files }
    }

    fn ask(&self, arguments: &[&str]) -> Finished {
        let arguments = [&["events"], arguments, &["--in", "logs"]].concat();
        finish(&mut orgtrail_at(NOWHERE, self.folder.path(), &arguments))
    }

    /// Ids of the events that a command prints.
    fn found(&self, arguments: &[&str]) -> BTreeSet<String> {
        let asked = self.ask(&[arguments, &["--format", "jsonl"]].concat());
        assert_eq!(asked.code, 0, "{arguments:?}: {}", asked.stderr);
        asked.stdout.lines().map(|line| id(&serde_json::from_str(line).unwrap())).collect()
    }

    /// Ids of the events of which something is true.
    fn ids(&self, is_wanted: impl Fn(&Value) -> bool) -> BTreeSet<String> {
        self.records.iter().filter(|record| is_wanted(record)).map(id).collect()
    }

    fn assert_found(&self, arguments: &[&str], is_wanted: impl Fn(&Value) -> bool) {
        let (found, wanted) = (self.found(arguments), self.ids(is_wanted));
        assert!(!wanted.is_empty(), "{arguments:?}: nothing to find");
        let extra: Vec<_> = found.difference(&wanted).collect();
        let missing: Vec<_> = wanted.difference(&found).collect();
        let record = |id: &&String| self.records.iter().find(|record| record["eventID"] == **id);
        assert!(
            extra.is_empty() && missing.is_empty(),
            "{arguments:?}: {} too many, {} missing: {:#?}",
            extra.len(),
            missing.len(),
            extra.first().or(missing.first()).and_then(record)
        );
    }
}

fn id(record: &Value) -> String {
    record["eventID"].as_str().unwrap().to_owned()
}

/// Whether a session did it.
fn is_of(record: &Value, session: &TrueSession) -> bool {
    let identity = &record["userIdentity"];
    match &session.access_key {
        Some(key) => identity["accessKeyId"] == **key,
        None => {
            identity["principalId"] == *session.principal_id
                && identity["sessionContext"]["attributes"]["creationDate"]
                    == session.began.to_string()
        }
    }
}

/// What is compared of a person: the type, and the member of the answer that identifies it.
fn person(person: &Person) -> (&'static str, &'static str, &str) {
    match person {
        Person::User { id, .. } => ("iam_user", "id", id),
        Person::IdentityCenter { user_id, .. } => ("identity_center_user", "id", user_id),
        Person::Saml { name } => ("saml_subject", "name", name),
        Person::WebIdentity { subject, .. } => ("web_identity", "name", subject),
        Person::Workload { service, name } if service == "ec2.amazonaws.com" => {
            ("instance", "id", name)
        }
        Person::Workload { service, .. } => ("service", "id", service),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ten_questions_are_answered_as_it_was() {
    let archive = Archive::new().await;
    // 1. Who stopped logging?
    archive.assert_found(&["search", "--event", "StopLogging"], |record| {
        record["eventName"] == "StopLogging"
    });
    who_was_it(&archive);
    what_did_a_person_do(&archive);
    // 5. What failed?
    archive.assert_found(&["search", "--errors"], |record| {
        record["errorCode"].is_string()
            || record["responseElements"]["ConsoleLogin"] == "Failure"
            || record["errorMessage"].is_string()
    });
    // 6. Who assumed this role, and are data events recorded?
    let role = archive
        .records
        .iter()
        .find_map(|record| record["requestParameters"]["roleArn"].as_str())
        .expect("a role that is assumed");
    let pattern = format!("{{ $.requestParameters.roleArn = \"{role}\" }}");
    archive.assert_found(&["search", &pattern], |record| {
        record["requestParameters"]["roleArn"] == role
    });
    assert!(archive.found(&["search", "{ $.eventCategory = Data }"]).is_empty());
    // 7. What came from this network?
    archive.assert_found(&["search", "--source-ip", "203.0.113.0/24"], |record| {
        record["sourceIPAddress"].as_str().unwrap().starts_with("203.0.113.")
    });
    // 9. Logins without MFA, and root.
    let without_mfa = "{ $.eventName = ConsoleLogin && $.additionalEventData.MFAUsed = No }";
    archive.assert_found(&["search", without_mfa], |record| {
        record["eventName"] == "ConsoleLogin" && record["additionalEventData"]["MFAUsed"] == "No"
    });
    let root = "{ $.userIdentity.type = Root && $.userIdentity.invokedBy NOT EXISTS }";
    archive.assert_found(&["search", root], |record| {
        record["userIdentity"]["type"] == "Root"
            && record["userIdentity"].get("invokedBy").is_none()
    });
    first_uses_and_coverage(&archive);
}

/// Who was behind a session (2): one of each kind of person and each number of hops.
fn who_was_it(archive: &Archive) {
    let mut kinds = BTreeMap::new();
    for session in &archive.sessions {
        let is_of_console = session.access_key.is_none();
        let kind = (person(&session.person).0, session.hops.len(), is_of_console);
        kinds.entry(kind).or_insert(session);
    }
    let people: BTreeSet<_> = kinds.keys().map(|(kind, ..)| *kind).collect();
    assert!(people.len() >= 5 && kinds.keys().any(|(_, hops, _)| *hops >= 2), "{:?}", kinds.keys());
    for (kind, session) in kinds {
        let name = session.access_key.as_ref().unwrap_or(&session.principal_id);
        let acted = archive.records.iter().find(|record| is_of(record, session)).unwrap();
        let at = acted["eventTime"].as_str().unwrap();
        let answer = archive.ask(&["who", name, "--at", at, "--format", "json"]).json();
        let found = &answer["origin"];
        let (origin_type, member, wanted) = person(&session.person);
        assert_eq!(answer["verdict"], "resolved", "{kind:?} {session:#?}: {answer:#}");
        assert_eq!(found["origin_type"], origin_type, "{session:#?}: {found:#}");
        assert_eq!(found[member], *wanted, "{session:#?}: {found:#}");
    }
}

/// What a user did in all accounts, directly and through sessions (3), and which sessions descend
/// from its access key (4).
fn what_did_a_person_do(archive: &Archive) {
    let mut users = BTreeMap::<&str, usize>::new();
    for session in &archive.sessions {
        if let Person::User { id, .. } = &session.person {
            *users.entry(id).or_default() += session.hops.len();
        }
    }
    let (alice, _) = users.into_iter().max_by_key(|(_, sessions)| *sessions).unwrap();
    let own: Vec<&TrueSession> = archive
        .sessions
        .iter()
        .filter(|session| matches!(&session.person, Person::User { id, .. } if id == alice))
        .collect();
    archive.assert_found(&["who", alice, "--events"], |record| {
        record["userIdentity"]["principalId"] == alice
            || own.iter().any(|session| is_of(record, session))
    });
    let key = own
        .iter()
        .filter_map(|session| session.hops.last()?.caller_key.as_deref())
        .find(|key| key.starts_with("AKIA"))
        .expect("a session that an access key began");
    let answer = archive.ask(&["who", key, "--sessions", "--format", "json"]).json();
    let listed = |member: &Value| member["session"]["access_key"].as_str().map(str::to_owned);
    let found: BTreeSet<String> =
        answer["sessions"].as_array().unwrap().iter().filter_map(listed).collect();
    let descends = |session: &&TrueSession| {
        session.hops.last().is_some_and(|hop| hop.caller_key.as_deref() == Some(key))
    };
    let wanted: BTreeSet<String> = archive
        .sessions
        .iter()
        .filter(descends)
        .filter_map(|session| session.access_key.clone())
        .collect();
    // A session that issued another but did nothing else has no events, and still descends.
    assert!(!wanted.is_empty() && wanted.is_subset(&found), "{wanted:?}\n{found:?}");
    let issued: BTreeSet<String> = archive
        .sessions
        .iter()
        .filter(descends)
        .flat_map(|session| session.hops.iter().filter_map(|hop| hop.issued_key.clone()))
        .collect();
    let never_used: Vec<_> = found.difference(&issued).collect();
    for key in never_used {
        let is_issued =
            |record: &Value| record["responseElements"]["credentials"]["accessKeyId"] == **key;
        assert!(archive.records.iter().any(is_issued), "{key} was never issued");
    }
}

/// First use of a Region (8), and what the answers rest on (10).
fn first_uses_and_coverage(archive: &Archive) {
    let since = (archive.from + HOUR * BEFORE).to_string();
    let asked = ["detect", "--since", &since, "--baseline", "4h", "--format", "json"];
    let answer = archive.ask(&asked).json();
    let findings = answer["findings"].as_array().unwrap();
    let found: BTreeSet<String> = findings
        .iter()
        .filter(|finding| finding["rule"]["id"] == "first-use-of-region")
        .flat_map(|finding| finding["events"].as_array().unwrap())
        .map(|event| format!("{} {}", event["account"], event["region"]))
        .collect();
    // By a change that succeeded and that no service made.
    let is_use = |record: &&Value| {
        record["readOnly"] == false
            && record["errorCode"].is_null()
            && record["userIdentity"]["invokedBy"].is_null()
            && record["eventType"] == "AwsApiCall"
    };
    let place =
        |record: &Value| format!("{} {}", record["recipientAccountId"], record["awsRegion"]);
    let is_before = |record: &&Value| record["eventTime"].as_str().unwrap() < since.as_str();
    let uses = archive.records.iter().filter(is_use);
    let (before, after): (Vec<_>, Vec<_>) = uses.partition(is_before);
    let places = |records: Vec<&Value>| records.into_iter().map(place).collect::<BTreeSet<_>>();
    let (before, after) = (places(before), places(after));
    let wanted: BTreeSet<String> = after.difference(&before).cloned().collect();
    assert!(wanted.len() >= 2, "{wanted:?}");
    assert_eq!(found, wanted);

    let summary = &archive.ask(&["search", "--format", "json"]).json()["summary"];
    assert_eq!(
        [&summary["files"]["read"], &summary["files"]["unreadable"], &summary["records"]],
        [&json!(archive.files), &json!(0), &json!(archive.records.len())]
    );
    assert_eq!(summary["accounts"], json!(archive.accounts));
}
