//! Over a real socket.

use super::world::World;
use crate::http::configure;
use crate::http::server::{listen, serve};
use std::net::SocketAddr;

#[actix_web::test]
async fn the_server_answers_until_it_is_stopped() {
    let world = World::new().await;
    let listener = listen("--listen", SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let state = world.state();
    let server = serve(listener, 1, move |config| configure(config, state.clone())).unwrap();
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);

    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_gzip().build().unwrap();
    let live = client.get(format!("{base}/livez")).send().await.unwrap();
    assert_eq!(
        (live.status().as_u16(), live.text().await.unwrap().as_str()),
        (200, "live\n")
    );

    let flags = client
        .get(format!("{base}/api/v1/production/flags"))
        .bearer_auth(world.secret("viewer"));
    assert_eq!(
        flags.send().await.unwrap().text().await.unwrap(),
        r#"{"items":[]}"#
    );

    let document = client
        .get(format!("{base}/openapi.json"))
        .header("accept-encoding", "gzip");
    let document = document.send().await.unwrap();
    assert_eq!(document.headers()["content-encoding"], "gzip");

    let unknown = client.get(format!("{base}/nothing")).send().await.unwrap();
    assert_eq!(unknown.headers()["content-type"], "application/problem+json");

    handle.stop(true).await;
    running.await.unwrap().unwrap();
    assert!(client.get(format!("{base}/livez")).send().await.is_err());
}
