//! AWS Security Hub CSPM: findings that are imported.
//!
//! Source: Security Hub API Reference, `BatchImportFindings` and `AwsSecurityFinding`, and the
//! User Guide, "Using `BatchImportFindings`".

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Region};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input, unknown_operation};

/// The most findings in a call.
const MOST_FINDINGS: usize = 100;
/// The most bytes of a finding.
const MOST_BYTES: usize = 240 << 10;

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// The Regions in which it is enabled.
    enabled: BTreeSet<Region>,
    /// By product ARN and id.
    findings: BTreeMap<String, Value>,
}

impl State {
    /// Enables it in a Region; whether it was not.
    pub(crate) fn enable(&mut self, region: Region) -> bool {
        self.enabled.insert(region)
    }

    /// The findings as they were last imported.
    pub(crate) fn findings(&self) -> Vec<Value> {
        self.findings.values().cloned().collect()
    }
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        "EnableSecurityHub" => enable(control, call),
        "BatchImportFindings" => import(control, call),
        "DescribeHub" => describe(control, call),
        _ => Err(unknown_operation(call)),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInputException", message)
}

fn enable(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow(control, &call.arn("hub/default").to_string())?;
    let account = input::account_mut(control, &call.caller.account)?;
    if !account.security_hub.enable(call.region.clone()) {
        let message = "Account is already subscribed to Security Hub";
        return Err(
            ApiError::new("ResourceConflictException", message).with_status(StatusCode::CONFLICT)
        );
    }
    Ok(json!({}))
}

/// Source: Security Hub API Reference, `DescribeHub`.
fn describe(control: &mut Control, call: &Call<'_>) -> Reply {
    let hub = call.arn("hub/default").to_string();
    call.allow(control, &hub)?;
    let account = input::account_mut(control, &call.caller.account)?;
    if !account.security_hub.enabled.contains(call.region) {
        return Err(not_subscribed(&call.caller.account));
    }
    Ok(json!({ "HubArn": hub, "AutoEnableControls": true }))
}

fn not_subscribed(account: &AccountId) -> ApiError {
    let message = format!("Account {account} is not subscribed to AWS Security Hub");
    ApiError::new("InvalidAccessException", message).with_status(StatusCode::UNAUTHORIZED)
}

fn import(control: &mut Control, call: &Call<'_>) -> Reply {
    let findings = input::list(call.input, "Findings");
    if findings.is_empty() {
        return Err(invalid("Invalid parameter 'Findings'. data must NOT have fewer than 1 items"));
    }
    if findings.len() > MOST_FINDINGS {
        return Err(invalid(format!(
            "Invalid parameter 'Findings'. data must NOT have more than {MOST_FINDINGS} items"
        )));
    }
    let caller = &call.caller.account;
    let own = call.arn(format!("product/{caller}/default")).to_string();
    for finding in findings {
        let product = input::text(finding, "ProductArn").unwrap_or(&own);
        call.allow(control, product)?;
        // Only partners have other products, and only the owner of an account may import its.
        let is_own = product == own
            && input::text(finding, "AwsAccountId").is_none_or(|id| id == caller.as_str());
        if !is_own {
            return Err(ApiError::access_denied(format!(
                "User: {} is not authorized to perform: securityhub:BatchImportFindings",
                call.caller.arn()
            )));
        }
    }
    let state = &mut input::account_mut(control, caller)?.security_hub;
    if !state.enabled.contains(call.region) {
        return Err(not_subscribed(caller));
    }
    let mut failed = Vec::new();
    for finding in findings {
        let id = input::text(finding, "Id").unwrap_or_default();
        let key = format!("{own}\0{id}");
        let fault = fault(finding).or_else(|| not_newer(state.findings.get(&key)?, finding));
        match fault {
            None => drop(state.findings.insert(key, finding.clone())),
            Some(message) => failed.push(json!({
                "Id": id,
                "ErrorCode": "InvalidInput",
                "ErrorMessage": message,
            })),
        }
    }
    Ok(json!({
        "FailedCount": failed.len(),
        "SuccessCount": findings.len() - failed.len(),
        "FailedFindings": failed,
    }))
}

/// An update must be newer than what it updates.
fn not_newer(before: &Value, finding: &Value) -> Option<String> {
    let updated = |finding: &Value| time(finding, "UpdatedAt");
    (updated(finding) <= updated(before)).then(|| {
        "Finding does not adhere to Amazon Finding Format. UpdatedAt must be later than that of \
         the finding that it updates."
            .to_owned()
    })
}

