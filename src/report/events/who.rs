use std::fmt::Write as _;

use crate::events::answer::Attributed;
use crate::events::attribution::answer::{Break, Claim, Subject};
use crate::events::attribution::descend::Descendant;
use crate::events::attribution::fact::EventRef;
use crate::events::attribution::{Actor, Chain, Hop, Link, MAX_CHAINS, MAX_HOPS, Origin, Verdict};
use crate::printable::plain;
use crate::words::counted;

/// Where a chain's text begins. Units: columns.
const INDENT: &str = "           ";
/// The longest program that is shown. Units: characters.
const MAX_PROGRAM: usize = 60;
/// The most sessions that are listed for people.
const MAX_LISTED: usize = 200;

/// Who was behind a session, hop by hop.
#[must_use]
pub fn attribution_text(attributed: &Attributed, width: Option<usize>) -> String {
    let answer = &attributed.answer;
    let mut text = headline(attributed);
    let is_choice = answer.chains.len() > 1;
    for (number, chain) in answer.chains.iter().enumerate() {
        text.push('\n');
        if is_choice {
            let _ = writeln!(text, "candidate {}", number + 1);
        }
        text.push_str(&chain_text(chain, attributed, width));
    }
    if answer.has_more {
        let _ = writeln!(
            text,
            "\nINCOMPLETE: there are more than {MAX_CHAINS} candidates, or not all were followed: narrow it down with --at, --since and --account"
        );
    }
    if let Some(sessions) = &attributed.sessions {
        let all = &sessions.sessions;
        let _ = writeln!(text, "\n{} issued from it", counted(all.len() as u64, "session"));
        for one in all.iter().take(MAX_LISTED) {
            text.push_str(&descendant(one));
        }
        if all.len() > MAX_LISTED {
            let _ = writeln!(text, "  … and {} more (use `--format json`)", all.len() - MAX_LISTED);
        }
        if sessions.has_more {
            text.push_str("INCOMPLETE: there are more sessions\n");
        }
    }
    text.push('\n');
    text
}

/// The answer in one or two lines.
fn headline(attributed: &Attributed) -> String {
    let answer = &attributed.answer;
    let mut text = plain(&attributed.question).into_owned();
    if let Some(at) = attributed.at {
        let _ = write!(text, " at {at}");
    }
    text.push('\n');
    let first = answer.chains.first();
    let origin = first.and_then(|chain| chain.origin.as_ref()).map(origin_in_words);
    let origin = origin.unwrap_or_else(|| "unknown".to_owned());
    let _ = match &answer.verdict {
        Verdict::Resolved(strength) => {
            writeln!(text, "{}: {origin}", strength.as_str().to_uppercase())
        }
        Verdict::Ambiguous => {
            let candidates = counted(answer.chains.len() as u64, "candidate");
            writeln!(text, "AMBIGUOUS: {candidates}")
        }
        Verdict::Claimed => {
            writeln!(text, "CLAIMED: perhaps {origin}, but the links rest on what a caller chose")
        }
        Verdict::Broken(why) => writeln!(text, "UNKNOWN: {}", break_in_words(why)),
        Verdict::NotFound => writeln!(
            text,
            "NOT FOUND: no event that was read is about it; widen --since, or check the coverage below"
        ),
    };
    text
}

fn chain_text(chain: &Chain, attributed: &Attributed, width: Option<usize>) -> String {
    let mut text = subject_text(&chain.subject);
    for hop in &chain.hops {
        text.push_str(&hop_text(hop, attributed, width));
    }
    if let Some(origin) = &chain.origin {
        line(&mut text, "origin", &origin_in_words(origin));
    }
    for claim in &chain.claims {
        line(&mut text, "claimed", &claim_in_words(claim));
    }
    if let Some(hop) = &chain.credential {
        let what = match hop.event.as_ref().and_then(|event| event.name.as_deref()) {
            Some("CreateLoginProfile") => "a password for a user of this name",
            _ => "the access key",
        };
        let by = hop.by.as_ref().map(actor_in_words).unwrap_or_default();
        line(&mut text, hop.strength.as_str(), &format!("{what} was created by {by}"));
        if let Some(event) = &hop.event {
            event_lines(&mut text, event, attributed);
        }
    }
    text
}

