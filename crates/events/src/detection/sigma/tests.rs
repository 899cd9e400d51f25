use serde_json::json;

use super::*;

fn file(path: &str, text: &str) -> RuleFile {
    RuleFile { path: path.to_owned(), text: text.to_owned() }
}

const STOPPED: &str = r"
title: Trail stopped
id: 4db60cc0-36fb-42b7-9b58-a5b53019fb74
author: A. Author
license: DRL-1.1
description: Somebody stopped a trail.
tags: [attack.t1562.008, attack.defense-evasion]
logsource: { product: aws, service: cloudtrail }
detection:
  selection:
    eventSource: cloudtrail.amazonaws.com
    eventName|startswith: Stop
  filter:
    userIdentity.arn|contains: ':role/automation'
  condition: selection and not filter
falsepositives: [maintenance]
level: high
";

fn stopped(arn: &str) -> Value {
    json!({
        "eventSource": "cloudtrail.amazonaws.com",
        "eventName": "StopLogging",
        "userIdentity": { "arn": arn },
    })
}

#[test]
fn a_rule_matches_and_its_author_is_kept() {
    let loaded = load(&[file("a.yml", STOPPED)]);
    assert_eq!((loaded.used, loaded.problems.as_slice()), (1, [].as_slice()));
    let sigma = loaded.sigma.unwrap();
    assert!(!sigma.matches(&stopped("arn:aws:iam::1:role/automation")));
    let record = stopped("arn:aws:iam::1:user/mallory");
    assert!(sigma.matches(&record));
    let found = sigma.add(&record, None);
    let rule = &found[0].rule;
    assert_eq!((found.len(), rule.severity), (1, Severity::High));
    assert_eq!(rule.techniques, ["T1562.008"]);
    let source = rule.sigma.as_ref().unwrap();
    assert_eq!(source.author.as_deref(), Some("A. Author"));
    assert_eq!((source.file.as_str(), source.license.as_deref()), ("a.yml", Some("DRL-1.1")));
    assert!(found[0].details.iter().any(|it| it == "eventName=StopLogging"), "{found:?}");
}

#[test]
fn a_correlation_counts_within_its_time_and_hides_the_rule_it_counts() {
    let rules = format!(
        "{}\n---\n{}",
        STOPPED.replace("title:", "name: stopped\ntitle:"),
        "title: Trails stopped\nid: c1\nauthor: B\ncorrelation:\n  type: event_count\n  rules: [stopped]\n  group-by: [userIdentity.arn]\n  timespan: 10m\n  condition: { gte: 3 }\nlevel: critical\n"
    );
    let loaded = load(&[file("a.yml", &rules)]);
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.used, 2);
    let sigma = loaded.sigma.unwrap();
    let at = |minute: i64| Timestamp::from_second(1_767_225_600 + minute * 60).ok();
    let titles = |minute: i64, who: &str| {
        let found = sigma.add(&stopped(who), at(minute));
        found.iter().map(|it| it.rule.title.clone()).collect::<Vec<_>>()
    };
    assert_eq!(titles(0, "m"), Vec::<String>::new());
    assert_eq!(titles(1, "m"), Vec::<String>::new());
    assert_eq!(titles(2, "other"), Vec::<String>::new());
    assert_eq!(titles(3, "m"), ["Trails stopped"]);
    assert_eq!(titles(60, "m"), Vec::<String>::new());
}

#[test]
fn rules_of_other_logs_are_left_out_and_unusable_ones_are_reported() {
    let windows = STOPPED.replace("product: aws, service: cloudtrail", "product: windows");
    let twice = STOPPED.replace("title: Trail", "title: Other trail");
    let loaded = load(&[
        file("a.yml", STOPPED),
        file("b.yml", &windows),
        file("c.yml", &twice),
        file("d.yml", "title: [\n"),
        file("e.yml", "- a list"),
        file("f.yml", &STOPPED.replace("|startswith", "|sounds-like").replace("4db60cc0", "5")),
        file("g.yml", &STOPPED.replace("selection and", "selektion and").replace("4db60cc0", "6")),
        file("h.yml", &STOPPED.replace("|startswith: Stop", "|re: '('").replace("4db60cc0", "7")),
        file(
            "i.yml",
            "title: c\nid: c\ncorrelation: { type: event_count, rules: [nothing], timespan: 1m, condition: { gte: 2 } }\n",
        ),
    ]);
    assert_eq!((loaded.used, loaded.of_other_logs), (1, 1));
    let unusable: Vec<_> =
        loaded.problems.iter().map(|it| (it.file.as_str(), it.check, it.is_unusable)).collect();
    for (path, check) in [
        ("c.yml", "id"),
        ("d.yml", "syntax"),
        ("e.yml", "syntax"),
        ("f.yml", "syntax"),
        ("g.yml", "unsupported"),
        ("h.yml", "limits"),
        ("i.yml", "reference"),
    ] {
        assert!(unusable.contains(&(path, check, true)), "{path}: {:#?}", loaded.problems);
    }
}

