//! Groups of users.

use orgtrail_base::names::{AccountId, Partition};
use serde_json::{Value, json};

use super::{
    Call, Control, Grants, Group, Reply, Simulation, arn, conflict, exists, iam, iam_mut, listed,
    name, no_such, path, users,
};
use crate::services::input::seconds;
use crate::simulation::BASE32;

pub(super) fn call(
    simulation: &Simulation,
    control: &mut Control,
    call: &Call<'_>,
) -> Option<Reply> {
    Some(match call.operation {
        "CreateGroup" => create(simulation, control, call),
        "GetGroup" => get(control, call),
        "ListGroups" => list(control, call),
        "DeleteGroup" => delete(control, call),
        "AddUserToGroup" | "RemoveUserFromGroup" => join(control, call),
        "ListGroupsForUser" => of_user(control, call),
        _ => return None,
    })
}

fn shape(partition: Partition, account: &AccountId, name: &str, group: &Group) -> Value {
    json!({
        "Path": group.path,
        "GroupName": name,
        "GroupId": group.id,
        "Arn": arn(partition, account, "group", &group.path, name),
        "CreateDate": seconds(group.created_at),
    })
}

fn allow(control: &Control, call: &Call<'_>, name: &str) -> Reply {
    let path = iam(control, call)?.groups.get(name).map_or("/", |group| &group.path);
    call.allow(control, &arn(call.caller.partition, &call.caller.account, "group", path, name))?;
    Ok(Value::Null)
}

fn create(simulation: &Simulation, control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "GroupName")?;
    allow(control, call, name)?;
    let group = Group {
        id: format!("AGPA{}", simulation.random_text(BASE32, 17)),
        path: path(call)?,
        created_at: simulation.clock.now(),
        grants: Grants::default(),
    };
    let state = iam_mut(control, call)?;
    if state.groups.contains_key(name) {
        return Err(exists("Group", name));
    }
    let answer = shape(call.caller.partition, &call.caller.account, name, &group);
    state.groups.insert(name.to_owned(), group);
    Ok(json!({ "Group": answer }))
}

fn get(control: &Control, call: &Call<'_>) -> Reply {
    let name = name(call, "GroupName")?;
    allow(control, call, name)?;
    let state = iam(control, call)?;
    let group = state.groups.get(name).ok_or_else(|| no_such("group", name))?;
    let (partition, account) = (call.caller.partition, &call.caller.account);
    let members: Vec<Value> = state
        .users
        .iter()
        .filter(|(_, user)| user.groups.contains(name))
        .map(|(user_name, user)| users::shape(partition, account, user_name, user))
        .collect();
    Ok(json!({
        "Group": shape(partition, account, name, group),
        "Users": members,
        "IsTruncated": false,
    }))
}

fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let groups = iam(control, call)?
        .groups
        .iter()
        .map(|(name, group)| {
            (name.clone(), shape(call.caller.partition, &call.caller.account, name, group))
        })
        .collect();
    listed(call, "Groups", groups)
}

fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "GroupName")?;
    allow(control, call, name)?;
    let state = iam_mut(control, call)?;
    let group = state.groups.get(name).ok_or_else(|| no_such("group", name))?;
    if !group.grants.inline.is_empty() || !group.grants.attached.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    if state.users.values().any(|user| user.groups.contains(name)) {
        return Err(conflict("Cannot delete entity, must remove users from group first."));
    }
    state.groups.remove(name);
    Ok(json!({}))
}

fn join(control: &mut Control, call: &Call<'_>) -> Reply {
    let group = name(call, "GroupName")?;
    let user_name = name(call, "UserName")?;
    allow(control, call, group)?;
    let state = iam_mut(control, call)?;
    if !state.groups.contains_key(group) {
        return Err(no_such("group", group));
    }
    let user = state.users.get_mut(user_name).ok_or_else(|| no_such("user", user_name))?;
    if call.operation == "AddUserToGroup" {
        user.groups.insert(group.to_owned());
    } else if !user.groups.remove(group) {
        return Err(no_such("user", user_name));
    }
    Ok(json!({}))
}

fn of_user(control: &Control, call: &Call<'_>) -> Reply {
    let user_name = name(call, "UserName")?;
    call.allow(control, &users::resource(control, call, user_name)?)?;
    let state = iam(control, call)?;
    let user = state.users.get(user_name).ok_or_else(|| no_such("user", user_name))?;
    let groups = user
        .groups
        .iter()
        .filter_map(|name| Some((name, state.groups.get(name)?)))
        .map(|(name, group)| {
            (name.clone(), shape(call.caller.partition, &call.caller.account, name, group))
        })
        .collect();
    listed(call, "Groups", groups)
}
