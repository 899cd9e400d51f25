//! The result of `orgtrail events who`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::events::{FoundEvent, ProofStatus, SearchSummary};
use crate::events::answer::{Attributed, Searched};
use crate::events::attribution::answer::{self, Claim as Claimed};
use crate::events::attribution::descend::Descendant;
use crate::events::attribution::fact::EventRef;
use crate::events::attribution::{self, Word};
use crate::report::events::break_in_words;

/// The most events of a document, which is built in memory.
pub const MAX_EVENTS: u64 = 100_000;

/// Who was behind a session, an access key or an event.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report {
    /// Who was asked for.
    pub question: String,
    /// At which time; null for any.
    pub asked_at: Option<Timestamp>,
    /// What follows from the chains.
    pub verdict: Verdict,
    /// The strength of the weakest link, if resolved; otherwise null.
    pub strength: Option<Strength>,
    /// Who was behind it, if resolved; otherwise null.
    pub origin: Option<Origin>,
    /// One chain, or a candidate each.
    pub chains: Vec<Chain>,
    /// Whether there are more candidates, or some were not followed to their end.
    pub more_chains: bool,
    /// The sessions that descend from it; null unless they were asked for, or if there are
    /// several candidates.
    pub sessions: Option<Vec<IssuedSession>>,
    /// Whether there are more sessions.
    pub more_sessions: bool,
    /// The events that issued credentials, among those that were read.
    pub issuing_events: u64,
    /// What was read.
    pub summary: SearchSummary,
    /// What it did, directly and through sessions; null unless that was asked for.
    pub events: Option<Vec<FoundEvent>>,
    /// What was read for these events; null unless that was asked for.
    pub events_summary: Option<SearchSummary>,
}

/// What follows from the chains of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All chains end at one person or workload, over proven and bounded links.
    Resolved,
    /// There are several candidates.
    Ambiguous,
    /// The only chain rests on what a caller chose.
    Claimed,
    /// The only chain ends before its origin.
    Broken,
    /// Nothing that was read is about whom was asked for.
    NotFound,
}

/// How strong a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// AWS wrote a unique id.
    Proven,
    /// Another session of the same role and name can have begun in the same seconds.
    Bounded,
    /// A caller chose what it rests on.
    Claimed,
    /// There is no link.
    Broken,
}

/// From a session back to who was behind it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Chain {
    /// Whom the question found.
    pub subject: Subject,
    /// The hops, from the subject back.
    pub hops: Vec<Hop>,
    /// The strength of the weakest hop.
    pub strength: Strength,
    /// Who was behind it; null if the chain is broken.
    pub origin: Option<Origin>,
    /// What callers said about themselves.
    pub claims: Vec<Claim>,
    /// The call that created the origin's access key or password; null if it was not found.
    pub credential: Option<Hop>,
}

/// Whom a question found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Subject {
    /// Who acted.
    pub principal: Principal,
    /// Sessions that have the chain in common.
    pub sessions: u64,
    /// Their events that were read.
    pub events: u64,
    /// The first of them.
    pub first_at: Option<Timestamp>,
    /// The last of them.
    pub last_at: Option<Timestamp>,
    /// The first of them; the issuing one if there are no others.
    pub event: Option<EventPlace>,
    /// Whether it acted in the second that was asked for.
    pub acted_then: bool,
}

/// From a session to who issued it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Hop {
    /// How the two are linked.
    pub link: Link,
    /// How strong the link is.
    pub strength: Strength,
    /// Why it is broken; null if it is not.
    pub reason: Option<String>,
    /// The event that issued the session; null if the session's own records say it.
    pub event: Option<EventPlace>,
    /// The record of the same event in another account.
    pub other_event: Option<EventPlace>,
    /// Who issued it.
    pub by: Option<Principal>,
    /// From where: an address, or a service.
    pub source_ip: Option<String>,
    /// With which program.
    pub user_agent: Option<String>,
    /// Whether with a second factor; null if the record does not say.
    pub mfa: Option<bool>,
}

