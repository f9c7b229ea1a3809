//! The command line, which is the same wherever devices are plugged in.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};

use crate::{
    backend::Backend,
    device::{Key, Misbehaving, OpenSk, Plugged, SoftwareKey, Touch},
    judge::{self, Case, Judged},
    port::{Label, Port},
    report,
    rows::{Check, rows},
    scene::KeyKind,
};

/// Checks the USB backends against keys that it plugs in itself: OpenSK, Keywright's software key, and a device that
/// misbehaves.
///
/// Each check is made in a process of its own; one that prints anything fails. Exit status: 0 all as it should be, 1 the
/// native backend fails a check, or ctap-hid-fido2 one that it is not known to fail; 2 usage.
#[derive(Debug, Parser)]
#[command(name = "conformance", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Do>,

    #[command(flatten)]
    table: Table,
}

#[derive(Debug, clap::Args)]
struct Table {
    /// Only this backend.
    #[arg(long, value_enum)]
    backend: Option<Backend>,

    /// Only this kind of key.
    #[arg(long, value_enum)]
    key: Option<KeyKind>,

    /// Only checks whose name contains this.
    #[arg(long, value_name = "WORDS", default_value = "")]
    only: String,

    /// Leave out the checks that take a minute each.
    #[arg(long, conflicts_with_all = ["write", "compare"])]
    quick: bool,

    /// Checks at a time. Most of the time they wait.
    #[arg(long, value_name = "N", default_value_t = 6)]
    jobs: usize,

    /// Write the table between the markers of this Markdown file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "key", "backend"])]
    write: Option<PathBuf>,

    /// Fail unless the table between the markers of this Markdown file is what was measured.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "key", "backend", "write"])]
    compare: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Do {
    /// Makes the checks and prints the table; so does no command at all.
    Run {
        #[command(flatten)]
        table: Table,
    },
    /// Makes one check in this process.
    #[command(hide = true)]
    Check {
        #[arg(long, value_enum)]
        key: KeyKind,
        #[arg(long, value_enum)]
        backend: Backend,
        /// Where the verdict goes.
        #[arg(long)]
        verdict: PathBuf,
        name: String,
    },
    /// Plugs a key in and lets it answer, until the process is ended.
    PlugIn {
        /// Which.
        #[arg(value_enum)]
        key: KeyKind,
        /// Its serial number on USB.
        #[arg(long, default_value = "")]
        serial: String,
        /// Milliseconds that a touch takes.
        #[arg(long, value_name = "MS", default_value_t = 0)]
        touch_ms: u64,
    },
    /// Lists the checks.
    List,
}

/// The program.
#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program's"
)]
pub fn main(port: &dyn Port) -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => run(port, &cli.table),
        Some(Do::Run { table }) => run(port, &table),
        Some(Do::Check {
            key,
            backend,
            verdict,
            name,
        }) => check(port, key, backend, &verdict, &name),
        Some(Do::PlugIn {
            key,
            serial,
            touch_ms,
        }) => plug_in(port, key, &serial, Duration::from_millis(touch_ms)),
        Some(Do::List) => {
            for (heading, checks) in rows() {
                println!("{heading}");
                checks
                    .iter()
                    .for_each(|check| println!("    {}", check.name));
            }
            Ok(true)
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stdout, reason = "it is a program's")]
fn run(port: &dyn Port, table: &Table) -> io::Result<bool> {
    println!("USB backends, {}", port.describe());
    let judged = judge::judge(cases(table), table.jobs, |one| {
        println!("{}", report::line(one));
    })?;
    let to_the_word = table.compare.is_some() || table.write.is_some();
    let problems: Vec<(&Judged, String)> = judged
        .iter()
        .filter_map(|one| Some((one, report::problem(one, to_the_word)?)))
        .collect();
    print!("\n{}", report::summary(&judged));
    for (one, words) in &problems {
        println!(
            "PROBLEM {}, {}, {}: {words}",
            one.case.backend, one.case.key, one.case.check.name
        );
    }
    let mut as_it_should = problems.is_empty();
    if let Some(file) = &table.write {
        fs::write(file, updated(file, &judged)?.1)?;
    }
    if let Some(file) = &table.compare {
        let (before, after) = updated(file, &judged)?;
        if before != after {
            println!(
                "PROBLEM {} is not what was measured; --write {0} makes it so",
                file.display()
            );
            as_it_should = false;
        }
    }
    Ok(as_it_should)
}

fn cases(table: &Table) -> Vec<Case> {
    let mut cases = Vec::new();
    for check in rows().into_iter().flat_map(|(_, checks)| checks) {
        for key in check.keys.iter().copied() {
            for backend in Backend::ALL {
                let wanted = check.name.contains(&table.only)
                    && !(table.quick && check.slow)
                    && table.key.is_none_or(|only| only == key)
                    && table.backend.is_none_or(|only| only == backend);
                if wanted {
                    cases.push(Case {
                        check,
                        key,
                        backend,
                    });
                }
            }
        }
    }
    // What takes longest begins first.
    cases.sort_by_key(|case| !case.check.slow);
    cases
}

/// A document as it is, and as it should be.
fn updated(file: &Path, judged: &[Judged]) -> io::Result<(String, String)> {
    let before = fs::read_to_string(file)?;
    let after = report::with_table(&before, &report::markdown(judged)).ok_or_else(|| {
        io::Error::other(format!("{} has no markers for a table", file.display()))
    })?;
    Ok((before, after))
}

fn check(
    port: &dyn Port,
    key: KeyKind,
    backend: Backend,
    verdict: &Path,
    name: &str,
) -> io::Result<bool> {
    let check = rows()
        .into_iter()
        .flat_map(|(_, checks)| checks)
        .find(|check: &Check| check.name == name)
        .ok_or_else(|| io::Error::other(format!("there is no check {name:?}")))?;
    judge::here(port, &check, key, backend, verdict)?;
    Ok(true)
}

fn plug_in(port: &dyn Port, kind: KeyKind, serial: &str, touch: Duration) -> io::Result<bool> {
    let key: Box<dyn Key> = match kind {
        KeyKind::OpenSk => Box::new(OpenSk::default()),
        KeyKind::SoftwareKey => Box::new(SoftwareKey::new(
            &keywright_virtual_key::KeyOptions::default(),
            keywright_virtual_key::Behaviour::default(),
        )),
        KeyKind::Misbehaving => Box::new(Misbehaving::new(
            &keywright_virtual_key::KeyOptions::default(),
        )),
    };
    let label = Label::new(&kind.to_string(), serial);
    let firmware = key.power_up(Touch::After(touch));
    Plugged::plug_in(port, &label, firmware)
        .map_err(io::Error::other)?
        .run_until_killed();
    Ok(true)
}
