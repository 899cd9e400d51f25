//! Public keys: given, or listed for each Region.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use tokio::sync::{Mutex, OnceCell};

use super::{ChainScope, Finding, Window};
use crate::archive::verify::finding::FindingKind;
use crate::archive::verify::public_keys::{KeyItem, KeyListError, PublicKeySet, SIGNED_WITHIN};
use crate::aws::{At as _, Aws, AwsError, ErrorKind};
use crate::names::{AccountId, Region};

/// The date of CloudTrail's first digests. Source: CloudTrail's document history.
const FIRST_DIGESTS: &str = "2015-10-01T00:00:00Z";

/// The source of public keys.
#[derive(Debug, Clone)]
pub enum PublicKeySource {
    /// Only these keys.
    Given(Arc<PublicKeySet>),
    /// Only the keys saved in the verified source: its supplier may have created them, so they
    /// prove nothing by themselves. The keys of some Regions may be incomplete.
    Saved(Arc<PublicKeySet>, Arc<BTreeSet<Region>>),
    /// `ListPublicKeys` of each digest's Region; for earlier times, the saved keys.
    Api(ApiKeys),
}

/// The keys of one Region, by provenance.
#[derive(Debug, Clone)]
pub struct RegionKeys {
    /// Listed by AWS, or given by the user.
    pub listed: Arc<PublicKeySet>,
    /// Saved in the archive, by anyone with write access. They are used only for times before
    /// AWS's list starts.
    pub saved: Arc<PublicKeySet>,
    /// Why the keys could not be listed.
    pub failed: Option<Finding>,
}

/// Keys that are listed once per Region.
#[derive(Debug, Clone)]
pub struct ApiKeys {
    aws: Aws,
    account: AccountId,
    /// Further accounts, by Regions that they have or had enabled.
    others: Arc<parking_lot::Mutex<BTreeMap<Region, BTreeSet<AccountId>>>>,
    saved: PublicKeySet,
    now: Timestamp,
    asked: Arc<Mutex<BTreeMap<Region, Arc<OnceCell<RegionKeys>>>>>,
}

/// Why keys could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListKeysError {
    /// The call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The response contains an invalid key.
    #[error(transparent)]
    Keys(#[from] KeyListError),
}

impl ListKeysError {
    /// A hint for the user.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Aws(error) => error.hint(),
            Self::Keys(_) => None,
        }
    }

    /// Whether the endpoint did not respond, so another account would fail too.
    fn is_endpoint_failure(&self) -> bool {
        match self {
            Self::Aws(error) => matches!(error.kind(), ErrorKind::Network | ErrorKind::Timeout),
            Self::Keys(_) => false,
        }
    }
}

impl ApiKeys {
    /// Lists keys with `account` in its enabled Regions, with saved keys for times for which AWS
    /// no longer lists keys.
    #[must_use]
    pub fn new(aws: Aws, account: AccountId, saved: PublicKeySet, now: Timestamp) -> Self {
        Self { aws, account, others: Arc::default(), saved, now, asked: Arc::default() }
    }

