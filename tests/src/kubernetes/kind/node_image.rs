//! The image that nodes are made of: a public one where a registry answers,
//! else one that is built here (`manifests/kind/node-image`), once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{Steps, cache, command, engine::Engine, manifests};
use crate::{
    failure::{Context, Failure, Outcome},
    machine::environment,
    tools::{self, ADDONS, CONTAINERD, KUBECTL, KUBERNETES, LOCAL_PATH, NODE, Recipe},
};

/// What kind 0.33 itself takes by default.
const PUBLIC: &str =
    "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5";
/// The variable that chooses: an image's name, or `build`.
const VARIABLE: &str = "KIND_NODE_IMAGE";
/// A registry that takes longer to answer would take an hour for the image.
const ANSWERS_WITHIN: Duration = Duration::from_secs(8);
/// The variable that names Debian's release, and what it is otherwise.
const SUITE: (&str, &str) = ("DEBIAN_SUITE", "bookworm");
/// For how long an image of other inputs may still be wanted: someone goes back and forth
/// between two states of a checkout.
const KEPT: Duration = Duration::from_hours(7 * 24);

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
enum ImageSource {
    /// It has this name in the engine, or in a registry.
    Named(String),
    /// From what is at hand.
    Built,
}

/// The name of an image that the engine then has.
pub(super) fn provide(engine: &Engine, steps: &Steps) -> Outcome<String> {
    let expected = environment::variable(VARIABLE);
    let available = || is_there(engine, PUBLIC) || registry_answers(engine);
    match choose(expected.as_deref(), available) {
        ImageSource::Named(image) => {
            if !is_there(engine, &image) {
                // Not left to kind, which prints nothing for minutes.
                let mut docker = engine.docker();
                steps.step("pull it", || command::show(docker.args(["pull", &image])))?;
            }
            Ok(image)
        }
        ImageSource::Built => {
            steps.note("the node image is one of our own");
            built(engine, steps)
        }
    }
}

fn choose(expected: Option<&str>, public_is_available: impl FnOnce() -> bool) -> ImageSource {
    match expected {
        Some("build") => ImageSource::Built,
        Some(name) => ImageSource::Named(name.to_owned()),
        None if public_is_available() => ImageSource::Named(PUBLIC.to_owned()),
        None => ImageSource::Built,
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
    let suite = environment::variable(SUITE.0).unwrap_or_else(|| SUITE.1.to_owned());
    let key = key(&scripts, &programs, &suite)?;
    let image = format!("local/kind-node:{key}");
    if is_there(engine, &image) {
        return Ok(image);
    }
    let archive = cache()?.join(format!("node-{key}.tar.zst"));
    if !archive.exists() {
        let build = || build(&scripts, &programs, &suite, &image, &archive);
        steps.step("build the node image, once", build)?;
        remove_old(&archive)?;
    }
    steps.step("load the node image", || load(engine, &archive))?;
    Ok(image)
}

fn programs() -> Outcome<Vec<(&'static str, PathBuf)>> {
    PROGRAMS.iter().map(|(variable, recipe)| Ok((*variable, tools::built(recipe)?))).collect()
}

/// Other scripts, programs or packages make another image. A folder of programs has its
/// own key in its name.
fn key(scripts: &Path, programs: &[(&str, PathBuf)], suite: &str) -> Outcome<String> {
    let mut hash = Sha256::new();
    hash.update(suite);
    for (_, folder) in programs {
        hash.update(folder.file_name().unwrap_or_default().as_encoded_bytes());
    }
    hash_files(scripts, |_| true, &mut hash)?;
    Ok(short(hash))
}

fn hash_files(folder: &Path, expected: impl Fn(&str) -> bool, hash: &mut Sha256) -> Outcome<()> {
    let what = || format!("read {}", folder.display());
    let entries = fs::read_dir(folder).context(what())?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if expected(&name) {
            hash.update(Sha256::digest(fs::read(&file).context(what())?));
        }
    }
    Ok(())
}

fn short(hash: Sha256) -> String {
    let start = hash.finalize().iter().take(6).fold(0, |key, byte| key << 8 | u64::from(*byte));
    format!("{start:012x}")
}

