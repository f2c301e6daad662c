//! What the sidecar may use, so that the pod stays what it is: requests fit the
//! pod's own resources, a Guaranteed pod stays Guaranteed, and limits keep the
//! ratio to requests that `LimitRange` objects commonly demand.

use contract::{InvalidValue, Key, Limits, Overrides, Quantity};

use super::{Merge, annotation};
use crate::{
    config::{Profile, Resources},
    pod::Resource,
};

/// The most that `LimitRange` objects commonly allow as the ratio of a memory
/// limit to its request.
const MAX_MEMORY_RATIO: u128 = 4;
/// In a Guaranteed pod, where the request is the limit, too. A limit of 10m would
/// stop the sidecar for most of each period as soon as it has work to do.
const GUARANTEED_CPU: &str = "100m";
/// The most that requests in flight take, as a multiple of their size: recycled buffers
/// are held next to those in use.
const IN_FLIGHT_FACTOR: u128 = 2;

/// Request and limit of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Amounts {
    request: Option<Quantity>,
    limit: Option<Quantity>,
}

impl Amounts {
    fn is_equal(&self) -> bool {
        let amount = |quantity: &Option<Quantity>| quantity.as_ref().map(Quantity::thousandths);
        self.request.is_none() || amount(&self.request) == amount(&self.limit)
    }
}

impl Merge<'_> {
    /// The resources that profile and annotations give, or the configuration's.
    /// Of a pair that is given alone, the other amount changes as far as needed.
    pub(super) fn configured_resources(&mut self) -> Resources {
        let [cpu, memory] = [Resource::Cpu, Resource::Memory]
            .map(|resource| configured(&self.config.resources, &self.merged, resource));
        for (key, amounts) in [(Key::CpuRequest, &cpu), (Key::MemoryRequest, &memory)] {
            if let (Some(request), Some(limit)) = (&amounts.request, &amounts.limit)
                && request.thousandths() > limit.thousandths()
            {
                let expected = format!("at most the limit, which is {limit}");
                self.errors
                    .push(InvalidValue::expected(expected).at(annotation(key), request.as_str()));
            }
        }
        together(cpu, memory)
    }

    /// The configured resources as they fit this pod, and what its author should
    /// know about them.
    pub(super) fn fitting_resources(&self, configured: &Resources) -> (Resources, Vec<String>) {
        let has_own = self.pod.has_own_resources();
        let keeps_guaranteed = !has_own && self.pod.is_guaranteed();
        if !has_own && !keeps_guaranteed {
            return (configured.clone(), Vec::new());
        }
        let mut warnings = Vec::new();
        let mut fit = |resource| {
            let mut amounts = of(configured, resource);
            if keeps_guaranteed {
                amounts = self.guaranteed(resource, amounts, &mut warnings);
            }
            self.within_pod(resource, amounts, &mut warnings)
        };
        let (cpu, memory) = (fit(Resource::Cpu), fit(Resource::Memory));
        (together(cpu, memory), warnings)
    }

    /// Request and limit that are equal, unless both are given and are not.
    fn guaranteed(
        &self,
        resource: Resource,
        amounts: Amounts,
        warnings: &mut Vec<String>,
    ) -> Amounts {
        let overridden = overridden(&self.merged, resource);
        if overridden.limit.is_some() && !overridden.is_equal() {
            let name = resource.name();
            warnings.push(format!(
                "this pod was Guaranteed and becomes Burstable: set prom-remotewrite/{name}-request and prom-remotewrite/{name}-limit to the same amount"
            ));
            return amounts;
        }
        let single = overridden.limit.or(overridden.request);
        let usual = match resource {
            Resource::Cpu => amounts.limit.or_else(|| {
                let least: Option<Quantity> = GUARANTEED_CPU.parse().ok();
                amounts.request.into_iter().chain(least).max_by_key(Quantity::thousandths)
            }),
            Resource::Memory => amounts.limit.or(amounts.request),
        };
        let both = single.or(usual);
        Amounts { request: both.clone(), limit: both }
    }

    /// The rest of the pod-level resources: containers must not request more than the
    /// pod, and none may have a higher limit. A limit alone is a request, too.
    fn within_pod(
        &self,
        resource: Resource,
        amounts: Amounts,
        warnings: &mut Vec<String>,
    ) -> Amounts {
        let own = self.pod.own(resource);
        if own.is_requested_by_limit {
            if overridden(&self.merged, resource) != Amounts::default() {
                let name = resource.name();
                warnings.push(format!(
                    "the pod-level resources have a limit of {name} and no request, which would become the sidecar's: the sidecar has neither, and uses the pod's; add a pod-level request of {name}"
                ));
            }
            // A limit alone would be a request of the container.
            return Amounts::default();
        }
        let own_amount = amounts.request.as_ref().or(amounts.limit.as_ref()).cloned();
        if let (Some(total), Some(own_amount)) = (own.request, own_amount) {
            let room = total.saturating_sub(self.pod.requested_by_others(resource));
            if own_amount.thousandths() > room {
                if overridden(&self.merged, resource) != Amounts::default() {
                    warnings.push(format!(
                        "the pod-level resources leave no room for {} {own_amount}: the sidecar requests 0, and uses the pod's",
                        resource.name()
                    ));
                }
                // Set, and not omitted: a LimitRange would fill in an omitted one.
                return Amounts { request: Some(Quantity::none()), limit: own.limit };
            }
        }
        match (amounts.limit, own.limit) {
            (Some(limit), Some(most)) if limit.thousandths() > most.thousandths() => {
                Amounts { request: amounts.request, limit: Some(most) }
            }
            (limit, _) => Amounts { request: amounts.request, limit },
        }
    }
}

