//! The addresses of flagd's clients: taken at the start, answered on threads of their own.

use crate::cli::failure::Failure;
use crate::cli::flagd::FlagdArgs;
use crate::http::server::{self, ListenError};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use tidegate_node::flagd::{Door, Flagd, Protocol};
use tokio::sync::watch;

/// Threads that answer flagd's clients.
const WORKERS: usize = 2;

/// Addresses that were taken, and not yet answered.
pub(crate) struct Addresses {
    taken: Vec<(Protocol, Door, TcpListener)>,
}

/// Answering. Ends when told to, or with the process.
pub(crate) struct Answering {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Addresses {
    /// Takes the addresses, so that a mistake shows before anything else starts.
    ///
    /// # Errors
    /// Why one cannot be taken, and what to do.
    pub(crate) fn take(args: &FlagdArgs) -> Result<Self, ListenError> {
        let asked = [
            (Protocol::Evaluation, "--flagd-evaluation", args.flagd_evaluation),
            (Protocol::Sync, "--flagd-sync", args.flagd_sync),
        ];
        let mut taken = Vec::new();
        for (protocol, option, address) in asked {
            if let Some(address) = address {
                let door = door(address, args.flagd_open);
                taken.push((protocol, door, server::listen(option, address)?));
            }
        }
        Ok(Self { taken })
    }

    /// Answers there.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(crate) fn answer(self, flagd: Flagd) -> Result<Answering, Failure> {
        let (stop, stopping) = watch::channel(false);
        if self.taken.is_empty() {
            return Ok(Answering { stop, thread: None });
        }
        let cannot = |error: io::Error| Failure::process("cannot answer flagd's clients", error);
        // Apart from the process's own thread, which has other things to do.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("flagd")
            .enable_all()
            .build()
            .map_err(cannot)?;
        let all = async move {
            let each = self.taken.into_iter().map(|(protocol, door, listener)| {
                let (flagd, stopping) = (flagd.clone(), stopping.clone());
                async move {
                    if let Err(error) = flagd.serve(protocol, door, listener, stopping).await {
                        tracing::error!(%error, ?protocol, "flagd's clients cannot be answered");
                    }
                }
            });
            futures_util::future::join_all(each).await;
        };
        let thread = std::thread::Builder::new()
            .name("flagd".to_owned())
            .spawn(move || runtime.block_on(all))
            .map_err(cannot)?;
        Ok(Answering {
            stop,
            thread: Some(thread),
        })
    }
}

impl Answering {
    /// Ends all streams and calls in an orderly way.
    pub(crate) async fn stop(self) {
        // Nobody listens only when it has ended already.
        let _told = self.stop.send(true);
        if let Some(thread) = self.thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("answering flagd's clients ended in a panic");
            }
        }
    }
}

/// Other machines' programs need a token unless the operator says otherwise.
fn door(address: SocketAddr, open: bool) -> Door {
    if open || address.ip().is_loopback() {
        Door::Open
    } else {
        Door::TokenOnly
    }
}

/// The lines that somebody who starts it by hand wants to see.
#[expect(clippy::print_stdout, reason = "this is what the command answers")]
pub(crate) fn tell(args: &FlagdArgs) {
    for (what, address) in [
        ("flagd evaluation  ", args.flagd_evaluation),
        ("flagd sync        ", args.flagd_sync),
    ] {
        if let Some(address) = address {
            let whom = match door(address, args.flagd_open) {
                Door::Open => "everybody who can reach it",
                Door::TokenOnly => "only those with a token; --flagd-open lets in all",
            };
            println!("  {what} {address}, {whom}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_needs_no_token_unasked() {
        for (address, open, expected) in [
            ("127.0.0.1:8013", false, Door::Open),
            ("[::1]:8013", false, Door::Open),
            ("0.0.0.0:8013", false, Door::TokenOnly),
            ("10.0.0.7:8013", false, Door::TokenOnly),
            ("0.0.0.0:8013", true, Door::Open),
        ] {
            assert_eq!(door(address.parse().unwrap(), open), expected, "{address} {open}");
        }
    }
}
