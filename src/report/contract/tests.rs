//! One snapshot of each document: what its readers get.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::archive::accept;
use crate::archive::accept::apply::AcceptedBy;
use crate::archive::authenticity::Authenticity;
use crate::archive::bundle;
use crate::archive::consolidate::{
    binding, census, discover, history, outsiders, record, restore, run, server_side, source,
};
use crate::archive::retire;
use crate::archive::retired::Retired;
use crate::archive::units::{Lane, UnitId};
use crate::archive::verify::finding::{self, FindingKind};
use crate::archive::verify::place::OrgOwner;
use crate::archive::verify::run::{LaneReport, LogTally, Verification};
use crate::archive::verify::{chain, period};
use crate::cost::{duplicates, storage};
use crate::report::drift::samples;
use crate::report::verification::{BundleFacts, KeyUsed, Subject};
use crate::{aws, org};

/// Parses whatever the sample needs.
fn of<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

const TRAIL: &str = "arn:aws:cloudtrail:us-east-1:444444444444:trail/legacy";

fn text<T: Document>(body: T) -> String {
    serde_json::to_string_pretty(&Emitted::new(body)).unwrap()
}

macro_rules! snapshots {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(stringify!($name), text(samples_of::$name()));
            }
        )+
    };
}

snapshots! {
    acceptance_list acceptance_report accounts_report check_catalogue config config_check
    consolidation_report cost_report coverage_report evidence_report records_report
    retirement_report round_report sources_report verification_report
}

#[test]
fn what_is_stored_begins_with_its_name_and_version() {
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
        left_out: vec!["the public keys of eu-west-1: access denied".to_owned()],
        keys_unread: [of("eu-west-1")].into(),
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
    let unit = UnitId {
        lane: Lane {
            bucket: "legacy".to_owned(),
            root: "AWSLogs/".to_owned(),
            account: of("444444444444"),
            folder: "CloudTrail".to_owned(),
            region: of("us-east-1"),
        },
        day: of("2026-01-01"),
    };
    let rows = [
        record::Row::Begin { asked: json!({ "dry_run": false }) },
        record::Row::Object(samples_of::object()),
        record::Row::Unit(record::UnitRow { unit, counts: record::Counts::default() }),
        record::Row::End {
            totals: record::Counts::default(),
            complete: true,
            proven_through: [("s3://legacy/AWSLogs/".to_owned(), of("2025-12-31"))].into(),
            full_listing_at: None,
        },
    ];
    let begins = |text: &str, name: &str| {
        assert!(text.starts_with(&format!("{{\"document\":\"{name}\",\"version\":")), "{text}");
    };
    begins(&serde_json::to_string(&samples_of::acceptance()).unwrap(), "acceptance");
    begins(&serde_json::to_string(&manifest).unwrap(), "bundle-manifest");
    begins(&serde_json::to_string(&retired).unwrap(), "retired-trail");
    begins(&serde_json::to_string(&head).unwrap(), "run-record");
    insta::assert_json_snapshot!("acceptance", samples_of::acceptance());
    insta::assert_json_snapshot!("bundle_manifest", manifest);
    insta::assert_json_snapshot!("retired_trail", retired);
    let lines: Vec<_> = rows.iter().map(|row| serde_json::to_value(row).unwrap()).collect();
    insta::assert_json_snapshot!("run_record", json!({ "first": head, "then": lines }));
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
    let document = Emitted::new(samples_of::evidence_report()).with_session(session);
    insta::assert_snapshot!("session", serde_json::to_string_pretty(&document).unwrap());
}

mod samples_of {
    use super::*;

    pub(super) fn acceptance() -> accept::Acceptance {
        accept::Acceptance {
            version: 1,
            number: 3,
            previous_sha256: Some("aa00".to_owned()),
            key: "AWSLogs/x".to_owned(),
            version_id: Some("v1".to_owned()),
            sha256: "bb11".to_owned(),
            size_bytes: 7,
            findings: vec!["log-unlisted".to_owned()],
            contradicts_digest: false,
            reason: "ticket 4711".to_owned(),
            accepted_by: "arn:aws:iam::111111111111:user/admin".to_owned(),
            accepted_at: of("2026-01-02T03:04:05Z"),
            accepted_with: "orgtrail 0.1.0".to_owned(),
        }
    }

