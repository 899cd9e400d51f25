//! What is verified, as it is named on the command line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::reader::{Reader, reader};
use super::{Env, OpError, Outcome, Scope, Selection, Window};
use crate::archive::accept::Acceptances;
use crate::archive::authenticity::RecordTrust;
use crate::archive::bundle::{BUCKETS, OBJECTS, PUBLIC_KEYS, RECORDS, Unpacked, unpack};
use crate::archive::key::Root;
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::place::OrgOwner;
use crate::archive::verify::public_keys::{PublicKeySet, SAVED_KEYS};
use crate::archive::verify::run::{
    ApiKeys, Concurrency, DeclaredTrail, Deliveries, Depth, ExpectedAccounts, OtherBuckets,
    PublicKeySource, Request,
};
use crate::archive::verify::source::{
    FetchError, FolderSource, NotAFile, S3Source, Source, not_files,
};
use crate::aws::{At as _, Aws, AwsError, Clients};
use crate::config::{Config, Roles};
use crate::local_file;
use crate::names::BucketName;
use crate::ops::Explain;
use crate::ops::trust::listed;
use crate::org::Identity;

/// Said where what is verified brings the keys that it is verified with.
const KEYS_OF_ITSELF: &str = "the only public keys are those saved in it, which prove nothing by themselves: export the keys with `aws cloudtrail list-public-keys` and pass them with `--public-keys`";
const GIVE_KEYS: &str = "export them with `aws cloudtrail list-public-keys`, and pass the file with `--public-keys FILE`";

/// What is verified, opened.
#[derive(Debug)]
pub(in crate::ops) struct Target {
    /// As people name it.
    pub(in crate::ops) name: String,
    pub(in crate::ops) source: Arc<Source>,
    pub(in crate::ops) prefix: String,
    /// The root that consolidation relocates to, where it is known.
    pub(in crate::ops) declared: Option<Root>,
    /// Whose the trails of the organization are, where it is known.
    pub(in crate::ops) org_owner: Option<OrgOwner>,
    pub(in crate::ops) keys: PublicKeySource,
    /// What a bundle says that it covers.
    pub(in crate::ops) from: Option<Timestamp>,
    pub(in crate::ops) to: Option<Timestamp>,
    /// AWS's time if AWS was called, otherwise this machine's.
    pub(in crate::ops) now: Timestamp,
    /// Whether CloudTrail may still be writing into it.
    pub(super) is_live: bool,
    /// What a person should know about it.
    pub(super) notes: Vec<String>,
    /// The organization's trail that the configuration declares.
    pub(in crate::ops) declared_trail: Option<DeclaredTrail>,
    pub(super) deliveries: Deliveries,
    pub(super) expected: Option<ExpectedAccounts>,
    pub(super) other_buckets: OtherBuckets,
    pub(super) acceptances: Acceptances,
    pub(super) trust: RecordTrust,
    /// Entries of a mirror that are never read.
    pub(in crate::ops) not_files: Vec<Finding>,
    /// Keeps a bundle's files while they are read.
    pub(super) unpacked: Option<Arc<Unpacked>>,
}

impl Target {
    /// Opens a bucket, a folder or a bundle; without a name, the archive of the
    /// config.
    pub(in crate::ops) async fn open(
        name: Option<&str>,
        scope: &Scope,
        env: &Env,
    ) -> Result<Self, OpError> {
        let given = match &scope.public_keys {
            Some(path) => {
                env.warn_if_others_can_write(path);
                Some(read_keys(path)?)
            }
            None => None,
        };
        match name {
            Some(name) if name.starts_with("s3://") => {
                refuse_offline(scope)?;
                Self::bucket(name, given, scope, env).await
            }
            Some(name) => Self::local(name, given, scope, env).await,
            None => {
                refuse_offline(scope)?;
                Self::archive(given, scope, env).await
            }
        }
    }

    /// What a person should know about it.
    pub(in crate::ops) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether CloudTrail may still be writing into it.
    pub(in crate::ops) fn is_live(&self) -> bool {
        self.is_live
    }

