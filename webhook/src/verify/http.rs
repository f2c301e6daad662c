//! One HTTP request over its own connection.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// An API server waits up to 30 s for a webhook.
const PATIENCE: Duration = Duration::from_secs(35);
/// A pod or an error; more is not an answer to our requests.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// Sends `request` over `stream`; the answer's status and text.
pub(super) async fn send<S>(
    stream: S,
    request: Request<Body>,
) -> Result<(StatusCode, String), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::time::timeout(PATIENCE, exchange(stream, request))
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
}

async fn exchange<S>(stream: S, request: Request<Body>) -> Result<(StatusCode, String), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = to_bytes(Body::new(response.into_body()), MAX_ANSWER_BYTES)
            .await
            .map_err(|error| error.to_string())?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        // It ends with the exchange, or before it with an error.
        ended = connection => {
            ended.map_err(|error| error.to_string())?;
            exchange.await
        }
    }
}
