variable "log_archive_account" {
  description = "The log-archive account, as in [organization]"
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.log_archive_account))
    error_message = "An account id has 12 digits."
  }
}

variable "roles_directory" {
  description = "The folder with member.json and archive.json, which `orgtrail config roles member --part template` and `orgtrail config roles archive --part template` print"
  type        = string
}

variable "member_role_name" {
  description = "The role in member accounts, as in [roles]"
  type        = string
  default     = "OrgTrailMember"
}

variable "archive_role_name" {
  description = "The role in the log-archive account, as in [roles.accounts]"
  type        = string
  default     = "OrgTrailArchive"
}

variable "organizational_units" {
  description = "The ids of the root or the organizational units whose accounts get the member role"
  type        = list(string)

  validation {
    condition     = length(var.organizational_units) > 0 && alltrue([for id in var.organizational_units : can(regex("^(r|ou)-[a-z0-9-]+$", id))])
    error_message = "The id of a root begins with r-, and that of an organizational unit with ou-."
  }
}

variable "state_bucket" {
  description = "The bucket of the service's state: `service.state` is s3://NAME"
  type        = string
}

variable "service_role_name" {
  description = "The role that the service runs with, in the management account"
  type        = string
  default     = "OrgTrailService"
}

variable "service_principal" {
  description = "What gives the service its role: Fargate, EKS Pod Identity, or an instance profile"
  type        = string
  default     = "ecs-tasks.amazonaws.com"

  validation {
    condition     = contains(["ecs-tasks.amazonaws.com", "pods.eks.amazonaws.com", "ec2.amazonaws.com"], var.service_principal)
    error_message = "Expected ecs-tasks.amazonaws.com, pods.eks.amazonaws.com or ec2.amazonaws.com."
  }
}

variable "records_mac_key_arn" {
  description = "The ARN of the HMAC key that [records] mac_key declares; null for none"
  type        = string
  default     = null
}

variable "state_retention_days" {
  description = "When rounds, their reports and notifications of the state are deleted"
  type        = number
  default     = 400

  validation {
    condition     = var.state_retention_days >= 30
    error_message = "Rounds must be kept for at least 30 days."
  }
}
