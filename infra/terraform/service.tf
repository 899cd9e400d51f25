# The role of `orgtrail serve` and `orgtrail run` in the management account. The policy is
# generated from the same source as `orgtrail config roles`.

data "aws_partition" "current" {}
data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "service_trust" {
  statement {
    sid     = "AssumeRole"
    actions = var.service_principal == "pods.eks.amazonaws.com" ? ["sts:AssumeRole", "sts:TagSession"] : ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = [var.service_principal]
    }
  }
}

resource "aws_iam_role" "service" {
  name               = var.service_role_name
  description        = "orgtrail's rounds: reads, and assumes orgtrail's roles in the other accounts"
  assume_role_policy = data.aws_iam_policy_document.service_trust.json
}

resource "aws_iam_role_policy" "service" {
  name = "orgtrail"
  role = aws_iam_role.service.id
  policy = templatefile("${path.module}/service-policy.json.tftpl", {
    partition           = data.aws_partition.current.partition
    dns_suffix          = data.aws_partition.current.dns_suffix
    account             = data.aws_caller_identity.current.account_id
    log_archive_account = var.log_archive_account
    member_role         = var.member_role_name
    archive_role        = var.archive_role_name
    state_bucket        = aws_s3_bucket.state.id
  })
}

# Authenticates the records that rounds write and read.
data "aws_iam_policy_document" "records" {
  count = var.records_mac_key_arn == null ? 0 : 1

  statement {
    sid       = "AuthenticateRecords"
    actions   = ["kms:GenerateMac", "kms:VerifyMac"]
    resources = [var.records_mac_key_arn]
  }
}

resource "aws_iam_role_policy" "records" {
  count = var.records_mac_key_arn == null ? 0 : 1

  name   = "records"
  role   = aws_iam_role.service.id
  policy = data.aws_iam_policy_document.records[0].json
}
