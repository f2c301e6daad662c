//! The output of a process, read by threads so that it never blocks on a pipe.

use std::{
    io::{BufRead, BufReader, Read},
    process::Child,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use crate::locked;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

type Lines = Arc<Mutex<Vec<(Stream, String)>>>;

/// Both streams of a process.
#[derive(Debug)]
pub(super) struct Output {
    lines: Lines,
    readers: Vec<JoinHandle<()>>,
}

impl Output {
    /// Begins to read.
    pub(super) fn of(child: &mut Child) -> Self {
        let lines = Lines::default();
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|pipe| read(pipe, Stream::Stdout, &lines)));
        readers.extend(child.stderr.take().map(|pipe| read(pipe, Stream::Stderr, &lines)));
        Self { lines, readers }
    }

    /// Everything, in the order of arrival.
    pub(super) fn all(&self) -> String {
        join(locked(&self.lines).iter())
    }

    /// Standard output alone.
    pub(super) fn stdout(&self) -> String {
        join(locked(&self.lines).iter().filter(|(stream, _)| *stream == Stream::Stdout))
    }

    /// The first line of which `find` makes something.
    pub(super) fn find<T>(&self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        locked(&self.lines).iter().find_map(|(_, line)| find(line))
    }

    /// Reads what is left after the process has ended.
    pub(super) fn finish(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }

    /// Prints everything where a failed test's output goes.
    #[expect(clippy::print_stderr, reason = "the output of a failed test is for reading")]
    pub(super) fn show(&self, name: &str) {
        eprintln!("--- what {name} said:\n{}---", self.all());
    }
}

fn read(pipe: impl Read + Send + 'static, stream: Stream, lines: &Lines) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line);
            locked(&lines).push((stream, text.trim_end_matches('\n').to_owned()));
            line.clear();
        }
    })
}

fn join<'a>(lines: impl Iterator<Item = &'a (Stream, String)>) -> String {
    lines.fold(String::new(), |text, (_, line)| text + line + "\n")
}
