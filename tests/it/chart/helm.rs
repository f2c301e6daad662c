//! Helm, as people run it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;
use tempfile::{Builder, TempDir};
use tests::{
    failure::{Context, Outcome},
    kubernetes::control_plane::{ControlPlane, say_skipped},
    machine::{environment, process::Program},
    tools::{self, HELM},
};

use super::objects;
use crate::cluster::control_plane;

/// Rendering takes a tenth of a second, an installation some seconds.
const PATIENCE: Duration = Duration::from_mins(2);

/// The cluster's version where there is none: each Helm has its own.
const KUBERNETES: &str = "1.37.2";

/// The program, with its own home.
pub(crate) struct Helm {
    file: PathBuf,
    home: TempDir,
    kubeconfig: Option<PathBuf>,
    /// The version that charts are rendered for where no one says another.
    kubernetes: String,
}

/// The chart in this checkout.
pub(crate) fn chart() -> PathBuf {
    environment::crate_folder().join("../manifests/chart")
}

/// Examples of everything that people write to use it.
pub(crate) fn examples() -> PathBuf {
    environment::crate_folder().join("../manifests/examples")
}

impl Helm {
    /// The program, or nothing where it cannot be had, which is said.
    pub(crate) fn find(test: &str) -> Option<Self> {
        match tools::find(&HELM, "helm") {
            Ok(file) => {
                let home = tempfile::tempdir().unwrap();
                Some(Self { file, home, kubeconfig: None, kubernetes: KUBERNETES.to_owned() })
            }
            Err(failure) if environment::on_path("go").is_none() && !in_ci() => {
                say_skipped(test, &failure.to_string());
                None
            }
            Err(failure) => panic!("{failure}"),
        }
    }

    /// The same and the control plane, for whose version charts are rendered.
    pub(crate) async fn with_control_plane(test: &str) -> Option<(Self, &'static ControlPlane)> {
        let (helm, plane) = (Self::find(test)?, control_plane(test).await?);
        Some((helm.rendering_for(plane), plane))
    }

    /// The same, which renders for this API server's version.
    pub(crate) fn rendering_for(mut self, plane: &ControlPlane) -> Self {
        plane.version().clone_into(&mut self.kubernetes);
        self
    }

    /// The same for a cluster.
    pub(crate) fn for_cluster(mut self, kubeconfig: &Path) -> Self {
        self.kubeconfig = Some(kubeconfig.to_owned());
        self
    }

    /// Whether it is Helm 3, which knows no server-side apply.
    pub(crate) fn is_before_4(&self) -> bool {
        let said = Command::new(&self.file).arg("version").output().unwrap().stdout;
        String::from_utf8_lossy(&said).contains("Version:\"v3.")
    }

    /// Runs it; its output is part of a failure.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Outcome<String> {
        let home = self.home.path().display().to_string();
        let mut program = Program::new("helm", &self.file).args(arguments.iter().copied());
        program = program.env("HOME", home);
        if let Some(kubeconfig) = &self.kubeconfig {
            program = program.env("KUBECONFIG", kubeconfig.display().to_string());
        }
        program.run(PATIENCE).await
    }

    /// A file with values; JSON is YAML.
    pub(crate) fn values(&self, values: &Value) -> Outcome<PathBuf> {
        let file = Builder::new().suffix(".yaml").tempfile_in(&self.home);
        let (_, file) = file.context("make a file")?.keep().context("keep a file")?;
        fs::write(&file, values.to_string()).context("write the values")?;
        Ok(file)
    }

    /// What the chart renders for a release, in the order of installation.
    pub(crate) async fn template(
        &self,
        (release, namespace): (&str, &str),
        values: &Value,
        more: &[&str],
    ) -> Outcome<Vec<Value>> {
        let (chart, values) = (chart().display().to_string(), self.values(values)?);
        let values = values.display().to_string();
        let arguments =
            ["template", release, &chart, "--namespace", namespace, "--values", &values];
        let cluster: &[&str] = if more.contains(&"--kube-version") {
            &[]
        } else {
            &["--kube-version", &self.kubernetes]
        };
        let text = self.run(&[&arguments, cluster, more].concat()).await?;
        Ok(objects::documents(&text))
    }
}

fn in_ci() -> bool {
    environment::variable("CI").is_some()
}
