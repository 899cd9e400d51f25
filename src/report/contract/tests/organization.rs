use std::collections::BTreeMap;

use serde_json::json;

use super::of;
use super::service::service_landing_zone;
use super::verification::verification_report;
use crate::report::contract::new_accounts::LandingZone;
use crate::report::contract::{
    Emitted, accounts, checks, config, coverage, doctor, roles, round, verification,
};
use crate::report::drift::samples;
use crate::{aws, org};

pub(super) fn accounts_report() -> accounts::Report {
    let account = |id: &str, access| org::Surveyed {
        account: of(id),
        name: "workload".to_owned(),
        state: org::AccountState::Active,
        unit: of("ou-abcd-11111111"),
        unit_path: "/Root/Workloads".to_owned(),
        joined_at: Some(of("2026-01-02T03:04:05Z")),
        access,
        regions: Some(vec![of("us-east-1")]),
        regions_unread: None,
    };
    let failed = org::Access::Failed {
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
        account("222222222222", org::Access::Granted { principal: "arn:aws:sts::2".to_owned() }),
        account("333333333333", failed),
        account("444444444444", org::Access::Excluded { reason: "it is suspended".to_owned() }),
    ];
    let LandingZone { joined, departed, .. } = service_landing_zone();
    accounts::Report {
        memberships: Some(accounts::Memberships { joined, departed }),
        ..accounts::Report::new(&organization, &accounts)
    }
}

pub(super) fn doctor_report() -> doctor::Report {
    let item = |item: &str, verdict, fix: Option<&str>| doctor::Item {
        item: item.to_owned(),
        verdict,
        evidence: "what was found".to_owned(),
        missing_actions: Vec::new(),
        fix: fix.map(str::to_owned),
        accounts: Vec::new(),
    };
    let unread = doctor::Item {
        missing_actions: vec!["iam:GetAccountSummary".to_owned()],
        accounts: vec![of("333333333333")],
        ..item("root-keys", doctor::Verdict::Unknown, None)
    };
    let items = vec![
        item("trusted-access", doctor::Verdict::Problem, Some("orgtrail apply")),
        unread,
        item("clock", doctor::Verdict::Ok, None),
        item("neighbors", doctor::Verdict::Skipped, None),
    ];
    doctor::Report::new(items, "fix the first item: orgtrail apply".to_owned())
}

pub(super) fn check_catalogue() -> checks::Catalogue {
    let check = crate::checks::CATALOGUE.iter().find(|it| it.id == "trail-is-logging");
    checks::Catalogue::new(check.as_slice().iter().map(|it| **it).collect::<Vec<_>>().as_slice())
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
        origins: origins.map(|(key, origin)| (key.to_owned(), config::Origin::from(origin))).into(),
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

pub(super) fn coverage_report() -> coverage::Report {
    let stores = event_data_stores();
    coverage::Report::new(&samples::drifted().coverage, &stores, None, of("2026-03-01T12:00:00Z"))
}

pub(super) fn event_data_stores() -> org::EventDataStores {
    let store = org::EventDataStore {
        arn: of("arn:aws:cloudtrail:us-east-1:111111111111:eventdatastore/0a1b2c3d"),
        name: "organization".to_owned(),
        is_enabled: true,
        of_organization: true,
        of_all_regions: true,
        retention_days: Some(366),
        is_protected: true,
        billing: org::Billing::Extendable,
        created_at: Some(of("2023-01-02T03:04:05Z")),
    };
    org::EventDataStores { stores: vec![store], unread: Vec::new() }
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

pub(super) fn config_roles() -> roles::List {
    let config = format!("{}[roles]\nexternal_id = \"audit-2031\"\n", crate::config::SMALLEST);
    let mut roles = crate::resources::roles::roles(&config.parse().unwrap());
    // Its permissions have snapshots of their own.
    for role in &mut roles {
        role.grants.truncate(1);
    }
    roles::List::new(&roles)
}
