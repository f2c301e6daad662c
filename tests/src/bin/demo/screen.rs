//! How it looks: a little colour on a terminal, in lines of its width; neither elsewhere.

use std::{
    cell::{Cell, RefCell},
    io::{self, IsTerminal, Write},
    path::Path,
    time::Instant,
};

use rustix::termios::tcgetwinsize;
use tests::{
    failure::{Context, Failure, Outcome},
    machine::environment,
};

use super::{
    line::{Piece, Style, wrap},
    picture,
};

/// Columns of a line that a picture shows.
const PICTURE: usize = 100;
/// Columns from where a step's description begins.
const NAME: usize = 16;
/// Columns from where a line below a step begins, if it is the rest of another.
const REST: usize = 6;

/// What it shows, before anything runs.
const INTRODUCTION: [(&str, &str); 3] = [
    ("  pod ──▶ webhook ──▶ pod with sidecar      ", "the webhook adds the sidecar"),
    ("  Prometheus ──▶ sidecar ──▶ Azure Monitor  ", "the sidecar adds tokens"),
    ("", "  Everything is real but Azure, a strict mock on loopback. It takes about 15 seconds."),
];

/// Standard output.
pub(crate) struct Screen {
    terminal: bool,
    colour: bool,
    step: Cell<u32>,
    start: Instant,
    /// What was shown, for a picture.
    shown: RefCell<Vec<Vec<Piece>>>,
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
            shown: RefCell::default(),
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

    /// What the demo shows.
    pub(crate) fn introduction(&self) {
        let title = "prom-remotewrite: Prometheus writes to Azure Monitor, shown without Azure";
        self.print(&[(Style::Bold, title.to_owned())], 0);
        self.blank();
        for (drawing, text) in INTRODUCTION {
            self.print(&[(Style::Plain, drawing.to_owned()), (Style::Dim, text.to_owned())], 2);
        }
    }

    /// Begins the next step.
    pub(crate) fn step(&self, name: &str, what: &str) {
        self.step.set(self.step.get() + 1);
        self.blank();
        let name = format!("{:>2}  {name:<12}", self.step.get());
        self.print(&[(Style::Bold, name), (Style::Plain, what.to_owned())], NAME);
    }

    /// A line below the step.
    pub(crate) fn line(&self, text: &str) {
        self.print(&[(Style::Plain, format!("    {text}"))], REST);
    }

    /// A line below the step that may be passed over.
    pub(crate) fn detail(&self, text: &str) {
        self.print(&[(Style::Dim, format!("    {text}"))], REST);
    }

    /// A line that something is as it should be.
    pub(crate) fn good(&self, text: &str) {
        self.print(&[(Style::Green, "  ✓ ".to_owned()), (Style::Plain, text.to_owned())], REST);
    }

    /// The same line again and again, where someone watches.
    pub(crate) fn progress(&self, text: &str) {
        if self.terminal {
            let mut out = io::stdout().lock();
            // Lines don't wrap while this one is written, or it could not be
            // written over.
            let text = self.paint(&(Style::Dim, text.to_owned()));
            let _ = write!(out, "\r\x1b[?7l\x1b[2K{text}\x1b[?7h");
            let _ = out.flush();
        }
    }

    /// The last line.
    pub(crate) fn verdict(&self, text: &str) {
        self.blank();
        self.print(&[(Style::Green, text.to_owned())], 0);
    }

    /// The last line of a run that proved nothing.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.progress("");
        self.blank();
        self.print(&[(Style::Red, format!("failed: {failure}"))], REST);
    }

    /// A table's row, which is not broken here.
    pub(crate) fn row(&self, text: &str) {
        self.print(&[(Style::Plain, text.to_owned())], usize::MAX);
    }

    /// A table's head.
    pub(crate) fn heading(&self, text: &str) {
        self.print(&[(Style::Dim, text.to_owned())], REST);
    }

    /// Everything that was shown, as a picture.
    pub(crate) fn draw(&self, file: &Path) -> Outcome<()> {
        let picture = picture::draw(&self.shown.borrow());
        std::fs::write(file, picture).context(format!("write {}", file.display()))
    }

    fn blank(&self) {
        self.print(&[], 0);
    }

    /// Anyone who closed the pipe has seen enough.
    fn print(&self, line: &[Piece], indent: usize) {
        self.shown.borrow_mut().extend(wrap(line, PICTURE, indent));
        let mut out = io::stdout().lock();
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        let lines = match self.columns() {
            Some(columns) => wrap(line, columns, indent),
            None => vec![line.to_vec()],
        };
        for line in lines {
            let text: String = line.iter().map(|piece| self.paint(piece)).collect();
            let _ = writeln!(out, "{clear}{text}");
        }
        let _ = out.flush();
    }

    /// How wide the terminal is now; a window may be resized.
    fn columns(&self) -> Option<usize> {
        let size = if self.terminal { tcgetwinsize(io::stdout()).ok()? } else { return None };
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }

    fn paint(&self, (style, text): &Piece) -> String {
        let code = match style {
            Style::Plain => return text.clone(),
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Red => "31",
            Style::Green => "32",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.clone() }
    }
}
