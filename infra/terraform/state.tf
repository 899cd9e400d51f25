# The state is not evidence, so its bucket has neither versions nor Object Lock, which would
# retain every claim. infra/state/bucket.yaml is the same in CloudFormation.

locals {
  # In days.
  state_lifetimes = {
    claims        = 30
    heartbeats    = 30
    probes        = 1
    notifications = var.state_retention_days
    reports       = var.state_retention_days
    rounds        = var.state_retention_days
  }
}

resource "aws_s3_bucket" "state" {
  #checkov:skip=CKV_AWS_21:Nothing in the state is deleted or evidence, and heartbeats are replaced every 20 seconds
  #checkov:skip=CKV_AWS_18:The state is not evidence, and claims are written every minute
  #checkov:skip=CKV_AWS_144:Another Region starts with an empty state
  #checkov:skip=CKV_AWS_145:S3's own keys encrypt it, and a KMS key would be one more thing to lose
  #checkov:skip=CKV2_AWS_62:The service reads the bucket, and nothing listens to it
  bucket = var.state_bucket

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_ownership_controls" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "state" {
  #checkov:skip=CKV_AWS_300:The service makes no multipart uploads
  bucket = aws_s3_bucket.state.id

  dynamic "rule" {
    for_each = local.state_lifetimes

    content {
      id     = rule.key
      status = "Enabled"

      filter {
        prefix = "${rule.key}/"
      }

      expiration {
        days = rule.value
      }
    }
  }
}

data "aws_iam_policy_document" "state" {
  statement {
    sid       = "DenyPlainHttp"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id
  policy = data.aws_iam_policy_document.state.json

  # S3 refuses concurrent changes of one bucket's access.
  depends_on = [aws_s3_bucket_public_access_block.state]
}
