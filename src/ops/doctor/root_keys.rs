use super::inputs::Inputs;
use super::item::{Item, grouped, in_accounts};
use crate::aws::{At as _, AwsError, Clients};
use crate::names::AccountId;

const ID: &str = "root-keys";

/// Access keys of root users: nothing restricts them in the management account, and they are
/// long-term credentials everywhere.
pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let read = |clients: Clients, _| async move { has_root_key(&clients).await };
    let (found, failed) = inputs.in_accounts(read).await;
    let mut with_key: Vec<AccountId> =
        found.iter().filter(|(_, has_key)| *has_key).map(|(account, _)| account.clone()).collect();
    with_key.sort();
    let mut items = grouped(ID, failed);
    if !with_key.is_empty() {
        let item = Item::problem(
            ID,
            format!("the root user of {} has an access key", in_accounts(&with_key)),
            "sign in as the root user, and aws iam delete-access-key; for members, centralized root access deletes it (IAMDeleteRootUserCredentials)",
        );
        items.push(item.of_accounts(with_key));
    } else if items.is_empty() && !found.is_empty() {
        items.push(Item::ok(ID, "no root user has an access key"));
    } else if items.is_empty() {
        items.push(Item::waits(ID, "no account's role can be assumed"));
    }
    items
}

async fn has_root_key(clients: &Clients) -> Result<bool, AwsError> {
    use aws_sdk_iam::types::SummaryKeyType::AccountAccessKeysPresent;
    const ACTION: &str = "iam:GetAccountSummary";
    let answer = clients.iam().get_account_summary().send().await.at(clients, ACTION)?;
    let present = answer.summary_map().and_then(|map| map.get(&AccountAccessKeysPresent));
    present
        .map(|present| *present > 0)
        .ok_or_else(|| clients.malformed(ACTION, "a response without AccountAccessKeysPresent"))
}
