# The roles in the other accounts, by service-managed stack sets. Accounts that join get the
# member role without a further run. StackSets never deploy to the management account. The
# templates are those of `orgtrail config roles`: apply again after you change orgtrail.toml.

data "aws_organizations_organization" "current" {}

locals {
  member_template  = file("${var.roles_directory}/member.json")
  archive_template = file("${var.roles_directory}/archive.json")

  # Of these, each template gets the parameters that it has.
  role_parameters = {
    TrustedPrincipalArn = aws_iam_role.service.arn
    OrganizationId      = data.aws_organizations_organization.current.id
  }
}

resource "aws_cloudformation_stack_set" "member" {
  name             = "orgtrail-member"
  description      = "orgtrail in every other account"
  permission_model = "SERVICE_MANAGED"
  call_as          = "SELF"
  capabilities     = ["CAPABILITY_NAMED_IAM"]
  template_body    = local.member_template

  parameters = {
    for name, value in local.role_parameters : name => value
    if contains(keys(jsondecode(local.member_template).Parameters), name)
  }

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  managed_execution {
    active = true
  }

  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 100
    region_concurrency_type      = "PARALLEL"
  }

  lifecycle {
    # AWS sets it, and the provider would remove it.
    ignore_changes = [administration_role_arn]
  }
}

# IAM is global: one Region is enough. The log-archive account has a role of its own.
resource "aws_cloudformation_stack_set_instance" "member" {
  stack_set_name            = aws_cloudformation_stack_set.member.name
  stack_set_instance_region = data.aws_region.current.region

  deployment_targets {
    organizational_unit_ids = var.organizational_units
  }

  # The defaults are one account at a time, and an end at the first failure.
  operation_preferences {
    concurrency_mode             = "SOFT_FAILURE_TOLERANCE"
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 100
  }
}

resource "aws_cloudformation_stack_set" "archive" {
  name             = "orgtrail-archive"
  description      = "orgtrail in the log-archive account"
  permission_model = "SERVICE_MANAGED"
  call_as          = "SELF"
  capabilities     = ["CAPABILITY_NAMED_IAM"]
  template_body    = local.archive_template

  parameters = {
    for name, value in local.role_parameters : name => value
    if contains(keys(jsondecode(local.archive_template).Parameters), name)
  }

  auto_deployment {
    enabled = false
  }

  managed_execution {
    active = true
  }

  lifecycle {
    ignore_changes = [administration_role_arn]
  }
}

resource "aws_cloudformation_stack_set_instance" "archive" {
  stack_set_name            = aws_cloudformation_stack_set.archive.name
  stack_set_instance_region = data.aws_region.current.region

  deployment_targets {
    organizational_unit_ids = var.organizational_units
    account_filter_type     = "INTERSECTION"
    accounts                = [var.log_archive_account]
  }
}

data "aws_region" "current" {}
