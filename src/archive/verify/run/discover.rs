//! Discovers the accounts and Regions of an archive.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::loose::LooseFiles;
use super::{ChainScope, Finding, ListError, Selection, Source, Window, stray};
use crate::archive::consolidate::quarantine::QUARANTINE;
use crate::archive::key::{DIGEST_FOLDER, LogClass, Root};
use crate::archive::verify::finding::FindingKind;
use crate::archive::verify::source::{Children, ListedObject};
use crate::names::{AccountId, MOST_CHARACTERS, OrgId, Region};

const AWSLOGS: &str = "AWSLogs";
/// The maximum number of folders to search for `AWSLogs`.
const MAX_FOLDERS: usize = 20_000;
/// Concurrently listed accounts.
const AT_ONCE: usize = 32;
/// The maximum number of folders to list next to those of accounts.
const MAX_OTHER_FOLDERS: usize = 200;

/// The contents of a prefix.
#[derive(Debug, Default)]
pub(super) struct Discovered {
    /// All selected accounts and Regions with digests or log files, in order.
    pub(super) scopes: Vec<ChainScope>,
    /// The classes of log files that each account and Region has.
    pub(super) classes: BTreeMap<(AccountId, Region), BTreeSet<LogClass>>,
    /// Findings about objects in places where CloudTrail writes nothing.
    pub(super) strays: Vec<Finding>,
    /// The finding if not every folder could be searched.
    pub(super) unsearched: Option<Finding>,
}

