//! For every check a state in which it holds, one in which it is broken, and
//! one in which it is unknown.
//!
//! The state in which all hold is not made up: it is what an organization looks
//! like that orgtrail provisioned, after a day. Each row changes one thing of it.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};

use super::{CATALOGUE, Check, Facts, OtherTrail, Run, Severity, TrailStatus, Verdict};
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::run::{LaneReport, LogTally, Verification};
use crate::aws::{Aws, AwsError, ErrorKind, Failure, Pacing, Seen, Settings};
use crate::config::Config;
use crate::plan::apply::{Outcome, apply};
use crate::plan::plan;
use crate::policy::{Foreign, PolicyDocument, Statement};
use crate::resources::{Desired, OrganizationFacts, TrailLogging, observe};
use crate::sandbox::{Options, Pace, Sandbox};

const CONFIG: &str = r#"
[organization]
management_account = "111111111111"
log_archive_account = "222222222222"
home_region = "us-east-1"
regions = ["us-east-1", "eu-central-1"]
[trail]
insights = { call_rate = true, error_rate = true }
tags = { team = "audit" }
[[trail.data_events]]
resource_type = "AWS::S3::Object"
[archive]
bucket = "acme-log-archive"
readers = ["333333333333"]
[key]
readers = ["333333333333"]
[topic]
name = "trail-told"
[guardrail]
enabled = true
"#;

/// What is seen of an organization in which everything holds.
pub(crate) fn holding() -> Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    let of_its_own = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(provisioned())
    };
    // A test may run within a runtime, which blocks within no other.
    FACTS.get_or_init(|| std::thread::spawn(of_its_own).join().unwrap()).clone()
}

async fn provisioned() -> Facts {
    let mut options = Options::new("us-east-1".parse().unwrap());
    options.accounts = 4;
    options.start = Some("2026-01-01T00:00:00Z".parse().unwrap());
    options.pace = Pace::Frozen;
    let sandbox = Sandbox::start(options).await.unwrap();
    let keys = sandbox.administrator().unwrap();
    let credentials = Credentials::from_keys(keys.access_key_id, keys.secret_access_key, None);
    let base = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(sandbox.endpoint())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let settings = Settings {
        home_region: Some("us-east-1".parse().unwrap()),
        pacing: Pacing::Off,
        ..Settings::default()
    };
    let aws = Aws::with_base(settings, base).await.unwrap();
    let config: Config = CONFIG.parse().unwrap();
    let organization = OrganizationFacts::read(&aws, &config).await.unwrap();
    let desired = Desired::new(config, organization, Foreign::Keep);
    let observed = Box::pin(observe(&aws, &desired)).await;
    let to_do = plan(&desired, &observed);
    let results =
        apply(&aws, &desired, &observed, &to_do, &BTreeSet::new(), &|_| {}).await.unwrap();
    for result in results {
        assert_eq!(result.outcome, Outcome::Done, "{}", result.id);
    }
    sandbox.tick(jiff::SignedDuration::from_hours(26));
    let now = sandbox.now();
    let facts = Box::pin(Facts::gather(&aws, desired, now, &super::Silent)).await;
    sandbox.stop().await;
    facts
}

/// A read that was denied.
pub(crate) fn denied<T>() -> Seen<T> {
    Seen::Unreadable(error())
}

fn error() -> AwsError {
    Failure {
        operation: "GetSomething".to_owned(),
        service: "s3".to_owned(),
        account: Some("222222222222".parse().unwrap()),
        region: None,
        principal: None,
        kind: ErrorKind::AccessDenied,
        code: Some("AccessDenied".to_owned()),
        message: None,
        request_id: None,
        source: None,
    }
    .into()
}

/// What breaks a check, and what hides from it.
pub(crate) struct Row {
    check: &'static str,
    broken: fn(&mut Facts),
    unknown: fn(&mut Facts),
}

fn value<T>(seen: &mut Seen<T>) -> &mut T {
    match seen {
        Seen::Present(value) => value,
        Seen::Absent | Seen::Unreadable(_) => panic!("it is not there in the first place"),
    }
}

