//! The least that can be written with hyper: what a library's own HTTP costs.
//!
//! Bodies are streamed, nothing is checked, counted, kept or retried.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use clap::Args;
use http::{HeaderValue, Request, Uri, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tests::{
    failure::{Context, Outcome},
    machine::process::Program,
};
use tokio::net::TcpListener;

use crate::stage::Stage;

/// What it is told.
#[derive(Debug, Args)]
pub(crate) struct Proxy {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    upstream: Uri,
    /// The authority that is trusted, PEM.
    #[arg(long)]
    trust: PathBuf,
    #[arg(long)]
    token: String,
}

/// The header fields that go on, as the sidecar has them.
const FORWARDED: [&str; 5] = [
    "content-type",
    "content-encoding",
    "content-length",
    "user-agent",
    "x-prometheus-remote-write-version",
];

struct State {
    client: Client<HttpsConnector<HttpConnector>, Incoming>,
    upstream: Uri,
    authorization: HeaderValue,
}

/// This program, started as the proxy.
pub(super) fn program(stage: &Stage, port: u16) -> Outcome<Program> {
    let this = std::env::current_exe().context("find this program")?;
    Ok(Program::new("the bare hyper proxy", this)
        .args(["bare-hyper", "--port", &port.to_string(), "--upstream", &stage.sink_url()])
        .args(["--trust", &stage.trust.display().to_string(), "--token", &stage.token]))
}

/// Serves for ever.
pub(crate) async fn serve(proxy: Proxy) -> Outcome<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, proxy.port)));
    let listener = listener.await.context("listen")?;
    let state = Arc::new(State::new(proxy)?);
    loop {
        let (stream, _) = listener.accept().await.context("accept")?;
        stream.set_nodelay(true).context("send without delay")?;
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| state.client.request(state.changed(request)));
            // A client that has gone.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

impl State {
    fn new(proxy: Proxy) -> Outcome<Self> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(&proxy.trust).context("read the authority")? {
            roots.add(root.context("read the authority")?).context("trust the authority")?;
        }
        let tls =
            rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        let bearer = format!("Bearer {}", proxy.token);
        let mut authorization = HeaderValue::try_from(bearer).context("use the token")?;
        authorization.set_sensitive(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(200)
            .build(connector);
        Ok(Self { client, upstream: proxy.upstream, authorization })
    }

    fn changed(&self, request: Request<Incoming>) -> Request<Incoming> {
        let (mut parts, body) = request.into_parts();
        let mut received = std::mem::take(&mut parts.headers);
        for name in FORWARDED {
            if let Some(value) = received.remove(name) {
                parts.headers.insert(name, value);
            }
        }
        parts.headers.insert(header::AUTHORIZATION, self.authorization.clone());
        parts.uri = self.upstream.clone();
        Request::from_parts(parts, body)
    }
}
