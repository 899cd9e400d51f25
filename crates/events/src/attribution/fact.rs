//! Events that a chain consists of: those that issued credentials.

use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

use super::actor::Actor;
use super::texts::{Texts, Word};
use crate::event::Event;

/// Where an event is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventRef {
    /// `eventID`
    pub id: Option<Word>,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// The account that it was recorded for.
    pub account: Option<Word>,
    /// `awsRegion`
    pub region: Option<Word>,
    /// `eventSource`
    pub source: Option<Word>,
    /// `eventName`
    pub name: Option<Word>,
    /// The key of its log file.
    pub file: Option<Word>,
}

impl EventRef {
    pub(super) fn new(event: &Event<'_>, file: &str, texts: &mut Texts) -> Self {
        Self {
            id: texts.keep(event.id.as_deref()),
            time: event.at(),
            account: texts.keep(event.account()),
            region: texts.keep(event.region.as_deref()),
            source: texts.keep(event.source.as_deref()),
            name: texts.keep(event.name.as_deref()),
            file: texts.keep(Some(file)),
        }
    }
}

/// An event that issued credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Where it is recorded.
    pub event: EventRef,
    /// Who called.
    pub actor: Actor,
    /// `sharedEventID`
    pub shared_id: Option<Word>,
    /// `sourceIPAddress`
    pub source_ip: Option<Word>,
    /// `userAgent`
    pub user_agent: Option<Word>,
    /// Whether the caller showed a second factor; `None` if the record does not say.
    pub mfa: Option<bool>,
    /// What was issued.
    pub issued: Issued,
}

/// What an event issued.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Issued {
    /// By which kind of call.
    pub kind: IssueKind,
    /// The access key; absent if the record does not have it.
    pub key: Option<Word>,
    /// Whether the record has asterisks or a notice in the key's place.
    pub is_redacted: bool,
    /// `AROA…:session`, or `account:name` of a federated user, or the user that signed in.
    pub principal_id: Option<Word>,
    /// The ARN of the session, or of who switched to a role.
    pub arn: Option<Word>,
    /// The account of what was issued.
    pub account: Option<Word>,
    /// The name of the permission set, or of the user.
    pub name: Option<Word>,
    /// `sourceIdentity`, if the call set it.
    pub source_identity: Option<Word>,
}

/// Kinds of calls that issue credentials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssueKind {
    /// `AssumeRole`, `AssumeRoleWithSAML`, `AssumeRoleWithWebIdentity`
    #[default]
    Role,
    /// `GetFederationToken`
    Federation,
    /// `GetSessionToken`
    SessionToken,
    /// `AssumeRoot`
    Root,
    /// `GetRoleCredentials` or `Federate` of IAM Identity Center
    IdentityCenter,
    /// `ConsoleLogin`
    ConsoleLogin,
    /// `SwitchRole`
    SwitchRole,
    /// `CreateAccessKey`: a key without an end
    AccessKey,
    /// `CreateLoginProfile`: a password
    LoginProfile,
}

/// The names of the events, which every record of one contains.
pub(super) const NAMES: [&str; 10] = [
    "AssumeRole",
    "AssumeRoot",
    "GetFederationToken",
    "GetSessionToken",
    "GetRoleCredentials",
    "Federate",
    "ConsoleLogin",
    "SwitchRole",
    "CreateAccessKey",
    "CreateLoginProfile",
];

impl IssueKind {
    fn of(source: &str, name: &str) -> Option<Self> {
        Some(match (source.split('.').next().unwrap_or_default(), name) {
            ("sts", "AssumeRole" | "AssumeRoleWithSAML" | "AssumeRoleWithWebIdentity") => {
                Self::Role
            }
            ("sts", "GetFederationToken") => Self::Federation,
            ("sts", "GetSessionToken") => Self::SessionToken,
            ("sts", "AssumeRoot") => Self::Root,
            ("sso", "GetRoleCredentials" | "Federate") => Self::IdentityCenter,
            ("signin", "ConsoleLogin") => Self::ConsoleLogin,
            ("signin", "SwitchRole") => Self::SwitchRole,
            ("iam", "CreateAccessKey") => Self::AccessKey,
            ("iam", "CreateLoginProfile") => Self::LoginProfile,
            _ => return None,
        })
    }
}

