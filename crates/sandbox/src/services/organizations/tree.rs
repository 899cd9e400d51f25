//! The root, its units, and what is where.

use orgtrail_base::names::{AccountId, OrgId, UnitId};
use serde_json::{Value, json};

use super::{
    Call, Control, FULL_ACCESS, Member, Organization, Reply, SCP, Simulation, Unit, invalid,
    listed, shape,
};
use crate::api::ApiError;
use crate::bootstrap::full_access;
use crate::services::input::text;
use crate::simulation::LOWER;

/// How deep units may lie.
const MAX_DEPTH: usize = 5;

pub(super) fn call(
    simulation: &Simulation,
    control: &mut Control,
    call: &Call<'_>,
) -> Option<Reply> {
    let organization = control.organization.as_mut()?;
    Some(match call.operation {
        "ListRoots" => {
            let root = shape::root(call.caller.partition, organization);
            listed(call, "Roots", vec![(organization.root.to_string(), root)])
        }
        "ListOrganizationalUnitsForParent" => units_of(organization, call),
        "ListAccountsForParent" => parent(organization, call, "ParentId").and_then(|parent| {
            let accounts = organization
                .members
                .iter()
                .filter(|(_, member)| member.parent == parent)
                .map(|(id, _)| {
                    (id.to_string(), shape::account(call.caller.partition, organization, id))
                })
                .collect();
            listed(call, "Accounts", accounts)
        }),
        "ListParents" => parents(organization, call),
        "ListChildren" => children(organization, call),
        "DescribeOrganizationalUnit" => {
            unit(organization, call, "OrganizationalUnitId").map(|id| {
                json!({ "OrganizationalUnit": shape::unit(call.caller.partition, organization, &id) })
            })
        }
        "CreateOrganizationalUnit" => create_unit(simulation, organization, call),
        "UpdateOrganizationalUnit" => update_unit(organization, call),
        "DeleteOrganizationalUnit" => delete_unit(organization, call),
        "MoveAccount" => move_account(organization, call),
        "DeleteOrganization" => {
            if organization.members.len() > 1 {
                Err(ApiError::new(
                    "OrganizationNotEmptyException",
                    "To delete an organization you must first remove all member accounts.",
                ))
            } else {
                control.organization = None;
                Ok(json!({}))
            }
        }
        _ => return None,
    })
}

/// `CreateOrganization`: the caller's account becomes the management account.
pub(super) fn create_organization(
    simulation: &Simulation,
    control: &mut Control,
    call: &Call<'_>,
) -> Reply {
    if control.organization.is_some() {
        return Err(ApiError::new(
            "AlreadyInOrganizationException",
            "The AWS account is already a member of an organization.",
        ));
    }
    let internal = |_| ApiError::new("ServiceException", "the sandbox could not create an id");
    let id: OrgId = format!("o-{}", simulation.random_text(LOWER, 10)).parse().map_err(internal)?;
    let root: UnitId =
        format!("r-{}", simulation.random_text(LOWER, 4)).parse().map_err(internal)?;
    let full_access =
        full_access().map_err(|malformed| ApiError::new("ServiceException", malformed.0))?;
    let account = call.caller.account.clone();
    let all_features = text(call.input, "FeatureSet") != Some("CONSOLIDATED_BILLING");
    let member = Member {
        name: "management".to_owned(),
        email: "management@example.com".to_owned(),
        parent: root.clone(),
        joined_at: simulation.clock.now(),
        created: false,
        suspended: false,
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
        tags: [].into(),
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
    let id = call.required(name).map_err(|_| invalid(format!("You must specify {name}.")))?;
    let id: UnitId = id.parse().map_err(|_| {
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
    let id: UnitId = call
        .required(name)
        .map_err(|_| invalid(format!("You must specify {name}.")))?
        .parse()
        .map_err(|_| missing())?;
    if organization.units.contains_key(&id) { Ok(id) } else { Err(missing()) }
}

fn units_of(organization: &Organization, call: &Call<'_>) -> Reply {
    let parent = parent(organization, call, "ParentId")?;
    let units = organization
        .units
        .iter()
        .filter(|(_, unit)| unit.parent == parent)
        .map(|(id, _)| (id.to_string(), shape::unit(call.caller.partition, organization, id)))
        .collect();
    listed(call, "OrganizationalUnits", units)
}

fn parents(organization: &Organization, call: &Call<'_>) -> Reply {
    let child = call.required("ChildId").map_err(|_| invalid("You must specify ChildId."))?;
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
    listed(call, "Parents", vec![(parent.to_string(), json!({ "Id": parent, "Type": kind }))])
}

fn children(organization: &Organization, call: &Call<'_>) -> Reply {
    let parent = parent(organization, call, "ParentId")?;
    let children: Vec<(String, Value)> = match text(call.input, "ChildType") {
        Some("ACCOUNT") => organization
            .members
            .iter()
            .filter(|(_, member)| member.parent == parent)
            .map(|(id, _)| (id.to_string(), json!({ "Id": id, "Type": "ACCOUNT" })))
            .collect(),
        Some("ORGANIZATIONAL_UNIT") => organization
            .units
            .iter()
            .filter(|(_, unit)| unit.parent == parent)
            .map(|(id, _)| (id.to_string(), json!({ "Id": id, "Type": "ORGANIZATIONAL_UNIT" })))
            .collect(),
        _ => return Err(invalid("ChildType must be ACCOUNT or ORGANIZATIONAL_UNIT")),
    };
    listed(call, "Children", children)
}

fn create_unit(simulation: &Simulation, organization: &mut Organization, call: &Call<'_>) -> Reply {
    let parent = parent(organization, call, "ParentId")?;
    let name = call.required("Name").map_err(|_| invalid("You must specify Name."))?.to_owned();
    taken(organization, &parent, &name)?;
    if organization.ancestors(&parent).len() > MAX_DEPTH {
        return Err(ApiError::new(
            "ConstraintViolationException",
            "You have exceeded the allowed depth for organizational units.",
        ));
    }
    let stem = organization.root.as_str().trim_start_matches("r-");
    let id: UnitId = format!("ou-{stem}-{}", simulation.random_text(LOWER, 8))
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
    let used = organization.units.values().any(|unit| unit.parent == id)
        || organization.members.values().any(|member| member.parent == id);
    if used {
        return Err(ApiError::new(
            "OrganizationalUnitNotEmptyException",
            "The specified OU is not empty.",
        ));
    }
    organization.units.remove(&id);
    organization.attachments.remove(id.as_str());
    Ok(json!({}))
}

fn move_account(organization: &mut Organization, call: &Call<'_>) -> Reply {
    let account = super::accounts::member(organization, call)?;
    let source = parent(organization, call, "SourceParentId");
    let source = source.map_err(|e| renamed(e, "SourceParentNotFoundException"))?;
    let destination = parent(organization, call, "DestinationParentId");
    let destination = destination.map_err(|e| renamed(e, "DestinationParentNotFoundException"))?;
    if let Some(member) = organization.members.get_mut(&account) {
        if member.parent != source {
            return Err(ApiError::new(
                "AccountNotFoundException",
                "You specified an account that is not in the source parent.",
            ));
        }
        if source == destination {
            return Err(ApiError::new(
                "DuplicateAccountException",
                "The account is already in the destination parent.",
            ));
        }
        member.parent = destination;
    }
    Ok(json!({}))
}

fn renamed(mut error: ApiError, code: &'static str) -> ApiError {
    if error.code == "ParentNotFoundException" {
        error.code = code.into();
    }
    error
}
