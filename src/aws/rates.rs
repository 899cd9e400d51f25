//! How often each API may be called: one table, with the source of every
//! number.
//!
//! All rates hold per calling account and Region. Where AWS publishes none, the
//! number is ours, and said so. `(M)` marks numbers written down from memory of
//! the page named: check them against it before raising one.

/// How often the calls of one class may be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    /// Calls a second in the long run.
    pub(super) per_second: f64,
    /// Calls at once after a pause.
    pub(super) burst: u32,
    /// Whether all operations of the rule use up one rate together, rather than
    /// each its own.
    pub(super) shared: bool,
}

/// The operations of a rule.
enum Ops {
    /// Those named.
    Named(&'static [&'static str]),
    /// Those whose names begin so.
    Prefixes(&'static [&'static str]),
    /// All that no rule above took.
    Rest,
}
use Ops::{Named, Prefixes, Rest};

struct Rule {
    /// The service as the SDK names it.
    service: &'static str,
    ops: Ops,
    rate: Rate,
}

const fn shared(service: &'static str, ops: Ops, per_second: f64, burst: u32) -> Rule {
    Rule { service, ops, rate: Rate { per_second, burst, shared: true } }
}

const fn each(service: &'static str, ops: Ops, per_second: f64, burst: u32) -> Rule {
    Rule { service, ops, rate: Rate { per_second, burst, shared: false } }
}

/// The first matching rule applies.
///
/// S3's objects are not here: their limit is per key prefix and far beyond what
/// one process reaches (3,500 writes and 5,500 reads a second), and S3 says
/// `SlowDown`.
const RULES: [Rule; 44] = [
    // AWS CloudTrail User Guide, "Quotas in AWS CloudTrail".
    shared("CloudTrail", Named(&["LookupEvents"]), 2.0, 2),
    shared("CloudTrail", Prefixes(&["Get", "Describe", "List"]), 10.0, 10),
    shared("CloudTrail", Rest, 1.0, 1),
    // AWS Account Management Reference Guide, "Quotas".
    each("Account", Named(&["GetRegionOptStatus", "ListRegions"]), 5.0, 5),
    each("Account", Named(&["GetContactInformation", "GetAlternateContact"]), 10.0, 15),
    each("Account", Rest, 1.0, 1),
    // AWS STS: IAM User Guide, "IAM and AWS STS quotas" (M): 600 a second together.
    shared("STS", Rest, 600.0, 600),
    // AWS KMS Developer Guide, "Request quotas for each AWS KMS API operation".
    each("KMS", Named(&["DescribeKey"]), 2000.0, 2000),
    each("KMS", Named(&["GetKeyPolicy", "GetKeyRotationStatus"]), 1000.0, 1000),
    each("KMS", Named(&["ListAliases", "ListKeys"]), 500.0, 500),
    each(
        "KMS",
        Named(&["ListGrants", "ListKeyPolicies", "ListResourceTags", "ListKeyRotations"]),
        100.0,
        100,
    ),
    each("KMS", Named(&["EnableKeyRotation", "PutKeyPolicy", "ScheduleKeyDeletion"]), 15.0, 15),
    each("KMS", Named(&["TagResource", "UntagResource"]), 10.0, 10),
    each(
        "KMS",
        Named(&["Decrypt", "Encrypt", "GenerateDataKey", "GenerateMac", "VerifyMac"]),
        1000.0,
        1000,
    ),
    each("KMS", Rest, 5.0, 5),
    // Amazon CloudWatch Logs User Guide, "CloudWatch Logs quotas" (M); five
    // for what is not named here.
    each("CloudWatch Logs", Named(&["CreateLogGroup", "DeleteLogGroup"]), 10.0, 10),
    each("CloudWatch Logs", Named(&["DescribeLogGroups"]), 10.0, 10),
    each("CloudWatch Logs", Named(&["DescribeLogStreams"]), 5.0, 5),
    each("CloudWatch Logs", Named(&["FilterLogEvents", "GetLogEvents"]), 5.0, 5),
    each("CloudWatch Logs", Rest, 5.0, 5),
    // Amazon CloudWatch User Guide, "CloudWatch service quotas" (M).
    each("CloudWatch", Named(&["DescribeAlarms", "DescribeAlarmsForMetric"]), 9.0, 9),
    each("CloudWatch", Named(&["GetMetricData"]), 50.0, 50),
    each("CloudWatch", Named(&["ListMetrics"]), 25.0, 25),
    each("CloudWatch", Rest, 3.0, 3),
    // AWS General Reference, "Amazon SNS endpoints and quotas" (M); ten for what
    // is not named here.
    each("SNS", Named(&["Subscribe", "Unsubscribe"]), 100.0, 100),
    each("SNS", Prefixes(&["Get", "List"]), 30.0, 30),
    each("SNS", Named(&["CreateTopic", "DeleteTopic"]), 30.0, 30),
    each("SNS", Rest, 10.0, 10),
    // AWS Security Hub API Reference, "BatchImportFindings": 10 a second, bursts of 30.
    each("SecurityHub", Rest, 10.0, 30),
    // Amazon EventBridge User Guide, "Quotas" (M): the lowest of any Region is 400 a second.
    each("EventBridge", Named(&["PutEvents"]), 100.0, 100),
    // The same page (M): other calls 50 a second; ten is ours.
    each("EventBridge", Rest, 10.0, 10),
    // Amazon SQS publishes no limit for messages of standard queues; these are ours.
    each("SQS", Named(&["DeleteMessage", "ReceiveMessage"]), 100.0, 100),
    each("SQS", Rest, 10.0, 10),
    // AWS Organizations User Guide, "Quotas", has a limit per operation; these
    // are ours, meant to stay below all of them.
    each("Organizations", Named(&["DescribeOrganization", "DescribeAccount"]), 5.0, 10),
    each("Organizations", Prefixes(&["List", "Describe"]), 5.0, 8),
    each("Organizations", Rest, 1.0, 1),
    // AWS publishes no rates for CloudFormation: these are ours.
    shared("CloudFormation", Prefixes(&["Describe", "Get", "List"]), 5.0, 10),
    shared("CloudFormation", Rest, 1.0, 2),
    // AWS publishes no rates for IAM; one bucket for reads, one for writes.
    shared("IAM", Prefixes(&["Get", "List", "Simulate"]), 15.0, 30),
    shared("IAM", Rest, 5.0, 10),
    // S3's settings of buckets share a lower, unpublished limit; objects do not.
    shared("S3", Prefixes(&["CreateBucket", "DeleteBucket", "PutBucket"]), 20.0, 40),
    shared("S3", Named(&["PutObjectLockConfiguration", "PutPublicAccessBlock"]), 20.0, 40),
    shared("S3", Prefixes(&["GetBucket", "ListBuckets", "HeadBucket"]), 50.0, 100),
    shared("S3", Named(&["GetObjectLockConfiguration", "GetPublicAccessBlock"]), 50.0, 100),
];

