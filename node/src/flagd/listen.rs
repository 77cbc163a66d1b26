//! Connections, and how much of the machine they may take.

use super::front::Front;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

/// Most connections of one listener.
const CONNECTIONS_MAX: usize = 8192;
/// Most calls at once on one connection.
const CALLS_MAX: u32 = 256;
/// How long a connection may take to its first request, and a head of HTTP/1.1 to arrive.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How often a silent HTTP/2 connection is asked whether it is still there, and how long it may take to
/// say so.
const PING: Duration = Duration::from_secs(20);
/// Bytes that a connection may send before they are read.
const WINDOW_BYTES: u32 = 256 << 10;
/// Bytes of all headers of a request.
const HEADERS_BYTES_MAX: u32 = 16 << 10;
/// Bytes kept for one connection of HTTP/1.1.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// Pause after a connection could not be accepted, for example because there are no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long calls may go on after the server was told to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Answers on a listener until `stopping` turns true, and then until the last call ended or patience
/// did.
pub(super) async fn serve(listener: TcpListener, front: Front, mut stopping: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut stopped = pin!(async move {
        // The sender is gone only when the process is ending, which is a reason to stop too.
        drop(stopping.wait_for(|stopping| *stopping).await);
    });
    loop {
        let accepted = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut stopped => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _peer)) => {
                let connection = connection(stream, front.clone(), &graceful);
                tokio::spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of a flagd client");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if timeout(STOP_PATIENCE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some calls of flagd clients were cut off");
    }
}

/// One connection, which may speak either version of HTTP.
fn connection(
    stream: TcpStream,
    front: Front,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + use<> {
    // Small messages must not wait for more.
    let _as_it_is = stream.set_nodelay(true);
    let asked = Arc::new(AtomicBool::new(false));
    let service = {
        let asked = Arc::clone(&asked);
        service_fn(move |request| {
            asked.store(true, Ordering::Relaxed);
            let answer = front.clone().answer(request);
            async move { Ok::<_, Infallible>(answer.await) }
        })
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(BUFFER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(CALLS_MAX)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEADERS_BYTES_MAX);
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    let connection = graceful.watch(connection);
    async move {
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = sleep(HEAD_PATIENCE) => {
                if !asked.load(Ordering::Relaxed) {
                    return;
                }
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection of a flagd client broke");
        }
    }
}
