//! An application that signs its assertions with a certificate.
//!
//! A new certificate in the file is used at once. Should Entra not know it
//! yet, the one before it is tried in the same attempt.

use std::{sync::Arc, time::SystemTime};

use super::{
    assertion::Signer,
    certificate::{Certificate, Summary},
    certificate_file::{CertificateFile, Reload},
    exchange::{Exchange, Registration},
    fetch_error::{FetchError, FetchErrorKind},
    refusal::Refusal,
    token::Token,
};

/// An application and its certificate's file.
#[derive(Debug)]
pub(super) struct Application {
    registration: Registration,
    send_chain: bool,
    file: CertificateFile,
    /// What an attempt found in the file and nobody was told yet.
    untold: Option<Reload>,
    now: fn() -> SystemTime,
}

impl Application {
    pub(super) fn new(
        registration: Registration,
        certificate: &contract::Certificate,
        now: fn() -> SystemTime,
    ) -> Self {
        let file = CertificateFile::new(certificate);
        Self { registration, send_chain: certificate.send_chain, file, untold: None, now }
    }

    /// What is new in the file.
    pub(super) fn reload(&mut self) -> Reload {
        match (self.file.reload(), self.untold.take()) {
            (Reload::Unchanged, Some(untold)) => untold,
            (found, _) => found,
        }
    }

    /// The certificate that the next assertion is signed with.
    pub(super) fn certificate(&self) -> Option<&Summary> {
        self.file.current().ok().map(|certificate| &certificate.summary)
    }

    /// One attempt, with the certificate as it is now in the file.
    pub(super) async fn fetch(&mut self, exchange: &Exchange) -> Result<Token, FetchError> {
        let found = self.file.reload();
        let current = self.file.current().cloned().map_err(|trouble| {
            FetchError::lasting(FetchErrorKind::Certificate, format!("no certificate: {trouble}"))
        })?;
        if let Reload::Failed(_) = found {
            self.untold = Some(found);
        }
        let refused = match self.ask(exchange, &current).await {
            Ok(token) => {
                self.file.prove();
                return Ok(token);
            }
            Err(refused) if !concerns_certificate(&refused) => return Err(refused),
            Err(refused) => refused,
        };
        if let Some(previous) = self.file.previous()
            && let Ok(token) = self.ask(exchange, previous).await
        {
            tracing::warn!(
                new = %current.summary,
                old = %previous.summary,
                %refused,
                "Entra refuses the new certificate: the old one is used"
            );
            return Ok(token);
        }
        Err(self.describe(refused, &current.summary))
    }

    async fn ask(
        &self,
        exchange: &Exchange,
        certificate: &Arc<Certificate>,
    ) -> Result<Token, FetchError> {
        let signer =
            Signer::new(Arc::clone(certificate), &self.registration, self.send_chain, self.now);
        exchange.by_assertion(&self.registration, signer).await
    }

    /// A refusal, with what explains it about the certificate.
    fn describe(&self, refused: FetchError, used: &Summary) -> FetchError {
        let now = (self.now)();
        let mut described = refused.and(&format!("the certificate used is {used}"));
        if used.not_after < now {
            described = described.and("it has expired");
        } else if now < used.not_before {
            described = described.and("it is not valid yet");
        }
        match self.file.trouble() {
            Some(trouble) => described.and(&format!("a newer one cannot be used: {trouble}")),
            None => described,
        }
    }
}

/// Whether another certificate might be accepted.
fn concerns_certificate(error: &FetchError) -> bool {
    error.code.and_then(Refusal::of).is_some_and(|refusal| refusal.by_certificate)
}
