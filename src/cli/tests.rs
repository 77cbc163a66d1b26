//! The command line as a whole: what is accepted, what is refused, and that all of it is explained.

use super::*;
use clap::CommandFactory;
use clap::error::ErrorKind;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn lines_that_are_understood() {
    for line in [
        "tidegate serve",
        "tidegate serve --listen 0.0.0.0:1 --data d -e production -e staging --policies p --log json",
        "tidegate serve --prometheus http://p:9090 --prometheus-bearer-file t",
        "tidegate node --upstream http://u:1 --token-file t --open",
        "tidegate node --upstream http://u:1 --token-file t --client-token-file c --name n1 -e staging",
        "tidegate demo --no-prometheus --once --shop ./shop",
        "tidegate demo --prometheus http://p:9090",
        "tidegate flag list --json",
        "tidegate flag --json list",
        "tidegate flag show a --url http://h:1 --token-file t --environment staging",
        "tidegate flag set a --variation on --status active",
        "tidegate flag set a --type percentage --percentage 25%",
        "tidegate flag set a --file -",
        "tidegate rollout start a --policy canary -a service=shop -a x=a=b --candidate on --watch",
        "tidegate rollout list --active",
        "tidegate rollout status a.1",
        "tidegate rollout watch",
        "tidegate rollout watch a b.2",
        "tidegate rollout explain a --at 2026-11-22T03:14:00Z",
        "tidegate rollout report a.1 --format html --output r.html",
        "tidegate rollout pause a --reason x",
        "tidegate rollout resume a --owner rule:errors --reason fixed",
        "tidegate rollout approve a --stage half",
        "tidegate rollout retreat a -r x",
        "tidegate rollout abort a --reason x",
        "tidegate rollout resume a",
        "tidegate rollout rollback a",
        "tidegate policy lint a.yaml b.yaml --json",
        "tidegate policy lint a.yaml --at 2026-01-05 --prometheus http://p:9090 -a service=shop",
        "tidegate policy check a.yaml --states 9",
        "tidegate policy optimise a.yaml --start 2026-01-05 --detect errors=1% --users 9 --exposure 7 --shares 1,10",
        "tidegate policy list",
        "tidegate policy show canary",
        "tidegate policy apply policies",
        "tidegate nodes",
        "tidegate drill --times 20 --within 500ms",
        "tidegate rollout start a -p canary --shadow strict",
        "tidegate audit --after 7 --limit 3",
        "tidegate replay",
        "tidegate replay --data backup --json",
        "tidegate backup --to /backup/monday",
        "tidegate restore --from /backup/monday --data data",
        "tidegate archive --to /archive --keep 90d",
        "tidegate verify --data backup --chain 51c07b2f --json",
        "tidegate verify --archive /archive --heads heads --trusted-key AAAA --trusted-key keys",
        "tidegate replay --archive /archive",
        "tidegate compact",
        "tidegate doctor --data d --json",
        "tidegate eval a --key u --context location.country=FR",
        "tidegate token create ci --role operator --expires-in 30d",
        "tidegate token list",
        "tidegate token revoke ci",
        "tidegate stats check a.json b.json --json",
        "tidegate stats check -",
        "tidegate stats simulate",
        "tidegate stats simulate s1 S10 --seed 7 --scale quick",
        "tidegate stats analyze a.csv",
        "tidegate stats analyze - --arm g --control a -m x -m y=a/b:ratio --goal y=decrease --goal increase",
        "tidegate stats analyze a.csv --discipline group-sequential --planned 9000 --looked-at 10 --looked-at 20",
        "tidegate stats analyze --from-json - --discipline sequential --tuned-for 9 --format html --out r.html",
        "tidegate completions zsh",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
}

/// Asserts that a line is refused, and that the error says this.
fn check(line: &str, says: &str) {
    let error = parse(line).expect_err(line);
    assert_eq!(error.exit_code(), i32::from(Exit::Usage.number()), "{line}");
    assert!(error.to_string().contains(says), "{line}: {error}");
}

#[test]
fn lines_about_statistics_that_are_refused_say_why() {
    check("tidegate stats check", "<FILES>");
    check("tidegate stats simulate S11", "known: S1, S2");
    check("tidegate stats simulate --scale tiny", "quick, full");
    check("tidegate stats analyze", "<FILE>");
    check(
        "tidegate stats analyze --from-json b --goal decrease",
        "cannot be used with",
    );
    check(
        "tidegate stats analyze a.csv --from-json b",
        "cannot be used with",
    );
    check(
        "tidegate stats analyze a.csv --metric x=",
        "a metric names its column",
    );
    check(
        "tidegate stats analyze a.csv --goal up",
        "`increase`, `decrease`, `maintain`",
    );
    check("tidegate stats analyze a.csv --expected a", "ARM=SHARE");
    check(
        "tidegate stats analyze a.csv --discipline group-sequential",
        "--planned",
    );
    check("tidegate stats analyze a.csv --delimiter ;;", "one character");
}

#[test]
fn lines_that_are_refused_say_why() {
    check("tidegate", "Usage");
    check("tidegate flags", "a similar subcommand exists: 'flag'");
    check("tidegate serve --listen here", "invalid socket address");
    check("tidegate serve --log xml", "human, json");
    check("tidegate serve --prometheus-bearer-file t", "--prometheus <URL>");
    check("tidegate serve -e a/b", "for example 'new-checkout'");
    check(
        "tidegate node --upstream http://u:1 --token-file t",
        "--client-token-file",
    );
    check(
        "tidegate demo --prometheus http://p --no-prometheus",
        "cannot be used with",
    );
    check("tidegate flag show a/b", "flag key");
    check("tidegate flag set a", "required");
    check("tidegate flag set a --percentage 101", "between 0 and 100");
    check(
        "tidegate flag set a --status gone",
        "`active`, `inactive`, `archived`",
    );
    check(
        "tidegate flag set a --file f --status active",
        "cannot be used with",
    );
    check("tidegate rollout start a", "--policy");
    check("tidegate rollout start a -p canary -a service", "NAME=VALUE");
    check(
        "tidegate rollout resume a --owner me",
        "'operator', 'blind', 'exposure', 'rule:<name>'",
    );
    check("tidegate rollout pause a", "--reason");
    check("tidegate rollout report a --format pdf", "json, markdown, html");
    check("tidegate drill --times 0", "0 is not in 1..");
    check("tidegate policy lint", "<FILES>");
    check("tidegate policy optimise a.yaml", "--start");
    check(
        "tidegate policy optimise a.yaml --start 2026-01-05 --first 0",
        "for nobody",
    );
    check("tidegate token create ci --role king", "viewer, editor");
    check("tidegate token create ci --role viewer --expires-in soon", "15m");
    check("tidegate audit --limit 0", "0 is not in 1..");
    check("tidegate eval a --context x", "NAME=VALUE");
    check(
        "tidegate flag list --url nowhere",
        "looks like http://127.0.0.1:7430",
    );
    check(
        "tidegate flag list --url localhost:7430",
        "looks like http://127.0.0.1:7430",
    );
}

#[test]
fn serving_needs_no_arguments() {
    let Command::Serve(args) = parse("tidegate serve").unwrap().command else {
        panic!("not serve");
    };
    assert_eq!(args.listen.to_string(), "127.0.0.1:7430");
    assert_eq!(args.data, Path::new("data"));
    let environments: Vec<&str> = args.environments.iter().map(|key| key.as_str()).collect();
    assert_eq!(environments, ["production"]);
    assert_eq!(
        (args.policies, args.prometheus, args.log),
        (None, None, crate::telemetry::LogFormat::Human)
    );
}

/// Every command that does something, as it is typed.
fn commands() -> Vec<(String, clap::Command)> {
    fn below(prefix: &str, command: &clap::Command, found: &mut Vec<(String, clap::Command)>) {
        let name = format!("{prefix}{}", command.get_name());
        let mut verbs = command
            .get_subcommands()
            .filter(|verb| verb.get_name() != "help")
            .peekable();
        if verbs.peek().is_none() {
            found.push((name, command.clone()));
            return;
        }
        for verb in verbs {
            below(&format!("{name} "), verb, found);
        }
    }
    let mut found = Vec::new();
    below("", &Cli::command(), &mut found);
    found
}

#[test]
fn every_command_has_an_example_that_is_understood() {
    for (name, command) in commands() {
        let after = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let examples: Vec<&str> = after
            .lines()
            .filter(|line| line.starts_with("  tidegate "))
            .collect();
        assert!(!examples.is_empty(), "{name} has no example");
        for example in examples {
            let line = example.split(" | ").next().unwrap().split(" > ").next().unwrap();
            assert!(line.trim().starts_with(&name), "{name}: {line}");
            if line.ends_with('\\') || line.contains('\'') {
                continue;
            }
            assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
        }
    }
}

#[test]
fn every_option_is_explained() {
    for (name, command) in commands() {
        assert!(command.get_about().is_some(), "{name}");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{name}: {}", argument.get_id());
        }
    }
}

#[test]
fn the_manual_has_every_command_and_every_option() {
    let manual = include_str!("../../docs/cli.md");
    for (name, command) in commands() {
        let typed = name.strip_prefix("tidegate ").unwrap();
        let named = |name: &str| manual.contains(&format!("`{name}"));
        assert!(named(&name) || named(typed), "docs/cli.md lacks {name}");
        let options = command.get_arguments().filter_map(clap::Arg::get_long);
        for option in options.filter(|option| *option != "help") {
            assert!(
                manual.contains(&format!("--{option}")),
                "docs/cli.md lacks --{option} of {name}"
            );
        }
    }
}

#[test]
fn help_lists_the_exit_codes() {
    let error = parse("tidegate --help").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DisplayHelp);
    assert!(error.to_string().contains("130  Ctrl-C"), "{error}");
}
