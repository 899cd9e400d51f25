use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;

use super::events::EventGenerator;
use super::*;
use crate::bootstrap;
use crate::clock::{Clock, Pace};
use crate::s3::Store;
use crate::start::Options;

const DAYS: i64 = 2;

/// A simulation of three accounts that begins at midnight.
fn simulation(seed: u64) -> Simulation {
    let home: Region = "eu-central-1".parse().unwrap();
    let start = midnight();
    let options = Options { accounts: 3, seed, ..Options::new(home.clone()) };
    let mut random = fastrand::Rng::with_seed(seed);
    let control = bootstrap::control(&options, start, &mut random).unwrap();
    let clock = Clock::new(start, Pace::Frozen);
    Simulation::new(clock, control, Store::default(), home, random)
}

fn midnight() -> Timestamp {
    "2026-03-02T00:00:00Z".parse().unwrap()
}

fn end() -> Timestamp {
    midnight() + SignedDuration::from_hours(24 * DAYS)
}

/// All records of an account and Region.
fn of_place(simulation: &Simulation, account: &AccountId, region: &Region) -> Vec<Value> {
    let control = simulation.control.read();
    let maker = EventGenerator::new(simulation, &control, account, region);
    let mut found = Vec::new();
    let mut slot = midnight();
    while slot < end() {
        found.extend(maker.slot(slot, slot + SLOT).into_iter().map(|event| event.record));
        slot += SLOT;
    }
    found
}

/// All records of all accounts in the active Regions.
fn all(simulation: &Simulation) -> Vec<Value> {
    let accounts: Vec<AccountId> = simulation.control.read().accounts.keys().cloned().collect();
    let regions = ["eu-central-1", "us-east-1"].map(|name| name.parse::<Region>().unwrap());
    let mut found = Vec::new();
    for account in &accounts {
        for region in &regions {
            found.extend(of_place(simulation, account, region));
        }
    }
    found
}

fn time(record: &Value) -> Timestamp {
    record["eventTime"].as_str().unwrap().parse().unwrap()
}

fn text<'a>(record: &'a Value, pointer: &str) -> &'a str {
    record.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn every_way_to_begin_a_session_occurs_within_a_day_or_two() {
    let records = all(&simulation(1));
    let issued: BTreeSet<(&str, &str)> = records
        .iter()
        .filter(|record| record.pointer("/responseElements/credentials").is_some())
        .map(|record| (text(record, "/eventName"), text(record, "/userIdentity/type")))
        .collect();
    let expected = [
        ("AssumeRole", "AWSAccount"),
        ("AssumeRole", "AWSService"),
        ("AssumeRole", "AssumedRole"),
        ("AssumeRole", "IAMUser"),
        ("AssumeRoleWithSAML", "SAMLUser"),
        ("AssumeRoleWithWebIdentity", "WebIdentityUser"),
        ("GetFederationToken", "IAMUser"),
        ("GetSessionToken", "IAMUser"),
    ];
    assert_eq!(issued, expected.into());
    let has = |what: &dyn Fn(&Value) -> bool| records.iter().any(what);
    for (pointer, value) in [
        ("/userIdentity/type", "FederatedUser"),
        ("/userIdentity/sessionContext/ec2RoleDelivery", "2.0"),
        ("/userIdentity/invokedBy", "cloudformation.amazonaws.com"),
        ("/sessionCredentialFromConsole", "true"),
        ("/eventName", "GetRoleCredentials"),
        ("/eventName", "Federate"),
        ("/additionalEventData/MFAUsed", "Yes"),
        ("/additionalEventData/MFAUsed", "No"),
        ("/responseElements/ConsoleLogin", "Success"),
        ("/responseElements/ConsoleLogin", "Failure"),
        ("/errorCode", "AccessDenied"),
    ] {
        assert!(has(&|record| text(record, pointer) == value), "{pointer} {value}");
    }
    for pointer in [
        "/userIdentity/onBehalfOf/userId",
        "/userIdentity/sessionContext/sourceIdentity",
        "/userIdentity/sessionContext/webIdFederationData/federatedProvider",
        "/responseElements/DeleteFlowLogsResponse/unsuccessful/item/error/code",
    ] {
        assert!(has(&|record| record.pointer(pointer).is_some()), "{pointer}");
    }
    // A user's logins fail some times, and then one succeeds.
    let logins = |record: &&Value| text(record, "/eventName") == "ConsoleLogin";
    let logins: Vec<&Value> = records.iter().filter(logins).collect();
    assert!(logins.windows(4).any(|four| {
        let user = text(four[0], "/userIdentity/userName");
        let outcomes: Vec<&str> =
            four.iter().map(|one| text(one, "/responseElements/ConsoleLogin")).collect();
        !user.is_empty()
            && four.iter().all(|one| text(one, "/userIdentity/userName") == user)
            && outcomes == ["Failure", "Failure", "Failure", "Success"]
    }));
    // Nobody gets to know a secret.
    assert!(!has(&|record| record.to_string().contains("essionToken\":")));
}

