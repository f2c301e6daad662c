//! What happens to the webhook. Samples do not pass through it: they must flow
//! as if nothing were, and pods that are created meanwhile get their sidecars.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{
    deployment::{self, Helm, RELEASE_NAMESPACE},
    failure::{Context, Failure, Outcome},
};

use crate::{
    account::Tolerance,
    probe::{Probe, Seen},
    stack::{Stack, eventually},
};

const DEPLOYMENT: &str = "deployment/prom-remotewrite-webhook";
const SECRET: &str = "prom-remotewrite-webhook-tls";
const CRON_JOB: &str = "cronjob/prom-remotewrite-certs";
/// A kubelet delivers a Secret within seconds, and the webhook reads it every
/// few.
const HEALED_WITHIN: Duration = Duration::from_mins(1);

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
pub(super) fn rotation(stack: &Stack) -> Outcome<Tolerance> {
    let probe = Probe::start(stack.client())?;
    let before = certificate(stack)?;
    rotate(stack, "rotation", &["--force"])?;
    if certificate(stack)? == before {
        return Err(Failure::new("the certificate is the old one"));
    }
    probe.all_injected().map(Tolerance::none)
}

/// Whoever deletes it needs no more than the next run of the job. Pods may be
/// refused until then, and none may start without its sidecar.
pub(super) async fn secret(stack: &Stack) -> Outcome<Tolerance> {
    let probe = Probe::start(stack.client())?;
    stack.kubectl(&["delete", "secret", SECRET, "-n", RELEASE_NAMESPACE])?;
    rotate(stack, "healing", &[])?;
    certificate(stack)?;
    let well = async || Ok(probe.seen().well);
    eventually("pods get their sidecars again", HEALED_WITHIN, well).await?;
    // With new pods as well, which have never seen the former Secret.
    stack.kubectl(&["rollout", "restart", DEPLOYMENT, "-n", RELEASE_NAMESPACE])?;
    stack.cluster.rolled_out(RELEASE_NAMESPACE, DEPLOYMENT)?;
    eventually("pods get their sidecars from new webhooks", HEALED_WITHIN, well).await?;
    let Seen { injected, bare, refused, reason, .. } = probe.seen();
    if bare > 0 {
        return Err(Failure::new(format!("{bare} pods were created without a sidecar")));
    }
    let refusals = if refused > 0 { format!(", the last because {reason}") } else { String::new() };
    Ok(Tolerance::none(format!("{injected} pods injected, {refused} refused{refusals}")))
}

/// Runs the certificate job as its `CronJob` would, with more arguments.
fn rotate(stack: &Stack, name: &str, more: &[&str]) -> Outcome<()> {
    let name = format!("{name}-{}", stack.now());
    let from = format!("--from={CRON_JOB}");
    let create = ["create", "job", &name, &from, "-n", RELEASE_NAMESPACE];
    let text = stack.kubectl(&[&create[..], &["--dry-run=client", "-o", "json"]].concat())?;
    let mut job: Value = serde_json::from_str(&text).context("read the job")?;
    let arguments = job.pointer_mut("/spec/template/spec/containers/0/args");
    let arguments = arguments.and_then(Value::as_array_mut).context("find the job's arguments")?;
    arguments.extend(more.iter().map(|argument| json!(argument)));
    deployment::apply_object(&stack.cluster, &job)?;
    let done = format!("job/{name}");
    let wait = ["wait", "--for=condition=Complete", &done, "-n", RELEASE_NAMESPACE];
    stack.kubectl(&[&wait[..], &["--timeout=3m"]].concat()).map(|_| ())
}

fn certificate(stack: &Stack) -> Outcome<String> {
    let path = "jsonpath={.data.tls\\.crt}";
    stack.kubectl(&["get", "secret", SECRET, "-n", RELEASE_NAMESPACE, "-o", path])
}
