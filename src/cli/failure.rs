//! Why a command did not do what was asked, and the exit code that says so to scripts.

use crate::cli::problem::Problem;
use crate::http::server::ListenError;
use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use tidegate_actors::prometheus::PrometheusError;

/// The exit codes, from small numbers of our own and those of sysexits.h. `docs/cli.md` explains
/// each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Done = 0,
    /// It was refused, or what was given is invalid, or the statistics did not pass a check. Nothing changed.
    Refused = 1,
    /// The command line itself is wrong.
    Usage = 2,
    /// A watched rollout was rolled back or aborted.
    RolledBack = 3,
    /// The control plane or Prometheus cannot be reached, or the token is not accepted.
    NoAccess = 4,
    /// It was done, except for what was named.
    Incomplete = 5,
    /// A simulated rollout had not ended.
    StillOpen = 6,
    /// A policy did not do what it should, where it was tried or checked; or a decision what it did, when replayed.
    Failed = 7,
    /// The data folder is damaged (`EX_DATAERR`).
    DataDamaged = 65,
    /// The address to listen on is in use (`EX_UNAVAILABLE`).
    PortInUse = 69,
    /// Another process has the data folder (`EX_TEMPFAIL`).
    DataFolderInUse = 75,
    /// Ctrl-C ended the watching, as shells say it (128 + SIGINT): what was watched goes on.
    Interrupted = 130,
}

impl Exit {
    /// All exit codes with what they mean, in the order of the documentation.
    pub(crate) const ALL: [(Self, &'static str); 12] = [
        (Self::Done, "done"),
        (
            Self::Refused,
            "refused, or what was given is invalid, or the statistics did not pass a check; nothing changed",
        ),
        (Self::Usage, "the command line is wrong"),
        (Self::RolledBack, "a watched rollout was rolled back or aborted"),
        (
            Self::NoAccess,
            "the control plane or Prometheus cannot be reached, or the token is not accepted",
        ),
        (Self::Incomplete, "done, except for what was named"),
        (Self::StillOpen, "a simulated rollout was still open at the end"),
        (
            Self::Failed,
            "a policy raised false alarms, missed an incident, or broke a law; a decision comes out differently when it is replayed; or the doctor found something wrong",
        ),
        (
            Self::DataDamaged,
            "the data folder is damaged, or written by a newer version",
        ),
        (Self::PortInUse, "the address to listen on is in use"),
        (Self::DataFolderInUse, "another process has the data folder"),
        (
            Self::Interrupted,
            "Ctrl-C ended the watching; the rollout goes on",
        ),
    ];

    /// As the operating system wants it.
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(self.number())
    }

