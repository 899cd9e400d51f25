//! A snapshot of each document.

mod archive;
mod attribution;
mod consolidation;
mod events;
mod notification;
mod organization;
mod sandbox;
mod service;
mod verification;

use serde_json::json;

use super::{DOCUMENTS, Document, Emitted, EnvironmentOverride, Identity, Session};
use crate::archive::batches::{DayBatch, LogPrefix};
use crate::archive::bundle;
use crate::archive::consolidate::record;
use crate::archive::retired::Retired;
use crate::archive::verify::place::OrgOwner;

/// Parses a value of a sample.
fn of<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

const TRAIL: &str = "arn:aws:cloudtrail:us-east-1:444444444444:trail/legacy";

fn text<T: Document>(body: T) -> String {
    serde_json::to_string_pretty(&Emitted::new(body)).unwrap()
}

macro_rules! snapshots {
    ($($module:ident::$name:ident)+) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(stringify!($name), text($module::$name()));
            }
        )+
    };
}

snapshots! {
    archive::acceptance_list archive::acceptance_report archive::evidence_report
    archive::records_report archive::retirement_report
    attribution::event_attribution
    consolidation::consolidation_report consolidation::cost_report consolidation::sources_report
    events::event_detections events::event_reconciliation events::event_rules events::event_export events::event_search
    notification::service_notification notification::notification_test
    organization::accounts_report organization::check_catalogue organization::config
    organization::config_check organization::config_roles organization::coverage_report
    organization::doctor_report
    organization::round_report
    sandbox::demo_report sandbox::sandbox sandbox::sandbox_clock sandbox::sandbox_confirmation
    service::service_account_baseline service::service_account_event
    service::service_accounts service::service_bundle service::service_bundles
    service::service_chains service::service_coverage service::service_event
    service::service_event_gap service::service_findings service::service_landing_zone
    service::service_live_round
    service::service_problem service::service_readiness service::service_requested_round
    service::service_round service::service_round_diff service::service_rounds
    service::service_schedules service::service_signals service::service_sources
    service::service_status service::service_token
    verification::verification_report
}

#[test]
fn every_document_has_a_snapshot() {
    let folders = ["snapshots", "tests/snapshots"];
    let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/contract");
    let snapshots: Vec<String> = folders
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(format!("{contract}/{folder}")).unwrap())
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    for kind in DOCUMENTS {
        let head = format!("\"document\": \"{}\"", kind.name);
        assert!(snapshots.iter().any(|text| text.contains(&head)), "{} has none", kind.name);
    }
}

#[test]
fn stored_documents_begin_with_their_name_and_version() {
    let retired = Retired::new(
        &of(TRAIL),
        None,
        &of("arn:aws:iam::111111111111:user/admin"),
        of("2026-01-02T03:04:05Z"),
    );
    let manifest = bundle::Manifest {
        version: 1,
        packed_at: of("2026-01-02T03:04:05Z"),
        source: "s3://acme-log-archive".to_owned(),
        from: of("2026-01-01T00:00:00Z"),
        to: of("2026-01-02T00:00:00Z"),
        declared: Some(bundle::DeclaredRoot {
            prefix: None,
            org: Some(of("o-exampleorgid")),
            trail: Some(bundle::PackedTrail { name: of("orgtrail"), home_region: of("us-east-1") }),
        }),
        org_owner: Some(OrgOwner { org: of("o-exampleorgid"), management: of("111111111111") }),
        bucket: Some("acme-log-archive".to_owned()),
        followed: [bundle::Followed { bucket: of("legacy"), account: of("444444444444") }].into(),
        omitted: vec!["the public keys of eu-west-1: access denied".to_owned()],
        regions_without_public_keys: [of("eu-west-1")].into(),
        files: vec![bundle::FileEntry {
            path: "objects/AWSLogs/x".to_owned(),
            size_bytes: 7,
            sha256: "aa00".to_owned(),
        }],
    };
    let head = record::Head {
        version: record::FORMAT_VERSION,
        number: 3,
        previous_sha256: Some("aa00".to_owned()),
        run_id: "20260102T030405Z-00000000".to_owned(),
        written_at: of("2026-01-02T03:04:05Z"),
        written_by: "arn:aws:iam::111111111111:user/admin".to_owned(),
        written_with: "orgtrail 0.1.0".to_owned(),
    };
    let batch = DayBatch {
        log_prefix: LogPrefix {
            bucket: "legacy".to_owned(),
            root: "AWSLogs/".to_owned(),
            account: of("444444444444"),
            folder: "CloudTrail".to_owned(),
            region: of("us-east-1"),
        },
        day: of("2026-01-01"),
    };
    let rows = [
        record::Row::Begin { options: json!({ "dry_run": false }) },
        record::Row::Object(consolidation::object()),
        record::Row::Batch(record::BatchRow { batch, counts: record::Counts::default() }),
        record::Row::End {
            totals: record::Counts::default(),
            complete: true,
            proven_through: [("s3://legacy/AWSLogs/".to_owned(), of("2025-12-31"))].into(),
            full_listing_at: of("2026-01-01T03:04:05Z"),
        },
    ];
    let begins = |text: &str, name: &str| {
        assert!(text.starts_with(&format!("{{\"document\":\"{name}\",\"version\":")), "{text}");
    };
    begins(&serde_json::to_string(&archive::acceptance()).unwrap(), "acceptance");
    begins(&serde_json::to_string(&manifest).unwrap(), "bundle-manifest");
    begins(&serde_json::to_string(&events::export_manifest()).unwrap(), "event-export-manifest");
    begins(&serde_json::to_string(&retired).unwrap(), "retired-trail");
    begins(&serde_json::to_string(&head).unwrap(), "run-record");
    insta::assert_json_snapshot!("acceptance", archive::acceptance());
    insta::assert_json_snapshot!("bundle_manifest", manifest);
    insta::assert_json_snapshot!("event_export_manifest", events::export_manifest());
    insta::assert_json_snapshot!("retired_trail", retired);
    let lines: Vec<_> = rows.iter().map(|row| serde_json::to_value(row).unwrap()).collect();
    insta::assert_json_snapshot!("run_record", json!({ "first": head, "then": lines }));
    let (head, unit) = archive::proof_record();
    begins(&serde_json::to_string(&head).unwrap(), "proof-record");
    insta::assert_json_snapshot!("proof_record", json!({ "first": head, "then": [unit] }));
}

#[test]
fn a_session_follows_the_document() {
    let session = Session {
        identity: Some(Identity {
            caller: of("arn:aws:iam::111111111111:user/admin"),
            organization: Some(of("o-exampleorgid")),
            management_account: Some(of("111111111111")),
            endpoint: "AWS".to_owned(),
            sandbox: false,
        }),
        environment_overrides: vec![EnvironmentOverride {
            setting: "archive.prefix".to_owned(),
            variable: "ORGTRAIL__ARCHIVE__PREFIX".to_owned(),
            file: None,
        }],
    };
    let document = Emitted::new(archive::evidence_report()).with_session(session);
    insta::assert_snapshot!("session", serde_json::to_string_pretty(&document).unwrap());
}