/// The state of the declared trail.
macro_rules! trail {
    ($facts:expr) => {
        value(&mut $facts.observed.trails).own.as_mut().unwrap()
    };
}

fn bucket_policy(facts: &mut Facts) -> &mut PolicyDocument {
    &mut value(&mut facts.observed.bucket_policy).0
}

fn statement<'a>(document: &'a mut PolicyDocument, sid: &str) -> &'a mut Statement {
    document.statements.iter_mut().find(|one| one.sid.as_deref() == Some(sid)).unwrap()
}

/// The first account and Region that is looked at.
fn cell(facts: &mut Facts) -> &mut Seen<TrailStatus> {
    let inside = value(&mut facts.accounts).iter_mut().find_map(|one| one.inside.as_mut().ok());
    inside.unwrap().regions.values_mut().next().unwrap()
}

fn other_trails(facts: &mut Facts) -> &mut Seen<Vec<OtherTrail>> {
    let inside = value(&mut facts.accounts).iter_mut().find_map(|one| one.inside.as_mut().ok());
    &mut inside.unwrap().other_trails
}

fn intruder(facts: &mut Facts) {
    let arn = "arn:aws:cloudtrail:us-east-1:333333333333:trail/legacy".parse().unwrap();
    let selectors = facts.observed.event_selectors.clone();
    let trail = OtherTrail { arn, is_logging: Seen::Present(true), selectors };
    value(other_trails(facts)).push(trail);
}

fn declare(facts: &mut Facts, more: &str) {
    let config: Config = format!("{CONFIG}\n{more}").parse().unwrap();
    let organization = facts.desired.organization.clone();
    facts.desired = Desired::new(config, organization, Foreign::Keep);
}

const REPLICATION: &str =
    "[archive.replication]\nbucket = \"acme-vault\"\naccount = \"333333333333\"";
const NOTIFICATION: &str = "[[archive.notifications]]\n\
    target = \"arn:aws:sqs:us-east-1:222222222222:told\"\nevents = [\"s3:ObjectCreated:*\"]";

