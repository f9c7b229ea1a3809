//! What came of it: one row per user with the key's serial and PIN.
//!
//! The first four columns are those of the Python scripts, in their order; the ones after are ours. The file holds
//! PINs: it is created for its owner only, and it is never truncated; what an earlier run wrote stays in it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::cells::{guard_formula, unguard_formula};
use crate::error::Error;
use crate::input::Table;
use crate::private_file::replace_private;

/// One user's key.
#[derive(Debug, Clone)]
pub struct ResultRow {
    /// The user principal name.
    pub upn: String,
    /// The id of the authentication method at the provider; empty until it is registered.
    pub method_id: String,
    /// The key's serial number; empty where the key has none.
    pub serial: String,
    /// The PIN that opens the key; absent where it is not known.
    pub pin: Option<SecretString>,
    /// `registered`, `registered_not_locked`, `incomplete` or `abandoned`.
    pub status: String,
    /// The model's AAGUID.
    pub aaguid: String,
    /// The model's name as the provider or the key tells it.
    pub model: String,
    /// The credential id, base64url.
    pub credential_id: String,
    /// When this was so, RFC 3339.
    pub time: Option<Timestamp>,
    /// What a person should know about it.
    pub detail: String,
}

const HEADER: [&str; 10] = [
    "#upn",
    "entraIDAuthMethodObjectId",
    "serialNumber",
    "PIN",
    "status",
    "aaguid",
    "model",
    "credentialId",
    "time",
    "detail",
];
const NEEDED: [&str; 4] = ["upn", "entraIDAuthMethodObjectId", "serialNumber", "PIN"];
const KNOWN: [&str; 10] = [
    "upn",
    "entraidauthmethodobjectid",
    "serialnumber",
    "pin",
    "status",
    "aaguid",
    "model",
    "credentialid",
    "time",
    "detail",
];

/// The result file, kept in step with the ledger row by row.
pub struct ResultFile {
    path: PathBuf,
    rows: Vec<ResultRow>,
    out: File,
}

impl ResultFile {
    /// Opens the file or creates it: rows of users in `known` (from the ledger) replace what the file says of the same
    /// user and key, everything else in it stays, and a line torn by a crash is dropped.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::MissingColumns`] and the like when there is another kind of file under that name, which
    /// is then left untouched.
    pub fn open(path: &Path, known: Vec<ResultRow>) -> Result<Self, Error> {
        let mut rows = read_existing(path)?;
        for row in known {
            upsert(&mut rows, row);
        }
        let out = write_all(path, &rows)?;
        Ok(Self {
            path: path.to_path_buf(),
            rows,
            out,
        })
    }

    /// The rows now in the file.
    #[must_use]
    pub fn rows(&self) -> &[ResultRow] {
        &self.rows
    }

    /// Puts `row` into the file, in place of the same user's row for the same key; durable on return.
    ///
    /// # Errors
    /// [`Error::Io`]; what stood in the file before still does.
    pub fn put(&mut self, row: ResultRow) -> Result<(), Error> {
        if upsert(&mut self.rows, row) {
            let appended = self
                .rows
                .last()
                .map_or(Ok(Vec::new()), |row| csv_bytes(|out| write_row(out, row)))
                .and_then(|bytes| {
                    self.out.write_all(&bytes)?;
                    self.out.sync_data()
                });
            appended.map_err(Error::io(&self.path, "write to it"))
        } else {
            self.out = write_all(&self.path, &self.rows)?;
            Ok(())
        }
    }
}

/// Replaces the row of the same user and key, or an abandoned try of the same user; says whether it appended.
fn upsert(rows: &mut Vec<ResultRow>, row: ResultRow) -> bool {
    let same = rows.iter_mut().find(|other| {
        other.upn.eq_ignore_ascii_case(&row.upn)
            && other.serial == row.serial
            && (other.method_id == row.method_id || other.method_id.is_empty())
    });
    match same {
        Some(place) => {
            *place = row;
            false
        }
        None => {
            rows.push(row);
            true
        }
    }
}

fn read_existing(path: &Path) -> Result<Vec<ResultRow>, Error> {
    let mut table = match Table::open(path, &KNOWN, &NEEDED) {
        Ok(table) => table,
        Err(Error::Empty { .. }) => return Ok(Vec::new()),
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let positions = KNOWN.map(|name| table.position(name));
    let whole = table.columns().len();
    let mut rows = Vec::new();
    while let Some(row) = table.next_row()? {
        let mut cells = positions.map(|position| row.cell(position)).into_iter();
        let mut next = || cells.next().unwrap_or_default();
        let parsed = ResultRow {
            upn: next(),
            method_id: next(),
            serial: next(),
            pin: Some(next()).filter(|pin| !pin.is_empty()).map(Into::into),
            status: next(),
            aaguid: next(),
            model: unguard_formula(&next()).to_owned(),
            credential_id: next(),
            time: next().parse().ok(),
            detail: unguard_formula(&next()).to_owned(),
        };
        // The scripts' rows are short by our columns; a torn row of ours is short of the scripts'.
        let torn = row.cells.len() < 4 || (whole > 4 && row.cells.len() < whole);
        if !torn {
            rows.push(parsed);
        }
    }
    Ok(rows)
}

fn write_all(path: &Path, rows: &[ResultRow]) -> Result<File, Error> {
    replace_private(path, |out| {
        let bytes = csv_bytes(|out| {
            out.write_record(HEADER)?;
            rows.iter().try_for_each(|row| write_row(out, row))
        })?;
        out.write_all(&bytes)
    })
    .map_err(Error::io(path, "write to it"))?;
    File::options()
        .append(true)
        .open(path)
        .map_err(Error::io(path, "open it"))
}

fn csv_bytes(
    write: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> Result<(), csv::Error>,
) -> io::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    write(&mut out)?;
    out.into_inner()
        .map_err(|error| io::Error::other(error.to_string()))
}

fn write_row(out: &mut csv::Writer<Vec<u8>>, row: &ResultRow) -> Result<(), csv::Error> {
    out.write_record([
        row.upn.as_str(),
        &row.method_id,
        &row.serial,
        row.pin
            .as_ref()
            .map(ExposeSecret::expose_secret)
            .unwrap_or_default(),
        &row.status,
        &row.aaguid,
        &guard_formula(&row.model),
        &row.credential_id,
        &row.time.map(|time| time.to_string()).unwrap_or_default(),
        &guard_formula(&row.detail),
    ])
}

#[cfg(test)]
#[path = "results/tests.rs"]
mod tests;
