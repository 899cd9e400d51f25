use super::{TRAIL, of};
use crate::archive::consolidate::{
    binding, discover, record, restore, run, server_side, source, source_stats, unbound,
};
use crate::cost::{athena, duplicates, storage};
use crate::report::contract::{consolidation, cost, prices, sources};

pub(super) fn counts() -> record::Counts {
    record::Counts { source: 3, present: 1, copied: 1, copied_bytes: 70, ..Default::default() }
}

fn unreadable() -> sources::UnreadableRegion {
    (&discover::FailedRead {
        account: of("444444444444"),
        region: of("eu-west-1"),
        reason: "access denied".to_owned(),
        hint: Some("allow cloudtrail:DescribeTrails".to_owned()),
        source: Some(discover::UnusableSource {
            name: "s3://Odd".to_owned(),
            account: of("444444444444"),
        }),
    })
        .into()
}

fn missing_source() -> sources::MissingSource {
    sources::MissingSource { source: "s3://gone".to_owned(), trails: vec![of(TRAIL)] }
}

/// An object of a run.
pub(super) fn object() -> record::ObjectRow {
    record::ObjectRow {
        key: "AWSLogs/o-exampleorgid/444444444444/x".to_owned(),
        origin_bucket: "legacy".to_owned(),
        origin_key: "AWSLogs/444444444444/x".to_owned(),
        size_bytes: 7,
        sha256: Some("aa00".to_owned()),
        outcome: record::Outcome::Unexpected,
        reason: Some("it is not CloudTrail's".to_owned()),
        copy_method: Some(server_side::CopyMethod::Server),
        archived: None,
        quarantined_as: Some("orgtrail/quarantine/aa00/x".to_owned()),
    }
}

pub(super) fn consolidation_report() -> consolidation::Report {
    let mut archived = restore::ArchivedTotals::default();
    archived.add(restore::Archived { class: restore::Class::Glacier, restoring: true }, 70);
    let unbound = unbound::UnboundObjects {
        source: "s3://legacy".to_owned(),
        account: of("555555555555"),
        folder: "AWSLogs/555555555555/".to_owned(),
        why: binding::Unbound::OtherAccount,
        objects: 3,
        more: true,
        kept: 2,
        accepted: 1,
        left: false,
    };
    let report = run::Report {
        counts: counts(),
        by_source: [("s3://legacy".to_owned(), counts())].into(),
        log_prefixes: 2,
        failures: vec![run::Failure {
            place: "s3://broken".to_owned(),
            reason: "access denied".to_owned(),
            hint: None,
        }],
        unexpected_folders: vec!["s3://legacy/AWSLogs/444444444444/elb/".to_owned()],
        stray_objects: 1,
        unbound: vec![unbound],
        archived,
        examples: vec![object()],
        digest_regions: [of("us-east-1")].into(),
        record_faults: vec![("orgtrail/runs/x".to_owned(), "no record".to_owned())],
        last_record: Some(4),
        ..run::Report::default()
    };
    let estimate = crate::cost::consolidation::estimate(&counts(), 2, "STANDARD");
    consolidation::Report {
        run_id: "20260102T030405Z-00000000".to_owned(),
        dry_run: true,
        complete: false,
        sources: vec!["s3://legacy".to_owned()],
        missing_sources: vec![missing_source()],
        excluded_sources: vec!["s3://other".to_owned()],
        unreadable_regions: vec![unreadable()],
        excluded_trails: Vec::new(),
        work: (&report).into(),
        estimate: Some((&estimate).into()),
        prices: Some(prices::PriceList::current()),
    }
}

fn source() -> sources::Source {
    (&source::Source {
        bucket: of("legacy"),
        prefix: Some(of("trails")),
        account: of("444444444444"),
        region: of("us-east-1"),
        owner: Some(of("444444444444")),
        accounts: [of("555555555555")].into(),
        trails: vec![of(TRAIL)],
        policy: source::Policy::default(),
    })
        .into()
}

fn athena_costs(export: Vec<storage::ClassCost>) -> athena::AthenaCosts {
    let day = jiff::civil::date(2026, 1, 31);
    let mut logs = athena::Scanned::default();
    logs.add_file("STANDARD", 1 << 40, day);
    let scans = vec![athena::ScanCost::of("cloudtrail_logs", &logs)];
    athena::AthenaCosts { export, export_usd_a_month: crate::cost::Usd(0.25), scans }
}

pub(super) fn cost_report() -> cost::Report {
    let duplicate = duplicates::Duplicate {
        source: "s3://legacy".to_owned(),
        trails: vec![of(TRAIL)],
        basis: duplicates::Basis {
            days: 7,
            logs: 14,
            bytes: 700,
            read_logs: 2,
            read_bytes: 100,
            read_events: duplicates::Events { management: 10, data: 0 },
        },
        management_events_a_month: 300,
        data_events_a_month: 0,
        usd_a_month: crate::cost::Usd(0.5),
    };
    let mut held = storage::StoredTotals::default();
    held.add("STANDARD", 1 << 30);
    held.add("OTHER", 1);
    cost::Report {
        prices: prices::PriceList::current(),
        organization_trail_logging: Some(true),
        duplicates: vec![(&duplicate).into()],
        missing_sources: vec![missing_source()],
        excluded_sources: vec![source()],
        storage: held.costs().iter().map(cost::StoredObjects::from).collect(),
        storage_counting: sources::Counting::Exact,
        kms_key_usd_per_month: 1.0,
        duplicates_usd_per_month: 0.5,
        storage_usd_per_month: 0.25,
        athena: Some((&athena_costs(held.costs())).into()),
        total_usd_per_month: 2.0,
        unreadable_regions: Vec::new(),
        event_data_stores: (&super::organization::event_data_stores()).into(),
        failures: vec![cost::FailedRead { reason: "access denied".to_owned(), hint: None }],
    }
}

pub(super) fn sources_report() -> sources::Report {
    let trail = discover::LegacyTrail {
        arn: of(TRAIL),
        account: of("444444444444"),
        home_region: of("us-east-1"),
        multi_region: true,
        organization: false,
        log_file_validation: true,
        bucket: of("legacy"),
        prefix: None,
        seen_in: [(of("444444444444"), of("eu-west-1"))].into(),
    };
    let stats = source_stats::SourceStats {
        counting: source_stats::CountMethod::Sampled,
        log_prefixes: 2,
        objects: 3,
        bytes: 70,
        archived: 1,
        first_day: Some(of("2025-01-01")),
        last_day: Some(of("2026-01-01")),
        digests: true,
        unexpected: vec!["AWSLogs/444444444444/elb/".to_owned()],
        stray_objects: 1,
    };
    let counted = |contents: Option<&source_stats::SourceStats>| sources::CountedSource {
        source: source(),
        contents: contents.map(sources::Contents::from),
        error: contents.is_none().then(|| "access denied".to_owned()),
        hint: None,
    };
    sources::Report {
        trails: vec![(&trail).into()],
        sources: vec![counted(Some(&stats)), counted(None)],
        missing_sources: vec![missing_source()],
        excluded_sources: vec![source()],
        unreadable_regions: vec![unreadable()],
        excluded_trails: Vec::new(),
        vanished_sources: vec!["s3://earlier".to_owned()],
    }
}
