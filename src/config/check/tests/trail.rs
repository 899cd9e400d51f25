//! What `[trail]` may say.

use super::*;

#[test]
fn selectors_are_of_one_kind() {
    let classic = "[[trail.event_selectors]]\n";
    let advanced = "[[trail.advanced_event_selectors]]\n\
                    field_selectors = [{ field = \"eventCategory\", equals = [\"Management\"] }]\n";
    assert_eq!(findings(&config("", "", classic)), []);
    assert_eq!(findings(&config("", "", advanced)), []);
    only(
        &config("", "", &format!("{classic}{advanced}")),
        ERROR,
        "trail.advanced_event_selectors",
        "never both",
    );
    only(
        &config("", "", &format!("[trail]\nread_write_type = \"WriteOnly\"\n{advanced}")),
        ERROR,
        "trail.read_write_type",
        "both select events",
    );
}

#[test]
fn classic_selectors_keep_to_their_quotas() {
    only(
        &config("", "", &"[[trail.event_selectors]]\n".repeat(6)),
        ERROR,
        "trail.event_selectors",
        "found 6 event selectors, expected at most 5",
    );
    let buckets: Vec<String> =
        (0..251).map(|at| format!("\"arn:aws:s3:::bucket-{at}/\"")).collect();
    let resources = |kind: &str, values: &str| {
        config(
            "",
            "",
            &format!(
                "[[trail.event_selectors]]\n[[trail.event_selectors.data_resources]]\n\
                 resource_type = \"{kind}\"\nvalues = [{values}]"
            ),
        )
    };
    only(
        &resources("AWS::S3::Object", &buckets.join(", ")),
        ERROR,
        "trail.event_selectors",
        "found 251 data resources",
    );
    assert_eq!(findings(&resources("AWS::S3::Object", &buckets[..250].join(", "))), []);
    assert_eq!(findings(&resources("AWS::S3::Object", "\"arn:aws:s3\"")), []);
    let values = "trail.event_selectors[0].data_resources[0].values";
    only(
        &resources("AWS::S3::Object", "\"arn:aws:lambda\""),
        ERROR,
        &format!("{values}[0]"),
        "expected an ARN of `s3`",
    );
    only(
        &resources("AWS::S3::Object", "\"arn:aws-cn:s3\""),
        ERROR,
        &format!("{values}[0]"),
        "`arn:aws:service…`",
    );
    only(&resources("AWS::S3::Object", ""), ERROR, values, "found no ARN");
    only(
        &resources("AWS::SNS::Topic", "\"arn:aws:sns\""),
        ERROR,
        "trail.event_selectors[0].data_resources[0].resource_type",
        "found AWS::SNS::Topic",
    );
    let nothing = "[[trail.event_selectors]]\n[[trail.event_selectors]]\n\
                   include_management_events = false";
    only(&config("", "", nothing), ERROR, "trail.event_selectors[1]", "selects nothing");
}

#[test]
fn advanced_selectors_name_the_fields_of_their_category() {
    // A first selector of management events, so that nothing else is missing.
    let selector = |fields: &str| {
        config(
            "",
            "",
            &format!(
                "[[trail.advanced_event_selectors]]\n\
                 field_selectors = [{{ field = \"eventCategory\", equals = [\"Management\"] }}]\n\
                 [[trail.advanced_event_selectors]]\nfield_selectors = [{fields}]"
            ),
        )
    };
    let data = "{ field = \"eventCategory\", equals = [\"Data\"] }";
    let object = "{ field = \"resources.type\", equals = [\"AWS::S3::Object\"] }";
    let place = "trail.advanced_event_selectors[1].field_selectors";
    assert_eq!(findings(&selector(&format!("{data}, {object}"))), []);
    only(&selector(object), ERROR, place, "found no single `eventCategory`");
    only(&selector(data), ERROR, place, "found no single `resources.type`");
    only(
        &selector("{ field = \"eventCategory\", equals = [\"Insight\"] }"),
        ERROR,
        place,
        "found the event category Insight",
    );
    only(
        &selector("{ field = \"eventCategory\", equals = [\"NetworkActivity\"] }"),
        ERROR,
        place,
        "found no `eventSource`",
    );
    only(
        &selector(&format!("{data}, {object}, {{ field = \"eventname\", equals = [\"x\"] }}")),
        ERROR,
        &format!("{place}[2].field"),
        "found the field eventname",
    );
    for field in ["eventName", "eventType", "sessionCredentialFromConsole", "userIdentity.arn"] {
        let management = "{ field = \"eventCategory\", equals = [\"Management\"] }";
        let field = format!("{{ field = \"{field}\", equals = [\"x\"] }}");
        assert_eq!(findings(&selector(&format!("{data}, {object}, {field}"))), []);
        let text = selector(&format!("{management}, {field}"));
        only(&text, ERROR, &format!("{place}[1].field"), "found the field");
        assert_eq!(
            findings(&text)[0].hint.as_deref(),
            Some("only event data stores can select management events by it")
        );
    }
    only(
        &selector(&format!("{data}, {object}, {object}")),
        ERROR,
        &format!("{place}[2].field"),
        "listed twice",
    );
    only(
        &selector(&format!("{data}, {object}, {{ field = \"eventName\" }}")),
        ERROR,
        &format!("{place}[2]"),
        "found no value",
    );
    only(
        &selector(&format!("{data}, {object}, {{ field = \"readOnly\", equals = [\"yes\"] }}")),
        ERROR,
        &format!("{place}[2].equals"),
        "expected one of \"true\", \"false\"",
    );
    let excluded = "{ field = \"resources.type\", equals = [\"AWS::S3::Object\"], \
                    not_equals = [\"AWS::SNS::Topic\"] }";
    only(
        &selector(&format!("{data}, {excluded}")),
        ERROR,
        &format!("{place}[1].not_equals"),
        "takes `equals` only",
    );
    let names: Vec<String> = (0..498).map(|at| format!("\"Event{at}\"")).collect();
    let many = |names: &[String]| {
        let names = names.join(", ");
        selector(&format!("{data}, {object}, {{ field = \"eventName\", equals = [{names}] }}"))
    };
    assert_eq!(findings(&many(&names[..497])), []);
    only(&many(&names), ERROR, "trail.advanced_event_selectors", "found 501 values");
}