    pub(super) fn acceptance_list() -> acceptance::List {
        let record = |authenticated| accept::AcceptanceRecord {
            acceptance: acceptance(),
            record: "orgtrail/accepted/000000000003.json".to_owned(),
            record_sha256: "cc22".to_owned(),
            authenticated,
        };
        let reason = || "it has no MAC".to_owned();
        let records = [
            record(Authenticity::Mac { mac_key: "arn:aws:kms:us-east-1:1:key/k".to_owned() }),
            record(Authenticity::Listed),
            record(Authenticity::Nothing { reason: reason() }),
            record(Authenticity::Unknown { reason: reason() }),
        ];
        let fault = ("orgtrail/accepted/x".to_owned(), "no record has this name".to_owned());
        acceptance::List::new(&records, &[fault])
    }

    pub(super) fn acceptance_report() -> acceptance::Report {
        acceptance::Report {
            acceptance: (&acceptance()).into(),
            record_key: "orgtrail/accepted/000000000003.json".to_owned(),
            record_sha256: "cc22".to_owned(),
            mac_key: None,
            locked_until: Some(of("2033-01-02T03:04:05Z")),
        }
    }

    pub(super) fn accounts_report() -> accounts::Report {
        let account = |id: &str, entry| org::Surveyed {
            account: of(id),
            name: "workload".to_owned(),
            state: org::AccountState::Active,
            unit: of("ou-abcd-11111111"),
            unit_path: "/Root/Workloads".to_owned(),
            entry,
            regions: Some(vec![of("us-east-1")]),
            regions_unread: None,
        };
        let failed = org::Entry::Failed {
            role: "arn:aws:iam::333333333333:role/OrgTrailMember".to_owned(),
            kind: aws::ErrorKind::AccessDenied,
            reason: "access denied".to_owned(),
            hint: Some("allow sts:AssumeRole".to_owned()),
        };
        let organization = org::Organization {
            id: of("o-exampleorgid"),
            management_account: of("111111111111"),
            all_features: true,
            units: BTreeMap::new(),
            accounts: BTreeMap::new(),
        };
        let accounts = [
            account("222222222222", org::Entry::Entered { principal: "arn:aws:sts::2".to_owned() }),
            account("333333333333", failed),
            account("444444444444", org::Entry::LeftOut { reason: "it is suspended".to_owned() }),
        ];
        accounts::Report::new(&organization, &accounts)
    }

    pub(super) fn check_catalogue() -> checks::Catalogue {
        let check = crate::checks::CATALOGUE.iter().find(|it| it.id == "trail-is-logging");
        checks::Catalogue::new(
            check.as_slice().iter().map(|it| **it).collect::<Vec<_>>().as_slice(),
        )
    }

    pub(super) fn config() -> config::Show {
        let origins = [
            ("archive.bucket", crate::config::Origin::File { line: 6, column: 10 }),
            ("archive.prefix", crate::config::Origin::Environment { variable: "V".to_owned() }),
            ("trail.name", crate::config::Origin::Default),
        ];
        config::Show {
            file: "orgtrail.toml".to_owned(),
            config: json!({ "archive": { "bucket": "acme-log-archive" } }),
            origins: origins
                .map(|(key, origin)| (key.to_owned(), config::Origin::from(&origin)))
                .into(),
        }
    }

    pub(super) fn config_check() -> config::Check {
        let finding = crate::config::Finding {
            severity: crate::config::Severity::Error,
            key: "archive.bucket".to_owned(),
            origin: crate::config::Origin::File { line: 6, column: 10 },
            message: "found `A`, expected a bucket's name".to_owned(),
            hint: None,
        };
        config::Check::new("orgtrail.toml".to_owned(), &[finding])
    }

    fn counts() -> record::Counts {
        record::Counts { source: 3, present: 1, copied: 1, copied_bytes: 70, ..Default::default() }
    }

