use jiff::Timestamp;
use serde_json::value::RawValue;

use self::Read::{Flag, Text, Texts, Time};
use super::ExportedEvent;

/// The version of the columns. It grows when a column is removed or changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// A column of the table.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it contains.
    pub about: &'static str,
    /// How it is stored: many rows have the same value, or nearly every row its own.
    pub(super) repeats: bool,
    pub(super) read: Read,
}

/// How the value of a column is read from an event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Read {
    Text(for<'a, 'r> fn(&'a ExportedEvent<'r>) -> Option<&'a str>),
    Flag(for<'a, 'r> fn(&'a ExportedEvent<'r>) -> Option<bool>),
    Time(for<'a, 'r> fn(&'a ExportedEvent<'r>) -> Option<Timestamp>),
    Texts(for<'a, 'r> fn(&'a ExportedEvent<'r>) -> Vec<&'a str>),
}

impl Column {
    /// Its type, as DuckDB and Athena call it.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self.read {
            Read::Text(_) => "string",
            Read::Flag(_) => "boolean",
            Read::Time(_) => "timestamp",
            Read::Texts(_) => "array<string>",
        }
    }

    const fn new(name: &'static str, about: &'static str, read: Read) -> Self {
        Self { name, about, repeats: true, read }
    }

    const fn unique(name: &'static str, about: &'static str, read: Read) -> Self {
        Self { name, about, repeats: false, read }
    }
}

fn json(value: Option<&RawValue>) -> Option<&str> {
    value.map(RawValue::get)
}

fn account<'a>(row: &'a ExportedEvent<'_>) -> Option<&'a str> {
    row.account()
}

fn region<'a>(row: &'a ExportedEvent<'_>) -> Option<&'a str> {
    row.region()
}

/// The name of a role's session, which is the second part of its id.
fn session_name<'a>(row: &'a ExportedEvent<'_>) -> Option<&'a str> {
    let id = row.event.identity.principal_id.as_deref()?;
    id.split_once(':').map(|(_, name)| name).filter(|name| !name.is_empty())
}

