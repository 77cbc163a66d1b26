use crate::site::{browser, flags, node};
use actix_web::{App, HttpServer};
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Arc;
use tidegate_node::TokenFile;
use tidegate_node::flagd::Flagd;

const SECRET: &str = "a-secret-of-flagd-daemons";

#[actix_web::test]
async fn the_daemon_polls_the_configuration() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "server {SECRET}").unwrap();
    let access = Arc::new(TokenFile::read(file.path()).unwrap());
    let node = node("production", access);
    let flagd = Flagd::new(vec![node.clone()]).unwrap();
    let routes = flagd.routes();
    let server = HttpServer::new(move || App::new().configure(routes.clone()))
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let url = |path: &str| format!("http://{}/flagd/v1/{path}", server.addrs()[0]);
    let (here, elsewhere) = (url("production/flags.json"), url("elsewhere/flags.json"));
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let client = browser();
    let get = |url: &str| {
        client
            .get(url)
            .bearer_auth(SECRET)
            .header("accept", "application/json")
    };

    let blind = get(&here).send().await.unwrap();
    assert_eq!(blind.status(), 503);
    assert_eq!(blind.headers()["content-type"], "application/problem+json");
    crate::site::publish(&node, "1.1", flags()).await;

    let answer = get(&here).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    let etag = answer.headers()["etag"].clone();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["metadata"]["version"], json!("1.1"));
    let again = get(&here).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    assert!(again.text().await.unwrap().is_empty());

    crate::site::publish(&node, "1.2", json!([])).await;
    let changed = get(&here).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!(changed.status(), 200);
    assert_ne!(changed.headers()["etag"], etag);

    for (request, status) in [
        (client.get(&here), 401),
        (client.get(&here).bearer_auth("somebody-elses-secret"), 401),
        (client.get(&here).header("x-api-key", SECRET), 200),
        (get(&elsewhere), 404),
        (client.get(&elsewhere), 401),
        (client.head(&here).bearer_auth(SECRET), 200),
    ] {
        assert_eq!(request.send().await.unwrap().status().as_u16(), status);
    }
    handle.stop(false).await;
}
