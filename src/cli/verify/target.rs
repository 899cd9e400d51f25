//! What is verified, as it is named on the command line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::reader::{Reader, reader};
use super::{CliError, Concurrency, Context, Exit, Explain, Request, Selection, What, Window};
use crate::archive::accept::Acceptances;
use crate::archive::bundle::{BUCKETS, OBJECTS, PUBLIC_KEYS, RECORDS, Unpacked, unpack};
use crate::archive::key::Root;
use crate::archive::verify::place::OrgOwner;
use crate::archive::verify::public_keys::{PublicKeySet, SAVED_KEYS};
use crate::archive::verify::run::{ApiKeys, Deliveries, KeyRing, OtherBuckets};
use crate::archive::verify::source::{FetchError, FolderSource, S3Source, Source};
use crate::aws::{At as _, Aws, AwsError, Clients};
use crate::config::Roles;
use crate::names::{AccountId, BucketName};
use crate::org::{Buckets, Identity};

/// Said where what is verified brings the keys that it is verified with.
const KEYS_OF_ITSELF: &str = "the public keys are those saved in it: compare their fingerprints with `aws cloudtrail list-public-keys`, or give `--public-keys`";

/// What is verified, opened.
#[derive(Debug)]
pub(in crate::cli) struct Target {
    /// As people name it.
    pub(in crate::cli) name: String,
    pub(in crate::cli) source: Arc<Source>,
    pub(in crate::cli) prefix: String,
    /// The root that consolidation relocates to, where it is known.
    pub(in crate::cli) declared: Option<Root>,
    /// Whose the trails of the organization are, where it is known.
    pub(in crate::cli) org_owner: Option<OrgOwner>,
    pub(in crate::cli) keys: KeyRing,
    /// What a bundle says that it covers.
    pub(in crate::cli) from: Option<Timestamp>,
    pub(in crate::cli) to: Option<Timestamp>,
    /// AWS's time where AWS was asked, else this machine's.
    pub(in crate::cli) now: Timestamp,
    /// Whether CloudTrail may still be writing into it.
    pub(super) is_live: bool,
    /// What a person should know about it.
    pub(super) notes: Vec<String>,
    deliveries: Deliveries,
    other_buckets: OtherBuckets,
    acceptances: Acceptances,
    /// Keeps a bundle's files while they are read.
    unpacked: Option<Unpacked>,
}

impl Target {
    /// Opens a bucket, a folder or a bundle; without a name, the archive of the
    /// config.
    pub(in crate::cli) async fn open(
        name: Option<&str>,
        what: &What,
        context: &Context,
    ) -> Result<Self, CliError> {
        let given = match &what.public_keys {
            Some(path) => Some(read_keys(path)?),
            None => None,
        };
        match name {
            Some(name) if name.starts_with("s3://") => {
                refuse_offline(what)?;
                Self::bucket(name, given, what.bucket_owner.as_ref(), context).await
            }
            Some(name) => Self::local(name, given, what, context).await,
            None => {
                refuse_offline(what)?;
                Self::archive(given, context).await
            }
        }
    }

    /// What is asked of it.
    pub(in crate::cli) fn request(self, selection: Selection, window: Window) -> Request {
        Request {
            source: self.source,
            prefix: self.prefix,
            selection,
            window,
            keys: self.keys,
            declared: self.declared,
            org_owner: self.org_owner,
            delivered: self.deliveries,
            other_buckets: self.other_buckets,
            acceptances: self.acceptances,
            concurrency: Concurrency::default(),
            kept: self.unpacked.map(|unpacked| Arc::new(unpacked) as _),
        }
    }

