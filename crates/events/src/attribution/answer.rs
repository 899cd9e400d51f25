//! Who was behind a session, with the strength of each hop.

use jiff::Timestamp;

use super::actor::Actor;
use super::fact::EventRef;
use super::texts::Word;

/// The answer to a question.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What follows from the chains.
    pub verdict: Verdict,
    /// One chain, or a candidate each.
    pub chains: Vec<Chain>,
    /// Whether there are more candidates than [`super::MAX_CHAINS`], or some were not
    /// followed to their end.
    pub has_more: bool,
}

/// What follows from the chains of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All chains end at one person or workload, over proven and bounded links.
    Resolved(Strength),
    /// There are several chains, which end at different origins, or not all of them end at
    /// one.
    Ambiguous,
    /// The only chain rests on what a caller claimed.
    Claimed,
    /// The only chain ends before its origin.
    Broken(Break),
    /// Nothing that was read is about whom was asked for.
    NotFound,
}

/// From a session back to who was behind it.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Whom the question found.
    pub subject: Subject,
    /// The hops, from the subject back.
    pub hops: Vec<Hop>,
    /// Who was behind it; `None` if the chain is broken.
    pub origin: Option<Origin>,
    /// What callers said about themselves.
    pub claims: Vec<Claim>,
    /// Who created the access key or the password of the origin.
    pub credential: Option<Hop>,
}

/// Whom a question found: a session, or a principal.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Who acted.
    pub actor: Actor,
    /// Sessions that have this chain in common: the console has a new one for each service.
    pub sessions: u64,
    /// Their events among those that were read and are about the question.
    pub events: u64,
    /// The first and the last of these events.
    pub time: Option<(Timestamp, Timestamp)>,
    /// The first of these events; the issuing one if there are no others.
    pub event: Option<EventRef>,
    /// Whether it acted in the second that was asked for.
    pub has_acted_at: bool,
}

/// From a session to who issued it.
#[derive(Debug, Clone)]
pub struct Hop {
    /// How the two are linked.
    pub link: Link,
    /// How strong the link is.
    pub strength: Strength,
    /// Why it is broken.
    pub broken: Option<Break>,
    /// The event that issued the session; `None` if the session's own records say it.
    pub event: Option<EventRef>,
    /// The record of the same event in another account.
    pub other: Option<EventRef>,
    /// Who issued it.
    pub by: Option<Actor>,
    /// From where: an address, or a service.
    pub source_ip: Option<Word>,
    /// With which program.
    pub user_agent: Option<Word>,
    /// Whether with a second factor; `None` if the record does not say.
    pub mfa: Option<bool>,
}

/// How a session and who issued it are linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// No issuing event.
    Missing,
}

/// How strong a link is, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// There is none.
    Broken,
    /// A caller chose what it rests on.
    Claimed,
    /// Another session of the same role and name can have begun in the same seconds.
    Bounded,
    /// AWS wrote a unique id.
    Proven,
}

impl Strength {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Claimed => "claimed",
            Self::Bounded => "bounded",
            Self::Proven => "proven",
        }
    }
}

/// Why a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Break {
    /// The session was created before the time that was read.
    BeforeWindow(Timestamp),
    /// No log file of this account was read.
    AccountNotRecorded(Word),
    /// The caller's account recorded the call, and no log file of it was read, or the call is
    /// not in them.
    CallerElsewhere(Word),
    /// Calls that may have issued it are recorded without the access key, and none at the
    /// session's time.
    KeyRedacted,
    /// The issuing event is not in what was read, of which some could not be.
    Unreadable,
    /// The issuing event is not in what was read.
    NotFound,
    /// A verified digest lists the file of the event with another hash.
    FileContradicted,
    /// The chain leads back to itself.
    Circular,
    /// It has more than [`super::MAX_HOPS`] hops.
    TooLong,
    /// The record does not say who acted.
    Unidentified,
}

