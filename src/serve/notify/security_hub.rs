//! AWS Security Hub CSPM: findings in the AWS Security Finding Format.
//!
//! All findings are sent from one account, because the caller must own the account that a
//! finding names; the account that a finding is about is among its resources. Reminders
//! update open findings at least weekly: Security Hub deletes what nobody updates for 90 days.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::SendError;
use super::message::Message;
use super::sns::clients_of;
use super::text::{shortened, word};
use crate::aws::{Aws, SignedCall};
use crate::names::{AccountId, Arn, Partition, Region};
use crate::printable::plain;
use crate::report::contract::drift::Scope;
use crate::report::contract::notification::{Change, Transition};
use crate::report::contract::service::SignalState;

/// The most findings in a call. Source: Security Hub API Reference, `BatchImportFindings`.
const BATCH: usize = 100;
/// The longest finding. Source: as above.
const LONGEST: usize = 240_000;

/// Security Hub in an account and Region.
#[derive(Debug)]
pub(super) struct SecurityHub {
    pub(super) hub: Arn,
}

/// Whose findings they are.
struct Product<'a> {
    partition: Partition,
    region: &'a Region,
    account: &'a AccountId,
}

impl SecurityHub {
    pub(super) async fn send(
        &self,
        aws: &Aws,
        message: &Message,
        page: Option<String>,
        attempt: usize,
    ) -> Result<(), SendError> {
        let clients = clients_of(aws, &self.hub)?;
        let (Some(account), Some(region)) = (&self.hub.account, &self.hub.region) else {
            return Err(SendError::Refused(format!("{} has no account or Region", self.hub)));
        };
        let product = Product { partition: self.hub.partition, region, account };
        let findings: Vec<Value> = message
            .changes
            .iter()
            .map(|change| finding(&product, message, change, page.as_deref(), attempt))
            .collect();
        for batch in findings.chunks(BATCH) {
            let body = json!({ "Findings": batch });
            let answer = clients.send(SignedCall::BatchImportFindings, &body).await?;
            if answer["FailedCount"].as_u64() != Some(0) {
                return Err(SendError::Refused(refusal(&answer)));
            }
        }
        Ok(())
    }
}

fn refusal(answer: &Value) -> String {
    let first = &answer["FailedFindings"][0];
    let part = |name: &str| first[name].as_str().unwrap_or("no reason given").to_owned();
    format!(
        "securityhub:BatchImportFindings refused {} findings: {}: {}",
        answer["FailedCount"],
        part("ErrorCode"),
        plain(&part("ErrorMessage"))
    )
}

fn finding(
    product: &Product<'_>,
    message: &Message,
    change: &Change,
    page: Option<&str>,
    attempt: usize,
) -> Value {
    let Product { partition, region, account } = product;
    let signal = &change.finding;
    let is_resolved = change.transition == Transition::Resolved;
    let status = match (is_resolved, signal.state) {
        (true, _) => "PASSED",
        (false, SignalState::Failing) => "FAILED",
        (false, SignalState::Unreadable) => "NOT_AVAILABLE",
    };
    let organization = &message.management_account;
    let mut finding = json!({
        "SchemaVersion": "2018-10-08",
        "Id": format!("orgtrail/{organization}/{}", signal.fingerprint),
        "ProductArn": format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default"),
        "ProductName": "orgtrail",
        "CompanyName": "orgtrail",
        "Region": region,
        "GeneratorId": format!("orgtrail/{}/{}", signal.part.name(), signal.check),
        "AwsAccountId": account,
        "CreatedAt": millis(signal.since.min(change.changed_at)),
        "UpdatedAt": millis(updated_at(change, attempt)),
        "Title": required(&signal.title, 256),
        "Description": required(&format!("{}: {}", change.transition.word(), signal.found), 1024),
        "Resources": [resource(product, &signal.scope, organization)],
        "Compliance": { "Status": status },
        "RecordState": if is_resolved { "ARCHIVED" } else { "ACTIVE" },
        "FindingProviderFields": {
            "Severity": { "Label": word(signal.severity).to_uppercase() },
            "Types": ["Software and Configuration Checks/AWS Security Best Practices"],
        },
        "ProductFields": {
            "orgtrail/check": signal.check,
            "orgtrail/round": message.round,
            "orgtrail/unit": required(signal.unit_path.as_deref().unwrap_or_default(), 512),
        },
    });
    if let Some(fix) = &signal.fix {
        finding["Remediation"] = json!({ "Recommendation": { "Text": required(fix, 512) } });
    }
    if let Some(page) = page {
        finding["SourceUrl"] = page.into();
    }
    debug_assert!(finding.to_string().len() < LONGEST, "every text is bounded");
    finding
}

