//! A real cluster, made of containers by kind, from nothing.
//!
//! An engine, a node image and the images of everything that runs in the
//! cluster are found, or made here: no registry is needed. What the cluster is
//! stands in `manifests/kind`; this only does it.
//!
//! # Invariants
//!
//! * No one's `~/.kube/config` is touched: the cluster has its own file.
//! * An address of the cluster never leaves the machine ([`wall`]).
//! * [`Cluster::down`] leaves nothing running and no rule behind.

mod addons;
pub(crate) mod command;
mod configuration;
mod engine;
mod node_image;
mod readiness;
mod steps;
mod wall;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
};

pub use self::steps::Steps;
use self::{configuration::Ports, engine::Engine};
use crate::{
    failure::{Context, Failure, Outcome},
    kubernetes::images::Image,
    locked,
    machine::environment,
    tools::{self, KIND, KUBECTL},
};

/// The cluster's usual name.
pub const NAME: &str = "prom-remotewrite";

/// A cluster that runs, or may run.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    kubeconfig: PathBuf,
    kind: PathBuf,
    kubectl: PathBuf,
    engine: Engine,
}

impl Cluster {
    /// Makes the cluster, or what it lacks, and waits until everything in it
    /// is ready. Minutes the first time, which `steps` tells.
    pub fn up(name: &str, steps: &Steps) -> Outcome<Self> {
        let [kind, kubectl] = steps.step("kind and kubectl", find_tools)?;
        let engine = steps.step("Docker engine", Engine::start)?;
        let cluster =
            Self { name: name.to_owned(), kubeconfig: kubeconfig(name)?, kind, kubectl, engine };
        let build = || wall::build(name, &cluster.engine, steps);
        steps.step("network of its own", build)?;
        if cluster.stands(steps)? {
            steps.step("the nodes that are there", || cluster.start_nodes())?;
        } else {
            let image = steps.step("node image", || node_image::provide(&cluster.engine, steps))?;
            cluster.create(&image, steps)?;
        }
        steps.step("nodes, network, names", || cluster.settled())?;
        addons::install(&cluster, steps)?;
        Ok(cluster)
    }

    /// The cluster that [`up`](Self::up) made, if there is one.
    pub fn find(name: &str) -> Outcome<Option<Self>> {
        let Some(engine) = Engine::find() else { return Ok(None) };
        let [kind, kubectl] = find_tools()?;
        let kubeconfig = kubeconfig(name)?;
        let cluster = Self { name: name.to_owned(), kubeconfig, kind, kubectl, engine };
        Ok(cluster.exists()?.then_some(cluster))
    }

    /// Removes the cluster, and ends the engine if it was started for clusters
    /// and has none left. Whatever fails, the rest is removed.
    pub fn down(name: &str, steps: &Steps) -> Outcome<()> {
        let mut outcomes = vec![engine::revive()];
        if let Some(engine) = Engine::find() {
            outcomes.push(steps.step("nodes", || {
                let [kind, kubectl] = find_tools()?;
                let (name, kubeconfig) = (name.to_owned(), kubeconfig(name)?);
                let cluster = Self { name, kubeconfig, kind, kubectl, engine: engine.clone() };
                cluster.delete()?;
                let _ = fs::remove_file(&cluster.kubeconfig);
                Ok(())
            }));
            outcomes.push(steps.step("network and rules", || wall::remove(name, &engine)));
        }
        outcomes.push(steps.step("Docker engine", engine::stop));
        all(outcomes)
    }

    /// Loads image archives, as `docker save` and the harness write them, into
    /// every node.
    pub fn load(&self, archives: &[PathBuf]) -> Outcome<()> {
        for archive in archives {
            let mut kind = self.kind();
            kind.args(["load", "image-archive", "--name", &self.name]).arg(archive);
            command::ask(&mut kind)?;
        }
        Ok(())
    }

