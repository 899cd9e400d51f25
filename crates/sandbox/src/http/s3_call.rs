//! What an S3 request is called, before the protocol crate has read it.

use http::{HeaderMap, Method, Uri};

/// The operation that a request to S3 asks for, by S3's names: `PutObject`,
/// `GetBucketPolicy`.
pub(super) fn operation(method: &Method, uri: &Uri, headers: &HeaderMap) -> String {
    let has_key =
        uri.path().trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let has_bucket = uri.path().len() > 1;
    let query = uri.query().unwrap_or_default();
    let names: Vec<&str> =
        query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name)).collect();
    let has = |name: &str| names.contains(&name);
    let copies = headers.contains_key("x-amz-copy-source");
    if let Some(name) = match (method.as_str(), has_key) {
        ("GET", false) if has("list-type") => Some("ListObjectsV2"),
        ("GET", false) if has("versions") => Some("ListObjectVersions"),
        ("GET", false) if has("uploads") => Some("ListMultipartUploads"),
        ("GET", false) if !has_bucket => Some("ListBuckets"),
        ("GET", true) if has("uploadId") => Some("ListParts"),
        ("PUT", true) if has("uploadId") && copies => Some("UploadPartCopy"),
        ("PUT", true) if has("uploadId") => Some("UploadPart"),
        ("POST", true) if has("uploads") => Some("CreateMultipartUpload"),
        ("POST", true) if has("uploadId") => Some("CompleteMultipartUpload"),
        ("DELETE", true) if has("uploadId") => Some("AbortMultipartUpload"),
        ("POST", false) if has("delete") => Some("DeleteObjects"),
        ("PUT", true) if copies => Some("CopyObject"),
        _ => None,
    } {
        return name.to_owned();
    }
    let verb = match method.as_str() {
        "PUT" => "Put",
        "DELETE" => "Delete",
        "HEAD" => "Head",
        "POST" => "Post",
        _ => "Get",
    };
    let kind = if has_key { "Object" } else { "Bucket" };
    let of = |resource: &str| format!("{verb}{kind}{resource}");
    match names.iter().find_map(|name| sub_resource(name)) {
        Some("PublicAccessBlock") => format!("{verb}PublicAccessBlock"),
        Some("ObjectLockConfiguration") => format!("{verb}ObjectLockConfiguration"),
        Some(resource) => of(resource),
        None if verb == "Put" && !has_key => "CreateBucket".to_owned(),
        None if verb == "Get" && !has_key => "ListObjects".to_owned(),
        None => of(""),
    }
}

fn sub_resource(name: &str) -> Option<&'static str> {
    Some(match name {
        "acl" => "Acl",
        "encryption" => "Encryption",
        "legal-hold" => "LegalHold",
        "lifecycle" => "LifecycleConfiguration",
        "location" => "Location",
        "logging" => "Logging",
        "notification" => "NotificationConfiguration",
        "object-lock" => "ObjectLockConfiguration",
        "ownershipControls" => "OwnershipControls",
        "policy" => "Policy",
        "policyStatus" => "PolicyStatus",
        "publicAccessBlock" => "PublicAccessBlock",
        "replication" => "Replication",
        "retention" => "Retention",
        "tagging" => "Tagging",
        "versioning" => "Versioning",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_names_of_their_operations() {
        for (method, uri, expected) in [
            ("GET", "/", "ListBuckets"),
            ("PUT", "/b", "CreateBucket"),
            ("PUT", "/b?policy", "PutBucketPolicy"),
            ("GET", "/b?list-type=2&prefix=a", "ListObjectsV2"),
            ("GET", "/b?publicAccessBlock", "GetPublicAccessBlock"),
            ("GET", "/b?versioning", "GetBucketVersioning"),
            ("PUT", "/b/k", "PutObject"),
            ("GET", "/b/k/l?versionId=1", "GetObject"),
            ("HEAD", "/b/k", "HeadObject"),
            ("DELETE", "/b/k", "DeleteObject"),
            ("POST", "/b?delete", "DeleteObjects"),
            ("PUT", "/b/k?partNumber=1&uploadId=x", "UploadPart"),
            ("POST", "/b/k?uploads", "CreateMultipartUpload"),
            ("PUT", "/b/k?retention", "PutObjectRetention"),
        ] {
            let method: Method = method.parse().unwrap();
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(operation(&method, &uri, &HeaderMap::new()), expected, "{method} {uri}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-copy-source", "a/b".parse().unwrap());
        assert_eq!(operation(&Method::PUT, &Uri::from_static("/b/k"), &headers), "CopyObject");
    }
}
