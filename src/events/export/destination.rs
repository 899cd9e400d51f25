use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{EncodedPart, Format, OcsfClass, Scratch, Unit};
use crate::aws::{At as _, AwsError, WriteClients};
use crate::local_file::{self, Partial};
use crate::names::BucketName;

/// The longest manifest that is read. Units: bytes.
const LONGEST_MANIFEST: u64 = 256 << 20;
/// How often a write that conflicts with a concurrent one is tried again.
const TRIES: u32 = 20;

/// Where an export is written.
#[derive(Debug)]
pub enum Destination {
    /// A directory.
    Folder(PathBuf),
    /// A bucket.
    Bucket {
        /// Clients that may write into it.
        clients: Box<WriteClients>,
        /// Its name.
        bucket: BucketName,
        /// Empty, or with a slash at its end.
        prefix: String,
    },
}

/// What writing a file resulted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was written.
    Written,
    /// A file with its bytes has its name.
    Same,
    /// A file with other bytes has its name, and was left.
    Different,
}

/// Why a file of an export could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// A local file.
    #[error("writing `{}`", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// An object.
    #[error("writing `{key}`")]
    Object {
        /// Its key.
        key: String,
        /// The cause.
        #[source]
        source: AwsError,
    },
    /// Other programs wrote the same object again and again.
    #[error("other programs wrote `{key}` at the same time, {TRIES} times in a row: run again")]
    Contended {
        /// Its key.
        key: String,
    },
    /// An object is larger than what orgtrail writes.
    #[error("`{key}` is larger than {LONGEST_MANIFEST} bytes")]
    TooLong {
        /// Its key.
        key: String,
    },
}

impl Destination {
    /// The folder of a unit's manifest, below the destination, ending in a slash. Its files are
    /// there too, unless files have events of one class each.
    #[must_use]
    pub fn folder(format: Format, unit: &Unit) -> String {
        let table = match format {
            Format::Parquet => "events".to_owned(),
            // Readers of the table must not find them.
            other => format!("events-{}", other.as_str()),
        };
        format!("{table}/{}", unit.folder())
    }

    /// The folder of a unit's files, with events of a class where files have those of one each.
    #[must_use]
    pub fn files_folder(format: Format, unit: &Unit, class: Option<OcsfClass>) -> String {
        match class {
            Some(class) => unit.lake_folder(class),
            None => Self::folder(format, unit),
        }
    }

    /// A file for what is written to a name later: next to it, or in the temporary folder.
    pub(super) fn partial(
        &self,
        name: &str,
        scratch: &Scratch,
    ) -> Result<Partial, DestinationError> {
        let path = match self {
            Self::Folder(root) => root.join(name),
            Self::Bucket { .. } => scratch.path(),
        };
        let made = match path.parent() {
            Some(parent) => local_file::create_folder(parent),
            None => Ok(()),
        };
        made.and_then(|()| local_file::partial(&path))
            .map_err(|source| DestinationError::File { path, source })
    }

    /// Gives a file its name, unless another has it.
    ///
    /// # Errors
    /// It could not be written, or what has its name could not be read.
    pub async fn put(
        &self,
        name: &str,
        part: EncodedPart,
        format: Format,
    ) -> Result<Put, DestinationError> {
        let EncodedPart { file, sha256, size_bytes, .. } = part;
        match self {
            Self::Folder(root) => {
                let path = root.join(name);
                blocking(move || create(&path, file, sha256, size_bytes)).await
            }
            Self::Bucket { .. } => {
                let found = self.compare(name, sha256, size_bytes).await?;
                if let Some(found) = found {
                    return Ok(found);
                }
                let path = file.into_temp_path();
                let body = async || {
                    ByteStream::from_path(&path).await.map_err(|error| DestinationError::File {
                        path: path.to_path_buf(),
                        source: io::Error::other(error),
                    })
                };
                self.upload(name, &body, sha256, size_bytes, format.media_type()).await
            }
        }
    }

    /// The same for a short text.
    ///
    /// # Errors
    /// As of [`Self::put`].
    pub async fn put_text(&self, name: &str, text: Vec<u8>) -> Result<Put, DestinationError> {
        let sha256 = sha256(&text);
        let size_bytes = text.len() as u64;
        match self {
            Self::Folder(root) => {
                let path = root.join(name);
                blocking(move || {
                    let write = || {
                        if let Some(folder) = path.parent() {
                            local_file::create_folder(folder)?;
                        }
                        let mut file = local_file::partial(&path)?;
                        io::Write::write_all(&mut file, &text)?;
                        Ok(file)
                    };
                    let file = write()
                        .map_err(|source| DestinationError::File { path: path.clone(), source })?;
                    create(&path, file, sha256, size_bytes)
                })
                .await
            }
            Self::Bucket { .. } => {
                let body = async || Ok(ByteStream::from(text.clone()));
                self.upload(name, &body, sha256, size_bytes, "application/json").await
            }
        }
    }

