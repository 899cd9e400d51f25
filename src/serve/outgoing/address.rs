//! Which addresses channels may be at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where credentials of instances and containers are read: no channel is there.
const METADATA: [&str; 5] =
    ["169.254.169.254", "fd00:ec2::254", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// What kind of network an address is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// The Internet.
    Public,
    /// This machine, its link, or a private network.
    Private,
    /// No channel can be there.
    Refused,
}

impl Network {
    pub(super) fn of(address: IpAddr) -> Self {
        let is_metadata = METADATA.iter().any(|known| known.parse() == Ok(address));
        match address {
            _ if is_metadata || address.is_multicast() || address.is_unspecified() => Self::Refused,
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Network {
    let [a, b, c, _] = address.octets();
    // Source: IANA IPv4 Special-Purpose Address Registry.
    let is_private = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19));
    match a {
        _ if is_private => Network::Private,
        // This network, and addresses that nobody has.
        0 | 240..=255 => Network::Refused,
        _ => Network::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Network {
    if let Some(inner) = embedded(address) {
        return Network::of(IpAddr::V4(inner));
    }
    let first = address.segments()[0];
    let is_private = address.is_loopback()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        // Site-local, which was replaced by unique local.
        || (first & 0xffc0) == 0xfec0;
    if is_private { Network::Private } else { Network::Public }
}

/// The IPv4 address that an IPv6 one leads to.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // Compatible; `::1` is none.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(from(high, low)),
        // Mapped, NAT64 (RFC 6052), and 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_private_address_is_private() {
        for (address, network) in [
            ("203.0.113.7", Network::Public),
            ("2600:1f18::1", Network::Public),
            ("::ffff:203.0.113.7", Network::Public),
            ("127.0.0.1", Network::Private),
            ("127.8.9.10", Network::Private),
            ("::1", Network::Private),
            ("::ffff:127.0.0.1", Network::Private),
            ("::127.0.0.1", Network::Private),
            ("64:ff9b::7f00:1", Network::Private),
            ("2002:a00:1::", Network::Private),
            ("10.1.2.3", Network::Private),
            ("172.31.0.1", Network::Private),
            ("192.168.0.1", Network::Private),
            ("100.64.0.1", Network::Private),
            ("169.254.1.1", Network::Private),
            ("fe80::1", Network::Private),
            ("fd12::1", Network::Private),
            ("169.254.169.254", Network::Refused),
            ("::ffff:169.254.169.254", Network::Refused),
            ("64:ff9b::a9fe:a9fe", Network::Refused),
            ("fd00:ec2::254", Network::Refused),
            ("0.0.0.0", Network::Refused),
            ("::", Network::Refused),
            ("224.0.0.1", Network::Refused),
            ("255.255.255.255", Network::Refused),
        ] {
            assert_eq!(Network::of(address.parse().unwrap()), network, "{address}");
        }
    }
}