fn time(finding: &Value, name: &str) -> Option<Timestamp> {
    input::text(finding, name)?.parse().ok()
}

/// Attributes that importers may set.
const KNOWN: [&str; 39] = [
    "Action",
    "AwsAccountId",
    "AwsAccountName",
    "CompanyName",
    "Compliance",
    "Confidence",
    "CreatedAt",
    "Criticality",
    "Description",
    "Detection",
    "FindingProviderFields",
    "FirstObservedAt",
    "GeneratorDetails",
    "GeneratorId",
    "Id",
    "LastObservedAt",
    "Malware",
    "Network",
    "NetworkPath",
    "PatchSummary",
    "Process",
    "ProcessedAt",
    "ProductArn",
    "ProductFields",
    "ProductName",
    "RecordState",
    "Region",
    "RelatedFindings",
    "Remediation",
    "Resources",
    "Sample",
    "SchemaVersion",
    "Severity",
    "SourceUrl",
    "ThreatIntelIndicators",
    "Threats",
    "Title",
    "Types",
    "UpdatedAt",
];

/// Attributes that every finding has.
const REQUIRED: [&str; 10] = [
    "AwsAccountId",
    "CreatedAt",
    "Description",
    "GeneratorId",
    "Id",
    "ProductArn",
    "Resources",
    "SchemaVersion",
    "Title",
    "UpdatedAt",
];

/// Attributes with a longest text. Units: characters.
const LONGEST: [(&str, usize); 9] = [
    ("/Id", 512),
    ("/GeneratorId", 512),
    ("/Title", 256),
    ("/Description", 1024),
    ("/CompanyName", 128),
    ("/ProductName", 128),
    ("/Region", 16),
    ("/SourceUrl", 2048),
    ("/Remediation/Recommendation/Text", 512),
];

/// Attributes with a choice of values.
const CHOICES: [(&str, &[&str]); 5] = [
    ("/SchemaVersion", &["2018-10-08"]),
    ("/RecordState", &["ACTIVE", "ARCHIVED"]),
    ("/Compliance/Status", &["PASSED", "WARNING", "FAILED", "NOT_AVAILABLE"]),
    ("/Severity/Label", LABELS),
    ("/FindingProviderFields/Severity/Label", LABELS),
];

const LABELS: &[&str] = &["INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"];

/// What types begin with. Source: User Guide, "Types taxonomy for ASFF".
const NAMESPACES: [&str; 5] = [
    "Software and Configuration Checks",
    "TTPs",
    "Effects",
    "Unusual Behaviors",
    "Sensitive Data Identifications",
];

/// Why a finding does not adhere to the format.
fn fault(finding: &Value) -> Option<String> {
    let wrong =
        |what: String| Some(format!("Finding does not adhere to Amazon Finding Format. {what}"));
    let Some(members) = finding.as_object() else { return wrong("data should be object.".into()) };
    for name in REQUIRED {
        if finding.get(name).is_none_or(Value::is_null) {
            return wrong(format!("data should have required property '{name}'."));
        }
    }
    for (one, other) in [
        ("/Severity", "/FindingProviderFields/Severity"),
        ("/Types", "/FindingProviderFields/Types"),
    ] {
        if finding.pointer(one).is_none() && finding.pointer(other).is_none() {
            return wrong(format!("data should have required property '{}'.", &one[1..]));
        }
    }
    if let Some(name) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return wrong(format!("data should NOT have additional properties '{name}'."));
    }
    if finding.to_string().len() > MOST_BYTES {
        return wrong("the finding is larger than 240 KB.".to_owned());
    }
    for (pointer, longest) in LONGEST {
        let Some(value) = finding.pointer(pointer) else { continue };
        let length = value.as_str().map_or(0, |text| text.chars().count());
        if !(1..=longest).contains(&length) {
            let path = pointer.replace('/', ".");
            return wrong(format!("data{path} should have 1 to {longest} characters."));
        }
    }
    for (pointer, choices) in CHOICES {
        let Some(value) = finding.pointer(pointer) else { continue };
        if !value.as_str().is_some_and(|value| choices.contains(&value)) {
            let path = pointer.replace('/', ".");
            return wrong(format!("data{path} should be equal to one of the allowed values."));
        }
    }
    for name in ["CreatedAt", "UpdatedAt", "FirstObservedAt", "LastObservedAt"] {
        let is_given = finding.get(name).is_some();
        if is_given && time(finding, name).is_none() {
            return wrong(format!("data.{name} should match format \"date-time\"."));
        }
    }
    if time(finding, "UpdatedAt") < time(finding, "CreatedAt") {
        return wrong("data.UpdatedAt is before data.CreatedAt.".to_owned());
    }
    types(finding).or_else(|| resources(finding)).or_else(|| fields(finding)).and_then(wrong)
}