#[test]
fn what_a_session_does_names_the_call_that_began_it() {
    let records = all(&simulation(1));
    let issuing: BTreeMap<&str, Vec<&Value>> = {
        let mut found: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for record in &records {
            let key = text(record, "/responseElements/credentials/accessKeyId");
            if !key.is_empty() {
                found.entry(key).or_default().push(record);
            }
        }
        found
    };
    let (mut linked, mut elsewhere, mut old) = (0, 0, 0);
    for record in &records {
        let identity = &record["userIdentity"];
        let key = text(identity, "/accessKeyId");
        let created = text(identity, "/sessionContext/attributes/creationDate");
        let is_early = time(record) < midnight() + SignedDuration::from_hours(36);
        if !key.starts_with("ASIA") || record["sessionCredentialFromConsole"] == "true" {
            continue;
        }
        let Some(calls) = issuing.get(key) else {
            // It began before the first event.
            assert!(is_early && created < "2026-03-02", "{record}");
            continue;
        };
        for call in calls {
            let answer = &call["responseElements"];
            let began = time(call);
            assert_eq!(created, text(call, "/eventTime"));
            assert!(began < time(record), "{record}");
            let id = text(answer, "/assumedRoleUser/assumedRoleId");
            let id =
                if id.is_empty() { text(answer, "/federatedUser/federatedUserId") } else { id };
            if !id.is_empty() {
                assert_eq!(id, text(identity, "/principalId"));
            }
            let expires = text(answer, "/credentials/expiration");
            let expires = jiff::civil::DateTime::strptime("%b %d, %Y, %I:%M:%S %p", expires);
            let expires = expires.unwrap().to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
            assert!(time(record) < expires, "{record}");
            linked += 1;
            elsewhere += usize::from(call["awsRegion"] != record["awsRegion"]);
            old += usize::from(time(record) > began + SignedDuration::from_hours(3));
        }
    }
    assert!(linked > 100 && elsewhere > 10 && old > 5, "{linked} {elsewhere} {old}");
}

#[test]
fn calls_across_accounts_have_two_records() {
    let records = all(&simulation(1));
    let mut shared: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for record in &records {
        if text(record, "/userIdentity/type") != "AWSService"
            && let Some(id) = record["sharedEventID"].as_str()
        {
            shared.entry(id).or_default().push(record);
        }
    }
    let pairs: Vec<&Vec<&Value>> = shared.values().filter(|pair| pair.len() == 2).collect();
    for name in ["AssumeRole", "GetObject"] {
        assert!(pairs.iter().any(|pair| pair[0]["eventName"] == name), "{name}");
    }
    for pair in pairs {
        let (caller, owner) = (pair[0], pair[1]);
        assert_ne!(caller["eventID"], owner["eventID"]);
        assert_eq!(caller["eventTime"], owner["eventTime"]);
        assert_eq!(caller["requestID"], owner["requestID"]);
        assert_eq!(caller["resources"], owner["resources"]);
        assert_eq!(owner["resources"][0]["accountId"], owner["recipientAccountId"]);
        let seen = &owner["userIdentity"];
        assert_eq!(seen["type"], "AWSAccount");
        assert_eq!(seen["accountId"], caller["recipientAccountId"]);
        assert_eq!(seen["principalId"], caller["userIdentity"]["principalId"]);
        assert_eq!(seen.get("arn"), None);
        assert_eq!(seen.get("accessKeyId"), None);
    }
}

