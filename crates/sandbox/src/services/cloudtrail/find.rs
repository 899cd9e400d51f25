//! Which trails an account sees in a Region, and which it may change there.

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Arn, Region, TrailName};

use super::{ApiError, Call, Control, Trail, organization};

impl Trail {
    /// Whether an account sees the trail in a Region: its own, their copies in
    /// other Regions, and the organization's.
    pub(crate) fn is_visible(
        &self,
        control: &Control,
        account: &AccountId,
        region: &Region,
        now: Timestamp,
    ) -> bool {
        self.is_in(control, account, region)
            && (self.owner == *account
                || (self.organization
                    && organization::has_trails_of(control, &self.owner, account, now)))
    }

    fn is_in(&self, control: &Control, account: &AccountId, region: &Region) -> bool {
        self.home_region == *region
            || (self.multi_region
                && control
                    .accounts
                    .get(account)
                    .is_some_and(|account| account.enabled_regions.contains(region)))
    }

    /// Whether what an account sees in a Region is a copy of the trail.
    pub(super) fn is_shadow(
        &self,
        control: &Control,
        account: &AccountId,
        region: &Region,
    ) -> bool {
        let owns = self.owner == *account
            || (self.organization && organization::administers(control, account));
        self.home_region != *region || !owns
    }
}

/// Every trail that an account sees in a Region, by ARN.
pub(super) fn visible<'a>(
    control: &'a Control,
    account: &AccountId,
    region: &Region,
    now: Timestamp,
) -> Vec<&'a Trail> {
    control
        .accounts
        .values()
        .flat_map(|owner| owner.cloudtrail.trails.values())
        .filter(|trail| trail.is_visible(control, account, region, now))
        .collect()
}

pub(super) fn not_found(call: &Call<'_>, name: &str) -> ApiError {
    ApiError::new(
        "TrailNotFoundException",
        format!("Unknown trail: {name} for the user: {}", call.caller.account),
    )
}

/// The trail that a name or ARN means to the caller in this Region. A name
/// finds the caller's own trails only, an ARN the organization's too.
///
/// # Errors
/// `TrailNotFoundException`, `InvalidTrailNameException`,
/// `CloudTrailARNInvalidException`.
pub(super) fn find<'a>(
    control: &'a Control,
    call: &Call<'_>,
    name: &str,
) -> Result<&'a Trail, ApiError> {
    let account = &call.caller.account;
    if name.starts_with("arn:") {
        let arn = trail_arn(name)?;
        return arn
            .account
            .and_then(|owner| control.accounts.get(&owner))
            .and_then(|owner| owner.cloudtrail.trails.get(name))
            .filter(|trail| {
                trail.owner == *account
                    || (trail.organization
                        && organization::has_trails_of(control, &trail.owner, account, call.now))
            })
            .ok_or_else(|| not_found(call, name));
    }
    parse_name(name)?;
    visible(control, account, call.region, call.now)
        .into_iter()
        .find(|trail| trail.name.as_str() == name && trail.owner == *account)
        .ok_or_else(|| not_found(call, name))
}

pub(super) fn parse_name(name: &str) -> Result<TrailName, ApiError> {
    name.parse().map_err(|error: orgtrail_base::names::NameError| {
        ApiError::new("InvalidTrailNameException", format!("Trail name is not valid: {error}"))
    })
}

/// An ARN that a trail may have.
pub(super) fn trail_arn(text: &str) -> Result<Arn, ApiError> {
    let invalid = || {
        ApiError::new(
            "CloudTrailARNInvalidException",
            format!(
                "The ARN {text} is not the ARN of a trail, as in arn:aws:cloudtrail:us-east-2:123456789012:trail/MyTrail"
            ),
        )
    };
    let arn: Arn = text.parse().map_err(|_| invalid())?;
    if &*arn.service != "cloudtrail" || arn.resource_type() != "trail" || arn.account.is_none() {
        return Err(invalid());
    }
    Ok(arn)
}

/// Asks whether the caller's policies let it do this call on a trail. Whose
/// trail it is does not matter here: delegated administrators act on the
/// management account's by their own policies.
pub(super) fn allow(control: &Control, call: &Call<'_>, trail: &Trail) -> Result<(), ApiError> {
    call.allow(control, &trail.arn.to_string())
}

/// The trail that the caller means and may change here: in its home Region, as
/// its owner, or, if it is the organization's, as who administers that.
///
/// # Errors
/// Beside those of [`find`], `NotOrganizationMasterAccountException` and
/// `InvalidHomeRegionException`.
pub(super) fn manage<'a>(
    control: &'a mut Control,
    call: &Call<'_>,
    name: &str,
) -> Result<&'a mut Trail, ApiError> {
    let trail = find(control, call, name)?;
    allow(control, call, trail)?;
    if trail.owner != call.caller.account {
        organization::require_administrator(control, call)?;
    }
    if trail.home_region != *call.region {
        return Err(ApiError::new(
            "InvalidHomeRegionException",
            format!(
                "Trail {} can be changed only in its home Region, {}; this is {}",
                trail.arn, trail.home_region, call.region
            ),
        ));
    }
    if trail.organization {
        organization::require_prerequisites(control, call, &trail.owner)?;
    }
    let (owner, arn) = (trail.owner.clone(), trail.arn.to_string());
    control
        .accounts
        .get_mut(&owner)
        .and_then(|owner| owner.cloudtrail.trails.get_mut(&arn))
        .ok_or_else(|| not_found(call, name))
}
