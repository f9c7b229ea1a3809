//! The table, for a terminal and for the decision that follows from it.

use std::fmt::Write as _;

use crate::{
    backend::Backend,
    judge::{Judged, Verdict},
    rows::rows,
    scene::KeyKind,
};

/// What a case should not be like.
pub(crate) fn problem(judged: &Judged, to_the_word: bool) -> Option<String> {
    match (&judged.verdict, judged.case.known()) {
        (Verdict::Passes, None) => None,
        (Verdict::Passes, Some(known)) if to_the_word => {
            Some(format!("passes, although it is known to fail: {known}"))
        }
        (_, Some(_)) => None,
        (Verdict::Unsupported(words), None) => Some(format!("unsupported: {words}")),
        (Verdict::Fails(words), None) => Some(words.clone()),
    }
}

/// One line for a terminal.
pub(crate) fn line(judged: &Judged) -> String {
    let words = match (&judged.verdict, judged.case.known()) {
        (Verdict::Passes, _) => "passes".to_owned(),
        (Verdict::Unsupported(words), None) => format!("UNSUPPORTED: {words}"),
        (Verdict::Fails(words), None) => format!("FAILS: {words}"),
        (Verdict::Unsupported(words), Some(_)) => format!("unsupported, as known: {words}"),
        (Verdict::Fails(words), Some(_)) => format!("fails, as known: {words}"),
    };
    format!(
        "{:14}  {:18}  {:5.1} s  {}: {words}",
        judged.case.backend.name(),
        judged.case.key.to_string(),
        judged.took.as_secs_f64(),
        judged.case.check.name,
    )
}

/// How many rows each backend passes.
pub(crate) fn summary(judged: &[Judged]) -> String {
    let mut text = String::new();
    for backend in Backend::ALL {
        let of_it = judged.iter().filter(|one| one.case.backend == backend);
        let passed = of_it
            .clone()
            .filter(|one| one.verdict == Verdict::Passes)
            .count();
        let _ = writeln!(text, "{backend}: {passed} of {} pass", of_it.count());
    }
    text
}

/// The table as Markdown. Cells that differ between keys name the keys.
pub(crate) fn markdown(judged: &[Judged]) -> String {
    let mut text = String::from("| Check | with | native | ctap-hid-fido2 |\n|---|---|---|---|\n");
    for (heading, checks) in rows() {
        let _ = writeln!(text, "| **{heading}** | | | |");
        for check in checks {
            let of_it: Vec<&Judged> = judged
                .iter()
                .filter(|one| one.case.check.name == check.name)
                .collect();
            if of_it.is_empty() {
                continue;
            }
            let keys: Vec<&str> = check.keys.iter().copied().map(short).collect();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                check.name,
                keys.join(", "),
                cell(&of_it, Backend::Native),
                cell(&of_it, Backend::CtapHidFido2),
            );
        }
    }
    let _ = write!(text, "\n{}", summary(judged).replace('\n', "\\\n"));
    text.trim_end_matches("\\\n").to_owned() + "\n"
}

fn cell(of_row: &[&Judged], backend: Backend) -> String {
    let of_it: Vec<&&Judged> = of_row
        .iter()
        .filter(|one| one.case.backend == backend)
        .collect();
    let words: Vec<String> = of_it.iter().map(|one| in_a_cell(one)).collect();
    match words.first() {
        Some(first) if words.iter().all(|other| other == first) => first.clone(),
        _ => of_it
            .iter()
            .zip(words)
            .map(|(one, words)| format!("{}: {words}", short(one.case.key)))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

fn in_a_cell(judged: &Judged) -> String {
    match (&judged.verdict, judged.case.known()) {
        (Verdict::Passes, _) => "passes".to_owned(),
        // What is known is said in words that do not change from run to run.
        (Verdict::Fails(_), Some(known)) => format!("**fails**: {known}"),
        (Verdict::Unsupported(_), Some(known)) => format!("**unsupported**: {known}"),
        (Verdict::Fails(words), None) => format!("**fails**: {}", words.replace('|', "\\|")),
        (Verdict::Unsupported(words), None) => format!("**unsupported**: {words}"),
    }
}

fn short(key: KeyKind) -> &'static str {
    match key {
        KeyKind::OpenSk => "OpenSK",
        KeyKind::SoftwareKey => "software key",
        KeyKind::Misbehaving => "a misbehaving device",
    }
}

/// The part of a document between the markers, with what is to stand there.
pub(crate) fn with_table(document: &str, table: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";
