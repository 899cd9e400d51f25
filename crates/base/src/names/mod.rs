//! AWS's names: parsed once at the edge, then trusted.
//!
//! Every id that crosses a boundary (config, command line, API answer, object
//! key) becomes one of these types before anything else looks at it.

mod account_id;
mod arn;
mod athena;
mod bucket_name;
mod key_alias;
mod key_prefix;
mod log_group_name;
mod org_id;
mod partition;
mod queue_name;
mod region;
mod role;
mod topic_name;
mod trail_name;

pub use account_id::AccountId;
pub use arn::Arn;
pub use athena::{DatabaseName, WorkgroupName};
pub use bucket_name::BucketName;
pub use key_alias::KeyAlias;
pub use key_prefix::{KeyPrefix, MOST_CHARACTERS, prefix_folder};
pub use log_group_name::LogGroupName;
pub use org_id::{OrgId, UnitId};
pub use partition::Partition;
pub use queue_name::QueueName;
pub use region::Region;
pub use role::{ExternalId, RoleName, RolePath, SessionName};
pub use topic_name::TopicName;
pub use trail_name::TrailName;

/// A string that is not the name it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {kind}: expected {expected}")]
pub struct NameError {
    /// What the string was read as, with its article: `an account id`.
    pub kind: &'static str,
    /// The string as it was found.
    pub found: String,
    /// What would have been accepted.
    pub expected: &'static str,
}

impl NameError {
    fn new(kind: &'static str, found: &str, expected: &'static str) -> Self {
        Self { kind, found: found.to_owned(), expected }
    }
}

/// Gives a validated string newtype its conversions, so that each name's file
/// holds only its rule. The type must be `struct Name(Box<str>)` with
/// `fn check(&str) -> Result<(), NameError>`.
macro_rules! string_name {
    (@shown $self:ident) => {
        $self.0
    };
    // What is not to be in logs.
    (@shown $self:ident secret) => {
        "…"
    };
    ($name:ident, $pattern:literal $(, $secret:ident)?) => {
        impl $name {
            /// The name as AWS writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::str::FromStr for $name {
            type Err = crate::names::NameError;
            fn from_str(found: &str) -> Result<Self, Self::Err> {
                Self::check(found)?;
                Ok(Self(found.into()))
            }
        }
        impl TryFrom<String> for $name {
            type Error = crate::names::NameError;
            fn try_from(found: String) -> Result<Self, Self::Error> {
                found.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.into()
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), crate::names::string_name!(@shown self $($secret)?))
            }
        }
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}
use string_name;
