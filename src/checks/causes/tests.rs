use super::*;
use crate::aws::Observation;
use crate::checks::table::{denied, holding};
use crate::checks::{CATALOGUE, Run, TrailStatus};
use crate::plan::{Action, plan};

/// How the trail fares in every account and Region, to be changed.
fn each_status(facts: &mut Facts, mut change: impl FnMut(&Scope, &mut Observation<TrailStatus>)) {
    let Observation::Present(accounts) = &mut facts.accounts else { panic!("accounts") };
    for one in accounts {
        let account = one.account.clone();
        let Ok(inside) = &mut one.inside else { continue };
        for (region, status) in &mut inside.regions {
            let scope = Scope::Region { account: account.clone(), region: region.clone() };
            change(&scope, status);
        }
    }
}

fn run(facts: &Facts) -> Run {
    Run::of(facts, CATALOGUE)
}

fn open_without_cause(run: &Run) -> Vec<&str> {
    let open = run.findings.iter().filter(|one| one.is_open() && one.cause.is_none());
    open.map(|one| one.check.as_str()).collect()
}

fn stopped() -> Facts {
    let mut facts = holding();
    let Observation::Present(logging) = &mut facts.observed.trail_logging else {
        panic!("logging")
    };
    logging.is_logging = false;
    let long_ago = facts.at - jiff::SignedDuration::from_hours(48);
    each_status(&mut facts, |_, status| {
        let Observation::Present(status) = status else { panic!("status") };
        status.is_logging = false;
        status.started = Some(long_ago);
        (status.newest_digest, status.reported_digest) = (Some(long_ago), Some(long_ago));
    });
    facts
}

#[test]
fn a_stopped_trail_is_one_cause_with_its_scope() {
    let facts = stopped();
    let run = run(&facts);
    assert_eq!(run.causes.len(), 1, "{:#?}", run.causes);
    let cause = &run.causes[0];
    assert_eq!((cause.id.as_str(), cause.severity), ("trail-stopped", Severity::Critical));
    assert_eq!((cause.accounts, cause.regions), (4, 2));
    assert!(cause.failed >= 17, "{cause:?}");
    assert_eq!(open_without_cause(&run), [""; 0]);
    assert!(run.has_drift(Severity::Critical));
}

#[test]
fn what_was_altered_meanwhile_is_not_the_stopped_trails() {
    use crate::archive::verify::finding::{Finding as Found, FindingKind};
    let mut facts = stopped();
    let mut scopes = facts.chains.present().unwrap().scopes.clone();
    let scope =
        Scope::Region { account: scopes[0].account.clone(), region: scopes[0].region.clone() };
    scopes[0].findings.push(Found::new(FindingKind::LogMissing));
    facts.chains =
        Observation::Present(std::sync::Arc::new(crate::archive::verify::run::Verification {
            scopes,
            findings: Vec::new(),
        }));
    let run = run(&facts);
    let found = run
        .findings
        .iter()
        .find(|one| one.check == "org-digest-chain" && one.scope == scope)
        .unwrap();
    assert!(matches!(found.verdict, Verdict::Fail { .. }) && found.cause.is_none(), "{found:?}");
}

#[test]
fn a_trail_that_lost_trusted_access_is_one_critical_finding() {
    let mut facts = holding();
    facts.observed.trusted_access = Observation::Absent;
    let Observation::Present(trails) = &mut facts.observed.trails else { panic!("trails") };
    trails.own.as_mut().unwrap().settings.is_organization_trail = false;
    let management = facts.desired.management().clone();
    each_status(&mut facts, |scope, status| {
        if !matches!(scope, Scope::Region { account, .. } if *account == management) {
            *status = Observation::Absent;
        }
    });
    let run = run(&facts);
    assert_eq!(run.causes.len(), 1, "{:#?}", run.causes);
    let cause = &run.causes[0];
    assert_eq!((cause.id.as_str(), cause.severity), ("trail-single-account", Severity::Critical));
    assert!(cause.title.contains("has become a single-account trail"), "{}", cause.title);
    assert!(cause.title.contains("trusted access"), "{}", cause.title);
    assert_eq!(cause.accounts, 3);
    assert_eq!(open_without_cause(&run), [""; 0]);
}

#[test]
fn a_deleted_trail_is_one_cause() {
    let mut facts = holding();
    let Observation::Present(trails) = &mut facts.observed.trails else { panic!("trails") };
    trails.own = None;
    facts.observed.event_selectors = Observation::Absent;
    facts.observed.insights = Observation::Absent;
    facts.observed.trail_tags = Observation::Absent;
    facts.observed.trail_logging = Observation::Absent;
    each_status(&mut facts, |_, status| *status = Observation::Absent);
    let run = run(&facts);
    assert_eq!(run.causes.len(), 1, "{:#?}", run.causes);
    assert_eq!(run.causes[0].id, "trail-missing");
    assert_eq!(open_without_cause(&run), [""; 0]);
}

#[test]
fn a_read_that_is_denied_everywhere_is_one_cause_and_stays_unknown() {
    let mut facts = holding();
    each_status(&mut facts, |_, status| *status = denied());
    let run = run(&facts);
    let cause = run.causes.iter().find(|cause| cause.id == "denied:s3:GetSomething").unwrap();
    assert!(cause.failed == 0 && cause.unknown > 8, "{cause:?}");
    assert!(cause.fix.contains("s3:GetSomething"), "{}", cause.fix);
    assert!(!run.has_drift(Severity::Low) && run.has_unknown(Severity::Low));
}

#[test]
fn a_status_that_reports_no_deliveries_is_unknown_for_one_cause() {
    let mut facts = holding();
    let management = facts.desired.management().clone();
    each_status(&mut facts, |scope, status| {
        let Observation::Present(status) = status else { panic!("status") };
        if !matches!(scope, Scope::Region { account, .. } if *account == management) {
            (status.started, status.newest_log, status.reported_digest) = (None, None, None);
        }
    });
    let run = run(&facts);
    assert_eq!(run.causes.len(), 1, "{:#?}", run.causes);
    let cause = &run.causes[0];
    assert_eq!(cause.id, "status-without-deliveries");
    assert_eq!((cause.failed, cause.unknown, cause.accounts), (0, 6, 3));
    assert!(!run.has_drift(Severity::Low) && run.has_unknown(Severity::Critical));
}

#[test]
fn a_disabled_key_explains_what_cannot_be_delivered() {
    let mut facts = holding();
    let Observation::Present(key) = &mut facts.observed.kms_key else { panic!("key") };
    key.state = "Disabled".to_owned();
    each_status(&mut facts, |_, status| {
        let Observation::Present(status) = status else { panic!("status") };
        status.log_error = Some("KMS.DisabledException".to_owned());
    });
    let run = run(&facts);
    assert_eq!(run.causes.len(), 1, "{:#?}", run.causes);
    assert_eq!(run.causes[0].id, "key-unusable");
    assert!(run.causes[0].fix.contains("orgtrail drift --fix"));
    assert_eq!(open_without_cause(&run), [""; 0]);
    // Other than the title says, the plan has only the key to enable.
    let plan = plan(&facts.desired, &facts.observed);
    assert!(plan.steps.iter().any(|step| step.action != Action::Nothing));
}

#[test]
fn what_is_suppressed_has_no_cause_and_what_stands_alone_needs_none() {
    let mut facts = holding();
    facts.observed.ownership = Observation::Absent;
    let run = run(&facts);
    assert!(run.causes.is_empty(), "{:#?}", run.causes);
    assert_eq!(open_without_cause(&run), ["bucket-ownership"]);
}