    /// Adds accounts that have a Region enabled, such as those with digests there. They are used
    /// if the first account fails: the keys of a Region are the same in all accounts, but only
    /// accounts that have opted in can list them.
    pub fn add_accounts<'a>(
        &self,
        region: &Region,
        accounts: impl IntoIterator<Item = &'a AccountId>,
    ) {
        let mut others = self.others.lock();
        others.entry(region.clone()).or_default().extend(accounts.into_iter().cloned());
    }

    /// The accounts that list a Region's keys, in order.
    fn accounts_for(&self, region: &Region) -> Vec<AccountId> {
        let others = self.others.lock().get(region).cloned().unwrap_or_default();
        let others = others.into_iter().filter(|other| *other != self.account);
        std::iter::once(self.account.clone()).chain(others).collect()
    }

    async fn of(&self, region: &Region, window: Window) -> RegionKeys {
        let cell = Arc::clone(self.asked.lock().await.entry(region.clone()).or_default());
        let answer = cell.get_or_init(async || {
            let (listed, failed) = match self.list(region, window).await {
                Ok(listed) => (listed, None),
                Err(error) => {
                    let finding = Finding::new(FindingKind::Unreadable)
                        .with_mismatch(format!("the public keys of {region}"), error);
                    (PublicKeySet::default(), Some(finding))
                }
            };
            let saved = self.saved.before(&listed, region);
            RegionKeys { listed: Arc::new(listed), saved: Arc::new(saved), failed }
        });
        answer.await.clone()
    }

    /// Lists all keys that signed digests of a Region in the window, with the first account that
    /// has the Region enabled.
    ///
    /// # Errors
    /// No account could list the keys; the error is the last account's.
    pub async fn list(
        &self,
        region: &Region,
        window: Window,
    ) -> Result<PublicKeySet, ListKeysError> {
        let mut accounts = self.accounts_for(region).into_iter().peekable();
        loop {
            let Some(account) = accounts.next() else { return Ok(PublicKeySet::default()) };
            match self.list_as(&account, region, window).await {
                Err(error) if accounts.peek().is_some() && !error.is_endpoint_failure() => {
                    tracing::debug!(%account, %region, %error, "asking the next account for keys");
                }
                answer => return answer,
            }
        }
    }

    async fn list_as(
        &self,
        account: &AccountId,
        region: &Region,
        window: Window,
    ) -> Result<PublicKeySet, ListKeysError> {
        const ACTION: &str = "cloudtrail:ListPublicKeys";
        let clients = self.aws.clients(account, region);
        let time = |time: Timestamp| aws_smithy_types::DateTime::from_secs(time.as_second());
        let first = FIRST_DIGESTS.parse().unwrap_or(Timestamp::UNIX_EPOCH);
        let start = window
            .since
            .map_or(first, |since| since.saturating_sub(SIGNED_WITHIN).unwrap_or(since));
        let mut set = PublicKeySet::default();
        let mut token = None;
        loop {
            let page = clients
                .cloudtrail()
                .list_public_keys()
                .start_time(time(start))
                // Backfill digests of the window may have been signed later.
                .end_time(time(self.now.saturating_add(SIGNED_WITHIN).unwrap_or(self.now)))
                .set_next_token(token)
                .send()
                .await
                .at(&clients, ACTION)?;
            for key in page.public_key_list() {
                let format_time = |time: Option<&aws_smithy_types::DateTime>| {
                    time.and_then(|time| Timestamp::from_second(time.secs()).ok())
                };
                set.add_item(&KeyItem {
                    value: BASE64.encode(key.value().map(AsRef::as_ref).unwrap_or_default()),
                    validity_start_time: format_time(key.validity_start_time()),
                    validity_end_time: format_time(key.validity_end_time()),
                    fingerprint: key.fingerprint().unwrap_or_default().to_owned(),
                    region: Some(region.clone()),
                })?;
            }
            token = page.next_token;
            if token.is_none() {
                return Ok(set);
            }
        }
    }
}

impl PublicKeySource {
    /// Adds the verified accounts and Regions, so that each Region's keys are listed in an
    /// account that has it enabled.
    pub(super) fn add_accounts<'a>(&self, scopes: impl IntoIterator<Item = &'a ChainScope>) {
        if let Self::Api(api) = self {
            for scope in scopes {
                api.add_accounts(&scope.region, [&scope.account]);
            }
        }
    }

    /// The keys of a Region.
    pub async fn of(&self, region: &Region, window: Window) -> RegionKeys {
        match self {
            // INVARIANT: keys that came with the evidence are not trusted.
            Self::Saved(keys, unread) => {
                let missing = unread.contains(region).then(|| {
                    Finding::new(FindingKind::Unreadable).with_mismatch(
                        format!("the public keys of {region}"),
                        "they could not be read when the bundle was packed",
                    )
                });
                RegionKeys { listed: Arc::default(), saved: Arc::clone(keys), failed: missing }
            }
            Self::Given(keys) => {
                RegionKeys { listed: Arc::clone(keys), saved: Arc::default(), failed: None }
            }
            Self::Api(api) => api.of(region, window).await,
        }
    }
}
