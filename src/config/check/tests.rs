use super::*;
use crate::config::{Environment, Loaded, SMALLEST};

const ERROR: Severity = Severity::Error;
const WARNING: Severity = Severity::Warning;

/// All findings about a config's text.
fn findings(text: &str) -> Vec<Finding> {
    match Loaded::from_text(text, &Environment::default()) {
        Ok(loaded) => loaded.warnings,
        Err(findings) => findings,
    }
}

/// The smallest config with lines added to `[organization]`, to `[archive]`,
/// and at the end. Lines replace those of the same key.
fn config(organization: &str, archive: &str, rest: &str) -> String {
    let mut text = String::new();
    for line in SMALLEST.lines() {
        let key = line.split(" = ").next().unwrap();
        let replaced = |lines: &str| lines.lines().any(|line| line.starts_with(key));
        if line == "[archive]" {
            text.extend([organization, "\n"]);
        }
        if line.starts_with('[') || !(replaced(organization) || replaced(archive)) {
            text.extend([line, "\n"]);
        }
    }
    format!("{text}{archive}\n{rest}\n")
}

/// That a config has exactly one finding.
#[track_caller]
fn only(text: &str, severity: Severity, key: &str, says: &str) {
    let findings = findings(text);
    let [finding] = findings.as_slice() else {
        panic!("one finding about {key} expected in\n{text}\nfound {findings:#?}")
    };
    assert_eq!((finding.severity, finding.key.as_str()), (severity, key), "{finding:?}");
    assert!(finding.message.contains(says), "{finding:?}");
    assert!(matches!(finding.origin, Origin::File { .. }), "{finding:?}");
}

#[test]
fn the_smallest_config_leaves_nothing_to_say() {
    assert_eq!(findings(SMALLEST), []);
}

#[test]
fn regions_that_cannot_be_are_refused() {
    let organization = |lines: &str| config(lines, "", "");
    only(
        &organization("home_region = \"me-south-1\""),
        ERROR,
        "organization.home_region",
        "opt into",
    );
    only(
        &organization("regions = [\"eu-central-1\"]"),
        ERROR,
        "organization.regions",
        "home Region us-east-1 is not among",
    );
    only(
        &organization("regions = [\"us-east-1\", \"cn-north-1\"]"),
        ERROR,
        "organization.regions[1]",
        "partition aws-cn",
    );
    only(
        &organization("regions = [\"us-east-1\", \"us-east-1\"]"),
        WARNING,
        "organization.regions[1]",
        "twice",
    );
    only(
        &config("", "region = \"eu-central-2\"", ""),
        WARNING,
        "archive.region",
        "must have opted into",
    );
    only(
        &config("", "region = \"us-gov-west-1\"", ""),
        ERROR,
        "archive.region",
        "partition aws-us-gov",
    );
}

#[test]
fn accounts_that_contradict_each_other_are_refused() {
    let organization = |lines: &str| config(lines, "", "");
    only(
        &organization("log_archive_account = \"111111111111\""),
        WARNING,
        "organization.log_archive_account",
        "is the management account",
    );
    only(
        &organization("audit_account = \"111111111111\""),
        WARNING,
        "organization.audit_account",
        "is the management account",
    );
    only(
        &organization("excluded_accounts = [\"111111111111\"]"),
        ERROR,
        "organization.excluded_accounts[0]",
        "management account",
    );
    only(
        &organization("excluded_accounts = [\"222222222222\"]"),
        ERROR,
        "organization.excluded_accounts[0]",
        "log-archive account",
    );
    only(
        &organization("excluded_units = [\"r-ab12\"]"),
        ERROR,
        "organization.excluded_units[0]",
        "is a root",
    );
    only(
        &config(
            "excluded_accounts = [\"333333333333\"]",
            "",
            "[roles.accounts.333333333333]\nname = \"Audit\"",
        ),
        WARNING,
        "roles.accounts.333333333333",
        "never used",
    );
}

#[test]
fn delegated_administrators_follow_cloudtrails_rules() {
    let organization = |lines: &str| config(lines, "", "");
    only(
        &organization(
            "delegated_administrators = [\"333333333333\", \"444444444444\", \"555555555555\", \
             \"666666666666\"]",
        ),
        ERROR,
        "organization.delegated_administrators",
        "found 4 delegated administrators, expected at most 3",
    );
    only(
        &organization("delegated_administrators = [\"111111111111\"]"),
        ERROR,
        "organization.delegated_administrators[0]",
        "management account",
    );
    only(
        &organization(
            "home_region = \"cn-north-1\"\ndelegated_administrators = [\"333333333333\"]",
        ),
        ERROR,
        "organization.delegated_administrators",
        "partition aws-cn",
    );
}

