//! The records of what happens: made-up events in the shape of real ones, the same for the
//! same seed, account, Region and slot, and what clients really called.

use std::collections::VecDeque;

use jiff::Timestamp;
use orgtrail_base::cloudtrail::key::LogClass;
use orgtrail_base::names::{AccountId, Arn, Partition, Region};
use serde_json::{Value, json};

use super::issued::{Issued, Lane, Side, event_id, shared_id, user_identity};
use super::kinds::{Actor, KINDS, Kind};
use super::record::{
    BROWSER, By, CLI, Login, Named, Recorded, api_call, console_login, foreign, uuid,
};
use super::schedule::{Beginning, Draft, Schedule, What};
use super::{SLOT, cast, issue, place};
use crate::services::cloudtrail::selectors::Facts;
use crate::services::cloudtrail::{StoredEvent, Trail};
use crate::simulation::{Control, Simulation};

/// Services without Regions: a trail may leave their events out.
const GLOBAL: [&str; 3] =
    ["iam.amazonaws.com", "organizations.amazonaws.com", "signin.amazonaws.com"];

/// An event with what decides who records it.
pub(super) struct Event {
    pub(super) record: Value,
    global: bool,
    data: Option<(&'static str, String)>,
}

impl Event {
    /// A management event.
    pub(super) fn management(record: Value) -> Self {
        let source = record["eventSource"].as_str().unwrap_or_default();
        let global = GLOBAL.contains(&source);
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
    schedule: Schedule<'a>,
    account: &'a AccountId,
    region: &'a Region,
    /// What was really called, oldest first.
    called: Option<&'a VecDeque<StoredEvent>>,
}

impl<'a> EventGenerator<'a> {
    pub(super) fn new(
        simulation: &'a Simulation,
        control: &'a Control,
        account: &'a AccountId,
        region: &'a Region,
    ) -> Self {
        let state = &control.simulator;
        let known = control.accounts.get(account).filter(|_| state.filling.is_none());
        Self {
            schedule: super::schedule_of(simulation, control),
            account,
            region,
            called: known.map(|known| &known.cloudtrail.recent),
        }
    }

    /// A generator for one slot and purpose.
    pub(super) fn random(&self, purpose: &str, slot: Timestamp) -> fastrand::Rng {
        self.schedule.random(self.account, self.region, purpose, slot)
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

    /// Everything that happens in a slot or a part of one, oldest first.
    pub(super) fn slot(&self, start: Timestamp, end: Timestamp) -> Vec<Event> {
        let mut events =
            self.made_up(place::slot_start(start) + SLOT, |at| start <= at && at < end);
        events.extend(self.called(start, end).map(|call| Event::management(call.record())));
        // Events within a second stay in their order.
        events.sort_by(|a, b| a.record["eventTime"].as_str().cmp(&b.record["eventTime"].as_str()));
        events
    }

    fn called(&self, start: Timestamp, end: Timestamp) -> impl Iterator<Item = &'a StoredEvent> {
        let from = self.called.map_or(0, |all| all.partition_point(|call| call.at() < start));
        let rest = self.called.into_iter().flat_map(move |all| all.range(from..));
        rest.take_while(move |call| call.at() < end)
            .filter(|call| call.region() == self.region.as_str())
    }

    /// What is made up of the slot that ends at `end`, as far as its time is wanted.
    fn made_up(&self, end: Timestamp, is_wanted: impl Fn(Timestamp) -> bool) -> Vec<Event> {
        let (schedule, account, region) = (&self.schedule, self.account, self.region);
        let mut drafts = schedule.drafts(account, region, end);
        drafts.retain(|draft| is_wanted(draft.at));
        let mut events: Vec<Event> = Vec::with_capacity(drafts.len());
        // Looked for once, and only if somebody acts.
        let live = std::cell::OnceCell::new();
        for draft in drafts {
            events.push(match draft.what {
                What::Call(kind) => {
                    let actor = Acting { account, live: &live, end };
                    self.call(&KINDS[kind], draft, actor, Side::Caller)
                }
                What::Issue(lane) => {
                    let session = self.session(account, draft, lane);
                    Event::management(issue::record(&session, Side::Caller))
                }
                What::LoginFails => Event::management(self.failed_login(draft)),
            });
        }
        if let Some(previous) = cast::previous(account) {
            let live = std::cell::OnceCell::new();
            for draft in schedule.drafts(&previous, region, end) {
                match draft.what {
                    _ if !is_wanted(draft.at) => {}
                    What::Call(kind) if KINDS[kind].across => {
                        let actor = Acting { account: &previous, live: &live, end };
                        events.push(self.call(&KINDS[kind], draft, actor, Side::Owner));
                    }
                    What::Issue(Lane::Across) => {
                        let session = self.session(&previous, draft, Lane::Across);
                        events.push(Event::management(issue::record(&session, Side::Owner)));
                    }
                    _ => {}
                }
            }
        }
        for of in cast::center_accounts(account) {
            for draft in schedule.drafts(&of, region, end) {
                if draft.what == What::Issue(Lane::Center) && is_wanted(draft.at) {
                    let session = self.session(&of, draft, Lane::Center);
                    events.push(Event::management(issue::record(&session, Side::Center)));
                }
            }
        }
        events
    }

