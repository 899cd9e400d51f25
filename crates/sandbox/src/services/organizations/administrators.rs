//! Trusted access of services, and who administers them for the organization.

use serde_json::json;

use super::accounts::member;
use super::{Call, Organization, Reply, invalid, listed, required, shape};
use crate::api::ApiError;
use crate::services::input::{seconds, text};

pub(super) fn call(organization: &mut Organization, call: &Call<'_>) -> Option<Reply> {
    let partition = call.caller.partition;
    let now = call.now;
    let principal = || {
        let principal = required(call, "ServicePrincipal")?;
        if principal.ends_with(".amazonaws.com") || principal.ends_with(".amazonaws.com.cn") {
            Ok(principal.to_owned())
        } else {
            Err(invalid("You specified an unrecognized service principal."))
        }
    };
    Some(match call.operation {
        "EnableAWSServiceAccess" => principal().and_then(|principal| {
            if !organization.all_features {
                return Err(ApiError::new(
                    "ConstraintViolationException",
                    "You must enable all features in the organization first.",
                ));
            }
            organization.trusted_services.entry(principal).or_insert(now);
            Ok(json!({}))
        }),
        "DisableAWSServiceAccess" => principal().and_then(|principal| {
            let delegated = organization.delegated.values().any(|s| s.contains_key(&principal));
            if delegated {
                return Err(ApiError::new(
                    "ConstraintViolationException",
                    "You must deregister the delegated administrators of the service first.",
                ));
            }
            organization.trusted_services.remove(&principal);
            Ok(json!({}))
        }),
        "ListAWSServiceAccessForOrganization" => {
            let services = organization.trusted_services.iter().map(|(name, at)| {
                let item = json!({ "ServicePrincipal": name, "DateEnabled": seconds(*at) });
                (name.clone(), item)
            });
            listed(call, "EnabledServicePrincipals", services)
        }
        "RegisterDelegatedAdministrator" => principal().and_then(|principal| {
            let account = member(organization, call)?;
            if account == organization.management_account {
                return Err(ApiError::new(
                    "ConstraintViolationException",
                    "You can't register the management account as a delegated administrator.",
                ));
            }
            if !organization.trusted_services.contains_key(&principal) {
                return Err(ApiError::new(
                    "ConstraintViolationException",
                    "You must enable trusted access for the service before you register a delegated administrator.",
                ));
            }
            let services = organization.delegated.entry(account).or_default();
            if services.insert(principal, now).is_some() {
                return Err(ApiError::new(
                    "AccountAlreadyRegisteredException",
                    "The specified account is already a delegated administrator for this AWS service.",
                ));
            }
            Ok(json!({}))
        }),
        "DeregisterDelegatedAdministrator" => principal().and_then(|principal| {
            let account = member(organization, call)?;
            let services = organization.delegated.get_mut(&account);
            if services.and_then(|services| services.remove(&principal)).is_none() {
                return Err(ApiError::new(
                    "AccountNotRegisteredException",
                    "The specified account is not a delegated administrator for this AWS service.",
                ));
            }
            organization.delegated.retain(|_, services| !services.is_empty());
            Ok(json!({}))
        }),
        "ListDelegatedAdministrators" => {
            let wanted = text(call.input, "ServicePrincipal");
            let administrators = organization
                .delegated
                .iter()
                .filter(|(_, s)| wanted.is_none_or(|wanted| s.contains_key(wanted)))
                .map(|(id, services)| {
                    let mut account = shape::account(partition, organization, id);
                    let since = services.values().min().copied().unwrap_or(now);
                    account["DelegationEnabledDate"] = seconds(since);
                    (id.to_string(), account)
                });
            listed(call, "DelegatedAdministrators", administrators)
        }
        "ListDelegatedServicesForAccount" => member(organization, call).and_then(|account| {
            let Some(services) = organization.delegated.get(&account) else {
                return Err(ApiError::new(
                    "AccountNotRegisteredException",
                    "The specified account is not a delegated administrator.",
                ));
            };
            let services = services.iter().map(|(name, at)| {
                let at = seconds(*at);
                let item = json!({ "ServicePrincipal": name, "DelegationEnabledDate": at });
                (name.clone(), item)
            });
            listed(call, "DelegatedServices", services)
        }),
        _ => return None,
    })
}
