use proptest::prelude::*;

use super::*;

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

/// `io.prometheus.write.v2.Request`.
#[derive(Clone, PartialEq, prost::Message)]
struct RequestV2 {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    series: Vec<SeriesV2>,
}

fn series_v1(name: &str) -> SeriesV1 {
    let label = |name: &str, value: &str| Label { name: name.into(), value: value.into() };
    SeriesV1 {
        labels: vec![label("__name__", name), label("job", "a \"b\"")],
        samples: vec![vec![8, 1], vec![8, 2]],
        histograms: vec![vec![1, 2, 3]],
    }
}

#[test]
fn pieces_hold_the_received_records_and_what_nobody_knows() {
    let request = RequestV1 {
        series: ["a", "b", "c"].map(series_v1).to_vec(),
        metadata: vec![vec![8, 1]],
        future: 7,
    };
    let raw = request.encode_to_vec();
    let batch = Batch::open(Message::V1, &raw).unwrap();
    assert_eq!(batch.len(), 4);
    let piece = RequestV1::decode(batch.piece(&[1, 3]).as_slice()).unwrap();
    assert_eq!(piece.series, [series_v1("b")]);
    assert_eq!((piece.metadata.len(), piece.future), (1, 7));
    let series = batch.series(0).unwrap();
    assert_eq!((series.name().as_str(), series.samples), (r#"a{job="a \"b\""}"#, 3));
    assert_eq!(batch.series(3), None);
}

#[test]
fn a_piece_of_2_0_keeps_the_places_of_symbols() {
    let texts = |all: [&str; 6]| all.map(String::from).to_vec();
    let symbols = texts(["", "__name__", "up", "job", "x", "others"]);
    let up =
        SeriesV2 { label_references: vec![1, 2, 3, 4], samples: vec![vec![]], histograms: vec![] };
    let expected = texts(["", "__name__", "up", "job", "x", ""]);
    let broken = SeriesV2 { label_references: vec![1, 9], ..SeriesV2::default() };
    let request = RequestV2 { symbols, series: vec![broken, up.clone()] };
    let raw = request.encode_to_vec();
    let batch = Batch::open(Message::V2, &raw).unwrap();
    let piece = RequestV2::decode(batch.piece(&[1]).as_slice()).unwrap();
    assert_eq!((piece.symbols, piece.series), (expected, vec![up]));
    assert_eq!(batch.series(1).unwrap().name(), r#"up{job="x"}"#);
    assert_eq!(batch.series(0), None);
}

#[test]
fn records_are_bounded() {
    for (message, record) in
        [(Message::V1, [10, 0]), (Message::V2, [42, 0]), (Message::V2, [34, 0])]
    {
        assert!(Batch::open(message, &record.repeat(MAX_RECORDS)).is_some());
        assert!(Batch::open(message, &record.repeat(MAX_RECORDS + 1)).is_none());
    }
}

proptest! {
    #[test]
    fn garbage_is_opened_or_refused_but_never_lost(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        for message in [Message::V1, Message::V2] {
            if let Some(batch) = Batch::open(message, &raw) {
                let all: Vec<usize> = (0..batch.len()).collect();
                let piece = batch.piece(&all);
                if message == Message::V1 || batch.symbols.is_empty() {
                    prop_assert_eq!(piece.len(), raw.len());
                }
                for index in all {
                    let _ = batch.series(index);
                }
            }
        }
    }
}
