//! Several users at a time: who is at which station, and what each station waits for.

use std::collections::HashMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use keywright_provision::Event;

/// Who is at which station.
#[derive(Default)]
pub(crate) struct Stations(HashMap<String, u32>);

impl Stations {
    /// The station that an event is about, and the user there.
    pub(crate) fn of<'e>(&mut self, event: &'e Event) -> Option<(u32, &'e str)> {
        let user = event.user()?;
        if let Event::UserStarted { station, .. } = event {
            self.0.retain(|_, taken| taken != station);
            self.0.insert(user.to_owned(), *station);
        }
        self.0.get(user).map(|station| (*station, user))
    }
}

/// One line for each station at the foot of the terminal.
pub(crate) struct Board {
    lines: Vec<ProgressBar>,
    // Draws as long as it lives.
    all: MultiProgress,
}

impl Board {
    /// A board of so many stations, with `total` below them.
    pub(crate) fn new(stations: u32, total: &ProgressBar) -> Self {
        let all = MultiProgress::new();
        let style = ProgressStyle::with_template("{prefix:>3} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let lines = (1..=stations)
            .map(|station| {
                let line = all.add(ProgressBar::new_spinner().with_style(style.clone()));
                line.set_prefix(format!("{station}"));
                line.set_message("free");
                line
            })
            .collect();
        all.add(total.clone());
        Self { lines, all }
    }

    /// Draws there from now on.
    pub(crate) fn draw_to(&self, target: ProgressDrawTarget) {
        if target.is_hidden() {
            // What cannot be cleared now stays above the question.
            let _ = self.all.clear();
        }
        self.all.set_draw_target(target);
    }

    /// Shows where a station stands.
    pub(crate) fn show(&self, station: u32, user: &str, event: &Event, text: &str) {
        let index = usize::try_from(station.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(line) = self.lines.get(index) else {
            return;
        };
        // What the operator has to do now stands out from what goes on by itself.
        let mark = match event {
            Event::TouchNeeded { .. }
            | Event::KeyWanted { .. }
            | Event::KeyLost { .. }
            | Event::ReinsertionWanted { .. }
            | Event::ResetStarted { .. } => "==>",
            _ => "   ",
        };
        line.set_message(format!("{mark} {user}: {text}"));
    }

    /// Whether an event must still be readable when its station has gone on to something else.
    pub(crate) fn is_worth_a_line(event: &Event) -> bool {
        matches!(
            event,
            Event::KeyFinished { .. }
                | Event::KeyRefused { .. }
                | Event::KeyLost { .. }
                | Event::KeyReset { .. }
                | Event::KeyRemoved { .. }
                | Event::AlreadyRegistered { .. }
                | Event::Warning { .. }
                | Event::UserFailed { .. }
        )
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        for line in &self.lines {
            line.finish_and_clear();
        }
        // Nobody is left to tell when this fails.
        let _ = self.all.clear();
    }
}
