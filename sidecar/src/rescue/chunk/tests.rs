use proptest::prelude::*;
use prost::Message as _;

use super::{
    super::survey::{self, Bounds, CHUNK_BYTES, MAX_RECORDS, Unopened},
    *,
};

fn survey(message: Message, body: &[u8]) -> Result<Survey, Unopened> {
    survey::survey(message, body, Bounds::default())
}

/// `prometheus.WriteRequest`, with a field that nobody knows yet.
#[derive(Clone, PartialEq, prost::Message)]
struct RequestV1 {
    #[prost(message, repeated, tag = "1")]
    series: Vec<SeriesV1>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    metadata: Vec<Vec<u8>>,
    #[prost(uint64, tag = "99")]
    future: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SeriesV1 {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<TextPair>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    exemplars: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<Histogram>,
    #[prost(uint64, tag = "77")]
    future: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TextPair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Histogram {
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(int64, tag = "15")]
    timestamp: i64,
}

/// `io.prometheus.write.v2.Request`.
#[derive(Clone, PartialEq, prost::Message)]
struct RequestV2 {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    series: Vec<SeriesV2>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SeriesV2 {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    exemplars: Vec<Sample>,
}

fn series_v1(name: &str) -> SeriesV1 {
    let label = |name: &str, value: &str| TextPair { name: name.into(), value: value.into() };
    SeriesV1 {
        labels: vec![label("__name__", name), label("job", "a \"b\"")],
        samples: [5, -7, 9].map(|timestamp| Sample { value: 1.0, timestamp }).to_vec(),
        exemplars: vec![Sample { value: 2.0, timestamp: 1 }],
        histograms: vec![Histogram { sum: 1.0, timestamp: 30 }],
        future: 1,
    }
}

fn compressed(raw: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(raw).unwrap()
}

fn opened(message: Message, raw: &[u8]) -> Option<Vec<Chunk>> {
    let body = compressed(raw);
    let survey = survey(message, &body).ok()?;
    Some(Chunks::new(message, &body, &survey)?.collect())
}

fn only(message: Message, raw: &[u8]) -> Chunk {
    let mut chunks = opened(message, raw).unwrap();
    assert_eq!(chunks.len(), 1);
    chunks.remove(0)
}

#[test]
fn pieces_hold_the_received_records_and_unknown_fields() {
    let request = RequestV1 {
        series: ["a", "b", "c"].map(series_v1).to_vec(),
        metadata: vec![vec![8, 1]],
        future: 7,
    };
    let chunk = only(Message::V1, &request.encode_to_vec());
    assert_eq!(chunk.len(), 4);
    let piece = RequestV1::decode(chunk.piece(&[1, 3]).as_slice()).unwrap();
    assert_eq!(piece.series, [series_v1("b")]);
    assert_eq!((piece.metadata.len(), piece.future), (1, 7));
    assert_eq!(chunk.name(0), r#"a{job="a \"b\""}"#);
    assert_eq!(
        chunk.samples(0),
        Samples { count: 4, histograms: 1, exemplars: 1, times: Some((-7, 30)) }
    );
    assert_eq!((chunk.name(3), chunk.samples(3)), ("metadata".to_owned(), Samples::default()));
}

#[test]
fn a_piece_of_2_0_keeps_the_positions_of_symbols() {
    let texts = |all: [&str; 6]| all.map(String::from).to_vec();
    let symbols = texts(["", "__name__", "up", "job", "x", "others"]);
    let up = SeriesV2 {
        labels: vec![1, 2, 3, 4],
        histograms: vec![Histogram { sum: 0.0, timestamp: 8 }],
        ..SeriesV2::default()
    };
    let broken = SeriesV2 { labels: vec![1, 9], ..SeriesV2::default() };
    let request = RequestV2 { symbols, series: vec![broken, up.clone()] };
    let raw = request.encode_to_vec();
    let chunk = only(Message::V2, &raw);
    let piece = RequestV2::decode(chunk.piece(&[1]).as_slice()).unwrap();
    let expected = texts(["", "__name__", "up", "job", "x", ""]);
    assert_eq!((piece.symbols, piece.series), (expected, vec![up]));
    assert_eq!(chunk.name(1), r#"up{job="x"}"#);
    assert_eq!(
        chunk.samples(1),
        Samples { count: 1, histograms: 1, exemplars: 0, times: Some((8, 8)) }
    );
    assert_eq!(chunk.labels(0), None);
    let first = RequestV2::decode(first_record(Message::V2, &compressed(&raw)).unwrap().as_slice());
    assert_eq!(first.unwrap().series, &request.series[..1]);
}

#[test]
fn a_record_is_divided_by_its_samples() {
    let request = RequestV1 { series: vec![series_v1("a")], ..RequestV1::default() };
    let mut chunk = only(Message::V1, &request.encode_to_vec());
    let (first, second) = chunk.divide(0, |number, _| number < 2).unwrap();
    let piece = |records: &[usize]| RequestV1::decode(chunk.piece(records).as_slice()).unwrap();
    let whole = series_v1("a");
    let earlier = SeriesV1 {
        samples: whole.samples[..2].to_vec(),
        exemplars: vec![],
        histograms: vec![],
        ..whole.clone()
    };
    let later = SeriesV1 { samples: whole.samples[2..].to_vec(), ..whole };
    assert_eq!(piece(&[first, second]).series, [earlier, later]);
    let (old, new) = chunk.divide(0, |_, time| time < 0).unwrap();
    assert_eq!((chunk.samples(old).count, chunk.samples(new).count), (1, 3));
    assert!(chunk.divide(0, |_, _| true).is_none());
}

#[test]
fn exemplars_are_left_out_of_either_version() {
    let request = RequestV1 { series: vec![series_v1("a")], ..RequestV1::default() };
    let mut chunk = only(Message::V1, &request.encode_to_vec());
    let bare = chunk.without_exemplars(0).unwrap();
    let piece = RequestV1::decode(chunk.piece(&[bare]).as_slice()).unwrap();
    assert_eq!(piece.series, [SeriesV1 { exemplars: vec![], ..series_v1("a") }]);
    assert_eq!(chunk.without_exemplars(bare), None);
    let sample = Sample { value: 1.0, timestamp: 7 };
    let one = SeriesV2 { samples: vec![sample.clone()], ..SeriesV2::default() };
    let series = SeriesV2 { exemplars: vec![sample], ..one.clone() };
    let request = RequestV2 { symbols: vec![String::new()], series: vec![series] };
    let mut chunk = only(Message::V2, &request.encode_to_vec());
    let bare = chunk.without_exemplars(0).unwrap();
    let piece = RequestV2::decode(chunk.piece(&[bare]).as_slice()).unwrap();
    assert_eq!(piece.series, [one]);
}

#[test]
fn large_batches_are_opened_chunk_by_chunk() {
    let giant = "x".repeat(MAX_RECORD_BYTES);
    let mut series: Vec<SeriesV1> = (0..40_000)
        .map(|number| series_v1(&format!("metric_{number}_{}", "y".repeat(200))))
        .collect();
    let mut giants = series_v1("giant");
    giants.labels.push(TextPair { name: "text".to_owned(), value: giant });
    series.insert(20_000, giants);
    let raw = RequestV1 { series, metadata: vec![], future: 7 }.encode_to_vec();
    let chunks = opened(Message::V1, &raw).unwrap();
    assert!(chunks.len() > 3);
    assert_eq!(chunks.iter().map(Chunk::len).sum::<usize>(), 40_001);
    let cut_off = |chunk: &Chunk| (0..chunk.len()).filter(|one| chunk.is_cut_off(*one)).count();
    assert_eq!(chunks.iter().map(cut_off).sum::<usize>(), 1);
    for chunk in &chunks {
        assert!(chunk.raw.capacity() <= CHUNK_BYTES + MAX_RECORD_BYTES, "{}", chunk.raw.capacity());
        let all: Vec<usize> = (0..chunk.len()).filter(|one| !chunk.is_cut_off(*one)).collect();
        assert_eq!(RequestV1::decode(chunk.piece(&all).as_slice()).unwrap().future, 7);
    }
    let named = chunks.iter().flat_map(|chunk| (0..chunk.len()).map(|one| chunk.name(one)));
    assert!(named.into_iter().any(|name| name.starts_with("giant{job=")));
}

#[test]
fn records_are_bounded() {
    for (message, record) in
        [(Message::V1, [10, 0]), (Message::V2, [42, 0]), (Message::V2, [34, 0])]
    {
        assert!(survey(message, &compressed(&record.repeat(MAX_RECORDS))).is_ok());
        let one_more = survey(message, &compressed(&record.repeat(MAX_RECORDS + 1)));
        assert_eq!(one_more.err(), Some(Unopened::TooMany));
    }
}

#[test]
fn damage_differs_from_size() {
    let raw = RequestV1 { series: vec![series_v1("a")], ..RequestV1::default() }.encode_to_vec();
    for damaged in [&raw[..raw.len() - 1], &[0xff; 9], b"no batch at all"] {
        let found = survey(Message::V1, &compressed(damaged)).err();
        assert_eq!(found, Some(Unopened::Damaged), "{damaged:?}");
    }
    assert_eq!(survey(Message::V1, &[0x80, 0x80, 0x20, 1]).err(), Some(Unopened::Damaged));
}

proptest! {
    #[test]
    fn garbage_is_opened_or_refused_but_never_lost(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        for message in [Message::V1, Message::V2] {
            for chunk in opened(message, &raw).into_iter().flatten() {
                let all: Vec<usize> = (0..chunk.len()).collect();
                let piece = chunk.piece(&all);
                if message == Message::V1 || chunk.symbols.is_empty() {
                    prop_assert_eq!(piece.len(), raw.len());
                }
                for record in all {
                    let _ = (chunk.labels(record), chunk.samples(record));
                }
            }
        }
    }
}