    fn unreadable() -> sources::UnreadableRegion {
        (&discover::Unread {
            account: of("444444444444"),
            region: of("eu-west-1"),
            reason: "access denied".to_owned(),
            hint: Some("allow cloudtrail:DescribeTrails".to_owned()),
            source: Some(discover::OddSource {
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
            outcome: record::Outcome::Foreign,
            reason: Some("it is not CloudTrail's".to_owned()),
            way: Some(server_side::Way::Server),
            archived: None,
            quarantined_as: Some("orgtrail/quarantine/aa00/x".to_owned()),
        }
    }

    pub(super) fn consolidation_report() -> consolidation::Report {
        let mut archived = restore::Held::default();
        archived.add(restore::Archived { class: restore::Class::Glacier, restoring: true }, 70);
        let unbound = outsiders::UnboundObjects {
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
            lanes: 2,
            failures: vec![run::Failure {
                place: "s3://broken".to_owned(),
                reason: "access denied".to_owned(),
                hint: None,
            }],
            foreign_folders: vec!["s3://legacy/AWSLogs/444444444444/elb/".to_owned()],
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
        let mut held = storage::Holdings::default();
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
            total_usd_per_month: 1.75,
            unreadable_regions: Vec::new(),
            failures: vec![cost::FailedRead { reason: "access denied".to_owned(), hint: None }],
        }
    }

    pub(super) fn coverage_report() -> coverage::Report {
        coverage::Report::new(&samples::drifted().coverage, of("2026-03-01T12:00:00Z"))
    }

    pub(super) fn evidence_report() -> evidence::Report {
        evidence::Report {
            bundle: "january.tar.zst".to_owned(),
            files: 4,
            size_bytes: 700,
            manifest_sha256: "aa00".to_owned(),
            proven: true,
            omitted: vec!["the public keys of eu-west-1: access denied".to_owned()],
        }
    }

    pub(super) fn records_report() -> records::Report {
        let fault = |first| history::Fault { first, last: first, reason: "missing".to_owned() };
        let mut history = history::History::default();
        (history.records, history.authenticated_records, history.before_mac_key) = (2, 1, 1);
        (history.faults, history.unchecked) = (vec![fault(1)], vec![fault(2)]);
        let mut report = records::Report::new(
            &history,
            Some("arn:aws:kms:us-east-1:222222222222:key/k".to_owned()),
            Some("1 of 2 records have a valid MAC".to_owned()),
        );
        report.runs.push(records::Run {
            run_id: "20260102T030405Z-00000000".to_owned(),
            first_record: 0,
            last_record: 2,
            started_at: of("2026-01-02T03:04:05Z"),
            caller: "arn:aws:iam::111111111111:user/admin".to_owned(),
            program: "orgtrail 0.1.0".to_owned(),
            options: Some(json!({ "dry_run": false })),
            counts: counts().into(),
            complete: Some(true),
            records: 2,
            authenticated_records: 1,
        });
        report
    }

    pub(super) fn retirement_report() -> retirement::Report {
        let condition = |standing| retire::Condition {
            name: retire::DELIVERED,
            standing,
            reason: "us-east-1 is proven".to_owned(),
        };
        let all = [retire::Standing::Holds, retire::Standing::Unseen, retire::Standing::Not];
        retirement::Report {
            trail: of(TRAIL),
            conditions: all
                .map(|standing| retirement::Condition::from(&condition(standing)))
                .into(),
            deletable: false,
            retired: false,
            bucket: Some(retirement::KeptBucket {
                bucket: "legacy".to_owned(),
                objects: 3,
                size_bytes: 70,
                usd_per_month: 0.5,
                deep_archive_usd_per_month: 0.25,
                prices: prices::PriceList::current(),
            }),
        }
    }

    pub(super) fn round_report() -> round::Report {
        let part = |part, exit_code, outcome, report| round::PartReport {
            part,
            exit_code,
            outcome,
            started_at: of("2026-01-02T03:04:05Z"),
            ended_at: of("2026-01-02T03:05:05Z"),
            summary: "in one line".to_owned(),
            report,
        };
        let verification = Emitted::new(verification::Report {
            scopes: Vec::new(),
            findings: Vec::new(),
            ..verification_report()
        });
        let verification = round::PartDocument::Verification(Box::new(verification));
        let incomplete = round::Outcome::Incomplete;
        round::Report {
            program: "orgtrail 0.1.0".to_owned(),
            started_at: of("2026-01-02T03:04:05Z"),
            ended_at: of("2026-01-02T03:06:05Z"),
            exit_code: 14,
            outcome: incomplete,
            parts: vec![
                part(round::Part::Consolidate, 14, incomplete, None),
                part(round::Part::Verify, 0, round::Outcome::Clean, Some(verification)),
            ],
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
        let census = census::Census {
            counting: census::Counting::Sampled,
            lanes: 2,
            objects: 3,
            bytes: 70,
            archived: 1,
            first_day: Some(of("2025-01-01")),
            last_day: Some(of("2026-01-01")),
            digests: true,
            foreign: vec!["AWSLogs/444444444444/elb/".to_owned()],
            stray_objects: 1,
        };
        let counted = |contents: Option<&census::Census>| sources::CountedSource {
            source: source(),
            contents: contents.map(sources::Contents::from),
            error: contents.is_none().then(|| "access denied".to_owned()),
            hint: None,
        };
        sources::Report {
            trails: vec![(&trail).into()],
            sources: vec![counted(Some(&census)), counted(None)],
            missing_sources: vec![missing_source()],
            excluded_sources: vec![source()],
            unreadable_regions: vec![unreadable()],
            excluded_trails: Vec::new(),
            vanished_sources: vec!["s3://earlier".to_owned()],
        }
    }

    pub(super) fn verification_report() -> verification::Report {
        let (from, to) = (of("2026-01-01T00:00:00Z"), of("2026-01-02T00:00:00Z"));
        let missing = finding::Finding {
            origin: Some(finding::Origin {
                bucket: "legacy".to_owned(),
                key: "AWSLogs/444444444444/x".to_owned(),
            }),
            ..finding::Finding::new(FindingKind::LogMissing)
                .at(Some("acme-log-archive"), "AWSLogs/o-exampleorgid/444444444444/x")
                .because("the log file", "nothing")
                .over(from, to)
        };
        let accepted = finding::Finding {
            severity: finding::Severity::Notice,
            accepted: Some(AcceptedBy {
                record: 3,
                by: "arn:aws:iam::111111111111:user/admin".to_owned(),
                at: to,
                reason: "ticket 4711".to_owned(),
                instead_of: finding::Severity::Broken,
            }),
            ..finding::Finding::new(FindingKind::LogUnlisted)
                .of_files(2, vec!["a".to_owned(), "b".to_owned()])
        };
        let lane = LaneReport {
            account: of("444444444444"),
            region: of("us-east-1"),
            bucket: Some("acme-log-archive".to_owned()),
            root: "AWSLogs/o-exampleorgid/".to_owned(),
            roots: vec!["AWSLogs/o-exampleorgid/".to_owned()],
            chains: Vec::new(),
            logs: LogTally { valid: 2, invalid: 1, unreadable: 0, inflated_bytes: 70 },
            proven: vec![period::Period { from, to }],
            findings: vec![accepted, missing],
            followed: false,
            other_trails: std::collections::BTreeSet::default(),
            told_trails: std::collections::BTreeSet::default(),
            is_beyond: false,
            borders: Vec::new(),
            unknown_keys: Vec::new(),
            absent: Vec::new(),
            behind: Vec::new(),
        };
        let subject = Subject {
            target: "s3://acme-log-archive".to_owned(),
            window: chain::Window { since: Some(from), until: None, last: None },
            at: to,
            keys: vec![KeyUsed { origin: "given", fingerprint: "dd33".to_owned() }],
            bundle: Some(BundleFacts {
                manifest_sha256: "ee44".to_owned(),
                unproven: vec!["report.txt".to_owned()],
            }),
            overrides: Vec::new(),
        };
        let verification = Verification {
            lanes: vec![lane],
            findings: vec![finding::Finding::new(FindingKind::AccountsUnknown)],
        };
        verification::Report::new(&subject, &verification)
    }
}
