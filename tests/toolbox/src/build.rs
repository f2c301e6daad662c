//! Builds a recipe into the cache, once for everyone.

use std::{
    fmt::Display,
    fs::{self, File, TryLockError},
    io::{BufRead, BufReader, IsTerminal, Write, stderr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use sha2::{Digest, Sha256};

use crate::{
    Recipe,
    environment::{self, Lookup},
    failure::{Context, Failure, Outcome},
    modules, warden,
};

/// How many lines of a failed build are shown.
const LAST_LINES: usize = 30;

/// Shows how far a build is, to someone who waits; an empty text clears that.
pub type Progress<'a> = &'a dyn Fn(&str);

/// The folder with the recipe's tools, built if it is not there.
pub(crate) fn cached(
    recipe: &Recipe,
    lookup: Lookup<'_>,
    progress: Progress<'_>,
) -> Outcome<PathBuf> {
    let module = modules().join(recipe.folder);
    let cache = cache_folder(lookup)?.join("tools");
    let name = format!("{}-{}", recipe.folder.replace('/', "-"), key(recipe, &module)?);
    let folder = cache.join(&name);
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(&cache).context(format!("make {}", cache.display()))?;
    let _lock = lock(&cache.join(format!("{name}.lock")), recipe)?;
    // Another process may have built it while this one waited.
    if !folder.is_dir() {
        let unfinished = cache.join(format!(".{name}.{}", std::process::id()));
        build(recipe, &module, &unfinished, lookup, progress)?;
        fs::rename(&unfinished, &folder).context(format!("put {} into place", folder.display()))?;
    }
    Ok(folder)
}

/// `$XDG_CACHE_HOME/prom-remotewrite`, where the XDG rules put it.
pub fn cache_folder(lookup: Lookup<'_>) -> Outcome<PathBuf> {
    let base = lookup("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| lookup("HOME").map(|home| PathBuf::from(home).join(".cache")));
    Ok(base.context("find a cache folder: set HOME or XDG_CACHE_HOME")?.join("prom-remotewrite"))
}

/// Other sources or flags make another tool.
fn key(recipe: &Recipe, module: &Path) -> Outcome<String> {
    let mut hash = Sha256::new();
    for file in sources(module)? {
        let content = fs::read(&file).context(format!("read {}", file.display()))?;
        hash.update(Sha256::digest(content));
    }
    let Recipe { packages, tags, ldflags, renames, .. } = recipe;
    hash.update(format!("{packages:?} {tags:?} {ldflags:?} {renames:?}"));
    let start = hash.finalize().iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte));
    Ok(format!("{start:016x}"))
}

/// `go.mod`, `go.sum`, and whatever Go code the module has of its own.
fn sources(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let what = || format!("list {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).context(what())? {
        let path = entry.context(what())?.path();
        if path.is_dir() {
            files.append(&mut sources(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Held until the file is dropped, or this process ends.
fn lock(file: &Path, recipe: &Recipe) -> Outcome<File> {
    let what = || format!("lock {}", file.display());
    let lock = File::create(file).context(what())?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say(format_args!("waiting for another process that builds {}", recipe.folder));
            lock.lock().context(what())?;
        }
        Err(TryLockError::Error(error)) => return Err(error).context(what()),
    }
    Ok(lock)
}

fn build(
    recipe: &Recipe,
    module: &Path,
    into: &Path,
    lookup: Lookup<'_>,
    progress: Progress<'_>,
) -> Outcome<()> {
    let go = environment::on_path_of("go", lookup).ok_or_else(|| {
        Failure::new(format!(
            "{} is not installed, and neither is Go, which could build it: install Go 1.26 or newer (https://go.dev/dl), or {}",
            recipe.folder, recipe.instead
        ))
    })?;
    say(format_args!(
        "building {} from its pinned Go module, {} (once; kept in {})",
        recipe.folder,
        recipe.takes,
        into.parent().unwrap_or(into).display()
    ));
    let start = Instant::now();
    fs::create_dir_all(into).context(format!("make {}", into.display()))?;
    let shown = |text: &str| {
        progress(&match text {
            "" => String::new(),
            text => format!("{}: {text}, {} s", recipe.folder, start.elapsed().as_secs()),
        });
    };
    let built = run(recipe, module, into, &go, &shown);
    if let Err(failure) = built {
        let _ = fs::remove_dir_all(into);
        return Err(failure);
    }
    for (from, to) in recipe.renames {
        fs::rename(into.join(from), into.join(to)).context(format!("name {from} {to}"))?;
    }
    say(format_args!("built {} in {} s", recipe.folder, start.elapsed().as_secs()));
    Ok(())
}

fn run(
    recipe: &Recipe,
    module: &Path,
    into: &Path,
    go: &Path,
    progress: Progress<'_>,
) -> Outcome<()> {
    let mut command = Command::new(go);
    command
        .args(["build", "-v", "-trimpath", "-buildvcs=false", "-mod=readonly"])
        .args(["-tags", recipe.tags, "-ldflags", recipe.ldflags, "-o"])
        .arg(format!("{}/", into.display()))
        .args(recipe.packages)
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let mut build = warden::spawn(&mut command).context("run go")?;
    let mut lines = Vec::new();
    if let Some(pipe) = build.stderr.take() {
        // One line for each package that is compiled, and for each complaint.
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            lines.push(line);
            progress(&format!("{} packages", lines.len()));
        }
    }
    progress("");
    let status = build.wait().context("wait for go")?;
    warden::forget(build.id());
    if status.success() {
        return Ok(());
    }
    let last = lines.split_off(lines.len().saturating_sub(LAST_LINES)).join("\n");
    Err(Failure::new(format!(
        "go could not build {}; it takes Go 1.26 and the module proxy, or {}:\n{last}",
        recipe.folder, recipe.instead
    )))
}

/// A line on standard error for the person who waits; not through `eprintln!`, which tests
/// capture. A closed pipe is no error.
pub fn say(line: impl Display) {
    let _closed = writeln!(stderr(), "{line}");
}

/// The same line again and again, on a terminal.
pub fn overwrite(text: &str) {
    let mut stderr = stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[2K{text}");
        let _ = stderr.flush();
    }
}