/// How a session and who issued it are linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// The issuing call's response has the session's access key.
    IssuedKey,
    /// The same, and the call is recorded in two accounts.
    SharedEvent,
    /// The issuing call's `assumedRoleId` and time are the session's.
    PrincipalAndTime,
    /// The issuing call's `assumedRoleId` is the session's, whose creation is not recorded.
    PrincipalAlone,
    /// The time of a sign-in to the console is the session's.
    SignIn,
    /// The principal switched to the role in the console.
    SwitchedRole,
    /// IAM Identity Center gave out credentials for the role at that time.
    IdentityCenter,
    /// The session's records name the user of IAM Identity Center.
    OnBehalfOf,
    /// The session's records name the user that issued it.
    SessionIssuer,
    /// The session's records say that the instance metadata service delivered it.
    InstanceRole,
    /// The key or the password was created by this call.
    CreatedCredential,
    /// No issuing event was found.
    Missing,
}

/// Where an event is recorded.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventPlace {
    /// Its id.
    pub event_id: Option<String>,
    /// When it happened.
    pub happened_at: Option<Timestamp>,
    /// The account that it was recorded for.
    pub account: Option<String>,
    /// The Region.
    pub region: Option<String>,
    /// Its name.
    pub event_name: Option<String>,
    /// Its source.
    pub event_source: Option<String>,
    /// The key of the log file.
    pub key: Option<String>,
    /// Whether the log file is proven; null unless that was asked for.
    pub proof: Option<ProofStatus>,
}

/// Who acted, as its record has it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Principal {
    /// The type, as `AssumedRole`.
    pub principal_type: Option<String>,
    /// The unique id, with the session's name.
    pub principal_id: Option<String>,
    /// The ARN.
    pub arn: Option<String>,
    /// The account.
    pub account: Option<String>,
    /// The user's name.
    pub user_name: Option<String>,
    /// The access key.
    pub access_key: Option<String>,
    /// The service that acted.
    pub invoked_by: Option<String>,
    /// When the session's credentials were issued.
    pub session_created_at: Option<Timestamp>,
}

/// Who was behind a session.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Origin {
    /// What it is.
    pub origin_type: OriginType,
    /// The unique id; null if the records only have a name, which another may have had.
    pub id: Option<String>,
    /// The name when it acted.
    pub name: Option<String>,
    /// The ARN when it acted.
    pub arn: Option<String>,
    /// The account.
    pub account: Option<String>,
    /// The identity provider or store.
    pub provider: Option<String>,
}

/// Kinds of people and workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OriginType {
    /// An IAM user.
    IamUser,
    /// A user of IAM Identity Center.
    IdentityCenterUser,
    /// The subject of a SAML assertion.
    SamlSubject,
    /// The subject of an `OpenID` Connect token.
    WebIdentity,
    /// An account's root user.
    RootUser,
    /// An EC2 instance.
    Instance,
    /// An AWS service.
    Service,
}

/// What a caller said about itself.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Claim {
    /// Where.
    pub claim_type: ClaimType,
    /// What.
    pub value: String,
}

/// Where a caller says something about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimType {
    /// The name of a role's session.
    SessionName,
    /// `sourceIdentity`
    SourceIdentity,
    /// The name of a federated user.
    FederatedName,
}

/// A session that descends from whom was asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub struct IssuedSession {
    /// The session.
    pub session: Principal,
    /// The call that issued it.
    pub event: EventPlace,
    /// Who called.
    pub by: Principal,
    /// The strength of the weakest hop back to whom was asked for.
    pub strength: Strength,
    /// The hops back to it.
    pub hops: usize,
}