/// Later than every time before, also where a message is sent again.
fn updated_at(change: &Change, attempt: usize) -> Timestamp {
    let again = i64::try_from(attempt.saturating_sub(1)).unwrap_or(i64::MAX);
    let later = change.changed_at.checked_add(SignedDuration::from_millis(again));
    later.unwrap_or(change.changed_at)
}

fn millis(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// A text that must not be empty, as long as is allowed.
fn required(text: &str, longest: usize) -> String {
    let text = shortened(&plain(text), longest);
    if text.is_empty() { "none".to_owned() } else { text }
}

fn resource(product: &Product<'_>, scope: &Scope, organization: &AccountId) -> Value {
    let Product { partition, region, .. } = product;
    let of_account = |account: &AccountId| format!("AWS::::Account:{account}");
    let (kind, id, region) = match scope {
        Scope::Organization => ("AwsAccount", of_account(organization), *region),
        Scope::Account { account } => ("AwsAccount", of_account(account), *region),
        Scope::Region { account, region } => ("AwsAccount", of_account(account), region),
        Scope::Bucket { bucket } => {
            ("AwsS3Bucket", Arn::s3(*partition, bucket.as_str()).to_string(), *region)
        }
        Scope::Resource { arn } => {
            ("Other", arn.to_string(), arn.region.as_ref().unwrap_or(region))
        }
    };
    json!({ "Type": kind, "Id": id, "Partition": partition.as_str(), "Region": region })
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::{change, message};
    use super::*;
    use crate::report::contract::checks::Severity;

    fn of(change: &Change, attempt: usize) -> Value {
        let hub: Arn = "arn:aws:securityhub:eu-central-1:222222222222:hub/default".parse().unwrap();
        let (region, account) = (hub.region.unwrap(), hub.account.unwrap());
        let product = Product { partition: hub.partition, region: &region, account: &account };
        finding(&product, &message(vec![]), change, Some("https://a.example"), attempt)
    }

    #[test]
    fn a_finding_names_the_sending_account_and_has_the_affected_one_as_resource() {
        insta::assert_json_snapshot!(of(&change(Transition::New, Severity::High, 4, "a"), 1));
    }

    #[test]
    fn a_resolved_finding_has_passed_and_is_archived_under_the_same_id() {
        let open = of(&change(Transition::New, Severity::High, 4, "a"), 1);
        let resolved = of(&change(Transition::Resolved, Severity::High, 4, "a"), 1);
        assert_eq!(open["Id"], resolved["Id"]);
        assert_eq!(open["Compliance"]["Status"], "FAILED");
        assert_eq!(resolved["Compliance"]["Status"], "PASSED");
        assert_eq!(resolved["RecordState"], "ARCHIVED");
        let unreadable = of(&change(Transition::Unreadable, Severity::High, 4, "a"), 1);
        assert_eq!(unreadable["Compliance"]["Status"], "NOT_AVAILABLE");
        assert_eq!(unreadable["RecordState"], "ACTIVE");
    }

    #[test]
    fn a_finding_that_is_sent_again_is_newer_and_long_texts_fit() {
        let mut one = change(Transition::New, Severity::High, 4, "a");
        assert!(of(&one, 2)["UpdatedAt"].as_str() > of(&one, 1)["UpdatedAt"].as_str());
        one.finding.title = "ä".repeat(300_000);
        one.finding.found = "x\u{1b}".repeat(300_000);
        one.finding.fix = Some(String::new());
        let finding = of(&one, 1);
        assert!(finding.to_string().len() < 10_000);
        assert_eq!(finding["Title"].as_str().unwrap().chars().count(), 256);
        assert_eq!(finding["Remediation"]["Recommendation"]["Text"], "none");
    }
}
