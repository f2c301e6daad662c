//! What happens to the webhook. Samples do not pass through it: they must flow
//! as if nothing were, and pods that are created meanwhile get their sidecars.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use tests::{
    failure::{Context, Failure, Outcome},
    kubernetes::deployment::{Helm, RELEASE, RELEASE_NAMESPACE},
};

use crate::{
    account::Tolerance,
    probe::{Probe, Seen},
    stack::{Stack, eventually},
};

const DEPLOYMENT: &str = "deployment/prom-remotewrite-webhook";
const SECRET: &str = "prom-remotewrite-webhook-tls";
const DELETE_SECRET: [&str; 5] = ["delete", "secret", SECRET, "-n", RELEASE_NAMESPACE];
/// A repair takes about 0.1 s, a renewal as long as the values set, which is 5 s.
const HEALED_WITHIN: Duration = Duration::from_mins(1);
/// The values set 30 s.
const PRUNED_WITHIN: Duration = Duration::from_mins(2);

/// Pod by pod.
pub(super) fn restart(stack: &Stack) -> Outcome<Tolerance> {
    let probe = Probe::start(stack.client())?;
    stack.kubectl(&["rollout", "restart", DEPLOYMENT, "-n", RELEASE_NAMESPACE])?;
    stack.cluster.rolled_out(RELEASE_NAMESPACE, DEPLOYMENT)?;
    probe.all_injected().map(Tolerance::none)
}

/// To other values.
pub(super) fn upgrade(stack: &Stack) -> Outcome<Tolerance> {
    let probe = Probe::start(stack.client())?;
    let helm = Helm::find()?;
    helm.upgrade(&stack.cluster, &["webhook.logLevel=debug"])?;
    helm.upgrade(&stack.cluster, &[])?;
    probe.all_injected().map(Tolerance::none)
}

/// A new authority and a new certificate, although neither is due.
pub(super) async fn rotation(stack: &Stack) -> Outcome<Tolerance> {
    let probe = Probe::start(stack.client())?;
    let before = certificate(stack)?;
    let renew =
        ["annotate", "secret", SECRET, "-n", RELEASE_NAMESPACE, "prom-remotewrite/renew=now"];
    stack.kubectl(&renew)?;
    let renewed = async || Ok(certificate(stack)? != before);
    eventually("there is a new certificate", HEALED_WITHIN, renewed).await?;
    // The kubelets deliver it, then the former authority is removed.
    let pruned = async || Ok(authorities(stack)? == 1);
    eventually("one authority is left", PRUNED_WITHIN, pruned).await?;
    probe.all_injected().map(Tolerance::none)
}

/// The Secret is deleted: no one notices. Then the configuration, then both: until the
/// configuration is back, pods are refused, and none starts without its sidecar.
pub(super) async fn secret(stack: &Stack) -> Outcome<Tolerance> {
    let probe = Probe::start(stack.client())?;
    let before = certificate(stack)?;
    stack.kubectl(&DELETE_SECRET)?;
    let same = async || Ok(certificate(stack).is_ok_and(|now| now == before));
    eventually("the certificate is back", HEALED_WITHIN, same).await?;
    // With new pods as well, which have never seen the former Secret.
    stack.kubectl(&["rollout", "restart", DEPLOYMENT, "-n", RELEASE_NAMESPACE])?;
    stack.cluster.rolled_out(RELEASE_NAMESPACE, DEPLOYMENT)?;
    let notes = [
        format!("Secret: {}", probe.all_injected()?),
        format!("configuration: {}", without_configuration(stack, false).await?),
        format!("both: {}", without_configuration(stack, true).await?),
    ];
    Ok(Tolerance::none(notes.join("; ")))
}

/// Deletes the configuration, with the Secret or without, and brings it back.
async fn without_configuration(stack: &Stack, with_secret: bool) -> Outcome<String> {
    let probe = Probe::start(stack.client())?;
    if with_secret {
        stack.kubectl(&DELETE_SECRET)?;
    }
    stack.kubectl(&["delete", "mutatingwebhookconfiguration", RELEASE])?;
    let refused = async || Ok(probe.seen().refused > 0);
    eventually("the policy refuses pods", HEALED_WITHIN, refused).await?;
    let start = Instant::now();
    Helm::find()?.upgrade(&stack.cluster, &[])?;
    let well = async || Ok(probe.seen().well);
    eventually("pods get their sidecars again", HEALED_WITHIN, well).await?;
    let Seen { bare, refused, .. } = probe.seen();
    if bare > 0 {
        return Err(Failure::new(format!("{bare} pods have no sidecar")));
    }
    let took = start.elapsed();
    Ok(format!("{refused} refused, admitted again {took:.1?} after an upgrade began"))
}

/// How many CAs the API server trusts.
fn authorities(stack: &Stack) -> Outcome<usize> {
    let path = "jsonpath={.webhooks[0].clientConfig.caBundle}";
    let get = ["get", "mutatingwebhookconfiguration", RELEASE, "-o", path];
    let bundle = BASE64_STANDARD.decode(stack.kubectl(&get)?.trim()).context("read the bundle")?;
    Ok(String::from_utf8_lossy(&bundle).matches("BEGIN CERTIFICATE").count())
}

fn certificate(stack: &Stack) -> Outcome<String> {
    let path = "jsonpath={.data.tls\\.crt}";
    stack.kubectl(&["get", "secret", SECRET, "-n", RELEASE_NAMESPACE, "-o", path])
}
