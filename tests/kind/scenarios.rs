//! What is done to the stack, in this order. Each undoes what it did.

mod azure;
mod mesh;
mod nodes;
mod people;
mod policies;
mod prometheus;
mod webhook;
mod workspaces;

use std::{future::ready, pin::Pin};

use tests::failure::{Failure, Outcome};

use super::{account::Tolerance, stack::Stack};

/// What a scenario does until it is over.
type Playing<'a> = Pin<Box<dyn Future<Output = Outcome<Tolerance>> + 'a>>;

/// One of them.
pub(crate) struct Scenario {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) what: &'static str,
    /// Does it, and returns the samples that may be missing.
    pub(crate) play: for<'a> fn(&'a Stack) -> Playing<'a>,
}

/// Those that run if none is named.
static ALL: [Scenario; 15] = [
    Scenario {
        name: "steady",
        what: "nothing happens",
        play: |stack| Box::pin(prometheus::steady(stack)),
    },
    Scenario {
        name: "overview",
        what: "people look at every sidecar, and Azure refuses everything for a moment",
        play: |stack| Box::pin(people::overview(stack)),
    },
    Scenario {
        name: "certificate",
        what: "the application's certificate is rotated in the vault, the old one taken back",
        play: |stack| Box::pin(azure::certificate(stack)),
    },
    Scenario {
        name: "webhook-restart",
        what: "the webhook is restarted pod by pod",
        play: |stack| Box::pin(ready(webhook::restart(stack))),
    },
    Scenario {
        name: "webhook-rotation",
        what: "the webhook's certificate is renewed",
        play: |stack| Box::pin(webhook::rotation(stack)),
    },
    Scenario {
        name: "webhook-secret",
        what: "the webhook's Secret and configuration are deleted",
        play: |stack| Box::pin(webhook::secret(stack)),
    },
    Scenario {
        name: "upgrade",
        what: "the chart is upgraded",
        play: |stack| Box::pin(ready(webhook::upgrade(stack))),
    },
    Scenario {
        name: "cut",
        what: "nothing reaches Azure: first refused, then swallowed",
        play: |stack| Box::pin(azure::cut(stack)),
    },
    Scenario {
        name: "identity",
        what: "no identity service issues tokens until all have ended",
        play: |stack| Box::pin(azure::identity(stack)),
    },
    Scenario {
        name: "two-workspaces",
        what: "one Prometheus writes to two workspaces, one of which gets no token for a while",
        play: |stack| Box::pin(workspaces::two(stack)),
    },
    Scenario {
        name: "restart",
        what: "every Prometheus is restarted in order",
        play: |stack| Box::pin(prometheus::restart(stack)),
    },
    Scenario {
        name: "kubelet",
        what: "the worker's kubelet is restarted",
        play: |stack| Box::pin(nodes::kubelet(stack)),
    },
    Scenario {
        name: "drain",
        what: "the worker is drained and comes back",
        play: |stack| Box::pin(nodes::drain(stack)),
    },
    Scenario {
        name: "delete",
        what: "every Prometheus pod is deleted without grace",
        play: |stack| Box::pin(prometheus::delete(stack)),
    },
    Scenario {
        name: "lie",
        what: "Azure throws samples away and says it has stored them: the account must notice",
        play: |stack| Box::pin(azure::lie(stack)),
    },
];

/// Those that run only if they are named: they change the network around everything else,
/// need programs that nothing else does, and take minutes.
static APART: [Scenario; 2] = [
    Scenario {
        name: "network-policy",
        what: "network policies are enforced: the chart's, then those of the examples",
        play: |stack| Box::pin(policies::enforced(stack)),
    },
    Scenario {
        name: "mesh",
        what: "Istio's rules redirect a pod's connections to a proxy, alive or dead",
        play: |stack| Box::pin(mesh::redirected(stack)),
    },
];

/// The named ones in their order; if none is named, [`ALL`].
pub(crate) fn chosen(named: &[String]) -> Outcome<Vec<&'static Scenario>> {
    if named.is_empty() {
        return Ok(ALL.iter().collect());
    }
    let known = || ALL.iter().chain(&APART);
    if let Some(unknown) = named.iter().find(|name| known().all(|one| one.name != **name)) {
        let known: Vec<_> = known().map(|one| one.name).collect();
        let text = format!("no scenario '{unknown}': expected some of {}", known.join(", "));
        return Err(Failure::new(text));
    }
    Ok(known().filter(|one| named.iter().any(|name| name == one.name)).collect())
}
