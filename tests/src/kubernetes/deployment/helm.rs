//! The chart, by Helm.

use std::{path::PathBuf, process::Command};

use super::{RELEASE, RELEASE_NAMESPACE};
use crate::{
    failure::{Context, Outcome},
    kubernetes::kind::{Cluster, command, manifests},
    tools,
};

/// The program.
#[derive(Clone, Debug)]
pub struct Helm {
    file: PathBuf,
}

impl Helm {
    /// Finds it, or builds it.
    pub fn find() -> Outcome<Self> {
        Ok(Self { file: tools::find(&tools::HELM, "helm")? })
    }

    /// Installs the chart or brings it up to date with values besides those of
    /// `manifests/kind/values.yaml`, and waits until its webhooks run.
    pub fn upgrade(&self, cluster: &Cluster, set: &[&str]) -> Outcome<()> {
        let chart = manifests().with_file_name("chart");
        let values = manifests().join("values.yaml");
        let mut helm = Command::new(&self.file);
        helm.args(["upgrade", "--install", RELEASE])
            .arg(chart)
            .args(["--namespace", RELEASE_NAMESPACE, "--create-namespace"])
            .arg("--values")
            .arg(values)
            .args(["--wait", "--timeout=3m", "--kubeconfig"])
            .arg(cluster.kubeconfig());
        for one in set {
            helm.args(["--set", one]);
        }
        command::ask(&mut helm).map(drop).context("install the chart")
    }

    /// Runs the release's own tests.
    pub fn test(&self, cluster: &Cluster) -> Outcome<()> {
        let mut helm = Command::new(&self.file);
        helm.args(["test", RELEASE, "--logs", "--timeout=3m"])
            .args(["--namespace", RELEASE_NAMESPACE, "--kubeconfig"])
            .arg(cluster.kubeconfig());
        command::ask(&mut helm).map(drop).context("test the release")
    }
}
