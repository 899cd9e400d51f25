"""Objects: what is stored comes back, conditions hold, listings are in order."""

import concurrent.futures
import gzip
import hashlib

from . import behaviour, outcome

GUIDE = "S3 API Reference"
BODY = gzip.compress(b'{"Records":[]}', mtime=0)


def put_log(s3, bucket, key="log.json.gz", **more):
    return s3.put_object(Bucket=bucket, Key=key, Body=BODY, ContentType="application/json",
                         ContentEncoding="gzip", Metadata={"signature": "abc123", "signature-algorithm": "SHA256withRSA"},
                         **more)


def described(s3, bucket, key):
    """What a copy must not lose, in one line."""
    head = s3.get_object(Bucket=bucket, Key=key)
    body = head["Body"].read()
    return " ".join([
        "same bytes" if body == BODY else "OTHER BYTES",
        head.get("ContentEncoding", "-"), head.get("ContentType", "-"),
        ",".join(f"{k}={v}" for k, v in sorted(head["Metadata"].items())) or "-",
    ])


WHOLE = "same bytes gzip application/json signature=abc123,signature-algorithm=SHA256withRSA"


@behaviour("object-round-trip", "a gzipped object comes back byte for byte, with encoding, type and metadata",
           WHOLE, f"{GUIDE}: PutObject, GetObject")
def round_trip(t):
    bucket = t.bucket()
    put_log(t.s3, bucket)
    return described(t.s3, bucket, "log.json.gz")


@behaviour("put-if-none-match", "PUT with If-None-Match: * over an object is refused", "PreconditionFailed",
           "S3 User Guide: conditional writes")
def put_if_none_match(t):
    bucket = t.bucket()
    put_log(t.s3, bucket)
    return outcome(put_log, t.s3, bucket, IfNoneMatch="*")


@behaviour("put-if-none-match-race", "of 16 PUTs at once with If-None-Match: * exactly one wins", "1 of 16",
           "S3 User Guide: conditional writes")
def race(t):
    bucket = t.bucket()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda _: outcome(put_log, t.s3, bucket, IfNoneMatch="*"), range(16)))
    # A conflict that AWS answers to a racing writer is a refusal as well.
    return f"{done.count('ok')} of {len(done)}"


@behaviour("put-if-match-stale", "PUT with an If-Match that is not the object's ETag is refused", "PreconditionFailed",
           "S3 User Guide: conditional writes")
def put_if_match(t):
    bucket = t.bucket()
    put_log(t.s3, bucket)
    return outcome(put_log, t.s3, bucket, IfMatch='"00000000000000000000000000000000"')


@behaviour("copy-if-none-match", "CopyObject with If-None-Match: * over an object is refused", "PreconditionFailed",
           "S3 User Guide: conditional writes")
def copy_if_none_match(t):
    bucket = t.bucket()
    put_log(t.s3, bucket, "a")
    put_log(t.s3, bucket, "b")
    return outcome(t.s3.copy_object, Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"}, IfNoneMatch="*")


@behaviour("copy-keeps-metadata", "CopyObject keeps bytes, encoding, type and metadata", WHOLE, f"{GUIDE}: CopyObject")
def copy_keeps(t):
    bucket = t.bucket()
    put_log(t.s3, bucket, "a")
    t.s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    return described(t.s3, bucket, "b")


@behaviour("copy-replaces-metadata", "CopyObject with REPLACE takes the new metadata and drops the old",
           "same bytes - text/plain k=v", f"{GUIDE}: CopyObject")
def copy_replaces(t):
    bucket = t.bucket()
    put_log(t.s3, bucket, "a")
    t.s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"}, MetadataDirective="REPLACE",
                     ContentType="text/plain", Metadata={"k": "v"})
    return described(t.s3, bucket, "b")


@behaviour("copy-onto-itself", "CopyObject onto itself that changes nothing is refused", "InvalidRequest",
           f"{GUIDE}: CopyObject")
def copy_onto_itself(t):
    bucket = t.bucket()
    put_log(t.s3, bucket, "a")
    return outcome(t.s3.copy_object, Bucket=bucket, Key="a", CopySource={"Bucket": bucket, "Key": "a"})


@behaviour("copy-keeps-tags", "CopyObject keeps the tags", "team=audit", f"{GUIDE}: CopyObject")
def copy_keeps_tags(t):
    bucket = t.bucket()
    put_log(t.s3, bucket, "a", Tagging="team=audit")
    t.s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    tags = t.s3.get_object_tagging(Bucket=bucket, Key="b")["TagSet"]
    return ",".join(f"{tag['Key']}={tag['Value']}" for tag in tags)


