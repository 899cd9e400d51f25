//! What happens: made-up events in the shape of real ones, the same for the
//! same seed, account, Region and slot.

use jiff::{SignedDuration, Timestamp};
use orgtrail_base::cloudtrail::key::LogClass;
use orgtrail_base::names::{AccountId, Arn, Partition, Region};
use serde_json::{Value, json};

use super::identities;
use crate::services::cloudtrail::Trail;
use crate::services::cloudtrail::selectors::Facts;
use crate::simulation::{Control, Simulation};

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    User,
    Session,
    Root,
    Service(&'static str),
}

/// Something that happens.
struct Kind {
    source: &'static str,
    name: &'static str,
    read_only: bool,
    actor: Actor,
    /// Of a service that has no Regions.
    global: bool,
    /// Error code and message, of those that are refused.
    error: Option<(&'static str, &'static str)>,
    /// The type of the resource of a data event.
    data: Option<&'static str>,
}

const fn kind(source: &'static str, name: &'static str, read_only: bool, actor: Actor) -> Kind {
    Kind { source, name, read_only, actor, global: false, error: None, data: None }
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

const KINDS: [Kind; 30] = [
    kind("ec2.amazonaws.com", "DescribeInstances", true, Actor::Session),
    kind("ec2.amazonaws.com", "DescribeVolumes", true, Actor::Session),
    kind("ec2.amazonaws.com", "RunInstances", false, Actor::Session),
    kind("ec2.amazonaws.com", "CreateTags", false, Actor::User),
    kind("ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", false, Actor::User),
    kind("s3.amazonaws.com", "ListBuckets", true, Actor::User),
    kind("s3.amazonaws.com", "GetBucketAcl", true, Actor::Service("cloudtrail.amazonaws.com")),
    kind("s3.amazonaws.com", "PutBucketPolicy", false, Actor::User),
    kind("kms.amazonaws.com", "Decrypt", true, Actor::Session),
    kind("kms.amazonaws.com", "GenerateDataKey", true, Actor::Service("cloudtrail.amazonaws.com")),
    kind("logs.amazonaws.com", "CreateLogStream", false, Actor::Session),
    kind("lambda.amazonaws.com", "ListFunctions20150331", true, Actor::User),
    kind("lambda.amazonaws.com", "UpdateFunctionCode20150331v2", false, Actor::Session),
    kind("rds.amazonaws.com", "DescribeDBInstances", true, Actor::User),
    kind("ssm.amazonaws.com", "UpdateInstanceInformation", false, Actor::Session),
    kind("secretsmanager.amazonaws.com", "GetSecretValue", true, Actor::Session),
    kind("cloudtrail.amazonaws.com", "DescribeTrails", true, Actor::User),
    kind("sts.amazonaws.com", "AssumeRole", true, Actor::Service("ec2.amazonaws.com")),
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
    global("signin.amazonaws.com", "ConsoleLogin", false, Actor::User),
    // A login that fails says so in its answer as well as at the top.
    refused(
        global("signin.amazonaws.com", "ConsoleLogin", false, Actor::Root),
        "",
        "Failed authentication",
    ),
    data(kind("s3.amazonaws.com", "GetObject", true, Actor::Session), "AWS::S3::Object"),
    data(kind("s3.amazonaws.com", "PutObject", false, Actor::Session), "AWS::S3::Object"),
    data(kind("lambda.amazonaws.com", "Invoke", false, Actor::Session), "AWS::Lambda::Function"),
];

/// The Region that records what services without Regions do.
pub(super) fn global_region(partition: Partition) -> Region {
    let code = match partition {
        Partition::AwsCn => "cn-north-1",
        Partition::AwsUsGov => "us-gov-west-1",
        Partition::AwsEusc => "eusc-de-east-1",
        Partition::AwsIso => "us-iso-east-1",
        Partition::AwsIsoB => "us-isob-east-1",
        Partition::AwsIsoE => "eu-isoe-west-1",
        Partition::AwsIsoF => "us-isof-south-1",
        Partition::Aws => "us-east-1",
    };
    #[expect(clippy::expect_used, reason = "the codes above are Regions")]
    code.parse().expect("a Region")
}

/// An event with what decides who records it.
pub(super) struct Event {
    pub(super) record: Value,
    global: bool,
    data: Option<(&'static str, String)>,
}

impl Event {
    /// A management event that was really called.
    pub(super) fn called(record: Value, global: bool) -> Self {
        Self { record, global, data: None }
    }

    pub(super) fn is_management(&self) -> bool {
        self.data.is_none()
    }

    /// Whether a trail records it.
    pub(super) fn is_for(&self, trail: &Trail) -> bool {
        if self.global && !trail.global_events {
            return false;
        }
        let facts = Facts {
            category: if self.data.is_some() { "Data" } else { "Management" },
            source: self.record["eventSource"].as_str().unwrap_or_default(),
            name: self.record["eventName"].as_str().unwrap_or_default(),
            read_only: self.record["readOnly"].as_bool().unwrap_or(false),
            resource: self.data.as_ref().map(|(kind, arn)| (*kind, arn.as_str())),
        };
        match &trail.selectors {
            Some(selectors) => selectors.record(&facts),
            None => self.is_management(),
        }
    }
}

/// Makes the events of one account and Region.
pub(super) struct EventGenerator<'a> {
    partition: Partition,
    account: &'a AccountId,
    region: &'a Region,
    seed: u64,
    per_hour: f64,
    takes_global: bool,
    active: bool,
    called: Vec<&'a Value>,
}

impl<'a> EventGenerator<'a> {
    pub(super) fn new(
        simulation: &Simulation,
        control: &'a Control,
        account: &'a AccountId,
        region: &'a Region,
    ) -> Self {
        let volume = &control.simulator.volume;
        let called = control
            .simulator
            .activity
            .iter()
            .filter(|record| {
                record["recipientAccountId"] == account.as_str()
                    && record["awsRegion"] == region.as_str()
            })
            .collect();
        Self {
            partition: simulation.partition,
            account,
            region,
            seed: volume.seed,
            per_hour: volume.events_per_hour,
            takes_global: global_region(simulation.partition) == *region,
            active: super::active_regions(simulation, control).contains(region),
            called,
        }
    }

    /// A generator for one slot and purpose.
    pub(super) fn random(&self, purpose: &str, slot: Timestamp) -> fastrand::Rng {
        let text = [self.account.as_str(), self.region.as_str(), purpose];
        let mut seed =
            self.seed ^ slot.as_second().cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for byte in text.iter().flat_map(|part| part.bytes()) {
            seed = (seed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        fastrand::Rng::with_seed(seed)
    }

    /// The sixteen characters of the name of one of a trail's files.
    pub(super) fn unique(&self, trail: &Arn, class: LogClass, slot: Timestamp) -> String {
        let mut random = self.random(&format!("{} {trail}", class.folder()), slot);
        (0..16).map(|_| random.alphanumeric()).collect()
    }

    pub(super) fn account(&self) -> &AccountId {
        self.account
    }

    pub(super) fn region(&self) -> &Region {
        self.region
    }

    /// Everything that happens in a slot, oldest first.
    pub(super) fn slot(&self, start: Timestamp, end: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        let mut random = self.random("events", end);
        let seconds = end.as_second() - start.as_second();
        if self.active && seconds > 0 {
            for _ in 0..self.count(&mut random, end) {
                let at = start + SignedDuration::from_secs(random.i64(0..seconds));
                let kind = &KINDS[random.usize(..KINDS.len())];
                if kind.global && !self.takes_global {
                    continue;
                }
                events.push(self.event(&mut random, kind, at));
            }
        }
        for record in &self.called {
            let at = super::activity::made_at(record);
            if at.is_some_and(|at| start <= at && at < end) {
                let source = record["eventSource"].as_str().unwrap_or_default();
                let global = matches!(source, "iam.amazonaws.com" | "organizations.amazonaws.com");
                events.push(Event::called((*record).clone(), global));
            }
        }
        events.sort_by(|a, b| a.record["eventTime"].as_str().cmp(&b.record["eventTime"].as_str()));
        events
    }

    /// How many events a slot has: none in the dead of night.
    fn count(&self, random: &mut fastrand::Rng, slot: Timestamp) -> u32 {
        let hour = slot.as_second().div_euclid(3600).rem_euclid(24);
        let busy = match hour {
            2..=4 => 0.0,
            8..=17 => 1.0,
            _ => 0.5,
        };
        let mean = self.per_hour / 12.0 * busy;
        // Knuth's draw from a Poisson distribution.
        let (limit, mut product, mut count) = ((-mean.min(500.0)).exp(), random.f64(), 0);
        while product > limit {
            product *= random.f64();
            count += 1;
        }
        count
    }

    fn event(&self, random: &mut fastrand::Rng, kind: &Kind, at: Timestamp) -> Event {
        let (partition, account, region) = (self.partition, self.account, self.region);
        let time = super::chain::iso(at);
        let began = super::chain::iso(at - SignedDuration::from_mins(random.i64(1..55)));
        let identity = match kind.actor {
            Actor::User => identities::user(random, partition, account),
            Actor::Session => identities::session(random, partition, account, &began),
            Actor::Root => identities::root(partition, account),
            Actor::Service(principal) => identities::service(principal),
        };
        let login = kind.name == "ConsoleLogin";
        let service = kind.source.split('.').next().unwrap_or_default();
        let (from, agent) = match kind.actor {
            Actor::Service(principal) => (principal, principal),
            _ if login => (
                identities::SOURCES[random.usize(..5)],
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            ),
            _ => (
                identities::SOURCES[random.usize(..5)],
                "aws-cli/2.31.4 md/awscrt#0.27.6 ua/2.1 os/linux#6.12 md/arch#x86_64 lang/python#3.13.7 md/pyimpl#CPython",
            ),
        };
        let mut record = json!({
            "eventVersion": if kind.data.is_some() { "1.11" } else { "1.10" },
            "userIdentity": identity,
            "eventTime": time,
            "eventSource": kind.source,
            "eventName": kind.name,
            "awsRegion": region,
            "sourceIPAddress": from,
            "userAgent": agent,
            "requestParameters": null,
            "responseElements": null,
            "eventID": uuid(random),
            "readOnly": kind.read_only,
            "eventType": if login { "AwsConsoleSignIn" } else { "AwsApiCall" },
            "managementEvent": kind.data.is_none(),
            "recipientAccountId": account,
            "eventCategory": if kind.data.is_some() { "Data" } else { "Management" },
        });
        if login {
            let outcome = if kind.error.is_some() { "Failure" } else { "Success" };
            record["responseElements"] = json!({ "ConsoleLogin": outcome });
            record["additionalEventData"] = json!({
                "LoginTo": "https://console.aws.amazon.com/console/home",
                "MobileVersion": "No",
                "MFAUsed": if kind.error.is_some() { "No" } else { "Yes" },
            });
        } else {
            record["requestID"] = uuid(random).into();
            if !kind.read_only && kind.error.is_none() {
                record["responseElements"] =
                    json!({ "requestId": record["requestID"], "_return": true });
            }
            if !matches!(kind.actor, Actor::Service(_)) {
                record["tlsDetails"] = json!({
                    "tlsVersion": "TLSv1.3",
                    "cipherSuite": "TLS_AES_128_GCM_SHA256",
                    "clientProvidedHostHeader": format!("{service}.{region}.{}", partition.dns_suffix()),
                });
            }
        }
        if let Some((code, message)) = kind.error {
            if !code.is_empty() {
                record["errorCode"] = code.into();
            }
            record["errorMessage"] = message.into();
        }
        let data = kind.data.map(|of| {
            let arn = if of == "AWS::S3::Object" {
                let key = format!("reports/{:08x}.csv", random.u32(..));
                record["requestParameters"] =
                    json!({ "bucketName": format!("app-{account}"), "key": key });
                format!("arn:{partition}:s3:::app-{account}/{key}")
            } else {
                format!("arn:{partition}:lambda:{region}:{account}:function:ingest")
            };
            record["resources"] = json!([{ "accountId": account, "type": of, "ARN": arn }]);
            (of, arn)
        });
        Event { record, global: kind.global, data }
    }
}

/// A UUID from a generator.
pub(super) fn uuid(random: &mut fastrand::Rng) -> String {
    let bits = random.u128(..);
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        bits >> 96,
        (bits >> 80) & 0xffff,
        (bits >> 64) & 0xfff,
        (bits >> 48) & 0xfff,
        bits & 0xffff_ffff_ffff
    )
}
