//! The image that nodes are made of: a public one where a registry answers,
//! else one that is built here (`manifests/kind/node-image`), once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{Steps, cache, command, engine::Engine, manifests};
use crate::{
    environment,
    failure::{Context, Failure, Outcome},
    tools::{self, ADDONS, CONTAINERD, KUBECTL, KUBERNETES, LOCAL_PATH, NODE, Recipe},
};

/// What kind 0.33 itself takes by default.
const PUBLIC: &str =
    "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5";
/// The variable that chooses: an image's name, or `build`.
const VARIABLE: &str = "KIND_NODE_IMAGE";
/// A registry that takes longer to answer would take an hour for the image.
const ANSWERS_WITHIN: Duration = Duration::from_secs(8);

/// Folders that the build takes, by the variable that names each.
const PROGRAMS: [(&str, &Recipe); 6] = [
    ("ADDONS", &ADDONS),
    ("CONTAINERD", &CONTAINERD),
    ("CONTROL_PLANE", &KUBERNETES),
    ("KUBECTL", &KUBECTL),
    ("LOCAL_PATH", &LOCAL_PATH),
    ("NODE", &NODE),
];

/// Where the image comes from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// It has this name in the engine, or in a registry.
    Named(String),
    /// From what is at hand.
    Built,
}

/// The name of an image that the engine then has.
pub(super) fn provide(engine: &Engine, steps: &Steps) -> Outcome<String> {
    let wanted = environment::variable(VARIABLE);
    let available = || is_there(engine, PUBLIC) || registry_answers(engine);
    match choose(wanted.as_deref(), available) {
        Source::Named(image) => {
            if !is_there(engine, &image) {
                // Not left to kind, which says nothing while it takes minutes.
                let mut docker = engine.docker();
                steps.step("pull it", || command::show(docker.args(["pull", &image])))?;
            }
            Ok(image)
        }
        Source::Built => {
            steps.note("the node image is one of our own");
            built(engine, steps)
        }
    }
}

fn choose(wanted: Option<&str>, public_is_available: impl FnOnce() -> bool) -> Source {
    match wanted {
        Some("build") => Source::Built,
        Some(name) => Source::Named(name.to_owned()),
        None if public_is_available() => Source::Named(PUBLIC.to_owned()),
        None => Source::Built,
    }
}

fn registry_answers(engine: &Engine) -> bool {
    let mut docker = engine.docker();
    command::succeeds_within(docker.args(["manifest", "inspect", PUBLIC]), ANSWERS_WITHIN)
}

fn is_there(engine: &Engine, image: &str) -> bool {
    command::ask(engine.docker().args(["image", "inspect", "--format={{.Id}}", image])).is_ok()
}

/// The image of the same inputs, from the engine, the cache or a build.
fn built(engine: &Engine, steps: &Steps) -> Outcome<String> {
    let programs = programs()?;
    let scripts = manifests().join("node-image");
    let key = key(&scripts, &programs)?;
    let image = format!("local/kind-node:{key}");
    if is_there(engine, &image) {
        return Ok(image);
    }
    let archive = cache()?.join(format!("node-{key}.tar.zst"));
    if !archive.exists() {
        steps
            .step("build the node image, once", || build(&scripts, &programs, &image, &archive))?;
    }
    steps.step("load the node image", || load(engine, &archive))?;
    Ok(image)
}

fn programs() -> Outcome<Vec<(&'static str, PathBuf)>> {
    PROGRAMS.iter().map(|(variable, recipe)| Ok((*variable, tools::built(recipe)?))).collect()
}

/// Other scripts or programs make another image. A folder of programs has a
/// key of its own in its name.
fn key(scripts: &Path, programs: &[(&str, PathBuf)]) -> Outcome<String> {
    let mut hash = Sha256::new();
    for (_, folder) in programs {
        hash.update(folder.file_name().unwrap_or_default().as_encoded_bytes());
    }
    hash_files(scripts, |_| true, &mut hash)?;
    Ok(short(hash))
}

fn hash_files(folder: &Path, wanted: impl Fn(&str) -> bool, hash: &mut Sha256) -> Outcome<()> {
    let what = || format!("read {}", folder.display());
    let entries = fs::read_dir(folder).context(what())?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if wanted(&name) {
            hash.update(Sha256::digest(fs::read(&file).context(what())?));
        }
    }
    Ok(())
}

fn short(hash: Sha256) -> String {
    let start = hash.finalize().iter().take(6).fold(0, |key, byte| key << 8 | u64::from(*byte));
    format!("{start:012x}")
}

fn build(scripts: &Path, programs: &[(&str, PathBuf)], image: &str, archive: &Path) -> Outcome<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new(format!(
            "only root can build a node image: set {VARIABLE} to an image that the engine has, or have a registry at hand"
        )));
    }
    let kind = tools::source("kind", "sigs.k8s.io/kind")?;
    // Debian's part changes by its list alone, and takes the longest.
    let mut debian = Sha256::new();
    hash_files(scripts, |name| ["base", "packages"].contains(&name), &mut debian)?;
    let mut command = Command::new(scripts.join("build"));
    command
        .arg(image)
        .arg(archive)
        .env("KIND_FILES", kind.join("images/base/files"))
        .env("KIND_STORAGE", kind.join("pkg/build/nodeimage/const_storage.go"))
        .env("BASE", cache()?.join(format!("debian-{}.tar", short(debian))))
        .envs(programs.iter().map(|(variable, folder)| (variable, folder)));
    command::show(&mut command)
}

fn load(engine: &Engine, archive: &Path) -> Outcome<()> {
    let mut unpack = Command::new("zstd")
        .args(["--decompress", "--stdout"])
        .arg(archive)
        .stdout(Stdio::piped())
        .spawn()
        .context("run zstd")?;
    let image = unpack.stdout.take().context("read from zstd")?;
    let loaded = engine.docker().arg("load").stdin(image).stdout(Stdio::null()).status();
    let unpacked = unpack.wait().context("wait for zstd")?;
    if loaded.context("run docker load")?.success() && unpacked.success() {
        return Ok(());
    }
    Err(Failure::new(format!("cannot load {} into the engine", archive.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_taken_and_no_registry_asked() {
        let never = || -> bool { panic!("asked") };
        assert_eq!(choose(Some("build"), never), Source::Built);
        assert_eq!(choose(Some("mine:1"), never), Source::Named("mine:1".to_owned()));
    }

    #[test]
    fn the_public_image_is_taken_where_it_can_be_had() {
        assert_eq!(choose(None, || true), Source::Named(PUBLIC.to_owned()));
        assert_eq!(choose(None, || false), Source::Built);
    }

    #[test]
    fn other_programs_and_other_scripts_make_another_image() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("build"), "one").unwrap();
        let programs = |key: &str| vec![("NODE", PathBuf::from(format!("/tools/node-{key}")))];
        let first = key(folder.path(), &programs("1")).unwrap();
        assert_eq!(key(folder.path(), &programs("1")).unwrap(), first);
        assert_ne!(key(folder.path(), &programs("2")).unwrap(), first);
        fs::write(folder.path().join("build"), "two").unwrap();
        assert_ne!(key(folder.path(), &programs("1")).unwrap(), first);
    }
}