@behaviour("copy-of-missing-key", "CopyObject of a missing key", "NoSuchKey", f"{GUIDE}: CopyObject")
def copy_missing(t):
    bucket = t.bucket()
    return outcome(t.s3.copy_object, Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "none"})


@behaviour("get-missing-key", "GET of a missing key", "NoSuchKey", f"{GUIDE}: GetObject")
def missing_key(t):
    return outcome(t.s3.get_object, Bucket=t.bucket(), Key="none")


@behaviour("get-missing-bucket", "GET in a missing bucket", "NoSuchBucket", f"{GUIDE}: Error responses")
def missing_bucket(t):
    return outcome(t.s3.get_object, Bucket=t.name("none"), Key="none")


@behaviour("get-not-modified", "GET with If-None-Match of the object's ETag", "304", f"{GUIDE}: GetObject")
def not_modified(t):
    bucket = t.bucket()
    etag = put_log(t.s3, bucket)["ETag"]
    return outcome(t.s3.get_object, Bucket=bucket, Key="log.json.gz", IfNoneMatch=etag)


@behaviour("get-range", "a ranged GET answers these bytes and the whole length", f"5 bytes 2-6/{len(BODY)}",
           f"{GUIDE}: GetObject")
def ranged(t):
    bucket = t.bucket()
    put_log(t.s3, bucket)
    got = t.s3.get_object(Bucket=bucket, Key="log.json.gz", Range="bytes=2-6")
    return f"{len(got['Body'].read())} {got['ContentRange']}"


@behaviour("get-range-outside", "a range behind the end is refused", "InvalidRange", f"{GUIDE}: Error responses")
def range_outside(t):
    bucket = t.bucket()
    put_log(t.s3, bucket)
    return outcome(t.s3.get_object, Bucket=bucket, Key="log.json.gz", Range="bytes=5000-6000")


@behaviour("list-order", "ListObjectsV2 lists by UTF-8 bytes, page after page",
           "A/1 A/2 Z a/1 b é", f"{GUIDE}: ListObjectsV2")
def list_order(t):
    bucket = t.bucket()
    for key in ("b", "a/1", "é", "Z", "A/2", "A/1"):
        t.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    pages = t.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    return " ".join(item["Key"] for page in pages for item in page.get("Contents", []))


@behaviour("list-delimiter", "ListObjectsV2 rolls keys up to the delimiter", "keys Z b; prefixes A/ a/",
           f"{GUIDE}: ListObjectsV2")
def list_delimiter(t):
    bucket = t.bucket()
    for key in ("b", "a/1", "Z", "A/2", "A/1"):
        t.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    page = t.s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    return (f"keys {' '.join(i['Key'] for i in page['Contents'])}; "
            f"prefixes {' '.join(i['Prefix'] for i in page['CommonPrefixes'])}")


@behaviour("list-start-after", "ListObjectsV2 starts after a key that need not be there", "c d", f"{GUIDE}: ListObjectsV2")
def list_start_after(t):
    bucket = t.bucket()
    for key in "abcd":
        t.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    return " ".join(i["Key"] for i in t.s3.list_objects_v2(Bucket=bucket, StartAfter="bb")["Contents"])


@behaviour("wrong-md5", "PUT with a Content-MD5 that does not match is refused", "BadDigest", f"{GUIDE}: Error responses")
def wrong_md5(t):
    return outcome(t.s3.put_object, Bucket=t.bucket(), Key="k", Body=b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")


@behaviour("wrong-sha256", "PUT with a SHA-256 that does not match is refused", ("BadDigest", "XAmzContentChecksumMismatch"),
           "S3 User Guide: checking object integrity")
def wrong_sha256(t):
    import base64
    wrong = base64.b64encode(hashlib.sha256(b"y").digest()).decode()
    return outcome(t.s3.put_object, Bucket=t.bucket(), Key="k", Body=b"x", ChecksumSHA256=wrong)


@behaviour("multipart", "a multipart upload's ETag counts its parts", "2 parts, 5242881 bytes", f"{GUIDE}: CompleteMultipartUpload")
def multipart(t):
    bucket = t.bucket()
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    parts = [{"PartNumber": n, "ETag": t.s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=n,
                                                       Body=b"x" * size)["ETag"]}
             for n, size in ((1, 5 * 1024 * 1024), (2, 1))]
    t.s3.complete_multipart_upload(Bucket=bucket, Key="big", UploadId=upload, MultipartUpload={"Parts": parts})
    head = t.s3.head_object(Bucket=bucket, Key="big")
    return f"{head['ETag'].strip(chr(34)).rsplit('-', 1)[-1]} parts, {head['ContentLength']} bytes"