#[test]
fn the_truth_is_what_the_records_tell() {
    let simulation = simulation(1);
    let records = all(&simulation);
    let by_id: BTreeMap<&str, &Value> =
        records.iter().map(|record| (text(record, "/eventID"), record)).collect();
    assert_eq!(by_id.len(), records.len());
    let control = simulation.control.read();
    let truth = sessions(&simulation, &control, (midnight(), end()));
    let keys: BTreeSet<_> = truth.iter().filter_map(|one| one.access_key.as_ref()).collect();
    assert_eq!(keys.len(), truth.iter().filter(|one| one.access_key.is_some()).count());
    let mut longest = 0;
    for session in &truth {
        longest = longest.max(session.hops.len());
        for hop in session.hops.iter().filter(|hop| hop.at >= midnight()) {
            let record = by_id[hop.event_id.as_str()];
            assert_eq!(text(record, "/eventName"), hop.event_name);
            assert_eq!(record["recipientAccountId"], hop.account.as_str());
            assert_eq!(record["awsRegion"], hop.region.as_str());
            let issued = record.pointer("/responseElements/credentials/accessKeyId");
            assert_eq!(issued.and_then(Value::as_str), hop.issued_key.as_deref());
            let signed = record.pointer("/userIdentity/accessKeyId").and_then(Value::as_str);
            assert_eq!(signed, hop.caller_key.as_deref());
        }
        let pairs = session.hops.windows(2);
        assert!(
            pairs.into_iter().all(|pair| {
                pair[0].caller_key == pair[1].issued_key && pair[1].at < pair[0].at
            })
        );
        if let Person::User { id, .. } = &session.person {
            let first = session.hops.last().unwrap();
            if let Some(record) = by_id.get(first.event_id.as_str()) {
                assert_eq!(text(record, "/userIdentity/principalId"), id);
            }
        }
    }
    assert_eq!(longest, 3);
    let kinds = truth.iter().map(|one| std::mem::discriminant(&one.person));
    assert_eq!(kinds.collect::<HashSet<_>>().len(), 5);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let text = |seed| serde_json::to_string(&all(&simulation(seed))).unwrap();
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn parts_of_a_slot_have_the_events_of_the_slot() {
    let simulation = simulation(1);
    let control = simulation.control.read();
    let (account, region) = ("111111111111".parse().unwrap(), "us-east-1".parse().unwrap());
    let maker = EventGenerator::new(&simulation, &control, &account, &region);
    let records = |start, end| -> Vec<Value> {
        maker.slot(start, end).into_iter().map(|event| event.record).collect()
    };
    let mut slot = midnight() + SignedDuration::from_hours(9);
    let mut seen = 0;
    for _ in 0..96 {
        let middle = slot + SignedDuration::from_secs(131);
        let whole = records(slot, slot + SLOT);
        seen += whole.len();
        assert_eq!([records(slot, middle), records(middle, slot + SLOT)].concat(), whole);
        slot += SLOT;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn a_change_of_the_volume_leaves_the_past_as_it_was() {
    let simulation = simulation(1);
    let (account, region) = ("222222222222".parse().unwrap(), "us-east-1".parse().unwrap());
    let before = of_place(&simulation, &account, &region);
    let noon = midnight() + SignedDuration::from_hours(12);
    let mut control = simulation.control.write();
    control.simulator.looked_at.insert("a trail".to_owned(), noon);
    control.simulator.set_volume(noon, 120.0, None);
    drop(control);
    let after = of_place(&simulation, &account, &region);
    let until = |records: &[Value]| -> Vec<Value> {
        records.iter().filter(|record| time(record) < noon).cloned().collect()
    };
    assert_eq!(until(&before), until(&after));
    assert!(after.len() > 5 * before.len());
}