    /// The request.
    pub(in crate::ops) fn request(self, selection: Selection, window: Window) -> Request {
        Request {
            source: self.source,
            prefix: self.prefix,
            selection,
            window,
            keys: self.keys,
            declared: self.declared,
            org_owner: self.org_owner,
            delivered: Arc::new(self.deliveries.with_declared_trail(self.declared_trail)),
            expected: self.expected,
            other_buckets: self.other_buckets,
            acceptances: self.acceptances,
            trust: self.trust,
            depth: Depth::Whole,
            concurrency: Concurrency::default(),
            kept: self.unpacked.map(|unpacked| unpacked as _),
        }
    }

    async fn bucket(
        name: &str,
        given: Option<PublicKeySet>,
        scope: &Scope,
        env: &Env,
    ) -> Result<Self, OpError> {
        let path = name.strip_prefix("s3://").unwrap_or(name);
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let bucket: BucketName =
            bucket.parse().map_err(|error| OpError::new(error, Outcome::Usage))?;
        let prefix = match prefix {
            "" => String::new(),
            prefix => format!("{}/", prefix.trim_end_matches('/')),
        };
        let Reader { aws, clients } =
            Box::pin(reader(&bucket, scope.bucket_owner.as_ref(), env)).await?;
        // Without an organization there is none.
        let owner = organization(&aws.own_clients()).await.ok();
        let mut readers: Vec<_> = clients.account().cloned().into_iter().collect();
        readers.push(aws.caller().account.clone());
        readers.dedup();
        let source = Arc::new(Source::S3(S3Source::new(clients, bucket.as_str()).with_deleted()));
        let saved = saved_keys(&source, &prefix).await;
        let config = env.valid_config();
        let trust = match config {
            // A code is of one archive; its vault has the same objects.
            Some(config) if is_of_archive(config, &bucket) => {
                RecordTrust::of_config(config, &aws, owner.as_ref().map(|owner| &owner.org))
            }
            Some(config) => RecordTrust::listed(&config.records.acceptances),
            None => RecordTrust::default(),
        };
        let trust = trust.and_listed(&scope.acceptances);
        Ok(Self {
            name: format!("s3://{bucket}/{prefix}"),
            acceptances: Acceptances::read(
                Arc::clone(&source),
                Some(prefix.trim_end_matches('/')).filter(|prefix| !prefix.is_empty()),
                &trust,
            )
            .await,
            trust,
            declared: None,
            declared_trail: config
                .zip(owner.as_ref())
                .filter(|(config, owner)| {
                    config.organization.management_account == owner.management
                })
                .map(|(config, owner)| declared_trail(config, owner)),
            org_owner: owner,
            keys: public_key_source(given, saved, &aws),
            prefix,
            source,
            from: None,
            to: None,
            now: aws.now(),
            is_live: true,
            notes: Vec::new(),
            other_buckets: OtherBuckets::read_as(aws.clone(), readers),
            expected: None,
            deliveries: Deliveries::query(aws),
            not_files: Vec::new(),
            unpacked: None,
        })
    }

