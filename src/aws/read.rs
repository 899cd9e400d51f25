//! The operations that read, by service: what clients without a
//! [`WriteAuthority`](super::WriteAuthority) can call.

macro_rules! read_only {
    ($($(#[$doc:meta])* $name:ident, $sdk:ident: { $($operation:ident: $builder:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name<'a>(pub(super) &'a $sdk::Client);

        impl $name<'_> {
            $(
                #[doc = concat!("The call `", stringify!($operation), "`.")]
                #[must_use]
                pub fn $operation(&self) -> $sdk::operation::$operation::builders::$builder {
                    self.0.$operation()
                }
            )*
        }
    )*};
}

read_only! {
    /// What reads of AWS Account Management.
    ReadAccount, aws_sdk_account: {
        list_regions: ListRegionsFluentBuilder,
    }
    /// What reads of AWS CloudTrail.
    ReadCloudTrail, aws_sdk_cloudtrail: {
        describe_trails: DescribeTrailsFluentBuilder,
        get_event_data_store: GetEventDataStoreFluentBuilder,
        get_event_selectors: GetEventSelectorsFluentBuilder,
        get_insight_selectors: GetInsightSelectorsFluentBuilder,
        get_trail_status: GetTrailStatusFluentBuilder,
        list_event_data_stores: ListEventDataStoresFluentBuilder,
        list_public_keys: ListPublicKeysFluentBuilder,
        list_tags: ListTagsFluentBuilder,
        list_trails: ListTrailsFluentBuilder,
        lookup_events: LookupEventsFluentBuilder,
    }
    /// What reads of Amazon CloudWatch.
    ReadCloudWatch, aws_sdk_cloudwatch: {
        describe_alarms: DescribeAlarmsFluentBuilder,
    }
    /// What reads of IAM.
    ReadIam, aws_sdk_iam: {
        get_account_summary: GetAccountSummaryFluentBuilder,
        get_role: GetRoleFluentBuilder,
        get_role_policy: GetRolePolicyFluentBuilder,
        list_organizations_features: ListOrganizationsFeaturesFluentBuilder,
        list_roles: ListRolesFluentBuilder,
        simulate_principal_policy: SimulatePrincipalPolicyFluentBuilder,
    }
    /// What reads of AWS KMS. A MAC changes nothing in AWS.
    ReadKms, aws_sdk_kms: {
        describe_key: DescribeKeyFluentBuilder,
        generate_mac: GenerateMacFluentBuilder,
        get_key_policy: GetKeyPolicyFluentBuilder,
        get_key_rotation_status: GetKeyRotationStatusFluentBuilder,
        list_aliases: ListAliasesFluentBuilder,
        list_keys: ListKeysFluentBuilder,
        verify_mac: VerifyMacFluentBuilder,
    }
    /// What reads of Amazon CloudWatch Logs.
    ReadLogs, aws_sdk_cloudwatchlogs: {
        describe_log_groups: DescribeLogGroupsFluentBuilder,
        describe_metric_filters: DescribeMetricFiltersFluentBuilder,
        describe_query_definitions: DescribeQueryDefinitionsFluentBuilder,
    }
    /// What reads of AWS Organizations.
    ReadOrganizations, aws_sdk_organizations: {
        describe_account: DescribeAccountFluentBuilder,
        describe_effective_policy: DescribeEffectivePolicyFluentBuilder,
        describe_organization: DescribeOrganizationFluentBuilder,
        describe_policy: DescribePolicyFluentBuilder,
        list_accounts_for_parent: ListAccountsForParentFluentBuilder,
        list_aws_service_access_for_organization: ListAWSServiceAccessForOrganizationFluentBuilder,
        list_delegated_administrators: ListDelegatedAdministratorsFluentBuilder,
        list_organizational_units_for_parent: ListOrganizationalUnitsForParentFluentBuilder,
        list_parents: ListParentsFluentBuilder,
        list_policies: ListPoliciesFluentBuilder,
        list_policies_for_target: ListPoliciesForTargetFluentBuilder,
        list_roots: ListRootsFluentBuilder,
        list_targets_for_policy: ListTargetsForPolicyFluentBuilder,
    }
    /// What reads of Amazon S3.
    ReadS3, aws_sdk_s3: {
        get_bucket_encryption: GetBucketEncryptionFluentBuilder,
        get_bucket_lifecycle_configuration: GetBucketLifecycleConfigurationFluentBuilder,
        get_bucket_location: GetBucketLocationFluentBuilder,
        get_bucket_logging: GetBucketLoggingFluentBuilder,
        get_bucket_notification_configuration: GetBucketNotificationConfigurationFluentBuilder,
        get_bucket_ownership_controls: GetBucketOwnershipControlsFluentBuilder,
        get_bucket_policy: GetBucketPolicyFluentBuilder,
        get_bucket_replication: GetBucketReplicationFluentBuilder,
        get_bucket_tagging: GetBucketTaggingFluentBuilder,
        get_bucket_versioning: GetBucketVersioningFluentBuilder,
        get_object: GetObjectFluentBuilder,
        get_object_lock_configuration: GetObjectLockConfigurationFluentBuilder,
        get_object_tagging: GetObjectTaggingFluentBuilder,
        get_public_access_block: GetPublicAccessBlockFluentBuilder,
        head_bucket: HeadBucketFluentBuilder,
        head_object: HeadObjectFluentBuilder,
        list_buckets: ListBucketsFluentBuilder,
        list_object_versions: ListObjectVersionsFluentBuilder,
        list_objects_v2: ListObjectsV2FluentBuilder,
    }
    /// What reads of Amazon SNS.
    ReadSns, aws_sdk_sns: {
        get_topic_attributes: GetTopicAttributesFluentBuilder,
        list_subscriptions_by_topic: ListSubscriptionsByTopicFluentBuilder,
    }
    /// What reads of AWS STS.
    ReadSts, aws_sdk_sts: {
        get_caller_identity: GetCallerIdentityFluentBuilder,
    }
}
