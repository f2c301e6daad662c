//! A response of the sidecar itself.

use std::{fmt::Write as _, time::Duration};

use crate::{http1::KEPT_OF_REFUSALS, upstream::Received};

/// Status, header fields and body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    closes: bool,
}

/// The type of every text of ours.
const TEXT: &str = "text/plain; charset=utf-8";

impl Answer {
    /// A text of ours: Prometheus shows its first line in its own log.
    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        Self::typed(status, TEXT, text.into() + "\n")
    }

    /// A body of the given type.
    pub(crate) fn typed(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let fields = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status, fields, body: body.into(), closes: false }
    }

    /// A text with which the client retries after a while.
    pub(crate) fn retry(status: u16, after: Duration, text: impl Into<String>) -> Self {
        Self::text(status, text).with_retry_after(after)
    }

    /// Azure's response: its status, allow-listed header fields and body. Its date is for
    /// us alone, to compare clocks with.
    pub(crate) fn passed_on(received: &Received) -> Self {
        let Received { status, fields, body } = received;
        let passes = |name: &str| name != "date" && !KEPT_OF_REFUSALS.contains(&name);
        let fields = fields.iter().filter(|(name, _)| passes(name)).cloned().collect();
        Self { status: *status, fields, body: body.clone(), closes: false }
    }

    /// The same with a text of ours.
    #[must_use]
    pub(crate) fn with_text(mut self, text: impl Into<String>) -> Self {
        self.body = (text.into() + "\n").into_bytes();
        self.with_field("content-type", TEXT)
    }

    #[must_use]
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    #[must_use]
    pub(crate) fn with_field(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.retain(|(found, _)| found != name);
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// In whole seconds, rounded up, as RFC 9110 has it.
    #[must_use]
    pub(crate) fn with_retry_after(self, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.with_field("retry-after", seconds.to_string())
    }

    /// The connection is closed after it: the following bytes cannot be parsed, or were
    /// not read.
    #[must_use]
    pub(crate) fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// With no more than so many bytes of its body.
    #[must_use]
    pub(crate) fn shortened(mut self, bytes: usize) -> Self {
        self.body.truncate(bytes);
        self.body.shrink_to_fit();
        self
    }

    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    pub(crate) const fn closes(&self) -> bool {
        self.closes
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// A header field's value; `name` in lower case.
    #[cfg(test)]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The bytes on the wire; to `HEAD` the body is left out.
    pub(crate) fn encode(&self, with_body: bool) -> Vec<u8> {
        let status = http::StatusCode::from_u16(self.status).ok();
        let reason = status.and_then(|status| status.canonical_reason()).unwrap_or_default();
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if self.status != 204 {
            let _ = write!(head, "content-length: {}\r\n", self.body.len());
        }
        if self.closes {
            head.push_str("connection: close\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if with_body && self.status != 204 {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_the_wire() {
        let answer = Answer::retry(503, Duration::from_millis(1500), "wait").closing();
        assert_eq!(
            String::from_utf8(answer.encode(true)).unwrap(),
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 2\r\ncontent-length: 5\r\nconnection: close\r\n\r\nwait\n"
        );
        let fields = vec![("date".to_owned(), "Thu, 01 Jan 1970 00:00:09 GMT".to_owned())];
        let received = Received { status: 204, fields, ..Received::default() };
        let wire = Answer::passed_on(&received).encode(true);
        assert_eq!(wire, b"HTTP/1.1 204 No Content\r\n\r\n");
    }
}
