use serde_json::{Value, json};

use super::parts;
use crate::Event;
use crate::export::ExportedEvent;
use crate::lenient::{FromMembers, Object, Text};

/// A class of events of OCSF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OcsfClass {
    /// Any call.
    ApiActivity,
    /// A sign-in.
    Authentication,
    /// A change of a user.
    AccountChange,
}

impl OcsfClass {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ApiActivity, Self::Authentication, Self::AccountChange];

    /// Its number.
    #[must_use]
    pub const fn uid(self) -> u32 {
        match self {
            Self::ApiActivity => 6003,
            Self::Authentication => 3002,
            Self::AccountChange => 3001,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ApiActivity => "API Activity",
            Self::Authentication => "Authentication",
            Self::AccountChange => "Account Change",
        }
    }

    pub(super) const fn category(self) -> (u32, &'static str) {
        match self {
            Self::ApiActivity => (6, "Application Activity"),
            Self::Authentication | Self::AccountChange => (3, "Identity & Access Management"),
        }
    }
}

/// What was done, among the activities of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Activity {
    pub(super) id: u32,
    pub(super) name: String,
}

/// An activity that the class has no number for: its name is the event's.
const OTHER: u32 = 99;

/// The class of an event, and what was done.
///
/// Sign-ins are Authentication, changes of users are Account Change; a record that does not
/// say which user is API Activity, as everything else.
pub(super) fn of(row: &ExportedEvent<'_>) -> (OcsfClass, Activity) {
    let event = &row.event;
    let name = event.name.as_deref().unwrap_or("Unknown");
    let source = event.source.as_deref().unwrap_or_default();
    let service = source.strip_suffix(".amazonaws.com").unwrap_or(source);
    let activity = |id: u32, words: &str| Activity {
        id,
        name: if id == OTHER { name } else { words }.to_owned(),
    };
    if service == "signin" && parts::user(&event.identity).is_some() {
        let (id, words) = match name {
            "ConsoleLogin" | "UserAuthentication" => (1, "Logon"),
            "Logout" | "SignOut" => (2, "Logoff"),
            _ => (OTHER, ""),
        };
        return (OcsfClass::Authentication, activity(id, words));
    }
    if let Some((id, words)) = account_change(service, name)
        && changed_user(row).is_some()
    {
        return (OcsfClass::AccountChange, activity(id, words));
    }
    let (id, words) = api_activity(event, name);
    (OcsfClass::ApiActivity, activity(id, words))
}

fn api_activity(event: &Event<'_>, name: &str) -> (u32, &'static str) {
    const READS: &[&str] =
        &["Get", "List", "Describe", "Head", "Lookup", "Search", "Query", "Scan", "BatchGet"];
    const CREATES: &[&str] =
        &["Create", "Run", "Allocate", "Register", "Import", "Request", "Issue", "Copy"];
    const UPDATES: &[&str] = &[
        "Update",
        "Modify",
        "Put",
        "Set",
        "Attach",
        "Detach",
        "Associate",
        "Disassociate",
        "Add",
        "Remove",
        "Enable",
        "Disable",
        "Tag",
        "Untag",
        "Change",
        "Replace",
        "Reset",
    ];
    const DELETES: &[&str] =
        &["Delete", "Terminate", "Release", "Deregister", "BatchDelete", "ScheduleKeyDeletion"];
    let is_any = |verbs: &[&str]| verbs.iter().any(|verb| name.starts_with(verb));
    if event.read_only == Some(true) || (event.read_only.is_none() && is_any(READS)) {
        (2, "Read")
    } else if is_any(CREATES) {
        (1, "Create")
    } else if is_any(UPDATES) {
        (3, "Update")
    } else if is_any(DELETES) {
        (4, "Delete")
    } else {
        (OTHER, "")
    }
}

/// What was done to a user.
fn account_change(service: &str, name: &str) -> Option<(u32, &'static str)> {
    if !matches!(service, "iam" | "identitystore" | "sso-directory") {
        return None;
    }
    Some(match name {
        "CreateUser" => (1, "Create"),
        "CreateLoginProfile" | "EnableUser" => (2, "Enable"),
        "ChangePassword" => (3, "Password Change"),
        "UpdateLoginProfile" | "UpdatePassword" => (4, "Password Reset"),
        "DeleteLoginProfile" | "DisableUser" => (5, "Disable"),
        "DeleteUser" => (6, "Delete"),
        "AttachUserPolicy" | "PutUserPolicy" => (7, "Attach Policy"),
        "DetachUserPolicy" | "DeleteUserPolicy" => (8, "Detach Policy"),
        "EnableMFADevice" => (10, "MFA Factor Enable"),
        "DeactivateMFADevice" => (11, "MFA Factor Disable"),
        "UpdateUser"
        | "CreateAccessKey"
        | "UpdateAccessKey"
        | "DeleteAccessKey"
        | "AddUserToGroup"
        | "RemoveUserFromGroup"
        | "PutUserPermissionsBoundary"
        | "DeleteUserPermissionsBoundary" => (OTHER, ""),
        _ => return None,
    })
}

/// The user that was changed: that of the request, or who changed its own password.
pub(super) fn changed_user(row: &ExportedEvent<'_>) -> Option<Value> {
    let event = &row.event;
    if event.name.as_deref() == Some("ChangePassword") {
        return parts::user(&event.identity);
    }
    let parameters = event.request?.get();
    let Object(named) = serde_json::from_str::<Object<NamedUser>>(parameters).ok()?;
    let NamedUser { name, id } = named?;
    let mut user = json!({ "type": "User", "type_id": 1 });
    if let Some(name) = &name {
        user["name"] = name.as_str().into();
    }
    if let Some(id) = &id {
        user["uid"] = id.as_str().into();
    }
    if let Some(account) = row.account() {
        user["account"] = parts::account(account);
    }
    (name.is_some() || id.is_some()).then_some(user)
}

#[derive(Default)]
struct NamedUser {
    name: Option<String>,
    id: Option<String>,
}

impl<'r> FromMembers<'r> for NamedUser {
    fn member<A: serde::de::MapAccess<'r>>(
        &mut self,
        name: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let Text(text) = map.next_value()?;
        let text = text.filter(|text| !text.is_empty()).map(std::borrow::Cow::into_owned);
        match name {
            "userName" => self.name = text,
            "userId" => self.id = text,
            _ => {}
        }
        Ok(())
    }
}
