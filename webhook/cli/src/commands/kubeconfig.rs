//! The cluster of the kubeconfig.

use std::{error::Error as _, time::Duration};

use cli::needs::lookup::{Unread, with_causes};
use kube::config::KubeConfigOptions;

/// Of an API server that answers in milliseconds, behind the slowest proxy.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Runs `ask` with a client of the cluster of a context, or of the current one, which
/// answers.
///
/// # Errors
/// Where there is no kubeconfig that can be used, no one answers there, or `ask` fails: with
/// the cluster's URL.
pub(super) fn with_client<T>(
    context: Option<&str>,
    ask: impl AsyncFnOnce(kube::Client) -> Result<T, Unread>,
) -> Result<T, Unread> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    // kube takes the process' provider; there is one TLS stack here.
    let _first = rustls::crypto::aws_lc_rs::default_provider().install_default();
    runtime.block_on(async {
        let mut config = config_of(context).await?;
        // Repeated for minutes, a 429, 503 or 504 would not tell its reason.
        config.default_retry = false;
        let url = config.cluster_url.to_string();
        let found = match client(config).await {
            Ok(client) => ask(client).await,
            Err(reason) => Err(reason.into()),
        };
        found.map_err(|unread| unread.at(url.trim_end_matches('/')))
    })
}

/// A client of an API server that answers.
async fn client(config: kube::Config) -> Result<kube::Client, String> {
    let client = kube::Client::try_from(config).map_err(|error| describe(&error))?;
    tokio::time::timeout(ANSWERED_WITHIN, client.apiserver_version())
        .await
        .map_err(|_| format!("no answer within {} s", ANSWERED_WITHIN.as_secs()))?
        .map_err(|error| describe(&error))?;
    Ok(client)
}

async fn config_of(context: Option<&str>) -> Result<kube::Config, String> {
    let Some(context) = context else {
        let config = kube::Config::infer().await;
        return config.map_err(|error| describe(&kube::Error::InferConfig(error)));
    };
    let context = Some(context.to_owned());
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = kube::Config::from_kubeconfig(&options).await;
    config.map_err(|error| format!("kubeconfig: {}", with_causes(&error)))
}

/// Why no cluster answers, and what to do where there is no kubeconfig.
fn describe(error: &kube::Error) -> String {
    match error {
        // It names two places: a pod's own cluster is not what people mean.
        kube::Error::InferConfig(both) => {
            let kubeconfig = both.source().map(with_causes).unwrap_or_default();
            format!("{kubeconfig}; set KUBECONFIG to the kubeconfig of a cluster")
        }
        kube::Error::Api(status) => {
            let message = status.message.lines().next().unwrap_or_default();
            let cause = match status.code {
                401 => ": the credentials of the kubeconfig have expired or are wrong",
                _ => "",
            };
            format!("HTTP {}: {message}{cause}", status.code)
        }
        other => Unread::from(other).reason,
    }
}
