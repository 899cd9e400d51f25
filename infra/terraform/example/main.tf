# Run with the management account's credentials, in the home Region:
#
#   orgtrail config roles member --part template > roles/member.json
#   orgtrail config roles archive --part template > roles/archive.json
#   terraform init && terraform plan
terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

provider "aws" {
  region              = "us-east-1"
  allowed_account_ids = ["111111111111"]
}

module "orgtrail" {
  source = "./.."

  log_archive_account  = "222222222222"
  organizational_units = ["r-abcd"]
  roles_directory      = "${path.root}/roles"
  state_bucket         = "acme-orgtrail-state"
}

output "service_role_arn" {
  value = module.orgtrail.service_role_arn
}

output "state" {
  value = module.orgtrail.state
}
