//! Defaults that follow from other keys, put into the tree before it is read.

use std::collections::BTreeMap;

use super::document::{Node, Value};
use super::finding::{Finding, Origin};
use super::s3_location::SCHEME;
use crate::names::BucketName;

/// Fills in, in this order: `archive.region`, the access-log bucket, the vault's
/// account and Region, and Athena's account, Region and results.
pub(super) fn fill_in(root: &mut Node) {
    let home = text(root, &["organization", "home_region"]);
    set(root, &["archive"], "region", home);
    let bucket =
        text(root, &["archive", "bucket"]).filter(|name| name.parse::<BucketName>().is_ok());
    let results = bucket.as_ref().map(|bucket| format!("{SCHEME}{bucket}-athena-results"));
    let logs = bucket.map(|bucket| format!("{bucket}-access-logs"));
    if root.child("archive").is_some() {
        set(root, &["archive", "access_logging"], "bucket", logs);
    }
    let has_vault =
        root.child("archive").is_some_and(|archive| archive.child("replication").is_some());
    if has_vault {
        let account = text(root, &["organization", "log_archive_account"]);
        set(root, &["archive", "replication"], "account", account);
        let region = text(root, &["archive", "region"]);
        set(root, &["archive", "replication"], "region", region);
    }
    if root.child("athena").is_some() {
        let account = text(root, &["organization", "log_archive_account"]);
        set(root, &["athena"], "account", account);
        let region = text(root, &["archive", "region"]);
        set(root, &["athena"], "region", region);
        set(root, &["athena"], "results", results);
    }
}

/// Says of a derived default that cannot be read what it was derived from.
pub(super) fn explain(findings: &mut [Finding], origins: &BTreeMap<String, Origin>) {
    const FROM_THE_ARCHIVE: [(&str, &str); 2] =
        [("archive.access_logging.bucket", "-access-logs"), ("athena.results", "-athena-results")];
    for finding in findings.iter_mut().filter(|finding| finding.origin == Origin::Default) {
        let derived = FROM_THE_ARCHIVE.iter().find(|(key, _)| finding.key == *key);
        let Some((_, suffix)) = derived else { continue };
        if let Some(origin) = origins.get("archive.bucket") {
            finding.origin = origin.clone();
        }
        finding.hint = Some(format!(
            "that is its default, `archive.bucket` with `{suffix}`; set another name"
        ));
    }
}

fn text(root: &Node, path: &[&str]) -> Option<String> {
    let node = path.iter().try_fold(root, |node, key| node.child(key))?;
    match &node.value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn set(root: &mut Node, table: &[&str], key: &str, value: Option<String>) {
    let Some(value) = value else { return };
    if root.child(table[0]).is_none() {
        return;
    }
    let Some(table) = root.at_path(table, &Origin::Default) else { return };
    if table.child(key).is_some() {
        return;
    }
    if let Value::Table(entries) = &mut table.value {
        entries.push(super::document::Entry {
            key: key.to_owned(),
            origin: Origin::Default,
            node: Node { value: Value::String(value), origin: Origin::Default },
        });
    }
}
