//! The hand-over between the two steps: one registration challenge per user.
//!
//! The first six columns are those of the Python scripts, in their order; the ones after are ours.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use keywright_webauthn::{Base64Url, PublicKeyCredentialCreationOptions};

use crate::cells::{guard_formula, shorten, unguard_formula};
use crate::error::{Error, RowError, RowProblem};
use crate::input::{MAX_SHOWN, Row, Table};
use crate::private_file::{create_private, replace_private};

/// One user and the challenge that was issued for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeRow {
    /// 1-based line this row was read from; 0 for a row that was not read.
    pub line: u64,
    /// The user principal name.
    pub user_name: String,
    /// The name shown to people; may be empty.
    pub display_name: String,
    /// The WebAuthn user handle (`user.id` of the options), not a directory id.
    pub user_handle: Base64Url,
    /// The challenge as issued.
    pub challenge: Base64Url,
    /// When the provider stops accepting the challenge (`challengeTimeoutDateTime`).
    pub expires: Timestamp,
    /// The relying party id, `login.microsoft.com` where the file does not say.
    pub rp_id: String,
    /// The complete options as the provider sent them, as JSON; the scripts do not write this column.
    pub creation_options: Option<String>,
    /// The user's object id in the directory; the scripts do not write this column.
    pub object_id: Option<String>,
}

const USER_NAME: &str = "User.Name";
const DISPLAY_NAME: &str = "User.DisplayName";
const USER_ID: &str = "User.ID";
const CHALLENGE: &str = "Challenge";
const EXPIRY: &str = "ChallengeExpiryTime";
const RP_ID: &str = "RP.ID";
const CREATION_OPTIONS: &str = "CreationOptions";
const OBJECT_ID: &str = "User.ObjectId";

const NEEDED: [&str; 5] = [USER_NAME, DISPLAY_NAME, USER_ID, CHALLENGE, EXPIRY];
const HEADER: [&str; 8] = [
    "#User.Name",
    DISPLAY_NAME,
    USER_ID,
    CHALLENGE,
    EXPIRY,
    RP_ID,
    CREATION_OPTIONS,
    OBJECT_ID,
];
const KNOWN: [&str; 8] = [
    "user.name",
    "user.displayname",
    "user.id",
    "challenge",
    "challengeexpirytime",
    "rp.id",
    "creationoptions",
    "user.objectid",
];

/// A user principal name is shown whole.
const MAX_NAME: usize = 113;

/// The relying party of Entra ID, which the scripts' first version took for granted.
const DEFAULT_RP_ID: &str = "login.microsoft.com";

/// Reads challenge files row by row: ours, the scripts', and what a spreadsheet made of either.
///
/// A row that cannot be used comes out as a [`RowError`]; the rows after it still come.
pub struct ChallengeReader {
    table: Table,
    columns: Columns,
    first_lines: HashMap<String, u64>,
}

struct Columns {
    user_name: Option<usize>,
    display_name: Option<usize>,
    user_id: Option<usize>,
    challenge: Option<usize>,
    expiry: Option<usize>,
    rp_id: Option<usize>,
    creation_options: Option<usize>,
    object_id: Option<usize>,
}

impl ChallengeReader {
    /// Opens `path` and checks its columns.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::MissingColumns`], [`Error::NotText`] and the like: the file as a whole is unusable.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let table = Table::open(path, &KNOWN, &NEEDED)?;
        let columns = Columns {
            user_name: table.position(USER_NAME),
            display_name: table.position(DISPLAY_NAME),
            user_id: table.position(USER_ID),
            challenge: table.position(CHALLENGE),
            expiry: table.position(EXPIRY),
            rp_id: table.position(RP_ID),
            creation_options: table.position(CREATION_OPTIONS),
            object_id: table.position(OBJECT_ID),
        };
        Ok(Self {
            table,
            columns,
            first_lines: HashMap::new(),
        })
    }

    /// The next row, a row that cannot be used, or the end.
    ///
    /// # Errors
    /// The file became unreadable; nothing after this point can be read.
    pub fn next_row(&mut self) -> Result<Option<Result<ChallengeRow, RowError>>, Error> {
        let Some(row) = self.table.next_row()? else {
            return Ok(None);
        };
        let user = row.cell(self.columns.user_name);
        let parsed = self.check(&row, &user);
        Ok(Some(parsed.map_err(|problem| RowError {
            path: self.table.path().to_path_buf(),
            line: row.line,
            user: (!user.is_empty()).then(|| shorten(&user, MAX_NAME)),
            problem,
        })))
    }

    fn check(&mut self, row: &Row, user: &str) -> Result<ChallengeRow, RowProblem> {
        let expected = self.table.columns().len();
        if row.cells.len() > expected && row.cells.iter().skip(expected).any(|c| !c.is_empty()) {
            return Err(RowProblem::TooManyCells {
                found: row.cells.len(),
                expected,
            });
        }
        let parsed = parse(row, &self.columns, user)?;
        match self.first_lines.entry(user.to_lowercase()) {
            std::collections::hash_map::Entry::Occupied(first) => Err(RowProblem::Duplicate {
                first_line: *first.get(),
            }),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(row.line);
                Ok(parsed)
            }
        }
    }
}

impl Iterator for ChallengeReader {
    type Item = Result<Result<ChallengeRow, RowError>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}

