//! Sessions: who asked for them, as whom they act, and until when.

use jiff::{SignedDuration, Timestamp};
use orgtrail_base::names::{AccountId, Arn, Partition, Region};
use serde_json::{Value, json};

use super::cast::{self, Role};
use super::chain::iso;
use super::record::uuid;
use super::schedule::{Beginning, Schedule};
use crate::simulation::{BASE32, random_text};

/// How a session begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// A user assumes a role of the account.
    UserAssumes,
    /// A session assumes another role of its account.
    Chain,
    /// A session or user assumes a role of the next account.
    Across,
    /// A person of the company's identity provider.
    Saml,
    /// A job of a CI system.
    Ci,
    /// A pod of an EKS cluster.
    Pod,
    /// A person of IAM Identity Center.
    Center,
    /// An instance, by its profile.
    Instance,
    /// A Lambda function.
    Function,
    /// A user's session token.
    SessionToken,
    /// A user's federation token.
    FederationToken,
    /// A user signs in to the console, which uses a key for each request.
    Console,
}

impl Lane {
    /// Those that begin as often as the volume says.
    pub(super) const DRAWN: [Self; 12] = [
        Self::UserAssumes,
        Self::Chain,
        Self::Across,
        Self::Saml,
        Self::Ci,
        Self::Pod,
        Self::Center,
        Self::Instance,
        Self::Function,
        Self::SessionToken,
        Self::FederationToken,
        Self::Console,
    ];

    /// The same, unless it needs a next account that there is not.
    pub(super) fn possible(self, account: &AccountId) -> Self {
        let is_possible = self != Self::Across || cast::next(account).is_some();
        if is_possible { self } else { Self::UserAssumes }
    }

    pub(super) fn acts_at_home(self) -> bool {
        self != Self::Across
    }

    /// Whether its sessions assume further roles.
    fn assumes(self) -> bool {
        matches!(self, Self::UserAssumes | Self::Saml | Self::Ci | Self::Center)
    }

    /// How long its sessions live: at least an hour.
    pub(super) fn life(self) -> SignedDuration {
        SignedDuration::from_hours(match self {
            Self::UserAssumes | Self::Chain | Self::Across | Self::Saml | Self::Ci => 1,
            Self::Instance => 6,
            Self::Center | Self::Function | Self::SessionToken | Self::Console => 12,
            Self::Pod => 24,
            Self::FederationToken => 36,
        })
    }

    /// The call that begins it.
    pub(super) fn event_name(self) -> &'static str {
        match self {
            Self::UserAssumes | Self::Chain | Self::Across | Self::Instance | Self::Function => {
                "AssumeRole"
            }
            Self::Saml | Self::Center => "AssumeRoleWithSAML",
            Self::Ci | Self::Pod => "AssumeRoleWithWebIdentity",
            Self::SessionToken => "GetSessionToken",
            Self::FederationToken => "GetFederationToken",
            Self::Console => "ConsoleLogin",
        }
    }

    fn role(self, random: &mut fastrand::Rng) -> Option<Role> {
        Some(match self {
            Self::UserAssumes => [Role::DEPLOY, Role::AUDIT][random.usize(..2)],
            Self::Chain => Role::DATABASE,
            Self::Across => Role::OPERATIONS,
            Self::Saml => Role::POWER_USER,
            Self::Ci => Role::CI,
            Self::Pod => Role::POD,
            Self::Center => Role::CENTER,
            Self::Instance => Role::APP_SERVER,
            Self::Function => Role::INGEST,
            Self::SessionToken | Self::FederationToken | Self::Console => return None,
        })
    }
}