    async fn archive(given: Option<PublicKeySet>, context: &Context) -> Result<Self, CliError> {
        let config = context.config()?;
        let aws = context.aws_of_member(&config).await?;
        let archive = &config.archive;
        let clients = aws.clients(&config.organization.log_archive_account, &archive.region);
        let prefix = archive.prefix.as_ref().map(ToString::to_string);
        let source = Arc::new(Source::S3(S3Source::new(clients, archive.bucket.as_str())));
        // It was compared with the configuration.
        let owner = match context.identity().and_then(org_owner) {
            Some(owner) => owner,
            None => organization(&aws.own_clients()).await?,
        };
        let folder = prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
        let saved = saved_keys(&source, &folder).await;
        Ok(Self {
            name: format!("s3://{}/{folder}", archive.bucket),
            acceptances: Acceptances::read(Arc::clone(&source), prefix.as_deref()).await,
            declared: Some(Root { prefix: prefix.map(Into::into), org: Some(owner.org.clone()) }),
            org_owner: Some(owner),
            prefix: folder,
            keys: key_ring(given, saved, &aws),
            source,
            from: None,
            to: None,
            now: aws.now(),
            is_live: true,
            notes: Vec::new(),
            other_buckets: OtherBuckets::read_as(
                aws.clone(),
                vec![config.organization.log_archive_account.clone(), aws.caller().account.clone()],
            )
            .or_of_owner(Buckets::new(aws.clone(), config.organization.clone(), None)),
            deliveries: Deliveries::ask(aws),
            unpacked: None,
        })
    }

    async fn bucket(
        name: &str,
        given: Option<PublicKeySet>,
        owner: Option<&AccountId>,
        context: &Context,
    ) -> Result<Self, CliError> {
        let path = name.strip_prefix("s3://").unwrap_or(name);
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let bucket: BucketName =
            bucket.parse().map_err(|error| CliError::new(error, Exit::Usage))?;
        let prefix = match prefix {
            "" => String::new(),
            prefix => format!("{}/", prefix.trim_end_matches('/')),
        };
        let Reader { aws, clients } = Box::pin(reader(&bucket, owner, context)).await?;
        // Outside of an organization nobody knows of one.
        let owner = organization(&aws.own_clients()).await.ok();
        let mut readers: Vec<_> = clients.account().cloned().into_iter().collect();
        readers.push(aws.caller().account.clone());
        readers.dedup();
        let source = Arc::new(Source::S3(S3Source::new(clients, bucket.as_str())));
        let saved = saved_keys(&source, &prefix).await;
        Ok(Self {
            name: format!("s3://{bucket}/{prefix}"),
            acceptances: Acceptances::read(
                Arc::clone(&source),
                Some(prefix.trim_end_matches('/')).filter(|prefix| !prefix.is_empty()),
            )
            .await,
            declared: None,
            org_owner: owner,
            keys: key_ring(given, saved, &aws),
            prefix,
            source,
            from: None,
            to: None,
            now: aws.now(),
            is_live: true,
            notes: Vec::new(),
            other_buckets: OtherBuckets::read_as(aws.clone(), readers),
            deliveries: Deliveries::ask(aws),
            unpacked: None,
        })
    }

