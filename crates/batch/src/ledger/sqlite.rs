//! The ledger of one machine: an embedded database in a file of its owner's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};
use secrecy::{ExposeSecret, SecretString};

use super::{
    BoundKey, KeyRef, Ledger, LedgerError, MadeCredential, Record, RecordId, Stage, Step, UserRef,
};
use crate::private_file::create_private;

/// A ledger in a SQLite file (mode 0600), held by one run at a time.
pub struct SqliteLedger {
    path: PathBuf,
    database: Connection,
}

impl SqliteLedger {
    /// Opens the ledger at `path`, or founds it, and holds it until dropped; the end of the process, however sudden,
    /// lets go of it.
    ///
    /// # Errors
    /// [`LedgerError::InUse`], [`LedgerError::NotALedger`], [`LedgerError::TooNew`], [`LedgerError::Create`].
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        match create_private(path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(LedgerError::Create {
                    path: path.to_path_buf(),
                    source,
                });
            }
        }
        let fail = |source| LedgerError::from_sqlite(path, source);
        let database = Connection::open(path).map_err(fail)?;
        database.busy_timeout(Duration::ZERO).map_err(fail)?;
        database.execute_batch(PRAGMAS).map_err(fail)?;
        let version: i64 = database
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(fail)?;
        match version {
            0 => database.execute_batch(SCHEMA).map_err(fail)?,
            SCHEMA_VERSION => database
                .execute_batch("BEGIN EXCLUSIVE; COMMIT")
                .map_err(fail)?,
            found => {
                return Err(LedgerError::TooNew {
                    path: path.to_path_buf(),
                    found,
                    known: SCHEMA_VERSION,
                });
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            database,
        })
    }

    fn fail(&self) -> impl Fn(rusqlite::Error) -> LedgerError + '_ {
        |source| LedgerError::from_sqlite(&self.path, source)
    }

    fn get(&self, id: RecordId) -> Result<Record, LedgerError> {
        self.database
            .query_row(
                &format!("SELECT {COLUMNS} FROM record WHERE id = ?1"),
                [id.0],
                read,
            )
            .optional()
            .map_err(self.fail())?
            .ok_or(LedgerError::NoRecord { id })
    }
}

impl Ledger for SqliteLedger {
    fn find(&mut self, user: &UserRef) -> Result<Option<Record>, LedgerError> {
        // An object id outlives a rename and a handle outlives the account's move; a name is the last resort.
        self.database
            .query_row(
                &format!(
                    "SELECT {COLUMNS} FROM record \
                     WHERE tenant = ?1 AND stage <> 'abandoned' \
                       AND (object_id = ?2 OR handle = ?3 OR upn_folded = ?4) \
                     ORDER BY (object_id IS ?2) DESC, (handle = ?3) DESC, id DESC LIMIT 1"
                ),
                params![
                    user.tenant,
                    user.object_id,
                    user.handle,
                    user.upn.to_lowercase()
                ],
                read,
            )
            .optional()
            .map_err(self.fail())
    }

    fn bind(&mut self, user: &UserRef, key: &KeyRef) -> Result<Record, LedgerError> {
        if let Some(serial) = &key.serial {
            let holder: Option<String> = self
                .database
                .query_row(
                    "SELECT upn FROM record WHERE serial = ?1 AND stage <> 'abandoned'",
                    [serial],
                    |row| row.get(0),
                )
                .optional()
                .map_err(self.fail())?;
            if let Some(user) = holder {
                return Err(LedgerError::KeyServesAnother {
                    serial: serial.clone(),
                    user,
                });
            }
        }
        self.database
            .execute(
                "INSERT INTO record (tenant, upn, upn_folded, handle, object_id, serial, aaguid, model, stage, changed) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'key_bound', ?9)",
                params![
                    user.tenant,
                    user.upn,
                    user.upn.to_lowercase(),
                    user.handle,
                    user.object_id,
                    key.serial,
                    key.aaguid,
                    key.model,
                    Timestamp::now().to_string(),
                ],
            )
            .map_err(self.fail())?;
        self.get(RecordId(self.database.last_insert_rowid()))
    }

    fn record(&mut self, id: RecordId, step: &Step<'_>) -> Result<Record, LedgerError> {
        let mut record = self.get(id)?;
        apply(&mut record, step)?;
        let made = record.credential.as_ref();
        self.database
            .execute(
                "UPDATE record SET stage = ?2, pin = ?3, credential_id = ?4, client_data_json = ?5, \
                 attestation_object = ?6, expires = ?7, label = ?8, method_id = ?9, model = ?10, detail = ?11, \
                 changed = ?12 WHERE id = ?1",
                params![
                    id.0,
                    record.stage.name(),
                    record.pin.as_ref().map(ExposeSecret::expose_secret),
                    made.map(|made| made.credential_id.as_slice()),
                    made.map(|made| made.client_data_json.as_slice()),
                    made.map(|made| made.attestation_object.as_slice()),
                    made.map(|made| made.expires.to_string()),
                    made.map(|made| made.label.as_str()),
                    record.method_id,
                    record.key.model,
                    record.detail,
                    record.changed.to_string(),
                ],
            )
            .map_err(self.fail())?;
        Ok(record)
    }

    fn bound_keys(&mut self) -> Result<Vec<BoundKey>, LedgerError> {
        let mut statement = self
            .database
            .prepare_cached(
                "SELECT serial, upn FROM record WHERE serial IS NOT NULL AND stage <> 'abandoned'",
            )
            .map_err(self.fail())?;
        let keys = statement
            .query_map([], |row| {
                Ok(BoundKey {
                    serial: row.get(0)?,
                    user: row.get(1)?,
                })
            })
            .and_then(Iterator::collect)
            .map_err(self.fail())?;
        Ok(keys)
    }