    /// The number that scripts see.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }
}

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The control plane or a node refused.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// No answer.
    #[error(
        "cannot reach {url}; is 'tidegate serve' running there? name another address with --url or TIDEGATE_URL"
    )]
    Unreachable {
        /// Whom.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that makes no sense: probably not from Tidegate, or from another version of it.
    #[error("the answer of {url} cannot be read; is it Tidegate, and of this version?")]
    StrangeAnswer {
        /// Whose.
        url: String,
        /// What is odd about it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// What was given cannot be used.
    #[error("{what}: {why}; {fix}")]
    Input {
        /// Which file or argument.
        what: String,
        /// What is wrong with it.
        why: String,
        /// What to do about it.
        fix: String,
    },
    /// Policies have mistakes, and all were shown.
    #[error("{errors} mistakes in the policies; nothing changed")]
    Mistakes {
        /// How many.
        errors: usize,
    },
    /// Not everything could be done.
    #[error("{what}; the rest is done")]
    Incomplete {
        /// What was left out, and told already.
        what: String,
    },
    /// A watched rollout was shut.
    #[error("{}", shut(.rollouts))]
    RolledBack {
        /// Which.
        rollouts: Vec<String>,
    },
    /// A simulated rollout had not ended.
    #[error("{what} was still open at the end")]
    StillOpen {
        /// Which.
        what: String,
    },
    /// A policy, or a decision that is replayed, did not do what it should.
    #[error("{what}")]
    Failed {
        /// Which, and what it did instead.
        what: String,
    },
    /// The statistics did not pass a check.
    #[error("{what}")]
    Unproven {
        /// Which checks, and how many.
        what: String,
    },
    /// A Prometheus that was to be asked gives no answer.
    #[error("Prometheus gives no answer; check --prometheus and the queries of the policy")]
    History {
        /// What came back instead.
        #[source]
        source: PrometheusError,
    },
    /// A simulated rollout could not start.
    #[error("not started: {why}")]
    NotStarted {
        /// Why.
        why: String,
    },
    /// Ctrl-C.
    #[error("not watching any more; the rollout goes on")]
    Interrupted,
    /// What was to be shown cannot be written.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// The address cannot be listened at.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The data cannot be trusted.
    #[error("the data in {} is damaged: {detail}", .folder.display())]
    DataDamaged {
        /// Where.
        folder: PathBuf,
        /// What is wrong, where exactly, and the command that helps.
        detail: String,
    },
    /// Somebody else works on the data.
    #[error(
        "{} is in use by another process{}; stop that one or give another folder with --data",
        .folder.display(),
        named(.holder)
    )]
    DataFolderInUse {
        /// Which.
        folder: PathBuf,
        /// The other process, if known.
        holder: Option<String>,
    },
    /// Safety rules would have nobody to ask.
    #[error(
        "not started, because no rule could be judged; check --prometheus, or start it first, or leave it out"
    )]
    PrometheusAway {
        /// What came back instead of an answer.
        #[source]
        source: PrometheusError,
    },
    /// A process could not start, or had to stop.
    #[error("{what}")]
    Process {
        /// What it was about to do.
        what: String,
        /// Why that did not work.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

fn shut(rollouts: &[String]) -> String {
    match rollouts {
        [one] => format!("{one} did not complete"),
        several => format!("{} did not complete", several.join(", ")),
    }
}

fn named(holder: &Option<String>) -> String {
    holder
        .as_deref()
        .map_or_else(String::new, |holder| format!(" {}", holder.trim()))
}

impl Failure {
    /// What was given cannot be used.
    pub(crate) fn input(what: impl ToString, why: impl ToString, fix: impl ToString) -> Self {
        Self::Input {
            what: what.to_string(),
            why: why.to_string(),
            fix: fix.to_string(),
        }
    }

    /// A process could not start, or had to stop.
    pub(crate) fn process(what: impl ToString, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Process {
            what: what.to_string(),
            source: source.into(),
        }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Problem(problem) if problem.is_about_access() => Exit::NoAccess,
            Self::Problem(_)
            | Self::Input { .. }
            | Self::Mistakes { .. }
            | Self::Unproven { .. }
            | Self::NotStarted { .. }
            | Self::Process { .. } => Exit::Refused,
            Self::StillOpen { .. } => Exit::StillOpen,
            Self::Failed { .. } => Exit::Failed,
            Self::Unreachable { .. }
            | Self::StrangeAnswer { .. }
            | Self::PrometheusAway { .. }
            | Self::History { .. } => Exit::NoAccess,
            Self::RolledBack { .. } => Exit::RolledBack,
            Self::Incomplete { .. } => Exit::Incomplete,
            Self::Interrupted => Exit::Interrupted,
            // Whoever reads the output has seen enough, as `head` does.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Output(_) => Exit::Refused,
            Self::Listen(ListenError::InUse { .. }) => Exit::PortInUse,
            Self::Listen(_) => Exit::Refused,
            Self::DataDamaged { .. } => Exit::DataDamaged,
            Self::DataFolderInUse { .. } => Exit::DataFolderInUse,
        }
    }

    /// Whether it may be over soon, without anybody doing anything here.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Problem(problem) => problem.is_passing(),
            _ => false,
        }
    }

    /// For people: what, and everything behind it, one cause a line.
    pub(crate) fn explain(&self) -> String {
        if self.exit() == Exit::Done {
            return String::new();
        }
        let mut text = format!("error: {self}\n");
        let causes = std::iter::successors(self.source(), |cause| (**cause).source());
        for cause in causes {
            let _ = writeln!(text, "  because: {cause}");
        }
        text
    }

    /// For machines: the control plane's own problem document, or one in its shape.
    pub(crate) fn document(&self) -> serde_json::Value {
        match self {
            Self::Problem(problem) => serde_json::to_value(problem).unwrap_or_default(),
            other => serde_json::json!({ "title": other.to_string(), "detail": other.explain().trim_end() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_what_the_documentation_says() {
        let numbers: Vec<u8> = Exit::ALL.iter().map(|(exit, _)| exit.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 65, 69, 75, 130]);
        let page = include_str!("../../docs/cli.md");
        for (exit, meaning) in Exit::ALL {
            assert!(
                page.contains(&format!("| {} | {meaning} |", exit.number())),
                "{exit:?}"
            );
        }
    }

    #[test]
    fn causes_are_told_one_a_line() {
        let failure = Failure::process("cannot open the journal", io::Error::other("disk on fire"));
        assert_eq!(
            failure.explain(),
            "error: cannot open the journal\n  because: disk on fire\n"
        );
        assert_eq!(failure.document()["title"], "cannot open the journal");
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        let failure = Failure::Output(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit(), failure.explain().as_str()), (Exit::Done, ""));
        let full = Failure::Output(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.exit(), Exit::Refused);
    }

    #[test]
    fn processes_that_cannot_start_name_the_way_out() {
        let check = |failure: Failure, exit: Exit, says: &str| {
            assert_eq!(failure.exit(), exit);
            assert!(failure.explain().contains(says), "{}", failure.explain());
        };
        let address = "127.0.0.1:7430".parse().unwrap();
        let option = "--listen";
        check(
            ListenError::InUse { option, address }.into(),
            Exit::PortInUse,
            option,
        );
        let in_use = Failure::DataFolderInUse {
            folder: "data".into(),
            holder: Some(" (process 7)".to_owned()),
        };
        check(
            in_use,
            Exit::DataFolderInUse,
            "in use by another process (process 7);",
        );
        let source = PrometheusError::Unreachable {
            url: "http://p:9090".to_owned(),
            why: "refused".to_owned(),
        };
        let away = Failure::PrometheusAway { source };
        check(away, Exit::NoAccess, "http://p:9090 does not answer: refused");
        let damaged = Failure::DataDamaged {
            folder: "data".into(),
            detail: "segment 3 at 17".to_owned(),
        };
        check(damaged, Exit::DataDamaged, "segment 3 at 17");
    }
}
