//! How it looks: a little colour on a terminal, none elsewhere.

use std::{
    cell::Cell,
    io::{self, IsTerminal, Write},
    time::Instant,
};

use tests::{environment, failure::Failure};

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";

/// Standard output.
pub(crate) struct Screen {
    terminal: bool,
    colour: bool,
    step: Cell<u32>,
    start: Instant,
}

impl Screen {
    /// `NO_COLOR` is honoured: <https://no-color.org>.
    pub(crate) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let dumb = environment::variable("TERM").is_some_and(|term| term == "dumb");
        Self {
            terminal: terminal && !dumb,
            colour: terminal && !dumb && environment::variable("NO_COLOR").is_none(),
            step: Cell::new(0),
            start: Instant::now(),
        }
    }

    /// Whether someone watches.
    pub(crate) const fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> u64 {
        self.start.elapsed().as_secs()
    }

    pub(crate) fn title(&self, text: &str) {
        self.print(&self.paint(BOLD, text));
    }

    /// Begins the next step.
    pub(crate) fn step(&self, name: &str, what: &str) {
        self.step.set(self.step.get() + 1);
        let name = self.paint(BOLD, &format!("{:>2}  {name:<12}", self.step.get()));
        self.print(&format!("\n{name}{what}"));
    }

    /// A line below the step.
    pub(crate) fn line(&self, text: &str) {
        self.print(&format!("    {text}"));
    }

    /// A line below the step that may be passed over.
    pub(crate) fn detail(&self, text: &str) {
        self.print(&self.paint(DIM, &format!("    {text}")));
    }

    /// A line that something is as it should be.
    pub(crate) fn good(&self, text: &str) {
        self.print(&format!("  {} {text}", self.paint(GREEN, "✓")));
    }

    /// The same line again and again, where someone watches.
    pub(crate) fn progress(&self, text: &str) {
        if self.terminal {
            let mut out = io::stdout().lock();
            // Lines don't wrap while this one is written, or it could not be
            // written over.
            let _ = write!(out, "\r\x1b[?7l\x1b[2K{}\x1b[?7h", self.paint(DIM, text));
            let _ = out.flush();
        }
    }

    /// The last line.
    pub(crate) fn verdict(&self, text: &str) {
        self.print(&format!("\n{}", self.paint(GREEN, text)));
    }

    /// The last line of a run that proved nothing.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.progress("");
        let text = self.paint(RED, &format!("failed: {failure}"));
        self.print(&format!("\n{text}"));
    }

    /// A line unchanged.
    pub(crate) fn plain(&self, text: &str) {
        self.print(text);
    }

    /// A table's head.
    pub(crate) fn heading(&self, text: &str) {
        self.print(&self.paint(DIM, text));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Anyone who closed the pipe has seen enough.
    fn print(&self, text: &str) {
        let mut out = io::stdout().lock();
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        let _ = writeln!(out, "{clear}{text}");
        let _ = out.flush();
    }
}