    /// The content of a file; `None` if it does not exist.
    ///
    /// # Errors
    /// It could not be read.
    pub async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DestinationError> {
        match self {
            Self::Folder(root) => {
                let path = root.join(name);
                blocking(move || match local_file::read(&path, LONGEST_MANIFEST) {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(source) => Err(DestinationError::File { path, source }),
                })
                .await
            }
            Self::Bucket { clients, bucket, prefix } => {
                let key = format!("{prefix}{name}");
                let get = clients.s3().get_object().bucket(bucket.as_str()).key(&key);
                let got = match get.send().await.at(clients, "s3:GetObject") {
                    Ok(got) => got,
                    Err(error) if error.is_not_found() => return Ok(None),
                    Err(source) => return Err(DestinationError::Object { key, source }),
                };
                let length = got.content_length().and_then(|length| u64::try_from(length).ok());
                if length.is_none_or(|length| length > LONGEST_MANIFEST) {
                    return Err(DestinationError::TooLong { key });
                }
                let body = got.body.collect().await.map_err(|error| DestinationError::Object {
                    key: key.clone(),
                    source: clients.malformed("s3:GetObject", &error.to_string()),
                })?;
                Ok(Some(body.into_bytes().to_vec()))
            }
        }
    }

    /// Deletes a file. One that does not exist is deleted.
    ///
    /// # Errors
    /// It could not be deleted.
    pub async fn delete(&self, name: &str) -> Result<(), DestinationError> {
        match self {
            Self::Folder(root) => {
                let path = root.join(name);
                blocking(move || match std::fs::remove_file(&path) {
                    Err(source) if source.kind() != io::ErrorKind::NotFound => {
                        Err(DestinationError::File { path, source })
                    }
                    _ => Ok(()),
                })
                .await
            }
            Self::Bucket { clients, bucket, prefix } => {
                let key = format!("{prefix}{name}");
                let delete = clients.s3().delete_object().bucket(bucket.as_str()).key(&key);
                let deleted = delete.send().await.at(clients, "s3:DeleteObject");
                deleted.map(|_| ()).map_err(|source| DestinationError::Object { key, source })
            }
        }
    }

    async fn upload(
        &self,
        name: &str,
        body: &impl AsyncFn() -> Result<ByteStream, DestinationError>,
        sha256: [u8; 32],
        size_bytes: u64,
        media_type: &str,
    ) -> Result<Put, DestinationError> {
        let Self::Bucket { clients, bucket, prefix } = self else { return Ok(Put::Different) };
        let key = format!("{prefix}{name}");
        for _ in 0..TRIES {
            let put = clients
                .s3()
                .put_object()
                .bucket(bucket.as_str())
                .key(&key)
                .if_none_match("*")
                .checksum_sha256(BASE64_STANDARD.encode(sha256))
                .content_type(media_type)
                .body(body().await?)
                .send()
                .await
                .at(clients, "s3:PutObject");
            match put {
                Ok(_) => return Ok(Put::Written),
                Err(error) if error.is_code("PreconditionFailed") => {
                    // Deleted meanwhile, it is written again.
                    if let Some(found) = self.compare(name, sha256, size_bytes).await? {
                        return Ok(found);
                    }
                }
                Err(error) if error.is_code("ConditionalRequestConflict") => {
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(50..250))).await;
                }
                Err(source) => return Err(DestinationError::Object { key, source }),
            }
        }
        Err(DestinationError::Contended { key })
    }

    /// Compares an object with what would be written; `None` if there is none.
    async fn compare(
        &self,
        name: &str,
        sha256: [u8; 32],
        size_bytes: u64,
    ) -> Result<Option<Put>, DestinationError> {
        let Self::Bucket { clients, bucket, prefix } = self else { return Ok(None) };
        let key = format!("{prefix}{name}");
        let head = clients.s3().head_object().bucket(bucket.as_str()).key(&key);
        let head = head.checksum_mode(ChecksumMode::Enabled).send().await;
        let found = match head.at(clients, "s3:GetObject") {
            Ok(found) => found,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(source) => return Err(DestinationError::Object { key, source }),
        };
        if found.content_length().and_then(|length| u64::try_from(length).ok()) != Some(size_bytes)
        {
            return Ok(Some(Put::Different));
        }
        // What orgtrail wrote has one. Without it, the object is somebody else's.
        let is_same = found.checksum_sha256() == Some(&*BASE64_STANDARD.encode(sha256));
        Ok(Some(if is_same { Put::Same } else { Put::Different }))
    }
}

/// Gives a file its name, or compares it with the one that has it.
fn create(
    path: &Path,
    file: Partial,
    sha256: [u8; 32],
    size_bytes: u64,
) -> Result<Put, DestinationError> {
    let refuse = |source| DestinationError::File { path: path.to_owned(), source };
    // INVARIANT: before the name, which says that the content is there.
    file.as_file().sync_all().map_err(refuse)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(Put::Written),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            let is_same = is_file_of(path, sha256, size_bytes).map_err(refuse)?;
            Ok(if is_same { Put::Same } else { Put::Different })
        }
        Err(error) => Err(refuse(error.error)),
    }
}

fn is_file_of(path: &Path, sha256: [u8; 32], size_bytes: u64) -> io::Result<bool> {
    let about = std::fs::symlink_metadata(path)?;
    if !about.is_file() || about.len() != size_bytes {
        return Ok(false);
    }
    let mut file = std::fs::File::open(path)?;
    let (mut hash, mut buffer) = (Context::new(&SHA256), vec![0; 256 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finish().as_ref() == sha256),
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    aws_lc_rs::digest::digest(&SHA256, bytes).as_ref().try_into().unwrap_or_default()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    crate::archive::blocking::or_panic(tokio::task::spawn_blocking(work).await)
}
