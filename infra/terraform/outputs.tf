output "service_role_arn" {
  description = "The role that the service runs with"
  value       = aws_iam_role.service.arn
}

output "state" {
  description = "The value of `service.state`"
  value       = "s3://${aws_s3_bucket.state.id}"
}