    fn records(&mut self, tenant: &str) -> Result<Vec<Record>, LedgerError> {
        let mut statement = self
            .database
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM record WHERE tenant = ?1 ORDER BY id"
            ))
            .map_err(self.fail())?;
        let records = statement
            .query_map([tenant], read)
            .and_then(Iterator::collect)
            .map_err(self.fail())?;
        Ok(records)
    }
}

/// Moves `record` on by `step`, or says that the step is out of order.
fn apply(record: &mut Record, step: &Step<'_>) -> Result<(), LedgerError> {
    let at = record.stage;
    let refuse = |step| LedgerError::OutOfOrder {
        id: record.id,
        stage: at,
        step,
    };
    match *step {
        Step::PinPlanned { pin } => {
            if at > Stage::PinSet {
                return Err(refuse("PinPlanned"));
            }
            record.stage = Stage::PinPlanned;
            record.pin = Some(pin.clone());
        }
        Step::PinNotSet => {
            if at != Stage::PinPlanned {
                return Err(refuse("PinNotSet"));
            }
            record.stage = Stage::KeyBound;
            record.pin = None;
        }
        Step::PinSet { pin } => {
            if at > Stage::PinSet {
                return Err(refuse("PinSet"));
            }
            record.stage = Stage::PinSet;
            record.pin = Some(pin.clone());
        }
        Step::CredentialMade(made) => {
            if at < Stage::KeyBound || at > Stage::PinSet {
                return Err(refuse("CredentialMade"));
            }
            record.stage = Stage::CredentialMade;
            record.credential = Some(made.clone());
        }
        Step::CredentialDropped { reason } => {
            if at != Stage::CredentialMade {
                return Err(refuse("CredentialDropped"));
            }
            record.stage = Stage::PinSet;
            record.credential = None;
            record.detail = reason.to_owned();
        }
        Step::Registered { method_id, model } => {
            if at != Stage::CredentialMade {
                return Err(refuse("Registered"));
            }
            record.stage = Stage::Registered;
            record.method_id = Some(method_id.to_owned());
            if let Some(model) = model {
                record.key.model = model.to_owned();
            }
            record.detail.clear();
        }
        Step::Complete => {
            if at != Stage::Registered {
                return Err(refuse("Complete"));
            }
            record.stage = Stage::Complete;
            record.detail.clear();
        }
        Step::Abandoned { reason } => {
            if at == Stage::Abandoned {
                return Err(refuse("Abandoned"));
            }
            record.stage = Stage::Abandoned;
            record.detail = reason.to_owned();
        }
        Step::Note { detail } => record.detail = detail.to_owned(),
    }
    record.changed = Timestamp::now();
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Record> {
    let stage: String = row.get("stage")?;
    let stage = Stage::from_name(&stage).ok_or_else(|| corrupt("stage", &stage))?;
    let credential_id: Option<Vec<u8>> = row.get("credential_id")?;
    let credential = match credential_id {
        None => None,
        Some(credential_id) => Some(MadeCredential {
            credential_id,
            client_data_json: row.get("client_data_json")?,
            attestation_object: row.get("attestation_object")?,
            expires: time(row, "expires")?,
            label: row.get("label")?,
        }),
    };
    Ok(Record {
        id: RecordId(row.get("id")?),
        user: UserRef {
            tenant: row.get("tenant")?,
            upn: row.get("upn")?,
            handle: row.get("handle")?,
            object_id: row.get("object_id")?,
        },
        key: KeyRef {
            serial: row.get("serial")?,
            aaguid: row.get("aaguid")?,
            model: row.get("model")?,
        },
        stage,
        pin: row.get::<_, Option<String>>("pin")?.map(SecretString::from),
        credential,
        method_id: row.get("method_id")?,
        changed: time(row, "changed")?,
        detail: row.get("detail")?,
    })
}

fn time(row: &Row<'_>, column: &'static str) -> rusqlite::Result<Timestamp> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| corrupt(column, &text))
}

fn corrupt(column: &str, found: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnName(format!("{column} holds `{found}`"))
}

impl LedgerError {
    fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse { path },
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::NotALedger {
                path,
                detail: source.to_string(),
            },
            _ => Self::Database { path, source },
        }
    }
}

const SCHEMA_VERSION: i64 = 1;

/// Every commit reaches the disk; what is overwritten is wiped; one process at a time.
const PRAGMAS: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA secure_delete = ON;
";

const SCHEMA: &str = "
    BEGIN EXCLUSIVE;
    CREATE TABLE record (
        id                 INTEGER PRIMARY KEY,
        tenant             TEXT NOT NULL,
        upn                TEXT NOT NULL,
        upn_folded         TEXT NOT NULL,
        handle             BLOB NOT NULL,
        object_id          TEXT,
        serial             TEXT,
        aaguid             TEXT NOT NULL,
        model              TEXT NOT NULL,
        stage              TEXT NOT NULL,
        pin                TEXT,
        credential_id      BLOB,
        client_data_json   BLOB,
        attestation_object BLOB,
        expires            TEXT,
        label              TEXT,
        method_id          TEXT,
        changed            TEXT NOT NULL,
        detail             TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX record_object_id ON record (tenant, object_id);
    CREATE INDEX record_handle ON record (tenant, handle);
    CREATE INDEX record_upn ON record (tenant, upn_folded);
    CREATE UNIQUE INDEX record_serial ON record (serial) WHERE serial IS NOT NULL AND stage <> 'abandoned';
    PRAGMA user_version = 1;
    COMMIT;
";

const COLUMNS: &str = "id, tenant, upn, handle, object_id, serial, aaguid, model, stage, pin, credential_id, \
    client_data_json, attestation_object, expires, label, method_id, changed, detail";

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
