//! Copies inside S3: if the archive's credentials can read a source, its objects do not pass
//! through this machine.

use aws_sdk_s3::operation::copy_object::CopyObjectOutput;
use aws_sdk_s3::types::ChecksumAlgorithm;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::concurrency::ConcurrencyLimit;
use super::copy::{self, Copied, CopyError, Origin, WriteTarget, compare, hash};
use super::inspect::Expected;
use super::record::Outcome;
use crate::archive::contention::{Contended, Contention, is_taken, is_write_conflict};
use crate::aws::{At, AwsError, ErrorKind};
use crate::names::AccountId;

/// The maximum size for `CopyObject`. Larger objects could only be copied in parts, for
/// which S3 returns no SHA-256 of the whole object. Units: bytes.
const MAX_COPY_BYTES: u64 = 5 << 30;

/// How an object was copied to the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CopyMethod {
    /// Copied inside S3, with only the archive's credentials.
    #[serde(rename = "inside_s3")]
    Server,
    /// Read with the source's credentials, written with the archive's.
    #[serde(rename = "through_client")]
    Client,
}

/// Which sources may be copied inside S3.
///
/// The owner of a source's bucket controls whether the archive's role may read it. This must
/// not decide how objects are copied, unless the user requests it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerSide {
    /// None: all objects pass through this machine.
    Never,
    /// Sources that the archive's own account owns.
    OwnBuckets,
    /// All sources that the archive's role can read. Objects of other accounts are read first,
    /// and the copy is compared with what was read.
    AnyBucket,
}

impl ServerSide {
    /// The route for a source whose bucket `owner` owns.
    pub(super) fn route(self, owner: Option<&AccountId>, archive: Option<&AccountId>) -> Route {
        let is_own = archive.is_some() && owner == archive;
        let may_try = match self {
            Self::Never => false,
            Self::OwnBuckets => is_own,
            Self::AnyBucket => true,
        };
        let state = if may_try { State::Unknown } else { State::Client };
        Route { state: Mutex::new(state), is_own }
    }
}

/// How a source's objects are copied, determined with the first object.
#[derive(Debug)]
pub(super) struct Route {
    state: Mutex<State>,
    /// Whether the archive's own account owns the source.
    is_own: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not tried yet.
    Unknown,
    /// A probe is running; other objects pass through this machine in the meantime.
    Probing,
    /// S3 copies, without overwriting.
    Server,
    /// All objects pass through this machine.
    Client,
}

/// Why S3 did not copy an object.
enum ServerCopyFailure {
    /// Because of this object: its key exists, or it changed or was deleted.
    Object,
    /// For all objects of the source.
    Source,
    /// The call failed temporarily.
    Failed(CopyError),
}

/// What an object must be, and whether it must be inspected before the copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct CopyRequest<'a> {
    pub(super) expected: &'a Expected,
    /// Whether S3 may copy it without inspection: verification checks it later.
    pub(super) may_skip_inspection: bool,
}

impl Route {
    /// Copies one object unless the key exists: inside S3 if that works, otherwise like
    /// [`copy::copy`].
    ///
    /// # Errors
    /// Nothing was written; another run can retry.
    pub(super) async fn copy(
        &self,
        limit: &ConcurrencyLimit,
        target: &WriteTarget,
        origin: Origin<'_>,
        key: &str,
        wanted: CopyRequest<'_>,
    ) -> Result<Copied, CopyError> {
        let in_parts = origin.size_bytes > target.part_bytes;
        // A digest's signature is in its metadata, which the entity tag does not cover: write the
        // bytes and the metadata that were inspected.
        let inside = !matches!(wanted.expected, Expected::Digest(_));
        // Another account's administrator can replace an object by one of the same entity tag (an
        // MD5): so the copy must equal what was read.
        let may_skip_inspection = wanted.may_skip_inspection && self.is_own;
        let inspect_first = in_parts || (inside && self.is(State::Server) && !may_skip_inspection);
        let mut seen = None;
        if inspect_first {
            // Inspect here: neither copies inside S3 nor copies in parts see the whole object.
            let _held = limit.reserve(origin.size_bytes).await;
            seen = Some(copy::read_and_inspect(origin, wanted.expected).await?);
        }
        let may_skip_inspection = inspect_first || may_skip_inspection;
        let small = origin.size_bytes <= MAX_COPY_BYTES;
        let bytes = origin.size_bytes.min(target.part_bytes);
        // While waiting, a probe may succeed.
        let mut held =
            if inside && self.is(State::Server) { None } else { limit.reserve(bytes).await };
        if let Some(etag) =
            origin.etag.filter(|_| inside && small && may_skip_inspection && self.is(State::Server))
        {
            held = None;
            // INVARIANT: the copy is conditional on the listed entity tag, so the listed size
            // applies to the copy.
            match copy_with_retries(target, origin, Some(etag), key).await {
                Ok(answer) => {
                    let mut copied = self.verify_copy(limit, target, origin, key, &answer).await?;
                    if seen.as_ref().is_some_and(|seen| seen.sha256 != copied.sha256) {
                        tracing::warn!(bucket = %origin.bucket, key, "changed while S3 copied it");
                        self.set(State::Client);
                        copied.outcome = Outcome::Conflict;
                    }
                    return Ok(Copied { listed: seen.map(|seen| seen.listed), ..copied });
                }
                Err(ServerCopyFailure::Failed(error)) => return Err(error),
                Err(ServerCopyFailure::Source) => self.set(State::Client),
                Err(ServerCopyFailure::Object) => {}
            }
        }
        if held.is_none() {
            held = limit.reserve(bytes).await;
        }
        let to_inspect = (!inspect_first).then_some(wanted.expected);
        let mut copied = copy::copy(target, origin, key, to_inspect).await?;
        drop(held);
        if copied.outcome == Outcome::Copied && small && self.begin_probe() {
            self.set(probe(target, origin, key).await);
        }
        let listed = copied.listed.take().or(seen.map(|seen| seen.listed));
        Ok(Copied { listed, ..copied })
    }

