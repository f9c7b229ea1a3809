//! Delimited text as people hand it over: with or without a byte-order mark, in UTF-16, with semicolons or tabs,
//! with a `sep=` line, re-ordered, or not text at all.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

use crate::cells::{decode, shorten};
use crate::error::Error;

/// A file of delimited text whose first line names its columns.
pub(crate) struct Table {
    path: PathBuf,
    columns: Vec<String>,
    rows: csv::Reader<Source>,
    row_bytes: Arc<AtomicUsize>,
    lines_before: u64,
}

/// One row: its 1-based line and its cells.
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) cells: csv::ByteRecord,
}

impl Table {
    /// Opens `path` and reads its first line, which must have all of `needed`; `known` (lower case) helps to tell the
    /// delimiter.
    pub(crate) fn open(path: &Path, known: &[&str], needed: &[&str]) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io(path, "open it"))?;
        let row_bytes = Arc::new(AtomicUsize::new(0));
        let mut source: Source = BufReader::new(TextGuard {
            inner: DecodeReaderBytesBuilder::new()
                .utf8_passthru(true)
                .strip_bom(true)
                .bom_override(true)
                .build(file),
            row_bytes: Arc::clone(&row_bytes),
            line: 1,
        });
        let mut lines_before = 0;
        let (columns, delimiter) = loop {
            let mut line = Vec::new();
            let read = source
                .read_until(b'\n', &mut line)
                .map_err(|error| from_io(path, lines_before + 1, error))?;
            if read == 0 {
                return Err(Error::Empty {
                    path: path.to_path_buf(),
                });
            }
            lines_before += 1;
            let text = decode(&line);
            if !text.is_empty() && !text.to_ascii_lowercase().starts_with("sep=") {
                break header(&text, known);
            }
        };
        row_bytes.store(0, Ordering::Relaxed);
        if let Some(column) = first_duplicate(&columns) {
            return Err(Error::DuplicateColumn {
                path: path.to_path_buf(),
                column,
            });
        }
        let rows = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(source);
        let table = Self {
            path: path.to_path_buf(),
            columns,
            rows,
            row_bytes,
            lines_before,
        };
        table.check_columns(needed)?;
        Ok(table)
    }

    fn check_columns(&self, needed: &[&str]) -> Result<(), Error> {
        let missing: Vec<String> = needed
            .iter()
            .filter(|name| self.position(name).is_none())
            .map(|name| (*name).to_owned())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::MissingColumns {
            path: self.path.clone(),
            missing,
            found: self
                .columns
                .iter()
                .map(|column| shorten(column, MAX_SHOWN))
                .collect(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The columns, in the file's order, without a leading `#`.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Where the column `name` stands, whatever its case.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
    }

    /// The next row that has at least one cell with something in it.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row>, Error> {
        let mut cells = csv::ByteRecord::new();
        loop {
            self.row_bytes.store(0, Ordering::Relaxed);
            let line = self.lines_before + self.rows.position().line();
            match self.rows.read_byte_record(&mut cells) {
                Ok(false) => return Ok(None),
                Ok(true) if cells.iter().all(|cell| cell.trim_ascii().is_empty()) => {}
                Ok(true) => {
                    let line = cells
                        .position()
                        .map_or(line, |position| self.lines_before + position.line());
                    return Ok(Some(Row { line, cells }));
                }
                Err(error) => return Err(from_csv(&self.path, line, error)),
            }
        }
    }
}

impl Row {
    /// The cell at `position`, decoded and trimmed; empty where the row ends before it.
    pub(crate) fn cell(&self, position: Option<usize>) -> String {
        position
            .and_then(|position| self.cells.get(position))
            .map(decode)
            .unwrap_or_default()
    }
}

type Source = BufReader<TextGuard<DecodeReaderBytes<File, Vec<u8>>>>;

/// How many characters of a cell an error message shows.
pub(crate) const MAX_SHOWN: usize = 40;

/// The most bytes one row may have: an option set with hundreds of excluded credentials stays far below.
const MAX_ROW_BYTES: usize = 1 << 20;

/// Ends reading at the first byte that no text has, and at a row that never ends.
struct TextGuard<R> {
    inner: R,
    row_bytes: Arc<AtomicUsize>,
    line: u64,
}

#[derive(Debug, thiserror::Error)]
enum GuardError {
    #[error("row too long")]
    RowTooLong,
    #[error("not text")]
    NotText { line: u64, byte: u8 },
}

impl<R: Read> Read for TextGuard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        for &byte in buffer.iter().take(read) {
            match byte {
                b'\n' => self.line += 1,
                b'\t' | b'\r' | 0x0c => {}
                0..0x20 => {
                    let line = self.line;
                    return Err(io::Error::other(GuardError::NotText { line, byte }));
                }
                _ => {}
            }
        }
        if self.row_bytes.fetch_add(read, Ordering::Relaxed) > MAX_ROW_BYTES {
            return Err(io::Error::other(GuardError::RowTooLong));
        }
        Ok(read)
    }
}

/// Splits the first line by the delimiter that yields the most known columns.
fn header(text: &str, known: &[&str]) -> (Vec<String>, u8) {
    let mut best = (Vec::new(), b',');
    let mut most = None;
    for delimiter in [b',', b';', b'\t', b'|'] {
        let columns = split(text, delimiter);
        let hits = columns
            .iter()
            .filter(|column| known.contains(&column.to_ascii_lowercase().as_str()))
            .count();
        if most.is_none_or(|most| hits > most) {
            most = Some(hits);
            best = (columns, delimiter);
        }
    }
    best
}

fn split(text: &str, delimiter: u8) -> Vec<String> {
    let mut record = csv::ByteRecord::new();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .from_reader(text.as_bytes());
    match reader.read_byte_record(&mut record) {
        Ok(_) => record
            .iter()
            .map(|cell| decode(cell).trim_start_matches('#').trim().to_owned())
            .collect(),
        Err(_) => Vec::new(),
    }
}

fn first_duplicate(columns: &[String]) -> Option<String> {
    columns
        .iter()
        .enumerate()
        .find(|(index, column)| {
            !column.is_empty()
                && columns
                    .iter()
                    .take(*index)
                    .any(|earlier| earlier.eq_ignore_ascii_case(column))
        })
        .map(|(_, column)| column.clone())
}

fn from_io(path: &Path, line: u64, error: io::Error) -> Error {
    let guard = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<GuardError>());
    match guard {
        Some(GuardError::RowTooLong) => Error::LineTooLong {
            path: path.to_path_buf(),
            line,
            limit: MAX_ROW_BYTES,
        },
        Some(&GuardError::NotText { line, byte }) => Error::NotText {
            path: path.to_path_buf(),
            line,
            found: format!("a byte 0x{byte:02x}"),
        },
        None => Error::io(path, "read it")(error),
    }
}

fn from_csv(path: &Path, line: u64, error: csv::Error) -> Error {
    let detail = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => from_io(path, line, error),
        _ => Error::Csv {
            path: path.to_path_buf(),
            line,
            detail,
        },
    }
}
