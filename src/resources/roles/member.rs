//! What orgtrail does in every account: it reads which trails and Regions there are, reads and
//! restores the logs of legacy trails, and retires such trails.

use super::grant::{Grant, Scope};
use crate::config::Neighbor;
use crate::names::AccountId;

/// Reading a bucket with logs, and restoring what is archived there.
const SOURCES: [&str; 5] = [
    "s3:GetBucketLocation",
    "s3:GetObject",
    "s3:GetObjectTagging",
    "s3:ListBucket",
    "s3:RestoreObject",
];

pub(super) fn grants(scope: &Scope<'_>) -> Vec<Grant> {
    let mut trails = vec![scope.trails(scope.account)];
    if scope.account.is_some_and(|account| account != scope.management()) {
        // The organization trail has the management account's id in every account.
        trails.push(scope.trails(Some(scope.management())));
    }
    let mut grants = vec![
        Grant::new(
            "ListTrails",
            [
                "account:ListRegions",
                "cloudtrail:DescribeTrails",
                "cloudtrail:ListPublicKeys",
                "cloudtrail:ListTrails",
                "cloudtrail:LookupEvents",
                "iam:GetAccountSummary",
                "s3:ListAllMyBuckets",
            ],
            ["*"],
            "Lists the account's Regions, trails, public keys of digests and buckets, looks up \
             changes of trails, and whether the root user has access keys. AWS has no resource for these actions, or only the \
             account itself.",
        ),
        Grant::new(
            "ReadTrails",
            ["cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus"],
            trails,
            "Compares legacy trails and the organization trail. The names of legacy trails are \
             not known in advance.",
        ),
        read_sources(scope),
        Grant::new(
            "DecryptSources",
            ["kms:Decrypt"],
            [scope.keys(None)],
            "Reads encrypted logs, through S3 only. The keys of legacy trails are not known in \
             advance, and may belong to another account.",
        )
        .when("StringLike", "kms:ViaService", [scope.s3_of_any_region()]),
    ];
    grants.extend(read_declared_sources(scope));
    grants.extend(read_neighbors(scope));
    grants.push(retire_trails(scope));
    grants
}

/// The status of the neighboring services that the configuration declares.
fn read_neighbors(scope: &Scope<'_>) -> Vec<Grant> {
    let declared = &scope.config.drift.neighbors;
    let account = scope.account.map_or("*", AccountId::as_str);
    let at = |service: &str, resource: &str| {
        format!("arn:{}:{service}:*:{account}:{resource}", scope.partition())
    };
    let mut grants = Vec::new();
    if declared.contains(&Neighbor::Config) {
        grants.push(Grant::new(
            "ReadConfigStatus",
            ["config:DescribeConfigurationRecorderStatus"],
            ["*"],
            "Checks that AWS Config records. AWS has no resource for this action.",
        ));
    }
    if declared.contains(&Neighbor::GuardDuty) {
        grants.push(Grant::new(
            "ListDetectors",
            ["guardduty:ListDetectors"],
            ["*"],
            "Finds GuardDuty's detector. AWS has no resource for this action.",
        ));
        grants.push(Grant::new(
            "ReadDetector",
            ["guardduty:GetDetector"],
            [at("guardduty", "detector/*")],
            "Checks that GuardDuty is enabled. The ids of detectors are not known in advance.",
        ));
    }
    if declared.contains(&Neighbor::SecurityHub) {
        grants.push(Grant::new(
            "ReadSecurityHubStatus",
            ["securityhub:DescribeHub"],
            [at("securityhub", "hub/default")],
            "Checks that Security Hub is enabled.",
        ));
    }
    grants
}

fn read_sources(scope: &Scope<'_>) -> Grant {
    let grant = Grant::new(
        "ReadSources",
        SOURCES,
        [scope.s3("*")],
        "Reads, and restores from archival storage classes, the logs that legacy trails left. \
         Their buckets are not known in advance: the condition keeps the role to the \
         organization's (in the management account, to its own).",
    );
    if scope.is_in(scope.management()) {
        grant.when("StringEquals", "aws:ResourceAccount", [scope.management().as_str()])
    } else {
        grant.when("StringEquals", "aws:ResourceOrgID", ["${aws:PrincipalOrgID}"])
    }
}

/// Declared sources that this account's role reads and another account owns.
fn read_declared_sources(scope: &Scope<'_>) -> Option<Grant> {
    let declared = &scope.config.consolidate.sources;
    let read_here = declared.iter().filter(|source| scope.is_in(&source.account));
    let resources: Vec<String> = read_here
        .filter(|source| source.owner.as_ref().is_some_and(|owner| *owner != source.account))
        .flat_map(|source| {
            [scope.s3(source.bucket.as_str()), scope.s3(format!("{}/*", source.bucket))]
        })
        .collect();
    (!resources.is_empty()).then(|| {
        Grant::new(
            "ReadDeclaredSources",
            SOURCES,
            resources,
            "Reads declared sources that another account owns, outside of the organization too.",
        )
    })
}

/// Each account's legacy trails belong to it, and are deleted with its own role. The
/// organization trail belongs to the management account.
fn retire_trails(scope: &Scope<'_>) -> Grant {
    let actions = ["cloudtrail:DeleteTrail", "cloudtrail:StartLogging", "cloudtrail:StopLogging"];
    let why = "Stops and deletes a legacy trail once it is safe to delete, and starts it again \
               where that fails; in the management account, starts and deletes the organization \
               trail. The names of legacy trails are not known in advance.";
    let grant = Grant::new("RetireTrails", actions, [scope.trails(scope.account)], why);
    if scope.account.is_some() {
        return grant;
    }
    grant.when("StringEquals", "aws:ResourceAccount", ["${aws:PrincipalAccount}"])
}
