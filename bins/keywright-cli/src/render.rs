//! Events on their way to a person (standard error) or to a program (standard output, one JSON object a line).

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use keywright_provision::{Event, Reporter};

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
    progress: Mutex<Option<ProgressBar>>,
}

impl Screen {
    /// Renders for `output`.
    #[must_use]
    pub fn new(output: Output) -> Self {
        Self {
            output,
            progress: Mutex::new(None),
        }
    }

    /// A line for people that is no event; programs do not get it.
    pub fn say(&self, text: &str) {
        if self.output == Output::Text {
            let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            write_line(progress.as_ref(), text);
        }
    }

    fn text(&self, event: &Event) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::RunStarted { users, .. } if std::io::stderr().is_terminal() => {
                *progress = Some(bar(*users));
            }
            Event::RunFinished { .. } | Event::RunFailed { .. } => {
                if let Some(bar) = progress.take() {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
        match (line(event), progress.as_ref()) {
            (None, _) => {}
            (Some(Line::Progress(_)), Some(bar)) => bar.inc(1),
            (Some(Line::Progress(text) | Line::Always(text)), bar) => write_line(bar, &text),
        }
        if let (Event::UserStarted { number, .. }, Some(bar)) = (event, progress.as_ref()) {
            bar.set_position(number.saturating_sub(1));
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
