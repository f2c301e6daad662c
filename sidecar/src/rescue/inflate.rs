//! Snappy's block format, decompressed as far as it is read.
//!
//! The crate `snap` decompresses a block as a whole: up to
//! `MAX_DECOMPRESSED_BYTES` for one refused batch. Here only what is being read
//! is held, and the bytes before it to which later ones refer: 64 KiB where a batch
//! was compressed in blocks, as Google's encoders do it, and more where it was not.
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
    /// How far back later bytes refer, at most.
    history: usize,
}

/// Most encoders refer no farther back: they compress in blocks of 64 KiB.
const HISTORY: usize = 64 << 10;
/// Taken bytes are dropped once so many have gathered, so that the rest is not
/// moved for every record.
const GARBAGE: usize = 256 << 10;

impl<'a> Inflate<'a> {
    /// Reads the block's length; `None` if there is none.
    pub(super) fn new(block: &'a [u8]) -> Option<Self> {
        Self::with_history(block, history(block)?)
    }

    /// The same for the beginning of a block, where later bytes refer no farther
    /// back than what is read.
    pub(super) fn beginning(block: &'a [u8]) -> Option<Self> {
        Self::with_history(block, HISTORY)
    }

    fn with_history(block: &'a [u8], history: usize) -> Option<Self> {
        let mut input = block;
        let missing = usize::try_from(decode_varint(&mut input).ok()?).ok()?;
        Some(Self { input, missing, literal: 0, window: Vec::new(), taken: 0, history })
    }

    /// What is decompressed and not taken.
    pub(super) fn ready(&self) -> &[u8] {
        self.window.get(self.taken..).unwrap_or_default()
    }

    /// Makes `expected` bytes ready, or all that are left; `None` if the block is
    /// damaged.
    pub(super) fn fill(&mut self, expected: usize) -> Option<()> {
        if self.window.capacity() == 0 {
            // Made at once, for a vector that grows takes up to twice its size.
            self.window.reserve_exact(self.missing.min(self.history + GARBAGE + HISTORY));
        }
        while self.ready().len() < expected && self.missing > 0 {
            if self.literal == 0 {
                self.element()?;
            } else {
                let enough = expected - self.ready().len();
                self.copy_literal(self.literal.min(enough.max(HISTORY)))?;
            }
        }
        let ended = self.missing > 0 || (self.input.is_empty() && self.literal == 0);
        ended.then_some(())
    }

    /// Takes `count` of the bytes that are ready.
    pub(super) fn take(&mut self, count: usize) {
        self.taken = (self.taken + count).min(self.window.len());
        if self.taken > self.history + GARBAGE {
            self.window.drain(..self.taken - self.history);
            self.taken = self.history;
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
                self.literal = self.literal_length(tag)?;
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

    fn literal_length(&mut self, tag: usize) -> Option<usize> {
        let length = tag >> 2;
        let length = if length < 60 { length } else { self.little_endian(length - 59)? };
        length.checked_add(1)
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

/// What a window takes beside the bytes that were asked for: `None` if the block is
/// damaged.
pub(super) fn overhead(block: &[u8]) -> Option<usize> {
    history(block).map(|history| history + GARBAGE + HISTORY)
}

/// How far back the elements of a block refer, at most. An encoder that does not
/// divide its input into blocks of 64 KiB (Go's `klauspost/compress/snappy`) refers to
/// anything before.
fn history(block: &[u8]) -> Option<usize> {
    let mut scan = Inflate::with_history(block, 0)?;
    let length = scan.missing;
    let mut farthest = HISTORY;
    while !scan.input.is_empty() {
        let tag = usize::from(scan.byte()?);
        let offset = match tag & 3 {
            0 => {
                let length = scan.literal_length(tag)?;
                scan.input = scan.input.get(length..)?;
                0
            }
            // Up to 2 KiB.
            1 => scan.byte().map(|_| 0)?,
            2 => scan.little_endian(2)?,
            _ => scan.little_endian(4)?,
        };
        farthest = farthest.max(offset);
    }
    // Nothing is before the beginning.
    Some(farthest.min(length.max(HISTORY)))
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
        assert!(
            inflate.window.capacity() < 2 * (HISTORY + GARBAGE),
            "{}",
            inflate.window.capacity()
        );
        assert_eq!(inflate.skip(6), None);
    }

    /// As an encoder does it that does not divide its input into blocks.
    #[test]
    fn later_bytes_may_refer_to_the_beginning() {
        let part: Vec<u8> = (0..300_000_u32).flat_map(|n| (n / 5).to_le_bytes()).collect();
        let mut block = Vec::new();
        prost::encoding::encode_varint(part.len() as u64 + 64, &mut block);
        block.push(62 << 2);
        block.extend_from_slice(&(part.len() - 1).to_le_bytes()[..3]);
        block.extend_from_slice(&part);
        block.push(63 << 2 | 3);
        block.extend_from_slice(&u32::try_from(part.len()).unwrap().to_le_bytes());
        let content = [&part[..], &part[..64]].concat();
        assert!(snap::raw::Decoder::new().decompress_vec(&block).unwrap() == content);
        assert!(inflated(&block, &[1000]).unwrap() == content);
        assert_eq!(overhead(&block), Some(part.len() + GARBAGE + HISTORY));
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
        fn output_of_snap_is_read(
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