fn build(
    scripts: &Path,
    programs: &[(&str, PathBuf)],
    suite: &str,
    image: &str,
    archive: &Path,
) -> Outcome<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new(format!(
            "only root can build a node image: set {VARIABLE} to an image that the engine has, or have a registry at hand"
        )));
    }
    let kind = tools::source("kind", "sigs.k8s.io/kind")?;
    // Debian's part changes by its release and list alone, and takes the longest.
    let mut debian = Sha256::new();
    debian.update(suite);
    hash_files(scripts, |name| ["base", "packages"].contains(&name), &mut debian)?;
    let mut command = Command::new(scripts.join("build"));
    command
        .arg(image)
        .arg(archive)
        .env("KIND_FILES", kind.join("images/base/files"))
        .env("KIND_STORAGE", kind.join("pkg/build/nodeimage/const_storage.go"))
        .env(SUITE.0, suite)
        .env("BASE", cache()?.join(format!("debian-{}.tar", short(debian))))
        .envs(programs.iter().map(|(variable, folder)| (variable, folder)));
    command::show(&mut command)
}

/// Removes images of other inputs that are much older than this one.
fn remove_old(archive: &Path) -> Outcome<()> {
    let made = |file: &Path| fs::metadata(file).and_then(|found| found.modified());
    let now = made(archive).context(format!("look at {}", archive.display()))?;
    let folder = archive.parent().context("find the folder of node images")?;
    for entry in fs::read_dir(folder).context(format!("read {}", folder.display()))?.flatten() {
        let file = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_image = name.starts_with("node-") && name.ends_with(".tar.zst");
        let age = made(&file).ok().and_then(|then| now.duration_since(then).ok());
        if is_image && age.is_some_and(|age| age > KEPT) {
            fs::remove_file(&file).context(format!("remove {}", file.display()))?;
        }
    }
    Ok(())
}

fn load(engine: &Engine, archive: &Path) -> Outcome<()> {
    command::show(Command::new(manifests().join("install-missing")).arg("zstd:zstd"))?;
    let mut load = Command::new("bash");
    engine.apply(&mut load);
    // Older engines read no zstd themselves.
    let script = r#"set -o pipefail; zstd --decompress --stdout "$0" | docker load --quiet"#;
    command::ask(load.args(["-c", script]).arg(archive)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requested_image_is_used_without_a_registry() {
        let never = || -> bool { panic!("asked") };
        assert_eq!(choose(Some("build"), never), ImageSource::Built);
        assert_eq!(choose(Some("mine:1"), never), ImageSource::Named("mine:1".to_owned()));
    }

    #[test]
    fn the_public_image_is_taken_where_it_can_be_had() {
        assert_eq!(choose(None, || true), ImageSource::Named(PUBLIC.to_owned()));
        assert_eq!(choose(None, || false), ImageSource::Built);
    }

    #[test]
    fn other_programs_other_scripts_and_another_release_make_another_image() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("build"), "one").unwrap();
        let key = |node: &str, suite: &str| {
            let programs = [("NODE", PathBuf::from(format!("/tools/node-{node}")))];
            key(folder.path(), &programs, suite).unwrap()
        };
        let first = key("1", "bookworm");
        assert_eq!(key("1", "bookworm"), first);
        assert_ne!(key("2", "bookworm"), first);
        assert_ne!(key("1", "trixie"), first);
        fs::write(folder.path().join("build"), "two").unwrap();
        assert_ne!(key("1", "bookworm"), first);
    }

    #[test]
    fn images_of_the_week_before_go_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, age: Duration| {
            let path = folder.path().join(name);
            let file = fs::File::create(&path).unwrap();
            let now = file.metadata().unwrap().modified().unwrap();
            file.set_modified(now - age).unwrap();
            path
        };
        let (day, old) = (Duration::from_hours(24), KEPT + Duration::from_mins(1));
        let gone = make("node-1.tar.zst", old);
        let kept =
            [make("node-2.tar.zst", day), make("debian-1.tar", old), make("a.kubeconfig", old)];
        let new = make("node-3.tar.zst", Duration::ZERO);
        remove_old(&new).unwrap();
        assert!(!gone.exists() && new.exists());
        assert!(kept.iter().all(|file| file.exists()));
    }
}