    async fn local(
        name: &str,
        given: Option<PublicKeySet>,
        what: &What,
        context: &Context,
    ) -> Result<Self, CliError> {
        let path = PathBuf::from(name);
        let about =
            std::fs::metadata(&path).map_err(|source| NoTarget { path: path.clone(), source })?;
        let unpacked = if about.is_dir() {
            None
        } else {
            let (from, into) = (path.clone(), std::env::temp_dir());
            let unpacking = tokio::task::spawn_blocking(move || unpack(&from, &into));
            Some(unpacking.await.map_err(|error| CliError::new(error, Exit::Unexpected))??)
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
        // In a bundle, what the archive has below `orgtrail/` lies apart.
        let records = match &unpacked {
            Some(bundle) => Arc::new(Source::Folder(FolderSource::new(bundle.path(RECORDS)))),
            None => Arc::clone(&source),
        };
        let prefix =
            unpacked.as_ref().and_then(|bundle| bundle.manifest.declared.as_ref()?.prefix.clone());
        let acceptances = Acceptances::read(records, prefix.as_deref()).await;
        let mut notes = Vec::new();
        let saved = match &unpacked {
            Some(bundle) => read_keys(&bundle.path(PUBLIC_KEYS))?,
            None => saved_keys(&source, "").await,
        };
        if given.is_none() && !saved.is_empty() {
            notes.push(KEYS_OF_ITSELF.to_owned());
        }
        let unread = unpacked.as_ref().map(|bundle| bundle.manifest.keys_unread.clone());
        let unread = unread.unwrap_or_default();
        let keys = match given {
            Some(given) => KeyRing::Given(Arc::new(given)),
            None if !unread.is_empty() => KeyRing::Packed(Arc::new(saved), Arc::new(unread)),
            None if !saved.is_empty() => KeyRing::Given(Arc::new(saved)),
            None if what.offline => {
                let message = format!("there are no public keys saved in `{name}`");
                return Err(CliError::usage(message)
                    .with_hint("give those that `aws cloudtrail list-public-keys` prints with `--public-keys FILE`"));
            }
            None => key_ring(None, saved, &context.aws_of_caller(None, Roles::default()).await?),
        };
        let manifest = unpacked.as_ref().map(|bundle| &bundle.manifest);
        let left_out = manifest.into_iter().flat_map(|manifest| &manifest.left_out);
        notes.extend(left_out.map(|what| format!("not in the bundle: {what}")));
        Ok(Self {
            name: name.to_owned(),
            source,
            prefix: String::new(),
            declared: manifest.and_then(|manifest| manifest.declared.as_ref()).map(Into::into),
            org_owner: manifest.and_then(|manifest| manifest.org_owner.clone()),
            keys,
            from: manifest.map(|manifest| manifest.from),
            to: manifest.map(|manifest| manifest.to),
            // A bundle is as old as whoever packed it says, whatever this machine's clock
            // shows: a later time asks for more of it.
            now: manifest.map_or(Timestamp::MIN, |it| it.packed_at).max(context.now()),
            is_live: false,
            acceptances,
            notes,
            deliveries: Deliveries::none(),
            other_buckets: unpacked.as_ref().zip(others).map_or_else(
                OtherBuckets::none,
                |(bundle, folder)| {
                    let (followed, records) = (&bundle.manifest.followed, bundle.path(RECORDS));
                    OtherBuckets::packed(folder, followed.clone(), records)
                },
            ),
            unpacked,
        })
    }
}

fn refuse_offline(what: &What) -> Result<(), CliError> {
    if what.offline {
        let message = "`--offline` needs a folder or a bundle to verify";
        return Err(CliError::usage(message));
    }
    Ok(())
}

fn key_ring(given: Option<PublicKeySet>, saved: PublicKeySet, aws: &Aws) -> KeyRing {
    let account = aws.caller().account.clone();
    match given {
        Some(given) => KeyRing::Given(Arc::new(given)),
        None => KeyRing::Api(ApiKeys::new(aws.clone(), account, saved, aws.now())),
    }
}

/// The organization that the command was found to be signed in to.
fn org_owner(identity: &Identity) -> Option<OrgOwner> {
    let (org, management) = (&identity.organization, &identity.management_account);
    Some(OrgOwner { org: org.clone()?, management: management.clone()? })
}

fn read_keys(path: &Path) -> Result<PublicKeySet, CliError> {
    let text = std::fs::read(path).map_err(|source| NoTarget { path: path.to_owned(), source })?;
    Ok(PublicKeySet::from_json(&text)?)
}

/// The keys that were saved beside an archive; none where there are none, or
/// none that can be read: no writer there may stop its verification.
async fn saved_keys(source: &Source, folder: &str) -> PublicKeySet {
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

async fn organization(clients: &Clients) -> Result<OrgOwner, AwsError> {
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
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}
