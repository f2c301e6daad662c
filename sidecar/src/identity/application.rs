//! An application that signs its assertions with a certificate.

use std::{sync::Arc, time::SystemTime};

use tokio::time::Instant;
use tracing::{info, warn};

use super::{
    assertion::Signer,
    certificate::{Certificate, Summary},
    certificate_file::CertificateFile,
    certificates::Certificates,
    exchange::{Exchange, Registration},
    fetch_error::{FetchError, FetchErrorKind},
    token::Token,
};
use crate::backoff::chance;

/// What a look at the certificate's file brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Nothing new since the last look, be it good or bad.
    Unchanged,
    /// Another certificate, or the first one after what could not be used.
    Changed,
    /// Something new that cannot be used, in words; what there was stays.
    Failed(String),
}

/// An application and its certificates.
#[derive(Debug)]
pub(super) struct Application {
    registration: Registration,
    send_chain: bool,
    file: CertificateFile,
    certificates: Certificates,
    /// Whether the file was looked at before: its first content is no change.
    has_looked: bool,
    /// What an attempt found in the file, for the next [`Self::reload`] to tell.
    unreported: Option<Reload>,
    now: fn() -> SystemTime,
}

impl Application {
    pub(super) fn new(
        registration: Registration,
        certificate: &contract::Certificate,
        now: fn() -> SystemTime,
    ) -> Self {
        Self {
            registration,
            send_chain: certificate.send_chain,
            file: CertificateFile::new(certificate),
            certificates: Certificates::default(),
            has_looked: false,
            unreported: None,
            now,
        }
    }

    /// What is new in the file.
    pub(super) async fn reload(&mut self) -> Reload {
        self.look().await;
        self.unreported.take().unwrap_or(Reload::Unchanged)
    }

    /// The certificate that the next assertion is signed with.
    pub(super) fn certificate(&self) -> Option<&Summary> {
        self.certificates.in_use().ok().map(|certificate| &certificate.summary)
    }

    /// The newer one that Entra has not accepted yet.
    pub(super) fn next_certificate(&self) -> Option<&Summary> {
        self.certificates.next().map(|certificate| &certificate.summary)
    }

    /// Whether it is time to try the newer certificate.
    pub(super) fn next_is_due(&self) -> bool {
        self.certificates.next_is_due(Instant::now())
    }

    /// One attempt with the certificate in use. Should Entra refuse it, the newer
    /// one is tried at once, if there is one.
    pub(super) async fn fetch(&mut self, exchange: &Exchange) -> Result<Token, FetchError> {
        self.look().await;
        let in_use = self.certificates.in_use().cloned().map_err(|trouble| {
            FetchError::lasting(FetchErrorKind::Certificate, format!("no certificate: {trouble}"))
        })?;
        let refused = match self.ask(exchange, &in_use).await {
            Ok(token) => {
                self.certificates.accept();
                return Ok(token);
            }
            Err(error) if error.transient || error.kind != FetchErrorKind::EntraRefused => {
                return Err(error);
            }
            Err(refused) => self.describe(refused, &in_use.summary),
        };
        match self.try_next(exchange).await {
            None => Err(refused),
            Some(Ok(token)) => Ok(token),
            Some(Err(error)) => {
                Err(error.and(&format!("the older certificate is refused, too: {refused}")))
            }
        }
    }

    /// One attempt with the newer certificate, which is in use from then on if it
    /// brings a token; `None` if there is none.
    pub(super) async fn try_next(
        &mut self,
        exchange: &Exchange,
    ) -> Option<Result<Token, FetchError>> {
        let next = Arc::clone(self.certificates.next()?);
        let result = self.ask(exchange, &next).await;
        let new = &next.summary;
        match &result {
            Ok(_) => {
                self.certificates.accept_next();
                info!(certificate = %new, "Entra accepts the new certificate: it is now in use");
            }
            Err(error) => {
                let retry_seconds =
                    self.certificates.retry_next(Instant::now(), chance()).as_secs();
                let old = self.certificate().map(ToString::to_string).unwrap_or_default();
                warn!(
                    %new,
                    old,
                    retry_seconds,
                    "no token with the new certificate, the old one stays in use: {error}"
                );
            }
        }
        Some(result.map_err(|error| self.describe(error, new)))
    }

    async fn look(&mut self) {
        let Some(content) = self.file.look().await else { return };
        let is_first = !std::mem::replace(&mut self.has_looked, true);
        let found = match content {
            Ok(certificate) => {
                if !self.certificates.take(certificate, Instant::now()) || is_first {
                    return;
                }
                Reload::Changed
            }
            Err(trouble) => {
                self.certificates.reject(trouble.clone());
                Reload::Failed(trouble)
            }
        };
        self.unreported = Some(found);
    }

    async fn ask(
        &self,
        exchange: &Exchange,
        certificate: &Arc<Certificate>,
    ) -> Result<Token, FetchError> {
        let signer =
            Signer::new(Arc::clone(certificate), &self.registration, self.send_chain, self.now);
        exchange.client_assertion_token(&self.registration, signer).await
    }

    /// An error, with what explains it about the certificate.
    fn describe(&self, error: FetchError, used: &Summary) -> FetchError {
        let now = (self.now)();
        let mut described = error.and(&format!("the certificate used is {used}"));
        if used.not_after < now {
            described = described.and("it has expired");
        } else if now < used.not_before {
            described = described.and("it is not valid yet");
        }
        match self.certificates.trouble() {
            Some(trouble) => described.and(&format!("a newer one cannot be used: {trouble}")),
            None => described,
        }
    }
}
