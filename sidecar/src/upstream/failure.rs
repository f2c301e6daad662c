//! Why Azure did not respond.

use std::io;

use thiserror::Error;

use super::connection::ExchangeError;
use crate::{
    dial::{DialError, with_causes},
    http1::HeadError,
    metrics::Refusal,
};

/// A request without an answer.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// No connection: the name, the network or the host.
    #[error("connect to the ingestion endpoint")]
    Connect(#[source] DialError),
    /// No TLS: a certificate that is not trusted, or a peer that speaks none.
    #[error("connect securely to the ingestion endpoint")]
    Tls(#[source] DialError),
    /// The connection broke before an answer.
    #[error("exchange a request with the ingestion endpoint")]
    Broken(#[source] io::Error),
    /// The answer is not HTTP.
    #[error("read the ingestion endpoint's answer")]
    Unreadable(#[source] HeadError),
    /// Success with a web page: something in between answered, which stored nothing.
    #[error("find the ingestion endpoint behind a web page (status {0})")]
    Page(u16),
    /// The time was over before there was a connection.
    #[error("connect to the ingestion endpoint in time")]
    Unconnected,
    /// The time was over.
    #[error("wait for the ingestion endpoint")]
    Timeout,
    /// There was no token to send the request with.
    #[error("obtain a token: {0}")]
    NoToken(String),
    /// There was an answer that concerns parts of the batch, and no memory just
    /// now to look at these.
    #[error("open the batch that Azure refused: MAX_IN_FLIGHT_BYTES is reached")]
    NoMemory,
    /// The batch is to be searched, and as many are as may be.
    #[error("search the batch that Azure refused: so many are refused that this one must wait")]
    Busy,
    /// The same batch is still being sent in parts for an earlier request.
    #[error("send a batch twice at once: an earlier request with it is not answered yet")]
    UnderWay,
}

impl Failure {
    /// A word for it, for metrics.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Connect(_) | Self::Unconnected => "connect",
            Self::Tls(_) => "tls",
            Self::Broken(_) => "broken",
            Self::Unreadable(_) => "unreadable",
            Self::Page(_) => "page",
            Self::Timeout => "timeout",
            Self::NoToken(_) => "no_token",
            Self::NoMemory => Refusal::InFlightLimit.as_str(),
            Self::Busy => Refusal::SearchLimit.as_str(),
            Self::UnderWay => Refusal::UnderWay.as_str(),
        }
    }

    /// Which of our limits it is, if it is not one of Azure.
    pub(crate) const fn our_limit(&self) -> Option<Refusal> {
        match self {
            Self::NoMemory => Some(Refusal::InFlightLimit),
            Self::Busy => Some(Refusal::SearchLimit),
            Self::UnderWay => Some(Refusal::UnderWay),
            _ => None,
        }
    }
    /// It as a sentence, with its causes.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Timeout => "the ingestion endpoint did not answer in time".to_owned(),
            failure => format!("cannot {}", with_causes(failure)),
        }
    }
}

impl From<DialError> for Failure {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Tls { .. } => Self::Tls(error),
            _ => Self::Connect(error),
        }
    }
}

impl From<ExchangeError> for Failure {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::BeforeAnswer(error) | ExchangeError::WithinAnswer(error) => {
                Self::Broken(error)
            }
            ExchangeError::Unreadable(error) => Self::Unreadable(error),
        }
    }
}
