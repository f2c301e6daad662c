//! Snappy's block format, decompressed as far as it is read.
//!
//! The crate `snap` decompresses a block as a whole: up to
//! `MAX_DECOMPRESSED_BYTES` for one refused batch. Here only what is being read
//! is held, and the 64 KiB before it to which later bytes may refer.
//!
//! The format: <https://github.com/google/snappy/blob/main/format_description.txt>.

use prost::encoding::decode_varint;

/// A block, and as much of its content as was asked for.
#[derive(Clone)]
pub(super) struct Inflate<'a> {
    input: &'a [u8],
    /// Bytes of the content that are still to be decompressed.
    missing: usize,
    /// Bytes of the current literal that are still to be copied.
    literal: usize,
    /// The last bytes that were taken, and those that can be taken.
    window: Vec<u8>,
    /// Where those that can be taken begin.
    taken: usize,
}

/// No encoder refers farther back: all of them compress in blocks of 64 KiB.
const HISTORY: usize = 64 << 10;
/// Taken bytes are dropped once so many have gathered, so that the rest is not
/// moved for every record.
const GARBAGE: usize = 256 << 10;

impl<'a> Inflate<'a> {
    /// What a window takes beside the bytes that were asked for.
    pub(super) const OVERHEAD: usize = HISTORY + GARBAGE;

    /// Reads the block's length; `None` if there is none.
    pub(super) fn new(block: &'a [u8]) -> Option<Self> {
        let mut input = block;
        let missing = usize::try_from(decode_varint(&mut input).ok()?).ok()?;
        Some(Self { input, missing, literal: 0, window: Vec::new(), taken: 0 })
    }

    /// What is decompressed and not taken.
    pub(super) fn ready(&self) -> &[u8] {
        self.window.get(self.taken..).unwrap_or_default()
    }

    /// Makes `wanted` bytes ready, or all that are left; `None` if the block is
    /// damaged.
    pub(super) fn fill(&mut self, wanted: usize) -> Option<()> {
        while self.ready().len() < wanted && self.missing > 0 {
            if self.literal == 0 {
                self.element()?;
            } else {
                let enough = wanted - self.ready().len();
                self.copy_literal(self.literal.min(enough.max(HISTORY)))?;
            }
        }
        let ended = self.missing > 0 || (self.input.is_empty() && self.literal == 0);
        ended.then_some(())
    }

    /// Takes `count` of the bytes that are ready.
    pub(super) fn take(&mut self, count: usize) {
        self.taken = (self.taken + count).min(self.window.len());
        if self.taken > HISTORY + GARBAGE {
            self.window.drain(..self.taken - HISTORY);
            self.taken = HISTORY;
        }
    }

    /// Decompresses and takes `count` bytes.
    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        let mut left = count;
        while left > 0 {
            self.fill(left.min(HISTORY))?;
            let taken = self.ready().len().min(left);
            if taken == 0 {
                return None;
            }
            self.take(taken);
            left -= taken;
        }
        Some(())
    }

    /// Whether everything was taken.
    pub(super) fn is_done(&self) -> bool {
        self.missing == 0 && self.ready().is_empty()
    }

    /// Reads one element: a literal's length, or a reference to earlier bytes.
    fn element(&mut self) -> Option<()> {
        let tag = usize::from(self.byte()?);
        match tag & 3 {
            0 => {
                let length = tag >> 2;
                let length = if length < 60 { length } else { self.little_endian(length - 59)? };
                self.literal = length.checked_add(1)?;
                Some(())
            }
            1 => {
                let offset = (tag >> 5) << 8 | usize::from(self.byte()?);
                self.copy(offset, (tag >> 2 & 7) + 4)
            }
            kind => {
                let offset = self.little_endian(if kind == 2 { 2 } else { 4 })?;
                self.copy(offset, (tag >> 2) + 1)
            }
        }
    }

    fn copy_literal(&mut self, count: usize) -> Option<()> {
        let (bytes, rest) = self.input.split_at_checked(count)?;
        self.missing = self.missing.checked_sub(count)?;
        self.window.extend_from_slice(bytes);
        self.input = rest;
        self.literal -= count;
        Some(())
    }

    fn copy(&mut self, offset: usize, length: usize) -> Option<()> {
        self.missing = self.missing.checked_sub(length)?;
        let mut from = self.window.len().checked_sub(offset).filter(|_| offset > 0)?;
        let mut left = length;
        // A reference may reach into the bytes that it produces itself.
        while left > 0 {
            let count = left.min(offset);
            self.window.extend_from_within(from..from + count);
            from += count;
            left -= count;
        }
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.input.split_first()?;
        self.input = rest;
        Some(*byte)
    }

    fn little_endian(&mut self, bytes: usize) -> Option<usize> {
        (0..bytes)
            .try_fold(0, |value, index| Some(value | usize::from(self.byte()?) << (8 * index)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All of a block, read in steps of these sizes.
    fn inflated(block: &[u8], steps: &[usize]) -> Option<Vec<u8>> {
        let mut inflate = Inflate::new(block)?;
        let mut content = Vec::new();
        for step in steps.iter().cycle() {
            inflate.fill(*step)?;
            if inflate.is_done() {
                return Some(content);
            }
            let count = inflate.ready().len().min(*step);
            content.extend_from_slice(&inflate.ready()[..count]);
            inflate.take(count);
        }
        None
    }

    #[test]
    fn large_blocks_come_out_whole_in_a_small_window() {
        let content: Vec<u8> = (0..3_000_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let block = snap::raw::Encoder::new().compress_vec(&content).unwrap();
        assert!(inflated(&block, &[1000]).unwrap() == content);
        let mut inflate = Inflate::new(&block).unwrap();
        inflate.skip(content.len() - 5).unwrap();
        assert_eq!(inflate.ready()[..5], content[content.len() - 5..]);
        assert!(inflate.window.capacity() < 2 * Inflate::OVERHEAD, "{}", inflate.window.capacity());
        assert_eq!(inflate.skip(6), None);
    }

    #[test]
    fn a_literal_larger_than_what_is_asked_for_is_read_in_parts() {
        let literal = vec![7; 3 << 20];
        let mut block = vec![0x80, 0x80, 0xc0, 0x01, 62 << 2];
        block.extend_from_slice(&(literal.len() - 1).to_le_bytes()[..3]);
        block.extend_from_slice(&literal);
        assert!(inflated(&block, &[100]).unwrap() == literal);
        let mut inflate = Inflate::new(&block).unwrap();
        inflate.fill(100).unwrap();
        assert!(inflate.window.len() <= HISTORY);
    }

    proptest! {
        #[test]
        fn what_snap_compresses_is_read(
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..200),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..400),
            steps in prop::collection::vec(1_usize..5000, 1..5),
        ) {
            let content: Vec<u8> = match words.len() {
                0 => Vec::new(),
                count => order.iter().flat_map(|index| words[index.index(count)].clone()).collect(),
            };
            let block = snap::raw::Encoder::new().compress_vec(&content).unwrap();
            prop_assert_eq!(inflated(&block, &steps), Some(content));
        }

        #[test]
        fn a_damaged_block_is_judged_as_snap_judges_it(block in prop::collection::vec(any::<u8>(), 0..60)) {
            let expected = snap::raw::decompress_len(&block).ok().filter(|length| *length < 1 << 20);
            prop_assume!(expected.is_some() || snap::raw::decompress_len(&block).is_err());
            let expected = snap::raw::Decoder::new().decompress_vec(&block).ok();
            prop_assert_eq!(inflated(&block, &[64]), expected);
        }
    }
}
