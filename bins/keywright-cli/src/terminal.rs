//! Questions to the person at the terminal. Without a terminal, answers are lines of standard input.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::Arc;

use keywright_provision::ctap::Pin;
use keywright_provision::{Confirmation, Operator, PinQuestion};
use zeroize::Zeroizing;

use crate::render::Screen;

/// The person who started the program.
#[derive(Clone)]
pub struct Terminal {
    /// What is drawn there, and must not be drawn over a question.
    pub screen: Arc<Screen>,
    /// `--yes`: existing keys may be deleted without a question.
    pub assume_yes: bool,
    /// `--yes` together with `--reset always`: keys may be reset without a question.
    pub agree_to_resets: bool,
    /// `--give-up-lost-keys`: a key that does not come back is replaced without a question.
    pub give_up_lost_keys: bool,
}

impl Operator for Terminal {
    fn current_pin(&self, question: &PinQuestion) -> Option<Pin> {
        let prompt = question.to_string();
        self.screen.ask(|| {
            loop {
                let answer = read_secret(&prompt)?;
                match Pin::new(answer.as_str()) {
                    Ok(pin) => return Some(pin),
                    Err(error) => tell(&format!("{error}\n")),
                }
            }
        })
    }

    fn confirm(&self, question: &Confirmation) -> Option<bool> {
        let agreed = match question {
            Confirmation::DeleteExisting { .. } => self.assume_yes,
            Confirmation::ResetKey { .. } => self.agree_to_resets,
            Confirmation::GiveUpKey { .. } => self.give_up_lost_keys,
            _ => false,
        };
        if agreed {
            return Some(true);
        }
        if !std::io::stdin().is_terminal() {
            return None;
        }
        self.screen.ask(|| match question {
            Confirmation::ResetKey { serial, .. } => {
                typed(question, serial.as_deref().unwrap_or("reset"))
            }
            _ => yes_or_no(question),
        })
    }
}

fn yes_or_no(question: &Confirmation) -> Option<bool> {
    tell(&format!("{question} [y/N] "));
    Some(matches!(read_line()?.trim(), "y" | "Y" | "yes"))
}

/// A yes that nobody gives by a slip of the finger.
fn typed(question: &Confirmation, word: &str) -> Option<bool> {
    tell(&format!(
        "{question} Type {word} to agree, or press Enter to leave it as it is: "
    ));
    Some(read_line()?.trim() == word)
}

/// A line without echo; blank or no line means that nobody knows.
fn read_secret(prompt: &str) -> Option<Zeroizing<String>> {
    let answer = if std::io::stdin().is_terminal() {
        Zeroizing::new(rpassword::prompt_password(prompt).ok()?)
    } else {
        read_line()?
    };
    (!answer.is_empty()).then_some(answer)
}

fn read_line() -> Option<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    let read = std::io::stdin().lock().read_line(&mut line).ok()?;
    (read > 0).then(|| Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn tell(text: &str) {
    let mut out = std::io::stderr();
    // Without standard error the question goes unseen, and its answer decides all the same.
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}
