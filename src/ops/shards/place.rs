//! Where shards keep their results, and where manifests are.

use std::path::Path;

use crate::aws::{WriteAuthority, WriteClients};
use crate::local_file;
use crate::names::AccountId;
use crate::ops::events::bucket_and_prefix;
use crate::ops::verify::{Reader, reader};
use crate::ops::{Env, OpError, Outcome};
use crate::store::{DirectoryStore, S3Store, Store};

/// The longest manifest that is read. Units: bytes.
const LONGEST: u64 = 64 << 20;

/// Opens a directory or `s3://bucket/prefix`.
///
/// # Errors
/// It cannot be opened, or is a bucket of log files: verification would report the results as
/// unexpected objects, and guards would keep them for years.
pub(super) async fn open(
    env: &Env,
    name: &str,
    owner: Option<&AccountId>,
    writes: bool,
) -> Result<Store, OpError> {
    if !name.starts_with("s3://") {
        let path = Path::new(name);
        if !writes && !path.is_dir() {
            let message = format!("`{name}` is not a directory");
            return Err(OpError::usage(message)
                .with_hint("name the place that the shards had as `--results`"));
        }
        let opened = DirectoryStore::open(path).map_err(|error| {
            OpError::usage(format!("the directory `{name}` cannot be created: {error}"))
        })?;
        return Ok(Store::Directory(opened));
    }
    let (bucket, prefix) = bucket_and_prefix(name)?;
    let of_logs = env.valid_config().is_some_and(|config| {
        config.archive.bucket == bucket
            || config.archive.replication.iter().any(|vault| vault.bucket == bucket)
            || config.consolidate.sources.iter().any(|source| source.bucket == bucket)
    });
    if of_logs {
        let message = format!("`{bucket}` contains log files: results belong in another bucket");
        return Err(OpError::new(message, Outcome::Refused));
    }
    let Reader { clients, .. } = Box::pin(reader(&bucket, owner, env)).await?;
    let prefix = Some(prefix.trim_end_matches('/')).filter(|prefix| !prefix.is_empty());
    Ok(Store::S3(if writes {
        // The user named the place for what is written there.
        let clients = WriteClients::new(&clients, &WriteAuthority::granted());
        S3Store::new(clients, bucket, prefix)
    } else {
        S3Store::read_only(clients, bucket, prefix)
    }))
}

/// Reads a file or `s3://bucket/key`.
///
/// # Errors
/// It does not exist or cannot be read.
pub(super) async fn read_file(
    env: &Env,
    name: &str,
    owner: Option<&AccountId>,
) -> Result<Vec<u8>, OpError> {
    if !name.starts_with("s3://") {
        return local_file::read(Path::new(name), LONGEST)
            .map_err(|error| OpError::usage(format!("reading `{name}`: {error}")));
    }
    let missing = || OpError::usage(format!("`{name}` does not exist"));
    let (folder, key) =
        name.rsplit_once('/').filter(|(folder, _)| folder.len() > "s3://".len()).ok_or_else(
            || OpError::usage(format!("`{name}` names no object, expected s3://BUCKET/KEY")),
        )?;
    let store = open(env, folder, owner, false).await?;
    let found = store.read(key).await.map_err(|source| {
        OpError::from(super::error::NotKept { place: folder.to_owned(), source })
    })?;
    Ok(found.ok_or_else(missing)?.bytes.to_vec())
}
