//! Copying inside S3: where the archive's own credentials may read a source,
//! its objects need not pass through this machine.

use aws_sdk_s3::{operation::copy_object::CopyObjectOutput, types::ChecksumAlgorithm};
use base64::{Engine, prelude::BASE64_STANDARD};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    concurrency::ConcurrencyLimit,
    copy::{self, Copied, CopyError, Origin, WriteTarget, compare, hash},
    inspect::Expected,
    record::Outcome,
};
use crate::{
    archive::contention::{Contended, Contention, is_taken, is_write_conflict},
    aws::{At, AwsError, ErrorKind},
    names::AccountId,
};

/// The most that one `CopyObject` takes. What is larger could only be copied in
/// parts, and of those S3 tells no SHA-256 of the whole. Units: bytes.
const MAX_COPY_BYTES: u64 = 5 << 30;

/// How an object came into the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CopyMethod {
    /// Copied inside S3, with the archive's credentials alone.
    #[serde(rename = "inside_s3")]
    Server,
    /// Read with the source's credentials, written with the archive's.
    #[serde(rename = "through_client")]
    Client,
}

/// Of which sources S3 may copy by itself.
///
/// Who owns a source's bucket decides by its policy whether the archive's role may
/// read it: that never decides which way the bytes go, unless someone asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerSide {
    /// Of none: all goes through this machine.
    Never,
    /// Of those that the archive's own account owns.
    OwnBuckets,
    /// Of all that the archive's role may read. Those of other accounts are read
    /// first, and what S3 copied is compared with what was read.
    AnyBucket,
}

impl ServerSide {
    /// The way of the objects of a source whose bucket `owner` owns.
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

/// The way that a source's objects go, found out with the first of them.
#[derive(Debug)]
pub(super) struct Route {
    state: Mutex<State>,
    /// Whether the archive's own account owns the source.
    is_own: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No one has tried.
    Unknown,
    /// An object is being tried; all others go through this machine in the meantime.
    Probing,
    /// S3 copies, and overwrites nothing.
    Server,
    /// All goes through this machine.
    Client,
}

/// Why S3 did not copy an object.
enum ServerCopyFailure {
    /// It is this object's matter: its key is taken, or it changed or went.
    Object,
    /// It will be so for all of the source.
    Source,
    /// The call failed on its way.
    Failed(CopyError),
}

/// What an object must be, and whether that is to be seen before it is copied.
#[derive(Debug, Clone, Copy)]
pub(super) struct CopyRequest<'a> {
    pub(super) expected: &'a Expected,
    /// Whether S3 may copy it unseen: then what it is shows when it is verified.
    pub(super) may_skip_inspection: bool,
}

impl Route {
    /// Copies one object, unless the key is taken: inside S3 where that is known
    /// to work, else as [`copy::copy`] does.
    ///
    /// # Errors
    /// Nothing was written; another run can try again.
    pub(super) async fn copy(
        &self,
        limit: &ConcurrencyLimit,
        target: &WriteTarget,
        origin: Origin<'_>,
        key: &str,
        wanted: CopyRequest<'_>,
    ) -> Result<Copied, CopyError> {
        let in_parts = origin.size_bytes > target.part_bytes;
        // What proves a digest is in its metadata, which no entity tag pins: the bytes
        // and the metadata that were seen are what is written.
        let inside = !matches!(wanted.expected, Expected::Digest(_));
        // Another account's administrator can replace an object by one of the same entity
        // tag (an MD5): there, only what was read may be what S3 copies.
        let may_skip_inspection = wanted.may_skip_inspection && self.is_own;
        let inspect_first = in_parts || (inside && self.is(State::Server) && !may_skip_inspection);
        let mut seen = None;
        if inspect_first {
            // Of what S3 copies and of what goes in parts no one sees the whole, but here.
            let _held = limit.reserve(origin.size_bytes).await;
            seen = Some(copy::read_and_inspect(origin, wanted.expected).await?);
        }
        let may_skip_inspection = inspect_first || may_skip_inspection;
        let small = origin.size_bytes <= MAX_COPY_BYTES;
        let bytes = origin.size_bytes.min(target.part_bytes);
        // While it waits, another may find that S3 copies.
        let mut held =
            if inside && self.is(State::Server) { None } else { limit.reserve(bytes).await };
        if let Some(etag) =
            origin.etag.filter(|_| inside && small && may_skip_inspection && self.is(State::Server))
        {
            held = None;
            // INVARIANT: the listed entity tag pins the content, so that the
            // size and what was compared in the listing hold for the copy.
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

    /// The SHA-256 of a copy: as S3 computed it, or where a server does not, by
    /// reading both.
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

/// Tries to copy an object over its copy that was written a moment ago. Only a
/// refusal because the key is taken shows both that the source can be read and
/// that the server keeps `If-None-Match` on copies. Where it does not, the same
/// content was put over itself, as a version of its own.
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
    // Metadata, content type and encoding and tags come along unless told
    // otherwise; the class does not, and encryption and retention are the
    // archive's.
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

/// Whether the same call may succeed later.
fn is_transient(error: &AwsError) -> bool {
    use ErrorKind::{Busy, Conflict, Expired, Network, Propagating, Throttled, Timeout};
    matches!(error.kind(), Busy | Conflict | Expired | Network | Propagating | Throttled | Timeout)
}

/// The SHA-256 of the whole object, where the answer tells it; a composite one
/// (of parts) says nothing of the whole.
fn sha256_of_whole(answer: &CopyObjectOutput) -> Option<[u8; 32]> {
    let checksum = answer.copy_object_result()?.checksum_sha256()?;
    BASE64_STANDARD.decode(checksum).ok()?.try_into().ok()
}

/// `bucket/key`, percent-encoded as the header wants it.
fn copy_source(origin: Origin<'_>) -> String {
    let encode = |part: &str| -> String {
        // A form's space is `+`, and its `+` is not.
        form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>().replace('+', "%20")
    };
    let parts: Vec<String> = origin.key.split('/').map(encode).collect();
    format!("{}/{}", origin.bucket, parts.join("/"))
}