#[test]
fn native_mfa_delete_excludes_lifecycle() {
    only(
        &config("", "mfa_delete = \"root\"", ""),
        ERROR,
        "archive.mfa_delete",
        "does not allow on a bucket with lifecycle",
    );
    let without = config("", "mfa_delete = \"root\"\nlifecycle.enabled = false", "");
    assert_eq!(findings(&without), []);
    only(&config("", "mfa_delete = \"off\"", ""), WARNING, "archive.mfa_delete", "second factor");
}

#[test]
fn a_vault_is_another_bucket() {
    let vault = "mfa_delete = \"vault\"";
    only(&config("", vault, ""), ERROR, "archive.mfa_delete", "needs a bucket to replicate into");
    let replication = |bucket: &str, more: &str| {
        let table = format!("[archive.replication]\nbucket = \"{bucket}\"\n{more}");
        config("", vault, &table)
    };
    assert_eq!(findings(&replication("acme-vault", "account = \"444444444444\"")), []);
    only(
        &replication("acme-log-archive", "account = \"444444444444\""),
        ERROR,
        "archive.replication.bucket",
        "the archive itself",
    );
    only(
        &replication("acme-vault", ""),
        WARNING,
        "archive.replication.account",
        "one root holds both",
    );
    only(
        &replication("acme-vault", "account = \"444444444444\"\nregion = \"cn-north-1\""),
        ERROR,
        "archive.replication.region",
        "nothing replicates between partitions",
    );
    only(
        &replication("acme-log-archive-access-logs", "account = \"444444444444\""),
        ERROR,
        "archive.access_logging.bucket",
        "the vault",
    );
}

#[test]
fn retention_never_ends_inside_the_lock() {
    let mut found = findings(&config("", "retention_days = 400\nobject_lock.days = 500", ""));
    found.retain(|finding| finding.severity == ERROR);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.contains("400 days, shorter than the lock's 500"), "{found:?}");
    let compliance = "object_lock = { mode = \"COMPLIANCE\", days = 365 }\nretention_days = 366";
    only(
        &config("", &format!("{compliance}\nlifecycle.tiers = []"), ""),
        WARNING,
        "archive.object_lock.mode",
        "cannot be lifted",
    );
    let shorter = compliance.replace("366", "364");
    let found = findings(&config("", &format!("{shorter}\nlifecycle.tiers = []"), ""));
    assert!(found.iter().any(|finding| finding.key == "archive.retention_days"), "{found:?}");
    only(
        &config("", "object_lock.days = 0", ""),
        ERROR,
        "archive.object_lock.days",
        "0 days, expected 1",
    );
    only(
        &config("", "object_lock.mode = \"off\"", ""),
        WARNING,
        "archive.object_lock.mode",
        "without Object Lock",
    );
}

#[test]
fn tiers_follow_s3s_rules() {
    let tiers = |tiers: &[(u32, &str)]| {
        let tiers: Vec<String> = tiers
            .iter()
            .map(|(days, class)| format!("{{ days = {days}, storage_class = \"{class}\" }}"))
            .collect();
        config("", &format!("lifecycle.tiers = [{}]", tiers.join(", ")), "")
    };
    let days = |at: usize| format!("archive.lifecycle.tiers[{at}].days");
    only(&tiers(&[(29, "STANDARD_IA")]), ERROR, &days(0), "expected 30 or more");
    only(&tiers(&[(2557, "GLACIER_IR")]), ERROR, &days(0), "kept for 2557 days only");
    only(
        &tiers(&[(90, "STANDARD_IA"), (119, "GLACIER_IR")]),
        ERROR,
        &days(1),
        "29 days after STANDARD_IA, expected 30",
    );
    only(
        &tiers(&[(90, "ONEZONE_IA"), (365, "GLACIER_IR")]),
        ERROR,
        "archive.lifecycle.tiers[1].storage_class",
        "no way",
    );
    only(
        &tiers(&[(90, "GLACIER_IR"), (365, "STANDARD_IA")]),
        ERROR,
        "archive.lifecycle.tiers[1].storage_class",
        "no way",
    );
    only(&tiers(&[(400, "STANDARD_IA"), (300, "GLACIER_IR")]), ERROR, &days(1), "ascending order");
    only(
        &tiers(&[(365, "DEEP_ARCHIVE")]),
        WARNING,
        "archive.lifecycle.tiers[0].storage_class",
        "must be restored",
    );
    only(&tiers(&[(2500, "GLACIER_IR")]), WARNING, &days(0), "90 are paid for");
}

#[test]
fn lifecycle_settings_without_lifecycle_are_called_out() {
    only(
        &config("", "lifecycle.enabled = false\nretention_days = 400", ""),
        WARNING,
        "archive.retention_days",
        "has no effect",
    );
}

