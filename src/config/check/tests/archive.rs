//! What `[archive]` may say.

use super::*;

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
    only(&config("", vault, ""), ERROR, "archive.mfa_delete", "needs a bucket to replicate to");
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
        "one root user controls both",
    );
    only(
        &replication("acme-vault", "account = \"444444444444\"\nregion = \"cn-north-1\""),
        ERROR,
        "archive.replication.region",
        "replication does not cross partitions",
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
        "cannot be removed",
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
        "S3 does not support",
    );
    only(
        &tiers(&[(90, "GLACIER_IR"), (365, "STANDARD_IA")]),
        ERROR,
        "archive.lifecycle.tiers[1].storage_class",
        "S3 does not support",
    );
    only(&tiers(&[(400, "STANDARD_IA"), (300, "GLACIER_IR")]), ERROR, &days(1), "ascending order");
    only(
        &tiers(&[(365, "DEEP_ARCHIVE")]),
        WARNING,
        "archive.lifecycle.tiers[0].storage_class",
        "must be restored",
    );
    only(&tiers(&[(2500, "GLACIER_IR")]), WARNING, &days(0), "90 are billed");
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
    only(
        &config("", "access_logging.prefix = \"a//b\"", ""),
        ERROR,
        "archive.access_logging.prefix",
        "between single slashes",
    );
    // The archive's own prefix may be that of a trail that exists.
    let adopted = findings(&config("", "prefix = \"env=prod/AWSLogs\"", ""));
    assert_eq!(adopted, []);
    let long = "bucket = \"acme-log-archive-of-the-organization-in-us-east-1-000\"";
    let findings = findings(&config("", long, ""));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].key, "archive.access_logging.bucket");
    assert_eq!(findings[0].origin, Origin::File { line: 7, column: 10 });
    assert!(findings[0].hint.as_ref().unwrap().contains("set another name"));
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
