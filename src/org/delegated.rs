use std::collections::BTreeSet;

use crate::aws::{At, AwsError, Clients};
use crate::names::AccountId;
use crate::policy::CLOUDTRAIL;

/// The accounts registered as delegated administrators for CloudTrail.
///
/// Source: Organizations `ListDelegatedAdministrators`.
///
/// # Errors
/// The call's own.
pub async fn cloudtrail_administrators(clients: &Clients) -> Result<BTreeSet<AccountId>, AwsError> {
    const ACTION: &str = "organizations:ListDelegatedAdministrators";
    let found = clients
        .organizations()
        .list_delegated_administrators()
        .service_principal(CLOUDTRAIL)
        .into_paginator()
        .items()
        .send();
    let found = found.collect::<Result<Vec<_>, _>>().await.at(clients, ACTION)?;
    found
        .into_iter()
        .map(|administrator| {
            let id = administrator.id.unwrap_or_default();
            id.parse().map_err(|_| clients.malformed(ACTION, &format!("the account id `{id}`")))
        })
        .collect()
}