#[test]
fn access_logs_do_not_go_where_they_come_from() {
    only(
        &config("", "access_logging.bucket = \"acme-log-archive\"", ""),
        ERROR,
        "archive.access_logging.bucket",
        "the archive itself",
    );
    only(
        &config("", "access_logging.enabled = false", ""),
        WARNING,
        "archive.access_logging.enabled",
        "access logging is off",
    );
    let long = "bucket = \"acme-log-archive-of-the-organization-in-us-east-1-000\"";
    let findings = findings(&config("", long, ""));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].key, "archive.access_logging.bucket");
    assert_eq!(findings[0].origin, Origin::File { line: 7, column: 10 });
    assert!(findings[0].hint.as_ref().unwrap().contains("name of its own"));
}

#[test]
fn sources_are_declared_once_and_can_be_read() {
    let rest = |rest: &str| config("", "", rest);
    let source = |more: &str| {
        format!("[[consolidate.sources]]\nbucket = \"old\"\naccount = \"444444444444\"\n{more}\n")
    };
    assert_eq!(findings(&rest(&source("prefix = \"ct\""))), []);
    only(
        &rest(&(source("") + &source(""))),
        ERROR,
        "consolidate.sources[1]",
        "s3://old is listed twice",
    );
    only(
        &rest(&format!("[consolidate]\nexclude = [\"s3://o*\"]\n{}", source(""))),
        ERROR,
        "consolidate.sources[0]",
        "declared and left out",
    );
    only(
        &rest(&source("region = \"cn-north-1\"")),
        ERROR,
        "consolidate.sources[0].region",
        "expected a Region of the partition aws",
    );
    let excluded = "excluded_accounts = [\"444444444444\"]";
    only(
        &config(excluded, "", &source("")),
        ERROR,
        "consolidate.sources[0].account",
        "which is not entered",
    );
    only(
        &rest("[consolidate]\nexclude = [\"old\"]"),
        ERROR,
        "consolidate.exclude[0]",
        "expected a pattern of names",
    );
    only(
        &rest("[consolidate]\noverlap_days = 366"),
        ERROR,
        "consolidate.overlap_days",
        "at most 365",
    );
}

