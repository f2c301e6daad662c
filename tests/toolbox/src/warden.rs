//! Ends what was started, however the run ends.
//!
//! Destructors don't run after a panic that aborts, after `SIGKILL` or when
//! the system runs out of memory. A shell does it: it reads the ids of running
//! processes from a pipe whose other end only this process holds, and when
//! that pipe closes, it kills those that are left. (Linux could tell a child of
//! its parent's death, but that takes `unsafe`, speaks of the parent's thread
//! instead of the process, and exists nowhere else.)

use std::{
    fmt::Display,
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
};

/// Each process leads its own group, so what it started goes with it.
const SCRIPT: &str = r#"
trap "" INT TERM HUP
pids=" "
folders=
while read -r word pid; do
    case $word in
    watch) pids="$pids$pid " ;;
    sweep) folders="$folders$pid
" ;;
    forget) case $pids in *" $pid "*) pids="${pids%% "$pid" *} ${pids#* "$pid" }" ;; esac ;;
    esac
done
for pid in $pids; do kill -s KILL -- "-$pid"; done
printf %s "$folders" | while IFS= read -r folder; do
    rm -rf -- "$folder" || { sleep 1; rm -rf -- "$folder"; }
done
"#;

static PIPE: LazyLock<Mutex<Option<ChildStdin>>> = LazyLock::new(|| Mutex::new(start()));

/// From now on the group that `pid` leads ends with this process.
fn watch(pid: u32) {
    tell("watch", pid);
}

/// Starts a program that leads its own group, and watches it; anyone who waits for it
/// tells [`forget`].
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let child = command.process_group(0).spawn()?;
    watch(child.id());
    Ok(child)
}

/// `folder` goes when this process has ended, after all that was started.
pub fn sweep(folder: &std::path::Path) {
    tell("sweep", folder.display());
}

/// `pid` has ended; another process may get its number.
pub fn forget(pid: u32) {
    tell("forget", pid);
}

fn tell(word: &str, what: impl Display) {
    if let Some(pipe) = PIPE.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        // It can only fail if someone killed the shell, and then destructors remain.
        let _ = writeln!(pipe, "{word} {what}");
    }
}

fn start() -> Option<ChildStdin> {
    let mut shell = Command::new("sh")
        .args(["-c", SCRIPT])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    shell.stdin.take()
}