/// The rule for an operation: its number (which names a shared rate) and rate;
/// `None` where calls are not paced.
pub(super) fn of(service: &str, operation: &str) -> Option<(usize, Rate)> {
    RULES
        .iter()
        .enumerate()
        .find(|(_, rule)| {
            rule.service == service
                && match rule.ops {
                    Named(names) => names.contains(&operation),
                    Prefixes(prefixes) => {
                        prefixes.iter().any(|prefix| operation.starts_with(prefix))
                    }
                    Rest => true,
                }
        })
        .map(|(number, rule)| (number, rule.rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_second(service: &str, operation: &str) -> Option<f64> {
        of(service, operation).map(|(_, rate)| rate.per_second)
    }

    #[test]
    fn cloudtrail_has_three_rates() {
        for (operation, rate) in [
            ("GetTrailStatus", 10.0),
            ("DescribeTrails", 10.0),
            ("ListPublicKeys", 10.0),
            ("LookupEvents", 2.0),
            ("CreateTrail", 1.0),
            ("PutEventSelectors", 1.0),
        ] {
            assert_eq!(per_second("CloudTrail", operation), Some(rate), "{operation}");
        }
    }

    #[test]
    fn cloudtrail_reads_share_one_rate_and_kms_calls_do_not() {
        let (a, _) = of("CloudTrail", "GetTrailStatus").unwrap();
        let (b, rate) = of("CloudTrail", "ListTrails").unwrap();
        assert!(a == b && rate.shared);
        assert!(!of("KMS", "DescribeKey").unwrap().1.shared);
    }

    #[test]
    fn every_service_has_a_rate_for_an_operation_it_may_add() {
        for service in [
            "Account",
            "CloudFormation",
            "CloudTrail",
            "CloudWatch",
            "CloudWatch Logs",
            "EventBridge",
            "IAM",
            "KMS",
            "Organizations",
            "SecurityHub",
            "SNS",
            "STS",
        ] {
            assert!(of(service, "BrandNewOperation").is_some(), "{service}");
        }
    }

    #[test]
    fn objects_are_not_paced() {
        assert_eq!(of("S3", "GetObject"), None);
        assert_eq!(of("S3", "PutObject"), None);
    }
}