#[test]
fn numbers_keep_to_awss_ranges() {
    let rest = |rest: &str| config("", "", rest);
    for days in [0, 89, 2561] {
        only(
            &rest(&format!("[key]\nrotation_period_days = {days}")),
            ERROR,
            "key.rotation_period_days",
            "expected 90 to 2560",
        );
    }
    only(&rest("[key]\nrotation = false"), WARNING, "key.rotation", "never rotated");
    only(
        &rest("[key]\ndeletion_window_days = 6"),
        ERROR,
        "key.deletion_window_days",
        "expected 7 to 30",
    );
    for days in [0, 366] {
        only(
            &rest(&format!("[retire]\noverlap_days = {days}")),
            ERROR,
            "retire.overlap_days",
            "expected 1 to 365",
        );
    }
    only(
        &rest("[cloudwatch_logs]\nretention_days = 364"),
        ERROR,
        "cloudwatch_logs.retention_days",
        "found a retention of 364 days, expected one of 1, 3",
    );
    for (alarms, key, message) in [
        ("topic = \"orgtrail\"\n[topic]", "alarms.topic", "which also hears"),
        ("namespace = \"AWS/x\"", "alarms.namespace", "not beginning"),
        ("namespace = \"a:b\"", "alarms.namespace", "1 to 255"),
    ] {
        let text = format!("[alarms]\nsubscribers = [\"a@example.com\"]\n{alarms}");
        only(&rest(&text), ERROR, key, message);
    }
    only(
        &rest("[alarms]\nsubscribers = [\"a@example.com\", \"b@c\"]"),
        ERROR,
        "alarms.subscribers[1]",
        "expected an e-mail address",
    );
    only(
        &rest("[alarms]\nsubscribers = [\"a@example.com\", \"a@example.com\"]"),
        ERROR,
        "alarms.subscribers[1]",
        "for the second time",
    );
    only(&rest("[alarms]"), WARNING, "alarms.subscribers", "no subscribers");
    only(
        &rest("[alarms]\nsubscribers = [\"a@example.com\"]\n[cloudwatch_logs]\nenabled = false"),
        ERROR,
        "alarms",
        "without a log group",
    );
    for (key, message) in [
        ("arn:aws:s3:::bucket", "expected the ARN of a KMS key"),
        ("arn:aws:kms:us-east-1:111111111111:alias/logs", "expected the ARN of a KMS key"),
        ("arn:aws:kms:eu-west-1:111111111111:key/a", "in the home Region us-east-1"),
    ] {
        let text = format!("[cloudwatch_logs]\nkms_key = \"{key}\"");
        only(&rest(&text), ERROR, "cloudwatch_logs.kms_key", message);
    }
    only(
        &config("", "mfa_max_age_seconds = 59", ""),
        ERROR,
        "archive.mfa_max_age_seconds",
        "expected 60",
    );
    only(
        &config("", "retention_days = 0\nlifecycle.tiers = []\nobject_lock.mode = \"off\"", "")
            .replace("object_lock.mode = \"off\"", "object_lock.days = 1"),
        ERROR,
        "archive.retention_days",
        "0 days",
    );
}

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
        "both say what is recorded",
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
    only(
        &selector(&format!("{data}, {object}, {object}")),
        ERROR,
        &format!("{place}[2].field"),
        "named twice",
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
    only(&config("", "", arn), ERROR, "trail.data_events[0].resources[0]", "an ARN's beginning");
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
fn arns_are_of_the_right_kind_and_partition() {
    let hub = |arn: &str| config("", "", &format!("[roles]\nhub = \"{arn}\""));
    assert_eq!(findings(&hub("arn:aws:iam::111111111111:role/hub")), []);
    only(&hub("arn:aws:iam::111111111111:user/hub"), ERROR, "roles.hub", "an IAM role");
    only(&hub("arn:aws-cn:iam::111111111111:role/hub"), ERROR, "roles.hub", "partition aws-cn");
    only(
        &config("", "", "[key]\nreaders = [\"arn:aws-cn:iam::333333333333:role/r\"]"),
        ERROR,
        "key.readers[0]",
        "partition aws-cn",
    );
    only(
        &config("", "readers = [\"333333333333\"]", ""),
        WARNING,
        "archive.readers[0]",
        "not decrypt",
    );
}

#[test]
fn notifications_go_where_s3_can_send_them() {
    let notify = |target: &str, more: &str| {
        config("", "", &format!("[[archive.notifications]]\ntarget = \"{target}\"\n{more}"))
    };
    let topic = "arn:aws:sns:us-east-1:222222222222:new-logs";
    let target = "archive.notifications[0].target";
    assert_eq!(findings(&notify(topic, "")), []);
    only(&notify("arn:aws:sns:eu-west-1:222222222222:t", ""), ERROR, target, "bucket's Region");
    only(&notify("arn:aws:sqs:us-east-1:222222222222:q.fifo", ""), ERROR, target, "FIFO");
    only(&notify("arn:aws:ec2:us-east-1:222222222222:x", ""), ERROR, target, "an SNS topic");
    only(
        &notify(topic, "events = [\"s3:ObjectCreate:*\"]"),
        ERROR,
        "archive.notifications[0].events[0]",
        "found s3:ObjectCreate:*",
    );
    let second = |more: &str| {
        let another = "arn:aws:sqs:us-east-1:222222222222:new-logs";
        notify(topic, &format!("[[archive.notifications]]\ntarget = \"{another}\"\n{more}"))
    };
    only(&second(""), ERROR, "archive.notifications[1]", "overlaps the notification of");
    only(
        &second("events = [\"s3:ObjectCreated:Put\"]\nprefix = \"a\""),
        ERROR,
        "archive.notifications[1]",
        "overlaps",
    );
    assert_eq!(findings(&second("events = [\"s3:ObjectRemoved:*\"]")), []);
    only(&notify(topic, "events = []"), ERROR, "archive.notifications[0].events", "no event");
}

#[test]
fn a_guardrail_is_attached_where_it_binds() {
    let guardrail = |lines: &str| config("", "", &format!("[guardrail]\n{lines}"));
    only(
        &guardrail("enabled = true\ntargets = [\"111111111111\"]"),
        ERROR,
        "guardrail.targets[0]",
        "do not bind",
    );
    only(
        &guardrail("targets = [\"ou-ab12-cdefgh34\"]"),
        WARNING,
        "guardrail.targets",
        "not enabled",
    );
    only(&guardrail("name = \"\""), ERROR, "guardrail.name", "0 characters");
}

#[test]
fn a_value_that_cannot_be_read_is_no_reason_for_another_finding() {
    // The stand-in for `days`, 365, would contradict the retention.
    let text =
        config("", "object_lock.days = \"many\"\nretention_days = 300\nlifecycle.tiers = []", "");
    only(&text, ERROR, "archive.object_lock.days", "found the string \"many\"");
}

#[test]
fn mistakes_of_every_kind_are_told_together() {
    let text = config(
        "home_region = \"me-south-1\"\nmanagement_account = 11",
        "mfa_delete = \"root\"",
        "[kee]\n[key]\nrotation_period_days = 3",
    );
    let keys: Vec<String> = findings(&text).into_iter().map(|finding| finding.key).collect();
    assert_eq!(
        keys,
        [
            "organization.home_region",
            "organization.management_account",
            "archive.mfa_delete",
            "kee",
            "key.rotation_period_days",
        ]
    );
}
