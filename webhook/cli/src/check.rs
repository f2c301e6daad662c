//! `check` in each sidecar of a cluster: it looks where the sidecar itself looks.

use std::time::Duration;

use contract::names;
use futures_util::{StreamExt as _, stream};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Status};
use kube::{
    Api, Client,
    api::{AttachParams, AttachedProcess},
};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::{
    needs::lookup::Unread,
    status::{
        facts::{FoundPod, Standing},
        gather, problems,
        render::printable,
        sidecars::stopped,
    },
};

/// At once: each is a stream through the API server and a new token.
const AT_ONCE: usize = 8;
/// The sidecar bounds all its steps by 30 s; the rest is for starting it.
const CHECKED_WITHIN: Duration = Duration::from_secs(45);
/// A report has about 2 KiB.
const REPORT_BYTES: u64 = 64 * 1024;

/// The result of one sidecar's check.
#[derive(Debug, PartialEq, Eq)]
pub struct CheckedSidecar {
    /// `Pod namespace/name`.
    pub subject: String,
    /// Its report if a step failed, or why there is none.
    pub result: Result<(), String>,
}

/// Checks the sidecars of the pods that are named, or of all; each is named by
/// `NAME` or `NAMESPACE/NAME`.
///
/// # Errors
/// Where pods cannot be listed.
pub async fn check(
    client: &Client,
    namespace: Option<&str>,
    named: &[String],
) -> Result<Vec<CheckedSidecar>, Unread> {
    let (pods, unread) = gather::pods(client, namespace).await?;
    let (chosen, missing) = choose(&pods, named);
    let checks = chosen.into_iter().map(|found| async {
        let answer = tokio::time::timeout(CHECKED_WITHIN, run(client, found)).await;
        let late = || format!("no report within {} s\n", CHECKED_WITHIN.as_secs());
        let result = answer.unwrap_or_else(|_| Err(late()));
        CheckedSidecar { subject: found.subject(), result }
    });
    let mut checked: Vec<_> = stream::iter(checks).buffered(AT_ONCE).collect().await;
    for name in missing {
        let result = Err(absent(client, namespace, name).await);
        checked.push(CheckedSidecar { subject: format!("Pod {name}"), result });
    }
    checked.extend(unseen(&unread, namespace));
    Ok(checked)
}

/// What could not be read, in a namespace or in all.
pub fn unseen(unread: &[Unread], namespace: Option<&str>) -> Vec<CheckedSidecar> {
    let problems = problems::unseen(unread, namespace).into_iter();
    let report = |problem: problems::Problem| CheckedSidecar {
        result: Err(report(&problem.message, &problem.next_step)),
        subject: problem.object,
    };
    problems.map(report).collect()
}

fn report(message: &str, next_step: &str) -> String {
    format!("{message}\n-> {next_step}\n")
}

/// The pods whose sidecars are meant, and the names of which there is none.
fn choose<'a, 'b>(
    pods: &'a [FoundPod],
    named: &'b [String],
) -> (Vec<&'a FoundPod>, Vec<&'b String>) {
    let is = |found: &FoundPod, name: &str| match name.split_once('/') {
        Some((namespace, name)) => found.namespace() == namespace && found.name() == name,
        None => found.name() == name,
    };
    let injected = pods.iter().filter(|found| matches!(found.standing(), Standing::Injected(_)));
    let chosen: Vec<_> = injected
        .filter(|found| named.is_empty() || named.iter().any(|name| is(found, name)))
        .collect();
    let missing = named.iter().filter(|name| !chosen.iter().any(|found| is(found, name)));
    let missing = missing.collect();
    (chosen, missing)
}

/// Why there is no sidecar in a pod of this name.
async fn absent(client: &Client, namespace: Option<&str>, name: &str) -> String {
    let own = name.split_once('/');
    let (own, pod) = own.map_or((namespace, name), |(own, pod)| (Some(own), pod));
    if let Some(other) = namespace.filter(|_| own != namespace) {
        return format!("--namespace {other} leaves it out\n");
    }
    match gather::has_pod(client, own, pod).await {
        Ok(false) => "it does not exist\n".to_owned(),
        Ok(true) => report(
            "it has no injected sidecar, or has ended",
            "`kubectl prom-remotewrite status` shows why it has none",
        ),
        Err(unread) => report(&unread.reason, &problems::next_step(&unread, namespace)),
    }
}

