//! Single checks, one state each.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::rows::{cell, value};
use super::{declare, denied, error, holding};
use crate::archive::verify::finding::{Finding, FindingKind, Severity as Grave};
use crate::archive::verify::run::{ScopeReport, Verification};
use crate::aws::Observation;
use crate::checks::{CATALOGUE, Check, Facts, PLAN_EMPTY, Run, Scope, Severity, Verdict};
use crate::policy::Statement;

fn check(id: &str) -> &'static Check {
    CATALOGUE.iter().find(|check| check.id == id).unwrap()
}

/// The verdicts of a check for all scopes, as one.
fn verdict(facts: &Facts, id: &str) -> Verdict {
    super::super::judge::all_of(check(id).judge(facts).into_iter().map(|one| one.verdict))
}

/// The verified digests, to be changed.
fn chains(facts: &mut Facts) -> &mut Vec<ScopeReport> {
    &mut Arc::get_mut(value(&mut facts.chains)).unwrap().scopes
}

/// Facts with chains that are not shared.
fn own_chains() -> Facts {
    let mut facts = holding();
    let scopes = facts.chains.present().unwrap().scopes.clone();
    let verification = Verification { scopes, findings: Vec::new() };
    facts.chains = Observation::Present(Arc::new(verification));
    facts
}

#[test]
fn a_suppressed_or_omitted_finding_does_not_hide_its_steps() {
    let mut facts = holding();
    facts.observed.ownership = Observation::Absent;
    let failed_checks = |run: &Run| {
        let broken = run.findings.iter().filter(|one| matches!(one.verdict, Verdict::Fail { .. }));
        broken.map(|one| one.check.clone()).collect::<Vec<_>>()
    };
    assert_eq!(failed_checks(&Run::of(&facts, CATALOGUE)), ["bucket-ownership"]);
    assert_eq!(failed_checks(&Run::of(&facts, &[check(PLAN_EMPTY)])), [PLAN_EMPTY]);

    declare(
        &mut facts,
        "[[drift.suppress]]\ncheck = \"bucket-ownership\"\nreason = \"moving\"\n\
         until = \"2026-01-02\"",
    );
    let run = Run::of(&facts, &[check(PLAN_EMPTY), check("bucket-ownership")]);
    assert_eq!(failed_checks(&run), ["bucket-ownership", PLAN_EMPTY]);
    assert!(run.has_drift(Severity::Medium));
}

#[test]
fn a_step_is_not_hidden_by_an_unknown_check() {
    let mut facts = holding();
    facts.observed.bucket_policy = Observation::Absent;
    // The freshness is unknown, and its plan fixes the bucket policy.
    let status = value(cell(&mut facts));
    (status.newest_digest, status.started) = (None, None);
    status.archive_unread = Some(error());
    let checks = [check("org-delivery-freshness"), check(PLAN_EMPTY)];
    assert!(Run::of(&facts, &checks).has_drift(Severity::Low));
}

