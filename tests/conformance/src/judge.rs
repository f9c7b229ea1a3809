//! Makes each check in a process of its own, so that what is printed, what hangs and what crashes is seen.

use std::{
    collections::VecDeque,
    fs, io,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    backend::Backend,
    port::Port,
    rows::Check,
    scene::{Failure, KeyKind, Outcome, Scene},
};

/// One check to make.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) check: Check,
    pub(crate) key: KeyKind,
    pub(crate) backend: Backend,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passes,
    Unsupported(String),
    Fails(String),
}

/// A check that was made.
pub(crate) struct Judged {
    pub(crate) case: Case,
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
}

impl Case {
    /// What is known to go wrong here.
    pub(crate) fn known(&self) -> Option<&'static str> {
        match self.backend {
            Backend::Native => None,
            Backend::CtapHidFido2 => self.check.known,
        }
    }
}

/// Makes the checks, `jobs` at a time, and tells each as soon as it has been made.
pub(crate) fn judge(
    cases: Vec<Case>,
    jobs: usize,
    tell: impl Fn(&Judged) + Sync,
) -> io::Result<Vec<Judged>> {
    let room = TempDir::new()?;
    let left = Mutex::new(cases.into_iter().enumerate().collect::<VecDeque<_>>());
    let judged = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some((number, case)) = take(&left) {
                    let begun = Instant::now();
                    let verdict = in_a_process(&case, &room.path().join(number.to_string()))
                        .unwrap_or_else(|error| Verdict::Fails(format!("not made: {error}")));
                    let one = Judged {
                        case,
                        verdict,
                        took: begun.elapsed(),
                    };
                    tell(&one);
                    judged
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((number, one));
                }
            });
        }
    });
    let mut judged = judged.into_inner().unwrap_or_else(PoisonError::into_inner);
    judged.sort_by_key(|(number, _)| *number);
    Ok(judged.into_iter().map(|(_, one)| one).collect())
}

/// Makes one check in this process, and leaves the verdict in a file.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn here(
    port: &dyn Port,
    check: &Check,
    key: KeyKind,
    backend: Backend,
    file: &Path,
) -> io::Result<()> {
    let serial = format!("CONF{}", std::process::id());
    let outcome: Outcome = {
        let mut scene = Scene::new(port, backend, key, &serial);
        (check.run)(&mut scene)
    };
    fs::write(
        file,
        match outcome {
            Ok(()) => "passes\n".to_owned(),
            Err(Failure::Unsupported(words)) => format!("unsupported\n{words}"),
            Err(Failure::Wrong(words)) => format!("fails\n{words}"),
        },
    )
}

fn in_a_process(case: &Case, room: &Path) -> io::Result<Verdict> {
    fs::create_dir(room)?;
    let (verdict, printed) = (room.join("verdict"), room.join("printed"));
    let output = fs::File::create(&printed)?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("check")
        .args(["--key", &value_name(case.key)])
        .args(["--backend", &value_name(case.backend)])
        .arg("--verdict")
        .arg(&verdict)
        .arg(case.check.name)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let ended = wait(&mut child)?;
    let printed = fs::read(&printed)?;
    let printed = String::from_utf8_lossy(&printed);
    let said = fs::read_to_string(&verdict).unwrap_or_default();
    Ok(match said.split_once('\n') {
        _ if !ended => Verdict::Fails(format!("hangs, after {LONGEST:?}")),
        Some(("fails", words)) => Verdict::Fails(words.to_owned()),
        Some(("unsupported", words)) => Verdict::Unsupported(words.to_owned()),
        Some(("passes", _)) if printed.is_empty() => Verdict::Passes,
        Some(("passes", _)) => Verdict::Fails(format!("prints: {}", first_line(&printed))),
        _ => Verdict::Fails(format!("crashes: {}", first_line(&printed))),
    })
}

fn wait(child: &mut Child) -> io::Result<bool> {
    let give_up = Instant::now() + LONGEST;
    while Instant::now() < give_up {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

fn take(left: &Mutex<VecDeque<(usize, Case)>>) -> Option<(usize, Case)> {
    left.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .pop_front()
}

fn value_name(value: impl clap::ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

fn first_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty());
    line.unwrap_or("nothing")
        .trim()
        .chars()
        .take(MOST_QUOTED)
        .collect()
}

const MOST_QUOTED: usize = 120;
/// No check takes that long.
const LONGEST: Duration = Duration::from_secs(150);
