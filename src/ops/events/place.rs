use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::archive::bundle::{BUCKETS, OBJECTS, Unpacked, unpack};
use crate::archive::verify::source::{FolderSource, S3Source, Source};
use crate::aws::Aws;
use crate::names::{AccountId, BucketName, prefix_folder};
use crate::ops::verify::{Reader, reader};
use crate::ops::{Env, OpError, Outcome};

/// Where events are read.
#[derive(Debug, Clone, Default)]
pub struct PlaceRequest {
    /// `s3://bucket/prefix`, a directory of log files, or an evidence bundle; the archive of
    /// the configuration if absent.
    pub name: Option<String>,
    /// The account that must own the bucket.
    pub bucket_owner: Option<AccountId>,
}

/// A place with log files, opened.
#[derive(Debug)]
pub(in crate::ops) struct Place {
    /// As people name it.
    pub(super) name: String,
    pub(in crate::ops) source: Arc<Source>,
    /// Empty, or with a slash at its end.
    pub(in crate::ops) prefix: String,
    /// AWS's time if AWS was called, otherwise this machine's.
    pub(super) now: Timestamp,
    /// Whether CloudTrail may still be writing into it.
    pub(super) is_live: bool,
    /// AWS, if it was called.
    pub(super) aws: Option<Aws>,
    /// Keeps a bundle's files while they are read.
    _unpacked: Option<Arc<Unpacked>>,
}

impl Place {
    /// Opens a bucket, a directory or a bundle.
    pub(in crate::ops) async fn open(request: &PlaceRequest, env: &Env) -> Result<Self, OpError> {
        match request.name.as_deref() {
            Some(name) if name.starts_with("s3://") => {
                Self::bucket(name, request.bucket_owner.as_ref(), env).await
            }
            Some(name) => Self::local(name, env).await,
            None => Self::archive(env).await,
        }
    }

    async fn archive(env: &Env) -> Result<Self, OpError> {
        let config = env.config()?;
        let aws = env.aws_of_member().await?;
        let archive = &config.archive;
        let clients = aws.clients(&config.organization.log_archive_account, &archive.region);
        let prefix = prefix_folder(archive.prefix.as_ref().map(ToString::to_string).as_ref());
        Ok(Self {
            name: format!("s3://{}/{prefix}", archive.bucket),
            source: Arc::new(Source::S3(S3Source::new(clients, archive.bucket.as_str()))),
            prefix,
            now: aws.now(),
            is_live: true,
            aws: Some(aws),
            _unpacked: None,
        })
    }

    async fn bucket(name: &str, owner: Option<&AccountId>, env: &Env) -> Result<Self, OpError> {
        let (bucket, prefix) = bucket_and_prefix(name)?;
        let Reader { aws, clients } = Box::pin(reader(&bucket, owner, env)).await?;
        Ok(Self {
            name: format!("s3://{bucket}/{prefix}"),
            source: Arc::new(Source::S3(S3Source::new(clients, bucket.as_str()))),
            prefix,
            now: aws.now(),
            is_live: true,
            aws: Some(aws),
            _unpacked: None,
        })
    }

    async fn local(name: &str, env: &Env) -> Result<Self, OpError> {
        let path = PathBuf::from(name);
        let about = std::fs::metadata(&path).map_err(|source| {
            OpError::new(NoPlace { name: name.to_owned(), source }, Outcome::Usage).with_hint(
                "expected s3://BUCKET/PREFIX, a directory with log files, or the file of a bundle",
            )
        })?;
        let unpacked = if about.is_dir() {
            None
        } else {
            let (from, into) = (path.clone(), std::env::temp_dir());
            let unpacking = tokio::task::spawn_blocking(move || unpack(&from, &into));
            Some(Arc::new(unpacking.await.map_err(OpError::unexpected)??))
        };
        let folder = match &unpacked {
            None => FolderSource::new(path),
            Some(bundle) => match &bundle.manifest.bucket {
                Some(bucket) => {
                    FolderSource::of_bucket(bundle.path(OBJECTS), bucket, bundle.path(BUCKETS))
                }
                None => FolderSource::new(bundle.path(OBJECTS)),
            },
        };
        Ok(Self {
            name: name.to_owned(),
            source: Arc::new(Source::Folder(folder)),
            prefix: String::new(),
            now: env.now(),
            is_live: false,
            aws: None,
            _unpacked: unpacked,
        })
    }
}

/// The bucket of a name like `s3://bucket/prefix`, and its prefix, which is empty or ends in a
/// slash.
pub(in crate::ops) fn bucket_and_prefix(name: &str) -> Result<(BucketName, String), OpError> {
    let path = name.strip_prefix("s3://").unwrap_or(name);
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    let bucket = bucket.parse().map_err(|error| OpError::new(error, Outcome::Usage))?;
    let prefix = match prefix.trim_end_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    Ok((bucket, prefix))
}

#[derive(Debug, thiserror::Error)]
#[error("reading `{name}`")]
struct NoPlace {
    name: String,
    #[source]
    source: std::io::Error,
}