impl Fact {
    /// The fact of an event, if it issued credentials.
    pub(super) fn new(event: &Event<'_>, file: &str, texts: &mut Texts) -> Option<Self> {
        let source = event.source.as_deref()?;
        let kind = IssueKind::of(source, event.name.as_deref()?)?;
        if event.failure().is_some() {
            return None;
        }
        let read = |raw: Option<&RawValue>| {
            raw.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok()).unwrap_or_default()
        };
        let request = read(event.request);
        let response = read(event.response);
        let additional = read(event.additional);
        let actor = Actor::new(&event.identity, texts);
        let mut issued = Issued { kind, ..Issued::default() };
        let mut keep = |value: &Value| texts.keep(value.as_str());
        let written = &response["credentials"]["accessKeyId"];
        let is_key = written.as_str().is_some_and(is_access_key);
        issued.is_redacted = written.is_string() && !is_key;
        issued.key = is_key.then(|| keep(written)).flatten();
        issued.source_identity =
            keep(&request["sourceIdentity"]).or_else(|| keep(&response["sourceIdentity"]));
        match kind {
            IssueKind::Role => {
                let user = &response["assumedRoleUser"];
                issued.principal_id = keep(&user["assumedRoleId"]);
                issued.arn = keep(&user["arn"]);
                issued.account = account_of(user["arn"].as_str())
                    .or_else(|| account_of(request["roleArn"].as_str()))
                    .and_then(|account| texts.keep(Some(account)));
            }
            IssueKind::Federation => {
                let user = &response["federatedUser"];
                issued.principal_id = keep(&user["federatedUserId"]);
                issued.arn = keep(&user["arn"]);
                issued.name = keep(&request["name"]);
                issued.account.clone_from(&actor.account);
            }
            IssueKind::SessionToken | IssueKind::ConsoleLogin => {
                issued.principal_id.clone_from(&actor.principal_id);
                issued.arn.clone_from(&actor.arn);
                issued.account.clone_from(&actor.account);
            }
            IssueKind::Root => {
                let target = request["targetPrincipal"].as_str();
                let account = target.and_then(|target| account_of(Some(target)).or(Some(target)));
                issued.account = texts.keep(account);
            }
            IssueKind::IdentityCenter => {
                let details = read(event.service_details);
                let first = |names: [&str; 2]| {
                    let places = [&details, &request];
                    places.into_iter().find_map(|place| {
                        names.iter().find_map(|name| place[*name].as_str().map(str::to_owned))
                    })
                };
                let account = first(["account_id", "accountId"]);
                let role = first(["role_name", "roleName"]);
                issued.account = texts.keep(account.as_deref());
                issued.name = texts.keep(role.as_deref());
                issued.is_redacted = issued.key.is_none();
            }
            IssueKind::SwitchRole => {
                let from =
                    keep(&additional["SwitchFrom"]).or_else(|| keep(&additional["switchFrom"]));
                if actor.kind() != "AssumedRole" || from.is_none() {
                    return None;
                }
                issued.principal_id.clone_from(&actor.principal_id);
                issued.account.clone_from(&actor.account);
                issued.arn = from;
            }
            IssueKind::AccessKey => {
                let key = &response["accessKey"];
                issued.key = keep(&key["accessKeyId"]);
                issued.name = keep(&key["userName"]).or_else(|| actor.user_name.clone());
                issued.account = texts.keep(event.account());
            }
            IssueKind::LoginProfile => {
                issued.name = keep(&response["loginProfile"]["userName"])
                    .or_else(|| keep(&request["userName"]));
                issued.account = texts.keep(event.account());
            }
        }
        let used = additional["MFAUsed"].as_str().map(|used| used == "Yes");
        let shown = request["serialNumber"].is_string().then_some(true);
        Some(Self {
            event: EventRef::new(event, file, texts),
            mfa: used.or(shown).or(actor.mfa),
            shared_id: texts.keep(event.shared_id.as_deref()),
            source_ip: texts.keep(event.source_ip.as_deref()),
            user_agent: texts.keep_cut(event.user_agent.as_deref()),
            actor,
            issued,
        })
    }

    /// Whether the record says who called; the role owner's copy of a call from another
    /// account has no more than an account and an id.
    pub(super) fn names_caller(&self) -> bool {
        !matches!(self.actor.kind(), "AWSAccount" | "")
    }
}

/// Whether a text is an access key, and not what stands in place of one.
fn is_access_key(text: &str) -> bool {
    text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// The account of an ARN.
pub(super) fn account_of(arn: Option<&str>) -> Option<&str> {
    let account = arn?.strip_prefix("arn:")?.split(':').nth(3)?;
    (account.len() == 12).then_some(account)
}
