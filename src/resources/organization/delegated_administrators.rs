use std::collections::BTreeSet;

use serde::Serialize;

use crate::aws::{At, AwsError, Observation};
use crate::names::AccountId;
use crate::policy::CLOUDTRAIL;
use crate::resources::change::{Change, FieldChange};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// The accounts, other than the management account, that may manage the organization's
/// trails: exactly the declared ones.
///
/// Source: Organizations `ListDelegatedAdministrators`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DelegatedAdministrators {
    /// Their ids.
    pub accounts: BTreeSet<AccountId>,
}

impl Resource for DelegatedAdministrators {
    type State = Self;
    const ID: &'static str = "delegated-administrators";
    const DEPENDS_ON: &'static [&'static str] = &["trusted-access", "service-linked-role"];
    const ACTIONS: &'static [&'static str] = &[
        "cloudtrail:DeregisterOrganizationDelegatedAdmin",
        "cloudtrail:RegisterOrganizationDelegatedAdmin",
        // CloudTrail calls these on behalf of its caller.
        "organizations:DeregisterDelegatedAdministrator",
        "organizations:ListDelegatedAdministrators",
        "organizations:RegisterDelegatedAdministrator",
    ];

    fn location(desired: &Desired) -> Location {
        desired.management_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.partition().has_cloudtrail_delegated_administrators()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        const ACTION: &str = "organizations:ListDelegatedAdministrators";
        if !Self::is_enabled(context.desired) {
            return Observation::Absent;
        }
        let management = &context.management();
        let found = management
            .organizations()
            .list_delegated_administrators()
            .service_principal(CLOUDTRAIL)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .at(management, ACTION)
            .and_then(|found| {
                let id = |id: Option<&str>| id.and_then(|id| id.parse().ok());
                let accounts = found.iter().map(|one| id(one.id())).collect::<Option<_>>();
                accounts.ok_or_else(|| {
                    management.malformed(ACTION, "an administrator without an account's id")
                })
            });
        // If Organizations does not know the service, no account is registered.
        let unknown_service = |error: &AwsError| {
            error.is_code("InvalidInputException")
                && error.message.as_deref().is_some_and(|text| text.contains("service principal"))
        };
        Observation::from_result(found, unknown_service).map(|accounts| Self { accounts })
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let none = BTreeSet::new();
        let found = found.map_or(&none, |found| &found.accounts);
        let declared = declared(desired);
        let gone = found.difference(&declared).map(|account| {
            FieldChange::new(format!("accounts.{account}"), Some("registered"), None::<String>)
        });
        let new = declared.difference(found).map(|account| {
            FieldChange::new(format!("accounts.{account}"), None::<String>, Some("registered"))
        });
        Change::update("only the configured accounts may manage trails", gone.chain(new).collect())
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.management();
        let declared = declared(context.desired);
        let none = BTreeSet::new();
        let found =
            context.observed.delegated_administrators.present().map_or(&none, |f| &f.accounts);
        // Deregisters before it registers: three are allowed.
        for account in found.difference(&declared) {
            context
                .retry(|| async {
                    clients
                        .cloudtrail()
                        .deregister_organization_delegated_admin()
                        .delegated_admin_account_id(account.as_str())
                        .send()
                        .await
                        .at(&clients, "cloudtrail:DeregisterOrganizationDelegatedAdmin")
                })
                .await?;
        }
        for account in declared.difference(found) {
            context
                .retry(|| async {
                    clients
                        .cloudtrail()
                        .register_organization_delegated_admin()
                        .member_account_id(account.as_str())
                        .send()
                        .await
                        .at(&clients, "cloudtrail:RegisterOrganizationDelegatedAdmin")
                })
                .await?;
        }
        Ok(())
    }
}

fn declared(desired: &Desired) -> BTreeSet<AccountId> {
    desired.config.organization.delegated_administrators.iter().cloned().collect()
}