#[test]
fn a_trail_records_something() {
    let nothing = findings(&config("", "", "[trail]\ninclude_management_events = false"));
    assert!(
        nothing.iter().any(|f| f.severity == ERROR && f.message.contains("record nothing")),
        "{nothing:?}"
    );
    let kind = "[[trail.data_events]]\nresource_type = \"S3\"";
    only(&config("", "", kind), ERROR, "trail.data_events[0].resource_type", "AWS::Service::Type");
    let arn =
        "[[trail.data_events]]\nresource_type = \"AWS::S3::Object\"\nresources = [\"bucket\"]";
    only(&config("", "", arn), ERROR, "trail.data_events[0].resources[0]", "the prefix of an ARN");
}

#[test]
fn insights_need_the_events_they_look_at() {
    let insights = |trail: &str, insights: &str| {
        let text = config("", "", &format!("[trail]\n{trail}\n[trail.insights]\n{insights}"));
        let mut findings = findings(&text);
        findings.retain(|finding| finding.severity == ERROR);
        findings
    };
    assert_eq!(insights("read_write_type = \"WriteOnly\"", "call_rate = true"), []);
    let found = insights("read_write_type = \"ReadOnly\"", "call_rate = true\nerror_rate = true");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].key, "trail.insights.call_rate");
    let data = "include_management_events = false\n\
                data_events = [{ resource_type = \"AWS::S3::Object\" }]";
    assert_eq!(insights(data, "error_rate = true")[0].key, "trail.insights.error_rate");
    let on_data = "error_rate = true\nerror_rate_events = [\"Data\"]";
    assert_eq!(insights(data, on_data), []);
    let found = insights("", on_data);
    assert_eq!(found[0].key, "trail.insights.error_rate_events");
    let found = insights("", "call_rate = true\ncall_rate_events = []");
    assert_eq!(found[0].key, "trail.insights.call_rate_events");
}

#[test]
fn tags_follow_awss_rules() {
    let tags = |tags: &str| config("", "", &format!("[trail.tags]\n{tags}"));
    let many: String = (0..51).fold(String::new(), |all, at| format!("{all}t{at} = \"x\"\n"));
    only(&tags(&many), ERROR, "trail.tags", "found 51 tags");
    only(&tags("\"AWS:x\" = \"y\""), ERROR, "trail.tags.\"AWS:x\"", "begins with `aws:`");
    only(&tags("\"\" = \"y\""), ERROR, "trail.tags.\"\"", "0 characters");
    let long = "k".repeat(129);
    only(&tags(&format!("{long} = \"y\"")), ERROR, &format!("trail.tags.{long}"), "129 characters");
    let value = "v".repeat(257);
    only(&tags(&format!("k = \"{value}\"")), ERROR, "trail.tags.k", "257 characters");
    only(&tags("k = \"a#b\""), ERROR, "trail.tags.k", "found '#'");
}

#[test]
fn topics_and_keys_of_other_accounts_are_declared_by_their_arns() {
    let topic = |arn: &str| config("", "", &format!("[topic]\narn = \"{arn}\""));
    assert_eq!(findings(&topic("arn:aws:sns:eu-west-1:999999999999:theirs")), []);
    only(&topic("arn:aws:sqs:us-east-1:999999999999:q"), ERROR, "topic.arn", "an SNS topic");
    only(&topic("arn:aws-cn:sns:cn-north-1:999999999999:t"), ERROR, "topic.arn", "partition");
    let both = "[topic]\nname = \"ours\"\narn = \"arn:aws:sns:us-east-1:999999999999:theirs\"";
    only(&config("", "", both), WARNING, "topic.name", "has no effect");
    let key = |arn: &str| config("", "", &format!("[key]\narn = \"{arn}\""));
    let region = findings(&key("arn:aws:kms:ap-south-2:999999999999:key/1"));
    assert_eq!(region[0].key, "key.arn");
    assert!(region[0].message.contains("in the archive's Region"), "{region:?}");
    let alias = key("arn:aws:kms:us-east-1:999999999999:alias/theirs");
    assert!(findings(&alias)[0].message.contains("expected the ARN of a KMS key"));
}