impl Report {
    /// The document of an attribution.
    #[must_use]
    pub fn new(attributed: &Attributed) -> Self {
        let answer = &attributed.answer;
        let (verdict, strength) = match &answer.verdict {
            answer::Verdict::Resolved(strength) => (Verdict::Resolved, Some(*strength)),
            answer::Verdict::Ambiguous => (Verdict::Ambiguous, None),
            answer::Verdict::Claimed => (Verdict::Claimed, None),
            answer::Verdict::Broken(_) => (Verdict::Broken, None),
            answer::Verdict::NotFound => (Verdict::NotFound, None),
        };
        let origin = answer.chains.first().and_then(|chain| chain.origin.as_ref());
        let sessions = attributed.sessions.as_ref();
        Self {
            question: attributed.question.clone(),
            asked_at: attributed.at,
            verdict,
            strength: strength.map(Strength::from),
            origin: origin.filter(|_| verdict == Verdict::Resolved).map(Origin::new),
            chains: answer.chains.iter().map(|chain| Chain::new(chain, attributed)).collect(),
            more_chains: answer.has_more,
            sessions: sessions.map(|sessions| {
                let all = sessions.sessions.iter();
                all.map(|one| IssuedSession::new(one, attributed)).collect()
            }),
            more_sessions: sessions.is_some_and(|sessions| sessions.has_more),
            issuing_events: attributed.issuing_events,
            summary: SearchSummary::new(&attributed.searched),
            events: None,
            events_summary: None,
        }
    }

    /// The same with what it did.
    #[must_use]
    pub fn with_events(self, events: Vec<FoundEvent>, searched: &Searched) -> Self {
        Self { events: Some(events), events_summary: Some(SearchSummary::new(searched)), ..self }
    }
}

impl Chain {
    fn new(chain: &attribution::Chain, attributed: &Attributed) -> Self {
        let subject = &chain.subject;
        Self {
            subject: Subject {
                principal: Principal::new(&subject.actor),
                sessions: subject.sessions,
                events: subject.events,
                first_at: subject.time.map(|(first, _)| first),
                last_at: subject.time.map(|(_, last)| last),
                event: subject.event.as_ref().map(|event| EventPlace::new(event, attributed)),
                acted_then: subject.has_acted_at,
            },
            hops: chain.hops.iter().map(|hop| Hop::new(hop, attributed)).collect(),
            strength: chain.strength().into(),
            origin: chain.origin.as_ref().map(Origin::new),
            claims: chain.claims.iter().map(Claim::new).collect(),
            credential: chain.credential.as_ref().map(|hop| Hop::new(hop, attributed)),
        }
    }
}

impl Hop {
    fn new(hop: &attribution::Hop, attributed: &Attributed) -> Self {
        let place = |event: &Option<EventRef>| {
            event.as_ref().map(|event| EventPlace::new(event, attributed))
        };
        Self {
            link: hop.link.into(),
            strength: hop.strength.into(),
            reason: hop.broken.as_ref().map(break_in_words),
            event: place(&hop.event),
            other_event: place(&hop.other),
            by: hop.by.as_ref().map(Principal::new),
            source_ip: text(&hop.source_ip),
            user_agent: text(&hop.user_agent),
            mfa: hop.mfa,
        }
    }
}

impl EventPlace {
    fn new(event: &EventRef, attributed: &Attributed) -> Self {
        let proof = event.file.as_ref().and_then(|file| attributed.file_proofs.get(file));
        Self {
            event_id: text(&event.id),
            happened_at: event.time,
            account: text(&event.account),
            region: text(&event.region),
            event_name: text(&event.name),
            event_source: text(&event.source),
            key: text(&event.file),
            proof: proof.copied().map(ProofStatus::from),
        }
    }
}

impl Principal {
    fn new(actor: &attribution::Actor) -> Self {
        Self {
            principal_type: text(&actor.kind),
            principal_id: text(&actor.principal_id),
            arn: text(&actor.arn),
            account: text(&actor.account),
            user_name: text(&actor.user_name),
            access_key: text(&actor.access_key),
            invoked_by: text(&actor.invoked_by),
            session_created_at: actor.created,
        }
    }
}