const ROWS: &[Row] = &[
    Row {
        check: "trail-multi-region",
        broken: |f| trail!(f).settings.is_multi_region_trail = false,
        unknown: |f| f.observed.event_selectors = denied(),
    },
    Row {
        check: "trail-is-logging",
        broken: |f| f.observed.trail_logging = Seen::Present(TrailLogging { is_logging: false }),
        unknown: |f| f.observed.trail_logging = denied(),
    },
    Row {
        check: "trail-kms",
        broken: |f| trail!(f).settings.kms_key = None,
        unknown: |f| f.observed.kms_key = denied(),
    },
    Row {
        check: "trail-log-validation",
        broken: |f| trail!(f).settings.log_file_validation = false,
        unknown: |f| f.observed.trails = denied(),
    },
    Row {
        check: "trail-cloudwatch-logs",
        broken: |f| trail!(f).settings.log_group = None,
        unknown: |f| f.observed.log_group = denied(),
    },
    Row {
        check: "trail-insights",
        broken: |f| f.observed.insights = Seen::Absent,
        unknown: |f| f.observed.insights = denied(),
    },
    Row {
        check: "trail-data-events",
        broken: |f| {
            let selectors = value(&mut f.observed.event_selectors);
            selectors.advanced.retain(|fields| !fields.contains_key("resources.type"));
        },
        unknown: |f| f.observed.event_selectors = denied(),
    },
    Row {
        check: "trail-selectors-named",
        broken: |f| {
            value(&mut f.observed.event_selectors).management_names = BTreeSet::from(["x".into()]);
        },
        unknown: |f| f.observed.event_selectors = denied(),
    },
    Row {
        check: "trail-notifies",
        broken: |f| trail!(f).settings.sns_topic = None,
        unknown: |f| f.observed.topic = denied(),
    },
    Row {
        check: "trail-tags",
        broken: |f| value(&mut f.observed.trail_tags).0.clear(),
        unknown: |f| f.observed.trail_tags = denied(),
    },
    Row { check: "trail-duplicates", broken: intruder, unknown: |f| *other_trails(f) = denied() },
    Row {
        check: "org-trail-identity",
        broken: |f| trail!(f).settings.is_organization_trail = false,
        unknown: |f| f.observed.trails = denied(),
    },
    Row {
        check: "org-trusted-access",
        broken: |f| f.observed.trusted_access = Seen::Absent,
        unknown: |f| f.observed.service_linked_role = denied(),
    },
    Row {
        check: "org-delegated-admins",
        broken: |f| {
            let admins = value(&mut f.observed.delegated_administrators);
            admins.accounts.insert("333333333333".parse().unwrap());
        },
        unknown: |f| f.observed.delegated_administrators = denied(),
    },
    Row {
        check: "org-coverage",
        broken: |f| *cell(f) = Seen::Absent,
        unknown: |f| *cell(f) = denied(),
    },
    Row {
        check: "org-delivery-freshness",
        broken: |f| {
            let status = value(cell(f));
            status.newest_digest = Some("2025-12-01T00:00:00Z".parse().unwrap());
            status.started = None;
        },
        unknown: |f| {
            let status = value(cell(f));
            (status.newest_digest, status.started) = (None, None);
            status.archive_unread = Some(error());
        },
    },
    Row {
        check: "org-digest-chain",
        broken: |f| {
            let lane = LaneReport {
                account: "222222222222".parse().unwrap(),
                region: "us-east-1".parse().unwrap(),
                bucket: None,
                root: String::new(),
                chains: Vec::new(),
                logs: LogTally::default(),
                proven: Vec::new(),
                findings: vec![Finding::new(FindingKind::DigestSignature)],
                borders: Vec::new(),
            };
            let verification = Verification { lanes: vec![lane], findings: Vec::new() };
            f.chains = Seen::Present(Arc::new(verification));
        },
        unknown: |f| f.chains = denied(),
    },
    Row {
        check: "org-unmanaged-trails",
        broken: intruder,
        unknown: |f| *other_trails(f) = denied(),
    },
    Row {
        check: "org-new-accounts",
        broken: |f| {
            f.earlier = Some(BTreeSet::new());
            *cell(f) = Seen::Absent;
        },
        unknown: |f| {
            f.earlier = Some(BTreeSet::new());
            *cell(f) = denied();
        },
    },
    Row {
        check: "guardrail-scp",
        broken: |f| value(&mut f.observed.guardrail).targets.clear(),
        unknown: |f| f.observed.guardrail = denied(),
    },
    Row {
        check: "bucket-public-access",
        broken: |f| f.observed.public_access = Seen::Absent,
        unknown: |f| f.observed.public_access = denied(),
    },
    Row {
        check: "bucket-ownership",
        broken: |f| f.observed.ownership = Seen::Absent,
        unknown: |f| f.observed.ownership = denied(),
    },
    Row {
        check: "bucket-tls-only",
        broken: |f| {
            let statement = statement(bucket_policy(f), "OrgTrailTlsFloor");
            statement.action = "s3:GetObject".into();
        },
        unknown: |f| f.observed.bucket_policy = denied(),
    },
    Row {
        check: "bucket-encryption",
        broken: |f| f.observed.encryption = Seen::Absent,
        unknown: |f| f.observed.encryption = denied(),
    },
    Row {
        check: "bucket-policy-source-arn",
        broken: |f| {
            let statement = statement(bucket_policy(f), "OrgTrailWrite");
            statement.condition.get_mut("StringEquals").unwrap().remove("aws:SourceArn");
        },
        unknown: |f| f.observed.bucket_policy = denied(),
    },
    Row {
        check: "bucket-policy-digest-safe",
        broken: |f| {
            let statement = statement(bucket_policy(f), "OrgTrailEncryption");
            let key = "s3:x-amz-server-side-encryption".to_owned();
            let only = statement.condition.get_mut("StringNotEquals").unwrap();
            only.insert(key, "aws:kms".into());
        },
        unknown: |f| f.observed.bucket_policy = denied(),
    },
    Row {
        check: "bucket-cross-account",
        broken: |f| {
            let stranger = Statement::allow("Stranger")
                .principals(["999999999999"])
                .actions(["s3:GetObject"])
                .resources(["arn:aws:s3:::acme-log-archive/*"]);
            bucket_policy(f).statements.push(stranger);
        },
        unknown: |f| f.observed.bucket_policy = denied(),
    },
    Row {
        check: "bucket-versioning",
        broken: |f| value(&mut f.observed.versioning).enabled = false,
        unknown: |f| f.observed.versioning = denied(),
    },
    Row {
        check: "bucket-object-lock",
        broken: |f| value(&mut f.observed.object_lock).days = Some(1),
        unknown: |f| f.observed.object_lock = denied(),
    },
    Row {
        check: "bucket-mfa-delete",
        broken: |f| {
            let guards = ["OrgTrailDeleteMfa", "OrgTrailDeleteMfaAge"];
            bucket_policy(f)
                .statements
                .retain(|one| !one.sid.as_deref().is_some_and(|sid| guards.contains(&sid)));
        },
        unknown: |f| f.observed.bucket_policy = denied(),
    },
    Row {
        check: "bucket-lifecycle",
        broken: |f| f.observed.lifecycle = Seen::Absent,
        unknown: |f| f.observed.lifecycle = denied(),
    },
    Row {
        check: "bucket-retention-conflict",
        broken: |f| {
            let rules = &mut value(&mut f.observed.lifecycle).rules;
            let mut early = rules["orgtrail-retention"].clone();
            early.expiration_days = Some(30);
            rules.insert("somebody-elses".to_owned(), early);
        },
        unknown: |f| f.observed.lifecycle = denied(),
    },
    Row {
        check: "bucket-access-logging",
        broken: |f| f.observed.access_logging = Seen::Absent,
        unknown: |f| f.observed.access_log_bucket = denied(),
    },
    Row {
        check: "bucket-replication",
        broken: |f| declare(f, REPLICATION),
        unknown: |f| {
            declare(f, REPLICATION);
            f.observed.replication = denied();
            f.observed.replication_role = denied();
            f.observed.vault = denied();
        },
    },
    Row {
        check: "bucket-notifications",
        broken: |f| declare(f, NOTIFICATION),
        unknown: |f| {
            declare(f, NOTIFICATION);
            f.observed.notifications = denied();
        },
    },
    Row {
        check: "key-enabled",
        broken: |f| value(&mut f.observed.kms_key).state = "Disabled".to_owned(),
        unknown: |f| f.observed.kms_key = denied(),
    },
    Row {
        check: "key-rotation",
        broken: |f| value(&mut f.observed.key_rotation).enabled = false,
        unknown: |f| f.observed.key_rotation = denied(),
    },
    Row {
        check: "key-not-public",
        broken: |f| {
            let open = Statement::allow("Open").anyone().actions(["kms:Decrypt"]).resources(["*"]);
            value(&mut f.observed.key_policy).0.statements.push(open);
        },
        unknown: |f| f.observed.key_policy = denied(),
    },
    Row {
        check: "key-policy-scope",
        broken: |f| {
            let policy = &mut value(&mut f.observed.key_policy).0;
            statement(policy, "OrgTrailBucketKey").condition.clear();
        },
        unknown: |f| f.observed.key_policy = denied(),
    },
    Row {
        check: "key-single-region",
        broken: |f| value(&mut f.observed.kms_key).arn.resource = "key/mrk-0123456789abcdef".into(),
        unknown: |f| f.observed.kms_key = denied(),
    },
    Row {
        check: "plan-empty",
        broken: |f| value(&mut f.observed.bucket_tags).0.clear(),
        unknown: |f| f.observed.bucket_tags = denied(),
    },
];

