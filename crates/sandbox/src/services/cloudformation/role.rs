//! The roles of stacks, which are IAM roles of the account, created with the rights of the
//! principal that creates the stack.

use std::collections::BTreeMap;

use jiff::Timestamp;
use orgtrail_base::names::Region;

use super::template::RoleResource;
use crate::auth::Caller;
use crate::policy::{Document, PolicyType, Request};
use crate::principals;
use crate::services::iam::{self, Grants, Role};
use crate::simulation::{ALPHANUMERIC, BASE32, Control, Simulation};

/// Who changes the roles of a stack, where and when.
pub(super) struct Actor<'a> {
    pub(super) simulation: &'a Simulation,
    /// In the account of the stack.
    pub(super) caller: &'a Caller,
    pub(super) region: &'a Region,
    pub(super) now: Timestamp,
}

/// Why a resource is not as its template says, in AWS's words.
type Reason = String;

impl Actor<'_> {
    fn arn(&self, path: &str, name: &str) -> String {
        iam::arn(self.caller.partition, &self.caller.account, "role", path, name)
    }

    fn allow(&self, control: &Control, action: &str, arn: &str) -> Result<(), Reason> {
        let (account, region) = (&self.caller.account, self.region);
        let request = Request::over_tls(action, arn, account, region);
        control.authorize(self.caller, &request).map_err(|error| error.message)
    }

    /// Creates a role, and returns its name.
    pub(super) fn create(
        &self,
        control: &mut Control,
        wanted: &RoleResource,
        tags: &BTreeMap<String, String>,
        stack: &str,
    ) -> Result<String, Reason> {
        let name = wanted.name.clone().unwrap_or_else(|| {
            let suffix = self.simulation.random_text(ALPHANUMERIC, 12);
            format!("{stack}-{}-{suffix}", wanted.logical_id)
        });
        let arn = self.arn(&wanted.path, &name);
        self.allow(control, "iam:CreateRole", &arn)?;
        let exists = control
            .accounts
            .get(&self.caller.account)
            .is_some_and(|account| account.iam.roles.contains_key(&name));
        if exists {
            return Err(format!(
                "Resource of type 'AWS::IAM::Role' with identifier '{name}' already exists."
            ));
        }
        if !tags.is_empty() {
            self.allow(control, "iam:TagRole", &arn)?;
        }
        let role = self.role(control, wanted, tags, &arn)?;
        self.insert(control, &name, role);
        Ok(name)
    }

    /// Changes a role that its stack created.
    pub(super) fn update(
        &self,
        control: &mut Control,
        wanted: &RoleResource,
        tags: &BTreeMap<String, String>,
        name: &str,
    ) -> Result<(), Reason> {
        let account = control.accounts.get(&self.caller.account);
        let before = account.and_then(|account| account.iam.roles.get(name)).cloned();
        let gone = || format!("The role with name {name} cannot be found.");
        let before = before.ok_or_else(gone)?;
        if before.path != wanted.path {
            return Err(format!(
                "CloudFormation cannot update a stack when a custom-named resource requires \
                 replacing. Rename {name} and update the stack again."
            ));
        }
        let arn = self.arn(&wanted.path, name);
        let mut role = self.role(control, wanted, tags, &arn)?;
        if role.trust.text() != before.trust.text() {
            self.allow(control, "iam:UpdateAssumeRolePolicy", &arn)?;
        }
        for removed in before.grants.inline.keys() {
            if !role.grants.inline.contains_key(removed) {
                self.allow(control, "iam:DeleteRolePolicy", &arn)?;
            }
        }
        if role.description != before.description
            || role.max_session_seconds != before.max_session_seconds
        {
            self.allow(control, "iam:UpdateRole", &arn)?;
        }
        if role.grants.tags != before.grants.tags {
            self.allow(control, "iam:TagRole", &arn)?;
        }
        (role.id, role.created_at) = (before.id, before.created_at);
        self.insert(control, name, role);
        Ok(())
    }

    /// Deletes a role; what does not exist is deleted already.
    pub(super) fn delete(
        &self,
        control: &mut Control,
        name: &str,
        declared: Option<&RoleResource>,
    ) -> Result<(), Reason> {
        let account = control.accounts.get(&self.caller.account);
        let Some(role) = account.and_then(|account| account.iam.roles.get(name)).cloned() else {
            return Ok(());
        };
        let arn = self.arn(&role.path, name);
        self.allow(control, "iam:DeleteRole", &arn)?;
        let managed = declared.map_or(&[][..], |declared| &declared.managed);
        if role.grants.attached.iter().any(|policy| !managed.contains(policy)) {
            return Err("Cannot delete entity, must detach all policies first.".to_owned());
        }
        let is_declared =
            |policy: &String| declared.is_some_and(|it| it.inline.contains_key(policy));
        if !role.grants.inline.keys().all(is_declared) {
            return Err("Cannot delete entity, must delete policies first.".to_owned());
        }
        if !role.grants.inline.is_empty() {
            self.allow(control, "iam:DeleteRolePolicy", &arn)?;
        }
        if let Some(account) = control.accounts.get_mut(&self.caller.account) {
            account.iam.roles.remove(name);
        }
        principals::forget(control, &self.simulation.s3, &arn, &role.id);
        Ok(())
    }

    fn insert(&self, control: &mut Control, name: &str, role: Role) {
        let arn = self.arn(&role.path, name);
        if let Some(account) = control.accounts.get_mut(&self.caller.account) {
            account.iam.roles.insert(name.to_owned(), role);
        }
        self.simulation.faults.written(&arn, self.now);
    }

    /// The role that a template declares.
    fn role(
        &self,
        control: &Control,
        wanted: &RoleResource,
        tags: &BTreeMap<String, String>,
        arn: &str,
    ) -> Result<Role, Reason> {
        let trust = principals::resolved(control, self.caller.partition, &wanted.trust)
            .map_err(|unknown| format!("Invalid principal in policy: \"AWS\":\"{unknown}\""))?;
        let trust = Document::new(trust, PolicyType::Trust).map_err(|error| error.0)?;
        let mut grants = Grants { tags: tags.clone(), ..Grants::default() };
        for (name, policy) in &wanted.inline {
            self.allow(control, "iam:PutRolePolicy", arn)?;
            let document = Document::new(policy.clone(), PolicyType::Identity);
            grants.inline.insert(name.clone(), document.map_err(|error| error.0)?);
        }
        let iam = control.accounts.get(&self.caller.account).map(|account| &account.iam);
        let is_known = |policy: &str| iam.is_some_and(|iam| iam.managed(policy).is_some());
        let unattachable =
            |policy: &str| format!("Policy {policy} does not exist or is not attachable.");
        for policy in &wanted.managed {
            self.allow(control, "iam:AttachRolePolicy", arn)?;
            if !is_known(policy) {
                return Err(unattachable(policy));
            }
            grants.attached.insert(policy.clone());
        }
        if let Some(boundary) = &wanted.boundary {
            self.allow(control, "iam:PutRolePermissionsBoundary", arn)?;
            if !is_known(boundary) {
                return Err(format!("Scope ARN: {boundary} does not exist or is not attachable."));
            }
            grants.boundary = Some(boundary.clone());
        }
        Ok(Role {
            id: format!("AROA{}", self.simulation.random_text(BASE32, 17)),
            path: wanted.path.clone(),
            created_at: self.now,
            trust,
            grants,
            description: wanted.description.clone(),
            max_session_seconds: wanted.max_session_seconds,
        })
    }
}
