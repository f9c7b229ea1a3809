//! How a program begins and ends.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use clap::error::ErrorKind;
use keywright_provision::{Cancel, Error, Event, Reporter, Summary};

use crate::render::{Output, Screen};

/// What the exit status tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: all done.
    Done,
    /// 1: could not run.
    CouldNotRun,
    /// 2: finished, but some users failed; they were listed.
    SomeFailed,
    /// 3: interrupted; safe to run again.
    Interrupted,
    /// 64: the command line or the configuration is wrong.
    Usage,
}

impl Exit {
    /// What a run that came to its end tells.
    #[must_use]
    pub fn of(summary: &Summary) -> Self {
        if summary.interrupted {
            Self::Interrupted
        } else if summary.failed > 0 {
            Self::SomeFailed
        } else {
            Self::Done
        }
    }

    /// What a run that could not begin or had to stop tells.
    #[must_use]
    pub fn of_error(error: &Error) -> Self {
        match error {
            Error::Config(_)
            | Error::NotConfirmed { .. }
            | Error::ExpiredWithoutSignIn { .. }
            | Error::OutOfReach { .. } => Self::Usage,
            Error::Provider(error)
                if matches!(error.code.as_str(), "no_sign_in" | "configuration") =>
            {
                Self::Usage
            }
            _ => Self::CouldNotRun,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::CouldNotRun => 1,
            Exit::SomeFailed => 2,
            Exit::Interrupted => 3,
            Exit::Usage => 64,
        })
    }
}

/// The whole of a program's `main`: reads the command line (a mistake in it ends with 64, a call for help with 0), and
/// runs `program` to its end. The first Ctrl-C asks it to stop in good order, the second one ends it at once.
pub fn main<C, F>(
    json: impl FnOnce(&C) -> bool,
    program: impl FnOnce(C, Arc<Screen>, Cancel) -> F,
) -> ExitCode
where
    C: Parser,
    F: Future<Output = Result<Summary, Error>>,
{
    match parse::<C>() {
        Ok(cli) => main_of(json(&cli), |screen, cancel| program(cli, screen, cancel)),
        Err(exit) => exit,
    }
}

/// Reads the command line: a mistake in it has been told and ends with 64, a call for help with 0.
///
/// # Errors
/// How the program is to end.
pub fn parse<C: Parser>() -> Result<C, ExitCode> {
    C::try_parse().map_err(|error| {
        let exit = match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
            _ => Exit::Usage,
        };
        // A closed standard error leaves nobody to tell.
        let _ = error.print();
        exit.into()
    })
}

/// [`main`] for a program that has read its command line.
pub fn main_of<F>(json: bool, program: impl FnOnce(Arc<Screen>, Cancel) -> F) -> ExitCode
where
    F: Future<Output = Result<Summary, Error>>,
{
    let screen = Arc::new(Screen::new(if json { Output::Json } else { Output::Text }));
    run(&screen, |cancel| program(Arc::clone(&screen), cancel))
}

fn run<F>(screen: &Screen, program: impl FnOnce(Cancel) -> F) -> ExitCode
where
    F: Future<Output = Result<Summary, Error>>,
{
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            screen.report(Event::RunFailed {
                message: format!("cannot start: {error}"),
            });
            return Exit::CouldNotRun.into();
        }
    };
    let cancel = Cancel::default();
    let exit = runtime.block_on(async {
        tokio::spawn(raise_on_ctrl_c(cancel.clone()));
        match program(cancel).await {
            Ok(summary) => Exit::of(&summary),
            Err(error) => {
                screen.report(Event::RunFailed {
                    message: error.to_string(),
                });
                Exit::of_error(&error)
            }
        }
    });
    // A question at the terminal may still have a thread; it must not keep the program.
    runtime.shutdown_background();
    exit.into()
}

async fn raise_on_ctrl_c(cancel: Cancel) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    cancel.raise();
    if tokio::signal::ctrl_c().await.is_ok() {
        #[expect(
            clippy::exit,
            reason = "the operator asked twice; the ledger is safe at any point"
        )]
        std::process::exit(3);
    }
}