    fn session(&self, account: &AccountId, draft: Draft, lane: Lane) -> Issued {
        let beginning =
            Beginning { account: account.clone(), region: self.region.clone(), draft, lane };
        Issued::new(&self.schedule, &beginning)
    }

    /// A login that fails before [`Lane::Console`] of the same user succeeds.
    fn failed_login(&self, draft: Draft) -> Value {
        let (partition, account) = (self.schedule.partition, self.account);
        // The session of the login that follows has the same seed, but for its last bits.
        let following = Draft { seed: draft.seed & !0xf, ..draft };
        let session = self.session(account, following, Lane::Console);
        let identity = user_identity(partition, account, &session.name, None);
        let by = By { identity, address: cast::address(&session.name), agent: BROWSER };
        let place = Recorded { at: draft.at, region: self.region, account };
        let login = Login { mfa: None, succeeds: false };
        console_login(place, by, &event_id(draft.seed, Side::Caller), &login)
    }

    fn call(&self, kind: &Kind, draft: Draft, acting: Acting<'_>, side: Side) -> Event {
        let (partition, region) = (self.schedule.partition, self.region);
        let mut random = fastrand::Rng::with_seed(draft.seed);
        let actor = self.actor(kind, acting, &mut random);
        let owner = if kind.across { cast::next(acting.account) } else { None };
        let owner = owner.unwrap_or_else(|| acting.account.clone());
        let identity = if side == Side::Owner {
            foreign(acting.account, actor.identity["principalId"].as_str().unwrap_or_default())
        } else {
            actor.identity
        };
        let by = By { identity, address: &actor.address, agent: actor.agent };
        let place = Recorded { at: draft.at, region, account: self.account };
        let id = event_id(draft.seed, side);
        if kind.name == "ConsoleLogin" {
            let login = Login { mfa: None, succeeds: false };
            return Event::management(console_login(place, by, &id, &login));
        }
        let named = Named {
            source: kind.source,
            name: kind.name,
            read_only: kind.read_only,
            is_data: kind.data.is_some(),
        };
        let mut record = api_call(named, place, by, &id);
        record["requestID"] = uuid(&mut random).into();
        record["requestParameters"] = parameters(kind, partition, &owner);
        if !kind.read_only && kind.error.is_none() {
            record["responseElements"] = answer(kind, &record["requestID"], &mut random);
        }
        if actor.is_client {
            let service = kind.source.split('.').next().unwrap_or_default();
            record["tlsDetails"] = json!({
                "tlsVersion": "TLSv1.3",
                "cipherSuite": "TLS_AES_128_GCM_SHA256",
                "clientProvidedHostHeader":
                    format!("{service}.{region}.{}", partition.dns_suffix()),
            });
        }
        if actor.from_console {
            record["sessionCredentialFromConsole"] = "true".into();
        }
        if let Some((code, message)) = kind.error {
            record["errorCode"] = code.into();
            record["errorMessage"] = message.into();
        }
        if kind.across {
            record["sharedEventID"] = shared_id(draft.seed).into();
        }
        let data = kind.data.map(|of| {
            let arn = if of == "AWS::S3::Object" {
                let key = format!("reports/{:08x}.csv", random.u32(..));
                record["requestParameters"] =
                    json!({ "bucketName": format!("app-{owner}"), "key": key });
                format!("arn:{partition}:s3:::app-{owner}/{key}")
            } else {
                format!("arn:{partition}:lambda:{region}:{owner}:function:ingest")
            };
            record["resources"] = json!([{ "accountId": owner, "type": of, "ARN": arn }]);
            (of, arn)
        });
        Event { record, global: kind.global, data }
    }

