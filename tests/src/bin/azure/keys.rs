//! The cluster's keys, asked of its API server as Entra asks an issuer: first
//! the discovery document, then the keys.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tests::{
    azure::Azure,
    failure::{Context, Outcome},
    keys::jwt,
};
use tokio::time::sleep;

/// An API server that is restarted has other keys seldom, and soon enough.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// After a failure.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An issuer of tokens.
struct Issuer {
    url: String,
    keys: Vec<Vec<u8>>,
}

/// Keeps the issuer of every federated credential up to date; `ready` from the
/// first time on.
pub(crate) async fn follow(client: kube::Client, azure: Arc<Azure>, ready: Arc<AtomicBool>) {
    loop {
        match ask(&client).await {
            Ok(issuer) => {
                trust(&azure, &issuer);
                ready.store(true, Ordering::Relaxed);
                sleep(AGAIN_AFTER).await;
            }
            Err(failure) => {
                tests::say(failure);
                sleep(RETRY_AFTER).await;
            }
        }
    }
}

fn trust(azure: &Azure, issuer: &Issuer) {
    azure.change(|setup| {
        let applications = setup.applications.iter_mut();
        for federation in applications.flat_map(|application| &mut application.federations) {
            federation.issuer.clone_from(&issuer.url);
            federation.keys.clone_from(&issuer.keys);
        }
    });
}

async fn ask(client: &kube::Client) -> Outcome<Issuer> {
    let get = async |path: &str| -> Outcome<Value> {
        let request = http::Request::get(path).body(Vec::new()).context("make a request")?;
        client.request(request).await.context(format!("get {path}"))
    };
    let document = get("/.well-known/openid-configuration").await?;
    let url = document.get("issuer").and_then(Value::as_str).context("learn the issuer")?;
    let keys = jwt::public_keys(&get("/openid/v1/jwks").await?)?;
    Ok(Issuer { url: url.to_owned(), keys })
}
