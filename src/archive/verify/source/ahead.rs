//! Folders of an archive that are listed before they are asked for.
//!
//! The search for accounts and Regions goes down one folder after another. What the folders of
//! an archive are called is known before, so that their levels can be listed together.

use std::collections::HashMap;

use futures::{StreamExt as _, stream};
use parking_lot::Mutex;

use super::{Children, S3Source, Source};
use crate::archive::key::{DIGEST_FOLDER, LogClass, Root};
use crate::names::{AccountId, prefix_folder};

/// Folders that are listed at once.
const AT_ONCE: usize = 64;
/// The folder of orgtrail's own objects. It may contain an archive, like any other folder.
const OWN: &str = "orgtrail/";

/// The folders that were listed, by prefix.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<HashMap<String, Children>>);

impl Ahead {
    pub(super) fn children(&self, prefix: &str) -> Option<Children> {
        self.0.lock().get(prefix).cloned()
    }
}

impl Source {
    /// Lists the folders above the accounts of a root, and returns the accounts.
    ///
    /// [`Self::children`] returns these listings. A listing that fails is repeated there, which
    /// reports the error.
    pub async fn list_root_ahead(&self, root: &Root) -> Vec<AccountId> {
        let Self::S3(s3) = self else { return Vec::new() };
        let above = prefix_folder(root.prefix.as_deref());
        let (top, own) = (format!("{above}AWSLogs/"), format!("{above}{OWN}"));
        s3.list_ahead(vec![above, top, own, root.to_string()]).await;
        let names = s3.ahead.children(&root.to_string()).unwrap_or_default().folders;
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// Lists the folders of accounts below a root, as of [`Self::list_root_ahead`].
    pub async fn list_accounts_ahead(&self, root: &Root, accounts: &[AccountId]) {
        let Self::S3(s3) = self else { return };
        let own = format!("{}{OWN}", prefix_folder(root.prefix.as_deref()));
        let names = s3.ahead.children(&own).unwrap_or_default().folders;
        let mut folders: Vec<String> = names.iter().map(|name| format!("{own}{name}/")).collect();
        // Nearly every account has these folders.
        let usual = [LogClass::Events.folder(), DIGEST_FOLDER];
        for account in accounts {
            let folder = format!("{root}{account}/");
            folders.extend(usual.map(|name| format!("{folder}{name}/")));
            folders.push(folder);
        }
        s3.list_ahead(folders).await;
    }
}

impl S3Source {
    async fn list_ahead(&self, folders: Vec<String>) {
        stream::iter(folders)
            .for_each_concurrent(AT_ONCE, async |folder| {
                if let Ok(children) = self.children(&folder).await {
                    self.ahead.0.lock().insert(folder, children);
                }
            })
            .await;
    }
}
