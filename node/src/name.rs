//! What a node is called that was given no name.

use tidegate_model::key::NodeName;

/// A name for a node that was given none: the machine's name and the port it listens on, so that it
/// has the same name after a restart.
pub fn default_name(port: u16) -> NodeName {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::env::var("HOSTNAME"))
        .unwrap_or_default();
    name_of(machine.trim(), port)
}

fn name_of(machine: &str, port: u16) -> NodeName {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let machine: String = machine.chars().filter(allowed).take(200).collect();
    #[expect(
        clippy::expect_used,
        reason = "at most 211 characters, all of them allowed in names"
    )]
    NodeName::new(&format!("node-{machine}-{port}")).expect("a valid name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_machine_makes_a_name() {
        assert_eq!(name_of("web-1.example", 7).as_str(), "node-web-1.example-7");
        assert_eq!(name_of("", 7).as_str(), "node--7");
        assert_eq!(name_of("größe/..", u16::MAX).as_str(), "node-gre..-65535");
        assert!(name_of(&"x".repeat(5000), 1).as_str().len() < 255);
    }
}
