//! Who is asked for.

use std::fmt;
use std::str::FromStr;

use super::actor::Actor;
use super::fact::EventRef;
use crate::event::Event;

/// The longest question. Units: bytes.
const MAX_QUESTION: usize = 2048;

/// Whom a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// An access key: `AKIA…` or `ASIA…`.
    Key(String),
    /// A role, `AROA…`, or one session of it, `AROA…:session`.
    Role(String),
    /// An IAM user: `AIDA…`.
    User(String),
    /// A UUID: an event, or a user of IAM Identity Center.
    Uuid(String),
    /// An ARN of a user, a role or a session.
    Arn(String),
    /// A role's name and a session's name: `role/session`.
    Session(String, String),
    /// An EC2 instance: `i-…`.
    Instance(String),
    /// A name: of a user, of a role's session, a source identity.
    Name(String),
}

/// A text that names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an access key, a principal id as in AROA…:session, role/session, an ARN, an event \
     id or a name"
)]
pub struct NoQuestion;

impl FromStr for Question {
    type Err = NoQuestion;

    fn from_str(text: &str) -> Result<Self, NoQuestion> {
        if text.is_empty() || text.len() > MAX_QUESTION || text.chars().any(char::is_control) {
            return Err(NoQuestion);
        }
        let owned = text.to_owned();
        let id = text.split(':').next().unwrap_or_default();
        let is_id =
            id.len() >= 16 && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        let is_uuid = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        Ok(match text.get(..4) {
            Some("AKIA" | "ASIA") if is_id && id == text => Self::Key(owned),
            Some("AROA") if is_id => Self::Role(owned),
            Some("AIDA") if is_id && id == text => Self::User(owned),
            _ if is_uuid => Self::Uuid(owned),
            Some("arn:") => Self::Arn(owned),
            _ if text.starts_with("i-") => Self::Instance(owned),
            _ => match text.split_once('/') {
                Some((role, session)) if !role.is_empty() && !session.is_empty() => {
                    Self::Session(role.to_owned(), session.to_owned())
                }
                Some(_) => return Err(NoQuestion),
                None => Self::Name(owned),
            },
        })
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(text)
            | Self::Role(text)
            | Self::User(text)
            | Self::Uuid(text)
            | Self::Arn(text)
            | Self::Instance(text)
            | Self::Name(text) => f.write_str(text),
            Self::Session(role, session) => write!(f, "{role}/{session}"),
        }
    }
}

impl Question {
    /// A text that every record about it contains as it is, the longest; empty if there is
    /// none.
    #[must_use]
    pub fn literal(&self) -> &str {
        let text = match self {
            Self::Session(_, session) => session,
            Self::Key(text)
            | Self::Role(text)
            | Self::User(text)
            | Self::Uuid(text)
            | Self::Arn(text)
            | Self::Instance(text)
            | Self::Name(text) => text,
        };
        // Other characters may be written with escapes.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ":-_.@+=,".contains(c);
        text.split(|c| !is_plain(c)).max_by_key(|piece| piece.len()).unwrap_or_default()
    }

    /// Whether someone is meant by it.
    #[must_use]
    pub fn is_about(&self, actor: &Actor) -> bool {
        let is = |field: &Option<super::texts::Word>, wanted: &str| {
            field.as_deref().is_some_and(|found| found == wanted)
        };
        match self {
            Self::Key(key) => is(&actor.access_key, key),
            Self::Role(id) if id.contains(':') => is(&actor.principal_id, id),
            Self::Role(id) => {
                is(&actor.issuer_id, id)
                    || actor.principal_id.as_deref().is_some_and(|found| {
                        found
                            .strip_prefix(&**id)
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
                    })
            }
            Self::User(id) => is(&actor.principal_id, id) || is(&actor.issuer_id, id),
            Self::Uuid(id) => is(&actor.center_user, id),
            Self::Arn(arn) => is(&actor.arn, arn) || is(&actor.issuer_arn, arn),
            Self::Session(role, session) => {
                actor.role_name() == Some(role) && actor.session_name() == Some(session)
            }
            Self::Instance(id) => actor.session_name() == Some(id),
            Self::Name(name) => {
                is(&actor.user_name, name)
                    || is(&actor.source_identity, name)
                    || actor.session_name() == Some(name)
                    || federated_name(actor) == Some(name)
            }
        }
    }

    /// Whether an event is asked for itself, by its id or by that which two accounts share.
    #[must_use]
    pub fn is_event(&self, event: &Event<'_>) -> bool {
        let Self::Uuid(wanted) = self else { return false };
        [&event.id, &event.shared_id].into_iter().any(|id| id.as_deref() == Some(wanted))
    }

    /// Whether a call is asked for itself.
    #[must_use]
    pub fn is_call(&self, event: &EventRef) -> bool {
        matches!(self, Self::Uuid(id) if event.id.as_deref() == Some(id))
    }
}

/// The name of a federated user, whose principal id is `account:name`.
fn federated_name(actor: &Actor) -> Option<&str> {
    if actor.kind() != "FederatedUser" {
        return None;
    }
    actor.principal_id.as_deref()?.split_once(':').map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_by_their_form() {
        let read = |text: &str| text.parse::<Question>();
        let owned = str::to_owned;
        for (text, question) in [
            ("AKIAEXAMPLEEXAMPLE00", Question::Key(owned("AKIAEXAMPLEEXAMPLE00"))),
            ("ASIAEXAMPLEEXAMPLE00", Question::Key(owned("ASIAEXAMPLEEXAMPLE00"))),
            ("AROAEXAMPLEEXAMPLE00", Question::Role(owned("AROAEXAMPLEEXAMPLE00"))),
            ("AROAEXAMPLEEXAMPLE00:a b", Question::Role(owned("AROAEXAMPLEEXAMPLE00:a b"))),
            ("AIDAEXAMPLEEXAMPLE00", Question::User(owned("AIDAEXAMPLEEXAMPLE00"))),
            (
                "6e882b9d-2af8-4c67-b91f-aeac6a0e5e70",
                Question::Uuid(owned("6e882b9d-2af8-4c67-b91f-aeac6a0e5e70")),
            ),
            ("arn:aws:iam::1:user/a", Question::Arn(owned("arn:aws:iam::1:user/a"))),
            ("deploy/alice", Question::Session(owned("deploy"), owned("alice"))),
            ("i-0123456789abcdef0", Question::Instance(owned("i-0123456789abcdef0"))),
            ("alice", Question::Name(owned("alice"))),
            ("AIDAN", Question::Name(owned("AIDAN"))),
        ] {
            assert_eq!(read(text), Ok(question.clone()));
            assert_eq!(question.to_string(), text);
            assert!(text.contains(question.literal()), "{text}");
        }
        for wrong in ["", "/a", "a/", "a\nb", &"a".repeat(MAX_QUESTION + 1)] {
            assert_eq!(read(wrong), Err(NoQuestion), "{wrong}");
        }
        assert_eq!(read("AROAEXAMPLEEXAMPLE00:a b").unwrap().literal(), "AROAEXAMPLEEXAMPLE00:a");
        assert_eq!(read("é").unwrap().literal(), "");
    }
}
