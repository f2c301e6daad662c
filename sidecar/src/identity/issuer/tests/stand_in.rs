//! A token service on loopback that answers what it is told to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{dial::Dialer, metrics::DialCounters, trust::Trust};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) uri: String,
    pub(super) metadata: Option<String>,
    pub(super) identity_header: Option<String>,
    pub(super) form: Vec<(String, String)>,
}

impl Seen {
    /// A field of the form.
    pub(super) fn field(&self, name: &str) -> &str {
        let field = self.form.iter().find(|(key, _)| key == name);
        field.map_or("", |(_, value)| value)
    }
}

/// Status, `Retry-After` if any, body.
pub(super) type Answer = (u16, Option<&'static str>, String);

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    seen: Vec<Seen>,
}

#[derive(Clone)]
pub(super) struct StandIn {
    pub(super) address: String,
    state: Arc<Mutex<State>>,
}

impl StandIn {
    /// Plain, as the metadata service is.
    pub(super) async fn plain() -> Self {
        Self::start(None).await
    }

    /// With TLS, and what connects to it and trusts it only.
    pub(super) async fn tls() -> (Self, Dialer) {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned(), "login.example".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let der = CertificateDer::from(certificate.der().to_vec());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![der.clone()], key)
            .unwrap();
        let stand_in = Self::start(Some(TlsAcceptor::from(Arc::new(server)))).await;
        (stand_in, trusting(vec![der]))
    }

    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}", listener.local_addr().unwrap());
        let stand_in = Self { address, state: Arc::default() };
        tokio::spawn(stand_in.clone().serve(listener, tls));
        stand_in
    }

    async fn serve(self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        while let Ok((stream, _)) = listener.accept().await {
            let (this, tls) = (self.clone(), tls.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| this.clone().answer(request));
                let server = http1::Builder::new();
                // That a client goes away is no failure of the test.
                let _ = match tls {
                    None => server.serve_connection(TokioIo::new(stream), service).await,
                    Some(tls) => {
                        let Ok(stream) = tls.accept(stream).await else { return };
                        server.serve_connection(TokioIo::new(stream), service).await
                    }
                };
            });
        }
    }

    async fn answer(self, request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let seen = Seen {
            uri: parts.uri.to_string(),
            metadata: header("metadata").map(ToOwned::to_owned),
            identity_header: header("x-identity-header").map(ToOwned::to_owned),
            form: url::form_urlencoded::parse(&body).into_owned().collect(),
        };
        let mut state = self.state.lock().unwrap();
        state.seen.push(seen);
        let unexpected = || (599, None, "no answer was queued".to_owned());
        let (status, retry_after, body) = state.answers.pop_front().unwrap_or_else(unexpected);
        let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
        if let Some(value) = retry_after {
            response = response.header("retry-after", value);
        }
        Ok(response.body(Full::from(body)).unwrap())
    }

    /// Queues an answer.
    pub(super) fn will(&self, status: u16, body: impl Into<String>) {
        self.state.lock().unwrap().answers.push_back((status, None, body.into()));
    }

    /// Queues an answer with `Retry-After`.
    pub(super) fn will_after(&self, status: u16, retry_after: &'static str) {
        let answer = (status, Some(retry_after), String::new());
        self.state.lock().unwrap().answers.push_back(answer);
    }

    /// The requests since the last call.
    pub(super) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }
}

/// Connects directly, and trusts these certificates only.
pub(super) fn trusting(roots: Vec<CertificateDer<'static>>) -> Dialer {
    Dialer::new(None, &Trust::in_certificates(roots), &DialCounters::default())
}
