//! Lines on their way to standard error.
//!
//! The programs do their work on one thread. Anyone who reads the log may stand still (a
//! full disk, a stopped `kubectl logs`-like reader, a container runtime that hangs), and
//! a write to a full pipe would then stop the work: so another thread writes, and what it
//! cannot write in time is dropped and counted. It writes a line at once, and gathers those
//! of the next milliseconds, because a wake-up and a write for each would cost the webhook a
//! fifth more CPU for a pod.

use std::{
    io::Write,
    sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;

/// Lines that wait, in bytes: about 500, more than the programs write in the milliseconds
/// in which the thread may have to wait for the CPU. In addition to the pipe's own 64
/// KiB, twice this is held while no one reads, and next to nothing otherwise.
const CAPACITY: usize = 128 << 10;
/// How long the thread gathers lines after it has written some: not noticed by who reads
/// along, and some dozens of the webhook's lines where it has most to do.
const GATHERING: Duration = Duration::from_millis(5);
/// So much is written at once, bytes: the next lines would be dropped.
const MUCH: usize = CAPACITY / 2;
/// Capacity that is kept for the next lines; more is freed.
const KEPT: usize = 4 << 10;

/// Lines in the order in which they were logged.
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    dropped: LazyLock<Counter>,
}

struct State {
    waiting: Vec<u8>,
    is_writing: bool,
    /// Lines that were dropped since this was last logged.
    untold: u64,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        let state = State { waiting: Vec::new(), is_writing: false, untold: 0 };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            dropped: LazyLock::new(Counter::default),
        }
    }

    /// How many lines were dropped.
    pub(crate) fn dropped(&self) -> Counter {
        self.dropped.clone()
    }

    /// Adds a line, or drops it.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > CAPACITY {
            state.untold += 1;
            self.dropped.inc();
            return;
        }
        let before = state.waiting.len();
        state.waiting.extend_from_slice(line);
        let is_much = before < MUCH && state.waiting.len() >= MUCH;
        drop(state);
        if before == 0 || is_much {
            self.changed.notify_all();
        }
    }

    /// Writes lines to `output` as they come, for ever.
    pub(crate) fn write_to(&self, mut output: impl Write) -> ! {
        let mut lines = Vec::new();
        loop {
            let dropped = self.take(&mut lines);
            if output.write_all(&lines).and_then(|()| output.flush()).is_err() {
                let lost = lines.split_inclusive(|byte| *byte == b'\n').count();
                self.dropped.inc_by(lost as u64);
            }
            lines.clear();
            lines.shrink_to(KEPT);
            if dropped > 0 {
                tracing::warn!(lines = dropped, "dropped log lines: the log was not read");
            }
            self.lock().is_writing = false;
            self.changed.notify_all();
            let is_little = |state: &mut State| state.waiting.len() < MUCH;
            drop(self.changed.wait_timeout_while(self.lock(), GATHERING, is_little));
        }
    }

    /// Waits for lines and swaps them for `empty`; returns how many were dropped after
    /// them.
    fn take(&self, empty: &mut Vec<u8>) -> u64 {
        let state = self.changed.wait_while(self.lock(), |state| state.waiting.is_empty());
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.waiting, empty);
        state.is_writing = true;
        std::mem::take(&mut state.untold)
    }

    /// Waits until everything is written, for at most `patience`.
    pub(crate) fn flush(&self, patience: Duration) {
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        // Whether it succeeded changes nothing.
        drop(self.changed.wait_timeout_while(self.lock(), patience, is_busy));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, mpsc},
        thread,
    };

    use super::*;

    /// Each write waits until it is allowed, and shows what it wrote.
    struct Output {
        allowed: mpsc::Receiver<()>,
        written: mpsc::Sender<String>,
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            self.allowed.recv().map_err(gone)?;
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.written.send(text).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(number: usize) -> String {
        format!("{number:0>99}\n")
    }

    #[test]
    fn an_output_that_is_not_read_blocks_no_caller_and_loses_only_what_does_not_fit() {
        let (allow, allowed) = mpsc::channel();
        let (write, written) = mpsc::channel();
        let queue = Arc::new(Queue::new());
        let writer = Arc::clone(&queue);
        thread::spawn(move || writer.write_to(Output { allowed, written: write }));
        let fit = CAPACITY / line(0).len();
        queue.push(line(0).as_bytes());
        while !queue.lock().is_writing {
            thread::yield_now();
        }
        for number in 1..3 * fit {
            queue.push(line(number).as_bytes());
        }
        let dropped = usize::try_from(queue.dropped().get()).unwrap();
        // One is being written.
        assert_eq!(dropped, 3 * fit - 1 - fit);
        queue.flush(Duration::ZERO);
        // More writes than there are.
        for _ in 0..10 {
            allow.send(()).unwrap();
        }
        queue.flush(Duration::from_secs(20));
        queue.push(line(3 * fit).as_bytes());
        queue.flush(Duration::from_secs(20));
        let all: String = written.try_iter().collect();
        let kept = 3 * fit - dropped;
        let mut expected: String = (0..kept).map(line).collect();
        expected.push_str(&line(3 * fit));
        assert!(all == expected, "{} bytes instead of {}", all.len(), expected.len());
        // An output that is gone costs its lines, which are counted.
        drop(written);
        queue.push(format!("{}{}", line(1), line(2)).as_bytes());
        queue.flush(Duration::from_secs(20));
        assert_eq!(queue.dropped().get(), dropped as u64 + 2);
    }
}
