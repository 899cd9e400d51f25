//! CloudTrail at a bucket: what it tries before it takes a trail, and how it
//! writes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};
use jiff::Timestamp;
use orgtrail_base::cloudtrail::key::{LogClass, ObjectKey, ObjectKind, Root};
use orgtrail_base::names::{AccountId, Arn, Region};

use crate::api::ApiError;
use crate::auth::Caller;
use crate::s3;
use crate::services::cloudtrail::{Trail, organization};
use crate::simulation::{Control, Simulation};
use crate::simulator::DigestEncryption;

/// CloudTrail at work for a trail.
pub(crate) fn service(trail: &Trail) -> Caller {
    Caller::service(
        trail.arn.partition,
        &trail.owner,
        organization::PRINCIPAL,
        Some(trail.arn.to_string()),
    )
}

/// The Region of a bucket; `None` if there is no bucket of that name.
pub(crate) fn bucket_region(simulation: &Simulation, bucket: &str) -> Option<Region> {
    simulation.s3.region_of(bucket)
}

/// What a log file's data key is bound to.
pub(crate) fn encryption_context(trail: &Trail, object: Option<&str>) -> BTreeMap<String, String> {
    let mut context = BTreeMap::from([("aws:cloudtrail:arn".to_owned(), trail.arn.to_string())]);
    let arn =
        format!("arn:{}:s3:::{}/{}", trail.arn.partition, trail.bucket, object.unwrap_or("*"));
    context.insert("aws:s3:arn".to_owned(), arn);
    context
}

/// The part of a trail's keys above the account.
pub(super) fn root(control: &Control, trail: &Trail) -> Root {
    let organization = control.organization.as_ref().filter(|_| trail.organization);
    Root {
        prefix: trail.prefix.as_deref().map(Into::into),
        org: organization.map(|organization| organization.id.clone()),
    }
}

/// The key that a trail's digests are encrypted with; none where that is SSE-S3.
fn digest_key<'a>(control: &Control, trail: &'a Trail) -> Option<&'a str> {
    match control.simulator.digest_encryption {
        DigestEncryption::TrailKey => trail.key.as_deref(),
        DigestEncryption::SseS3 => None,
    }
}

/// Tries out whether CloudTrail may write a trail's files: logs and digests as they
/// will be encrypted, and, for the organization, both under the owner's and under
/// the organization's prefix.
///
/// # Errors
/// `InsufficientS3BucketPolicyException`.
pub(crate) fn probe(
    simulation: &Simulation,
    control: &Control,
    trail: &Trail,
) -> Result<(), ApiError> {
    let refused = || {
        ApiError::new(
            "InsufficientS3BucketPolicyException",
            format!("Incorrect S3 bucket policy is detected for bucket: {}", trail.bucket),
        )
    };
    let bucket = Arn::s3(simulation.partition, trail.bucket.as_str()).to_string();
    if !simulation.faults.is_propagated(&bucket, simulation.clock.now()) {
        return Err(refused());
    }
    s3::check(simulation, control, service(trail), &trail.bucket, "s3:GetBucketAcl", None, &[])
        .map_err(|_| refused())?;
    let own = Root { org: None, ..root(control, trail) };
    let mut roots = vec![own];
    if trail.organization {
        roots.push(root(control, trail));
    }
    let now = simulation.clock.now();
    for root in roots {
        for folder in [LogClass::Events.folder(), orgtrail_base::cloudtrail::key::DIGEST_FOLDER] {
            let digest = folder == orgtrail_base::cloudtrail::key::DIGEST_FOLDER;
            let key = format!(
                "{}{}/probe",
                root.folder(&trail.owner, folder, &trail.home_region),
                now.strftime("%Y/%m/%d")
            );
            let mut keys = vec![("s3:x-amz-acl", ACL.to_owned())];
            let key_arn = if digest { digest_key(control, trail) } else { trail.key.as_deref() };
            match key_arn {
                Some(arn) => {
                    keys.push(("s3:x-amz-server-side-encryption", "aws:kms".to_owned()));
                    keys.push(("s3:x-amz-server-side-encryption-aws-kms-key-id", arn.to_owned()));
                }
                None => keys.push(("s3:x-amz-server-side-encryption", "AES256".to_owned())),
            }
            s3::check(
                simulation,
                control,
                service(trail),
                &trail.bucket,
                "s3:PutObject",
                Some(&key),
                &keys,
            )
            .map_err(|_| refused())?;
        }
    }
    Ok(())
}

