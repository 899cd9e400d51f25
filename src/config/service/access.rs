use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::WebUrl;
use crate::config::section::{choice, section};
use crate::config::text::read_text;
use crate::names::Arn;

section! {
    /// Who may use the pages and the API of the service. With nothing set, the service listens
    /// only where other machines cannot reach it, and every user of this machine may use it.
    pub struct Access {
        /// The file of the tokens, as `orgtrail service token` writes it. The service reads it
        /// again when it changes.
        tokens: Option<String> = default(None::<String>),
        /// Names under which clients reach the service, without a port, in addition to
        /// `localhost`, its addresses, and the host of `service.public_url`. Requests for other
        /// names are refused.
        hosts: Vec<HostName> = default(Vec::<HostName>::new()),
        /// The certificate chain for TLS, in PEM.
        tls_certificate: Option<String> = default(None::<String>),
        /// The private key of the certificate, in PEM.
        tls_key: Option<String> = default(None::<String>),
        /// The certificates, in PEM, whose issuers may issue client certificates. A client with
        /// such a certificate needs no token.
        client_ca: Option<String> = default(None::<String>),
        /// What clients with a certificate may do.
        client_scopes: Vec<AccessScope> = default(vec![AccessScope::Read, AccessScope::Metrics]),
        /// The addresses or networks of proxies that authenticate users: `10.0.0.0/24`.
        trusted_proxies: Vec<Network> = default(Vec::<Network>::new()),
        /// The header in which these proxies name the user, as in `X-Forwarded-User`. The proxy
        /// must remove the header from the requests that it receives.
        identity_header: Option<HeaderName> = default(None::<HeaderName>),
        /// The ARN of the Application Load Balancer that authenticates users. The service
        /// verifies its signature of the user in `x-amzn-oidc-data`.
        load_balancer: Option<Arn> = default(None::<Arn>),
        /// Where the load balancer's public keys are. Default: where AWS publishes those of its
        /// Region.
        load_balancer_keys: Option<WebUrl> = default(None::<WebUrl>),
        /// What users of the proxies and of the load balancer may do.
        identity_scopes: Vec<AccessScope> = default(vec![AccessScope::Read]),
    }
}

choice! {
    /// What a client of the service may do.
    pub enum AccessScope {
        /// Read the pages and the API.
        Read = "read",
        /// Read the metrics.
        Metrics = "metrics",
        /// Start a round of a schedule.
        Run = "run",
        /// Build and download evidence bundles, which contain logs.
        Evidence = "evidence",
    }
}

/// Where the service listens.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct ListenAddress {
    text: String,
    #[serde(skip)]
    place: ListenPlace,
}

/// The same in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenPlace {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    pub(super) fn usual() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8686));
        Self { text: address.to_string(), place: ListenPlace::Tcp(address) }
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &ListenPlace {
        &self.place
    }

    /// Whether other machines cannot reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match &self.place {
            ListenPlace::Tcp(address) => address.ip().is_loopback(),
            ListenPlace::Unix(_) => true,
        }
    }

    /// It as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = match text.strip_prefix("unix:") {
            Some(path) if Path::new(path).is_absolute() => ListenPlace::Unix(PathBuf::from(path)),
            Some(_) => return Err("unix: and an absolute path".to_owned()),
            None => ListenPlace::Tcp(text.parse().map_err(|_| LISTEN.to_owned())?),
        };
        Ok(Self { text: text.to_owned(), place })
    }
}

const LISTEN: &str = "an address and a port, as in 127.0.0.1:8686, or unix:/PATH";

/// Addresses with a common beginning.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Network {
    text: String,
    #[serde(skip)]
    address: IpAddr,
    #[serde(skip)]
    bits: u32,
}

impl Network {
    /// Whether an address is in the network. An IPv4 address that is written as an IPv6
    /// address is the same address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether it contains every address of its kind.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.bits == 0
    }

    /// It as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || NETWORK.to_owned();
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let all = if address.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| wrong())?,
            None => all,
        };
        if bits > all {
            return Err(wrong());
        }
        Ok(Self { text: text.to_owned(), address, bits })
    }
}

const NETWORK: &str = "an IP address or a network, as in 10.0.0.0/24";

/// The name of a host, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct HostName(String);

impl HostName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        let is_name = !text.is_empty() && text.len() <= 253 && text.bytes().all(is_plain);
        if is_name { Ok(Self(text.to_owned())) } else { Err(HOST.to_owned()) }
    }
}

const HOST: &str = "a host name in lower case, without a port";

/// The name of a header of HTTP.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct HeaderName {
    text: String,
    #[serde(skip)]
    name: http::HeaderName,
}

impl HeaderName {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &http::HeaderName {
        &self.name
    }
}

impl FromStr for HeaderName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // What HTTP itself reads, or what an intermediary adds on its own, names no user.
        const OTHERS: [&str; 7] = [
            "authorization",
            "connection",
            "content-length",
            "cookie",
            "forwarded",
            "host",
            "origin",
        ];
        let name: http::HeaderName = text.parse().map_err(|_| HEADER.to_owned())?;
        if OTHERS.contains(&name.as_str()) || name.as_str().starts_with("sec-") {
            return Err(HEADER.to_owned());
        }
        Ok(Self { text: text.to_owned(), name })
    }
}

const HEADER: &str = "the name of a header that only names a user, as in X-Forwarded-User";

read_text!(ListenAddress, LISTEN, "127.0.0.1:8686");
read_text!(Network, NETWORK, "10.0.0.0/24");
read_text!(HostName, HOST, "orgtrail.example.com");
read_text!(HeaderName, HEADER, "X-Forwarded-User");

impl Access {
    /// Whether clients can authenticate.
    #[must_use]
    pub fn authenticates(&self) -> bool {
        self.tokens.is_some()
            || self.client_ca.is_some()
            || self.identity_header.is_some()
            || self.load_balancer.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listen_address_is_local_or_not() {
        let local = |text: &str| text.parse::<ListenAddress>().map(|it| it.is_local());
        for text in ["127.0.0.1:8686", "127.9.9.9:1", "[::1]:80", "unix:/run/orgtrail.sock"] {
            assert_eq!(local(text), Ok(true), "{text}");
        }
        for text in ["0.0.0.0:8686", "[::]:8686", "10.0.0.1:80"] {
            assert_eq!(local(text), Ok(false), "{text}");
        }
        for text in ["", "8686", "localhost:80", "unix:", "unix:run", "127.0.0.1", "1.2.3.4:99999"]
        {
            assert!(local(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_network_contains_the_addresses_with_its_beginning() {
        let contains = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/24", "10.0.0.255"));
        assert!(contains("10.0.0.0/24", "::ffff:10.0.0.1"));
        assert!(!contains("10.0.0.0/24", "10.0.1.0"));
        assert!(!contains("10.0.0.1", "10.0.0.2"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1"));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/-1", "example.com"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_header_that_means_something_else_names_no_user() {
        assert!("X-Forwarded-User".parse::<HeaderName>().is_ok());
        for wrong in ["Host", "cookie", "Sec-Fetch-Site", "Authorization", "a b", ""] {
            assert!(wrong.parse::<HeaderName>().is_err(), "{wrong}");
        }
    }
}
