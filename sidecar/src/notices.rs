//! Rate limits for log lines that would otherwise be written for every request.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Decides for each subject when it may be logged again.
pub(crate) struct Notices<S = &'static str> {
    subjects: Mutex<HashMap<S, Subject>>,
}

struct Subject {
    said: Instant,
    held_back: u64,
}

/// One line a minute for each subject: often enough to be found, seldom enough
/// not to bury the rest.
const INTERVAL: Duration = Duration::from_mins(1);

impl<S> Default for Notices<S> {
    fn default() -> Self {
        Self { subjects: Mutex::default() }
    }
}

impl<S: Eq + Hash> Notices<S> {
    /// `Some(n)` if the subject may be logged now, after `n` times at which it
    /// was not.
    pub(crate) fn may_say(&self, subject: S) -> Option<u64> {
        let now = Instant::now();
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        match subjects.get_mut(&subject) {
            Some(known) if now.duration_since(known.said) < INTERVAL => {
                known.held_back += 1;
                None
            }
            Some(known) => {
                known.said = now;
                Some(std::mem::take(&mut known.held_back))
            }
            None => {
                subjects.insert(subject, Subject { said: now, held_back: 0 });
                Some(0)
            }
        }
    }

    /// All subjects but this one are over: their next appearance is news again.
    pub(crate) fn over_but(&self, subject: &S) {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        subjects.retain(|known, _| known == subject);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn once_a_minute_each_and_at_once_when_it_comes_back() {
        let notices = Notices::default();
        assert_eq!(notices.may_say("403"), Some(0));
        assert_eq!(notices.may_say("403"), None);
        assert_eq!(notices.may_say("404"), Some(0));
        tokio::time::advance(INTERVAL).await;
        assert_eq!(notices.may_say("403"), Some(1));
        notices.over_but(&"404");
        assert_eq!(notices.may_say("403"), Some(0));
        assert_eq!(notices.may_say("404"), Some(0), "a minute ago");
        notices.over_but(&"404");
        assert_eq!(notices.may_say("404"), None);
    }
}