fn row(check: &Check) -> &'static Row {
    let rows: Vec<&Row> = ROWS.iter().filter(|row| row.check == check.id).collect();
    assert_eq!(rows.len(), 1, "{} has {} rows in the table", check.id, rows.len());
    rows[0]
}

#[test]
fn every_check_holds_where_orgtrail_provisioned() {
    let facts = holding();
    for check in CATALOGUE {
        let answers = (check.judge)(&facts);
        assert!(!answers.is_empty(), "{} has no answer", check.id);
        for answer in answers {
            assert_eq!(answer.verdict, Verdict::Holds, "{} of {}", check.id, answer.scope);
        }
    }
}

#[test]
fn every_check_has_a_state_in_which_it_is_broken() {
    for check in CATALOGUE {
        let mut facts = holding();
        (row(check).broken)(&mut facts);
        let answers = (check.judge)(&facts);
        let broken = answers.iter().find_map(|answer| match &answer.verdict {
            Verdict::Broken { found, wanted } => Some((found, wanted)),
            _ => None,
        });
        let (found, wanted) =
            broken.unwrap_or_else(|| panic!("{} is not broken: {answers:?}", check.id));
        assert!(!found.is_empty() && !wanted.is_empty(), "{}: {found:?}, {wanted:?}", check.id);
    }
}

