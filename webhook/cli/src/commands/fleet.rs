//! `status` and `check`: all clusters that were asked for, one after the other.

use std::process::ExitCode;

use cli::{
    doctor,
    status::{self, Overview, facts::FoundCluster, gather, render},
};

use super::{
    kubeconfig::with_client,
    streams::{CommandError, exit_code, write},
};
use crate::arguments::{Check, Clusters, Output, Status};

/// Writes a line for each sidecar, and all problems, at a time in seconds since 1970.
pub(crate) fn status(arguments: &Status, now: i64) -> ExitCode {
    if arguments.rbac {
        return exit_code(write(status::RIGHTS).map(|()| ExitCode::SUCCESS));
    }
    exit_code(gathered(arguments).and_then(|clusters| {
        let overview = Overview::new(&clusters, now);
        write(&match arguments.output {
            Output::Text => render::text(&overview, false, now),
            Output::Wide => render::text(&overview, true, now),
            Output::Json => render::json(&overview),
        })?;
        Ok(if overview.is_bad() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }))
}

fn gathered(arguments: &Status) -> Result<Vec<FoundCluster>, CommandError> {
    let clusters = &arguments.clusters;
    let namespace = clusters.namespace.as_deref();
    each(clusters, async |client| gather::gather(&client, namespace, !arguments.no_metrics).await)
        .map(|all| {
            let named = |(context, found)| FoundCluster { context, ..found };
            all.into_iter().map(named).collect()
        })
}

/// Runs `check` in each sidecar, and writes the reports that are not ok.
pub(crate) fn check(arguments: &Check) -> ExitCode {
    let Check { clusters, pods } = arguments;
    let namespace = clusters.namespace.as_deref();
    exit_code(
        each(clusters, async |client| doctor::check(&client, namespace, pods).await).and_then(
            |all| {
                for (context, checked) in &all {
                    let context = context.as_ref().map(|name| format!("{name}:\n"));
                    write(&(context.unwrap_or_default() + &doctor::render(checked)))?;
                }
                let bad = all.iter().any(|(_, checked)| doctor::is_bad(checked));
                Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
            },
        ),
    )
}

/// The content of each cluster, with its name if there are several.
fn each<T>(
    clusters: &Clusters,
    ask: impl AsyncFn(kube::Client) -> Result<T, String>,
) -> Result<Vec<(Option<String>, T)>, CommandError> {
    let current = [None];
    let named: Vec<_> = clusters.contexts.iter().map(|name| Some(name.as_str())).collect();
    let contexts = if named.is_empty() { &current[..] } else { &named };
    let mut all = Vec::new();
    for context in contexts {
        let found = with_client(*context, &ask)?.map_err(CommandError::Refused)?;
        all.push((context.filter(|_| contexts.len() > 1).map(str::to_owned), found));
    }
    Ok(all)
}
