//! To whom a request is addressed.
//!
//! A page of another site can have its name lead to this service (DNS rebinding), and then
//! reads answers as its own. Such requests have that site's name in `Host`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderMap, StatusCode, header};

use super::Refusal;
use crate::config::Config;

/// The names under which the service answers.
#[derive(Debug)]
pub(super) struct Hosts {
    names: BTreeSet<String>,
    /// Whether other machines reach it, by addresses that it need not know.
    is_reachable: bool,
}

impl Hosts {
    pub(super) fn new(config: &Config) -> Self {
        let service = &config.service;
        let hosts = service.access.hosts.iter().map(|host| host.as_str().to_owned());
        let public = service.public_url.iter().map(|url| url.host().to_ascii_lowercase());
        let names = std::iter::once("localhost".to_owned()).chain(hosts).chain(public).collect();
        Self { names, is_reachable: !config.service.listen.is_local() }
    }

    /// Refuses requests for others.
    pub(super) fn check(&self, uri: &http::Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let wrong = |detail: &str| Refusal::new(StatusCode::BAD_REQUEST, detail);
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(wrong("expected one `Host` header"));
        };
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        let host = host.ok_or_else(|| wrong("the `Host` header is no host"))?;
        for host in [Some(&host), uri.authority()].into_iter().flatten() {
            if host.as_str().contains('@') || !self.is_own(host.host()) {
                let detail = "this service does not answer for that host";
                let reason = format!("the host `{host}` is not one of this service");
                return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, detail).because(reason));
            }
        }
        Ok(())
    }

    fn is_own(&self, host: &str) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            // No name leads here, so nothing was rebound.
            Ok(address) => self.is_reachable || address.to_canonical().is_loopback(),
            Err(_) => self.names.contains(&host.to_ascii_lowercase()),
        }
    }
}