fn types(finding: &Value) -> Option<String> {
    let types = ["/Types", "/FindingProviderFields/Types"];
    let types = types.iter().filter_map(|pointer| finding.pointer(pointer)?.as_array()).flatten();
    for kind in types {
        let kind = kind.as_str().unwrap_or_default();
        let parts: Vec<&str> = kind.split('/').collect();
        let is_known = parts.first().is_some_and(|first| NAMESPACES.contains(first));
        if !is_known || parts.len() > 3 || parts.contains(&"") {
            return Some(format!("data.Types '{kind}' should be namespace/category/classifier."));
        }
    }
    None
}

fn resources(finding: &Value) -> Option<String> {
    let resources = input::list(finding, "Resources");
    if !(1..=32).contains(&resources.len()) {
        return Some("data.Resources should have 1 to 32 items.".to_owned());
    }
    let lacks = |name: &str| resources.iter().any(|it| input::text(it, name).is_none());
    let missing = ["Type", "Id"].into_iter().find(|name| lacks(name))?;
    Some(format!("data.Resources[0] should have required property '{missing}'."))
}

fn fields(finding: &Value) -> Option<String> {
    let fields = finding.get("ProductFields")?;
    let Some(fields) = fields.as_object().filter(|fields| fields.len() <= 50) else {
        return Some("data.ProductFields should have at most 50 properties.".to_owned());
    };
    let is_wrong = |(name, value): (&String, &Value)| {
        name.len() > 128 || !value.as_str().is_some_and(|value| (1..=2048).contains(&value.len()))
    };
    let wrong = fields.iter().find(|field| is_wrong(*field))?;
    Some(format!("data.ProductFields['{}'] should have 1 to 2048 characters.", wrong.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> Value {
        json!({
            "SchemaVersion": "2018-10-08",
            "Id": "a",
            "ProductArn": "arn:aws:securityhub:us-east-1:111111111111:product/111111111111/default",
            "GeneratorId": "g",
            "AwsAccountId": "111111111111",
            "CreatedAt": "2026-01-01T00:00:00.000Z",
            "UpdatedAt": "2026-01-02T00:00:00.000Z",
            "Title": "t",
            "Description": "d",
            "Resources": [{ "Type": "AwsAccount", "Id": "AWS::::Account:111111111111" }],
            "FindingProviderFields": {
                "Severity": { "Label": "HIGH" },
                "Types": ["Software and Configuration Checks/AWS Security Best Practices"],
            },
        })
    }

    #[test]
    fn a_finding_that_does_not_adhere_to_the_format_fails() {
        assert_eq!(fault(&valid()), None);
        let cases: [(&str, Value, &str); 10] = [
            ("/Title", Value::Null, "required property 'Title'"),
            ("/Title", "x".repeat(257).into(), "data.Title should have 1 to 256"),
            ("/Description", "".into(), "data.Description"),
            ("/SchemaVersion", "2020-01-01".into(), "allowed values"),
            ("/FindingProviderFields/Severity/Label", "SEVERE".into(), "allowed values"),
            ("/FindingProviderFields/Types", json!(["Other"]), "namespace"),
            ("/UpdatedAt", "yesterday".into(), "date-time"),
            ("/UpdatedAt", "2025-01-01T00:00:00Z".into(), "before"),
            ("/Resources", json!([]), "1 to 32 items"),
            ("/Resources/0/Id", Value::Null, "required property 'Id'"),
        ];
        for (pointer, value, says) in cases {
            let mut finding = valid();
            *finding.pointer_mut(pointer).unwrap() = value;
            let found = fault(&finding);
            assert!(found.as_ref().is_some_and(|it| it.contains(says)), "{pointer}: {found:?}");
        }
        let mut finding = valid();
        finding["Workflow"] = json!({ "Status": "NEW" });
        assert!(fault(&finding).unwrap().contains("additional properties"));
        finding = valid();
        finding["ProductFields"] = json!({ "a": "" });
        assert!(fault(&finding).unwrap().contains("ProductFields"));
    }

    #[test]
    fn an_update_must_be_newer() {
        let mut newer = valid();
        assert!(not_newer(&valid(), &newer).is_some());
        newer["UpdatedAt"] = "2026-01-02T00:00:00.001Z".into();
        assert_eq!(not_newer(&valid(), &newer), None);
    }
}
