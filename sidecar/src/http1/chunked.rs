//! The chunked transfer coding (RFC 9112, 7.1).

use thiserror::Error;

/// Decodes chunks as they arrive.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    state: State,
    trailer_bytes: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// Reading a size and its extensions.
    #[default]
    Size,
    /// Reading this many more bytes of a chunk.
    Data(u64),
    /// Reading the line end after a chunk.
    DataEnd,
    /// Reading the lines after the last chunk.
    Trailer,
    Done,
}

/// A line of size, extensions or trailers longer than this is an attack.
pub(super) const MAX_LINE_BYTES: usize = 4096;

/// The body is not chunked as it claims to be.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the body's chunks are malformed")]
pub(crate) struct ChunkError;

impl Chunked {
    /// Whether the last chunk and its trailer have been read.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Moves data from `input` to `output`; returns how many bytes of `input` are done
    /// with. The rest must be passed again, with more data appended.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<usize, ChunkError> {
        let mut rest = input;
        loop {
            match self.state {
                State::Done => break,
                State::Data(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let (data, tail) = rest.split_at(take);
                    output.extend_from_slice(data);
                    rest = tail;
                    let left = left - take as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    if left > 0 {
                        break;
                    }
                }
                State::Size | State::DataEnd | State::Trailer => {
                    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                        bound_line(rest.len())?;
                        break;
                    };
                    bound_line(end)?;
                    let (line, tail) = rest.split_at(end);
                    rest = tail.get(1..).unwrap_or_default();
                    self.line(line)?;
                }
            }
        }
        Ok(input.len() - rest.len())
    }

    /// Acts on a line, without its line feed.
    fn line(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        let line = line.strip_suffix(b"\r").ok_or(ChunkError)?;
        // A line end for some readers (RFC 9112, 2.2).
        if line.contains(&b'\r') {
            return Err(ChunkError);
        }
        self.state = match self.state {
            State::Size => match parse_size(line)? {
                0 => State::Trailer,
                size => State::Data(size),
            },
            State::DataEnd if line.is_empty() => State::Size,
            State::Trailer if line.is_empty() => State::Done,
            State::Trailer => {
                // All trailers together are one line's worth at most.
                self.trailer_bytes += line.len();
                if self.trailer_bytes > MAX_LINE_BYTES || !is_field(line) {
                    return Err(ChunkError);
                }
                State::Trailer
            }
            _ => return Err(ChunkError),
        };
        Ok(())
    }
}

fn bound_line(bytes: usize) -> Result<(), ChunkError> {
    if bytes > MAX_LINE_BYTES { Err(ChunkError) } else { Ok(()) }
}

/// Whether a trailer is a header field, as it must be.
fn is_field(line: &[u8]) -> bool {
    let mut fields = [httparse::EMPTY_HEADER];
    let parsed = httparse::parse_headers(&[line, b"\r\n\r\n"].concat(), &mut fields)
        .map(|status| status.is_complete());
    parsed == Ok(true)
}

fn parse_size(line: &[u8]) -> Result<u64, ChunkError> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(digits).map_err(|_| ChunkError)?;
    let text = text.trim_end_matches([' ', '\t']);
    let hexadecimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hexadecimal {
        return Err(ChunkError);
    }
    u64::from_str_radix(text, 16).map_err(|_| ChunkError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes `input`, given in pieces of `step` bytes.
    fn decode(input: &[u8], step: usize) -> Result<(Vec<u8>, bool), ChunkError> {
        let (mut chunked, mut output, mut held) = (Chunked::default(), Vec::new(), Vec::new());
        for piece in input.chunks(step) {
            held.extend_from_slice(piece);
            let used = chunked.decode(&held, &mut output)?;
            held.drain(..used);
        }
        Ok((output, chunked.is_done()))
    }

    #[test]
    fn chunks_come_in_any_pieces() {
        let input = b"4\r\nWiki\r\n5;a=b\r\npedia\r\n0\r\nX: y\r\n\r\n";
        for step in 1..input.len() {
            assert_eq!(decode(input, step), Ok((b"Wikipedia".to_vec(), true)), "{step}");
        }
        assert_eq!(decode(b"4\r\nWi", 100), Ok((b"Wi".to_vec(), false)));
    }

    #[test]
    fn invalid_chunks_are_rejected() {
        for bad in [
            "x\r\n",
            "-1\r\n",
            "+1\r\na\r\n",
            "\r\n",
            "1\na\r\n",
            "1\r\nab\r\n",
            "1\r\r\na\r\n",
            "1;a\rb\r\na\r\n",
            "1\x0c\r\na\r\n",
            "0\r\nno field\r\n\r\n",
            "fffffffffffffffff\r\n",
        ] {
            assert_eq!(decode(bad.as_bytes(), 100), Err(ChunkError), "{bad:?}");
        }
        assert_eq!(decode(&[b'1'; 5000], 100), Err(ChunkError));
        let trailers = format!("0\r\n{}", "X: y\r\n".repeat(2000));
        assert_eq!(decode(trailers.as_bytes(), 1000), Err(ChunkError));
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(input in prop::collection::vec(any::<u8>(), 0..200), step in 1_usize..9) {
            let _ = decode(&input, step);
        }
    }
}