/// Runs the sidecar's check in its container.
async fn run(client: &Client, found: &FoundPod) -> Result<(), String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), found.namespace());
    let attach = AttachParams::default().container(names::CONTAINER).stdin(false);
    let started = pods.exec(found.name(), [names::PROGRAM, names::CHECK_COMMAND], &attach).await;
    let mut process = started.map_err(|error| not_run(found, &(&error).into()))?;
    let (report, status) = output(&mut process).await;
    match status {
        Some(status) if status.status.as_deref() == Some("Success") => Ok(()),
        Some(status) if report.is_empty() => {
            Err(not_run(found, &status.message.unwrap_or_default().into()))
        }
        Some(_) => Err(report),
        None => Err(format!("{report}the connection was closed before the report was complete\n")),
    }
}

/// What is said where a report is missing, as the sidecar could not be asked.
fn not_run(found: &FoundPod, unread: &Unread) -> String {
    match stopped(found).filter(|_| !unread.is_forbidden) {
        Some(reason) => report(&format!("it does not run: {reason}"), &found.reasons()),
        None => report(
            &format!("it cannot be run: {}", unread.reason),
            &problems::next_step(unread, Some(found.namespace())),
        ),
    }
}

/// Both streams, and the exit status. They are read together: a full one would stop it.
async fn output(process: &mut AttachedProcess) -> (String, Option<Status>) {
    let (stdout, stderr, status) = (process.stdout(), process.stderr(), process.take_status());
    let ended = async {
        match status {
            Some(status) => status.await,
            None => None,
        }
    };
    let (report, complaints, status) = tokio::join!(read(stdout), read(stderr), ended);
    (report + &complaints, status)
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // The output before a broken connection is worth showing.
        let _broken = stream.take(REPORT_BYTES).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The reports of those that are not well, and how many there are.
pub fn render(checked: &[CheckedSidecar]) -> String {
    let bad = checked.iter().filter_map(|one| Some((one, one.result.as_ref().err()?)));
    let mut text = String::new();
    let mut count = 0;
    for (CheckedSidecar { subject, .. }, report) in bad {
        count += 1;
        text.extend([subject.as_str(), "\n"]);
        for line in printable(report).lines() {
            text.extend(["  ", line, "\n"]);
        }
        text.push('\n');
    }
    match checked.len() {
        0 => "no pod has an injected sidecar: nothing was checked\n".to_owned(),
        all => text + &format!("sidecars checked: {all}; not ok: {count}\n"),
    }
}

/// Whether one is not well, or nothing was checked.
pub fn is_bad(checked: &[CheckedSidecar]) -> bool {
    checked.is_empty() || checked.iter().any(|one| one.result.is_err())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, annotation: &str, phase: &str) -> Option<FoundPod> {
        let raw = json!({
            "metadata": {"namespace": "a", "name": name, "annotations": {annotation: "version=1"}},
            "spec": {"containers": [{"name": "prom-remotewrite"}]},
            "status": {"phase": phase},
        });
        FoundPod::new(raw)
    }

    #[test]
    fn injected_pods_are_chosen_by_name_or_all() {
        let injected = "prom-remotewrite/injected";
        let pods = [
            pod("one", injected, "Running"),
            pod("two", injected, "Running"),
            pod("three", injected, "Failed"),
            pod("four", "other", "Running"),
        ];
        let pods: Vec<_> = pods.into_iter().flatten().collect();
        for (named, expected, missing) in [
            (&[][..], &["one", "two"][..], &[][..]),
            (&["two"], &["two"], &[]),
            (&["a/one", "two"], &["one", "two"], &[]),
            (&["b/one", "three", "four"], &[], &["b/one", "three", "four"]),
        ] {
            let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
            let (chosen, not) = choose(&pods, &named);
            let chosen: Vec<_> = chosen.iter().map(|found| found.name()).collect();
            let not: Vec<_> = not.iter().map(|name| name.as_str()).collect();
            assert_eq!((chosen.as_slice(), not.as_slice()), (expected, missing), "{named:?}");
        }
    }

    #[test]
    fn only_those_that_are_not_well_are_shown() {
        let of = |name: &str, result: Result<(), &str>| CheckedSidecar {
            subject: format!("Pod a/{name}"),
            result: result.map_err(str::to_owned),
        };
        let well = [of("one", Ok(()))];
        assert_eq!(render(&well), "sidecars checked: 1; not ok: 0\n");
        assert!(!is_bad(&well));
        let failed =
            "ok       dns    1.2.3.4\r\nfailed   token  \u{1b}refused\u{7}\n         -> do it\n";
        let some = [of("one", Ok(())), of("two", Err(failed))];
        let text = "Pod a/two\n  ok       dns    1.2.3.4\n  failed   token  refused\n           -> do it\n\nsidecars checked: 2; not ok: 1\n";
        assert_eq!(render(&some), text);
        assert!(is_bad(&some) && is_bad(&[]));
        assert_eq!(render(&[]), "no pod has an injected sidecar: nothing was checked\n");
    }
}