    /// Makes images and loads them into every node, as many at once as there
    /// are cores.
    pub fn load_images(&self, images: &[Image]) -> Outcome<()> {
        let folder = tempfile::tempdir().context("make a folder for images")?;
        let left = Mutex::new(images.iter());
        let work = || {
            while let Some(image) = { locked(&left).next() } {
                self.load(&[image.save_in(folder.path())?])?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let workers = thread::available_parallelism().map_or(1, usize::from);
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| {
                worker.join().unwrap_or_else(|_| Err(Failure::new("a thread panicked")))
            })
        })
    }

    /// Writes the logs of all pods and nodes into a folder.
    pub fn logs(&self, folder: &Path) -> Outcome<()> {
        command::ask(self.kind().args(["export", "logs", "--name", &self.name]).arg(folder))?;
        Ok(())
    }

    /// The kubeconfig of the cluster.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// What `DOCKER_HOST` must be to see the nodes' containers; none where
    /// the usual engine has them.
    pub fn docker_host(&self) -> Option<&str> {
        self.engine.host()
    }

    /// kubectl, for this cluster.
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command
    }

    /// Runs a program in a node's container; what it prints.
    pub fn on_node(&self, node: &str, arguments: &[&str]) -> Outcome<String> {
        command::ask(self.engine.docker().args(["exec", node]).args(arguments))
    }

    /// Applies files. On the server's side: some definitions are too large for
    /// the annotation that the client's side keeps.
    pub(crate) fn apply(&self, files: &[PathBuf]) -> Outcome<()> {
        let mut kubectl = self.kubectl();
        kubectl.args(["apply", "--server-side", "--force-conflicts"]);
        for file in files {
            kubectl.arg("--filename").arg(file);
        }
        command::ask(&mut kubectl).map(drop)
    }

    fn create(&self, image: &str, steps: &Steps) -> Outcome<()> {
        let ports = Ports::from(&environment::variable)?;
        let folder = tempfile::tempdir().context("make a folder")?;
        let file = folder.path().join("cluster.json");
        fs::write(&file, configuration::of(&ports)?).context("write kind's configuration")?;
        steps.step("cluster", || {
            let mut kind = self.kind();
            kind.args(["create", "cluster", "--name", &self.name, "--image", image])
                .arg("--config")
                .arg(&file)
                .arg("--kubeconfig")
                .arg(&self.kubeconfig);
            command::ask(&mut kind).map(drop)
        })
    }

    fn delete(&self) -> Outcome<()> {
        let mut kind = self.kind();
        kind.args(["delete", "cluster", "--name", &self.name])
            .arg("--kubeconfig")
            .arg(&self.kubeconfig);
        command::ask(&mut kind)?;
        Ok(())
    }

    /// Whether it is there, and whole: kind writes the kubeconfig last, so without one
    /// someone interrupted it, and what it left is removed.
    fn stands(&self, steps: &Steps) -> Outcome<bool> {
        if !self.exists()? {
            return Ok(false);
        }
        if !self.kubeconfig.exists() {
            steps.step("half a cluster, removed", || self.delete())?;
            return Ok(false);
        }
        Ok(true)
    }

    /// After a restart of the engine or the machine they stand still.
    fn start_nodes(&self) -> Outcome<()> {
        let nodes = command::ask(self.kind().args(["get", "nodes", "--name", &self.name]))?;
        command::ask(self.engine.docker().arg("start").args(nodes.lines())).map(drop)
    }

    fn exists(&self) -> Outcome<bool> {
        let clusters = command::ask(self.kind().args(["get", "clusters", "--quiet"]))?;
        Ok(clusters.lines().any(|name| name == self.name))
    }

    fn kind(&self) -> Command {
        let mut command = Command::new(&self.kind);
        self.engine.apply(&mut command);
        command.env("KIND_EXPERIMENTAL_DOCKER_NETWORK", &self.name);
        command
    }
}

/// Succeeds if all have; otherwise reports every failure.
fn all(outcomes: Vec<Outcome<()>>) -> Outcome<()> {
    let failures: Vec<_> =
        outcomes.into_iter().filter_map(Result::err).map(|failure| failure.to_string()).collect();
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\n"))) }
}

fn find_tools() -> Outcome<[PathBuf; 2]> {
    Ok([tools::find(&KIND, "kind")?, tools::find(&KUBECTL, "kubectl")?])
}

/// The folder of what belongs to clusters.
fn cache() -> Outcome<PathBuf> {
    let folder = tools::cache_folder(&environment::variable)?.join("kind");
    fs::create_dir_all(&folder).context(format!("make {}", folder.display()))?;
    Ok(folder)
}

fn kubeconfig(name: &str) -> Outcome<PathBuf> {
    Ok(cache()?.join(format!("{name}.kubeconfig")))
}

/// `manifests/kind` of this checkout.
pub(crate) fn manifests() -> PathBuf {
    environment::crate_folder().with_file_name("manifests").join("kind")
}
