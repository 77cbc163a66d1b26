//! The shop's program, as a shell sees it. (That there is such a test also has cargo build the program,
//! which the demo's test needs.)
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::process::{Command, Output};

fn shop(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegate-shop"))
        .args(arguments)
        .output()
        .expect("the program runs")
}

#[test]
fn help_has_an_example() {
    let output = shop(&["--help"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("Example"));
}

#[test]
fn wrong_arguments_are_named() {
    for (arguments, says) in [
        (["--search-failures", "30"], "between 0 and 1"),
        (["--users", "0"], "--users"),
        (["--listen", "nowhere"], "nowhere"),
    ] {
        let output = shop(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
}
