//! Programs as processes: started with exactly the environment that is given,
//! listened to, stopped in order, and never left behind.

mod output;
mod program;
mod usage;

use std::{
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use tokio::time::sleep;

use self::output::Output;
pub use self::{
    program::Program,
    usage::{Held, Usage},
};
use crate::{
    failure::{Context, Failure, Outcome},
    warden,
};

/// How often something is looked at that cannot announce itself.
const GLANCE: Duration = Duration::from_millis(20);

/// A running program. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Output,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Both streams, line by line in the order of arrival.
    pub fn output(&self) -> String {
        self.output.all()
    }

    /// Its standard output alone.
    pub fn stdout(&self) -> String {
        self.output.stdout()
    }

    /// Peak memory and CPU time so far, where the system tells.
    pub fn usage(&self) -> Option<Usage> {
        usage::of(self.id())
    }

    /// The same for it and all that it started: their CPU time together, and the
    /// peak of the one that had most.
    pub fn group_usage(&self) -> Outcome<Usage> {
        usage::of_group(self.id()).context(format!("measure {}", self.name))
    }

    /// Memory, descriptors and threads that it holds now, where the system tells.
    pub fn held(&self) -> Option<Held> {
        usage::held(self.id())
    }

    /// Asks again and again until `probe` has an answer, the process ends or
    /// `patience` does.
    pub async fn until<T>(
        &mut self,
        what: &str,
        patience: Duration,
        mut probe: impl AsyncFnMut(&Self) -> Option<T>,
    ) -> Outcome<T> {
        let start = Instant::now();
        loop {
            // First whether it ended, so that its last words are heard.
            let ended = self.status()?;
            if let Some(answer) = probe(self).await {
                return Ok(answer);
            }
            if let Some(status) = ended {
                let text = format!("{} ended with {status} before {what}", self.name);
                return Err(self.failure(&text));
            }
            if start.elapsed() > patience {
                let text = format!("{} took more than {patience:?} for {what}", self.name);
                return Err(self.failure(&text));
            }
            sleep(GLANCE).await;
        }
    }

    /// Waits for a line of which `find` makes something.
    pub async fn line<T>(
        &mut self,
        what: &str,
        patience: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> Outcome<T> {
        self.until(what, patience, async |process: &Self| process.output.find(&find)).await
    }

    /// How it ended, if it has.
    pub fn status(&mut self) -> Outcome<Option<ExitStatus>> {
        if self.ended.is_some() {
            return Ok(self.ended);
        }
        // Looked at without reaping: while it is a zombie its number is its
        // own, and what it left behind can be ended by it.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let state = waitid(WaitId::Pid(self.pid()?), options);
        if state.context(format!("look at {}", self.name))?.is_some() {
            self.end()?;
        }
        Ok(self.ended)
    }

    /// Waits for its end.
    pub async fn wait(&mut self, patience: Duration) -> Outcome<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            if start.elapsed() > patience {
                let text = format!("{} still ran after {patience:?}", self.name);
                return Err(self.failure(&text));
            }
            sleep(GLANCE).await;
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Outcome<()> {
        if self.ended.is_some() {
            return Err(Failure::new(format!("{} has ended", self.name)));
        }
        kill_process(self.pid()?, signal).context(format!("signal {}", self.name))
    }

    /// Asks it to end and waits; after `patience` it is killed, and that is an
    /// error.
    pub async fn stop(&mut self, patience: Duration) -> Outcome<ExitStatus> {
        if let Some(status) = self.status()? {
            return Ok(status);
        }
        self.signal(Signal::TERM)?;
        let waited = self.wait(patience).await;
        if waited.is_err() {
            self.end()?;
        }
        waited
    }

    /// Kills whatever of its group still runs, and reaps it.
    fn end(&mut self) -> Outcome<()> {
        let _ = kill_process_group(self.pid()?, Signal::KILL);
        warden::forget(self.id());
        self.ended = Some(self.child.wait().context(format!("wait for {}", self.name))?);
        self.output.finish();
        Ok(())
    }

    fn pid(&self) -> Outcome<Pid> {
        i32::try_from(self.id()).ok().and_then(Pid::from_raw).context("use a process id")
    }

    fn failure(&self, text: &str) -> Failure {
        Failure::new(format!("{text}; it had said:\n{}", self.output()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.end();
        }
        if std::thread::panicking() {
            self.output.show(&self.name);
        }
    }
}
