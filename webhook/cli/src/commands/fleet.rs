//! `status`: all clusters that were asked for, one after the other.

use std::process::ExitCode;

use cli::status::{self, Overview, facts::FoundCluster, gather, render};

use super::{
    kubeconfig::with_client,
    streams::{CommandError, finish, write},
};
use crate::arguments::{Clusters, Output, Status};

/// Writes a line for each sidecar, and all problems, at a time in seconds since 1970.
pub(crate) fn status(arguments: &Status, now: i64) -> ExitCode {
    if arguments.rbac {
        return finish(write(status::RIGHTS).map(|()| ExitCode::SUCCESS));
    }
    finish(gathered(arguments).and_then(|clusters| {
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
    let Clusters { contexts, namespace, .. } = &arguments.clusters;
    let one = |context: Option<&str>| {
        let found = with_client(context, async |client| {
            gather::gather(&client, namespace.as_deref(), !arguments.no_metrics).await
        })?;
        found.map_err(CommandError::Refused)
    };
    if contexts.is_empty() {
        return Ok(vec![one(None)?]);
    }
    let named = |context: &String| {
        // A single cluster needs no name in its lines.
        let name = Some(context.clone()).filter(|_| contexts.len() > 1);
        Ok(FoundCluster { context: name, ..one(Some(context))? })
    };
    contexts.iter().map(named).collect()
}
