mod access;
mod archive;
mod athena;
mod new_accounts;
mod notify;
mod service;
mod trail;

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
        &config(
            "excluded_accounts = [\"333333333333\"]",
            "",
            "[archive.replication]\nbucket = \"acme-vault\"\naccount = \"333333333333\"\n\
             region = \"us-west-2\"",
        ),
        ERROR,
        "organization.excluded_accounts[0]",
        "the vault's account",
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
        "is not used",
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
        &rest(&format!("[consolidate]\nexclude = [\"444444444444:s3://o*\"]\n{}", source(""))),
        ERROR,
        "consolidate.sources[0]",
        "both listed and excluded",
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
        "which is excluded",
    );
    only(
        &rest("[consolidate]\nexclude = [\"old\"]"),
        ERROR,
        "consolidate.exclude[0]",
        "expected `s3://bucket`",
    );
    only(
        &rest("[consolidate]\nexclude = [\"s3://old*\"]"),
        ERROR,
        "consolidate.exclude[0]",
        "a pattern without an account",
    );
    only(
        &rest("[consolidate]\nexclude = [\"44:s3://old*\"]"),
        ERROR,
        "consolidate.exclude[0]",
        "expected 12 digits",
    );
    only(
        &rest(&source("accounts = [\"555555555555\", \"555555555555\"]")),
        ERROR,
        "consolidate.sources[0].accounts[1]",
        "is listed twice",
    );
    let former = "former_accounts = [\"555555555555\", \"555555555555\"]";
    only(
        &rest(&format!("[consolidate]\n{former}")),
        ERROR,
        "consolidate.former_accounts[1]",
        "is listed twice",
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
    for (arn, message) in [
        ("arn:aws:kms:us-east-1:111111111111:alias/mac", "expected the ARN of a KMS key"),
        ("arn:aws:s3:us-east-1:111111111111:key/a", "expected the ARN of a KMS key"),
        ("arn:aws:kms::111111111111:key/a", "expected the ARN of a KMS key"),
        ("arn:aws-cn:kms:cn-north-1:111111111111:key/a", "of the partition aws-cn"),
    ] {
        let text = format!("[records]\nmac_key = \"{arn}\"");
        only(&rest(&text), ERROR, "records.mac_key", message);
    }
    for sha256 in ["a".repeat(63), "g".repeat(64), "a".repeat(65), String::new()] {
        let text = format!("[records]\nacceptances = [\"{sha256}\"]");
        only(&rest(&text), ERROR, "records.acceptances[0]", "expected 64 hexadecimal digits");
    }
    only(
        &rest("[cloudwatch_logs]\nretention_days = 364"),
        ERROR,
        "cloudwatch_logs.retention_days",
        "found a retention of 364 days, expected one of 1, 3",
    );
    for (alarms, key, message) in [
        ("topic = \"orgtrail\"\n[topic]", "alarms.topic", "which is also notified"),
        ("namespace = \"AWS/x\"", "alarms.namespace", "not starting"),
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
        "twice",
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
fn settings_of_the_landing_zone_that_cloudformation_refuses_are_errors() {
    let zone = |line: &str| config("", "", &format!("[landing_zone]\n{line}"));
    let key = |name: &str| format!("landing_zone.{name}");
    for prefix in ["", "1st", "acme_trail", &"a".repeat(81)] {
        let text = zone(&format!("prefix = \"{prefix}\""));
        only(&text, ERROR, &key("prefix"), "letters, digits and hyphens");
    }
    assert_eq!(findings(&zone("prefix = \"acme-trail-1\"")), []);
    let trusted = |arn: &str| zone(&format!("trusted_principal = \"{arn}\""));
    let principal = key("trusted_principal");
    only(&trusted("arn:aws:iam::111111111111:root"), ERROR, &principal, "an IAM role or user");
    only(&trusted("arn:aws-cn:iam::111111111111:role/a"), ERROR, &principal, "partition aws-cn");
    assert_eq!(findings(&trusted("arn:aws:iam::333333333333:role/ci/Scheduler")), []);
    let management = zone("pilot_account = \"111111111111\"");
    only(&management, ERROR, &key("pilot_account"), "the management account");
    assert_eq!(findings(&zone("pilot_account = \"333333333333\"")), []);
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
fn a_guardrail_is_attached_where_it_binds() {
    let guardrail = |lines: &str| config("", "", &format!("[guardrail]\n{lines}"));
    only(
        &guardrail("enabled = true\ntargets = [\"111111111111\"]"),
        ERROR,
        "guardrail.targets[0]",
        "do not apply",
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

/// The smallest config with a suppression of a check.
fn suppressing(check: &str) -> String {
    let suppress = format!(
        "[[drift.suppress]]\ncheck = \"{check}\"\nreason = \"moving\"\nuntil = \"2027-06-30\""
    );
    config("", "", &suppress)
}

#[test]
fn only_checks_that_exist_can_be_suppressed() {
    for id in crate::config::CHECK_IDS {
        assert_eq!(findings(&suppressing(id)), [], "{id}");
    }
    for (unknown, hint) in [
        ("bucket-tls-onyl", "did you mean `bucket-tls-only`?"),
        ("bucket-tls", "did you mean `bucket-tls-only`?"),
        ("xyz", "`orgtrail explain` lists all checks"),
        ("", "`orgtrail explain` lists all checks"),
    ] {
        let text = suppressing(unknown);
        let message = format!("found `{unknown}`, expected the id of a check");
        only(&text, ERROR, "drift.suppress[0].check", &message);
        assert_eq!(findings(&text)[0].hint.as_deref(), Some(hint), "{unknown}");
    }
}

#[test]
fn a_suppression_needs_a_reason() {
    let text = suppressing("undeclared").replace("moving", " ");
    only(&text, ERROR, "drift.suppress[0].reason", "expected why it is suppressed");
}
