//! Other programs, run to their end, which each has to reach in time: a program
//! that hangs is a failure, and never a run that hangs.

use std::{
    fs::File,
    io::{Read, Seek, stderr},
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    failure::{Context, Failure, Outcome},
    warden,
};

/// For what is asked: the longest are a cluster's creation and loading an image
/// into it, minutes on a busy machine; kubectl's own waits end after 3 minutes.
const ANSWERS_WITHIN: Duration = Duration::from_mins(15);
/// For what is shown: an image is pulled, or built from Debian's packages.
const SHOWN_WITHIN: Duration = Duration::from_mins(60);

/// Runs it; its output is for the person who waits.
pub(super) fn show(command: &mut Command) -> Outcome<()> {
    // Standard output is for what a shell reads.
    let status = finish(command.stdout(stderr()), SHOWN_WITHIN)?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(status.to_string())).context(format!("run {command:?}"))
}

/// Runs it; its standard output.
pub(crate) fn ask(command: &mut Command) -> Outcome<String> {
    ask_within(command, ANSWERS_WITHIN)
}

/// The same, for what takes less.
pub(super) fn ask_within(command: &mut Command, patience: Duration) -> Outcome<String> {
    // Files, not pipes: someone who outlives the program may keep a pipe open.
    let file = || tempfile::tempfile().context("make a file for what a program says");
    let (mut out, mut err) = (file()?, file()?);
    let copy = |file: &File| file.try_clone().context("share a file");
    let status = finish(command.stdout(copy(&out)?).stderr(copy(&err)?), patience)?;
    let text = read(&mut out)?;
    if status.success() {
        return Ok(text);
    }
    let complaint = read(&mut err)?;
    let text = format!("{status}\n{text}{complaint}");
    Err(Failure::new(text.trim())).context(format!("run {command:?}"))
}

/// Whether it ends well within `patience`; its output is of no interest.
pub(super) fn succeeds_within(command: &mut Command, patience: Duration) -> bool {
    ask_within(command, patience).is_ok()
}

/// Runs it to its end, or ends it and what it started.
fn finish(command: &mut Command, patience: Duration) -> Outcome<ExitStatus> {
    let what = format!("run {command:?}");
    let mut child = warden::spawn(command.stdin(Stdio::null())).context(&what)?;
    let status = wait(&mut child, patience);
    warden::forget(child.id());
    status.context(what)
}

fn wait(child: &mut Child, patience: Duration) -> Outcome<ExitStatus> {
    /// How often it is looked at.
    const GLANCE: Duration = Duration::from_millis(20);
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("wait for it")? {
            return Ok(status);
        }
        if start.elapsed() > patience {
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            let _ = child.wait();
            return Err(Failure::new(format!("it has not ended within {patience:?}")));
        }
        sleep(GLANCE);
    }
}

fn read(file: &mut File) -> Outcome<String> {
    let mut bytes = Vec::new();
    file.rewind().context("read what a program said")?;
    file.read_to_end(&mut bytes).context("read what a program said")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn output_is_the_answer_and_a_complaint_the_failure() {
        assert_eq!(ask(&mut shell("echo yes; echo no >&2")).unwrap(), "yes\n");
        let failure = ask(&mut shell("echo no >&2; exit 3")).unwrap_err().to_string();
        assert!(failure.contains("no") && failure.contains('3'), "{failure}");
    }

    #[test]
    fn a_slow_command_is_killed_with_its_children() {
        let patience = Duration::from_millis(200);
        let folder = tempfile::tempdir().unwrap();
        let mut slow = shell("(sleep 1; touch late) & sleep 60");
        let failure = ask_within(slow.current_dir(folder.path()), patience).unwrap_err();
        assert!(failure.to_string().contains("200ms"), "{failure}");
        sleep(Duration::from_millis(1500));
        assert!(!folder.path().join("late").exists());
    }
}
