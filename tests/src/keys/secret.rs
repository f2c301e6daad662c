//! Bits that no one can guess.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// `N` random bytes.
///
/// The system's source does not fail once the system runs; if it did, an
/// all-zero answer would be seen in the first token.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = aws_lc_rs::rand::fill(&mut bytes);
    debug_assert!(filled.is_ok(), "the system has no randomness");
    bytes
}

/// `N` random bytes as text for a URL.
pub(crate) fn random_text<const N: usize>() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(random::<N>())
}

/// A random identifier in the form of a version 4 UUID.
pub fn uuid() -> String {
    let random = u128::from_be_bytes(random());
    let versioned = (random & !(0xf << 76)) | (0x4 << 76);
    let value = (versioned & !(0b11 << 62)) | (0b10 << 62);
    let hex = format!("{value:032x}");
    let mut groups = Vec::new();
    let mut rest = hex.as_str();
    for length in [8, 4, 4, 4] {
        let (group, tail) = rest.split_at(length);
        groups.push(group);
        rest = tail;
    }
    groups.push(rest);
    groups.join("-")
}
