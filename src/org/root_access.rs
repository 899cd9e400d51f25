use std::collections::BTreeSet;

use crate::aws::{At, AwsError, Clients, Observation};

/// What centralized root access allows: `RootCredentialsManagement`, `RootSessions`. Absent
/// where IAM has no trusted access, so that nothing is allowed.
///
/// Source: IAM `ListOrganizationsFeatures`.
pub async fn root_features(management: &Clients) -> Observation<BTreeSet<String>> {
    const ACTION: &str = "iam:ListOrganizationsFeatures";
    let answer = management.iam().list_organizations_features().send().await;
    let is_off = |error: &AwsError| error.is_code("ServiceAccessNotEnabledException");
    Observation::from_result(answer.at(management, ACTION), is_off).map(|answer| {
        let features = answer.enabled_features().iter();
        features.map(|feature| feature.as_str().to_owned()).collect()
    })
}