@behaviour("multipart-part-too-small", "a part under 5 MiB that is not the last is refused", "EntityTooSmall",
           f"{GUIDE}: CompleteMultipartUpload")
def part_too_small(t):
    bucket = t.bucket()
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    parts = [{"PartNumber": n, "ETag": t.s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=n,
                                                       Body=b"x")["ETag"]} for n in (1, 2)]
    return outcome(t.s3.complete_multipart_upload, Bucket=bucket, Key="big", UploadId=upload,
                   MultipartUpload={"Parts": parts})


@behaviour("multipart-aborted", "a part for an aborted upload is refused", "NoSuchUpload", f"{GUIDE}: UploadPart")
def aborted(t):
    bucket = t.bucket()
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    t.s3.abort_multipart_upload(Bucket=bucket, Key="big", UploadId=upload)
    return outcome(t.s3.upload_part, Bucket=bucket, Key="big", UploadId=upload, PartNumber=1, Body=b"x")


@behaviour("delete-marker", "deleting without a version id leaves a marker; the version stays readable",
           "marker, NoSuchKey, same bytes", "S3 User Guide: deleting object versions")
def delete_marker(t):
    bucket = t.bucket(versioned=True)
    version = put_log(t.s3, bucket)["VersionId"]
    gone = t.s3.delete_object(Bucket=bucket, Key="log.json.gz")
    now = outcome(t.s3.get_object, Bucket=bucket, Key="log.json.gz")
    body = t.s3.get_object(Bucket=bucket, Key="log.json.gz", VersionId=version)["Body"].read()
    return f"{'marker' if gone.get('DeleteMarker') else 'no marker'}, {now}, {'same' if body == BODY else 'OTHER'} bytes"


@behaviour("list-versions", "ListObjectVersions lists the newest first, with markers", "marker* v2 v1",
           f"{GUIDE}: ListObjectVersions")
def list_versions(t):
    bucket = t.bucket(versioned=True)
    names = {put_log(t.s3, bucket)["VersionId"]: "v1"}
    names[put_log(t.s3, bucket)["VersionId"]] = "v2"
    names[t.s3.delete_object(Bucket=bucket, Key="log.json.gz")["VersionId"]] = "marker"
    page = t.s3.list_object_versions(Bucket=bucket)
    every = page.get("Versions", []) + page.get("DeleteMarkers", [])
    newest = [i for i in page.get("DeleteMarkers", []) if i["IsLatest"]] + [i for i in page["Versions"] if i["IsLatest"]]
    order = [names[i["VersionId"]] for i in page["Versions"]]
    assert len(every) == 3, every
    return " ".join([names[i["VersionId"]] + "*" for i in newest] + order)


@behaviour("bucket-not-empty", "a bucket that still contains an object is not deleted", "BucketNotEmpty", f"{GUIDE}: DeleteBucket")
def not_empty(t):
    bucket = t.bucket()
    put_log(t.s3, bucket)
    return outcome(t.s3.delete_bucket, Bucket=bucket)


@behaviour("bucket-not-empty-of-versions", "a bucket that still contains a version is not deleted", "BucketNotEmpty",
           f"{GUIDE}: DeleteBucket")
def not_empty_of_versions(t):
    bucket = t.bucket(versioned=True)
    put_log(t.s3, bucket)
    t.s3.delete_object(Bucket=bucket, Key="log.json.gz")
    return outcome(t.s3.delete_bucket, Bucket=bucket)


@behaviour("unknown-access-key", "a request signed with an unknown key", "InvalidAccessKeyId", f"{GUIDE}: Error responses")
def unknown_key(t):
    return outcome(t.stranger("s3", "AKIAIOSFODNN7EXAMPLE", "nothing").list_buckets)


@behaviour("wrong-secret", "a request signed with a wrong secret", "SignatureDoesNotMatch", f"{GUIDE}: Error responses")
def wrong_secret(t):
    return outcome(t.stranger("s3", t.server.credentials()["aws_access_key_id"], "nothing").list_buckets)
