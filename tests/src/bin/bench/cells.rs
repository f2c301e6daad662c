//! What is sent, and over how many connections.

use std::{fmt, str::FromStr};

use ::tests::failure::{Context, Outcome};
use bytes::Bytes;
use serde::Serialize;

/// One load: bodies of so many KiB over so many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cell {
    pub(crate) kibibytes: usize,
    pub(crate) connections: usize,
}

/// The cells that goals speak of. Prometheus' usual bodies are between 25 and 100 KiB, Azure
/// accepts 1 MiB; it writes over 1 to 50 connections by default and over 200 at the most
/// that is recommended.
pub(crate) const GOAL_CELLS: [Cell; 6] = [
    Cell { kibibytes: 100, connections: 8 },
    Cell { kibibytes: 25, connections: 8 },
    Cell { kibibytes: 1024, connections: 8 },
    Cell { kibibytes: 100, connections: 1 },
    Cell { kibibytes: 100, connections: 64 },
    Cell { kibibytes: 1024, connections: 200 },
];

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}KiB/{}", self.kibibytes, self.connections)
    }
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let cell = || {
            let (size, connections) = text.split_once('/')?;
            let kibibytes = size.strip_suffix("KiB")?.parse().ok().filter(|size| *size > 0)?;
            let connections = connections.parse().ok().filter(|count| *count > 0)?;
            Some(Self { kibibytes, connections })
        };
        cell().ok_or_else(|| "expected a size and connections, such as 100KiB/8".to_owned())
    }
}

/// A write as Prometheus sends it: snappy that decompresses, of noise, because what
/// compresses well has been compressed.
pub(crate) fn write_request(kibibytes: usize, path: &str) -> Outcome<Bytes> {
    // Snappy adds a length and a few bytes for each 64 KiB.
    let noise = noise(kibibytes * 1024 - 64);
    let body = snap::raw::Encoder::new().compress_vec(&noise).context("compress a body")?;
    let length = body.len();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost:8081\r\nUser-Agent: Prometheus/3.16.0\r\nContent-Length: {length}\r\nContent-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(&body);
    Ok(request.into())
}

/// The same bytes each time, from a generator of xorshift's kind.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> =
        std::iter::repeat_with(&mut next).take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_read_as_they_are_written() {
        for cell in GOAL_CELLS {
            assert_eq!(cell.to_string().parse(), Ok(cell));
        }
        for wrong in ["100KiB", "100/8", "KiB/8", "0KiB/8", "100KiB/0"] {
            assert!(wrong.parse::<Cell>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn bodies_are_snappy_and_no_larger_than_they_are_called() {
        for kibibytes in [25, 100, 1024] {
            let request = write_request(kibibytes, "/").unwrap();
            let end = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            let body = &request[end..];
            assert!(body.len() <= kibibytes * 1024 && body.len() > kibibytes * 1024 - 64);
            let content = snap::raw::Decoder::new().decompress_vec(body).unwrap();
            assert_eq!(content.len(), kibibytes * 1024 - 64);
        }
    }
}