#[test]
fn missing_digests_fail() {
    const ID: &str = "org-digest-chain";
    assert_eq!(verdict(&own_chains(), ID), Verdict::Pass);
    let has_failed = |facts: &Facts| matches!(verdict(facts, ID), Verdict::Fail { .. });

    // All digests and logs of an account and Region.
    let mut facts = own_chains();
    let report = chains(&mut facts).remove(0);
    let results = check(ID).judge(&facts);
    let scope = Scope::Region { account: report.account, region: report.region };
    let broken = results.iter().filter(|one| matches!(one.verdict, Verdict::Fail { .. }));
    assert_eq!(broken.map(|one| &one.scope).collect::<Vec<_>>(), [&scope]);

    // None exists: the trail may have been moved here since.
    chains(&mut facts).clear();
    assert!(matches!(verdict(&facts, ID), Verdict::Unknown { .. }));
    let mut facts = own_chains();
    let report = &mut chains(&mut facts)[0];
    report.chains.clear();
    let doubtful = Finding::new(FindingKind::NewestDeleted).with_severity(Grave::Incomplete);
    report.findings = vec![Finding::new(FindingKind::NoDigests), doubtful];
    assert!(matches!(verdict(&facts, ID), Verdict::Unknown { .. }));

    // Log files without a digest.
    let mut facts = own_chains();
    let report = &mut chains(&mut facts)[0];
    report.chains.clear();
    report.findings = vec![Finding::new(FindingKind::NoDigests)];
    assert!(has_failed(&facts));
    // The first digest of a trail may still arrive.
    let now = facts.at;
    for (_, _, status) in statuses(&mut facts) {
        let status = value(status);
        (status.started, status.reported_digest) = (Some(now), None);
    }
    assert_eq!(verdict(&facts, ID), Verdict::Pass);

    // The status reports none, and the archive has none.
    let mut facts = own_chains();
    chains(&mut facts).clear();
    for (_, _, status) in statuses(&mut facts) {
        let status = value(status);
        (status.started, status.reported_digest, status.newest_digest) = (None, None, None);
    }
    assert!(has_failed(&facts));
}

fn statuses(
    facts: &mut Facts,
) -> Vec<(
    crate::names::AccountId,
    crate::names::Region,
    &mut Observation<crate::checks::TrailStatus>,
)> {
    let insides = value(&mut facts.accounts)
        .iter_mut()
        .filter_map(|one| Some((one.account.clone(), one.inside.as_mut().ok()?)));
    insides
        .flat_map(|(account, inside)| {
            let regions = inside.regions.iter_mut();
            regions.map(move |(region, status)| (account.clone(), region.clone(), status))
        })
        .collect()
}

#[test]
fn the_encryption_of_the_newest_digest_decides_about_a_policy() {
    const ID: &str = "bucket-policy-digest-safe";
    let with = |accepted: &str, newest: Observation<String>| {
        let mut facts = holding();
        let statements = &mut value(&mut facts.observed.bucket_policy).0.statements;
        let guard =
            statements.iter_mut().find(|one| one.sid.as_deref() == Some("OrgTrailEncryption"));
        let key = "s3:x-amz-server-side-encryption".to_owned();
        guard.unwrap().condition.get_mut("StringNotEquals").unwrap().insert(key, accepted.into());
        facts.digest_encryption = newest;
        verdict(&facts, ID)
    };
    let newest = |found: &str| Observation::Present(found.to_owned());
    assert_eq!(verdict(&holding(), ID), Verdict::Pass);
    // A guard that allows only the key is right if digests are encrypted with it.
    assert_eq!(with("aws:kms", newest("aws:kms")), Verdict::Pass);
    let failed = with("aws:kms", newest("AES256"));
    assert!(matches!(&failed, Verdict::Fail { found, .. } if found.contains("AES256")));
    for unseen in [Observation::Absent, denied()] {
        assert!(matches!(with("aws:kms", unseen), Verdict::Unknown { .. }));
    }
    // Log files are encrypted with the key, unlike digests.
    assert!(matches!(with("AES256", newest("AES256")), Verdict::Fail { .. }));
}

#[test]
fn a_status_that_reports_no_digests_leaves_the_chain_unknown() {
    const ID: &str = "org-digest-chain";
    let mut facts = own_chains();
    let mut all = statuses(&mut facts);
    let status = value(all.last_mut().unwrap().2);
    (status.started, status.newest_log, status.reported_digest) = (None, None, None);
    let Verdict::Unknown { reason, permission } = verdict(&facts, ID) else { panic!("judged") };
    assert!(reason.contains("reports no deliveries") && reason.contains("ends at"), "{reason}");
    assert!(!reason.contains("overdue"), "{reason}");
    assert_eq!(permission, None);
    // Those of the last three hours may be gone.
    let at = facts.at;
    facts.at = at + jiff::SignedDuration::from_hours(3);
    let Verdict::Unknown { reason, .. } = verdict(&facts, ID) else { panic!("judged") };
    assert!(reason.contains("overdue"), "{reason}");
    let run = Run::of(&facts, &[check(ID)]);
    assert!(run.causes.is_empty(), "it is reported by itself: {:?}", run.causes);
    facts.at = at;
    // An alteration is still found.
    for report in chains(&mut facts) {
        report.findings.push(Finding::new(FindingKind::LogMissing));
    }
    assert!(matches!(verdict(&facts, ID), Verdict::Fail { .. }));
}

