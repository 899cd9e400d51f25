//! AWS Account Management: the Regions of accounts.

use orgtrail_base::names::{AccountId, Region};
use serde_json::json;

use super::input::{account, account_mut, number, page, text, texts};
use super::{Call, Control, Reply, unknown_operation};
use crate::api::ApiError;
use crate::simulation::Account;

/// What an organization must trust before its Regions are managed for it.
const PRINCIPAL: &str = "account.amazonaws.com";

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        "ListRegions" => {
            let id = target(control, call)?;
            let account = account(control, &id)?;
            let wanted = texts(call.input, "RegionOptStatusContains");
            let regions = all()
                .map(|region| (status(account, &region), region))
                .filter(|(status, _)| wanted.is_empty() || wanted.iter().any(|w| w == status))
                .map(|(status, region)| {
                    let item = json!({ "RegionName": region, "RegionOptStatus": status });
                    (region.to_string(), item)
                });
            let limit = number(call.input, "MaxResults").unwrap_or(50).clamp(1, 50);
            let limit = usize::try_from(limit).unwrap_or(50);
            let (regions, next) = page(regions, text(call.input, "NextToken"), limit)
                .ok_or_else(|| ApiError::validation("invalid NextToken"))?;
            Ok(json!({ "Regions": regions, "NextToken": next }))
        }
        "GetRegionOptStatus" => {
            let id = target(control, call)?;
            let region = region(call)?;
            let status = status(account(control, &id)?, &region);
            Ok(json!({ "RegionName": region, "RegionOptStatus": status }))
        }
        "EnableRegion" | "DisableRegion" => {
            let id = target(control, call)?;
            let region = region(call)?;
            if !region.is_opt_in() {
                return Err(ApiError::validation(format!(
                    "Region {region} is enabled by default and cannot be changed"
                )));
            }
            let regions = &mut account_mut(control, &id)?.enabled_regions;
            if call.operation == "EnableRegion" {
                regions.insert(region);
            } else {
                regions.remove(&region);
            }
            Ok(json!({}))
        }
        _ => Err(unknown_operation(call)),
    }
}

fn all() -> impl Iterator<Item = Region> {
    let mut all: Vec<Region> = Region::enabled_by_default().chain(Region::opt_in()).collect();
    all.sort_unstable();
    all.into_iter()
}

fn status(account: &Account, region: &Region) -> &'static str {
    if !region.is_opt_in() {
        "ENABLED_BY_DEFAULT"
    } else if account.enabled_regions.contains(region) {
        "ENABLED"
    } else {
        "DISABLED"
    }
}

fn region(call: &Call<'_>) -> Result<Region, ApiError> {
    let name = call.required("RegionName")?;
    let region = name.parse().ok().filter(|region| all().any(|known| known == *region));
    region.ok_or_else(|| ApiError::validation(format!("no Region is named {name}")))
}

/// The account that a call is about: the caller's own, or a member's, when the
/// management account or a delegated administrator asks.
fn target(control: &Control, call: &Call<'_>) -> Result<AccountId, ApiError> {
    let id = match text(call.input, "AccountId") {
        None => call.caller.account.clone(),
        Some(id) => {
            id.parse().map_err(|_| ApiError::validation(format!("{id} is not an account id")))?
        }
    };
    call.allow(control, "*")?;
    if id == call.caller.account {
        // The management account must not name itself.
        if call.input.get("AccountId").is_some()
            && control.organization.as_ref().is_some_and(|o| o.management_account == id)
        {
            return Err(ApiError::access_denied(
                "The management account cannot specify its own AccountId; call in standalone context instead",
            ));
        }
        return Ok(id);
    }
    let may = control.organization.as_ref().is_some_and(|organization| {
        let caller = &call.caller.account;
        let delegated = organization
            .delegated
            .get(caller)
            .is_some_and(|services| services.contains_key(PRINCIPAL));
        organization.members.contains_key(&id)
            && organization.trusted_services.contains_key(PRINCIPAL)
            && (organization.management_account == *caller || delegated)
    });
    if may {
        Ok(id)
    } else {
        Err(ApiError::access_denied(format!(
            "{} is not authorized to manage account {id}: trusted access for {PRINCIPAL} and the management account or a delegated administrator are needed",
            call.caller.arn()
        )))
    }
}
