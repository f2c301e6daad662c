//! Large answers, of which few are read at once: their memory is in no other account.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::READ_BYTES;

/// So many are read at once from all destinations; each has up to 64 KiB of head and 16 KiB
/// of body.
const MAX_LARGE_ANSWERS: usize = 32;

/// The answers of one destination that are larger than [`READ_BYTES`].
pub(in crate::upstream) struct LargeAnswers(Semaphore);

/// What an answer needs once it is large.
pub(super) struct Permit<'a> {
    of: &'a LargeAnswers,
    held: Option<SemaphorePermit<'a>>,
}

impl LargeAnswers {
    /// Those of one of so many destinations.
    pub(in crate::upstream) fn new(destinations: usize) -> Self {
        Self(Semaphore::new(MAX_LARGE_ANSWERS / destinations))
    }

    /// For an answer that has not begun.
    pub(super) const fn not_yet(&self) -> Permit<'_> {
        Permit { of: self, held: None }
    }
}

impl Permit<'_> {
    /// Waits for the permit if so many bytes are there already, and more are to come.
    pub(super) async fn hold(&mut self, bytes: usize) {
        if bytes >= READ_BYTES && self.held.is_none() {
            self.held = self.of.0.acquire().await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::{Instant, timeout_at},
    };

    use super::{
        super::{Connection, MAX_BODY_BYTES},
        *,
    };
    use crate::dial::Stream;

    /// What is kept of an answer with so large a head and body, if there are so many permits.
    async fn kept(head: usize, body: usize, permits: usize) -> Result<(usize, bool), &'static str> {
        let (near, mut far) = duplex(1 << 20);
        let mut connection = Connection::new(Stream::Memory(near), 0);
        let (large, long) = ("h".repeat(head), "b".repeat(body));
        let answer =
            format!("HTTP/1.1 503 No\r\nContent-Length: {body}\r\nX: {large}\r\n\r\n{long}");
        far.write_all(answer.as_bytes()).await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(25);
        let permits = LargeAnswers(Semaphore::new(permits));
        let exchanged = connection.exchange(b"POST", b"", deadline, &permits);
        let (received, reusable) =
            timeout_at(deadline, exchanged).await.map_err(|_| "late")?.unwrap();
        assert_eq!(received.status, 503);
        assert!(connection.input.capacity() <= READ_BYTES);
        far.read_exact(&mut [0; 4]).await.unwrap();
        Ok((received.body.len(), reusable))
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_answer_waits_for_a_permit() {
        for permits in [0, 1] {
            assert_eq!(kept(100, 1000, permits).await, Ok((1000, true)));
        }
        assert_eq!(kept(10_000, 15_000, 1).await, Ok((15_000, true)));
        assert_eq!(kept(10_000, 100_000, 1).await, Ok((MAX_BODY_BYTES, false)));
        // The status is known without the rest of the body, and not without the head.
        let (body, reusable) = kept(100, 20_000, 0).await.unwrap();
        assert!(body < 2 * READ_BYTES && !reusable, "{body}");
        assert_eq!(kept(10_000, 0, 0).await, Err("late"));
    }
}