/// Finds all selected accounts and Regions with digests or log files below a prefix.
pub(super) async fn discover(
    source: &Source,
    prefix: &str,
    selection: &Selection,
    window: Window,
) -> Result<Discovered, ListError> {
    let mut discovered = Discovered::default();
    let mut scopes = BTreeSet::new();
    let Searched { roots, whole, files } = roots(source, prefix).await?;
    let chosen = &selection.accounts;
    discovered.strays.extend(files.finding(source, selection, window));
    for root in roots {
        let mut found = Vec::new();
        let mut owners = vec![root.clone()];
        while let Some(root) = owners.pop() {
            let folder = root.to_string();
            let children = source.children(&folder).await?;
            let mut others = Vec::new();
            for name in children.folders {
                if let Ok(account) = name.parse::<AccountId>() {
                    found.push((root.clone(), account));
                } else if let Some(org) = name.parse::<OrgId>().ok().filter(|_| root.org.is_none())
                {
                    owners.push(Root { org: Some(org), ..root.clone() });
                } else {
                    others.push(name);
                }
            }
            // These objects belong to no selected account.
            if chosen.is_empty() && folder.starts_with(prefix) {
                let logs = children.objects.into_iter().filter(looks_like_log).collect();
                stray::objects(source, logs, &mut discovered.strays).await;
                if others.len() > MAX_OTHER_FOLDERS {
                    let wanted =
                        format!("at most {MAX_OTHER_FOLDERS} folders next to those of accounts");
                    let finding =
                        Finding::new(FindingKind::Unreadable).at(source.bucket(), &folder);
                    let found = format!("{}: not all were searched", others.len());
                    discovered.strays.push(finding.with_mismatch(wanted, found));
                }
                for name in others.iter().take(MAX_OTHER_FOLDERS) {
                    let folder = format!("{folder}{name}/");
                    for name in source.folders(&folder).await?.iter().filter(|it| is_like_class(it))
                    {
                        let below = format!("{folder}{name}/");
                        stray::below(source, &below, &mut discovered.strays).await?;
                    }
                }
            }
        }
        found.retain(|(_, account)| chosen.is_empty() || chosen.contains(account));
        let of_each: Vec<AccountFolders> = stream::iter(found)
            .map(async |(root, account)| {
                of_account(source, prefix, selection, &root, &account).await
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for one in of_each {
            for (scope, classes) in one.scopes {
                let place = (scope.account.clone(), scope.region.clone());
                discovered.classes.entry(place).or_default().extend(classes);
                scopes.insert(scope);
            }
            discovered.strays.extend(one.strays);
        }
    }
    let unsearched = (!whole).then(|| {
        let wanted = format!("every folder below `{prefix}` searched for `{AWSLOGS}`");
        let found = format!("more than {MAX_FOLDERS} folders: name the prefix of the logs");
        let finding = Finding::new(FindingKind::Unreadable).with_mismatch(wanted, found);
        finding.at(source.bucket(), prefix)
    });
    Ok(Discovered { scopes: scopes.into_iter().collect(), unsearched, ..discovered })
}

/// The folders of an account below a root.
struct AccountFolders {
    scopes: Vec<(ChainScope, BTreeSet<LogClass>)>,
    strays: Vec<Finding>,
}

async fn of_account(
    source: &Source,
    prefix: &str,
    selection: &Selection,
    root: &Root,
    account: &AccountId,
) -> Result<AccountFolders, ListError> {
    let top = format!("{root}{account}/");
    let is_within = |folder: &str| folder.starts_with(prefix) || prefix.starts_with(folder);
    let mut strays = Vec::new();
    let children = source.children(&top).await?;
    if top.starts_with(prefix) {
        let logs = children.objects.into_iter().filter(looks_like_log).collect();
        stray::objects(source, logs, &mut strays).await;
    }
    let mut regions = BTreeMap::<Region, BTreeSet<LogClass>>::new();
    for name in &children.folders {
        let folder = format!("{top}{name}/");
        let class = LogClass::ALL.into_iter().find(|class| class.folder() == name);
        if class.is_none() && name != DIGEST_FOLDER {
            // Other services have folders with other names here.
            if is_like_class(name) && folder.starts_with(prefix) {
                stray::below(source, &folder, &mut strays).await?;
            }
            continue;
        }
        if !is_within(&folder) {
            continue;
        }
        let below = source.children(&folder).await?;
        if folder.starts_with(prefix) {
            stray::objects(source, below.objects, &mut strays).await;
        }
        for name in below.folders {
            let folder = format!("{folder}{name}/");
            match name.parse::<Region>() {
                Ok(region) if is_within(&folder) => {
                    regions.entry(region).or_default().extend(class);
                }
                Err(_) if folder.starts_with(prefix) => {
                    stray::below(source, &folder, &mut strays).await?;
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    for stray in &mut strays {
        stray.account = Some(account.clone());
    }
    let chosen = &selection.regions;
    let scopes = regions
        .into_iter()
        .filter(|(region, _)| chosen.is_empty() || chosen.contains(region))
        .map(|(region, classes)| {
            let bucket = source.bucket().map(Into::into);
            (ChainScope { bucket, root: root.clone(), account: account.clone(), region }, classes)
        });
    Ok(AccountFolders { scopes: scopes.collect(), strays })
}

/// Whether a folder's name is one of CloudTrail's, or similar.
fn is_like_class(name: &str) -> bool {
    name.to_lowercase().contains("cloudtrail")
}

/// Whether an object could be mistaken for a log file or a digest.
fn looks_like_log(object: &ListedObject) -> bool {
    let name = object.key.rsplit('/').next().unwrap_or_default().to_lowercase();
    name.contains("cloudtrail") || [".json.gz", ".json", ".gz"].iter().any(|it| name.ends_with(it))
}

/// The roots that were found, and whether every folder was listed.
struct Searched {
    roots: BTreeSet<Root>,
    whole: bool,
    /// CloudTrail-like files outside of them.
    files: LooseFiles,
}

/// The roots without their organizations: the prefixes before each `AWSLogs/` that contains
/// accounts or an organization. A trail's prefix may itself contain a folder of that name,
/// and may be as deep as its length allows.
async fn roots(source: &Source, prefix: &str) -> Result<Searched, ListError> {
    let leading = named(prefix);
    let mut level = match &leading {
        None => vec![Folder { path: prefix.to_owned(), kind: FolderKind::Any }],
        // A prefix may end with what looks like an account.
        Some(_) if ends_in_owner(prefix) => {
            vec![Folder { path: prefix.to_owned(), kind: FolderKind::Owner }]
        }
        Some(_) => Vec::new(),
    };
    let roots = leading.into_iter().collect();
    let mut searched = Searched { roots, whole: true, files: LooseFiles::default() };
    let mut left = MAX_FOLDERS;
    while !level.is_empty() {
        if level.len() > left {
            searched.whole = false;
            level.truncate(left);
        }
        left -= level.len();
        let listed: Vec<(Folder, Children)> = stream::iter(level)
            .map(async |folder| {
                let children = source.children(&folder.path).await?;
                Ok::<_, ListError>((folder, children))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        level = Vec::new();
        for (folder, children) in listed {
            let before = before_awslogs(&folder.path);
            // Objects in an owner's folder are checked with the account.
            if folder.kind != FolderKind::Owner && before.is_none() {
                searched.files.add(&children.objects);
            }
            for name in children.folders {
                let is_owner = before.is_some() && is_owner(&name);
                if let Some(before) = before.filter(|_| is_owner) {
                    searched.roots.insert(root(before));
                }
                let kind = folder.kind.of(&name, is_owner);
                if let Some(kind) = kind.filter(|_| may_lead_on(&folder.path, &name)) {
                    level.push(Folder { path: format!("{}{name}/", folder.path), kind });
                }
            }
        }
    }
    Ok(searched)
}

/// A folder to search.
struct Folder {
    path: String,
    kind: FolderKind,
}

/// The place of a folder to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FolderKind {
    /// Above all owners.
    Any,
    /// Right below an `AWSLogs/`, named by an account or an organization.
    Owner,
    /// Below an owner's folder, but not CloudTrail's: a trail's prefix may lead there, and other
    /// services store logs there.
    InOwner,
}

impl FolderKind {
    /// The kind of a subfolder; `None` if it is not searched.
    fn of(self, name: &str, is_owner: bool) -> Option<Self> {
        let is_cloudtrails =
            name == DIGEST_FOLDER || LogClass::ALL.into_iter().any(|class| class.folder() == name);
        // Services have folders for Regions and years, with too many subfolders to search.
        let is_year = name.len() == 4 && name.bytes().all(|byte| byte.is_ascii_digit());
        let is_of_service = is_year || name.contains('=') || name.parse::<Region>().is_ok();
        match self {
            _ if is_owner => Some(Self::Owner),
            Self::Owner if is_cloudtrails => None,
            Self::InOwner if is_of_service => None,
            // The search restarts here.
            Self::Owner | Self::InOwner if name == AWSLOGS => Some(Self::Any),
            Self::Owner | Self::InOwner => Some(Self::InOwner),
            Self::Any => Some(Self::Any),
        }
    }
}

/// Whether a prefix ends in an account or organization below `AWSLogs/`.
fn ends_in_owner(prefix: &str) -> bool {
    let folder = prefix.strip_suffix('/').and_then(|path| path.rsplit_once('/'));
    folder.is_some_and(|(above, name)| {
        is_owner(name) && before_awslogs(&format!("{above}/")).is_some()
    })
}

/// The root in a prefix, if the prefix is below one.
fn named(prefix: &str) -> Option<Root> {
    let folders =
        prefix.match_indices("AWSLogs/").map(|(at, name)| prefix.split_at(at + name.len()));
    let roots = folders.filter_map(|(folder, below)| {
        let before = before_awslogs(folder)?;
        let leads = match below.split_once('/') {
            Some((owner, _)) => is_owner(owner),
            // The prefix may end within the owner's name.
            None => below.starts_with("o-") || begins_account(below),
        };
        leads.then(|| root(before))
    });
    roots.last()
}

/// The part before a folder's `AWSLogs/`, with the trailing slash.
fn before_awslogs(folder: &str) -> Option<&str> {
    let before = folder.strip_suffix("AWSLogs/")?;
    (before.is_empty() || before.ends_with('/')).then_some(before)
}

/// Whether a name is an account or organization, as directly below `AWSLogs/`.
fn is_owner(name: &str) -> bool {
    name.parse::<AccountId>().is_ok() || name.parse::<OrgId>().is_ok()
}

/// Whether a name may be the start of an account id.
fn begins_account(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a folder can contain a root: a prefix has a maximum length.
fn may_lead_on(folder: &str, name: &str) -> bool {
    // Quarantined objects keep their keys there, below a hash, and are not an archive. A trail's
    // prefix may have the same folders, but no hash.
    let is_sha256 = name.len() == 64 && name.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_sha256 && folder.ends_with(QUARANTINE) {
        return false;
    }
    let length = folder.chars().count() + name.chars().count();
    length <= MOST_CHARACTERS || (name == AWSLOGS && folder.chars().count() <= MOST_CHARACTERS + 1)
}

fn root(before: &str) -> Root {
    Root { prefix: before.strip_suffix('/').map(Into::into), org: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_leads_below_a_root_names_it() {
        let before = |prefix: &str| named(prefix).map(|root| root.to_string());
        for (prefix, wanted) in [
            ("AWSLogs/111111111111/", Some("AWSLogs/")),
            ("a/AWSLogs/o-exampleorgid/", Some("a/AWSLogs/")),
            ("AWSLogs/AWSLogs/111111111111/CloudTrail/", Some("AWSLogs/AWSLogs/")),
            ("ct//AWSLogs/111111111111/", Some("ct//AWSLogs/")),
            ("/AWSLogs/111111111111/", Some("/AWSLogs/")),
            ("AWSLogs/1111", Some("AWSLogs/")),
            ("", None),
            ("AWSLogs/", None),
            ("myAWSLogs/111111111111/", None),
            ("AWSLogs/elb/", None),
        ] {
            assert_eq!(before(prefix).as_deref(), wanted, "{prefix}");
        }
    }

    #[test]
    fn a_prefix_that_ends_in_an_owner_is_recognized() {
        assert!(ends_in_owner("AWSLogs/111111111111/"));
        assert!(ends_in_owner("a/AWSLogs/o-exampleorgid/"));
        for prefix in ["", "AWSLogs/", "111111111111/", "AWSLogs/111111111111/CloudTrail/"] {
            assert!(!ends_in_owner(prefix), "{prefix}");
        }
    }

    #[test]
    fn no_folder_is_searched_that_is_longer_than_a_prefix_can_be() {
        let longest = "p".repeat(MOST_CHARACTERS);
        assert!(may_lead_on("", &longest));
        assert!(may_lead_on(&format!("{longest}/"), AWSLOGS));
        assert!(!may_lead_on(&format!("{longest}/"), "x"));
        assert!(!may_lead_on("", &format!("{longest}p")));
    }
}
