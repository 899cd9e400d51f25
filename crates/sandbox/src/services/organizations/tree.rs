//! The root, its units, and what is where.

use jiff::SignedDuration;
use orgtrail_base::names::{AccountId, OrgId, UnitId};
use serde_json::json;

use super::{
    Call, Control, FULL_ACCESS, Member, Organization, Reply, SCP, Unit, invalid, listed, of,
    required, shape,
};
use crate::api::ApiError;
use crate::bootstrap::full_access;
use crate::services::cloudformation::OrganizationsAccess;
use crate::services::iam::create_linked_role;
use crate::services::input::text;
use crate::simulation::LOWER;

/// How long a new organization takes no accounts: up to an hour in AWS.
const FINALIZING: SignedDuration = SignedDuration::from_mins(10);
/// How deep units may lie.
const MAX_DEPTH: usize = 5;

pub(super) fn call(organization: &mut Organization, call: &Call<'_>) -> Option<Reply> {
    Some(match call.operation {
        "ListRoots" => {
            let root = shape::root(call.caller.partition, organization);
            listed(call, "Roots", [(organization.root.to_string(), root)])
        }
        "ListOrganizationalUnitsForParent" => units_of(organization, call),
        "ListAccountsForParent" => parent(organization, call, "ParentId").and_then(|parent| {
            let partition = call.caller.partition;
            let accounts = organization
                .accounts_in(&parent)
                .map(|id| (id.to_string(), shape::account(partition, organization, id)));
            listed(call, "Accounts", accounts)
        }),
        "ListParents" => parents(organization, call),
        "ListChildren" => children(organization, call),
        "DescribeOrganizationalUnit" => {
            unit(organization, call, "OrganizationalUnitId").map(|id| {
                json!({ "OrganizationalUnit": shape::unit(call.caller.partition, organization, &id) })
            })
        }
        "CreateOrganizationalUnit" => create_unit(organization, call),
        "UpdateOrganizationalUnit" => update_unit(organization, call),
        "DeleteOrganizationalUnit" => delete_unit(organization, call),
        _ => return None,
    })
}

pub(super) fn delete_organization(control: &mut Control) -> Reply {
    if of(control)?.members.len() > 1 {
        return Err(ApiError::new(
            "OrganizationNotEmptyException",
            "To delete an organization you must first remove all member accounts.",
        ));
    }
    control.organization = None;
    Ok(json!({}))
}

/// `CreateOrganization`: the caller's account becomes the management account.
pub(super) fn create_organization(control: &mut Control, call: &Call<'_>) -> Reply {
    if control.organization.is_some() {
        return Err(ApiError::new(
            "AlreadyInOrganizationException",
            "The AWS account is already a member of an organization.",
        ));
    }
    create_linked_role(
        control,
        call,
        "organizations.amazonaws.com",
        "AWSServiceRoleForOrganizations",
    )?;
    let internal = |_| ApiError::new("ServiceException", "the sandbox could not create an id");
    let id: OrgId =
        format!("o-{}", call.simulation.random_text(LOWER, 10)).parse().map_err(internal)?;
    let root: UnitId =
        format!("r-{}", call.simulation.random_text(LOWER, 4)).parse().map_err(internal)?;
    let full_access =
        full_access().map_err(|malformed| ApiError::new("ServiceException", malformed.0))?;
    let account = call.caller.account.clone();
    let all_features = text(call.input, "FeatureSet") != Some("CONSOLIDATED_BILLING");
    let member = Member {
        name: "management".to_owned(),
        email: "management@example.com".to_owned(),
        parent: root.clone(),
        joined_at: call.now,
        created: false,
        suspended: false,
        trails_from: None,
        closed_at: None,
    };
    let full = || [FULL_ACCESS.to_owned()].into();
    let organization = Organization {
        id,
        management_account: account.clone(),
        all_features,
        units: [].into(),
        attachments: [(root.to_string(), full()), (account.to_string(), full())].into(),
        root,
        members: [(account, member)].into(),
        policies: [(FULL_ACCESS.to_owned(), full_access)].into(),
        policy_types: [].into(),
        trusted_services: [].into(),
        delegated: [].into(),
        creations: [].into(),
        root_features: [].into(),
        handshakes: [].into(),
        tags: [].into(),
        stacksets: OrganizationsAccess::default(),
        finalizing_until: call.now.checked_add(FINALIZING).ok(),
    };
    debug_assert!(!organization.policy_types.contains(SCP));
    let answer = shape::organization(call.caller.partition, &organization);
    control.organization = Some(organization);
    Ok(json!({ "Organization": answer }))
}

/// A root or unit that a call names.
pub(super) fn parent(
    organization: &Organization,
    call: &Call<'_>,
    name: &str,
) -> Result<UnitId, ApiError> {
    let id: UnitId = required(call, name)?.parse().map_err(|_| {
        invalid(format!(
            "You provided a value for {name} that does not match the required pattern."
        ))
    })?;
    if id == organization.root || organization.units.contains_key(&id) {
        Ok(id)
    } else {
        Err(ApiError::new(
            "ParentNotFoundException",
            format!("You specified parent '{id}' that doesn't exist."),
        ))
    }
}

