//! The condition keys that every request has.

use std::borrow::Cow;

use orgtrail_base::names::AccountId;
use orgtrail_base::policy::eval::ConditionKeys;

use super::Request;
use crate::auth::{Caller, Identity};
use crate::clock::real_now;
use crate::simulation::Control;

/// A request under decision, as a source of condition keys.
pub(super) struct Context<'a> {
    pub(super) control: &'a Control,
    pub(super) caller: Option<&'a Caller>,
    pub(super) request: &'a Request<'a>,
}

impl Context<'_> {
    fn service(&self) -> Option<(&str, Option<&str>)> {
        match &self.caller?.identity {
            Identity::Service { principal, source_arn } => Some((principal, source_arn.as_deref())),
            _ => None,
        }
    }

    /// The caller, where it is a principal of an account.
    fn member(&self) -> Option<&Caller> {
        self.caller.filter(|caller| !matches!(caller.identity, Identity::Service { .. }))
    }

    fn org_id(&self, account: &AccountId) -> Option<String> {
        let organization = self.control.organization.as_ref()?;
        organization.members.contains_key(account).then(|| organization.id.to_string())
    }

    fn org_path(&self, account: &AccountId) -> Option<String> {
        self.control.organization.as_ref()?.path_of(account)
    }

    fn single(&self, key: &str) -> Option<Cow<'_, str>> {
        let owned = |text: String| Some(Cow::Owned(text));
        let flag = |flag: bool| Some(Cow::Borrowed(if flag { "true" } else { "false" }));
        match key {
            "aws:securetransport" => flag(self.request.secure_transport),
            "aws:currenttime" => owned(real_now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            "aws:epochtime" => owned(real_now().as_second().to_string()),
            "aws:requestedregion" => Some(Cow::Borrowed(self.request.region.as_str())),
            "aws:resourceaccount" => Some(Cow::Borrowed(self.request.resource_account.as_str())),
            "aws:resourceorgid" => owned(self.org_id(self.request.resource_account)?),
            "aws:viaawsservice" => flag(false),
            "aws:principalisawsservice" => flag(self.service().is_some()),
            "aws:principalservicename" => self.service().map(|(name, _)| Cow::Borrowed(name)),
            "aws:sourcearn" => self.service()?.1.map(Cow::Borrowed),
            "aws:sourceaccount" => {
                self.service()?;
                Some(Cow::Borrowed(self.caller?.account.as_str()))
            }
            "aws:sourceorgid" => {
                self.service()?;
                owned(self.org_id(&self.caller?.account)?)
            }
            // Services call from inside AWS.
            "aws:sourceip" => self.service().is_none().then_some(Cow::Borrowed("127.0.0.1")),
            "aws:principaltype" => Some(Cow::Borrowed(match self.caller.map(|c| &c.identity) {
                None => "Anonymous",
                Some(Identity::Root) => "Account",
                Some(Identity::User(_)) => "User",
                Some(Identity::AssumedRole { .. }) => "AssumedRole",
                Some(Identity::Service { .. }) => return None,
            })),
            "aws:principalarn" => owned(self.member()?.principal_arn()),
            "aws:principalaccount" => Some(Cow::Borrowed(self.member()?.account.as_str())),
            "aws:principalorgid" => owned(self.org_id(&self.member()?.account)?),
            "aws:userid" => match self.member() {
                None => Some(Cow::Borrowed("anonymous")),
                Some(caller) => owned(self.control.user_id(caller)),
            },
            "aws:username" => match &self.member()?.identity {
                Identity::User(name) => {
                    Some(Cow::Borrowed(name.rsplit('/').next().unwrap_or(name)))
                }
                _ => None,
            },
            // Long-term credentials do not have the key at all.
            "aws:multifactorauthpresent" => {
                let caller = self.member()?;
                if caller.temporary { flag(caller.mfa_at.is_some()) } else { None }
            }
            "aws:multifactorauthage" => {
                let at = self.member()?.mfa_at?;
                owned(real_now().duration_since(at).as_secs().max(0).to_string())
            }
            _ => {
                let tag = key.strip_prefix("aws:principaltag/")?;
                let caller = self.member()?;
                let iam = &self.control.accounts.get(&caller.account)?.iam;
                iam.tag_of(&caller.identity, tag).map(Cow::Borrowed)
            }
        }
    }
}

impl ConditionKeys for Context<'_> {
    fn values(&self, key: &str) -> Vec<Cow<'_, str>> {
        let given: Vec<_> = self
            .request
            .context
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, value)| Cow::Borrowed(value.as_str()))
            .collect();
        if !given.is_empty() {
            return given;
        }
        match key {
            "aws:principalorgpaths" => {
                let path = self.member().and_then(|caller| self.org_path(&caller.account));
                path.map(Cow::Owned).into_iter().collect()
            }
            "aws:resourceorgpaths" => {
                self.org_path(self.request.resource_account).map(Cow::Owned).into_iter().collect()
            }
            _ => self.single(key).into_iter().collect(),
        }
    }
}