impl Origin {
    fn new(origin: &attribution::Origin) -> Self {
        use attribution::Origin as Known;
        let mut this = Self {
            origin_type: OriginType::IamUser,
            id: None,
            name: None,
            arn: None,
            account: None,
            provider: None,
        };
        match origin {
            Known::IamUser { id, arn, account } => {
                (this.id, this.arn, this.account) = (text(id), text(arn), text(account));
                let name = arn.as_deref().and_then(|arn| arn.split_once(":user/"));
                this.name = name.map(|(_, name)| name.to_owned());
            }
            Known::IdentityCenterUser { id, store, name } => {
                this.origin_type = OriginType::IdentityCenterUser;
                this.id = Some(id.to_string());
                (this.provider, this.name) = (text(store), text(name));
            }
            Known::SamlSubject { provider, id, name } => {
                this.origin_type = OriginType::SamlSubject;
                (this.provider, this.id, this.name) = (text(provider), text(id), text(name));
            }
            Known::WebIdentity { provider, id, name } => {
                this.origin_type = OriginType::WebIdentity;
                (this.provider, this.id, this.name) = (text(provider), text(id), text(name));
            }
            Known::Root { account } => {
                this.origin_type = OriginType::RootUser;
                (this.id, this.account) = (Some(account.to_string()), Some(account.to_string()));
            }
            Known::Instance { id, account } => {
                this.origin_type = OriginType::Instance;
                (this.id, this.account) = (Some(id.to_string()), text(account));
            }
            Known::Service { name, acts_for } => {
                this.origin_type = OriginType::Service;
                (this.id, this.name) = (Some(name.to_string()), text(acts_for));
            }
        }
        this
    }
}

impl Claim {
    fn new(claim: &Claimed) -> Self {
        let (claim_type, value) = match claim {
            Claimed::SessionName(value) => (ClaimType::SessionName, value),
            Claimed::SourceIdentity(value) => (ClaimType::SourceIdentity, value),
            Claimed::FederatedName(value) => (ClaimType::FederatedName, value),
        };
        Self { claim_type, value: value.to_string() }
    }
}

impl IssuedSession {
    fn new(one: &Descendant, attributed: &Attributed) -> Self {
        Self {
            session: Principal::new(&one.session),
            event: EventPlace::new(&one.event, attributed),
            by: Principal::new(&one.by),
            strength: one.strength.into(),
            hops: one.depth,
        }
    }
}

impl From<attribution::Strength> for Strength {
    fn from(strength: attribution::Strength) -> Self {
        match strength {
            attribution::Strength::Proven => Self::Proven,
            attribution::Strength::Bounded => Self::Bounded,
            attribution::Strength::Claimed => Self::Claimed,
            attribution::Strength::Broken => Self::Broken,
        }
    }
}

impl From<attribution::Link> for Link {
    fn from(link: attribution::Link) -> Self {
        use attribution::Link as Known;
        match link {
            Known::IssuedKey => Self::IssuedKey,
            Known::SharedEvent => Self::SharedEvent,
            Known::PrincipalAndTime => Self::PrincipalAndTime,
            Known::PrincipalAlone => Self::PrincipalAlone,
            Known::SignIn => Self::SignIn,
            Known::SwitchedRole => Self::SwitchedRole,
            Known::IdentityCenter => Self::IdentityCenter,
            Known::OnBehalfOf => Self::OnBehalfOf,
            Known::SessionIssuer => Self::SessionIssuer,
            Known::InstanceRole => Self::InstanceRole,
            Known::CreatedCredential => Self::CreatedCredential,
            Known::Missing => Self::Missing,
        }
    }
}

fn text<'w>(word: impl Into<Option<&'w Word>>) -> Option<String> {
    word.into().map(|word| word.as_ref().to_owned())
}