fn parse(row: &Row, columns: &Columns, user: &str) -> Result<ChallengeRow, RowProblem> {
    if user.is_empty() {
        return Err(RowProblem::EmptyCell { column: USER_NAME });
    }
    let user_handle = base64url(row, columns.user_id, USER_ID)?;
    let challenge = base64url(row, columns.challenge, CHALLENGE)?;
    let expires = expiry(&row.cell(columns.expiry))?;
    let rp_id = row.cell(columns.rp_id);
    let rp_id = if rp_id.is_empty() {
        DEFAULT_RP_ID.to_owned()
    } else {
        rp_id
    };
    let creation_options = Some(row.cell(columns.creation_options)).filter(|json| !json.is_empty());
    if let Some(json) = &creation_options {
        let options =
            PublicKeyCredentialCreationOptions::from_graph_json(json).map_err(|error| {
                RowProblem::CreationOptions {
                    detail: error.to_string(),
                }
            })?;
        agree(&options, &user_handle, &challenge, &rp_id)?;
    }
    Ok(ChallengeRow {
        line: row.line,
        user_name: user.to_owned(),
        display_name: unguard_formula(&row.cell(columns.display_name)).to_owned(),
        user_handle,
        challenge,
        expires,
        rp_id,
        creation_options,
        object_id: Some(row.cell(columns.object_id)).filter(|id| !id.is_empty()),
    })
}

/// The cells of one row must tell of one user: a sheet sorted by one column only mixes them up.
fn agree(
    options: &PublicKeyCredentialCreationOptions,
    user_handle: &Base64Url,
    challenge: &Base64Url,
    rp_id: &str,
) -> Result<(), RowProblem> {
    if options.challenge != *challenge {
        return Err(RowProblem::Disagree { column: CHALLENGE });
    }
    if options.user.id != *user_handle {
        return Err(RowProblem::Disagree { column: USER_ID });
    }
    match &options.rp.id {
        Some(id) if id != rp_id => Err(RowProblem::Disagree { column: RP_ID }),
        _ => Ok(()),
    }
}

fn base64url(
    row: &Row,
    position: Option<usize>,
    column: &'static str,
) -> Result<Base64Url, RowProblem> {
    let cell = row.cell(position);
    if cell.is_empty() {
        return Err(RowProblem::EmptyCell { column });
    }
    cell.parse::<Base64Url>()
        .map_err(|error| RowProblem::NotBase64Url {
            column,
            detail: error.to_string(),
        })
}

/// RFC 3339, or what LibreOffice shows of it, taken as UTC as Graph means it.
fn expiry(cell: &str) -> Result<Timestamp, RowProblem> {
    if cell.is_empty() {
        return Err(RowProblem::EmptyCell { column: EXPIRY });
    }
    cell.parse::<Timestamp>()
        .or_else(|_| {
            cell.parse::<DateTime>()
                .and_then(|civil| civil.to_zoned(TimeZone::UTC))
                .map(|zoned| zoned.timestamp())
        })
        .map_err(|_| RowProblem::NotATime {
            found: shorten(cell, MAX_SHOWN),
        })
}

/// Writes a challenge file: every row is in the file when [`ChallengeWriter::append`] returns.
pub struct ChallengeWriter {
    path: PathBuf,
    rows: csv::Writer<BufWriter<File>>,
}

impl ChallengeWriter {
    /// Replaces `path` by a file that holds the header and nothing else. A challenge is a secret of a kind: the file
    /// is readable by its owner only.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path) -> Result<Self, Error> {
        replace_private(path, |out| {
            let mut header = csv::Writer::from_writer(out);
            header.write_record(HEADER)?;
            header.flush()
        })
        .map_err(Error::io(path, "create it"))?;
        Self::append_to(path)
    }

    /// Creates `path`, which must not exist.
    ///
    /// # Errors
    /// [`Error::Io`], also when the file is there already.
    pub fn create_new(path: &Path) -> Result<Self, Error> {
        drop(create_private(path).map_err(Error::io(path, "create it"))?);
        Self::create(path)
    }

    /// Goes on with a file of ours; a last line that a crash tore is cut off first.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn append_to(path: &Path) -> Result<Self, Error> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(path)
            .map_err(Error::io(path, "open it"))?;
        let file = cut_torn_line(file).map_err(Error::io(path, "read it"))?;
        Ok(Self {
            path: path.to_path_buf(),
            rows: csv::Writer::from_writer(BufWriter::new(file)),
        })
    }

    /// Appends `row` and hands it to the operating system.
    ///
    /// # Errors
    /// [`Error::Io`]: the disk is full, the file system went away.
    pub fn append(&mut self, row: &ChallengeRow) -> Result<(), Error> {
        let written = self
            .rows
            .write_record([
                row.user_name.as_str(),
                &guard_formula(&row.display_name),
                &row.user_handle.to_string(),
                &row.challenge.to_string(),
                &row.expires.to_string(),
                &row.rp_id,
                row.creation_options.as_deref().unwrap_or_default(),
                row.object_id.as_deref().unwrap_or_default(),
            ])
            .map_err(io::Error::from)
            .and_then(|()| self.rows.flush());
        written.map_err(Error::io(&self.path, "write to it"))
    }

    /// Makes everything that was appended survive a loss of power.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(self) -> Result<(), Error> {
        let Self { path, rows } = self;
        let synced = rows
            .into_inner()
            .map_err(|error| io::Error::other(error.to_string()))
            .and_then(|mut out| {
                out.flush()?;
                out.get_ref().sync_all()
            });
        synced.map_err(Error::io(&path, "write to it"))
    }
}

/// Leaves the file ending with its last whole line, positioned there.
fn cut_torn_line(mut file: File) -> io::Result<File> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    const STEP: u64 = 64 * 1024;
    let mut end = file.seek(SeekFrom::End(0))?;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut chunk = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        (&file).take(end - start).read_to_end(&mut chunk)?;
        if let Some(newline) = chunk.iter().rposition(|&byte| byte == b'\n') {
            end = start + newline as u64 + 1;
            break;
        }
        end = start;
    }
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    Ok(file)
}

#[cfg(test)]
#[path = "challenges/tests.rs"]
mod tests;
