//! Who is really behind the simulated sessions, for tests that compare it with what the
//! records say.

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Region};

use super::issued::{Issued, Lane, Origin, Side};
use super::{SLOT, cast, place, schedule_of};
use crate::simulation::{Control, Simulation};

/// A session that was made up, and who is behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrueSession {
    /// The access key (`ASIA…`) of all that the session does; `None` for a session of the
    /// console, which uses another one for each request.
    pub access_key: Option<String>,
    /// `userIdentity.principalId` of all that the session does.
    pub principal_id: String,
    /// `userIdentity.arn` of all that the session does.
    pub arn: String,
    /// The account in which the session acts.
    pub account: AccountId,
    /// The Region that recorded the call that began it. The session acts in other Regions too.
    pub region: Region,
    /// When it began, by `eventTime` of that call and `creationDate` of what it does.
    pub began: Timestamp,
    /// When its credentials expire.
    pub expires: Timestamp,
    /// The person or workload behind it.
    pub person: Person,
    /// What its records state as the source identity.
    pub source_identity: Option<String>,
    /// The calls that led to it: its own first, then that of the session which made that
    /// call, and so on. Whoever made the last one is the person.
    pub hops: Vec<TrueHop>,
}

/// A call that began a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrueHop {
    /// The account that called.
    pub account: AccountId,
    /// The account in which the session acts that it began.
    pub target: AccountId,
    /// Where it was recorded.
    pub region: Region,
    /// `eventTime`
    pub at: Timestamp,
    /// `AssumeRole` and the like; `ConsoleLogin`.
    pub event_name: &'static str,
    /// `eventID` in the account that called.
    pub event_id: String,
    /// `userIdentity.accessKeyId` of the caller, if one signed the call and it is none of the
    /// console's.
    pub caller_key: Option<String>,
    /// The access key that it issued; `None` for the console.
    pub issued_key: Option<String>,
}

/// Who is behind a session in the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Person {
    /// An IAM user, which may be a person or a machine.
    User {
        /// The user's ARN.
        arn: String,
        /// `AIDA…`
        id: String,
    },
    /// A person of IAM Identity Center.
    IdentityCenter {
        /// `onBehalfOf.userId`
        user_id: String,
        /// The name, which is the session's.
        name: String,
    },
    /// A person of a SAML identity provider.
    Saml {
        /// The subject of the assertion.
        name: String,
    },
    /// A subject of a web identity provider.
    WebIdentity {
        /// The provider's host and path.
        provider: String,
        /// The subject of the token.
        subject: String,
    },
    /// An AWS service that acts for a workload.
    Workload {
        /// `ec2.amazonaws.com`
        service: String,
        /// The instance's id, or the function's name.
        name: String,
    },
}

/// All sessions that principals of all accounts began from `from` on and before `until`, by
/// account, Region and time. Nothing but the seed, the volumes, the accounts and the home
/// Region decides what they are.
pub(crate) fn sessions(
    simulation: &Simulation,
    control: &Control,
    (from, until): (Timestamp, Timestamp),
) -> Vec<TrueSession> {
    let schedule = schedule_of(simulation, control);
    let mut found = Vec::new();
    for (account, known) in &control.accounts {
        for region in &known.enabled_regions {
            let mut slot = place::slot_start(from);
            while slot < until {
                slot += SLOT;
                let mut began = schedule.began(account, region, slot);
                began.retain(|session| from <= session.at && session.at < until);
                began.sort_by_key(|session| session.at);
                found.extend(began.iter().map(TrueSession::new));
            }
        }
    }
    found
}

impl TrueSession {
    fn new(session: &Issued) -> Self {
        let mut hops = vec![hop(session)];
        let mut first = session;
        while let Origin::Session(earlier) = &first.origin {
            hops.push(hop(earlier));
            first = earlier;
        }
        Self {
            access_key: key(session),
            principal_id: session.principal_id(),
            arn: session.arn(),
            account: session.account.clone(),
            region: session.region.clone(),
            began: session.at,
            expires: session.expires(),
            person: person(first),
            source_identity: session.source_identity.clone(),
            hops,
        }
    }
}

fn key(session: &Issued) -> Option<String> {
    (session.lane != Lane::Console).then(|| session.key.clone())
}

fn hop(session: &Issued) -> TrueHop {
    let caller_key = match &session.origin {
        Origin::User(_) if session.lane == Lane::Console => None,
        Origin::User(user) => Some(cast::user_key(&session.caller, user)),
        Origin::Session(earlier) => key(earlier),
        _ => None,
    };
    TrueHop {
        account: session.caller.clone(),
        target: session.account.clone(),
        region: session.region.clone(),
        at: session.at,
        event_name: session.lane.event_name(),
        event_id: session.event_id(Side::Caller),
        caller_key,
        issued_key: key(session),
    }
}

fn person(first: &Issued) -> Person {
    match &first.origin {
        Origin::User(name) => Person::User {
            arn: cast::user_arn(first.partition, &first.caller, name),
            id: cast::user_id(&first.caller, name),
        },
        Origin::Center(name) => {
            Person::IdentityCenter { user_id: cast::center_user_id(name), name: (*name).to_owned() }
        }
        Origin::Saml(name) => Person::Saml { name: (*name).to_owned() },
        Origin::Web { provider, subject } => {
            Person::WebIdentity { provider: provider.clone(), subject: (*subject).to_owned() }
        }
        Origin::Service(service) => {
            Person::Workload { service: (*service).to_owned(), name: first.name.clone() }
        }
        // It is not the first one then.
        Origin::Session(earlier) => person(earlier),
    }
}
