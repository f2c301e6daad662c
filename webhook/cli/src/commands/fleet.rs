//! `status` and `check`: all clusters that were asked for, one after the other.

use std::process::ExitCode;

use cli::{
    check,
    needs::lookup::Unread,
    status::{self, Overview, facts::FoundCluster, gather, problems, render},
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
    let found = async |client| gather::gather(&client, namespace, !arguments.no_metrics).await;
    each(clusters, found, FoundCluster::unseen).map(|all| {
        let named = |(context, found)| FoundCluster { context, ..found };
        all.into_iter().map(named).collect()
    })
}

/// Runs `check` in each sidecar, and writes the reports that are not ok.
pub(crate) fn check(arguments: &Check) -> ExitCode {
    let Check { clusters, pods } = arguments;
    let namespace = clusters.namespace.as_deref();
    let checked = async |client| check::check(&client, namespace, pods).await;
    let unseen = |unread| check::unseen(&[unread], namespace);
    exit_code(each(clusters, checked, unseen).and_then(|all| {
        for (context, checked) in &all {
            let context = context.as_ref().map(|name| format!("{name}:\n"));
            write(&(context.unwrap_or_default() + &check::render(checked)))?;
        }
        let bad = all.iter().any(|(_, checked)| check::is_bad(checked));
        Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }))
}

/// The content of each cluster, with its name if there are several: then one that cannot be
/// read is `unseen`, and hides no other.
fn each<T>(
    clusters: &Clusters,
    ask: impl AsyncFn(kube::Client) -> Result<T, Unread>,
    unseen: impl Fn(Unread) -> T,
) -> Result<Vec<(Option<String>, T)>, CommandError> {
    let current = [None];
    let named: Vec<_> = clusters.contexts.iter().map(|name| Some(name.as_str())).collect();
    let contexts = if named.is_empty() { &current[..] } else { &named };
    let several = contexts.len() > 1;
    let mut all = Vec::new();
    for context in contexts {
        let found = match with_client(*context, &ask) {
            Err(unread) if several => unseen(unread),
            found => found.map_err(|unread| refused(clusters, *context, unread))?,
        };
        all.push((context.filter(|_| several).map(str::to_owned), found));
    }
    Ok(all)
}

fn refused(clusters: &Clusters, context: Option<&str>, unread: Unread) -> CommandError {
    let next = problems::next_step(&unread, clusters.namespace.as_deref());
    let next = if unread.is_forbidden { format!("; {next}") } else { String::new() };
    let unread = match context {
        Some(context) => unread.at(&format!("context {context}")),
        None => unread,
    };
    CommandError::Refused(unread.reason + &next)
}
