//! Creating, deleting, finding and listing buckets.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orgtrail_base::names::Region;
use s3s::{S3ErrorCode, S3Result, dto};

use super::acl::{self, Acl};
use super::bucket::{Bucket, LockSettings, Ownership, Settings, Versioning};
use super::context::{ByAcl, CallContext, Keys, region_header};
use super::error::{access_denied, custom, invalid_argument, refuse};
use super::time::to_dto;
use crate::policy::Request;

/// The Region whose endpoint is the global one.
const GLOBAL: &str = "us-east-1";

impl CallContext<'_> {
    /// The bucket of a request about its settings, if the caller may `action`.
    pub(super) fn bucket_to_set(
        &self,
        name: &str,
        expected_owner: Option<&str>,
        action: &str,
    ) -> S3Result<Arc<Bucket>> {
        let bucket = self.bucket(name, expected_owner)?;
        self.allow_bucket(&bucket, action, Keys::new(), ByAcl::No)?;
        Ok(bucket)
    }

    /// May the caller do something in its own account that no bucket's policy
    /// is asked about?
    pub(super) fn allow_account(
        &self,
        action: &str,
        resource: &str,
        keys: &mut Keys<'_>,
    ) -> S3Result<()> {
        let caller = self.caller().ok_or_else(|| access_denied("Access Denied"))?;
        if let Some(tls) = &self.session.tls {
            keys.push(("s3:TlsVersion", tls.clone()));
        }
        let request = Request {
            action,
            resource,
            resource_account: &caller.account,
            region: self.region.unwrap_or(&self.simulation.home_region),
            resource_policy: None,
            context: keys,
            secure_transport: self.session.tls.is_some(),
        };
        self.control.authorize(caller, &request).map_err(|refusal| access_denied(refusal.message))
    }
}

fn region_of(cx: &CallContext<'_>, constraint: Option<&str>) -> S3Result<Region> {
    let signed = cx.region.map_or(GLOBAL, Region::as_str);
    let illegal = |found: &str| {
        custom(
            "IllegalLocationConstraintException",
            http::StatusCode::BAD_REQUEST,
            format!(
                "The {found} location constraint is incompatible for the region specific endpoint this request was sent to."
            ),
        )
    };
    let wanted = match constraint {
        None | Some("") if signed == GLOBAL => GLOBAL,
        None | Some("") => return Err(illegal("unspecified")),
        Some("EU") => "eu-west-1",
        Some(GLOBAL) => {
            return Err(refuse(
                S3ErrorCode::InvalidLocationConstraint,
                "The specified location-constraint is not valid",
            ));
        }
        Some(wanted) if signed != GLOBAL && wanted != signed => return Err(illegal(wanted)),
        Some(wanted) => wanted,
    };
    wanted.parse().map_err(|_| {
        refuse(
            S3ErrorCode::InvalidLocationConstraint,
            "The specified location-constraint is not valid",
        )
    })
}

pub(super) fn create_bucket(
    cx: &CallContext<'_>,
    input: dto::CreateBucketInput,
) -> S3Result<dto::CreateBucketOutput> {
    let account = cx.account()?.clone();
    let configuration = input.create_bucket_configuration.as_ref();
    let constraint = configuration.and_then(|c| c.location_constraint.as_ref());
    let region = region_of(cx, constraint.map(dto::BucketLocationConstraint::as_str))?;
    let resource = format!("arn:{}:s3:::{}", cx.simulation.partition, input.bucket);
    let mut keys = vec![("s3:locationconstraint", region.to_string())];
    let canned = input.acl.as_ref().map(dto::BucketCannedACL::as_str);
    keys.extend(canned.map(|name| ("s3:x-amz-acl", name.to_owned())));
    let ownership = input.object_ownership.as_ref().map(dto::ObjectOwnership::as_str);
    keys.extend(ownership.map(|name| ("s3:x-amz-object-ownership", name.to_owned())));
    cx.allow_account("s3:CreateBucket", &resource, &mut keys)?;
    if ownership.is_some() {
        cx.allow_account("s3:PutBucketOwnershipControls", &resource, &mut keys)?;
    }
    let locked = input.object_lock_enabled_for_bucket.unwrap_or(false);
    if locked {
        cx.allow_account("s3:PutBucketObjectLockConfiguration", &resource, &mut keys)?;
        cx.allow_account("s3:PutBucketVersioning", &resource, &mut keys)?;
    }
    let name = input.bucket.parse().map_err(|_| {
        refuse(S3ErrorCode::InvalidBucketName, "The specified bucket is not valid.")
    })?;
    let mut settings = Settings::of_new_bucket();
    if let Some(name) = ownership {
        settings.ownership = Some(Ownership::parse(name)?);
    }
    if locked {
        settings.versioning = Versioning::Enabled;
        settings.lock = Some(LockSettings::default());
    }
    if let Some(canned) = canned.filter(|canned| *canned != "private") {
        let acl = Acl::canned(canned, &account, &account)?;
        if settings.acls_disabled() {
            return Err(refuse(
                S3ErrorCode::InvalidBucketAclWithObjectOwnership,
                "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
            ));
        }
        if acl.is_public() {
            return Err(access_denied(
                "Access Denied: public ACLs are blocked by the BlockPublicAcls setting",
            ));
        }
        settings.acl = Some(acl);
    }
    let bucket = Bucket::new(name, account.clone(), region, cx.now);
    bucket.state.write().settings = Arc::new(settings);
    match cx.store().insert(bucket) {
        Ok(_) => {}
        Err(there) if there.owner == account => {
            // The oldest Region still answers as if nothing had happened.
            if there.region.as_str() != GLOBAL || cx.region.map_or(GLOBAL, Region::as_str) != GLOBAL
            {
                return Err(refuse(
                    S3ErrorCode::BucketAlreadyOwnedByYou,
                    "Your previous request to create the named bucket succeeded and you already own it.",
                ));
            }
        }
        Err(_) => {
            return Err(refuse(
                S3ErrorCode::BucketAlreadyExists,
                "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
            ));
        }
    }
    Ok(dto::CreateBucketOutput { location: Some(format!("/{}", input.bucket)) })
}