/// A line: a word, and what it is about.
fn line(text: &mut String, word: &str, what: &str) {
    let _ = writeln!(text, "  {word:8} {what}");
}

fn subject_text(subject: &Subject) -> String {
    let mut text = String::new();
    line(&mut text, "session", &actor_in_words(&subject.actor));
    let mut more = Vec::new();
    if let Some(key) = &subject.actor.access_key {
        more.push(format!("key {}", plain(key)));
    }
    if let Some(created) = subject.actor.created {
        more.push(format!("created {created}"));
    }
    if subject.sessions > 1 {
        more.push(counted(subject.sessions, "session"));
    }
    for part in more {
        let _ = writeln!(text, "{INDENT}{part}");
    }
    if let Some((first, last)) = subject.time {
        let events = counted(subject.events, "event");
        let _ = writeln!(text, "{INDENT}{events}, {first} to {last}");
    }
    if subject.has_acted_at {
        let _ = writeln!(text, "{INDENT}acted in this second");
    }
    text
}

fn hop_text(hop: &Hop, attributed: &Attributed, width: Option<usize>) -> String {
    let mut text = String::new();
    if let Some(why) = &hop.broken {
        line(&mut text, hop.strength.as_str(), &break_in_words(why));
    } else {
        line(&mut text, hop.strength.as_str(), link_in_words(hop.link));
    }
    if let Some(by) = hop.by.as_ref().filter(|_| hop.event.is_some()) {
        let _ = writeln!(text, "{INDENT}by {}", actor_in_words(by));
    }
    let mut how = Vec::new();
    if let Some(from) = &hop.source_ip {
        how.push(format!("from {}", plain(from)));
    }
    match hop.mfa {
        Some(true) => how.push("with MFA".to_owned()),
        Some(false) => how.push("without MFA".to_owned()),
        None => {}
    }
    if let Some(program) = &hop.user_agent {
        let most = width.map_or(MAX_PROGRAM, |width| width.saturating_sub(INDENT.len()).max(20));
        let program: String = plain(program).chars().take(most).collect();
        how.push(format!("\n{INDENT}{program}"));
    }
    if !how.is_empty() {
        let _ = writeln!(text, "{INDENT}{}", how.join(", ").replace(", \n", "\n"));
    }
    for event in [&hop.event, &hop.other].into_iter().flatten() {
        event_lines(&mut text, event, attributed);
    }
    text
}

fn event_lines(text: &mut String, event: &EventRef, attributed: &Attributed) {
    let or_dash = |field: Option<&str>| plain(field.unwrap_or("-")).into_owned();
    let time = event.time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    let _ = writeln!(
        text,
        "{INDENT}{} at {time} in {} {}",
        or_dash(event.name.as_deref()),
        or_dash(event.account.as_deref()),
        or_dash(event.region.as_deref()),
    );
    let _ = writeln!(text, "{INDENT}event {}", or_dash(event.id.as_deref()));
    let Some(file) = &event.file else { return };
    let proof = attributed.file_proofs.get(file).map(|proof| format!(" ({})", proof.as_str()));
    let _ = writeln!(text, "{INDENT}file {}{}", plain(file), proof.unwrap_or_default());
}

fn descendant(one: &Descendant) -> String {
    let session = &one.session;
    let time = one.event.time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    let key = session.access_key.as_deref().map(|key| format!(", key {}", plain(key)));
    let between = one.depth.saturating_sub(1) as u64;
    let hops = match between {
        0 => String::new(),
        _ => format!(", over {}", counted(between, "session")),
    };
    format!(
        "  {:8} {time} {}{}{hops}\n",
        one.strength.as_str(),
        actor_in_words(session),
        key.unwrap_or_default(),
    )
}

/// Who it is, in few words: its ARN's resource, its account and its unique id.
#[must_use]
pub fn actor_in_words(actor: &Actor) -> String {
    let resource = actor.arn.as_deref().and_then(|arn| arn.splitn(6, ':').nth(5));
    let name = resource.or_else(|| actor.name()).unwrap_or("someone");
    let mut words = plain(name).into_owned();
    if let Some(account) = actor.account.as_deref().filter(|account| *account != name) {
        let _ = write!(words, " in {}", plain(account));
    }
    let id = actor.principal_id.as_deref().filter(|id| *id != name);
    if let Some(id) = id.filter(|id| Some(*id) != actor.account.as_deref()) {
        let _ = write!(words, " ({})", plain(id));
    }
    if let Some(service) = actor.invoked_by.as_deref().filter(|service| *service != name) {
        let _ = write!(words, " via {}", plain(service));
    }
    words
}