    async fn local(
        name: &str,
        given: Option<PublicKeySet>,
        scope: &Scope,
        env: &Env,
    ) -> Result<Self, OpError> {
        let path = PathBuf::from(name);
        let about = std::fs::metadata(&path).map_err(|source| {
            let error = OpError::from(NoTarget { path: path.clone(), source });
            error.with_hint(
                "expected s3://BUCKET/PREFIX, the directory of a mirror or the file of a bundle",
            )
        })?;
        let unpacked = if about.is_dir() {
            None
        } else if !about.is_file() {
            let source = std::io::Error::other("it is neither a file nor a directory");
            return Err(NoTarget { path, source }.into());
        } else {
            let (from, into) = (path.clone(), std::env::temp_dir());
            let unpacking = tokio::task::spawn_blocking(move || unpack(&from, &into));
            let unpacked = unpacking.await.map_err(OpError::unexpected)??;
            Some(Arc::new(unpacked))
        };
        let not_files = match &unpacked {
            None => find_not_files(path.clone()).await?,
            Some(_) => Vec::new(),
        };
        let others = unpacked.as_ref().map(|bundle| bundle.path(BUCKETS));
        let folder = match &unpacked {
            None => FolderSource::new(path),
            Some(bundle) => match (&bundle.manifest.bucket, &others) {
                (Some(bucket), Some(others)) => {
                    FolderSource::of_bucket(bundle.path(OBJECTS), bucket, others.clone())
                }
                _ => FolderSource::new(bundle.path(OBJECTS)),
            },
        };
        let source = Arc::new(Source::Folder(folder));
        // In a bundle, the archive's records below `orgtrail/` are stored apart.
        let records = match &unpacked {
            Some(bundle) => Arc::new(Source::Folder(FolderSource::new(bundle.path(RECORDS)))),
            None => Arc::clone(&source),
        };
        let prefix =
            unpacked.as_ref().and_then(|bundle| bundle.manifest.declared.as_ref()?.prefix.clone());
        let trust = listed(env, &scope.acceptances);
        let acceptances = Acceptances::read(records, prefix.as_deref(), &trust).await;
        let mut notes = Vec::new();
        let saved = match &unpacked {
            Some(bundle) => read_keys(&bundle.path(PUBLIC_KEYS))?,
            None => saved_keys(&source, "").await,
        };
        let unread =
            unpacked.as_ref().map(|bundle| bundle.manifest.regions_without_public_keys.clone());
        let unread = unread.unwrap_or_default();
        let keys = match given {
            Some(given) => PublicKeySource::Given(Arc::new(given)),
            None if scope.offline && saved.is_empty() && unread.is_empty() => {
                let message = format!("`{name}` contains no public keys");
                return Err(OpError::usage(message).with_hint(GIVE_KEYS));
            }
            None if scope.offline => {
                notes.push(KEYS_OF_ITSELF.to_owned());
                PublicKeySource::Saved(Arc::new(saved), Arc::new(unread))
            }
            None => match env.aws_of_caller(None, Roles::default()).await {
                Ok(aws) => public_key_source(None, saved, &aws),
                Err(error) if saved.is_empty() && unread.is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(error = %error.render(), "public keys cannot be read from AWS");
                    notes.push(KEYS_OF_ITSELF.to_owned());
                    PublicKeySource::Saved(Arc::new(saved), Arc::new(unread))
                }
            },
        };
        let manifest = unpacked.as_ref().map(|bundle| &bundle.manifest);
        let named = manifest.and_then(|manifest| manifest.declared.as_ref()?.declared_trail());
        let declared_trail = named.clone().filter(|trail| is_confirmed(trail, scope, env));
        if let Some(trail) = named.filter(|_| declared_trail.is_none()) {
            notes.push(format!(
                "the bundle names `{}` in {} as the organization's trail, which its supplier may have chosen: if it is correct, confirm it with `--declared-trail ARN`",
                trail.name, trail.home_region
            ));
        }
        let omitted = manifest.into_iter().flat_map(|manifest| &manifest.omitted);
        notes.extend(omitted.map(|what| format!("not in the bundle: {what}")));
        Ok(Self {
            name: name.to_owned(),
            source,
            prefix: String::new(),
            declared_trail,
            declared: manifest.and_then(|manifest| manifest.declared.as_ref()).map(Into::into),
            org_owner: manifest.and_then(|manifest| manifest.org_owner.clone()),
            keys,
            from: manifest.map(|manifest| manifest.from),
            to: manifest.map(|manifest| manifest.to),
            // A bundle is as old as its packer says, whatever this machine's clock
            // shows: a later time asks for more of it.
            now: manifest.map_or(Timestamp::MIN, |it| it.packed_at).max(env.now()),
            is_live: false,
            acceptances,
            trust,
            notes,
            expected: None,
            deliveries: Deliveries::none(),
            other_buckets: unpacked.as_ref().zip(others).map_or_else(
                OtherBuckets::none,
                |(bundle, folder)| {
                    let (followed, records) = (&bundle.manifest.followed, bundle.path(RECORDS));
                    OtherBuckets::packed(folder, followed.clone(), records)
                },
            ),
            not_files,
            unpacked,
        })
    }
}

/// Looks through a mirror for links, pipes and the like.
async fn find_not_files(root: PathBuf) -> Result<Vec<Finding>, OpError> {
    let of_root = root.clone();
    let found = tokio::task::spawn_blocking(move || not_files(&of_root));
    let (count, listed) = found
        .await
        .map_err(OpError::unexpected)?
        .map_err(|source| OpError::new(NoTarget { path: root, source }, Outcome::Incomplete))?;
    let unlisted = count - listed.len() as u64;
    let finding = |it: NotAFile| {
        let finding = Finding::new(FindingKind::NotAFile).at(None, it.path);
        finding.with_mismatch("a regular file", it.what)
    };
    let mut findings: Vec<_> = listed.into_iter().map(finding).collect();
    if unlisted > 0 {
        let more = Finding::new(FindingKind::NotAFile);
        let more = more.with_mismatch(
            "regular files",
            format!("{unlisted} more entries that are not regular files"),
        );
        findings.push(Finding { objects: unlisted, ..more });
    }
    Ok(findings)
}

