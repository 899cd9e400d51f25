//! Groups of users.

use serde_json::{Value, json};

use super::{
    Call, Control, Grants, Group, Reply, conflict, exists, iam, iam_mut, listed, name, no_such,
    own_arn, path, users,
};
use crate::api::ApiError;
use crate::services::input::seconds;
use crate::simulation::BASE32;

fn shape(call: &Call<'_>, name: &str, group: &Group) -> Value {
    json!({
        "Path": group.path,
        "GroupName": name,
        "GroupId": group.id,
        "Arn": own_arn(call, "group", &group.path, name),
        "CreateDate": seconds(group.created_at),
    })
}

fn allow(control: &Control, call: &Call<'_>, name: &str) -> Result<(), ApiError> {
    let path = iam(control, call)?.groups.get(name).map_or("/", |group| &group.path);
    call.allow(control, &own_arn(call, "group", path, name))
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "GroupName")?;
    allow(control, call, name)?;
    let group = Group {
        id: format!("AGPA{}", call.simulation.random_text(BASE32, 17)),
        path: path(call)?,
        created_at: call.now,
        grants: Grants::default(),
    };
    let state = iam_mut(control, call)?;
    if state.groups.contains_key(name) {
        return Err(exists("Group", name));
    }
    let answer = shape(call, name, &group);
    state.groups.insert(name.to_owned(), group);
    Ok(json!({ "Group": answer }))
}

pub(super) fn get(control: &Control, call: &Call<'_>) -> Reply {
    let name = name(call, "GroupName")?;
    allow(control, call, name)?;
    let state = iam(control, call)?;
    let group = state.groups.get(name).ok_or_else(|| no_such("group", name))?;
    let members: Vec<Value> = state
        .users
        .iter()
        .filter(|(_, user)| user.groups.contains(name))
        .map(|(user_name, user)| users::shape(call, user_name, user))
        .collect();
    Ok(json!({
        "Group": shape(call, name, group),
        "Users": members,
        "IsTruncated": false,
    }))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let groups = iam(control, call)?.groups.iter();
    listed(call, "Groups", groups.map(|(name, group)| (name.clone(), shape(call, name, group))))
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
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

pub(super) fn join(control: &mut Control, call: &Call<'_>) -> Reply {
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

pub(super) fn of_user(control: &Control, call: &Call<'_>) -> Reply {
    let user_name = name(call, "UserName")?;
    call.allow(control, &users::resource(control, call, user_name)?)?;
    let state = iam(control, call)?;
    let user = state.users.get(user_name).ok_or_else(|| no_such("user", user_name))?;
    let groups = user
        .groups
        .iter()
        .filter_map(|name| Some((name.clone(), shape(call, name, state.groups.get(name)?))));
    listed(call, "Groups", groups)
}