#[test]
fn mistakes_that_let_a_rule_match_nothing_are_found() {
    let rule = r"
title: Lifecycle
id: l
author: A
logsource: { product: aws, service: cloudtrail }
detection:
  selection:
    eventSource: s3.amazonaws.com
    eventName: [PutLifecycleConfiguration, PutBucketLifecycle]
  source:
    eventSource: s3
    userIdentity.username: x
  parts:
    eventName|contains: PutLifecycleConfiguration
    eventSource|startswith: s3
    requestParameters.anything|expand: '%place%'
  condition: 1 of them
level: high
";
    let loaded = load(&[file("l.yml", rule)]);
    let found: Vec<_> = loaded.problems.iter().map(|it| (it.check, it.message.as_str())).collect();
    assert_eq!(loaded.used, 1, "{found:?}");
    assert!(found.iter().any(|(check, says)| {
        *check == "event-name"
            && says.ends_with("`PutLifecycleConfiguration`, but `PutBucketLifecycle`")
    }));
    let of = |check: &str| found.iter().filter(|it| it.0 == check).count();
    assert_eq!((of("event-name"), of("event-source"), of("field"), of("modifier")), (1, 1, 1, 1));
    assert!(loaded.problems.iter().all(|it| !it.is_unusable));
}

#[test]
fn a_rule_nested_without_end_is_refused() {
    let mut deep =
        "title: d\nlogsource: { product: aws, service: cloudtrail }\ndetection:\n  selection: "
            .to_owned();
    deep.push_str(&"[".repeat(10_000));
    deep.push_str(&"]".repeat(10_000));
    deep.push_str("\n  condition: selection\n");
    let parentheses = STOPPED.replace(
        "selection and not filter",
        &format!("{}selection{}", "(".repeat(5_000), ")".repeat(5_000)),
    );
    let loaded = load(&[file("a.yml", &deep), file("b.yml", &parentheses)]);
    assert_eq!(loaded.used, 0);
    assert!(loaded.problems.iter().any(|it| it.file == "a.yml" && it.is_unusable));
    assert!(loaded.problems.iter().any(|it| it.file == "b.yml" && it.is_unusable));
}

/// The specification: a null value also stands for a field that is missing.
#[test]
fn null_matches_a_field_that_is_missing() {
    let rule = STOPPED.replace("eventName|startswith: Stop", "errorCode: null");
    assert!(rule.contains("errorCode: null"));
    let sigma = load(&[file("a.yml", &rule)]).sigma.unwrap();
    let mut record = stopped("arn:aws:iam::1:user/mallory");
    assert!(sigma.matches(&record));
    record["errorCode"] = "AccessDenied".into();
    assert!(!sigma.matches(&record));
}

/// Another implementation of Sigma agrees on whether single rules match.
#[test]
fn another_implementation_agrees() {
    let selections = [
        "eventName: StopLogging",
        "eventName: stoplogging",
        "eventName: 'Stop*'",
        "eventName: 'S?opLogging'",
        "eventName|contains: Log",
        "eventName|endswith: ging",
        "eventName|re: '^Stop(Log|Run)'",
        "eventName|contains|all: [Stop, ging]",
        "eventName: [DeleteTrail, StopLogging]",
        "userIdentity.type: Root",
        "userIdentity.arn|startswith: 'arn:aws:iam::'",
        "sourceIPAddress|cidr: 198.51.100.0/24",
        "errorCode|exists: false",
        "errorCode|exists: true",
        "readOnly: 'false'",
        "requestParameters.count|gte: 3",
        "userAgent|cased: Aws-CLI",
        "missing.field: x",
    ];
    let records = [
        json!({
            "eventName": "StopLogging", "readOnly": false, "sourceIPAddress": "198.51.100.7",
            "userAgent": "aws-cli", "userIdentity": { "type": "Root", "arn": "arn:aws:iam::1:root" },
            "requestParameters": { "count": 3 },
        }),
        json!({
            "eventName": "DeleteTrail", "readOnly": true, "sourceIPAddress": "203.0.113.1",
            "userAgent": "Aws-CLI", "errorCode": "AccessDenied",
            "userIdentity": { "type": "IAMUser", "arn": "arn:aws:sts::1:x" },
            "requestParameters": { "count": 2 },
        }),
        json!({ "eventName": "StopRun" }),
    ];
    for (number, selection) in selections.iter().enumerate() {
        for condition in ["selection", "not selection"] {
            let text = format!(
                "title: t\nid: '{number}'\nauthor: a\nlevel: low\nlogsource: {{ product: aws, service: cloudtrail }}\ndetection:\n  selection:\n    {selection}\n  condition: {condition}\n"
            );
            let loaded = load(&[file("t.yml", &text)]);
            let sigma =
                loaded.sigma.unwrap_or_else(|| panic!("{selection}: {:?}", loaded.problems));
            let other = sigma_rust::rule_from_yaml(&text).unwrap();
            for record in &records {
                let event = sigma_rust::event_from_json(&record.to_string()).unwrap();
                let expected = sigma_rust::check_rule(&other, &event);
                assert_eq!(sigma.matches(record), expected, "{selection} / {condition}: {record}");
            }
        }
    }
}
