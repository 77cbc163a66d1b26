//! The least that a server of this kind can do: parse the same JSON, answer the same bytes.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Bytes, Data, Json};
use actix_web::{App, HttpResponse, HttpServer, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// What the baseline answers, whatever it is asked: an answer of ours, header by header.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Canned {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// What it parses: an OFREP request.
#[derive(Deserialize)]
struct Request {
    context: Map<String, Value>,
}

struct Ready {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

/// Serves the answer in `file` until it is killed.
pub(crate) fn serve(port: u16, file: &Path) {
    let canned = std::fs::read(file).expect("the answer");
    let canned: Canned = serde_json::from_slice(&canned).expect("an answer");
    let headers = canned.headers.iter().map(|(name, value)| {
        let name: HeaderName = name.parse().expect("a header");
        (name, HeaderValue::from_str(value).expect("a header"))
    });
    let ready = Data::new(Ready {
        headers: headers.collect(),
        body: canned.body.into(),
    });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(ready.clone())
            .route("/ofrep/v1/evaluate/flags/{key:.+}", web::post().to(answer))
            .route("/livez", web::get().to(HttpResponse::Ok))
    });
    let server = server
        .workers(2)
        .bind(("127.0.0.1", port))
        .expect("a free port")
        .run();
    actix_web::rt::System::new().block_on(server).expect("it serves");
}

async fn answer(request: Json<Request>, ready: Data<Ready>) -> HttpResponse {
    std::hint::black_box(&request.context);
    let mut response = HttpResponse::Ok();
    for (name, value) in &ready.headers {
        response.insert_header((name.clone(), value.clone()));
    }
    response.body(ready.body.clone())
}
