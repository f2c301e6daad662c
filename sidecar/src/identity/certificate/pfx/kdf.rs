//! The key derivation of PKCS #12 (RFC 7292, appendix B.2).

use aws_lc_rs::digest::{Algorithm, Context, digest};

/// What a derived key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Purpose {
    /// To decrypt.
    Cipher = 1,
    /// To start decryption with.
    InitialVector = 2,
    /// To check integrity.
    Mac = 3,
}

/// Derives `length` bytes; `password` is in UTF-16, with its terminating zero.
pub(super) fn derive(
    algorithm: &'static Algorithm,
    purpose: Purpose,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    length: usize,
) -> Vec<u8> {
    let block = algorithm.block_len();
    let diversifier = vec![purpose as u8; block];
    let mut input = [repeated(salt, block), repeated(password, block)].concat();
    let mut key = Vec::new();
    while key.len() < length {
        let mut context = Context::new(algorithm);
        context.update(&diversifier);
        context.update(&input);
        let mut hash = context.finish();
        for _ in 1..iterations {
            hash = digest(algorithm, hash.as_ref());
        }
        key.extend_from_slice(hash.as_ref());
        for part in input.chunks_mut(block) {
            add_one_and(hash.as_ref(), part);
        }
    }
    key.truncate(length);
    key
}

/// The text again and again, up to a whole number of blocks; nothing of nothing.
fn repeated(text: &[u8], block: usize) -> Vec<u8> {
    let length = text.len().div_ceil(block) * block;
    text.iter().copied().cycle().take(length).collect()
}

/// Adds 1 and the repeated `hash` to a number, big endian; what does not fit is
/// dropped.
fn add_one_and(hash: &[u8], number: &mut [u8]) {
    let addend: Vec<u8> = hash.iter().copied().cycle().take(number.len()).collect();
    let mut carry = 1;
    for (digit, other) in number.iter_mut().zip(addend).rev() {
        let [high, low] = (u16::from(*digit) + u16::from(other) + carry).to_be_bytes();
        *digit = low;
        carry = high.into();
    }
}