/// Who asked for a session.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A user of the caller's account, with its long-term key or password.
    User(&'static str),
    /// An earlier session.
    Session(Box<Issued>),
    /// A person of the company's identity provider.
    Saml(&'static str),
    /// A subject that a web identity provider names.
    Web { provider: String, subject: &'static str },
    /// A person of IAM Identity Center.
    Center(&'static str),
    /// A service.
    Service(&'static str),
}

/// A session, from the call that began it.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    pub(super) lane: Lane,
    /// The account that called.
    pub(super) caller: AccountId,
    /// The account in which the session acts.
    pub(super) account: AccountId,
    /// Where the call was recorded.
    pub(super) region: Region,
    pub(super) at: Timestamp,
    /// The access key that was issued. The console issues one for each request, of which
    /// this is none.
    pub(super) key: String,
    /// Nothing for a user's session.
    pub(super) role: Option<Role>,
    /// The session's name, or the user's.
    pub(super) name: String,
    pub(super) source_identity: Option<String>,
    pub(super) mfa: bool,
    pub(super) origin: Origin,
    pub(super) partition: Partition,
    pub(super) seed: u64,
}

impl Issued {
    /// Finds out who is behind a session: an earlier one, as far as there is one.
    pub(super) fn new(schedule: &Schedule<'_>, beginning: &Beginning) -> Self {
        let Beginning { account: caller, region, draft, lane } = beginning;
        let lane = *lane;
        let mut random = fastrand::Rng::with_seed(draft.seed);
        let key = format!("ASIA{}", random_text(&mut random, BASE32, 16));
        let role = lane.role(&mut random);
        let origin = origin(schedule, beginning, &mut random);
        let generic = random.bool();
        let name = match (&origin, lane) {
            (_, Lane::Instance) => cast::INSTANCES[random.usize(..2)].to_owned(),
            (_, Lane::Function) => Role::INGEST.name.to_owned(),
            (_, Lane::Ci) => "GitHubActions".to_owned(),
            (_, Lane::Pod) => format!("botocore-session-{}", draft.at.as_second()),
            (_, Lane::FederationToken) => "reports".to_owned(),
            (Origin::Saml(person) | Origin::Center(person), _) => (*person).to_owned(),
            (Origin::User(user), Lane::SessionToken | Lane::Console) => (*user).to_owned(),
            // A name that says nothing, and that many sessions share.
            _ if generic => "deploy".to_owned(),
            (Origin::User(user), _) => (*user).to_owned(),
            (Origin::Session(earlier), _) => earlier.name.clone(),
            _ => "session".to_owned(),
        };
        let states_source = random.bool();
        let source_identity = match &origin {
            Origin::Session(earlier) => earlier.source_identity.clone(),
            Origin::User(user) if states_source && role.is_some() => Some((*user).to_owned()),
            Origin::Saml(person) if states_source => Some((*person).to_owned()),
            _ => None,
        };
        let mfa = matches!(lane, Lane::SessionToken | Lane::Console) && random.bool();
        let across = (lane == Lane::Across).then(|| cast::next(caller)).flatten();
        Self {
            lane,
            caller: caller.clone(),
            account: across.unwrap_or_else(|| caller.clone()),
            region: region.clone(),
            at: draft.at,
            key,
            role,
            name,
            source_identity,
            mfa,
            origin,
            partition: schedule.partition,
            seed: draft.seed,
        }
    }

    pub(super) fn expires(&self) -> Timestamp {
        self.at + self.lane.life()
    }

    /// `userIdentity.principalId` of what the session does.
    pub(super) fn principal_id(&self) -> String {
        match (self.role, self.lane) {
            (Some(role), _) => format!("{}:{}", role.id(&self.account), self.name),
            (None, Lane::FederationToken) => format!("{}:{}", self.account, self.name),
            (None, _) => cast::user_id(&self.account, &self.name),
        }
    }

    /// `userIdentity.arn` of what the session does.
    pub(super) fn arn(&self) -> String {
        let (partition, account) = (self.partition, &self.account);
        let sts = |resource| Arn::global(partition, "sts", account, resource).to_string();
        match (self.role, self.lane) {
            (Some(role), _) => sts(format!("assumed-role/{}/{}", role.name, self.name)),
            (None, Lane::FederationToken) => sts(format!("federated-user/{}", self.name)),
            (None, _) => cast::user_arn(partition, account, &self.name),
        }
    }

    /// `userIdentity` of something that the session does.
    pub(super) fn identity(&self, random: &mut fastrand::Rng) -> Value {
        let account = &self.account;
        let mut context = json!({ "attributes": {
            "creationDate": iso(self.at),
            "mfaAuthenticated": self.mfa.to_string(),
        }});
        let mut identity = json!({
            "type": "AssumedRole",
            "principalId": self.principal_id(),
            "arn": self.arn(),
            "accountId": account,
            "accessKeyId": self.key,
        });
        match (self.role, &self.origin) {
            (Some(role), _) => {
                context["sessionIssuer"] = json!({
                    "type": "Role",
                    "principalId": role.id(account),
                    "arn": role.arn(self.partition, account),
                    "accountId": account,
                    "userName": role.name,
                });
            }
            (None, Origin::User(user)) if self.lane == Lane::FederationToken => {
                identity["type"] = "FederatedUser".into();
                context["sessionIssuer"] = user_identity(self.partition, account, user, None);
            }
            (None, _) => {
                identity["type"] = "IAMUser".into();
                identity["userName"] = self.name.as_str().into();
            }
        }
        match &self.origin {
            Origin::Center(person) => {
                identity["onBehalfOf"] = on_behalf_of(self.partition, person, account);
            }
            Origin::Web { provider, .. } => {
                context["webIdFederationData"] = json!({
                    "federatedProvider": self.provider_arn(provider),
                    "attributes": {},
                });
            }
            _ => {}
        }
        if let Some(source) = &self.source_identity {
            context["sourceIdentity"] = source.as_str().into();
        }
        match self.lane {
            Lane::Instance => context["ec2RoleDelivery"] = "2.0".into(),
            Lane::Console => {
                identity["accessKeyId"] = format!("ASIA{}", random_text(random, BASE32, 16)).into();
            }
            _ => {}
        }
        identity["sessionContext"] = context;
        identity
    }

    /// The ARN of the web identity provider in the session's account.
    pub(super) fn provider_arn(&self, provider: &str) -> String {
        let resource = format!("oidc-provider/{provider}");
        Arn::global(self.partition, "iam", &self.account, resource).to_string()
    }

    /// The `eventID` of the record that an account has of the call.
    pub(super) fn event_id(&self, of: Side) -> String {
        event_id(self.seed, of)
    }

    /// Who sends the session's requests, for the address.
    pub(super) fn sender(&self) -> &str {
        match &self.origin {
            Origin::User(name) | Origin::Saml(name) | Origin::Center(name) => name,
            Origin::Session(earlier) => earlier.sender(),
            Origin::Web { subject, .. } => subject,
            Origin::Service(_) => &self.name,
        }
    }
}

/// Which record of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Of the account that called.
    Caller,
    /// Of the account that owns what was called.
    Owner,
    /// Of IAM Identity Center's account.
    Center,
}

/// The `eventID` of a record of the call whose details come from `seed`.
pub(super) fn event_id(seed: u64, of: Side) -> String {
    let purpose = match of {
        Side::Caller => 0x1d,
        Side::Owner => 0x2d,
        Side::Center => 0x3d,
    };
    uuid(&mut fastrand::Rng::with_seed(seed.rotate_left(17) ^ purpose))
}

/// The `sharedEventID` of the records of one call.
pub(super) fn shared_id(seed: u64) -> String {
    uuid(&mut fastrand::Rng::with_seed(seed.rotate_left(17) ^ 0x4d))
}

fn origin(schedule: &Schedule<'_>, beginning: &Beginning, random: &mut fastrand::Rng) -> Origin {
    let Beginning { account, draft, lane, region } = beginning;
    match lane {
        Lane::UserAssumes | Lane::FederationToken => {
            Origin::User(cast::USERS[random.usize(..cast::USERS.len())])
        }
        Lane::SessionToken | Lane::Console => {
            Origin::User(cast::PEOPLE[random.usize(..cast::PEOPLE.len())])
        }
        Lane::Chain | Lane::Across => {
            let user = cast::USERS[random.usize(..cast::USERS.len())];
            let end = super::place::slot_start(draft.at) + super::SLOT;
            let mut live = schedule.live(account, end);
            // Only what was assumed across accounts is assumed further by a chain: chains end.
            live.retain(|one| {
                one.lane.assumes() || *lane == Lane::Chain && one.lane == Lane::Across
            });
            if live.is_empty() {
                return Origin::User(user);
            }
            let earlier = live.swap_remove(random.usize(..live.len()));
            Origin::Session(Box::new(Issued::new(schedule, &earlier)))
        }
        Lane::Saml => Origin::Saml(cast::SAML_PEOPLE[random.usize(..2)]),
        Lane::Ci => Origin::Web {
            provider: "token.actions.githubusercontent.com".to_owned(),
            subject: "repo:example-corp/web:ref:refs/heads/main",
        },
        Lane::Pod => Origin::Web {
            provider: format!(
                "oidc.eks.{region}.{}/id/6B29FC40CA471067B31D00DD010662DA",
                schedule.partition.dns_suffix()
            ),
            subject: "system:serviceaccount:payments:worker",
        },
        Lane::Center => Origin::Center(cast::CENTER_PEOPLE[random.usize(..2)]),
        Lane::Instance => Origin::Service("ec2.amazonaws.com"),
        Lane::Function => Origin::Service("lambda.amazonaws.com"),
    }
}

/// `userIdentity` of a user, with an access key where one signed.
pub(super) fn user_identity(
    partition: Partition,
    account: &AccountId,
    name: &str,
    key: Option<String>,
) -> Value {
    let mut identity = json!({
        "type": "IAMUser",
        "principalId": cast::user_id(account, name),
        "arn": cast::user_arn(partition, account, name),
        "accountId": account,
        "userName": name,
    });
    if let Some(key) = key {
        identity["accessKeyId"] = key.into();
    }
    identity
}

/// `userIdentity.onBehalfOf` of a person of IAM Identity Center.
pub(super) fn on_behalf_of(partition: Partition, person: &str, account: &AccountId) -> Value {
    let center = cast::first_account().unwrap_or_else(|| account.clone());
    json!({
        "userId": cast::center_user_id(person),
        "identityStoreArn": cast::identity_store(partition, &center),
    })
}