/// A profile's memory limit with which the sidecar is killed under load: one sentence.
pub fn memory_warning(config: &Resources, profile: &Profile) -> Option<String> {
    let limit = configured(config, &profile.overrides, Resource::Memory).limit?;
    short_of_memory(&limit, &profile.limits())
}

/// The same of any limit.
pub(super) fn short_of_memory(limit: &Quantity, limits: &Limits) -> Option<String> {
    let in_flight = limits.max_in_flight;
    if limit.thousandths() >= u128::from(in_flight.bytes()) * IN_FLIGHT_FACTOR * 1000 {
        return None;
    }
    let least = in_flight.to_string().parse::<Quantity>().ok()?.times(IN_FLIGHT_FACTOR);
    Some(format!(
        "the memory limit is {limit}, and requests in flight (maxInFlightBytes, {in_flight}) can take twice their size: raise the limit to at least {least}, or lower maxInFlightBytes of the profile"
    ))
}

fn configured(config: &Resources, settings: &Overrides, resource: Resource) -> Amounts {
    let Amounts { request, limit } = of(config, resource);
    match overridden(settings, resource) {
        Amounts { request: None, limit: None } => Amounts { request, limit },
        Amounts { request: Some(request), limit: None } => Amounts {
            limit: limit.map(|usual| limit_for(&request, usual, resource)),
            request: Some(request),
        },
        Amounts { request: None, limit: Some(limit) } => Amounts {
            request: request.map(|usual| request_for(&limit, usual, resource)),
            limit: Some(limit),
        },
        both => both,
    }
}

fn overridden(settings: &Overrides, resource: Resource) -> Amounts {
    let (request, limit) = match resource {
        Resource::Cpu => (&settings.cpu_request, &settings.cpu_limit),
        Resource::Memory => (&settings.memory_request, &settings.memory_limit),
    };
    Amounts { request: request.clone(), limit: limit.clone() }
}

/// The limit for a request that is given alone.
fn limit_for(request: &Quantity, usual: Quantity, resource: Resource) -> Quantity {
    if usual.thousandths() < request.thousandths() {
        request.clone()
    } else if exceeds_ratio(request, &usual, resource) {
        request.times(MAX_MEMORY_RATIO)
    } else {
        usual
    }
}

/// The request for a limit that is given alone.
fn request_for(limit: &Quantity, usual: Quantity, resource: Resource) -> Quantity {
    if usual.thousandths() > limit.thousandths() {
        limit.clone()
    } else if exceeds_ratio(&usual, limit, resource) {
        limit.divided(MAX_MEMORY_RATIO)
    } else {
        usual
    }
}

fn exceeds_ratio(request: &Quantity, limit: &Quantity, resource: Resource) -> bool {
    resource == Resource::Memory
        && limit.thousandths() > request.thousandths().saturating_mul(MAX_MEMORY_RATIO)
}

fn of(resources: &Resources, resource: Resource) -> Amounts {
    let (request, limit) = match resource {
        Resource::Cpu => (&resources.cpu_request, &resources.cpu_limit),
        Resource::Memory => (&resources.memory_request, &resources.memory_limit),
    };
    Amounts { request: request.clone(), limit: limit.clone() }
}

fn together(cpu: Amounts, memory: Amounts) -> Resources {
    Resources {
        cpu_request: cpu.request,
        cpu_limit: cpu.limit,
        memory_request: memory.request,
        memory_limit: memory.limit,
    }
}
