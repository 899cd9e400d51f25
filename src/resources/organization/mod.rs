//! What the trail needs of the organization, and the guardrail that protects the trail.

mod delegated_administrators;
mod facts;
mod guardrail_scp;
pub(crate) mod service_control_policies;
mod service_linked_role;
mod trusted_access;

pub use delegated_administrators::DelegatedAdministrators;
pub use facts::{OrganizationError, OrganizationFacts};
pub use guardrail_scp::GuardrailScp;
pub use service_linked_role::ServiceLinkedRole;
pub use trusted_access::TrustedAccess;
