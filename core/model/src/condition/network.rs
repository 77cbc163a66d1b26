//! Networks as definitions name them.

use crate::invalid::Violation;
use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

/// Bits in front of an IPv4 address that is written as an IPv6 one, as in `::ffff:10.0.0.1`.
const MAPPED_PREFIX: u8 = 96;

/// A network from its text: `10.0.0.0/8`, `2001:db8::/32`, or a single address.
///
/// # Errors
/// When it is neither, or has bits set behind the prefix: `10.1.2.3/8` is more likely a slip than meant.
pub(super) fn parse(text: &str) -> Result<IpNet, Violation> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let network = split(text).ok_or_else(|| {
        let fix = "write an address and a prefix length, for example '10.0.0.0/8' or '2001:db8::/32'";
        Violation::new("value", text, "not an IP network", fix)
    })?;
    if network.trunc() != network {
        let fix = format!("write '{}', or the address alone", network.trunc());
        return Err(Violation::new(
            "value",
            text,
            "a network has no bits set behind its prefix",
            fix,
        ));
    }
    Ok(unmapped(network))
}

/// Read by the standard library: others take `010.0.0.0` for `10.0.0.0` where C takes it for `8.0.0.0`.
fn split(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let digits = length.bytes().all(|byte| byte.is_ascii_digit());
    IpNet::new(address.parse().ok()?, length.parse().ok().filter(|_| digits)?).ok()
}

/// IPv4 networks in their own form, as attributes are compared.
fn unmapped(network: IpNet) -> IpNet {
    let v4 = match (network.network().to_canonical(), network) {
        (IpAddr::V4(address), IpNet::V6(mapped)) => mapped
            .prefix_len()
            .checked_sub(MAPPED_PREFIX)
            .and_then(|length| Ipv4Net::new(address, length).ok()),
        _ => None,
    };
    v4.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses() {
        for (text, network) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), network, "{text}");
        }
        for (text, says) in [
            ("", "not an IP network"),
            ("10.0.0.0/33", "not an IP network"),
            ("10.0.0/8", "not an IP network"),
            ("010.0.0.0/8", "not an IP network"),
            ("office", "not an IP network"),
            ("10.0.0.0/+8", "not an IP network"),
            ("10.0.0.0/", "not an IP network"),
            ("10.1.2.3/8", "write '10.0.0.0/8'"),
        ] {
            let violation = parse(text).unwrap_err().to_string();
            assert!(violation.contains(says), "{text}: {violation}");
        }
    }
}
