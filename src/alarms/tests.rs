use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::judge::everyday;
use super::*;
use crate::filter_pattern::{FilterPattern, MAX_LENGTH};

fn parse(alarm: &Alarm) -> FilterPattern {
    alarm.pattern().parse().unwrap_or_else(|error| panic!("{}: {error}", alarm.check))
}

fn alarm(check: &str) -> &'static Alarm {
    ALARMS.iter().find(|alarm| alarm.check == check).unwrap()
}

#[test]
fn every_pattern_is_short_enough_and_raises_its_alarm_alone() {
    let mut names = BTreeSet::new();
    for alarm in ALARMS {
        let pattern = alarm.pattern();
        assert!(pattern.len() <= MAX_LENGTH, "{}: {}", alarm.check, pattern.len());
        assert!(names.insert(alarm.name), "{} stands twice", alarm.name);
        assert_eq!(alarm.judge(&parse(alarm)), Ok(()), "{}", alarm.check);
        for event in everyday() {
            assert!(!parse(alarm).matches(&event), "{}: {event}", alarm.check);
        }
    }
    // Each is tested with the others' events: only the callers overlap.
    for one in ALARMS {
        for other in ALARMS.iter().filter(|other| other.check != one.check) {
            let overlap = matches!(one.watched, Watched::Root | Watched::Unauthorized);
            let raised = other.events().iter().filter(|event| parse(one).matches(event)).count();
            assert!(overlap || raised == 0, "{} takes {raised} of {}", one.check, other.check);
        }
    }
}

#[test]
fn a_filter_is_judged_by_what_it_matches() {
    let judge =
        |check: &str, pattern: &str| alarm(check).judge(&pattern.parse::<FilterPattern>().unwrap());
    for (check, pattern) in [
        // Other orders, quotes, wildcards and wider patterns.
        (
            "alarm-4.7",
            r#"{ ($.eventName="ScheduleKeyDeletion" || $.eventName="DisableKey") && $.eventSource="kms.*" }"#,
        ),
        ("alarm-4.5", "{ $.eventName = *Trail || $.eventName = St*Logging }"),
        (
            "alarm-4.2",
            r#"{ $.eventName = ConsoleLogin && $.additionalEventData.MFAUsed != "Yes" }"#,
        ),
        ("alarm-4.2", r"{ $.eventName = ConsoleLogin && $.additionalEventData.MFAUsed = No }"),
    ] {
        assert_eq!(judge(check, pattern), Ok(()), "{pattern}");
    }
    for (check, pattern, missed) in [
        ("alarm-4.7", "{ $.eventName = DisableKey }", "ScheduleKeyDeletion"),
        (
            "alarm-4.7",
            "{ ($.eventName = DisableKey || $.eventName = ScheduleKeyDeletion) && $.errorCode NOT EXISTS }",
            "AccessDenied",
        ),
        (
            "alarm-4.7",
            "{ ($.eventName = DisableKey || $.eventName = ScheduleKeyDeletion) && $.userIdentity.type = IAMUser }",
            "AssumedRole",
        ),
        (
            "alarm-4.7",
            "{ ($.eventName = DisableKey || $.eventName = ScheduleKeyDeletion) && $.awsRegion = us-east-1 }",
            "DisableKey",
        ),
        ("alarm-4.1", r#"{ $.errorCode = "AccessDenied*" }"#, "UnauthorizedOperation"),
        ("alarm-selector-changes", r"{ $.eventName = PutEventSelectors }", "PutInsightSelectors"),
    ] {
        match judge(check, pattern) {
            Err(Shortfall::Misses(event)) => assert!(event.contains(missed), "{pattern}: {event}"),
            other => panic!("{pattern}: {other:?}"),
        }
    }
    assert_eq!(judge("alarm-4.7", "{ $.eventName = * }"), Err(Shortfall::TakesEverything));
}

/// The conditions that a pattern names, without their spaces and quotes.
fn conditions(pattern: &str) -> String {
    pattern.replace([' ', '"'], "")
}

/// Prowler wants the names that CIS prescribes, and the service where CIS names
/// it, each as a whole word; what it wants besides of the four others.
#[test]
fn every_pattern_has_the_terms_that_prowler_looks_for() {
    let has = |check: &str, term: &str| {
        let pattern = conditions(&alarm(check).pattern());
        let ends = |at: usize| {
            !pattern[at + term.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        };
        assert!(
            pattern.match_indices(term).any(|(at, _)| ends(at)),
            "{check} lacks {term}: {pattern}"
        );
    };
    for (check, source, names) in [
        (
            "alarm-4.4",
            "",
            "DeleteGroupPolicy DeleteRolePolicy DeleteUserPolicy PutGroupPolicy PutRolePolicy PutUserPolicy CreatePolicy DeletePolicy CreatePolicyVersion DeletePolicyVersion AttachRolePolicy DetachRolePolicy AttachUserPolicy DetachUserPolicy AttachGroupPolicy DetachGroupPolicy",
        ),
        ("alarm-4.5", "", "CreateTrail UpdateTrail DeleteTrail StartLogging StopLogging"),
        ("alarm-4.7", "kms.amazonaws.com", "DisableKey ScheduleKeyDeletion"),
        (
            "alarm-4.8",
            "s3.amazonaws.com",
            "PutBucketAcl PutBucketPolicy PutBucketCors PutBucketLifecycle PutBucketReplication DeleteBucketPolicy DeleteBucketCors DeleteBucketLifecycle DeleteBucketReplication",
        ),
        (
            "alarm-4.9",
            "config.amazonaws.com",
            "StopConfigurationRecorder DeleteDeliveryChannel PutDeliveryChannel PutConfigurationRecorder",
        ),
        (
            "alarm-4.10",
            "",
            "AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress RevokeSecurityGroupIngress RevokeSecurityGroupEgress CreateSecurityGroup DeleteSecurityGroup",
        ),
        (
            "alarm-4.11",
            "",
            "CreateNetworkAcl CreateNetworkAclEntry DeleteNetworkAcl DeleteNetworkAclEntry ReplaceNetworkAclEntry ReplaceNetworkAclAssociation",
        ),
        (
            "alarm-4.12",
            "",
            "CreateCustomerGateway DeleteCustomerGateway AttachInternetGateway CreateInternetGateway DeleteInternetGateway DetachInternetGateway",
        ),
        (
            "alarm-4.13",
            "ec2.amazonaws.com",
            "CreateRoute CreateRouteTable ReplaceRoute ReplaceRouteTableAssociation DeleteRouteTable DeleteRoute DisassociateRouteTable",
        ),
        (
            "alarm-4.14",
            "",
            "CreateVpc DeleteVpc ModifyVpcAttribute AcceptVpcPeeringConnection CreateVpcPeeringConnection DeleteVpcPeeringConnection RejectVpcPeeringConnection AttachClassicLinkVpc DetachClassicLinkVpc DisableVpcClassicLink EnableVpcClassicLink",
        ),
        (
            "alarm-4.15",
            "organizations.amazonaws.com",
            "AcceptHandshake AttachPolicy CancelHandshake CreateAccount CreateOrganization CreateOrganizationalUnit CreatePolicy DeclineHandshake DeleteOrganization DeleteOrganizationalUnit DeletePolicy EnableAllFeatures EnablePolicyType InviteAccountToOrganization LeaveOrganization DetachPolicy DisablePolicyType MoveAccount RemoveAccountFromOrganization UpdateOrganizationalUnit UpdatePolicy",
        ),
    ] {
        if !source.is_empty() {
            has(check, &format!("$.eventSource={source}"));
        }
        for name in names.split(' ') {
            has(check, &format!("$.eventName={name}"));
        }
    }
    // The order counts for these two.
    let one = conditions(&alarm("alarm-4.1").pattern());
    let first = one.find("$.errorCode=*UnauthorizedOperation").unwrap();
    assert!(one.find("$.errorCode=AccessDenied*").unwrap() > first);
    has("alarm-4.2", "$.eventName=ConsoleLogin");
    has("alarm-4.2", "$.additionalEventData.MFAUsed!=Yes");
    let root = conditions(&alarm("alarm-4.3").pattern());
    let first = root.find("$.userIdentity.type=Root").unwrap();
    let second = root.find("$.userIdentity.invokedByNOTEXISTS").unwrap();
    assert!(first < second && second < root.find("$.eventType!=AwsServiceEvent").unwrap());
    has("alarm-4.6", "$.eventName=ConsoleLogin");
    has("alarm-4.6", "$.errorMessage=Failedauthentication");
}

/// Every event under a folder; none where the folder is missing.
fn real_events(folder: &Path) -> Vec<Value> {
    let mut events = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            events.append(&mut real_events(&path));
        } else if path.extension().is_some_and(|ext| ext == "json") {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let Ok(mut read) = serde_json::from_str::<Value>(&text) else { continue };
            let records = if read.is_array() { read } else { read["Records"].take() };
            events.extend(records.as_array().cloned().unwrap_or_default());
        }
    }
    events
}

