//! What a bundle says about itself: its report, and its files that no digest lists.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::archive::bundle::{BUCKETS, OBJECTS, REPORT_JSON, REPORT_TEXT, Unpacked};
use crate::archive::key::{ObjectKey, ObjectKind};
use crate::archive::verify::digest::DigestDocument;
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::parsed_digest::contents;
use crate::archive::verify::run::Verification;
use crate::report::contract::Emitted;
use crate::report::contract::verification::Report;
use crate::report::verification::{self, Subject};

/// Findings that depend on AWS or on the public keys at hand, and so differ between
/// packing and verifying.
const OF_CIRCUMSTANCES: [&str; 7] = [
    "public-key-saved",
    "public-key-missing",
    "public-key-not-found",
    "newest-deleted",
    "delivery-unknown",
    "not-a-file",
    "unreadable",
];

/// Findings about what the archive lacks: no bundle has it.
const OF_ARCHIVE: [&str; 2] = ["account-missing", "digests-deleted"];

/// The files of a bundle that no digest in it lists and that are no digest: anyone who
/// packs a bundle chooses their bytes.
pub(super) fn unproven(bundle: &Unpacked) -> Vec<String> {
    let files = || bundle.manifest.files.iter().map(|file| file.path.as_str());
    let digests = || files().filter(|path| is_digest(path));
    let listed: BTreeSet<String> = digests().flat_map(|path| listed_by(bundle, path)).collect();
    files()
        .filter(|path| !is_digest(path))
        .filter(|path| key(path).is_none_or(|key| !listed.contains(&key.to_string())))
        .map(str::to_owned)
        .collect()
}

/// The key of an object, by its path within a bundle.
fn key(path: &str) -> Option<ObjectKey> {
    let (folder, rest) = path.split_once('/')?;
    match folder {
        OBJECTS => rest.parse().ok(),
        BUCKETS => rest.split_once('/')?.1.parse().ok(),
        _ => None,
    }
}

fn is_digest(path: &str) -> bool {
    key(path).is_some_and(|key| matches!(key.kind(), ObjectKind::Digest { .. }))
}

/// The keys of the log files that a digest lists: as CloudTrail wrote them, and as they
/// are below the digest's own root.
fn listed_by(bundle: &Unpacked, path: &str) -> Vec<String> {
    let text = std::fs::read(bundle.path(path)).ok();
    let text = text.and_then(|stored| contents(&stored, &mut Vec::new()).ok());
    let document = text.and_then(|(text, _)| DigestDocument::parse(&text).ok());
    let (Some(document), Some(digest)) = (document, key(path)) else { return Vec::new() };
    let both = |log: crate::archive::verify::digest::ListedLog| {
        let moved = log.s3_object.parse::<ObjectKey>().ok();
        let moved = moved.map(|key| key.under(digest.root()).to_string());
        [Some(log.s3_object), moved]
    };
    document.log_files.into_iter().flat_map(both).flatten().collect()
}

/// Compares the reports inside a bundle with what verifying it gives now.
pub(super) fn contradicted(
    bundle: &Unpacked,
    subject: &Subject,
    verification: &Verification,
    is_declared: bool,
) -> Option<Finding> {
    let finding = |name: &str, expected: &str, found: &str| {
        let finding = Finding::new(FindingKind::ReportContradicted).at(None, name);
        Some(finding.with_mismatch(expected, found))
    };
    let recomputed = "the result of verifying the bundle";
    let read = |name: &str| std::fs::read(bundle.path(name)).ok();
    let embedded = read(REPORT_JSON).and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    let Some(embedded) = embedded else {
        return finding(REPORT_JSON, "a report of this version", "an unreadable one");
    };
    // Its name is the only part of a report that is not computed.
    let subject = Subject {
        target: bundle.manifest.source.clone(),
        keys: Vec::new(),
        bundle: None,
        overrides: Vec::new(),
        ..subject.clone()
    };
    let without_keys = without_saved_keys(verification);
    let now = serde_json::to_value(Emitted::new(Report::new(&subject, &without_keys))).ok()?;
    let without = |kind: &str| {
        kind.starts_with("public-key-") || kind == FindingKind::AcceptanceUnauthenticated.code()
    };
    if kinds(&now).iter().any(|kind| without(kind)) {
        // Without the keys, or the acceptances that were authentic when the bundle was
        // packed, nothing can be computed that the report could differ from.
        return None;
    }
    // Without a declared trail, chains that ended are open, whatever the report says.
    if !is_declared && kinds(&now).iter().any(|kind| *kind == FindingKind::EndsEarly.code()) {
        return None;
    }
    if embedded["target"] != now["target"] {
        return finding(REPORT_JSON, "the source that the manifest names", "another");
    }
    let of_archive: Vec<String> =
        kinds(&embedded).into_iter().filter(|it| OF_ARCHIVE.contains(&it.as_str())).collect();
    if !of_archive.is_empty() {
        let more = Finding::new(FindingKind::ReportNamesMore).at(None, REPORT_JSON);
        return Some(more.with_mismatch(recomputed, of_archive.join(", ")));
    }
    if proofs(&embedded) != proofs(&now) {
        return finding(REPORT_JSON, recomputed, "other accounts, Regions, counts or times");
    }
    if grave(&embedded, true) != grave(&now, true) {
        return finding(REPORT_JSON, recomputed, "other findings");
    }
    let outcome = &embedded["outcome"];
    if *outcome != outcome_of(&embedded) {
        return finding(REPORT_JSON, "the outcome of its own findings", "another outcome");
    }
    let counts = |report: &Value| {
        let accepted = &report["summary"]["findings"]["accepted"];
        let counts = ["scopes", "digests", "log_files"].map(|it| &report["summary"][it]);
        counts.into_iter().chain([accepted]).map(Value::to_string).collect::<Vec<_>>()
    };
    if counts(&embedded) != counts(&now) {
        return finding(REPORT_JSON, recomputed, "another summary");
    }
    // Findings that depend on AWS cannot be computed from the bundle, so neither can a
    // text with them. One without is a claim that all is proven.
    if grave(&embedded, false) != grave(&now, false) {
        // The packer knew of something that cannot be seen in it, or says so.
        return if *outcome == "proven" {
            finding(REPORT_JSON, recomputed, "the outcome `proven`")
        } else if now["outcome"] == "proven" {
            finding(
                REPORT_JSON,
                "the outcome `proven`, which verifying the bundle gives",
                "another",
            )
        } else {
            None
        };
    }
    if without_circumstances(embedded) != without_circumstances(now) {
        return finding(REPORT_JSON, recomputed, "other fields");
    }
    let written = read(REPORT_TEXT).and_then(|text| String::from_utf8(text).ok());
    let Some(written) = written else {
        return finding(REPORT_TEXT, "a text report", "an unreadable one");
    };
    let text = verification::text(&subject, &without_keys);
    if without_notices(&written) == without_notices(&text) {
        None
    } else {
        finding(REPORT_TEXT, recomputed, "another text")
    }
}