#[test]
fn a_chain_whose_end_is_not_known_is_unknown() {
    let mut facts = own_chains();
    *cell(&mut facts) = denied();
    assert!(matches!(verdict(&facts, "org-digest-chain"), Verdict::Unknown { .. }));
    let mut facts = own_chains();
    facts.accounts = denied();
    assert!(matches!(verdict(&facts, "org-digest-chain"), Verdict::Unknown { .. }));
}

#[test]
fn without_an_earlier_run_new_accounts_are_not_checked() {
    let mut facts = holding();
    facts.earlier = None;
    let results = check("org-new-accounts").judge(&facts);
    assert_eq!(results[0].verdict, Verdict::NotConfigured { setting: "--baseline".to_owned() });
    facts.earlier = Some(BTreeSet::new());
    assert_eq!(verdict(&facts, "org-new-accounts"), Verdict::Pass);
}

#[test]
fn deliveries_of_an_excluded_management_account_are_unknown() {
    let mut facts = holding();
    let management = facts.desired.management().clone();
    let one = value(&mut facts.accounts).iter_mut().find(|one| one.account == management);
    one.unwrap().inside = Err("its unit is left out".to_owned());
    for id in ["trail-is-logging", "trail-cloudwatch-logs"] {
        let Verdict::Unknown { reason, .. } = verdict(&facts, id) else { panic!("{id}") };
        assert!(reason.contains("its unit is left out"), "{reason}");
    }
}

#[test]
fn a_rule_that_expires_versions_early_contradicts_their_retention() {
    const ID: &str = "bucket-retention-conflict";
    let foreign = |filter: &str, days: Option<i32>, noncurrent: Option<i32>| {
        let mut facts = holding();
        let rules = &mut value(&mut facts.observed.lifecycle).rules;
        let mut rule = rules["orgtrail-retention"].clone();
        (rule.expiration_days, rule.noncurrent_days) = (days, noncurrent);
        filter.clone_into(&mut rule.filter);
        rule.has_conditions = filter.starts_with("tag ");
        rules.insert("somebody-elses".to_owned(), rule);
        verdict(&facts, ID)
    };
    let has_failed = |verdict| matches!(verdict, Verdict::Fail { .. });
    assert!(has_failed(foreign("", None, Some(1))));
    assert!(has_failed(foreign("AWSLogs/o-x/111111111111/", None, Some(1))));
    assert!(has_failed(foreign("AWS", Some(30), None)));
    assert!(has_failed(foreign("orgtrail/", Some(30), None)));
    assert!(has_failed(foreign("tag team=audit", Some(30), None)));
    // Rules for other folders do not matter.
    assert_eq!(foreign("tmp/", Some(1), Some(1)), Verdict::Pass);
}

#[test]
fn a_reader_who_may_delete_the_key_is_unexpected() {
    let with = |account: &str, action: &str| {
        let mut facts = holding();
        let more = Statement::allow("More")
            .principals([format!("arn:aws:iam::{account}:root")])
            .actions([action])
            .resources(["*"]);
        value(&mut facts.observed.key_policy).0.statements.push(more);
        verdict(&facts, "key-policy-scope")
    };
    assert_eq!(with("333333333333", "kms:Decrypt"), Verdict::Pass);
    for action in ["kms:ScheduleKeyDeletion", "kms:PutKeyPolicy", "kms:CreateGrant", "kms:*", "*"] {
        let verdict = with("333333333333", action);
        assert!(matches!(verdict, Verdict::Fail { .. }), "{action}: {verdict:?}");
    }
}