    /// Determines the SHA-256 of a copy: as S3 computed it, or by reading both objects if the
    /// server does not.
    async fn verify_copy(
        &self,
        limit: &ConcurrencyLimit,
        target: &WriteTarget,
        origin: Origin<'_>,
        key: &str,
        answer: &CopyObjectOutput,
    ) -> Result<Copied, CopyError> {
        let (outcome, sha256) = if let Some(sha256) = sha256_of_whole(answer) {
            (Outcome::Copied, sha256)
        } else {
            self.set(State::Client);
            let _held = limit.reserve(origin.size_bytes.min(target.part_bytes)).await;
            let sha256 = hash(origin, target.part_bytes).await?;
            let outcome = match compare(target, key, origin.size_bytes, &sha256).await? {
                Outcome::AlreadyThere => Outcome::Copied,
                other => other,
            };
            (outcome, sha256)
        };
        let size_bytes = origin.size_bytes;
        let copy_method = CopyMethod::Server;
        Ok(Copied { outcome, sha256, size_bytes, tags_left: false, copy_method, listed: None })
    }

    fn is(&self, state: State) -> bool {
        *self.state.lock() == state
    }

    fn set(&self, state: State) {
        *self.state.lock() = state;
    }

    fn begin_probe(&self) -> bool {
        let mut state = self.state.lock();
        let begins = *state == State::Unknown;
        if begins {
            *state = State::Probing;
        }
        begins
    }
}

/// Tries to copy an object over its copy, which was written just before. Only a refusal
/// because the key exists shows that the source is readable and that the server supports
/// `If-None-Match` on copies. Without support, the same content is written as another
/// version.
async fn probe(target: &WriteTarget, origin: Origin<'_>, key: &str) -> State {
    let result = send(target, origin, None, key).await;
    let state = match &result {
        Err(error) if is_taken(error) => State::Server,
        Err(error) if is_transient(error) => State::Unknown,
        Ok(_) | Err(_) => State::Client,
    };
    let reason = result.err().map(|error| error.in_full());
    tracing::debug!(bucket = %origin.bucket, ?state, reason, "tried to copy inside S3");
    state
}

async fn copy_with_retries(
    target: &WriteTarget,
    origin: Origin<'_>,
    etag: Option<&str>,
    key: &str,
) -> Result<CopyObjectOutput, ServerCopyFailure> {
    let mut contention = Contention::new();
    loop {
        let error = match send(target, origin, etag, key).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if is_write_conflict(&error) {
            let waited: Result<(), Contended> = contention.wait(key).await;
            waited.map_err(|error| ServerCopyFailure::Failed(error.into()))?;
            continue;
        }
        let own = is_taken(&error) || error.is_not_found() || error.is_code("InvalidObjectState");
        return Err(if own {
            ServerCopyFailure::Object
        } else if is_transient(&error) {
            ServerCopyFailure::Failed(error.into())
        } else {
            tracing::debug!(bucket = %origin.bucket, %error, "no longer copying inside S3");
            ServerCopyFailure::Source
        });
    }
}

async fn send(
    target: &WriteTarget,
    origin: Origin<'_>,
    etag: Option<&str>,
    key: &str,
) -> Result<CopyObjectOutput, AwsError> {
    // By default S3 copies metadata, content type, encoding and tags; the storage class,
    // encryption and retention are the archive's.
    target
        .writer()
        .s3()
        .copy_object()
        .bucket(target.bucket.as_str())
        .key(key)
        .copy_source(copy_source(origin))
        .set_expected_source_bucket_owner(origin.clients.bucket_owner().map(ToString::to_string))
        .set_copy_source_if_match(etag.map(str::to_owned))
        .if_none_match("*")
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .storage_class(target.storage_class.clone())
        .send()
        .await
        .at(&target.clients, "s3:PutObject")
}

/// Whether the call may succeed later.
fn is_transient(error: &AwsError) -> bool {
    use ErrorKind::{Busy, Conflict, Expired, Network, Propagating, Throttled, Timeout};
    matches!(error.kind(), Busy | Conflict | Expired | Network | Propagating | Throttled | Timeout)
}

/// The SHA-256 of the whole object, if the response contains it; a composite checksum (of
/// parts) is not sufficient.
fn sha256_of_whole(answer: &CopyObjectOutput) -> Option<[u8; 32]> {
    let checksum = answer.copy_object_result()?.checksum_sha256()?;
    BASE64_STANDARD.decode(checksum).ok()?.try_into().ok()
}

/// `bucket/key`, percent-encoded for the header.
fn copy_source(origin: Origin<'_>) -> String {
    let encode = |part: &str| -> String {
        // Form encoding writes a space as `+`, and encodes `+` itself.
        form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>().replace('+', "%20")
    };
    let parts: Vec<String> = origin.key.split('/').map(encode).collect();
    format!("{}/{}", origin.bucket, parts.join("/"))
}