/// Who was behind a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An IAM user.
    IamUser {
        /// `AIDA…`
        id: Option<Word>,
        /// Its ARN when it acted.
        arn: Option<Word>,
        /// Its account.
        account: Option<Word>,
    },
    /// A user of IAM Identity Center.
    IdentityCenterUser {
        /// The user's id, which is never given to another.
        id: Word,
        /// The ARN of the identity store.
        store: Option<Word>,
        /// Its name when it acted.
        name: Option<Word>,
    },
    /// The subject of an identity provider's SAML assertion.
    SamlSubject {
        /// The provider.
        provider: Option<Word>,
        /// The subject, with a hash of the provider and the account before it.
        id: Option<Word>,
        /// The subject's name.
        name: Option<Word>,
    },
    /// The subject of an OpenID Connect token: a person, or a workload such as a pipeline.
    WebIdentity {
        /// The provider.
        provider: Option<Word>,
        /// The provider, the client and the subject.
        id: Option<Word>,
        /// The subject.
        name: Option<Word>,
    },
    /// An account's root user.
    Root {
        /// The account.
        account: Word,
    },
    /// An EC2 instance.
    Instance {
        /// `i-…`
        id: Word,
        /// Its account.
        account: Option<Word>,
    },
    /// An AWS service.
    Service {
        /// Its name, as `lambda.amazonaws.com`.
        name: Word,
        /// The session's name, by which services name what they act for.
        acts_for: Option<Word>,
    },
}

impl Origin {
    /// The word for its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::IamUser { .. } => "IAM user",
            Self::IdentityCenterUser { .. } => "IAM Identity Center user",
            Self::SamlSubject { .. } => "SAML subject",
            Self::WebIdentity { .. } => "web identity",
            Self::Root { .. } => "root user",
            Self::Instance { .. } => "EC2 instance",
            Self::Service { .. } => "AWS service",
        }
    }

    /// Its unique id; `None` if the records only have a name, which another may have had.
    #[must_use]
    pub fn unique_id(&self) -> Option<(&str, &str)> {
        let (scope, id) = match self {
            Self::IamUser { id, .. } => (None, id.as_deref()),
            Self::IdentityCenterUser { id, store, .. } => (store.as_deref(), Some(&**id)),
            Self::SamlSubject { id, provider, .. } | Self::WebIdentity { id, provider, .. } => {
                (provider.as_deref(), id.as_deref())
            }
            Self::Root { account } => (None, Some(&**account)),
            Self::Instance { id, account } => (account.as_deref(), Some(&**id)),
            Self::Service { name, acts_for } => (acts_for.as_deref(), Some(&**name)),
        };
        Some((scope.unwrap_or_default(), id?))
    }

    /// Whether two are the same: their unique ids are.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind() == other.kind()
            && self.unique_id().is_some()
            && self.unique_id() == other.unique_id()
    }
}

/// What a caller said about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The name of a role's session.
    SessionName(Word),
    /// `sourceIdentity`, which stays the same through chains of roles.
    SourceIdentity(Word),
    /// The name of a federated user.
    FederatedName(Word),
}

impl Chain {
    /// The strength of its weakest hop.
    #[must_use]
    pub fn strength(&self) -> Strength {
        let weakest = self.hops.iter().map(|hop| hop.strength).min().unwrap_or(Strength::Proven);
        if self.origin.is_none() { Strength::Broken } else { weakest }
    }

    /// Why it is broken, if it is.
    #[must_use]
    pub fn broken(&self) -> Option<&Break> {
        self.hops.iter().find_map(|hop| hop.broken.as_ref())
    }
}

impl Verdict {
    /// What follows from chains.
    #[must_use]
    pub fn of(chains: &[Chain], has_more: bool) -> Self {
        match chains {
            [] => Self::NotFound,
            [one] if !has_more => match one.strength() {
                Strength::Broken => {
                    Self::Broken(one.broken().cloned().unwrap_or(Break::Unidentified))
                }
                Strength::Claimed => Self::Claimed,
                strength => Self::Resolved(strength),
            },
            [first, rest @ ..] => {
                let weakest = chains.iter().map(Chain::strength).min().unwrap_or(Strength::Broken);
                let is_same = first.origin.as_ref().is_some_and(|origin| {
                    rest.iter().all(|chain| {
                        chain.origin.as_ref().is_some_and(|other| origin.is_same(other))
                    })
                });
                if is_same && !has_more && weakest >= Strength::Bounded {
                    Self::Resolved(weakest)
                } else {
                    Self::Ambiguous
                }
            }
        }
    }
}