/// Whether a bucket is the archive that the configuration declares, or its vault.
fn is_of_archive(config: &Config, bucket: &BucketName) -> bool {
    let vault = config.archive.replication.as_ref().map(|vault| &vault.bucket);
    config.archive.bucket == *bucket || vault == Some(bucket)
}

/// The longest list of public keys that is read. Units: bytes.
const LONGEST_KEYS: u64 = 64 << 20;

/// Whether the trail that a bundle names as the organization's is the one that the user
/// or the configuration names.
fn is_confirmed(trail: &DeclaredTrail, scope: &Scope, env: &Env) -> bool {
    if let Some(arn) = &scope.declared_trail {
        return arn.resource_name() == trail.name.as_str()
            && arn.region.as_ref() == Some(&trail.home_region);
    }
    let config = env.valid_config();
    config.is_some_and(|config| {
        config.trail.name == trail.name && config.organization.home_region == trail.home_region
    })
}

/// The trail that the configuration declares, of the organization that it is of.
pub(super) fn declared_trail(config: &Config, owner: &OrgOwner) -> DeclaredTrail {
    DeclaredTrail {
        name: config.trail.name.clone(),
        home_region: config.organization.home_region.clone(),
        org: owner.org.clone(),
    }
}

fn refuse_offline(scope: &Scope) -> Result<(), OpError> {
    if scope.offline {
        let message = "`--offline` requires a directory or a bundle";
        return Err(OpError::usage(message));
    }
    Ok(())
}

pub(super) fn public_key_source(
    given: Option<PublicKeySet>,
    saved: PublicKeySet,
    aws: &Aws,
) -> PublicKeySource {
    let account = aws.caller().account.clone();
    match given {
        Some(given) => PublicKeySource::Given(Arc::new(given)),
        None => PublicKeySource::Api(ApiKeys::new(aws.clone(), account, saved, aws.now())),
    }
}

/// The organization that the command was found to be signed in to.
pub(super) fn org_owner(identity: &Identity) -> Option<OrgOwner> {
    let (org, management) = (&identity.organization, &identity.management_account);
    Some(OrgOwner { org: org.clone()?, management: management.clone()? })
}

fn read_keys(path: &Path) -> Result<PublicKeySet, OpError> {
    let text = local_file::read(path, LONGEST_KEYS)
        .map_err(|source| NoTarget { path: path.to_owned(), source })?;
    Ok(PublicKeySet::from_json(&text)?)
}

/// The public keys saved in an archive; empty if they are missing or unreadable, because no
/// writer of the archive may stop its verification.
pub(super) async fn saved_keys(source: &Source, folder: &str) -> PublicKeySet {
    let key = format!("{folder}{SAVED_KEYS}");
    let unread = |error: &dyn std::fmt::Display| {
        tracing::warn!(%key, %error, "the saved public keys could not be read");
        PublicKeySet::default()
    };
    match source.fetch(None, &key).await {
        Ok(object) => PublicKeySet::from_json(&object.bytes).unwrap_or_else(|error| unread(&error)),
        Err(FetchError::NotFound) => PublicKeySet::default(),
        Err(error) => unread(&error),
    }
}

pub(super) async fn organization(clients: &Clients) -> Result<OrgOwner, AwsError> {
    const ACTION: &str = "organizations:DescribeOrganization";
    let answer =
        clients.organizations().describe_organization().send().await.at(clients, ACTION)?;
    let found = answer.organization();
    let id = found.and_then(|it| it.id()).unwrap_or_default();
    let management = found.and_then(|it| it.master_account_id()).unwrap_or_default();
    id.parse()
        .ok()
        .zip(management.parse().ok())
        .map(|(org, management)| OrgOwner { org, management })
        .ok_or_else(|| {
            clients.malformed(ACTION, &format!("the id `{id}` and the account `{management}`"))
        })
}

#[derive(Debug, thiserror::Error)]
#[error("reading `{}`", path.display())]
struct NoTarget {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl Explain for NoTarget {
    fn outcome(&self) -> Outcome {
        Outcome::Usage
    }
}
