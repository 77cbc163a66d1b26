//! Bodies of JSON that may come compressed: what nodes send all day.

use super::{JsonText, check_type, read_whole};
use crate::http::problem::{Kind, Problem};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use std::io::Read;

/// Largest body, in bytes, after decompression.
const UNPACKED_BYTES_MAX: u64 = 16 << 20;

/// A body of JSON, decompressed if it was compressed by gzip, and not yet read.
pub(crate) struct PackedJson(pub(crate) JsonText);

impl FromRequest for PackedJson {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        async move {
            let packed = match request.headers().get(header::CONTENT_ENCODING) {
                None => false,
                Some(encoding) if encoding == "identity" => false,
                Some(encoding) if encoding == "gzip" => true,
                Some(_) => {
                    let detail =
                        "the body is compressed in a way that is not read here; send it as it is, or by gzip";
                    return Err(Problem::new(Kind::UnsupportedMediaType, detail));
                }
            };
            check_type(&request, JsonText::MEDIA_TYPES)?;
            let body = read_whole(&request, payload).await?;
            let body = match packed {
                false => body,
                true => {
                    // Not on the server's thread: a full batch takes milliseconds.
                    let unpacked = actix_web::web::block(move || unpacked(&body)).await;
                    let unpacked = unpacked.map_err(|error| Problem::incident(error.to_string()))?;
                    unpacked?.into()
                }
            };
            Ok(Self(JsonText(body)))
        }
        .boxed_local()
    }
}

fn unpacked(body: &Bytes) -> Result<Vec<u8>, Problem> {
    let mut text = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(body.as_ref()).take(UNPACKED_BYTES_MAX + 1);
    reader.read_to_end(&mut text).map_err(|error| {
        Problem::new(
            Kind::MalformedBody,
            format!("the body cannot be decompressed: {error}"),
        )
    })?;
    if text.len() as u64 > UNPACKED_BYTES_MAX {
        let detail = format!("a batch has at most {UNPACKED_BYTES_MAX} bytes; send several");
        return Err(Problem::new(Kind::BodyTooLarge, detail));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use std::io::Write;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    async fn read(encoding: Option<&str>, body: Vec<u8>) -> Result<Bytes, Kind> {
        let mut request = TestRequest::post().insert_header(("content-type", "application/json"));
        if let Some(encoding) = encoding {
            request = request.insert_header(("content-encoding", encoding));
        }
        let (request, mut payload) = request.set_payload(body).to_http_parts();
        let read = PackedJson::from_request(&request, &mut payload).await;
        read.map(|body| body.0.0).map_err(|problem| problem.kind())
    }

    #[actix_web::test]
    async fn bodies_are_unpacked_within_bounds() {
        let text = br#"{"spool":"s"}"#;
        assert_eq!(read(None, text.to_vec()).await.unwrap(), text.as_slice());
        assert_eq!(read(Some("gzip"), packed(text)).await.unwrap(), text.as_slice());
        assert_eq!(read(Some("gzip"), text.to_vec()).await, Err(Kind::MalformedBody));
        assert_eq!(
            read(Some("br"), text.to_vec()).await,
            Err(Kind::UnsupportedMediaType)
        );
        let bomb = packed(&vec![b' '; 17 << 20]);
        assert!(bomb.len() < 1 << 20);
        assert_eq!(read(Some("gzip"), bomb).await, Err(Kind::BodyTooLarge));
    }
}