pub(super) fn delete_bucket(
    cx: &CallContext<'_>,
    input: dto::DeleteBucketInput,
) -> S3Result<dto::DeleteBucketOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:DeleteBucket")?;
    // INVARIANT: the map's lock is taken first, as nowhere else together, so
    // that an empty bucket stays empty until it is gone.
    let mut buckets = cx.store().buckets.write();
    let mut state = bucket.state.write();
    if !state.objects.is_empty() || !state.uploads.is_empty() {
        let versioned = state.settings.versioning != Versioning::Off;
        return Err(refuse(
            S3ErrorCode::BucketNotEmpty,
            if versioned {
                "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
            } else {
                "The bucket you tried to delete is not empty"
            },
        ));
    }
    state.deleted = true;
    buckets.remove(bucket.name.as_str());
    Ok(dto::DeleteBucketOutput {})
}

pub(super) fn head_bucket(
    cx: &CallContext<'_>,
    input: dto::HeadBucketInput,
) -> S3Result<dto::HeadBucketOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let allowed = cx.allow_bucket(&bucket, "s3:ListBucket", Keys::new(), ByAcl::Bucket("READ"));
    allowed.map_err(|mut refusal| {
        // Callers without access also learn the bucket's Region.
        refusal.set_headers(region_header(&bucket.region));
        refusal
    })?;
    Ok(dto::HeadBucketOutput {
        bucket_region: Some(bucket.region.to_string()),
        ..Default::default()
    })
}

pub(super) fn get_bucket_location(
    cx: &CallContext<'_>,
    input: dto::GetBucketLocationInput,
) -> S3Result<dto::GetBucketLocationOutput> {
    let bucket = cx.bucket_anywhere(&input.bucket, input.expected_bucket_owner.as_deref())?;
    cx.allow_bucket(&bucket, "s3:GetBucketLocation", Keys::new(), ByAcl::No)?;
    let constraint = (bucket.region.as_str() != GLOBAL)
        .then(|| dto::BucketLocationConstraint::from(bucket.region.to_string()));
    Ok(dto::GetBucketLocationOutput { location_constraint: constraint })
}

pub(super) fn list_buckets(
    cx: &CallContext<'_>,
    input: dto::ListBucketsInput,
) -> S3Result<dto::ListBucketsOutput> {
    let account = cx.account()?;
    cx.allow_account("s3:ListAllMyBuckets", "*", &mut Keys::new())?;
    let most = match input.max_buckets {
        None => usize::MAX,
        Some(number @ 1..=10_000) => usize::try_from(number).unwrap_or(1),
        Some(_) => {
            return Err(invalid_argument(
                "Argument max-buckets must be an integer between 1 and 10000",
            ));
        }
    };
    let after = match &input.continuation_token {
        None => None,
        Some(token) => Some(
            STANDARD
                .decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| invalid_argument("The continuation token provided is incorrect"))?,
        ),
    };
    let all = cx.store().all();
    let mut shown: Vec<&Arc<Bucket>> = all
        .iter()
        .filter(|bucket| bucket.owner == *account)
        .filter(|bucket| after.as_deref().is_none_or(|after| bucket.name.as_str() > after))
        .filter(|bucket| {
            input.prefix.as_deref().is_none_or(|prefix| bucket.name.as_str().starts_with(prefix))
        })
        .filter(|bucket| {
            input.bucket_region.as_deref().is_none_or(|region| bucket.region.as_str() == region)
        })
        .collect();
    let more = shown.len() > most;
    shown.truncate(most);
    let token = if more { shown.last().map(|b| STANDARD.encode(b.name.as_str())) } else { None };
    // Without paging parameters, the response is unpaged.
    let paged = input.max_buckets.is_some() || input.prefix.is_some();
    let buckets = shown.into_iter().map(|bucket| dto::Bucket {
        bucket_region: paged.then(|| bucket.region.to_string()),
        creation_date: Some(to_dto(bucket.created)),
        name: Some(bucket.name.to_string()),
    });
    Ok(dto::ListBucketsOutput {
        buckets: Some(buckets.collect()),
        continuation_token: token,
        owner: Some(acl::owner(account)),
        prefix: input.prefix,
    })
}
