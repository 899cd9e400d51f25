//! The organization: its units, accounts, delegated administrators, and the
//! Regions that each account has enabled.

mod account;
mod buckets;
mod controls;
mod delegated;
mod event_data_stores;
mod identity;
mod landing_zone;
mod organization;
mod regions;
mod root_access;
mod survey;

pub use account::{Account, AccountState, Exclusion};
pub use buckets::{BucketPlace, BucketState, Buckets, Unlocated};
pub use controls::{ControlKind, ControlLevel, ControlPolicies, ControlPolicy, Ruling};
pub use delegated::cloudtrail_administrators;
pub use event_data_stores::{Billing, EventDataStore, EventDataStores};
pub(crate) use identity::missing_member;
pub use identity::{Identity, IdentityError, Needs, enter_archive};
pub use landing_zone::{LandingZone, TrailProperties};
pub(crate) use organization::{Head, head};
pub use organization::{Organization, Unit};
pub(crate) use regions::always_enabled;
pub use regions::{EnabledRegions, enabled_regions, known_regions, own_regions};
pub use root_access::root_features;
pub use survey::{Access, Surveyed, survey};
pub(crate) use survey::{SurveyEvent, read_and_survey};
