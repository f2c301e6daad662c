//! The certificate in use, and the one that is to replace it.
//!
//! A new certificate may be in the file before it is registered in Entra. So the
//! one that has brought a token stays in use until the new one has brought one
//! too, and the new one is tried again and again.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::certificate::Certificate;
use crate::backoff::doubling;

/// Between the first tries of a certificate that Entra does not accept yet:
/// registering it takes a person minutes, and a try costs one small request.
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// After many, on average: a registered certificate is in use within this and its half.
const MAX_RETRY: Duration = Duration::from_mins(5);

/// What the file has brought so far.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    in_use: Option<Arc<Certificate>>,
    /// Whether the one in use has brought a token.
    accepted: bool,
    next: Option<Next>,
    /// Why the file's present content cannot be used.
    trouble: Option<String>,
}

#[derive(Debug)]
struct Next {
    certificate: Arc<Certificate>,
    /// In a row.
    failures: u32,
    due: Instant,
}

impl Certificates {
    /// Takes what was found in the file; says whether it is another certificate.
    pub(super) fn take(&mut self, certificate: Certificate, now: Instant) -> bool {
        self.trouble = None;
        let is = |known: &Arc<Certificate>| known.leaf() == certificate.leaf();
        let in_use = self.in_use.as_ref().is_some_and(is);
        let known = in_use || self.next.as_ref().is_some_and(|next| is(&next.certificate));
        if self.accepted && !in_use {
            let certificate = Arc::new(certificate);
            self.next = Some(Next { certificate, failures: 0, due: now });
        } else {
            self.in_use = Some(Arc::new(certificate));
            self.next = None;
        }
        !known
    }

    /// Notes why the file's present content cannot be used.
    pub(super) fn reject(&mut self, trouble: String) {
        self.trouble = Some(trouble);
    }

    /// The certificate to sign with, or why there is none.
    pub(super) fn in_use(&self) -> Result<&Arc<Certificate>, &str> {
        let unread = "it has not been read yet";
        self.in_use.as_ref().ok_or_else(|| self.trouble.as_deref().unwrap_or(unread))
    }

    /// The newer certificate that has brought no token yet.
    pub(super) fn next(&self) -> Option<&Arc<Certificate>> {
        self.next.as_ref().map(|next| &next.certificate)
    }

    /// Whether it is time to try the next certificate.
    pub(super) fn next_is_due(&self, now: Instant) -> bool {
        self.next.as_ref().is_some_and(|next| next.due <= now)
    }

    /// Why the file's present content is not what is used.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The certificate in use has brought a token.
    pub(super) fn accept(&mut self) {
        self.accepted = true;
    }

    /// The next certificate has brought a token: it is in use from now on.
    pub(super) fn accept_next(&mut self) {
        if let Some(next) = self.next.take() {
            self.in_use = Some(next.certificate);
            self.accepted = true;
        }
    }

    /// The next certificate has brought no token; says when it is tried again.
    pub(super) fn retry_next(&mut self, now: Instant, chance: f64) -> Duration {
        let Some(next) = &mut self.next else { return Duration::ZERO };
        next.failures = next.failures.saturating_add(1);
        let pause = doubling(next.failures, FIRST_RETRY, MAX_RETRY, chance);
        next.due = now + pause;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(content: &[u8]) -> Certificate {
        Certificate::from_bytes(content, "").unwrap()
    }

    fn old() -> Certificate {
        certificate(include_bytes!("testdata/rc2-40.pfx"))
    }

    fn new() -> Certificate {
        certificate(include_bytes!("testdata/rsa3072.pem"))
    }

    #[test]
    fn a_certificate_that_never_worked_is_replaced_at_once() {
        let (mut certificates, now) = (Certificates::default(), Instant::now());
        assert!(certificates.in_use().unwrap_err().contains("not been read"));
        assert!(certificates.take(old(), now));
        assert!(!certificates.take(old(), now));
        assert!(certificates.take(new(), now));
        assert_eq!(certificates.in_use().unwrap().summary.subject, "CN=rsa3072");
        assert!(certificates.next().is_none());
    }

    #[test]
    fn one_that_works_stays_in_use_until_the_next_one_works() {
        let (mut certificates, now) = (Certificates::default(), Instant::now());
        certificates.take(old(), now);
        certificates.accept();
        assert!(certificates.take(new(), now));
        assert!(certificates.next_is_due(now));
        let mut pause = |chance| certificates.retry_next(now, chance).as_secs();
        assert_eq!([0.5; 7].map(&mut pause), [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!([0.0, 1.0].map(pause), [150, 450], "not all sidecars at once");
        assert!(!certificates.next_is_due(now + Duration::from_secs(449)));
        assert!(certificates.next_is_due(now + Duration::from_secs(450)));
        assert_eq!(certificates.in_use().unwrap().summary.subject, "O=Example, CN=prometheus");
        certificates.accept_next();
        assert_eq!(certificates.in_use().unwrap().summary.subject, "CN=rsa3072");
        assert!(certificates.next().is_none());
    }

    #[test]
    fn a_next_one_that_is_taken_back_is_forgotten() {
        let (mut certificates, now) = (Certificates::default(), Instant::now());
        certificates.take(old(), now);
        certificates.accept();
        certificates.take(new(), now);
        assert!(!certificates.take(old(), now));
        assert!(certificates.next().is_none());
    }
}
