//! The least that the webhook's TLS and HTTP stack can do with a review: read it
//! once, and allow the pod.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use axum::{Json, Router, body::Bytes, http::StatusCode, routing::post};
use clap::Args;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};
use tests::failure::{Context, Outcome};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What it is told.
#[derive(Debug, Args)]
pub(crate) struct Server {
    #[arg(long)]
    pub(crate) port: u16,
    /// The certificate chain, PEM.
    #[arg(long)]
    pub(crate) certificate: PathBuf,
    /// Its key, PEM.
    #[arg(long)]
    pub(crate) key: PathBuf,
}

/// Serves for ever.
pub(crate) async fn serve(server: Server) -> Outcome<()> {
    let chain = CertificateDer::pem_file_iter(&server.certificate)
        .and_then(Iterator::collect)
        .context("read the certificate")?;
    let key = PrivateKeyDer::from_pem_file(&server.key).context("read the key")?;
    let tls = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("use the certificate")?;
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let router = Router::new().route("/mutate", post(allow));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
    let listener = TcpListener::bind(address).await.context("listen")?;
    loop {
        let (stream, _) = listener.accept().await.context("accept")?;
        stream.set_nodelay(true).context("send without delay")?;
        let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            // A client that has gone.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn allow(body: Bytes) -> Result<Json<Value>, StatusCode> {
    let review: Value = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let uid = review.pointer("/request/uid");
    Ok(Json(json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": uid, "allowed": true},
    })))
}