const ACL: &str = "bucket-owner-full-control";

/// An object to deliver: its bytes before they are zipped.
pub(super) struct PendingObject<'a> {
    pub(super) key: &'a str,
    pub(super) body: &'a [u8],
    pub(super) metadata: &'a [(&'a str, String)],
    /// Whether it is a digest, which may be encrypted otherwise than log files.
    pub(super) digest: bool,
}

/// Delivers an object, zipped, as CloudTrail does.
///
/// # Errors
/// S3's error code.
pub(super) fn put(
    simulation: &Simulation,
    control: &Control,
    trail: &Trail,
    object_to_deliver: &PendingObject<'_>,
) -> Result<(), String> {
    let kms_key =
        if object_to_deliver.digest { digest_key(control, trail) } else { trail.key.as_deref() };
    let context = [("aws:cloudtrail:arn", trail.arn.to_string())];
    let delivery = s3::Delivery {
        key: object_to_deliver.key,
        body: gzip(object_to_deliver.body).map_err(|_| "InternalError".to_owned())?,
        content_type: Some("application/json"),
        content_encoding: Some("gzip"),
        metadata: object_to_deliver.metadata,
        acl: Some(ACL),
        kms_key,
        sse_s3: kms_key.is_none(),
        kms_context: if kms_key.is_some() { &context } else { &[] },
    };
    s3::deliver(simulation, control, service(trail), &trail.bucket, delivery)
        .map_err(|error| error.code().as_str().to_owned())
}

thread_local! {
    /// One for all files of a thread: it takes 300 KB, and one for each file would
    /// leave a hole of that size before every file that stays in memory.
    static COMPRESSOR: RefCell<Compress> =
        RefCell::new(Compress::new_gzip(Compression::fast(), 15));
}

fn gzip(bytes: &[u8]) -> io::Result<Bytes> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.reset();
        let mut zipped = Vec::with_capacity(bytes.len() / 2 + 256);
        loop {
            let read = usize::try_from(compressor.total_in()).unwrap_or(bytes.len());
            let rest = bytes.get(read..).unwrap_or_default();
            match compressor.compress_vec(rest, &mut zipped, FlushCompress::Finish) {
                Ok(Status::StreamEnd) => return Ok(Bytes::from(zipped.into_boxed_slice())),
                Ok(_) => zipped.reserve(zipped.capacity()),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    })
}

/// The key of a log file.
pub(super) fn log_key(
    root: &Root,
    account: &AccountId,
    region: &Region,
    at: Timestamp,
    class: LogClass,
    unique: &str,
) -> Option<String> {
    let kind = ObjectKind::Log { class, unique: unique.into() };
    ObjectKey::new(root.clone(), account.clone(), region.clone(), at, kind)
        .map(|key| key.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn every_file_is_a_gzip_file_of_its_own_and_the_same_for_the_same_content() {
        let text = |n: usize| "a record, and another\n".repeat(n).into_bytes();
        // Also what does not get smaller.
        let noise: Vec<u8> = {
            let mut random = fastrand::Rng::with_seed(1);
            (0..100_000).map(|_| random.u8(..)).collect()
        };
        for body in [text(0), text(1), text(10_000), noise] {
            let zipped = gzip(&body).unwrap();
            let mut back = Vec::new();
            flate2::bufread::GzDecoder::new(&zipped[..]).read_to_end(&mut back).unwrap();
            assert_eq!(back, body);
            assert_eq!(gzip(&body).unwrap(), zipped);
        }
    }
}
