//! The demo is what a visitor sees first; it checks itself and says so by its exit code.

use crate::processes::tidegate;

fn demo(arguments: &[&str]) -> String {
    let shop = std::path::Path::new(env!("CARGO_BIN_EXE_tidegate")).with_file_name("tidegate-shop");
    assert!(shop.is_file(), "build it first: cargo build -p tidegate-shop");
    let output = tidegate()
        .args(["demo", "--once"])
        .args(arguments)
        .output()
        .expect("the binary runs");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    println!("{said}");
    said
}

/// One after the other: each is a whole installation with generated traffic.
#[test]
fn the_demo_with_a_real_prometheus_and_without() {
    let said = demo(&[]);
    let ends = ["new-checkout  completed", "new-search    rolled back"];
    for part in ends.iter().chain(&["breach visible in Prometheus -> every node"]) {
        assert!(said.contains(part), "missing {part:?} in:\n{said}");
    }
    let said = demo(&["--no-prometheus"]);
    for part in ends {
        assert!(said.contains(part), "missing {part:?} in:\n{said}");
    }
}
