//! Reading and writing access control lists.

use s3s::{S3Result, dto};

use super::acl::{self, Acl};
use super::context::{ByAcl, CallContext, Keys};
use super::error::{access_denied, invalid_request};
use super::put::acls_not_supported;

pub(super) fn get_bucket_acl(
    cx: &CallContext<'_>,
    input: dto::GetBucketAclInput,
) -> S3Result<dto::GetBucketAclOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    cx.allow_bucket(&bucket, "s3:GetBucketAcl", Keys::new(), ByAcl::Bucket("READ_ACP"))?;
    let settings = bucket.settings();
    let acl = settings.acl.clone().filter(|_| !settings.acls_disabled());
    let acl = acl.unwrap_or_else(|| Acl::private(&bucket.owner));
    Ok(dto::GetBucketAclOutput { grants: Some(acl.dto()), owner: Some(acl::owner(&bucket.owner)) })
}

pub(super) fn put_bucket_acl(
    cx: &CallContext<'_>,
    input: dto::PutBucketAclInput,
) -> S3Result<dto::PutBucketAclOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let canned = input.acl.as_ref().map(dto::BucketCannedACL::as_str);
    let keys = canned.map(|name| ("s3:x-amz-acl", name.to_owned())).into_iter().collect();
    cx.allow_bucket(&bucket, "s3:PutBucketAcl", keys, ByAcl::Bucket("WRITE_ACP"))?;
    let settings = bucket.settings();
    if settings.acls_disabled() {
        return Err(acls_not_supported());
    }
    let mut acl = match (&input.access_control_policy, canned) {
        (Some(policy), None) => Acl::parse(policy)?,
        (None, canned) => Acl::canned(canned.unwrap_or("private"), &bucket.owner, &bucket.owner)?,
        (Some(_), Some(_)) => {
            return Err(invalid_request("a canned ACL and an ACL in the body exclude each other"));
        }
    };
    for (permission, header) in [
        ("FULL_CONTROL", &input.grant_full_control),
        ("READ", &input.grant_read),
        ("READ_ACP", &input.grant_read_acp),
        ("WRITE", &input.grant_write),
        ("WRITE_ACP", &input.grant_write_acp),
    ] {
        acl.add_header(permission, header.as_deref())?;
    }
    if acl.is_public() && settings.blocks(|block| block.block_public_acls) {
        return Err(access_denied(
            "Access Denied: public ACLs are blocked by the BlockPublicAcls setting",
        ));
    }
    bucket.change(|settings| settings.acl = Some(acl));
    Ok(dto::PutBucketAclOutput {})
}

pub(super) fn get_object_acl(
    cx: &CallContext<'_>,
    input: dto::GetObjectAclInput,
) -> S3Result<dto::GetObjectAclOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let actions = ("s3:GetObjectAcl", "s3:GetObjectVersionAcl");
    let found = cx.read(bucket, &input.key, input.version_id.as_ref(), actions)?;
    let details = found.object.details.as_ref();
    let writer = details.and_then(|details| details.owner.as_ref());
    let shown = !found.settings.acls_disabled();
    let owner = writer.filter(|_| shown).unwrap_or(&found.bucket.owner);
    let acl = details.and_then(|details| details.acl.clone()).filter(|_| shown);
    let acl = acl.unwrap_or_else(|| Acl::private(owner));
    Ok(dto::GetObjectAclOutput {
        grants: Some(acl.dto()),
        owner: Some(acl::owner(owner)),
        request_charged: None,
    })
}

pub(super) fn put_object_acl(
    cx: &CallContext<'_>,
    input: dto::PutObjectAclInput,
) -> S3Result<dto::PutObjectAclOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let settings = bucket.settings();
    let canned = input.acl.as_ref().map(dto::ObjectCannedACL::as_str);
    let mut keys: Keys<'_> =
        canned.map(|name| ("s3:x-amz-acl", name.to_owned())).into_iter().collect();
    super::lock::version_key(input.version_id.as_ref(), &mut keys);
    let action =
        if input.version_id.is_some() { "s3:PutObjectVersionAcl" } else { "s3:PutObjectAcl" };
    cx.allow_object(&bucket, &settings, &input.key, action, keys, ByAcl::No)?;
    if settings.acls_disabled() {
        // The one list that changes nothing is taken.
        if canned == Some("bucket-owner-full-control") {
            return Ok(dto::PutObjectAclOutput::default());
        }
        return Err(acls_not_supported());
    }
    let block = settings.blocks(|block| block.block_public_acls);
    bucket.edit(&input.key, input.version_id.as_deref(), |object| {
        let writer = object.details.as_ref().and_then(|details| details.owner.clone());
        let owner = writer.unwrap_or_else(|| bucket.owner.clone());
        let mut acl = match &input.access_control_policy {
            Some(policy) => Acl::parse(policy)?,
            None => Acl::canned(canned.unwrap_or("private"), &owner, &bucket.owner)?,
        };
        for (permission, header) in [
            ("FULL_CONTROL", &input.grant_full_control),
            ("READ", &input.grant_read),
            ("READ_ACP", &input.grant_read_acp),
            ("WRITE_ACP", &input.grant_write_acp),
        ] {
            acl.add_header(permission, header.as_deref())?;
        }
        if block && acl.is_public() {
            return Err(access_denied(
                "Access Denied: public ACLs are blocked by the BlockPublicAcls setting",
            ));
        }
        object.details_mut().acl = Some(acl);
        Ok(())
    })?;
    Ok(dto::PutObjectAclOutput::default())
}