#[test]
fn every_check_has_a_state_in_which_it_is_unknown() {
    for check in CATALOGUE {
        let mut facts = holding();
        (row(check).unknown)(&mut facts);
        let answers = (check.judge)(&facts);
        assert!(
            answers.iter().any(|answer| matches!(
                &answer.verdict,
                Verdict::Unknown { reason, permission }
                    if reason.contains("GetSomething")
                        && permission.as_deref() == Some("s3:GetSomething")
            )),
            "{} is not unknown: {answers:?}",
            check.id
        );
        let is_broken = |verdict: &Verdict| matches!(verdict, Verdict::Broken { .. });
        assert!(!answers.iter().any(|answer| is_broken(&answer.verdict)), "{}", check.id);
    }
}

#[test]
fn a_suppressed_finding_counts_again_when_its_time_is_over() {
    let suppressed = |until: &str| {
        let mut facts = holding();
        trail!(&mut facts).settings.log_file_validation = false;
        declare(
            &mut facts,
            &format!(
                "[[drift.suppress]]\ncheck = \"trail-log-validation\"\nscope = \"arn:*\"\n\
                 reason = \"moving\"\nuntil = \"{until}\""
            ),
        );
        let checks = CATALOGUE.iter().copied().filter(|check| check.id == "trail-log-validation");
        Run::of(&facts, &checks.collect::<Vec<_>>())
    };
    // The facts are of 2026-01-02.
    let run = suppressed("2026-01-02");
    assert!(!run.has_drift(Severity::Low));
    assert_eq!(run.findings[0].suppression.as_ref().unwrap().reason, "moving");
    let run = suppressed("2026-01-01");
    assert!(run.has_drift(Severity::Low));
    assert!(run.findings[0].suppression.as_ref().unwrap().expired);
    assert!(!run.has_drift(Severity::High));
}

#[test]
fn a_run_tells_what_is_new_and_what_is_mended_since_another() {
    let mut facts = holding();
    let then = {
        let mut facts = facts.clone();
        facts.observed.ownership = Seen::Absent;
        facts.observed.insights = Seen::Absent;
        Run::of(&facts, CATALOGUE)
    };
    facts.observed.insights = Seen::Absent;
    facts.observed.trail_tags = denied();
    let read_back: Run = serde_json::from_str(&serde_json::to_string(&then).unwrap()).unwrap();
    assert_eq!(read_back, then);
    let run = Run::of(&facts, CATALOGUE).since(&then);
    let compared = run.compared.unwrap();
    let ids = |findings: &[super::Finding]| -> Vec<String> {
        findings.iter().map(|finding| finding.check.clone()).collect()
    };
    assert_eq!(ids(&compared.new), ["trail-tags"]);
    assert_eq!(ids(&compared.fixed), ["bucket-ownership"]);
    assert_eq!(ids(&compared.unchanged), ["trail-insights"]);
}
