//! Exits the process when its event loop is blocked.
//!
//! One thread serves everything. A deadlock or an endless loop there leaves a process
//! that runs and answers nothing; without a liveness probe, nothing restarts it. The loop
//! increments a heartbeat, and a separate thread checks it.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};

/// A sign of life of the event loop.
#[derive(Clone, Debug, Default)]
pub struct Heartbeat {
    beats: Arc<AtomicU64>,
}

/// So many looks without a beat in between mean that the loop stands still. The looks are
/// counted, not the time: where the whole process or machine was suspended, no one looked
/// either.
const LOOKS: u32 = 30;

impl Heartbeat {
    /// Beats every `rhythm`, for ever.
    pub async fn beat(&self, rhythm: Duration) -> Infallible {
        let mut ticks = interval(rhythm);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.beats.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Looks every `rhythm`, and returns when there was no beat for 30 looks.
    pub fn watch(&self, rhythm: Duration) {
        let mut seen = self.beats.load(Ordering::Relaxed);
        let mut missed = 0;
        while missed < LOOKS {
            thread::sleep(rhythm);
            let beats = self.beats.load(Ordering::Relaxed);
            missed = if beats == seen { missed + 1 } else { 0 };
            seen = beats;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Instant};

    use tokio::{runtime::Builder, time::sleep};

    use super::*;

    const RHYTHM: Duration = Duration::from_millis(10);

    /// Watches an event loop that blocks for `block`; how long it took until that
    /// was found, if it was found while the loop ran.
    fn found_after(block: Duration) -> Option<Duration> {
        let heartbeat = Heartbeat::default();
        let (found, finding) = mpsc::channel();
        let watched = heartbeat.clone();
        let begun = Instant::now();
        thread::spawn(move || {
            watched.watch(RHYTHM);
            let _ = found.send(begun.elapsed());
        });
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            tokio::select! {
                never = heartbeat.beat(RHYTHM) => match never {},
                () = async {
                    sleep(50 * RHYTHM).await;
                    thread::sleep(block);
                    sleep(10 * RHYTHM).await;
                } => {}
            }
        });
        finding.try_recv().ok()
    }

    #[test]
    fn a_loop_that_stands_still_is_found_and_a_pause_is_not() {
        assert_eq!(found_after(RHYTHM * LOOKS / 3), None);
        let found = found_after(RHYTHM * LOOKS * 3).unwrap();
        assert!(found >= 50 * RHYTHM + RHYTHM * LOOKS / 2, "{found:?}");
    }
}
