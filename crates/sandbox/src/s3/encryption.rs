//! Encryption at rest: which kind a write gets, and whether the key may be used.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use s3s::{S3Error, S3ErrorCode, S3Result, dto};

use super::bucket::{Bucket, DefaultEncryption, DefaultKms, Settings};
use super::context::{CallContext, Keys};
use super::error::{
    access_denied, custom, invalid_argument, invalid_request, malformed_xml, refuse,
};
use super::object::Encryption;
use crate::services::kms;

/// What a data key is bound to.
pub(super) type EncryptionContext = BTreeMap<String, String>;

/// What a write asks for.
#[derive(Debug, Default, Clone)]
pub(super) struct RequestedEncryption {
    pub(super) algorithm: Option<String>,
    pub(super) key: Option<String>,
    pub(super) bucket_key: Option<bool>,
    pub(super) context: EncryptionContext,
}

impl RequestedEncryption {
    pub(super) fn new(
        algorithm: Option<&dto::ServerSideEncryption>,
        key: Option<&String>,
        bucket_key: Option<bool>,
        context: Option<&String>,
        customer_key: Option<&String>,
    ) -> S3Result<Self> {
        if customer_key.is_some() {
            return Err(refuse(
                S3ErrorCode::NotImplemented,
                "the sandbox does not support customer-provided keys (SSE-C)",
            ));
        }
        let algorithm = algorithm.map(|algorithm| algorithm.as_str().to_owned());
        match algorithm.as_deref() {
            None | Some("AES256") if key.is_some() => {
                return Err(invalid_argument(
                    "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
                ));
            }
            None | Some("AES256" | "aws:kms" | "aws:kms:dsse") => {}
            Some(_) => {
                return Err(invalid_argument("The encryption method specified is not supported"));
            }
        }
        Ok(Self { algorithm, key: key.cloned(), bucket_key, context: parse_context(context)? })
    }

    /// The condition keys, of what the request itself carries.
    pub(super) fn keys(&self, keys: &mut Keys<'_>) {
        if let Some(algorithm) = &self.algorithm {
            keys.push(("s3:x-amz-server-side-encryption", algorithm.clone()));
        }
        if let Some(key) = &self.key {
            keys.push(("s3:x-amz-server-side-encryption-aws-kms-key-id", key.clone()));
        }
    }
}

impl CallContext<'_> {
    /// The encryption that a write to `key` gets; under KMS, after the key's
    /// policy and state were checked.
    pub(super) fn encrypt(
        &self,
        bucket: &Bucket,
        settings: &Settings,
        object_key: &str,
        wanted: &RequestedEncryption,
    ) -> S3Result<Encryption> {
        let default = &settings.encryption;
        let (kms, dual_layer) = match wanted.algorithm.as_deref() {
            None => match &default.kms {
                None => return Ok(Encryption::S3),
                Some(kms) => (kms.key.clone(), kms.dual_layer),
            },
            Some("AES256") => return Ok(Encryption::S3),
            Some(name) => {
                let default_key = default.kms.as_ref().and_then(|kms| kms.key.clone());
                (wanted.key.clone().or(default_key), name == "aws:kms:dsse")
            }
        };
        let bucket_key = wanted.bucket_key.unwrap_or(default.bucket_key) && !dual_layer;
        let context = &wanted.context;
        let action = "GenerateDataKey";
        let key = self.use_key(bucket, object_key, kms.as_deref(), bucket_key, context, action)?;
        let context = (!context.is_empty()).then(|| Arc::new(context.clone()));
        Ok(Encryption::Kms { key: key.into(), bucket_key, dual_layer, context })
    }

    /// Reading under KMS needs the key.
    pub(super) fn decrypt(
        &self,
        bucket: &Bucket,
        object_key: &str,
        encryption: &Encryption,
    ) -> S3Result<()> {
        let Encryption::Kms { key, bucket_key, context, .. } = encryption else {
            return Ok(());
        };
        let none = EncryptionContext::new();
        let context = context.as_deref().unwrap_or(&none);
        self.use_key(bucket, object_key, Some(key), *bucket_key, context, "Decrypt")?;
        Ok(())
    }
}

impl CallContext<'_> {
    /// Asks KMS for the use of a key; gives its ARN.
    fn use_key(
        &self,
        bucket: &Bucket,
        object_key: &str,
        key: Option<&str>,
        bucket_key: bool,
        context: &EncryptionContext,
        action: &str,
    ) -> S3Result<String> {
        let caller = self.caller().ok_or_else(|| {
            invalid_request("Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.")
        })?;
        if self.session.tls.is_none() {
            return Err(invalid_argument(
                "Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure connection.",
            ));
        }
        let mut context = context.clone();
        let partition = self.simulation.partition;
        let arn = if bucket_key {
            format!("arn:{partition}:s3:::{}", bucket.name)
        } else {
            format!("arn:{partition}:s3:::{}/{object_key}", bucket.name)
        };
        context.insert("aws:s3:arn".to_owned(), arn);
        let key = key.unwrap_or("alias/aws/s3");
        let via = format!("s3.{}.{}", bucket.region, partition.dns_suffix());
        let (control, region) = (self.control, &bucket.region);
        kms::use_key(control, caller, region, key, action, &context, Some(&via))
            .map(|arn| arn.to_string())
            .map_err(|refusal| match refusal.code.as_ref() {
                "NotFoundException" => kms_error("KMS.NotFoundException", refusal.message),
                "DisabledException" => kms_error("KMS.DisabledException", refusal.message),
                "KMSInvalidStateException" => {
                    kms_error("KMS.KMSInvalidStateException", refusal.message)
                }
                _ => access_denied(refusal.message),
            })
    }
}

