//! Which accounts an operation is for.

use std::collections::BTreeSet;

use orgtrail_base::names::{AccountId, Region, UnitId};
use serde_json::Value;

use super::state::{Preferences, Share};
use super::{Call, Control, invalid};
use crate::api::ApiError;
use crate::services::input::{list, number, text, texts};
use crate::services::organizations::Organization;

/// The most units in a call.
const MAX_UNITS: usize = 50;

/// What a call targets.
#[derive(Debug, Clone, Default)]
pub(super) struct Targets {
    pub(super) units: Vec<UnitId>,
    pub(super) accounts: Vec<AccountId>,
    pub(super) filter: Option<String>,
    pub(super) regions: Vec<Region>,
}

fn organization(control: &Control) -> Result<&Organization, ApiError> {
    control.organization.as_ref().ok_or_else(|| invalid("There is no organization"))
}

impl Targets {
    /// Reads the targets of a call; `None` if it has no `DeploymentTargets`.
    pub(super) fn read(control: &Control, call: &Call<'_>) -> Result<Option<Self>, ApiError> {
        if !list(call.input, "Accounts").is_empty() {
            return Err(invalid(
                "StackSets with SERVICE_MANAGED permission model can only have OrganizationalUnit \
                 as target",
            ));
        }
        let Some(targets) = call.input.get("DeploymentTargets").filter(|it| it.is_object()) else {
            return Ok(None);
        };
        let regions = texts(call.input, "Regions");
        let regions: Result<Vec<Region>, _> =
            regions.iter().map(|region| region.parse::<Region>()).collect();
        let regions = regions.map_err(|_| invalid("Region is not valid"))?;
        let units = texts(targets, "OrganizationalUnitIds");
        if units.is_empty() {
            return Err(invalid("OrganizationalUnitIds are required in DeploymentTargets"));
        }
        if units.len() > MAX_UNITS {
            return Err(invalid(format!(
                "1 validation error detected: Value at 'organizationalUnitIds' failed to satisfy \
                 constraint: Member must have length less than or equal to {MAX_UNITS}"
            )));
        }
        let organization = organization(control)?;
        let units = units.iter().map(|unit| {
            let known = unit
                .parse::<UnitId>()
                .ok()
                .filter(|id| *id == organization.root || organization.units.contains_key(id));
            known.ok_or_else(|| invalid(format!("Organizational unit {unit} does not exist")))
        });
        let units = units.collect::<Result<Vec<_>, _>>()?;
        let accounts = texts(targets, "Accounts");
        let accounts = accounts.iter().map(|id| {
            id.parse::<AccountId>().map_err(|_| invalid(format!("{id} is not an account id")))
        });
        let accounts = accounts.collect::<Result<Vec<_>, _>>()?;
        let has_accounts = !accounts.is_empty();
        let filter = text(targets, "AccountFilterType").map(str::to_owned);
        // Creating must say how accounts are meant; all else means both by default.
        let is_both = has_accounts && call.operation != "CreateStackInstances";
        let filter = filter.or_else(|| is_both.then(|| "UNION".to_owned()));
        match filter.as_deref() {
            Some("INTERSECTION" | "DIFFERENCE") if has_accounts => {}
            Some("UNION") if has_accounts && call.operation != "CreateStackInstances" => {}
            None | Some("NONE") if !has_accounts => {}
            _ => return Err(invalid("AccountFilterType does not match the Accounts")),
        }
        Ok(Some(Self { units, accounts, filter, regions }))
    }

    /// The accounts, with the unit through which each is targeted. The management account is
    /// never among them.
    pub(super) fn resolve(&self, control: &Control) -> Result<Vec<(AccountId, UnitId)>, ApiError> {
        let organization = organization(control)?;
        let filter: BTreeSet<&AccountId> = self.accounts.iter().collect();
        let mut found = Vec::new();
        for (id, member) in &organization.members {
            if *id == organization.management_account {
                continue;
            }
            let above = organization.ancestors(&member.parent);
            let unit = self.units.iter().find(|unit| above.contains(unit));
            let is_meant = match self.filter.as_deref() {
                Some("INTERSECTION") => unit.is_some() && filter.contains(id),
                Some("DIFFERENCE") => unit.is_some() && !filter.contains(id),
                Some("UNION") => unit.is_some() || filter.contains(id),
                _ => unit.is_some(),
            };
            if is_meant {
                let unit = unit.unwrap_or(&member.parent);
                found.push((id.clone(), unit.clone()));
            }
        }
        Ok(found)
    }

    /// Whether it targets units as a whole.
    pub(super) fn is_whole(&self) -> bool {
        self.accounts.is_empty()
    }
}

/// Reads how fast an operation goes.
pub(super) fn preferences(call: &Call<'_>) -> Result<Preferences, ApiError> {
    let none = Value::Null;
    let given = call.input.get("OperationPreferences").unwrap_or(&none);
    let share = |name: &str, least: i64| -> Result<Share, ApiError> {
        let count = number(given, &format!("{name}Count"));
        let percentage = number(given, &format!("{name}Percentage"));
        match (count, percentage) {
            (Some(_), Some(_)) => Err(invalid(format!(
                "You can specify {name}Count or {name}Percentage, but not both"
            ))),
            (Some(count), None) if count >= least => Ok(Share::Count(count)),
            (None, Some(share)) if (least..=100).contains(&share) => Ok(Share::Percentage(share)),
            (None, None) => Ok(Share::Default),
            _ => Err(invalid(format!("{name} is out of range"))),
        }
    };
    let order = texts(given, "RegionOrder");
    let order: Result<Vec<Region>, _> = order.iter().map(|it| it.parse::<Region>()).collect();
    let preferences = Preferences {
        tolerated: share("FailureTolerance", 0)?,
        concurrent: share("MaxConcurrent", 1)?,
        is_soft: match text(given, "ConcurrencyMode") {
            None | Some("STRICT_FAILURE_TOLERANCE") => false,
            Some("SOFT_FAILURE_TOLERANCE") => true,
            Some(other) => return Err(invalid(format!("ConcurrencyMode {other} is not valid"))),
        },
        region_order: order.map_err(|_| invalid("RegionOrder is not valid"))?,
    };
    if let (Share::Count(tolerated), Share::Count(concurrent)) =
        (preferences.tolerated, preferences.concurrent)
        && !preferences.is_soft
        && concurrent > tolerated + 1
    {
        return Err(invalid(
            "MaxConcurrentCount must be at most one more than FailureToleranceCount",
        ));
    }
    Ok(preferences)
}
