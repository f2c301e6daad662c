//! What a program loads when it starts: the loader, the libraries that it
//! links, and those that glibc looks for by name.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::{Context, Failure, Outcome},
    product::architecture::Architecture,
};

/// Name services of glibc before 2.34, which loads them when a name is asked
/// for; later ones have them built in.
const NAME_SERVICES: [&str; 3] = ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];

/// Where an image has each file, and where it is here; none for a static program.
pub(super) fn libraries(
    program: &Path,
    architecture: Architecture,
) -> Outcome<BTreeMap<PathBuf, PathBuf>> {
    if architecture != Architecture::HERE {
        return foreign(program, architecture);
    }
    let here = of_this_machine(program)?;
    Ok(here.into_iter().map(|file| (file.clone(), file)).collect())
}

/// Those of a program for another architecture, which only its own loader could look for:
/// in `/lib`, where each loader looks. The C library's own need no others.
fn foreign(program: &Path, architecture: Architecture) -> Outcome<BTreeMap<PathBuf, PathBuf>> {
    let what = || format!("find out what {} links", program.display());
    let said = Command::new("readelf")
        .args(["--dynamic", "--program-headers", "--wide"])
        .arg(program)
        .env("LC_ALL", "C")
        .output()
        .context(what())?;
    if !said.status.success() {
        return Err(Failure::new(String::from_utf8_lossy(&said.stderr).trim())).context(what());
    }
    let names = needed(&String::from_utf8_lossy(&said.stdout));
    let places = names.into_iter().map(|name| {
        let (place, file) = (Path::new("/lib").join(&name), architecture.library(&name));
        if file.exists() { Ok((place, file)) } else { Err(Failure::new(format!("no {name}"))) }
    });
    places.collect::<Outcome<_>>().context(what())
}

/// The names in what `readelf` prints: `(NEEDED) Shared library: [NAME]`, and the loader.
pub(super) fn needed(text: &str) -> BTreeSet<String> {
    let bracketed = |line: &str| {
        let (_, rest) = line
            .split_once("Shared library: [")
            .or_else(|| line.split_once("Requesting program interpreter: "))?;
        let name = rest.split(']').next()?.rsplit('/').next()?;
        Some(name.to_owned())
    };
    text.lines().filter_map(bracketed).collect()
}

/// Files that must be where they are here.
fn of_this_machine(program: &Path) -> Outcome<BTreeSet<PathBuf>> {
    let what = || format!("find out what {} links", program.display());
    let said = Command::new("ldd").arg(program).env("LC_ALL", "C").output().context(what())?;
    let text = String::from_utf8_lossy(&said.stdout);
    let complaint = String::from_utf8_lossy(&said.stderr);
    if complaint.contains("not a dynamic executable") || text.contains("statically linked") {
        return Ok(BTreeSet::new());
    }
    if !said.status.success() {
        return Err(Failure::new(complaint.trim())).context(what());
    }
    let mut found = listed(&text).context(what())?;
    let libc = found.iter().find(|file| file.file_name().is_some_and(|name| name == "libc.so.6"));
    if let Some(folder) = libc.and_then(|file| file.parent()).map(Path::to_owned) {
        let services = NAME_SERVICES.map(|name| folder.join(name));
        found.extend(services.into_iter().filter(|file| file.exists()));
    }
    Ok(found)
}

/// The files in what `ldd` prints: `NAME => FILE (ADDRESS)`, or `FILE
/// (ADDRESS)` for the loader; the kernel's own has no file.
pub(super) fn listed(text: &str) -> Outcome<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        let (name, place) = line.split_once(" => ").unwrap_or((line, line));
        if place == "not found" {
            return Err(Failure::new(format!("there is no {name}")));
        }
        let file = place.split(" (").next().unwrap_or_default();
        if file.starts_with('/') {
            files.insert(PathBuf::from(file));
        }
    }
    Ok(files)
}
