//! CPU and memory of a pod without our container.

use contract::{Quantity, names};
use serde_json::{Map, Value};

use super::{Container, Pod};

/// Requests and limits of containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// In cores.
    Cpu,
    /// In bytes.
    Memory,
}

impl Resource {
    /// As Kubernetes writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }
}

/// The pod-level amount (`spec.resources`) of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OfPod {
    /// The maximum of the requests of all containers together, in thousandths.
    pub request: Option<u128>,
    /// The maximum of a container's limit.
    pub limit: Option<Quantity>,
    /// Whether the API server makes the limit the request, too: it does after webhooks are
    /// called, as long as no container has a request, even of 0.
    pub is_requested_by_limit: bool,
}

impl<'a> Pod<'a> {
    /// The pod-level amount of `resource`.
    pub(crate) fn own(self, resource: Resource) -> OfPod {
        let amount = |kind: &str| {
            self.spec_at(&["resources"])?.get(kind)?.get(resource.name()).filter(|v| !v.is_null())
        };
        let limit = amount("limits").and_then(|value| {
            let is_zero = thousandths(value) == Some(0);
            quantity(value).or_else(|| is_zero.then(Quantity::none))
        });
        // A request that cannot be read leaves no room.
        let request = amount("requests").map(|value| thousandths(value).unwrap_or(0));
        if request.is_some() || limit.is_none() {
            return OfPod { request, limit, is_requested_by_limit: false };
        }
        // For a pod that states its limit alone, the API server sums up its containers'.
        let requested = self.requested_by_others(resource);
        let request = (requested > 0).then_some(requested);
        OfPod { is_requested_by_limit: request.is_none(), request, limit }
    }

    /// Whether the pod as a whole has resources, which then decide on its quality
    /// of service.
    pub fn has_own_resources(self) -> bool {
        [Resource::Cpu, Resource::Memory].into_iter().any(|resource| {
            let own = self.own(resource);
            own.request.is_some() || own.limit.is_some()
        })
    }

    /// The sum of the requests of the containers that run next to the sidecar, in
    /// thousandths.
    pub fn requested_by_others(self, resource: Resource) -> u128 {
        let running = self.others().filter(|container| container.keeps_running());
        running.fold(0, |sum, one| sum.saturating_add(one.requested(resource)))
    }

    /// Whether every container has limits of CPU and memory and requests the
    /// same: quality of service `Guaranteed`.
    ///
    /// <https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/>
    pub fn is_guaranteed(self) -> bool {
        let is = |container: Container<'_>| {
            [Resource::Cpu, Resource::Memory].into_iter().all(|resource| {
                let limit = container.amount("limits", resource).and_then(thousandths);
                let request = container.amount("requests", resource);
                limit.is_some_and(|limit| {
                    limit > 0 && request.is_none_or(|value| thousandths(value) == Some(limit))
                })
            })
        };
        self.others().next().is_some() && self.others().all(is)
    }

    /// Whether the requests of all containers together are more than the pod's own request
    /// of `resource`, so that the API server rejects the pod; without those of `sidecar` they
    /// may fit.
    pub fn exceeds_own(self, resource: Resource, sidecar: Container<'_>) -> bool {
        let own =
            self.spec_at(&["resources"]).and_then(|all| all.get("requests")?.get(resource.name()));
        let Some(own) = own.and_then(thousandths) else { return false };
        let ours = sidecar.requested(resource);
        ours > 0 && self.requested_by_others(resource).saturating_add(ours) > own
    }

    fn others(self) -> impl Iterator<Item = Container<'a>> {
        self.containers().filter(|container| container.name() != names::CONTAINER)
    }
}

impl Container<'_> {
    /// What it requests, as it is written.
    pub fn requests(&self) -> Map<String, Value> {
        let requests = self.raw.get("resources").and_then(|all| all.get("requests")?.as_object());
        requests.cloned().unwrap_or_default()
    }

    /// Its request, in thousandths; a limit without a request is a request, too. An
    /// invalid amount counts as everything.
    fn requested(self, resource: Resource) -> u128 {
        let amount = self.amount("requests", resource).or_else(|| self.amount("limits", resource));
        amount.map_or(0, |value| thousandths(value).unwrap_or(u128::MAX))
    }

    fn amount(&self, kind: &str, resource: Resource) -> Option<&Value> {
        let amounts = self.raw.get("resources")?.get(kind)?;
        amounts.get(resource.name()).filter(|value| !value.is_null())
    }
}

/// An amount above 0, which manifests also write as a number.
fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

fn thousandths(value: &Value) -> Option<u128> {
    let is_zero = |text: &str| text.trim_matches(['0', '.']).is_empty() && !text.is_empty();
    match value {
        Value::String(text) if is_zero(text) => Some(0),
        Value::Number(number) if is_zero(&number.to_string()) => Some(0),
        other => quantity(other).map(|quantity| quantity.thousandths()),
    }
}
