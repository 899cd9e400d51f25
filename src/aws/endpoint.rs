//! Where calls go: AWS itself, or what replaces it.

use std::collections::BTreeMap;
use std::fmt;

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

use super::transport::{PlainHttp, is_loopback, plain_http};

/// The services that orgtrail calls, by the SDK's ids.
const SERVICES: [&str; 15] = [
    "STS",
    "Account",
    "CloudTrail",
    "CloudWatch",
    "CloudWatch Logs",
    "Config Service",
    "ControlTower",
    "EventBridge",
    "GuardDuty",
    "IAM",
    "KMS",
    "Organizations",
    "S3",
    "SecurityHub",
    "SNS",
];

/// Where calls go, as far as the environment or the profile replaces AWS's own
/// endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// What replaces the endpoint of a service, by the service's id; a service that
    /// is missing here is AWS's own.
    replaced: BTreeMap<&'static str, String>,
}

impl Endpoint {
    pub(super) fn of(config: &SdkConfig) -> Self {
        let found = SERVICES.into_iter().filter_map(|id| Some((id, endpoint_of(config, id)?)));
        Self { replaced: found.collect() }
    }

    /// The first endpoint that is neither encrypted nor on this machine.
    pub(super) fn plain_http(&self) -> Option<PlainHttp> {
        self.replaced.values().find_map(|url| plain_http(url))
    }

    /// Whether every call stays on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.replaced.len() == SERVICES.len() && self.replaced.values().all(|url| is_loopback(url))
    }
}

impl fmt::Display for Endpoint {
    /// `AWS`, the one address, or each that differs by its service.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = |id| self.replaced.get(id).map_or("AWS", String::as_str);
        let general = address(SERVICES[0]);
        f.write_str(general)?;
        for id in SERVICES.into_iter().filter(|id| address(id) != general) {
            write!(f, ", {id}: {}", address(id))?;
        }
        Ok(())
    }
}

/// The endpoint that replaces a service's own, by the SDK's order: the
/// service's variable or profile entry, then the general one.
pub(super) fn endpoint_of(config: &SdkConfig, service_id: &str) -> Option<String> {
    let general = || config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return general();
    }
    let key = ServiceConfigKey::builder()
        .service_id(service_id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    config.service_config().and_then(|services| services.load_config(key)).or_else(general)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(replaced: &[(&'static str, &str)]) -> Endpoint {
        Endpoint { replaced: replaced.iter().map(|(id, url)| (*id, (*url).to_owned())).collect() }
    }

    #[test]
    fn one_endpoint_is_said_once_and_each_other_by_its_service() {
        assert_eq!(endpoint(&[]).to_string(), "AWS");
        let local = "http://127.0.0.1:4566";
        let all = SERVICES.map(|id| (id, local));
        assert_eq!(endpoint(&all).to_string(), local);
        assert!(endpoint(&all).is_local());
        // One call that leaves the machine is one too many.
        let most = endpoint(&all[..14]);
        assert_eq!(most.to_string(), format!("{local}, SNS: AWS"));
        assert!(!most.is_local());
        assert!(!endpoint(&[]).is_local());
    }
}
