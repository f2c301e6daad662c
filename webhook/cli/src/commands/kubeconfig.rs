//! The cluster of the kubeconfig.

use std::{error::Error, io, time::Duration};

use kube::config::KubeConfigOptions;

use super::streams::CommandError;

/// Of an API server that answers in milliseconds, behind the slowest proxy.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Runs `ask` with a client of the cluster of a context, or of the current one, which
/// answers.
///
/// # Errors
/// Where there is no kubeconfig that can be used, or no one answers there.
pub(super) fn with_client<T>(
    context: Option<&str>,
    ask: impl AsyncFnOnce(kube::Client) -> T,
) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error: io::Error| CommandError::File("the cluster".to_owned(), error))?;
    // kube takes the process' provider; there is one TLS stack here.
    let _first = rustls::crypto::aws_lc_rs::default_provider().install_default();
    runtime.block_on(async {
        let mut config = config_of(context).await?;
        // Repeated for minutes, a 429, 503 or 504 would not tell its reason.
        config.default_retry = false;
        let late =
            format!("{}: no answer within {} s", config.cluster_url, ANSWERED_WITHIN.as_secs());
        let client = kube::Client::try_from(config).map_err(no_cluster)?;
        tokio::time::timeout(ANSWERED_WITHIN, client.apiserver_version())
            .await
            .map_err(|_| CommandError::Refused(late))?
            .map_err(no_cluster)?;
        Ok(ask(client).await)
    })
}

async fn config_of(context: Option<&str>) -> Result<kube::Config, CommandError> {
    let Some(context) = context else {
        let config = kube::Config::infer().await;
        return config.map_err(|error| no_cluster(kube::Error::InferConfig(error)));
    };
    let context = Some(context.to_owned());
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = kube::Config::from_kubeconfig(&options).await;
    config.map_err(|error| CommandError::Refused(format!("kubeconfig: {}", with_causes(&error))))
}

fn no_cluster(error: kube::Error) -> CommandError {
    CommandError::Cluster { error }
}

/// Why no cluster answers, and what to do where there is no kubeconfig.
pub(super) fn describe(error: &kube::Error) -> String {
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
        other => with_causes(other),
    }
}

/// An error and its cause, each once: some texts have their cause in them. More lines
/// than one are an excerpt of the kubeconfig, which may be secret.
fn with_causes(error: &dyn Error) -> String {
    let first = |error: &dyn Error| error.to_string().lines().next().unwrap_or_default().to_owned();
    let mut text = first(error);
    let mut source = error.source();
    while let Some(cause) = source {
        let said = first(cause);
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}
