//! Compressing once what is sent many times.

use bytes::Bytes;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::sync::OnceLock;

/// Fast and small enough: what is compressed once for a version delays the first who ask.
const ZSTD_LEVEL: i32 = 3;

/// Below this size, in bytes, compression costs more than it saves.
const WORTHWHILE: usize = 512;

/// How bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As they are.
    Plain,
    /// Compressed by Zstandard.
    Zstd,
    /// Compressed by gzip.
    Gzip,
}

/// Bytes, and their compressed forms as soon as somebody asked for them.
#[derive(Debug)]
pub struct Coded {
    plain: Bytes,
    zstd: OnceLock<Option<Bytes>>,
    gzip: OnceLock<Option<Bytes>>,
}

impl Coding {
    /// The best that `Accept-Encoding` allows: Zstandard, then gzip, then neither. Weights only tell
    /// what is not wanted at all.
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        let mut best = Self::Plain;
        for offer in header.split(',') {
            let mut parts = offer.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let refused = parts.any(|part| {
                let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
                weight.is_some_and(|weight| weight.parse() == Ok(0.0_f32))
            });
            match name.to_ascii_lowercase().as_str() {
                _ if refused => {}
                "zstd" => return Self::Zstd,
                "gzip" | "x-gzip" => best = Self::Gzip,
                _ => {}
            }
        }
        best
    }

    /// The value of `Content-Encoding`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "identity",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

impl Coded {
    /// These bytes.
    #[must_use]
    pub fn new(plain: Bytes) -> Self {
        Self {
            plain,
            zstd: OnceLock::new(),
            gzip: OnceLock::new(),
        }
    }

    /// The bytes as they are.
    #[must_use]
    pub fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// The bytes in a form that was accepted, and which. The first call compresses, which takes some
    /// milliseconds for a megabyte: not for an event loop's thread unless [`Self::is_ready`].
    #[must_use]
    pub fn in_form(&self, accepted: Coding) -> (Bytes, Coding) {
        let compressed = match accepted {
            _ if self.plain.len() < WORTHWHILE => None,
            Coding::Plain => None,
            Coding::Zstd => self.zstd.get_or_init(|| zstd(&self.plain)).clone(),
            Coding::Gzip => self.gzip.get_or_init(|| gzip(&self.plain)).clone(),
        };
        compressed.map_or_else(|| (self.plain.clone(), Coding::Plain), |bytes| (bytes, accepted))
    }

    /// Whether that form is there without any work.
    #[must_use]
    pub fn is_ready(&self, accepted: Coding) -> bool {
        match accepted {
            Coding::Plain => true,
            Coding::Zstd => self.zstd.get().is_some(),
            Coding::Gzip => self.gzip.get().is_some(),
        }
    }
}

fn zstd(plain: &[u8]) -> Option<Bytes> {
    let compressed = zstd::bulk::compress(plain, ZSTD_LEVEL);
    let compressed =
        compressed.inspect_err(|error| tracing::warn!(%error, "compression failed; sent as it is"));
    compressed.ok().map(Bytes::from)
}

fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    let written = written.inspect_err(|error| tracing::warn!(%error, "compression failed; sent as it is"));
    written.ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn the_best_accepted_form_is_chosen() {
        for (header, coding) in [
            ("", Coding::Plain),
            ("identity", Coding::Plain),
            ("gzip", Coding::Gzip),
            ("gzip, br, zstd", Coding::Zstd),
            ("zstd;q=0, gzip;q=0.5", Coding::Gzip),
            ("ZSTD", Coding::Zstd),
            ("gzip;q=0, zstd;q=0.000", Coding::Plain),
            ("br;q=1.0, deflate", Coding::Plain),
        ] {
            assert_eq!(Coding::accepted(header), coding, "{header}");
        }
    }

    #[test]
    fn every_form_gives_the_same_bytes() {
        let plain = "a long text, again and again; ".repeat(500).into_bytes();
        let coded = Coded::new(plain.clone().into());
        let (bytes, coding) = coded.in_form(Coding::Zstd);
        assert_eq!(coding, Coding::Zstd);
        assert!(bytes.len() < plain.len() / 10 && coded.is_ready(Coding::Zstd));
        assert_eq!(zstd::bulk::decompress(&bytes, 1 << 20).unwrap(), plain);
        let (bytes, coding) = coded.in_form(Coding::Gzip);
        assert_eq!(coding, Coding::Gzip);
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(&*bytes)
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, plain);
        assert_eq!(coded.in_form(Coding::Plain), (plain.into(), Coding::Plain));
        let short = Coded::new(Bytes::from_static(b"short"));
        assert_eq!(short.in_form(Coding::Zstd).1, Coding::Plain);
    }
}
