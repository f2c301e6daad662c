//! Azure's response, and what its status says of the batch.

use crate::redact;

/// Azure's response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) status: u16,
    /// Allow-listed header fields: name in lower case, value.
    pub(crate) fields: Vec<(String, String)>,
    /// The body's beginning.
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// A header field's value; `name` in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether its body is a web page: something in between answers, and not Azure.
    pub(crate) fn is_page(&self) -> bool {
        if self.body.is_empty() {
            return false;
        }
        let lower = String::from_utf8_lossy(&self.body).to_ascii_lowercase();
        let start = lower.trim_start_matches('\u{feff}').trim_start();
        self.field("content-type").is_some_and(|kind| kind.contains("html"))
            || start.starts_with("<!doctype html")
            || start.starts_with("<html")
            || start.contains("<head")
    }

    /// The meaning of its status for the batch. A status is final only if it is listed
    /// here: it is then about the batch itself, and not about anything that can be fixed.
    pub(crate) fn meaning(&self) -> Meaning {
        match self.status {
            200..=299 => Meaning::Accepted,
            400 => Meaning::Content,
            413 => Meaning::TooLarge,
            // A firewall's page says nothing of the batch.
            409 | 415 | 422 if self.is_page() => Meaning::Retry,
            409 | 415 | 422 => Meaning::Final,
            401..=408 | 410..=412 | 414 | 416..=421 | 423..=599 => Meaning::Retry,
            _ => Meaning::Unexpected,
        }
    }

    /// Whether what is sent may be the cause of a status that is otherwise retried: a
    /// firewall may dislike one payload. It never is for a token, a proxy's login, a
    /// time limit, throttling or an outage, however long these last.
    pub(crate) const fn may_be_for_payload(&self) -> bool {
        !matches!(self.status, 401 | 407 | 408 | 425 | 429 | 502..=504)
    }

    /// The same without secrets, as the response to a request with `authorization`, and
    /// without a body that no one can read.
    pub(super) fn redacted(mut self, authorization: &[u8]) -> Self {
        if self.body.is_empty() && self.meaning() == Meaning::Accepted {
            return self;
        }
        let authorization = String::from_utf8_lossy(authorization);
        let token = authorization.rsplit(' ').next().unwrap_or_default();
        for (_, value) in &mut self.fields {
            *value = redact::text(value, &[token]);
        }
        let encoding = self.field("content-encoding").filter(|name| *name != "identity");
        let unreadable = match (encoding, self.body.len()) {
            (_, 0) => None,
            (Some(encoding), length) => Some(format!("compressed with {encoding}: {length} bytes")),
            (None, length) => is_binary(&self.body).then(|| format!("binary: {length} bytes")),
        };
        self.body = match unreadable {
            Some(form) => format!("the answer's body is {form}, which are not shown").into_bytes(),
            None => redact::text(&String::from_utf8_lossy(&self.body), &[token]).into_bytes(),
        };
        self
    }
}

/// The meaning of a status for the batch that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is stored.
    Accepted,
    /// It is too large as a whole.
    TooLarge,
    /// It, or a part of it, is refused, if the refusal is not about everything.
    Content,
    /// It is refused, and always will be.
    Final,
    /// Nothing that time, an operator or something on the way could not change.
    Retry,
    /// This is not how an ingestion endpoint answers.
    Unexpected,
}

/// Control characters that no text has.
fn is_binary(body: &[u8]) -> bool {
    body.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace() && *byte != 0x1b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_shows_neither_what_was_sent_nor_what_is_unreadable() {
        let sent =
            "Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiIsImtpZCI6IkEifQ.eyJhdWQiOiJh".to_owned();
        let received = Received {
            status: 403,
            fields: vec![("x-ms-request-id".into(), sent.clone())],
            body: sent.clone().into_bytes(),
        };
        let received = received.redacted(sent.as_bytes());
        assert_eq!(received.field("x-ms-request-id"), Some("Bearer …"));
        assert_eq!(received.body, "Bearer …".as_bytes());

        let fields = vec![("content-encoding".to_owned(), "gzip".to_owned())];
        let received = Received { status: 400, fields, body: vec![0x1f, 0x8b, 8] };
        let received = received.redacted(sent.as_bytes());
        let shown = String::from_utf8(received.body).unwrap();
        assert!(shown.contains("compressed with gzip: 3 bytes"), "{shown}");
        let received = Received { status: 400, body: vec![0, 159, 200], ..Received::default() };
        let received = received.redacted(sent.as_bytes());
        assert!(String::from_utf8(received.body).unwrap().contains("binary: 3 bytes"));
    }

    #[test]
    fn a_web_page_says_nothing_of_the_batch() {
        let received = |status, kind: &str, body: &str| {
            let fields = vec![("content-type".to_owned(), kind.to_owned())];
            Received { status, fields, body: body.into() }
        };
        for status in [409, 415, 422] {
            assert_eq!(received(status, "application/json", "{}").meaning(), Meaning::Final);
            assert_eq!(received(status, "", "").meaning(), Meaning::Final);
            for page in ["\u{feff} <!DOCTYPE html>", "<HTML>waf", "x<head>"] {
                assert_eq!(received(status, "", page).meaning(), Meaning::Retry, "{page}");
            }
            assert_eq!(received(status, "text/html", "waf").meaning(), Meaning::Retry);
        }
    }
}
