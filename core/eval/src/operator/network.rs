//! IP addresses in networks.

use ipnet::IpNet;
use std::net::IpAddr;

/// Networks of both families as ranges of addresses: sorted, and none touching the next.
#[derive(Debug)]
pub(crate) struct Networks {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl Networks {
    /// The addresses of the networks.
    pub(crate) fn of(networks: &[IpNet]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        // Aggregated networks are sorted within their family and do not overlap.
        let mut aggregated = IpNet::aggregate(&networks.to_vec());
        aggregated.sort();
        for network in aggregated {
            match network {
                IpNet::V4(network) => v4.push((network.network().to_bits(), network.broadcast().to_bits())),
                IpNet::V6(network) => v6.push((network.network().to_bits(), network.broadcast().to_bits())),
            }
        }
        Self {
            v4: v4.into(),
            v6: v6.into(),
        }
    }

    /// Whether the text is an address, and in one of the networks. An IPv4 address that is written as
    /// an IPv6 one (`::ffff:10.0.0.1`) is an IPv4 address.
    pub(crate) fn contain(&self, text: &str) -> bool {
        match text.parse().map(|address: IpAddr| address.to_canonical()) {
            Ok(IpAddr::V4(address)) => is_in(&self.v4, address.to_bits()),
            Ok(IpAddr::V6(address)) => is_in(&self.v6, address.to_bits()),
            Err(_not_an_address) => false,
        }
    }
}

fn is_in<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> bool {
    let behind = ranges.partition_point(|(first, _)| *first <= address);
    let nearest = behind.checked_sub(1).and_then(|place| ranges.get(place));
    nearest.is_some_and(|(_, last)| address <= *last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn networks(texts: &[&str]) -> Networks {
        let all: Vec<IpNet> = texts.iter().map(|text| text.parse().unwrap()).collect();
        Networks::of(&all)
    }

    fn check(texts: &[&str], inside: &[&str], outside: &[&str]) {
        let networks = networks(texts);
        for address in inside {
            assert!(networks.contain(address), "{address} is not in {texts:?}");
        }
        for address in outside {
            assert!(!networks.contain(address), "{address} is in {texts:?}");
        }
    }

    #[test]
    fn addresses_in_networks() {
        check(
            &["10.0.0.0/8"],
            &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"],
            &["9.255.255.255", "11.0.0.0", "::a00:1", "::1"],
        );
        check(&["192.0.2.7/32"], &["192.0.2.7"], &["192.0.2.6", "192.0.2.8"]);
        check(&["0.0.0.0/0"], &["0.0.0.0", "255.255.255.255"], &["::", "::1"]);
        check(
            &["::/0"],
            &["::1", "2001:db8::1"],
            &["10.0.0.1", "::ffff:10.0.0.1"],
        );
        check(
            &["2001:db8::/32", "fe80::/10"],
            &["2001:db8::", "2001:DB8:ffff::1", "febf::1"],
            &["2001:db9::", "fec0::"],
        );
        check(
            &["10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16", "192.168.0.0/16"],
            &["10.1.2.3", "10.200.0.1", "192.168.1.1"],
            &["11.0.0.0", "172.16.0.1", "192.169.0.0"],
        );
    }

    #[test]
    fn texts_that_are_no_addresses() {
        let everywhere = networks(&["0.0.0.0/0", "::/0"]);
        for text in [
            "",
            "localhost",
            "10.0.0.1:80",
            "[::1]",
            "10.0.0.1/32",
            "fe80::1%eth0",
            "010.0.0.1",
            "10.0.0.256",
            "1e1",
            " 10.0.0.1",
            "10.0.0.1\0",
        ] {
            assert!(!everywhere.contain(text), "{text:?}");
        }
    }

    fn network() -> impl Strategy<Value = IpNet> {
        // Few different bits, so that networks touch and overlap.
        let v4 = (0..64_u32, 24..=32_u8)
            .prop_map(|(bits, length)| IpNet::new(Ipv4Addr::from_bits(bits).into(), length));
        let v6 = (0..64_u128, 120..=128_u8)
            .prop_map(|(bits, length)| IpNet::new(Ipv6Addr::from_bits(bits).into(), length));
        prop_oneof![v4, v6].prop_map(|network| network.unwrap().trunc())
    }

    proptest! {
        #[test]
        fn an_address_is_in_them_when_it_is_in_one(all in prop::collection::vec(network(), 1..8), bits in 0..80_u32) {
            let networks = Networks::of(&all);
            for address in [IpAddr::from(Ipv4Addr::from_bits(bits)), Ipv6Addr::from_bits(bits.into()).into()] {
                let expected = all.iter().any(|network| network.contains(&address));
                prop_assert_eq!(networks.contain(&address.to_string()), expected);
            }
        }
    }
}