#[test]
fn on_real_events_each_pattern_finds_what_plain_code_finds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/cloudtrail");
    let events = real_events(&folder);
    if events.is_empty() {
        eprintln!("SKIPPED: no real events in {}", folder.display());
        return;
    }
    assert!(events.len() > 3000, "only {} events", events.len());
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &events {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let (name, source) = (text("/eventName"), text("/eventSource"));
        for alarm in ALARMS {
            let wanted = match alarm.watched {
                Watched::Calls { source: from, names, .. } => {
                    source == from && names.contains(&name)
                }
                Watched::Unauthorized => {
                    let error = text("/errorCode");
                    error.ends_with("UnauthorizedOperation") || error.starts_with("AccessDenied")
                }
                Watched::SignInWithoutMfa => {
                    name == "ConsoleLogin"
                        && text("/userIdentity/type") == "IAMUser"
                        && text("/additionalEventData/MFAUsed") == "No"
                        && text("/responseElements/ConsoleLogin") == "Success"
                }
                Watched::Root => {
                    text("/userIdentity/type") == "Root"
                        && event.pointer("/userIdentity/invokedBy").is_none()
                        && text("/eventType") != "AwsServiceEvent"
                }
                Watched::FailedSignIn => {
                    name == "ConsoleLogin" && text("/errorMessage") == "Failed authentication"
                }
            };
            assert_eq!(parse(alarm).matches(event), wanted, "{}: {event}", alarm.check);
            *found.entry(alarm.check).or_default() += usize::from(wanted);
        }
    }
    // What these recordings hold; the others have only the project's own events.
    for (check, at_least) in [
        ("alarm-4.1", 1),
        ("alarm-4.2", 2),
        ("alarm-4.4", 20),
        ("alarm-4.5", 15),
        ("alarm-4.8", 5),
        ("alarm-4.10", 5),
        ("alarm-4.12", 8),
        ("alarm-4.13", 20),
        ("alarm-4.14", 16),
        ("alarm-4.15", 2),
        ("alarm-selector-changes", 3),
    ] {
        assert!(found[check] >= at_least, "{check}: {}", found[check]);
    }
}