/// A report without its time, its notices and what depends on the keys at hand.
fn without_circumstances(mut report: Value) -> Value {
    let remove = |of: &mut Value, field: &str| {
        of.as_object_mut().and_then(|of| of.remove(field));
    };
    remove(&mut report, "created_at");
    if let Some(counts) = report.pointer_mut("/summary/findings") {
        remove(counts, "notices");
    }
    if let Some(findings) = report.get_mut("findings").and_then(Value::as_array_mut) {
        findings.retain(|finding| finding["severity"] != "notice");
    }
    for scope in report.get_mut("scopes").and_then(Value::as_array_mut).into_iter().flatten() {
        let chains = scope.get_mut("chains").and_then(Value::as_array_mut);
        let digests = chains.into_iter().flatten().filter_map(|chain| chain.get_mut("digests"));
        digests.for_each(|digests| remove(digests, "proven_by_saved_key"));
    }
    report
}

/// The text without its notices: some of them depend on what was packed.
fn without_notices(text: &str) -> Vec<&str> {
    text.split("\n\n").filter(|part| !part.starts_with("NOTE ")).collect()
}

/// The outcome that a report's own findings give.
fn outcome_of(report: &Value) -> &'static str {
    let findings = || report["findings"].as_array().into_iter().flatten();
    let has = |severity: &str| findings().any(|it| it["severity"] == severity);
    let summary = &report["summary"];
    let has_nothing = summary["digests"]["valid"] == 0
        && summary["digests"]["invalid"] == 0
        && summary["log_files"]["valid"] == 0;
    match (has("broken"), has("incomplete") || has_nothing) {
        (true, _) => "broken",
        (false, true) => "incomplete",
        (false, false) => "proven",
    }
}

/// The same without what is said of the keys that came with the bundle.
fn without_saved_keys(verification: &Verification) -> Verification {
    let keep = |finding: &Finding| finding.kind != FindingKind::PublicKeySaved;
    let mut scopes = verification.scopes.clone();
    for scope in &mut scopes {
        scope.findings.retain(keep);
    }
    let findings = verification.findings.iter().filter(|it| keep(it)).cloned().collect();
    Verification { scopes, findings }
}

/// What a report says is proven: by account, Region and root.
fn proofs(report: &Value) -> Vec<String> {
    let scopes = report["scopes"].as_array().into_iter().flatten();
    let proof = |scope: &Value| {
        let chains = scope["chains"].as_array().into_iter().flatten();
        let chain = |it: &Value| {
            let digests = ["valid", "relocated", "proven_by_successor"];
            let digests = digests.map(|count| it["digests"][count].to_string()).join(" ");
            format!("{} {digests} {}", it["trail"], it["proven"])
        };
        let chains: Vec<_> = chains.map(chain).collect();
        let fields = ["account", "region", "bucket", "prefixes", "proven", "log_files"];
        let fields: Vec<_> = fields.iter().map(|field| scope[field].to_string()).collect();
        format!("{} {}", fields.join(" "), chains.join(" "))
    };
    let mut proofs: Vec<_> = scopes.map(proof).collect();
    proofs.sort();
    proofs
}

fn kinds(report: &Value) -> BTreeSet<String> {
    let findings = report["findings"].as_array().into_iter().flatten();
    findings.filter_map(|it| it["kind"].as_str().map(str::to_owned)).collect()
}

/// The findings that are more than notices; `here`: only those that the bundle alone
/// decides.
fn grave(report: &Value, here: bool) -> Vec<String> {
    let findings = report["findings"].as_array().into_iter().flatten();
    let mut findings: Vec<_> = findings
        .filter(|it| it["severity"] != "notice")
        .filter(|it| !here || !OF_CIRCUMSTANCES.iter().any(|kind| it["kind"] == *kind))
        .map(|it| format!("{} {} {} {}", it["kind"], it["severity"], it["bucket"], it["key"]))
        .collect();
    findings.sort();
    findings
}
