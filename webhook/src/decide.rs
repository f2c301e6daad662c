//! Whether a pod gets a sidecar, with the reason.
//!
//! Not requested: unchanged. Requested, and a sidecar exists: unchanged, or repaired.
//! Requested and impossible: denied with all errors, because a Prometheus without its
//! sidecar silently loses data, and because users of a `StatefulSet` see only the text of
//! the denial.

mod decision;
mod neighbours;
#[cfg(test)]
mod tests;

use contract::{
    SettingError,
    annotations::{self, INJECT, Inject},
};

use crate::{
    config::Config,
    effective::{Effective, settings_for},
    inject,
    pod::{Container, Pod},
};

pub use decision::{
    Decision, Denial, DenyReason, Injection, Repair, RepairReason, Skip, SkipReason,
};
pub use neighbours::{
    MICROSOFTS_IMAGES, NODE_PORTS, is_hand_written, is_injected_by_us, repository,
};

/// Where the kubelet marks its mirror pods.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A warning that is longer may be cut by the API server.
const MAX_WARNING_CHARS: usize = 256;

/// Decides about `pod`, as it is to be created.
pub fn decide(config: &Config, pod: Pod<'_>) -> Decision {
    let mut decision = match unasked(pod) {
        Some(skip) => Decision::Skip(skip),
        None => asked(config, pod),
    };
    let warnings = match &mut decision {
        Decision::Inject(injection) => &mut injection.warnings,
        Decision::Repair(repair) => &mut repair.warnings,
        Decision::Skip(skip) => &mut skip.warnings,
        Decision::Deny(_) => return decision,
    };
    for warning in warnings {
        if let Some((end, _)) = warning.char_indices().nth(MAX_WARNING_CHARS) {
            warning.truncate(end);
        }
    }
    decision
}

/// Decisions that need no configuration; the case of nearly every pod.
fn unasked(pod: Pod<'_>) -> Option<Skip> {
    let Some(value) = pod.annotation(INJECT) else {
        return Some(Skip { reason: SkipReason::NotAskedFor, warnings: without_inject(pod) });
    };
    match annotations::parse_inject(value) {
        Ok(Inject { asks: false, .. }) => {
            let warnings = unusual(value).into_iter().collect();
            Some(Skip { reason: SkipReason::OptedOut, warnings })
        }
        _ if pod.annotation(MIRROR).is_some() => {
            let warning = "no remote-write sidecar is injected into a static pod";
            Some(Skip { reason: SkipReason::MirrorPod, warnings: vec![warning.to_owned()] })
        }
        _ => None,
    }
}

/// Annotations of ours in a pod that does not ask: perhaps it means to.
fn without_inject(pod: Pod<'_>) -> Vec<String> {
    let ours = |name: &str| name.starts_with(annotations::PREFIX) && name != annotations::INJECTED;
    if !pod.annotations().any(|(name, _)| ours(name)) {
        return Vec::new();
    }
    let unknown = annotations::unknown_names(pod.annotations());
    let mut warnings: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    warnings.push(
        "prom-remotewrite/ annotations have no effect without prom-remotewrite/inject: \"true\""
            .to_owned(),
    );
    warnings
}

/// A spelling of `inject` that is understood, but not documented.
fn unusual(value: &str) -> Option<String> {
    let inject = annotations::parse_inject(value).ok().filter(|inject| !inject.is_usual)?;
    let asks = inject.asks;
    Some(format!("{INJECT}={value:?} is read as \"{asks}\": write \"{asks}\""))
}

fn asked(config: &Config, pod: Pod<'_>) -> Decision {
    match neighbours::sidecar(config, pod) {
        Some(neighbours::Sidecar::Ours(index, container)) => {
            return there_already(config, pod, index, container);
        }
        Some(neighbours::Sidecar::HandWritten(name)) => {
            let warning = format!(
                "container {name:?} is a remote-write sidecar already: none is injected, and prom-remotewrite/ settings have no effect"
            );
            let reason = SkipReason::HandWritten;
            return Decision::Skip(Skip { reason, warnings: vec![warning] });
        }
        None => {}
    }
    let settings = settings_for(config, pod);
    let obstacles = neighbours::obstacles(pod, settings.as_ref().ok());
    match settings {
        Ok(effective) if obstacles.is_empty() => {
            let spelling = pod.annotation(INJECT).and_then(unusual);
            let warnings = spelling.into_iter().chain(neighbours::warnings(pod, &effective));
            let warnings = warnings.collect();
            Decision::Inject(Box::new(Injection { effective, warnings }))
        }
        Ok(_) => deny(&[], &obstacles),
        Err(errors) => deny(&errors, &obstacles),
    }
}

/// A pod that was injected before, perhaps elsewhere or in an earlier pass.
fn there_already(
    config: &Config,
    pod: Pod<'_>,
    index: usize,
    container: Container<'_>,
) -> Decision {
    let effective = settings_for(config, pod).ok();
    let mut warnings: Vec<String> =
        effective.as_ref().and_then(|effective| stale(effective, pod)).into_iter().collect();
    let mut additions = inject::repair(pod, (index, container), effective.as_ref());
    let probes = effective.map(|effective| inject::probes((index, container), &effective));
    let probes = probes.unwrap_or_default();
    let requests = inject::requests(pod, (index, container));
    let reason = if !additions.is_empty() {
        warnings.push(
            "another webhook has removed fields of the remote-write sidecar, which are added again: it should be updated"
                .to_owned(),
        );
        RepairReason::Incomplete
    } else if !probes.is_empty() {
        RepairReason::BehindMesh
    } else if requests.is_some() {
        RepairReason::NoRoom
    } else {
        return Decision::Skip(Skip { reason: SkipReason::AlreadyInjected, warnings });
    };
    additions.fields.extend(probes.into_iter().chain(requests));
    Decision::Repair(Box::new(Repair { reason, additions, warnings }))
}

/// Everything that prevents an injection, in one sentence that needs no context.
fn deny(errors: &[SettingError], obstacles: &[(DenyReason, String)]) -> Decision {
    let report = (!errors.is_empty()).then(|| contract::report(errors));
    let others = obstacles.iter().map(|(_, text)| text.clone());
    let texts: Vec<String> = report.into_iter().chain(others).collect();
    let first = obstacles.first().map(|(reason, _)| *reason);
    let reason = first.filter(|_| errors.is_empty()).unwrap_or(DenyReason::BadAnnotations);
    let message = format!("cannot inject the remote-write sidecar: {}", texts.join("; "));
    Decision::Deny(Denial { reason, message })
}

/// Whether the sidecar in this pod was injected with settings that are not
/// today's.
fn stale(effective: &Effective, pod: Pod<'_>) -> Option<String> {
    let hash = &effective.fingerprint;
    let injected = pod.annotation(annotations::INJECTED)?;
    (!injected.ends_with(hash)).then(|| {
        format!(
            "the sidecar in this pod was injected with other settings ({injected}); today's are {hash}"
        )
    })
}
