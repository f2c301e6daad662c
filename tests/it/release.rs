//! A release: one version everywhere, and a workflow that builds every program.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use serde_json::Value;
use tests::machine::{environment, process::Program};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn read(file: &str) -> String {
    fs::read_to_string(environment::crate_folder().join("..").join(file)).unwrap()
}

#[test]
fn chart_changelog_and_crates_have_one_version() {
    let chart: Value = serde_saphyr::from_str(&read("manifests/chart/Chart.yaml")).unwrap();
    assert_eq!(chart["version"], VERSION, "the chart's version is not Cargo.toml's");
    assert_eq!(chart["appVersion"], VERSION, "the chart's appVersion is not Cargo.toml's");
    let changes = read("CHANGELOG.md");
    let mut sections = changes.lines().filter_map(|line| line.strip_prefix("## "));
    let newest = sections.find(|section| *section != "Unreleased");
    assert_eq!(newest, Some(VERSION), "CHANGELOG.md begins with another version");
}

#[test]
fn every_image_of_the_chart_is_released_under_its_name() {
    let values: Value = serde_saphyr::from_str(&read("manifests/chart/values.yaml")).unwrap();
    let workflow: Value = serde_saphyr::from_str(&read(".github/workflows/release.yml")).unwrap();
    let images = values["images"].as_object().unwrap().iter();
    // The workflow's rule: the sidecar has the bare name.
    let expected: BTreeMap<_, _> = images
        .filter_map(|(program, image)| Some((program.clone(), image["name"].as_str()?.to_owned())))
        .collect();
    for job in ["image", "publish"] {
        let programs = workflow["jobs"][job]["strategy"]["matrix"]["program"].as_array().unwrap();
        let named = programs.iter().map(|program| {
            let program = program.as_str().unwrap();
            let suffix = if program == "sidecar" { String::new() } else { format!("-{program}") };
            (program.to_owned(), format!("prom-remotewrite{suffix}"))
        });
        assert_eq!(named.collect::<BTreeMap<_, _>>(), expected, "job {job}");
    }
}

#[test]
fn the_dockerfile_has_a_target_for_every_image() {
    let values: Value = serde_saphyr::from_str(&read("manifests/chart/values.yaml")).unwrap();
    let file = read("manifests/images/Dockerfile");
    for (target, image) in values["images"].as_object().unwrap() {
        let Some(name) = image["name"].as_str() else { continue };
        let stage = format!(
            "FROM base AS {target}\nCOPY --from=build /out/{name} /{name}\nENTRYPOINT [\"/{name}\"]\n"
        );
        assert!(file.contains(&stage), "{file}\nlacks\n{stage}");
    }
    let bases = file.lines().filter(|line| line.starts_with("FROM ") && line.contains(':'));
    assert!(bases.clone().count() == 2, "{file}");
    for base in bases {
        assert!(base.contains("@sha256:"), "not pinned: {base}");
    }
}

/// What is built for others lists its crates, by one version of the tool.
#[test]
fn every_program_that_is_released_lists_its_crates() {
    let (script, file, workflow) = (
        read(".ci/run"),
        read("manifests/images/Dockerfile"),
        read(".github/workflows/release.yml"),
    );
    let (_, rest) = script.split_once("\nCARGO_AUDITABLE=").unwrap();
    let pinned = format!("cargo-auditable@{}", rest.lines().next().unwrap());
    for (text, installs) in [(&file, 1), (&workflow, 2)] {
        assert_eq!(text.matches("cargo-auditable@").count(), installs);
        assert_eq!(text.matches(&pinned).count(), installs, "{pinned}");
        assert!(text.contains("cargo auditable build") && !text.contains("cargo build"));
    }
}

/// The rules are krew's own, `internal/index/validation/validate.go`.
#[tokio::test]
async fn the_plugins_manifest_has_what_krew_demands_for_every_archive() {
    let workflow: Value = serde_saphyr::from_str(&read(".github/workflows/release.yml")).unwrap();
    let builds = workflow["jobs"]["plugin"]["strategy"]["matrix"]["include"].as_array().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut expected = BTreeSet::new();
    for build in builds {
        let text = |key: &str| build[key].as_str().unwrap_or_default();
        let (os, arch, suffix) = (text("os"), text("arch"), text("suffix"));
        let archive = format!("kubectl-prom_remotewrite-{VERSION}-{os}-{arch}.tar.gz");
        fs::write(folder.path().join(&archive), &archive).unwrap();
        let program = format!("kubectl-prom_remotewrite{suffix}");
        expected.insert([os.to_owned(), arch.to_owned(), archive, program]);
    }
    assert_eq!(expected.len(), 5, "{expected:?}");
    let script = environment::crate_folder().join("../webhook/cli/krew.sh");
    let script = Program::new("krew.sh", script).args([VERSION, folder.path().to_str().unwrap()]);
    let printed = script.run(Duration::from_mins(1)).await.unwrap();
    let manifest: Value = serde_saphyr::from_str(&printed).unwrap();
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(
        (&manifest["kind"], &manifest["metadata"]["name"]),
        (&"Plugin".into(), &"prom-remotewrite".into())
    );
    let spec = &manifest["spec"];
    assert_eq!(spec["version"], format!("v{VERSION}"));
    assert!(
        spec["shortDescription"]
            .as_str()
            .is_some_and(|text| !text.is_empty() && !text.contains('\n'))
    );
    let mut found = BTreeSet::new();
    for platform in spec["platforms"].as_array().unwrap() {
        let text = |pointer: &str| platform.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let labels = platform["selector"]["matchLabels"].as_object().unwrap();
        assert_eq!(labels.keys().collect::<Vec<_>>(), ["arch", "os"]);
        let uri = text("/uri");
        let (place, archive) = uri.rsplit_once('/').unwrap();
        let repository = env!("CARGO_PKG_REPOSITORY");
        assert_eq!(place, format!("{repository}/releases/download/v{VERSION}"));
        let hash = webhook::serve::reload::content_hash(archive);
        assert_eq!(text("/sha256"), hash, "{archive}");
        let label = |name| text(&format!("/selector/matchLabels/{name}"));
        found.insert([label("os"), label("arch"), archive.to_owned(), text("/bin")]);
    }
    assert_eq!(found, expected);
}
