//! Listening and serving.

use actix_web::dev::Server;
use actix_web::middleware::Compress;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// How long the head of a request may take to arrive (faults.md X4).
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
/// How long the other end may take nothing of what is sent to it (faults.md F70).
#[cfg(target_os = "linux")]
const SEND_PATIENCE: Duration = Duration::from_secs(30);
/// How long requests may go on after the server was told to stop (faults.md F60).
const STOP_PATIENCE_SECONDS: u64 = 5;

/// Why an address cannot be listened at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// Somebody else listens there.
    #[error("{address} is in use by another program; give another {option}")]
    InUse {
        /// Which option gave the address.
        option: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// Ports below 1024 are the administrator's.
    #[error("listening at {address} is not permitted; give a {option} with a port above 1023")]
    NotPermitted {
        /// Which option gave the address.
        option: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// The address is another machine's.
    #[error("{address} is not an address of this machine; give another {option}, for example 127.0.0.1:8080")]
    NotHere {
        /// Which option gave the address.
        option: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen at {address}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// Lets the system end a connection whose other end takes nothing: a subscriber that does not read its
/// stream, for example (faults.md F70). Where the system cannot, the stream stays, and costs its socket.
fn be_impatient(connection: &dyn std::any::Any) {
    #[cfg(target_os = "linux")]
    if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() {
        let set = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(SEND_PATIENCE));
        if let Err(error) = set {
            tracing::debug!(%error, "a connection has no limit for what it does not take");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = connection;
}

/// Takes the address that an option gave, so that a mistake shows before anything else starts.
///
/// # Errors
/// Why the address cannot be taken, and what to do.
pub(crate) fn listen(option: &'static str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { option, address },
        io::ErrorKind::PermissionDenied => ListenError::NotPermitted { option, address },
        io::ErrorKind::AddrNotAvailable => ListenError::NotHere { option, address },
        _ => ListenError::Io { address, source },
    })
}

/// Serves what `configure` puts into each worker's application, until the server is stopped. The
/// caller listens to signals.
///
/// # Errors
/// When the listener cannot be used.
pub(crate) fn serve<F>(listener: TcpListener, workers: usize, configure: F) -> io::Result<Server>
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let application = move || App::new().wrap(Compress::default()).configure(configure.clone());
    let server = HttpServer::new(application)
        .workers(workers)
        .client_request_timeout(HEAD_PATIENCE)
        .on_connect(|connection, _| be_impatient(connection))
        .shutdown_timeout(STOP_PATIENCE_SECONDS)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn f70_a_connection_that_takes_nothing_is_ended_by_the_system() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stream, accepted) = tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        stream.unwrap();
        let (accepted, _) = accepted.unwrap();
        be_impatient(&accepted);
        let limit = socket2::SockRef::from(&accepted).tcp_user_timeout().unwrap();
        assert_eq!(limit, Some(SEND_PATIENCE));
    }

    #[test]
    fn an_address_in_use_is_named() {
        let first = listen("--listen", SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = first.local_addr().unwrap();
        let error = listen("--flagd-sync", address).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{address} is in use by another program; give another --flagd-sync")
        );
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], 0));
        assert!(matches!(
            listen("--listen", elsewhere),
            Err(ListenError::NotHere { .. })
        ));
    }
}
