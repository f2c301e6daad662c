//! Faults: what a service does instead of its work, once or until it is reset.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use bytes::Bytes;

use crate::locked;

/// What happens to one request.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Wait so long before anything else.
    pub(super) delay: Duration,
    /// Wait so long after each piece of the body.
    pub(super) reading: Duration,
    pub(super) act: Act,
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Do the ordinary work.
    Work,
    /// Answer this after the body was read, and do nothing.
    Answer(Answer),
    /// Never answer.
    Hang,
    /// Close the connection.
    Drop(Moment),
}

/// When a connection is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before a byte of the body is read.
    BeforeBody,
    /// After the first piece of the body, as a load balancer does that stops.
    MidBody,
    /// After the body, with nothing done.
    AfterBody,
    /// After the work: what was sent is stored, and the sender doesn't know.
    AfterWork,
    /// In the middle of an answer, after the work.
    MidAnswer,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Answer {
    /// An answer with JSON in it.
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json; charset=utf-8".into())],
            body: body.to_string().into(),
        }
    }

    /// The same with one more header.
    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

impl Fault {
    const fn acting(act: Act) -> Self {
        Self { delay: Duration::ZERO, reading: Duration::ZERO, act }
    }

    /// Answers with a status, an empty body and no header.
    pub fn status(status: u16) -> Self {
        Self::acting(Act::Answer(Answer { status, ..Answer::default() }))
    }

    /// Answers with a redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("location", location)
    }

    /// Never answers.
    pub const fn hang() -> Self {
        Self::acting(Act::Hang)
    }

    /// Closes the connection.
    pub const fn drop(moment: Moment) -> Self {
        Self::acting(Act::Drop(moment))
    }

    /// Does the ordinary work, after a while.
    pub const fn delay(delay: Duration) -> Self {
        Self { delay, reading: Duration::ZERO, act: Act::Work }
    }

    /// Does the ordinary work, but takes this long over each piece of the body.
    pub const fn slow_reading(pause: Duration) -> Self {
        Self { delay: Duration::ZERO, reading: pause, act: Act::Work }
    }

    /// The same fault after a while.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The same answer with a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Act::Answer(answer) = &mut self.act {
            answer.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The same answer with JSON in it.
    #[must_use]
    pub fn json(self, body: &serde_json::Value) -> Self {
        self.header("content-type", "application/json; charset=utf-8").body(body.to_string())
    }

    /// The same answer with a body.
    #[must_use]
    pub fn body(mut self, text: impl Into<Bytes>) -> Self {
        if let Act::Answer(answer) = &mut self.act {
            answer.body = text.into();
        }
        self
    }
}

/// The faults that a service still has to play.
#[derive(Debug, Default)]
pub struct Faults {
    queue: Mutex<VecDeque<Fault>>,
    standing: Mutex<Option<Fault>>,
}

impl Faults {
    /// For the next request that finds no other fault before it.
    pub fn push(&self, fault: Fault) {
        locked(&self.queue).push_back(fault);
    }

    /// For the next `times` requests.
    pub fn push_times(&self, times: usize, fault: &Fault) {
        locked(&self.queue).extend(std::iter::repeat_n(fault.clone(), times));
    }

    /// For every request from now on that finds the queue empty.
    pub fn always(&self, fault: Fault) {
        *locked(&self.standing) = Some(fault);
    }

    /// No fault from now on.
    pub fn clear(&self) {
        locked(&self.queue).clear();
        *locked(&self.standing) = None;
    }

    /// How many faults wait in the queue.
    pub fn waiting(&self) -> usize {
        locked(&self.queue).len()
    }

    pub(super) fn next(&self) -> Option<Fault> {
        locked(&self.queue).pop_front().or_else(|| locked(&self.standing).clone())
    }
}
