//! The text of an error answer, without its content-encoding.
//!
//! Clients offer gzip and gateways use it for errors, too; what such an error means must not
//! depend on that. Encodings that are not understood leave the status alone to judge by.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// The most text that is made of an error answer, however small its compressed form.
const INFLATE_LIMIT: u64 = 64 * 1024;

/// What is known of the text of an error answer.
#[derive(Debug)]
pub(in super::super) struct Text {
    /// As much of it as could be read; nothing where the encoding is not understood.
    pub(in super::super) bytes: Bytes,
    /// Whether that is all of it.
    pub(in super::super) whole: bool,
}

impl Text {
    /// Decodes what was `read` of a body, which is all of it or not.
    pub(super) fn decode(headers: &HeaderMap, read: Bytes, whole: bool) -> Self {
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        let encoding = encodings.next().map_or("identity", |value| value.to_str().unwrap_or_default());
        if encodings.next().is_some() {
            return Self::unknown();
        }
        let (bytes, complete) = match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => return Self { bytes: read, whole },
            "gzip" | "x-gzip" => inflate(MultiGzDecoder::new(&*read)),
            // The name means zlib's format; some servers send the bare one.
            "deflate" => match inflate(ZlibDecoder::new(&*read)) {
                (bytes, false) if bytes.is_empty() => inflate(DeflateDecoder::new(&*read)),
                decoded => decoded,
            },
            _ => return Self::unknown(),
        };
        Self { bytes: bytes.into(), whole: whole && complete }
    }

    fn unknown() -> Self {
        Self { bytes: Bytes::new(), whole: false }
    }
}

/// What can be decoded within the limit, and whether that is all there is.
fn inflate(decoder: impl Read) -> (Vec<u8>, bool) {
    let mut text = Vec::new();
    let read = decoder.take(INFLATE_LIMIT + 1).read_to_end(&mut text);
    let complete = read.is_ok() && text.len() as u64 <= INFLATE_LIMIT;
    (text, complete)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const PLAIN: &[u8] = b"All workers are busy";

    fn decode(encoding: &str, read: Vec<u8>, whole: bool) -> (Vec<u8>, bool) {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, encoding.parse().unwrap())]);
        let text = Text::decode(&headers, read.into(), whole);
        (text.bytes.into(), text.whole)
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_and_both_kinds_of_deflate_are_read() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(PLAIN).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(PLAIN).unwrap();
        for (encoding, read) in [
            ("gzip", gzip(PLAIN)),
            ("X-GZIP", gzip(PLAIN)),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", bare.finish().unwrap()),
            ("identity", PLAIN.to_vec()),
        ] {
            assert_eq!(decode(encoding, read, true), (PLAIN.to_vec(), true), "{encoding}");
        }
    }

    #[test]
    fn what_is_not_understood_says_nothing() {
        for encoding in ["br", "zstd", "gzip, br"] {
            assert_eq!(decode(encoding, gzip(PLAIN), true), (Vec::new(), false), "{encoding}");
        }
        assert_eq!(decode("gzip", PLAIN.to_vec(), true), (Vec::new(), false));
    }

    #[test]
    fn a_part_of_the_body_gives_a_part_of_the_text() {
        let mut long = gzip(PLAIN);
        long.truncate(long.len() - 8);
        let (text, whole) = decode("gzip", long, false);
        assert!(PLAIN.starts_with(&text));
        assert!(!whole);
    }

    #[test]
    fn a_bomb_is_defused() {
        let (text, whole) = decode("gzip", gzip(&vec![b' '; 10 << 20]), true);
        assert_eq!((text.len() as u64, whole), (INFLATE_LIMIT + 1, false));
    }
}
