//! What can be wrong with a batch file, as a whole and row by row.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::ledger::LedgerError;

/// A batch file that cannot be used at all, or a ledger that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened, read, created or replaced.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What was being done, as a verb phrase: "read it", "create it".
        action: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file holds nothing, or only blank lines.
    #[error("{}: the file is empty; run keywright-challenges first, it writes one row per user", path.display())]
    Empty {
        /// The file concerned.
        path: PathBuf,
    },
    /// The file is not delimited text: control bytes, an archive, a workbook.
    #[error("{}: line {line} is not text ({found}); export the sheet as CSV (UTF-8) and try again", path.display())]
    NotText {
        /// The file concerned.
        path: PathBuf,
        /// 1-based line.
        line: u64,
        /// What was found instead, in a few words.
        found: String,
    },
    /// The first line lacks a column that is needed.
    #[error("{}: line 1 lacks the column {}; it has: {}", path.display(), quoted(missing), quoted(found))]
    MissingColumns {
        /// The file concerned.
        path: PathBuf,
        /// The columns that are needed and not there.
        missing: Vec<String>,
        /// The columns that are there.
        found: Vec<String>,
    },
    /// The same column stands in the first line twice.
    #[error("{}: line 1 has the column `{column}` twice; remove one of them", path.display())]
    DuplicateColumn {
        /// The file concerned.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A line is far longer than any row this format can hold.
    #[error("{}: line {line} is longer than {limit} bytes; this is not a file of challenges", path.display())]
    LineTooLong {
        /// The file concerned.
        path: PathBuf,
        /// 1-based line.
        line: u64,
        /// The most bytes a line may have.
        limit: usize,
    },
    /// The CSV layer could not make sense of the file.
    #[error("{}: line {line}: {detail}", path.display())]
    Csv {
        /// The file concerned.
        path: PathBuf,
        /// 1-based line; 0 where the layer did not say.
        line: u64,
        /// What it said.
        detail: String,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Error {
    pub(crate) fn io<'a>(
        path: &'a Path,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |source| Self::Io {
            path: path.to_path_buf(),
            action,
            source,
        }
    }
}

/// One row that cannot be used. The rows around it can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: line {line}{}: {problem}", path.display(), for_user(user))]
pub struct RowError {
    /// The file concerned.
    pub path: PathBuf,
    /// 1-based line on which the row starts.
    pub line: u64,
    /// The user's name, where the row gives one.
    pub user: Option<String>,
    /// What is wrong.
    pub problem: RowProblem,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowProblem {
    /// A needed cell is blank, or the row ends before it.
    #[error("the column `{column}` is empty")]
    EmptyCell {
        /// The column.
        column: &'static str,
    },
    /// A cell that must be base64url is not.
    #[error(
        "the column `{column}` is {detail}; run keywright-challenges again rather than mend it by hand"
    )]
    NotBase64Url {
        /// The column.
        column: &'static str,
        /// What the decoder said.
        detail: String,
    },
    /// The expiry is not a point in time.
    #[error(
        "the column `ChallengeExpiryTime` holds `{found}`, which is no time such as 2026-01-31T16:29:58Z; a spreadsheet may have rewritten it"
    )]
    NotATime {
        /// The cell as it stands, shortened.
        found: String,
    },
    /// The `CreationOptions` cell is not the JSON that Graph sent.
    #[error(
        "the column `CreationOptions` cannot be read: {detail}; empty the cell (the other columns suffice) or run keywright-challenges again"
    )]
    CreationOptions {
        /// What the reader said.
        detail: String,
    },
    /// The `CreationOptions` cell belongs to another row.
    #[error(
        "the columns `{column}` and `CreationOptions` disagree; rows were mixed up, run keywright-challenges again"
    )]
    Disagree {
        /// The column that says otherwise.
        column: &'static str,
    },
    /// The user stands in the file twice.
    #[error(
        "this user already stands on line {first_line}; that row is used and this one is left alone"
    )]
    Duplicate {
        /// 1-based line of the first row.
        first_line: u64,
    },
    /// The row has more cells than the first line has columns.
    #[error(
        "the row has {found} cells, the first line {expected}; a delimiter inside a cell needs quotes around it"
    )]
    TooManyCells {
        /// Cells in this row.
        found: usize,
        /// Columns in the first line.
        expected: usize,
    },
}

fn quoted(names: &[String]) -> impl fmt::Display {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn for_user(user: &Option<String>) -> impl fmt::Display {
    user.as_ref()
        .map(|user| format!(" (user {user})"))
        .unwrap_or_default()
}
