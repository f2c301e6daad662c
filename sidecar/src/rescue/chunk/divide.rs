//! Several records made of one.

use prost::encoding::{WireType, encode_key, encode_varint};

use super::{
    super::message::{self, Kind, Record},
    Chunk, Entry, Span,
};
use crate::http1::Message;

impl Chunk {
    /// Makes two records of one, each with a part of its samples: those for which
    /// `is_first` holds, by number and time, and the others. `None` if either
    /// would be empty.
    pub(in crate::rescue) fn divide(
        &mut self,
        record: usize,
        mut is_first: impl FnMut(u64, i64) -> bool,
    ) -> Option<(usize, usize)> {
        let series = self.series(record).filter(|_| !self.is_cut_off(record))?;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let mut number = 0;
        let mut counts = [0, 0];
        for field in Record::all(series) {
            if message::is_sample(self.message, field.field) {
                let time =
                    message::samples(self.message, field.bytes).times.map_or(0, |(at, _)| at);
                let goes_first = is_first(number, time);
                number += 1;
                *counts.get_mut(usize::from(!goes_first))? += 1;
                if goes_first { &mut first } else { &mut second }.extend_from_slice(field.bytes);
            } else {
                // Exemplars belong to the latest samples.
                if !message::is_exemplar(self.message, field.field) {
                    first.extend_from_slice(field.bytes);
                }
                second.extend_from_slice(field.bytes);
            }
        }
        if counts.contains(&0) {
            return None;
        }
        Some((self.append_series(&first), self.append_series(&second)))
    }

    /// Makes a record of one with all but its exemplars; `None` if it has none.
    pub(in crate::rescue) fn without_exemplars(&mut self, record: usize) -> Option<usize> {
        let series = self.series(record).filter(|_| !self.is_cut_off(record))?;
        let is_exemplar = |field: &Record<'_>| message::is_exemplar(self.message, field.field);
        let others = Record::all(series).filter(|field| !is_exemplar(field));
        let content: Vec<u8> = others.flat_map(|field| field.bytes).copied().collect();
        (content.len() < series.len()).then(|| self.append_series(&content))
    }

    fn append_series(&mut self, content: &[u8]) -> usize {
        let field = match self.message {
            Message::V1 => 1,
            Message::V2 => 5,
        };
        let start = self.raw.len();
        encode_key(field, WireType::LengthDelimited, &mut self.raw);
        encode_varint(content.len() as u64, &mut self.raw);
        self.raw.extend_from_slice(content);
        let span = Span::new(start, self.raw.len());
        self.records.push(Entry { span, kind: Kind::Series, cut_off: false });
        self.records.len() - 1
    }
}
