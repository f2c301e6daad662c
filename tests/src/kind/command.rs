//! Other programs, run to their end.

use std::{
    io::stderr,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    failure::{Context, Failure, Outcome},
    warden,
};

/// Runs it; what it says is for the person who waits.
pub(super) fn show(command: &mut Command) -> Outcome<()> {
    let what = format!("run {command:?}");
    // Standard output is for what a shell reads.
    let command = command.stdin(Stdio::null()).stdout(stderr());
    let mut child = warden::spawn(command).context(&what)?;
    let status = child.wait().context(&what)?;
    warden::forget(child.id());
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(status.to_string())).context(what)
}

/// Runs it; its standard output.
pub(super) fn ask(command: &mut Command) -> Outcome<String> {
    let what = format!("run {command:?}");
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = warden::spawn(command).context(&what)?;
    let id = child.id();
    let said = child.wait_with_output().context(&what)?;
    warden::forget(id);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    if said.status.success() {
        return Ok(text);
    }
    let complaint = String::from_utf8_lossy(&said.stderr);
    Err(Failure::new(format!("{}\n{text}{complaint}", said.status))).context(what)
}

/// Whether it ends well within `patience`; its output is of no interest.
pub(super) fn succeeds_within(command: &mut Command, patience: Duration) -> bool {
    /// How often it is looked at.
    const GLANCE: Duration = Duration::from_millis(50);
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = warden::spawn(command) else { return false };
    let start = Instant::now();
    let success = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if start.elapsed() < patience => sleep(GLANCE),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break false;
            }
        }
    };
    warden::forget(child.id());
    success
}