/// Who was behind it, in few words.
#[must_use]
pub fn origin_in_words(origin: &Origin) -> String {
    let mut words = origin.kind().to_owned();
    let mut add = |before: &str, field: Option<&str>, after: &str| {
        if let Some(field) = field {
            let _ = write!(words, "{before}{}{after}", plain(field));
        }
    };
    match origin {
        Origin::IamUser { id, arn, account } => {
            let resource = arn.as_deref().and_then(|arn| arn.split_once(":user/"));
            add(" ", resource.map(|(_, name)| name), "");
            add(" (", id.as_deref(), ")");
            add(" in ", account.as_deref(), "");
        }
        Origin::IdentityCenterUser { id, store, name } => {
            add(" ", name.as_deref(), "");
            add(" (", Some(id), ")");
            add(" of ", store.as_deref(), "");
        }
        Origin::SamlSubject { provider, id, name } | Origin::WebIdentity { provider, id, name } => {
            add(" ", name.as_deref().or(id.as_deref()), "");
            add(" of ", provider.as_deref(), "");
        }
        Origin::Root { account } => add(" of ", Some(account), ""),
        Origin::Instance { id, account } => {
            add(" ", Some(id), "");
            add(" in ", account.as_deref(), "");
        }
        Origin::Service { name, acts_for } => {
            add(" ", Some(name), "");
            add(" for ", acts_for.as_deref(), "");
        }
    }
    words
}

/// How a session and who issued it are linked.
#[must_use]
pub const fn link_in_words(link: Link) -> &'static str {
    match link {
        Link::IssuedKey => "the call issued the session's access key",
        Link::SharedEvent => "the call issued the session's access key (two accounts' records)",
        Link::PrincipalAndTime => "the call issued this role and name when the session began",
        Link::PrincipalAlone => "the call issued this role and name, at some time before",
        Link::SignIn => "signed in when the session began",
        Link::SwitchedRole => "switched to the role in the console when the session began",
        Link::IdentityCenter => "got the role's credentials when the session began",
        Link::OnBehalfOf => "the session's records name the user",
        Link::SessionIssuer => "the session's records name its issuer",
        Link::InstanceRole => "the instance metadata service delivered the session",
        Link::CreatedCredential => "the call created the credential",
        Link::Missing => "the issuing call is missing",
    }
}

/// Why a chain is broken.
#[must_use]
pub fn break_in_words(why: &Break) -> String {
    match why {
        Break::BeforeWindow(created) => {
            format!("the session was created at {created}, before the time that was read")
        }
        Break::AccountNotRecorded(account) => {
            format!("no log file of account {} was read", plain(account))
        }
        Break::CallerElsewhere(account) => {
            format!("the caller's own record is in account {}, and was not found", plain(account))
        }
        Break::KeyRedacted => {
            "calls that may have issued it are recorded without the access key, at other times"
                .to_owned()
        }
        Break::Unreadable => {
            "the issuing call was not found, and something could not be read".to_owned()
        }
        Break::NotFound => "the issuing call is not in what was read".to_owned(),
        Break::FileContradicted => {
            "the log file of the issuing call is not what its digest lists".to_owned()
        }
        Break::Circular => "the chain leads back to itself".to_owned(),
        Break::TooLong => format!("the chain has more than {MAX_HOPS} hops"),
        Break::Unidentified => "the record does not say who acted".to_owned(),
    }
}

/// What a caller said about itself.
#[must_use]
pub fn claim_in_words(claim: &Claim) -> String {
    let (what, name) = match claim {
        Claim::SessionName(name) => ("session name", name),
        Claim::SourceIdentity(name) => ("source identity", name),
        Claim::FederatedName(name) => ("name of the federated user", name),
    };
    format!("{what} {}", plain(name))
}
