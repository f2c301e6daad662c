//! Checks of a request before it is forwarded: its headers, and the length that its body
//! announces. Azure finds other errors.

use contract::ByteSize;

use crate::{
    answer::Answer,
    http1::{Message, RequestHead},
    metrics::Refusal,
};

/// Why a request is not sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The headers announce something else than remote write.
    Unsupported(String),
    /// There is no body.
    Empty,
    /// The body does not begin as snappy does.
    NotSnappy,
    /// The body claims to become larger than it may.
    TooLarge {
        /// The announced size, in bytes.
        claimed: usize,
        /// The limit.
        limit: ByteSize,
    },
}

/// Checks headers and body, and returns the message that they announce.
pub(crate) fn judge(head: &RequestHead, body: &[u8], limit: ByteSize) -> Result<Message, Refused> {
    let message = head.message().map_err(Refused::Unsupported)?;
    if body.is_empty() {
        return Err(Refused::Empty);
    }
    let claimed = snap::raw::decompress_len(body).map_err(|_| Refused::NotSnappy)?;
    if claimed > limit.length() { Err(Refused::TooLarge { claimed, limit }) } else { Ok(message) }
}

impl Refused {
    /// The reason, for metrics and the log.
    pub(crate) const fn reason(&self) -> Refusal {
        match self {
            Self::Unsupported(_) => Refusal::UnsupportedType,
            Self::Empty => Refusal::EmptyBody,
            Self::NotSnappy => Refusal::NotSnappy,
            Self::TooLarge { .. } => Refusal::DecompressedTooLarge,
        }
    }

    /// Final answers, all of them: none of this gets better by waiting.
    pub(crate) fn answer(&self) -> Answer {
        match self {
            Self::Unsupported(why) => Answer::text(415, format!("not remote write: {why}")),
            Self::Empty => Answer::text(400, "the body is empty"),
            Self::NotSnappy => {
                Answer::text(400, "the body is not snappy: its length header is broken")
            }
            Self::TooLarge { claimed, limit } => Answer::text(
                413,
                format!(
                    "the body claims to decompress to {claimed} bytes, more than MAX_DECOMPRESSED_BYTES={limit}: lower max_samples_per_send in Prometheus' remote_write queue_config"
                ),
            ),
        }
    }
}
