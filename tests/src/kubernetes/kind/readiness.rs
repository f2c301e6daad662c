//! When a cluster is ready.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{Cluster, command};
use crate::failure::Outcome;

impl Cluster {
    /// Nodes and what every pod needs: kube-proxy for services, and names.
    pub(super) fn settled(&self) -> Outcome<()> {
        self.answers()?;
        let wait = ["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=3m"];
        command::ask(self.kubectl().args(wait))?;
        self.rolled_out("kube-system", "daemonset/kube-proxy")?;
        self.rolled_out("kube-system", "deployment/coredns")
    }

    /// A restarted API server refuses its own administrator until it has read
    /// who may do what.
    fn answers(&self) -> Outcome<()> {
        /// It takes about ten seconds.
        const PATIENCE: Duration = Duration::from_mins(2);
        let start = Instant::now();
        loop {
            match command::ask(self.kubectl().args([
                "get",
                "--raw=/readyz",
                "--request-timeout=10s",
            ])) {
                Ok(_) => return Ok(()),
                Err(failure) if start.elapsed() > PATIENCE => return Err(failure),
                Err(_) => thread::sleep(Duration::from_secs(1)),
            }
        }
    }

    /// Waits until every pod of a workload is the new one, and ready.
    pub fn rolled_out(&self, namespace: &str, workload: &str) -> Outcome<()> {
        let mut kubectl = self.kubectl();
        kubectl.args(["rollout", "status", workload, "--timeout=3m", "--namespace", namespace]);
        command::ask(&mut kubectl).map(drop)
    }
}