/// The columns, in order. All can be null.
pub const COLUMNS: &[Column] = &[
    Column::unique("event_time", "When it happened, in UTC", Time(|row| row.event.at())),
    Column::unique("event_id", "`eventID`", Text(|row| row.event.id.as_deref())),
    Column::unique(
        "shared_event_id",
        "`sharedEventID`",
        Text(|row| row.event.shared_id.as_deref()),
    ),
    Column::new("account", "The account that it was recorded for", Text(account)),
    Column::new("region", "The Region that it was recorded in", Text(region)),
    Column::new("event_source", "`eventSource`", Text(|row| row.event.source.as_deref())),
    Column::new("event_name", "`eventName`", Text(|row| row.event.name.as_deref())),
    Column::new("event_type", "`eventType`", Text(|row| row.event.event_type.as_deref())),
    Column::new("event_category", "`eventCategory`", Text(|row| row.event.category.as_deref())),
    Column::new("read_only", "`readOnly`", Flag(|row| row.event.read_only)),
    Column::new("management_event", "`managementEvent`", Flag(|row| row.event.management)),
    Column::new("source_ip", "`sourceIPAddress`", Text(|row| row.event.source_ip.as_deref())),
    Column::new("user_agent", "`userAgent`", Text(|row| row.event.user_agent.as_deref())),
    Column::new(
        "identity_type",
        "`userIdentity.type`",
        Text(|row| row.event.identity.kind.as_deref()),
    ),
    Column::new(
        "principal_id",
        "`userIdentity.principalId`",
        Text(|row| row.event.identity.principal_id.as_deref()),
    ),
    Column::new(
        "principal_arn",
        "`userIdentity.arn`",
        Text(|row| row.event.identity.arn.as_deref()),
    ),
    Column::new(
        "principal_account",
        "`userIdentity.accountId`",
        Text(|row| row.event.identity.account.as_deref()),
    ),
    Column::new(
        "access_key_id",
        "`userIdentity.accessKeyId`",
        Text(|row| row.event.identity.access_key.as_deref()),
    ),
    Column::new(
        "user_name",
        "`userIdentity.userName`",
        Text(|row| row.event.identity.user_name.as_deref()),
    ),
    Column::new(
        "invoked_by",
        "`userIdentity.invokedBy`",
        Text(|row| row.event.identity.invoked_by.as_deref()),
    ),
    Column::new(
        "session_issuer_arn",
        "`sessionIssuer.arn`",
        Text(|row| row.event.identity.session.issuer.arn.as_deref()),
    ),
    Column::new(
        "session_issuer_id",
        "`sessionIssuer.principalId`",
        Text(|row| row.event.identity.session.issuer.principal_id.as_deref()),
    ),
    Column::new("session_name", "The name of the role's session", Text(session_name)),
    Column::new(
        "session_created_at",
        "When the session's credentials were issued",
        Time(|row| row.event.identity.session.created_at()),
    ),
    Column::new(
        "mfa_authenticated",
        "`sessionContext.attributes.mfaAuthenticated`",
        Flag(|row| row.event.identity.session.mfa),
    ),
    Column::new(
        "source_identity",
        "`sessionContext.sourceIdentity`",
        Text(|row| row.event.identity.session.source_identity.as_deref()),
    ),
    Column::new(
        "on_behalf_of_user",
        "`onBehalfOf.userId`",
        Text(|row| row.event.identity.on_behalf_of.user_id.as_deref()),
    ),
    Column::new(
        "on_behalf_of_store",
        "`onBehalfOf.identityStoreArn`",
        Text(|row| row.event.identity.on_behalf_of.identity_store.as_deref()),
    ),
    Column::new(
        "person",
        "Who is behind it, where its record says so: the unique id that AWS gave out",
        Text(|row| row.person.map(|person| person.principal)),
    ),
    Column::new(
        "person_strength",
        "`proven`, where `person` is known: AWS wrote it into the record",
        Text(|row| row.person.map(|person| person.strength)),
    ),
    Column::new(
        "error_code",
        "The error, from `errorCode` or from the response",
        Text(|row| row.failure.as_ref().map(|failure| &*failure.code)),
    ),
    Column::new(
        "error_message",
        "The error's message",
        Text(|row| row.failure.as_ref().and_then(|failure| failure.message.as_deref())),
    ),
    Column::new("failed", "Whether it failed", Flag(|row| Some(row.failure.is_some()))),
    Column::unique("request_id", "`requestID`", Text(|row| row.event.request_id.as_deref())),
    Column::new(
        "resources",
        "The ARNs in `resources`",
        Texts(|row| row.event.resources.iter().filter_map(|it| it.arn.as_deref()).collect()),
    ),
    Column::new(
        "vpc_endpoint_id",
        "`vpcEndpointId`",
        Text(|row| row.event.vpc_endpoint.as_deref()),
    ),
    Column::new(
        "tls_version",
        "`tlsDetails.tlsVersion`",
        Text(|row| row.event.tls.version.as_deref()),
    ),
    Column::new(
        "host",
        "`tlsDetails.clientProvidedHostHeader`",
        Text(|row| row.event.tls.host.as_deref()),
    ),
    Column::unique(
        "request_parameters",
        "`requestParameters` as JSON",
        Text(|row| json(row.event.request)),
    ),
    Column::unique(
        "response_elements",
        "`responseElements` as JSON",
        Text(|row| json(row.event.response)),
    ),
    Column::unique(
        "additional_event_data",
        "`additionalEventData` as JSON",
        Text(|row| json(row.event.additional)),
    ),
    Column::unique("raw", "The record as CloudTrail wrote it", Text(|row| Some(row.event.raw))),
    Column::new("source_key", "The key of its log file", Text(|row| Some(row.key))),
    Column::new(
        "proof",
        "`proven`, `unproven` or `contradicted` by the digests; null if not checked",
        Text(|row| row.proof),
    ),
];
