//! The calls that are made up, but for those that begin sessions.

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Actor {
    User,
    Session,
    Root,
    Service(&'static str),
}

/// Something that happens.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) source: &'static str,
    pub(super) name: &'static str,
    pub(super) read_only: bool,
    pub(super) actor: Actor,
    /// Of a service that has no Regions.
    pub(super) global: bool,
    /// Error code and message, of those that are refused.
    pub(super) error: Option<(&'static str, &'static str)>,
    /// The type of the resource of a data event.
    pub(super) data: Option<&'static str>,
    /// The service that the actor called, which calls in the actor's name.
    pub(super) via: Option<&'static str>,
    /// Whether the resource is the next account's.
    pub(super) across: bool,
}

const fn kind(source: &'static str, name: &'static str, read_only: bool, actor: Actor) -> Kind {
    Kind {
        source,
        name,
        read_only,
        actor,
        global: false,
        error: None,
        data: None,
        via: None,
        across: false,
    }
}

const fn global(source: &'static str, name: &'static str, read_only: bool, actor: Actor) -> Kind {
    Kind { global: true, ..kind(source, name, read_only, actor) }
}

const fn refused(mut kind: Kind, code: &'static str, message: &'static str) -> Kind {
    kind.error = Some((code, message));
    kind
}

const fn data(mut kind: Kind, of: &'static str) -> Kind {
    kind.data = Some(of);
    kind
}

const fn via(mut kind: Kind, service: &'static str) -> Kind {
    kind.via = Some(service);
    kind
}

const fn across(mut kind: Kind) -> Kind {
    kind.across = true;
    kind
}

pub(super) const KINDS: [Kind; 31] = [
    kind("ec2.amazonaws.com", "DescribeInstances", true, Actor::Session),
    kind("ec2.amazonaws.com", "DescribeVolumes", true, Actor::Session),
    kind("ec2.amazonaws.com", "RunInstances", false, Actor::Session),
    kind("ec2.amazonaws.com", "CreateTags", false, Actor::User),
    kind("ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", false, Actor::User),
    // It fails for each flow log, and says so in its answer only.
    kind("ec2.amazonaws.com", "DeleteFlowLogs", false, Actor::Session),
    kind("s3.amazonaws.com", "ListBuckets", true, Actor::User),
    kind("s3.amazonaws.com", "GetBucketAcl", true, Actor::Service("cloudtrail.amazonaws.com")),
    kind("s3.amazonaws.com", "PutBucketPolicy", false, Actor::User),
    via(kind("kms.amazonaws.com", "Decrypt", true, Actor::Session), "secretsmanager.amazonaws.com"),
    kind("kms.amazonaws.com", "GenerateDataKey", true, Actor::Service("cloudtrail.amazonaws.com")),
    kind("logs.amazonaws.com", "CreateLogStream", false, Actor::Session),
    kind("lambda.amazonaws.com", "ListFunctions20150331", true, Actor::User),
    kind("lambda.amazonaws.com", "UpdateFunctionCode20150331v2", false, Actor::Session),
    kind("rds.amazonaws.com", "DescribeDBInstances", true, Actor::User),
    kind("ssm.amazonaws.com", "UpdateInstanceInformation", false, Actor::Session),
    kind("secretsmanager.amazonaws.com", "GetSecretValue", true, Actor::Session),
    kind("cloudtrail.amazonaws.com", "DescribeTrails", true, Actor::User),
    via(
        kind("ec2.amazonaws.com", "CreateSecurityGroup", false, Actor::Session),
        "cloudformation.amazonaws.com",
    ),
    kind("sts.amazonaws.com", "GetCallerIdentity", true, Actor::User),
    refused(
        kind("ec2.amazonaws.com", "TerminateInstances", false, Actor::User),
        "Client.UnauthorizedOperation",
        "You are not authorized to perform this operation.",
    ),
    refused(
        kind("secretsmanager.amazonaws.com", "GetSecretValue", true, Actor::User),
        "AccessDenied",
        "User is not authorized to perform: secretsmanager:GetSecretValue because no identity-based policy allows the secretsmanager:GetSecretValue action",
    ),
    refused(
        kind("s3.amazonaws.com", "GetBucketPolicy", true, Actor::Session),
        "NoSuchBucketPolicy",
        "The bucket policy does not exist",
    ),
    global("iam.amazonaws.com", "ListRoles", true, Actor::User),
    global("iam.amazonaws.com", "GetRole", true, Actor::Session),
    global("iam.amazonaws.com", "AttachRolePolicy", false, Actor::User),
    // A login that fails says so in its answer as well as at the top.
    refused(
        global("signin.amazonaws.com", "ConsoleLogin", false, Actor::Root),
        "",
        "Failed authentication",
    ),
    data(kind("s3.amazonaws.com", "GetObject", true, Actor::Session), "AWS::S3::Object"),
    data(kind("s3.amazonaws.com", "PutObject", false, Actor::Session), "AWS::S3::Object"),
    data(kind("lambda.amazonaws.com", "Invoke", false, Actor::Session), "AWS::Lambda::Function"),
    across(data(kind("s3.amazonaws.com", "GetObject", true, Actor::Session), "AWS::S3::Object")),
];
