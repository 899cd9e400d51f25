//! The organization trail, what it records, and the topic that it notifies.

mod delivery_topic;
mod event_selectors;
mod insights;
mod logging;
mod managers;
mod organization_trail;
mod tags;

pub(crate) use delivery_topic::DeliveryTopic;
use delivery_topic::required_statement;
pub use event_selectors::EventSelectors;
pub(crate) use event_selectors::FoundSelectors;
pub use insights::Insights;
pub use logging::TrailLogging;
use managers::managers;
use organization_trail::read_part;
pub use organization_trail::{OrganizationTrail, Trails};
pub use tags::TrailTags;
