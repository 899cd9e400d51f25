//! Archives that another tool manages: orgtrail writes into them only on request.

use super::{Env, OpError, Outcome};
use crate::aws::{Aws, Observation};
use crate::config::{Config, TrailManager};
use crate::names::OrgId;
use crate::org::{LandingZone, TrailProperties};
use crate::resources::called;

/// Refuses to write into an archive that another tool manages, unless the configuration
/// requests it.
///
/// # Errors
/// Another tool manages the archive: refused.
pub(super) async fn refuse(env: &Env, aws: &Aws) -> Result<(), OpError> {
    let config = env.config()?;
    if config.consolidate.into_managed {
        return Ok(());
    }
    let organization = env.session().identity().and_then(|it| it.organization.as_ref());
    let Some(manager) = manager(aws, config, organization).await else { return Ok(()) };
    let message = format!(
        "{} manages the archive {}, and orgtrail only observes it; nothing was written",
        called(manager),
        config.archive.bucket
    );
    Err(OpError::new(message, Outcome::Refused).with_hint(
        "to write copies, records and acceptances into it, set `into_managed = true` in \
         [consolidate]",
    ))
}

/// The tool that manages the trail and the archive that the configuration declares.
async fn manager(aws: &Aws, config: &Config, organization: Option<&OrgId>) -> Option<TrailManager> {
    if let Some(declared) = config.trail.managed_by {
        return (declared != TrailManager::Orgtrail).then_some(declared);
    }
    let prefix = config.archive.prefix.as_ref().map(ToString::to_string);
    let properties = TrailProperties {
        name: config.trail.name.as_str(),
        bucket: config.archive.bucket.as_str(),
        prefix: prefix.as_deref(),
        log_group: None,
    };
    let organization = organization?;
    let zone = match properties.resembles(organization)? {
        TrailManager::ControlTower => {
            let organization = &config.organization;
            let clients = aws.clients(&organization.management_account, &organization.home_region);
            LandingZone::read(&clients).await
        }
        _ => Observation::Absent,
    };
    properties.manager(organization, &zone)
}
