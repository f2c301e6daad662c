//! The cluster of the kubeconfig.

use std::io;

use kube::config::KubeConfigOptions;

use super::streams::CommandError;

/// Runs `ask` with a client of the cluster of a context, or of the current one, which
/// answers.
///
/// # Errors
/// Where there is no kubeconfig that can be used, or nobody answers there.
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
        let client = match context {
            Some(context) => client_of(context).await?,
            None => kube::Client::try_default().await.map_err(no_cluster)?,
        };
        client.apiserver_version().await.map_err(no_cluster)?;
        Ok(ask(client).await)
    })
}

async fn client_of(context: &str) -> Result<kube::Client, CommandError> {
    let context = Some(context.to_owned());
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = kube::Config::from_kubeconfig(&options).await;
    let config = config
        .map_err(|error| CommandError::File("kubeconfig".to_owned(), io::Error::other(error)))?;
    kube::Client::try_from(config).map_err(no_cluster)
}

fn no_cluster(error: kube::Error) -> CommandError {
    CommandError::Cluster { error }
}

/// What to do where there is no kubeconfig.
pub(super) const fn advice(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::InferConfig(_) => "; set KUBECONFIG to the kubeconfig of a cluster",
        _ => "",
    }
}

/// The innermost reason, where there is one besides the error's own text.
pub(super) fn cause(error: &kube::Error) -> String {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source.and_then(std::error::Error::source) {
        source = Some(inner);
    }
    source.map(|inner| format!(": {inner}")).unwrap_or_default()
}
