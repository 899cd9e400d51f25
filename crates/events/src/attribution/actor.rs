//! Who acted in an event, as far as a chain needs it.

use jiff::Timestamp;

use super::texts::{Texts, Word};
use crate::event::Identity;

/// Who acted, from `userIdentity`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// `type`
    pub kind: Option<Word>,
    /// `principalId`
    pub principal_id: Option<Word>,
    /// `arn`
    pub arn: Option<Word>,
    /// `accountId`
    pub account: Option<Word>,
    /// `accessKeyId`
    pub access_key: Option<Word>,
    /// `userName`
    pub user_name: Option<Word>,
    /// `invokedBy`
    pub invoked_by: Option<Word>,
    /// `identityProvider`, or the session's `federatedProvider`.
    pub provider: Option<Word>,
    /// `sessionIssuer.type`
    pub issuer_kind: Option<Word>,
    /// `sessionIssuer.principalId`
    pub issuer_id: Option<Word>,
    /// `sessionIssuer.arn`
    pub issuer_arn: Option<Word>,
    /// When the session's credentials were issued.
    pub created: Option<Timestamp>,
    /// `mfaAuthenticated`
    pub mfa: Option<bool>,
    /// `sourceIdentity`
    pub source_identity: Option<Word>,
    /// `ec2RoleDelivery`
    pub ec2_role_delivery: Option<Word>,
    /// `assumedRoot`
    pub assumed_root: bool,
    /// `onBehalfOf.userId`
    pub center_user: Option<Word>,
    /// `onBehalfOf.identityStoreArn`
    pub identity_store: Option<Word>,
}

impl Actor {
    pub(super) fn new(identity: &Identity<'_>, texts: &mut Texts) -> Self {
        let session = &identity.session;
        let mut keep = |field: &crate::event::Field<'_>| texts.keep(field.as_deref());
        Self {
            kind: keep(&identity.kind),
            principal_id: keep(&identity.principal_id),
            arn: keep(&identity.arn),
            account: keep(&identity.account),
            access_key: keep(&identity.access_key),
            user_name: keep(&identity.user_name),
            invoked_by: keep(&identity.invoked_by),
            provider: keep(&identity.identity_provider)
                .or_else(|| keep(&session.federated_provider)),
            issuer_kind: keep(&session.issuer.kind),
            issuer_id: keep(&session.issuer.principal_id),
            issuer_arn: keep(&session.issuer.arn),
            created: session.created_at(),
            mfa: session.mfa,
            source_identity: keep(&session.source_identity),
            ec2_role_delivery: keep(&session.ec2_role_delivery),
            assumed_root: session.assumed_root == Some(true),
            center_user: keep(&identity.on_behalf_of.user_id),
            identity_store: keep(&identity.on_behalf_of.identity_store),
        }
    }

    /// The type of the principal; empty if the record has none.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or_default()
    }

    /// The name of a role's session: what follows the role's unique id.
    #[must_use]
    pub fn session_name(&self) -> Option<&str> {
        let id = self.principal_id.as_deref().filter(|id| id.starts_with("AROA"));
        let (_, name) = id?.split_once(':')?;
        Some(name)
    }

    /// The name of a session's role.
    #[must_use]
    pub fn role_name(&self) -> Option<&str> {
        let from_issuer = self.issuer_arn.as_deref().filter(|arn| arn.contains(":role/"));
        from_issuer
            .and_then(|arn| arn.rsplit('/').next())
            .or_else(|| self.arn.as_deref()?.split_once(":assumed-role/")?.1.split('/').next())
    }

    /// The EC2 instance whose session it is, by the session's name.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        let name = self.session_name()?;
        let digits = name.strip_prefix("i-")?;
        let is_id = (8..=17).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_id.then_some(name)
    }

    /// Whether it acted with credentials that a call issued.
    #[must_use]
    pub fn is_session(&self) -> bool {
        let has_session_id = self
            .principal_id
            .as_deref()
            .is_some_and(|id| id.starts_with("AROA") && id.contains(':'));
        matches!(self.kind(), "AssumedRole" | "FederatedUser")
            || self.assumed_root
            || (self.kind() == "AWSAccount" && has_session_id)
    }

    /// How people name it: its ARN, or what else there is.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let all = [&self.arn, &self.user_name, &self.principal_id, &self.invoked_by, &self.account];
        all.into_iter().find_map(|field| field.as_deref())
    }
}
