//! Events on their way to a person (standard error) or to a program (standard output, one JSON object a line).

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keywright_provision::{Event, Reporter};

use crate::board::{Board, Stations};
use crate::text::{Line, line};

/// For whom events are rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A person at standard error.
    Text,
    /// A program at standard output.
    Json,
}

/// Renders events as they come.
pub struct Screen {
    output: Output,
    view: Mutex<View>,
}

/// What is on a person's screen.
#[derive(Default)]
struct View {
    /// How far the run is, on a terminal.
    progress: Option<ProgressBar>,
    /// Where several users are served at a time: who is at which station.
    stations: Option<Stations>,
    /// What each station waits for, on a terminal.
    board: Option<Board>,
    /// Lines that wait while somebody answers a question; `None` while nobody does.
    held: Option<Vec<String>>,
}

impl Screen {
    /// Renders for `output`.
    #[must_use]
    pub fn new(output: Output) -> Self {
        Self {
            output,
            view: Mutex::default(),
        }
    }

    /// A line for people that is no event; programs do not get it.
    pub fn say(&self, text: &str) {
        if self.output == Output::Text {
            let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
            view.write(text);
        }
    }

    /// Asks a question at the terminal. What happens meanwhile goes on and is shown afterwards, so that nothing is drawn
    /// over the answer.
    pub fn ask<R>(&self, question: impl FnOnce() -> R) -> R {
        let view = || self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view().hold();
        let answer = question();
        view().resume();
        answer
    }

    fn text(&self, event: &Event) {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.begin_or_end(event);
        view.show(event);
    }
}

impl View {
    fn begin_or_end(&mut self, event: &Event) {
        match event {
            Event::RunStarted {
                users, stations, ..
            } => {
                let several = stations.filter(|stations| *stations > 1);
                self.stations = several.map(|_| Stations::default());
                if std::io::stderr().is_terminal() {
                    let bar = bar(*users);
                    self.board = several.map(|several| Board::new(several, &bar));
                    self.progress = Some(bar);
                }
            }
            Event::RunFinished { .. } | Event::RunFailed { .. } => {
                self.board = None;
                if let Some(bar) = self.progress.take() {
                    bar.finish_and_clear();
                }
            }
            Event::UserStarted { number, .. } => {
                if let Some(bar) = &self.progress {
                    bar.set_position(number.saturating_sub(1));
                }
            }
            _ => {}
        }
    }

    fn show(&mut self, event: &Event) {
        let Some(line) = line(event) else {
            return;
        };
        let station = self
            .stations
            .as_mut()
            .and_then(|stations| stations.of(event));
        match (line, station, &self.board, &self.progress) {
            (Line::Progress(_), _, _, Some(bar)) => bar.inc(1),
            (Line::Always(text), Some((station, user)), Some(board), _) => {
                board.show(station, user, event, text.trim_start());
                if Board::is_worth_a_line(event) {
                    self.write(&at_station(station, user, text.trim_start()));
                }
            }
            (Line::Always(text), Some((station, user)), None, _) => {
                self.write(&at_station(station, user, text.trim_start()));
            }
            (Line::Progress(text) | Line::Always(text), ..) => self.write(&text),
        }
    }

    fn write(&mut self, text: &str) {
        match &mut self.held {
            Some(held) => held.push(text.to_owned()),
            None => write_line(self.progress.as_ref(), text),
        }
    }

    fn hold(&mut self) {
        self.held = Some(Vec::new());
        self.draw_to(ProgressDrawTarget::hidden);
    }

    fn resume(&mut self) {
        self.draw_to(ProgressDrawTarget::stderr);
        for line in self.held.take().unwrap_or_default() {
            self.write(&line);
        }
    }

    fn draw_to(&self, target: impl Fn() -> ProgressDrawTarget) {
        match (&self.board, &self.progress) {
            (Some(board), _) => board.draw_to(target()),
            (None, Some(bar)) => bar.set_draw_target(target()),
            (None, None) => {}
        }
    }
}

impl Reporter for Screen {
    fn report(&self, event: Event) {
        match self.output {
            Output::Text => self.text(&event),
            Output::Json => {
                let json = serde_json::to_string(&event).unwrap_or_default();
                let mut out = std::io::stdout().lock();
                // A reader that went away is no reason to leave a key half-made.
                let _ = writeln!(out, "{json}").and_then(|()| out.flush());
                if let Event::RunFailed { message } = &event {
                    write_line(None, &format!("error: {message}"));
                }
            }
        }
    }
}

/// A line that says whose it is, once.
fn at_station(station: u32, user: &str, text: &str) -> String {
    if text.contains(user) {
        format!("[{station}] {text}")
    } else {
        format!("[{station}] {user}: {text}")
    }
}

fn write_line(bar: Option<&ProgressBar>, text: &str) {
    let write = || {
        // As above: nobody is left to tell.
        let _ = writeln!(std::io::stderr(), "{text}");
    };
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn bar(users: Option<u64>) -> ProgressBar {
    let (bar, template) = match users {
        Some(users) => (ProgressBar::new(users), "{bar:30} {pos}/{len} {elapsed}"),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {pos} users {elapsed}",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