fn kms_error(code: &'static str, message: String) -> S3Error {
    custom(code, StatusCode::BAD_REQUEST, message)
}

/// Reads `x-amz-server-side-encryption-context`: JSON in base64.
fn parse_context(header: Option<&String>) -> S3Result<EncryptionContext> {
    let Some(header) = header else { return Ok(EncryptionContext::new()) };
    STANDARD
        .decode(header)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(|| invalid_argument("The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map"))
}

/// What answers say about encryption: algorithm, key, bucket key.
pub(super) fn describe(
    encryption: &Encryption,
) -> (Option<dto::ServerSideEncryption>, Option<String>, Option<bool>) {
    let (algorithm, key, bucket_key) = match encryption {
        Encryption::S3 => (dto::ServerSideEncryption::AES256, None, None),
        Encryption::Kms { key, bucket_key, dual_layer, .. } => {
            let algorithm = if *dual_layer {
                dto::ServerSideEncryption::AWS_KMS_DSSE
            } else {
                dto::ServerSideEncryption::AWS_KMS
            };
            (algorithm, Some(key.to_string()), bucket_key.then_some(true))
        }
    };
    (Some(dto::ServerSideEncryption::from_static(algorithm)), key, bucket_key)
}

pub(super) fn put_bucket_encryption(
    cx: &CallContext<'_>,
    input: dto::PutBucketEncryptionInput,
) -> S3Result<dto::PutBucketEncryptionOutput> {
    let bucket = cx.bucket_to_set(
        &input.bucket,
        input.expected_bucket_owner.as_deref(),
        "s3:PutEncryptionConfiguration",
    )?;
    let rules = input.server_side_encryption_configuration.rules;
    let [rule] = rules.as_slice() else {
        return Err(malformed_xml("exactly one encryption rule is expected"));
    };
    let mut default =
        DefaultEncryption { bucket_key: rule.bucket_key_enabled.unwrap_or(false), kms: None };
    if let Some(by_default) = &rule.apply_server_side_encryption_by_default {
        let key = by_default.kms_master_key_id.clone();
        match by_default.sse_algorithm.as_str() {
            "AES256" if key.is_some() => {
                return Err(invalid_argument(
                    "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
                ));
            }
            "AES256" => {}
            algorithm @ ("aws:kms" | "aws:kms:dsse") => {
                let dual_layer = algorithm == "aws:kms:dsse";
                if dual_layer && default.bucket_key {
                    return Err(invalid_request("bucket keys are not supported for aws:kms:dsse"));
                }
                default.kms = Some(DefaultKms { key, dual_layer });
            }
            _ => return Err(malformed_xml("the sse algorithm is not supported")),
        }
    }
    bucket.change(|settings| settings.encryption = default);
    Ok(dto::PutBucketEncryptionOutput {})
}

pub(super) fn get_bucket_encryption(
    cx: &CallContext<'_>,
    input: dto::GetBucketEncryptionInput,
) -> S3Result<dto::GetBucketEncryptionOutput> {
    let bucket = cx.bucket_to_set(
        &input.bucket,
        input.expected_bucket_owner.as_deref(),
        "s3:GetEncryptionConfiguration",
    )?;
    let default = bucket.settings().encryption.clone();
    let (algorithm, key) = match default.kms {
        None => (dto::ServerSideEncryption::AES256, None),
        Some(kms) if kms.dual_layer => (dto::ServerSideEncryption::AWS_KMS_DSSE, kms.key),
        Some(kms) => (dto::ServerSideEncryption::AWS_KMS, kms.key),
    };
    let rule = dto::ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(dto::ServerSideEncryptionByDefault {
            kms_master_key_id: key,
            sse_algorithm: dto::ServerSideEncryption::from_static(algorithm),
        }),
        bucket_key_enabled: Some(default.bucket_key),
    };
    let configuration = dto::ServerSideEncryptionConfiguration { rules: vec![rule] };
    Ok(dto::GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) })
}

/// Back to SSE-S3: a bucket is never without encryption.
pub(super) fn delete_bucket_encryption(
    cx: &CallContext<'_>,
    input: dto::DeleteBucketEncryptionInput,
) -> S3Result<dto::DeleteBucketEncryptionOutput> {
    let bucket = cx.bucket_to_set(
        &input.bucket,
        input.expected_bucket_owner.as_deref(),
        "s3:PutEncryptionConfiguration",
    )?;
    bucket.change(|settings| settings.encryption = DefaultEncryption::default());
    Ok(dto::DeleteBucketEncryptionOutput {})
}
