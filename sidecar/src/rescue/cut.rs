//! Cutting a batch that is too large into pieces that fit. Pure.

use super::plan::Unit;

/// Azure takes 1 MiB, compressed:
/// <https://github.com/Azure/prometheus-collector/issues/421>.
const MAX_PIECE_BYTES: usize = 1 << 20;
/// A smaller limit is not believed: the number stands for something else.
const MIN_PIECE_BYTES: usize = 1 << 10;
/// Pieces compress a little worse than the whole.
const MARGIN: f64 = 0.9;

/// The largest compressed piece that is accepted, in bytes: the number that a
/// refusal names, if it is below what Azure documents.
pub(super) fn limit(refusal: &[u8]) -> usize {
    let text = String::from_utf8_lossy(refusal).to_lowercase();
    let named = ["maximum allowed content length:", "limit is", "limit of", "maximum of"]
        .iter()
        .filter_map(|words| text.split_once(words))
        .filter_map(|(_, rest)| {
            let digits = rest.trim_start();
            let end = digits.find(|one: char| !one.is_ascii_digit()).unwrap_or(digits.len());
            digits.get(..end)?.parse::<usize>().ok()
        });
    named.filter(|named| *named >= MIN_PIECE_BYTES).fold(MAX_PIECE_BYTES, usize::min)
}

/// How many bytes before compression make a piece of `limit`, if `raw` bytes
/// became `compressed`.
pub(super) fn raw_bytes(limit: usize, raw: usize, compressed: usize) -> usize {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some MiB"
    )]
    let bytes = (limit as f64 * MARGIN * raw as f64 / compressed.max(1) as f64) as usize;
    bytes.max(MIN_PIECE_BYTES)
}

/// How many of the first units make a piece of at most `max_bytes`: one at least.
pub(super) fn leading(units: &[Unit], max_bytes: usize) -> usize {
    let mut bytes = 0_usize;
    let fitting = units.iter().take_while(|unit| {
        bytes = bytes.saturating_add(unit.bytes);
        bytes <= max_bytes
    });
    fitting.count().max(1)
}

/// The size of a next piece after one of `bytes` was too large.
pub(super) const fn smaller(bytes: usize) -> usize {
    bytes / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_one_that_the_refusal_names() {
        let azure = b"Maximum allowed content length: 524288 bytes (512 KB). Provided content length: 600000 bytes.";
        assert_eq!(limit(azure), 524_288);
        assert_eq!(limit(b"Maximum allowed content length: 9999999999 bytes"), MAX_PIECE_BYTES);
        assert_eq!(limit(b"<html>413 Request Entity Too Large</html>"), MAX_PIECE_BYTES);
        assert_eq!(limit(b"limit is 1 MB"), MAX_PIECE_BYTES);
    }

    #[test]
    fn pieces_are_filled_up_to_the_limit() {
        let units: Vec<Unit> =
            [4, 3, 2, 9].map(|bytes| Unit { records: vec![0], bytes }).into_iter().collect();
        assert_eq!([3, 7, 8, 9, 18].map(|max| leading(&units, max)), [1, 2, 2, 3, 4]);
        assert_eq!(raw_bytes(1000, 20_000, 1000), 18_000);
    }
}