fn unit(organization: &Organization, call: &Call<'_>, name: &str) -> Result<UnitId, ApiError> {
    let missing = || {
        ApiError::new(
            "OrganizationalUnitNotFoundException",
            "You specified an organizational unit that doesn't exist.",
        )
    };
    let id: UnitId = required(call, name)?.parse().map_err(|_| missing())?;
    if organization.units.contains_key(&id) { Ok(id) } else { Err(missing()) }
}

fn units_of(organization: &Organization, call: &Call<'_>) -> Reply {
    let parent = parent(organization, call, "ParentId")?;
    let units = organization
        .units_in(&parent)
        .map(|id| (id.to_string(), shape::unit(call.caller.partition, organization, id)));
    listed(call, "OrganizationalUnits", units)
}

fn parents(organization: &Organization, call: &Call<'_>) -> Reply {
    let child = required(call, "ChildId")?;
    let account = child.parse::<AccountId>().ok();
    let parent = match (account, child.parse::<UnitId>()) {
        (Some(account), _) => organization.members.get(&account).map(|member| &member.parent),
        (None, Ok(unit)) => organization.units.get(&unit).map(|unit| &unit.parent),
        _ => None,
    };
    let parent = parent.ok_or_else(|| {
        ApiError::new(
            "ChildNotFoundException",
            format!("You specified child '{child}' that doesn't exist."),
        )
    })?;
    let kind = if parent.is_root() { "ROOT" } else { "ORGANIZATIONAL_UNIT" };
    listed(call, "Parents", [(parent.to_string(), json!({ "Id": parent, "Type": kind }))])
}

fn children(organization: &Organization, call: &Call<'_>) -> Reply {
    let parent = parent(organization, call, "ParentId")?;
    let (kind, ids): (&str, Vec<String>) = match text(call.input, "ChildType") {
        Some(kind @ "ACCOUNT") => {
            (kind, organization.accounts_in(&parent).map(ToString::to_string).collect())
        }
        Some(kind @ "ORGANIZATIONAL_UNIT") => {
            (kind, organization.units_in(&parent).map(ToString::to_string).collect())
        }
        _ => return Err(invalid("ChildType must be ACCOUNT or ORGANIZATIONAL_UNIT")),
    };
    let children = ids.into_iter().map(|id| (id.clone(), json!({ "Id": id, "Type": kind })));
    listed(call, "Children", children)
}

fn create_unit(organization: &mut Organization, call: &Call<'_>) -> Reply {
    let parent = parent(organization, call, "ParentId")?;
    let name = required(call, "Name")?.to_owned();
    taken(organization, &parent, &name)?;
    if organization.ancestors(&parent).len() > MAX_DEPTH {
        return Err(ApiError::new(
            "ConstraintViolationException",
            "You have exceeded the allowed depth for organizational units.",
        ));
    }
    let stem = organization.root.as_str().trim_start_matches("r-");
    let id: UnitId = format!("ou-{stem}-{}", call.simulation.random_text(LOWER, 8))
        .parse()
        .map_err(|_| ApiError::new("ServiceException", "the sandbox could not create an id"))?;
    organization.units.insert(id.clone(), Unit { name, parent });
    organization.attachments.insert(id.to_string(), organization.first_policies());
    Ok(json!({ "OrganizationalUnit": shape::unit(call.caller.partition, organization, &id) }))
}

fn taken(organization: &Organization, parent: &UnitId, name: &str) -> Result<(), ApiError> {
    if organization.units.values().any(|unit| unit.parent == *parent && unit.name == name) {
        return Err(ApiError::new(
            "DuplicateOrganizationalUnitException",
            "An OU with the same name already exists.",
        ));
    }
    Ok(())
}

fn update_unit(organization: &mut Organization, call: &Call<'_>) -> Reply {
    let id = unit(organization, call, "OrganizationalUnitId")?;
    if let Some(name) = text(call.input, "Name") {
        let parent = organization.units[&id].parent.clone();
        if organization.units[&id].name != name {
            taken(organization, &parent, name)?;
        }
        if let Some(unit) = organization.units.get_mut(&id) {
            name.clone_into(&mut unit.name);
        }
    }
    Ok(json!({ "OrganizationalUnit": shape::unit(call.caller.partition, organization, &id) }))
}

fn delete_unit(organization: &mut Organization, call: &Call<'_>) -> Reply {
    let id = unit(organization, call, "OrganizationalUnitId")?;
    if organization.units_in(&id).next().is_some() || organization.accounts_in(&id).next().is_some()
    {
        return Err(ApiError::new(
            "OrganizationalUnitNotEmptyException",
            "The specified OU is not empty.",
        ));
    }
    organization.units.remove(&id);
    organization.attachments.remove(id.as_str());
    Ok(json!({}))
}
