//! A request's body, read.

use prost::Message;

use super::{
    store::{Batch, Labels, Sent},
    wire::{Exemplar, Label, MetricMetadata, WriteRequest, v2},
};

/// Prometheus' own receiver reads no more than this.
///
/// `storage/remote/write_handler.go`, since CVE-2026-42154.
const MAX_DECOMPRESSED: usize = 32 << 20;

/// Why a body is not a remote-write request; the text explains why.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not snappy's block format, or more than a receiver would read.
    #[error("decompress the body")]
    Snappy(#[source] snap::Error),
    /// It would become too large.
    #[error("the body claims {0} bytes")]
    TooLarge(usize),
    /// Not the protocol's message.
    #[error("decode the message")]
    Protobuf(#[source] prost::DecodeError),
    /// Labels that the specification forbids.
    #[error("series {labels}: {rule}")]
    Labels {
        /// The labels, as they came.
        labels: String,
        /// The rule that they break.
        rule: &'static str,
    },
}

/// Undoes snappy's block format.
pub(super) fn decompress(body: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let claimed = snap::raw::decompress_len(body).map_err(Unreadable::Snappy)?;
    if claimed > MAX_DECOMPRESSED {
        return Err(Unreadable::TooLarge(claimed));
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(Unreadable::Snappy)
}

/// Reads remote write 1.0.
pub(super) fn version_1(bytes: &[u8]) -> Result<Batch, Unreadable> {
    let request = WriteRequest::decode(bytes).map_err(Unreadable::Protobuf)?;
    let mut series = Vec::with_capacity(request.timeseries.len());
    for one in request.timeseries {
        let sent =
            Sent { samples: one.samples, histograms: one.histograms, exemplars: one.exemplars };
        series.push((labels(one.labels)?, sent));
    }
    Ok(Batch { series, metadata: request.metadata })
}

/// Reads remote write 2.0.
pub(super) fn version_2(bytes: &[u8]) -> Result<Batch, Unreadable> {
    let request = v2::Request::decode(bytes).map_err(Unreadable::Protobuf)?;
    let symbols = &request.symbols;
    let mut batch = Batch::default();
    for one in request.timeseries {
        let labels = labels(resolve(symbols, &one.labels_refs)?)?;
        let mut exemplars = Vec::with_capacity(one.exemplars.len());
        for exemplar in one.exemplars {
            let labels = resolve(symbols, &exemplar.labels_refs)?;
            let (value, timestamp) = (exemplar.value, exemplar.timestamp);
            exemplars.push(Exemplar { labels, value, timestamp });
        }
        if let Some(metadata) = one.metadata {
            batch.metadata.push(MetricMetadata {
                kind: metadata.kind,
                metric_family_name: labels.get("__name__").cloned().unwrap_or_default(),
                help: symbol(symbols, metadata.help_ref)?,
                unit: symbol(symbols, metadata.unit_ref)?,
            });
        }
        let sent = Sent { samples: one.samples, histograms: one.histograms, exemplars };
        batch.series.push((labels, sent));
    }
    Ok(batch)
}

fn resolve(symbols: &[String], references: &[u32]) -> Result<Vec<Label>, Unreadable> {
    references
        .chunks(2)
        .map(|pair| match pair {
            [name, value] => {
                Ok(Label { name: symbol(symbols, *name)?, value: symbol(symbols, *value)? })
            }
            _ => Err(Unreadable::Labels {
                labels: format!("{references:?}"),
                rule: "label references come in pairs",
            }),
        })
        .collect()
}

fn symbol(symbols: &[String], reference: u32) -> Result<String, Unreadable> {
    let index = usize::try_from(reference).unwrap_or(usize::MAX);
    symbols.get(index).cloned().ok_or_else(|| Unreadable::Labels {
        labels: reference.to_string(),
        rule: "a reference points into the symbols",
    })
}

/// Labels as the specification wants them: named, with a value, sorted, each
/// once, `__name__` among them.
///
/// <https://prometheus.io/docs/specs/prw/remote_write_spec/#labels>
fn labels(sent: Vec<Label>) -> Result<Labels, Unreadable> {
    let broken = |rule| Unreadable::Labels {
        labels: sent
            .iter()
            .map(|label| format!("{}={:?}", label.name, label.value))
            .collect::<Vec<_>>()
            .join(","),
        rule,
    };
    if sent.iter().any(|label| label.name.is_empty() || label.value.is_empty()) {
        return Err(broken("a label has a name and a value"));
    }
    if !sent.is_sorted_by(|one, next| one.name < next.name) {
        return Err(broken("labels are sorted, and each comes once"));
    }
    if !sent.iter().any(|label| label.name == "__name__") {
        return Err(broken("a series has a __name__"));
    }
    Ok(sent.into_iter().map(|label| (label.name, label.value)).collect())
}