    fn actor(&self, kind: &Kind, acting: Acting<'_>, random: &mut fastrand::Rng) -> Acted {
        let (partition, account) = (self.schedule.partition, acting.account);
        let session = match kind.actor {
            Actor::Session => {
                let live = acting.live.get_or_init(|| self.schedule.live(account, acting.end));
                // Federated users may not call IAM.
                let mut able = live.iter().filter(|one| {
                    !(one.lane == Lane::FederationToken && kind.source == "iam.amazonaws.com")
                });
                let count = able.clone().count();
                (count > 0).then(|| able.nth(random.usize(..count))).flatten()
            }
            _ => None,
        };
        let session = session.map(|beginning| Issued::new(&self.schedule, beginning));
        let mut acted = match (kind.actor, session) {
            (Actor::Root, _) => Acted {
                identity: json!({
                    "type": "Root",
                    "principalId": account,
                    "arn": Arn::global(partition, "iam", account, "root").to_string(),
                    "accountId": account,
                }),
                address: cast::address("root").to_owned(),
                agent: BROWSER,
                is_client: true,
                from_console: false,
            },
            (Actor::Service(principal), _) => Acted {
                identity: json!({ "type": "AWSService", "invokedBy": principal }),
                address: principal.to_owned(),
                agent: principal,
                is_client: false,
                from_console: false,
            },
            (_, Some(session)) => Acted {
                identity: session.identity(random),
                address: cast::address(session.sender()).to_owned(),
                agent: if session.lane == Lane::Console { BROWSER } else { CLI },
                is_client: true,
                from_console: session.lane == Lane::Console,
            },
            (_, None) => {
                let user = cast::USERS[random.usize(..cast::USERS.len())];
                let key = cast::user_key(account, user);
                Acted {
                    identity: user_identity(partition, account, user, Some(key)),
                    address: cast::address(user).to_owned(),
                    agent: CLI,
                    is_client: true,
                    from_console: false,
                }
            }
        };
        if let Some(service) = kind.via {
            acted.identity["invokedBy"] = service.into();
            service.clone_into(&mut acted.address);
            acted.agent = service;
            acted.is_client = false;
        }
        acted
    }
}

/// In whose account somebody acts, and who may.
#[derive(Clone, Copy)]
struct Acting<'b> {
    account: &'b AccountId,
    live: &'b std::cell::OnceCell<Vec<Beginning>>,
    /// Where the slot ends.
    end: Timestamp,
}

/// Who acted, and how.
struct Acted {
    identity: Value,
    address: String,
    agent: &'static str,
    /// Whether the request came from outside of AWS.
    is_client: bool,
    from_console: bool,
}

/// What a call names, where readers of the record depend on it.
fn parameters(kind: &Kind, partition: Partition, owner: &AccountId) -> Value {
    match kind.name {
        "AttachRolePolicy" => json!({
            "roleName": cast::Role::DEPLOY.name,
            "policyArn": format!("arn:{partition}:iam::aws:policy/ReadOnlyAccess"),
        }),
        "GetRole" => json!({ "roleName": cast::Role::DEPLOY.name }),
        "GetBucketAcl" | "GetBucketPolicy" | "PutBucketPolicy" => {
            json!({ "bucketName": format!("app-{owner}") })
        }
        "CreateLogStream" => json!({ "logGroupName": "/aws/lambda/ingest" }),
        _ => Value::Null,
    }
}

/// What a service answered to a call that changes something.
fn answer(kind: &Kind, request: &Value, random: &mut fastrand::Rng) -> Value {
    if kind.name == "DeleteFlowLogs" {
        let id = format!("fl-{:016x}", random.u64(..));
        return json!({ "DeleteFlowLogsResponse": { "requestId": request, "unsuccessful": {
            "item": {
                "error": {
                    "code": "InvalidFlowLogId.NotFound",
                    "message": format!("The flow log id '{id}' does not exist"),
                },
                "resourceId": id,
            },
        }}});
    }
    json!({ "requestId": request, "_return": true })
}
