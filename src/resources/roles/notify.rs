//! What the service's notifications need in the accounts of their targets.

use super::grant::{Grant, Scope};
use crate::config::{Config, NotifyKind, NotifyTarget};
use crate::names::{AccountId, Arn};

/// The targets of a kind that are called with the credentials for AWS.
fn targets(config: &Config, kind: NotifyKind) -> impl Iterator<Item = &Arn> {
    let channels = config.service.notify.iter().filter(move |it| it.kind == kind);
    channels.filter_map(|channel| match &channel.target {
        Some(NotifyTarget::Arn(arn)) => Some(arn),
        _ => None,
    })
}

/// The accounts of all targets.
pub(super) fn accounts(config: &Config) -> impl Iterator<Item = &AccountId> {
    let kinds = NotifyKind::ALL.iter().filter(|kind| kind.is_aws());
    kinds.flat_map(|kind| targets(config, *kind)).filter_map(|arn| arn.account.as_ref())
}

pub(super) fn grants(scope: &Scope<'_>) -> Vec<Grant> {
    let of = |kind| -> Vec<&Arn> {
        let own = |arn: &&Arn| arn.account.as_ref() == scope.account;
        targets(scope.config, kind).filter(own).collect()
    };
    let mut grants = Vec::new();
    let topics = of(NotifyKind::Sns);
    if !topics.is_empty() {
        let why = "Publishes notifications of the service to the declared topics.";
        let topics = topics.iter().map(ToString::to_string);
        grants.push(Grant::new("PublishNotifications", ["sns:Publish"], topics, why));
    }
    let buses = of(NotifyKind::EventBridge);
    if !buses.is_empty() {
        let why = "Puts notifications of the service on the declared event buses.";
        let buses = buses.iter().map(ToString::to_string);
        grants.push(Grant::new("PutNotifications", ["events:PutEvents"], buses, why));
    }
    let products: Vec<String> =
        of(NotifyKind::SecurityHub).into_iter().filter_map(product).collect();
    if !products.is_empty() {
        let why = "Imports findings into Security Hub as the account's own product.";
        let actions = ["securityhub:BatchImportFindings"];
        grants.push(Grant::new("ImportFindings", actions, products, why));
    }
    grants
}

/// The product that an account's own findings belong to.
fn product(hub: &Arn) -> Option<String> {
    let (region, account) = (hub.region.as_ref()?, hub.account.as_ref()?);
    let resource = format!("product/{account}/default");
    Some(Arn::regional(hub.partition, "securityhub", region, account, resource).to_string())
}
