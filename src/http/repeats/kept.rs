//! An answer as it is kept: sealed, so that nobody but the holder of the token it was given to can read it. What
//! makes a token is among the answers, and of its secret only a digest may be kept.

use crate::http::problem::Problem;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use serde::{Deserialize, Serialize};
use tidegate_model::snapshot::Digest;

/// What the key of the seal is made for; there is no other.
const PURPOSE: &[u8] = b"tidegate kept answer";

/// An answer.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Kept {
    /// This answer.
    pub(super) fn of(response: &HttpResponse<()>, body: &[u8]) -> Self {
        let headers = response.headers().iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        Self {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: body.to_vec(),
        }
    }

    /// The answer again.
    pub(super) fn response(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        for header in self.headers {
            response.append_header(header);
        }
        response.body(self.body)
    }

    /// Closes it for everybody but the holder of this secret.
    pub(super) fn seal(&self, secret: &str, request: &Digest) -> Result<String, Problem> {
        let failed = |what: &str| Problem::incident(format!("answer-not-sealed-{what}"));
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| failed("without-random-numbers"))?;
        let mut text = serde_json::to_vec(self).map_err(|_| failed("not-written"))?;
        let key = key(secret).ok_or_else(|| failed("without-key"))?;
        let aad = Aad::from(request.as_str());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .map_err(|_| failed("too-long"))?;
        Ok(STANDARD.encode([&nonce[..], &text].concat()))
    }

    /// Opens it.
    pub(super) fn open(sealed: &str, secret: &str, request: &Digest) -> Result<Self, Problem> {
        let opened = || {
            let bytes = STANDARD.decode(sealed).ok()?;
            let (nonce, text) = bytes.split_first_chunk::<NONCE_LEN>()?;
            let mut text = text.to_vec();
            let aad = Aad::from(request.as_str());
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let plain = key(secret)?.open_in_place(nonce, aad, &mut text).ok()?;
            serde_json::from_slice(plain).ok()
        };
        opened().ok_or_else(|| Problem::incident("kept-answer-not-opened"))
    }
}

/// The secret of a token has 256 random bits: nothing slower is needed to make a key of it.
fn key(secret: &str) -> Option<LessSafeKey> {
    let bytes = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), PURPOSE);
    UnboundKey::new(&CHACHA20_POLY1305, bytes.as_ref())
        .ok()
        .map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f29_only_the_holder_of_the_token_reads_what_is_kept() {
        let (mine, other) = (Digest::of(b"mine"), Digest::of(b"other"));
        let kept = || Kept {
            status: 201,
            headers: vec![("location".to_owned(), "/there".to_owned())],
            body: b"{\"secret\":\"tg_canary\"}".to_vec(),
        };
        let sealed = kept().seal("tg_secret", &mine).unwrap();
        let bytes = STANDARD.decode(&sealed).unwrap();
        assert!(!bytes.windows(9).any(|part| part == b"tg_canary"));
        assert_eq!(Kept::open(&sealed, "tg_secret", &mine).unwrap(), kept());
        assert!(Kept::open(&sealed, "tg_another", &mine).is_err());
        assert!(Kept::open(&sealed, "tg_secret", &other).is_err());
        assert!(Kept::open("", "tg_secret", &mine).is_err());
        assert_ne!(
            sealed,
            kept().seal("tg_secret", &mine).unwrap(),
            "no nonce is used twice"
        );
    }
}
