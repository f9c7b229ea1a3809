//! The rows of the input before the run, and those of the result file after each turn.

use jiff::Timestamp;
use keywright_batch::{ChallengeReader, ChallengeRow, Record, ResultRow, Stage};
use keywright_webauthn::Base64Url;

use super::RegisterSettings;
use crate::error::Error;
use crate::provider::ProviderError;

/// What to say when there is no way to sign in: whether the challenges in `settings.input` would even be good.
#[must_use]
pub fn without_sign_in(settings: &RegisterSettings, source: ProviderError) -> Error {
    let now = Timestamp::now();
    let mut rows = 0;
    let mut expired = 0;
    let mut first: Option<ChallengeRow> = None;
    let reader = match ChallengeReader::open(&settings.input) {
        Ok(reader) => reader,
        Err(error) => return error.into(),
    };
    for row in reader.flatten().flatten() {
        rows += 1;
        if row.expires <= now {
            expired += 1;
            first.get_or_insert(row);
        }
    }
    match first {
        None => Error::Provider(source),
        Some(first) => Error::ExpiredWithoutSignIn {
            path: settings.input.clone(),
            expired,
            of: rows,
            line: first.line,
            user: first.user_name,
            since: first.expires,
            source: Box::new(source),
        },
    }
}

/// Reads the whole input once, so that a file that is no good says so before a key is touched.
pub(super) fn count_rows(settings: &RegisterSettings) -> Result<u64, Error> {
    let mut rows = 0;
    let mut reader = ChallengeReader::open(&settings.input)?;
    while reader.next_row()?.is_some() {
        rows += 1;
    }
    if rows == 0 {
        return Err(Error::NoRows {
            path: settings.input.clone(),
        });
    }
    Ok(rows)
}

/// A record as the result file shows it; nothing for a key on which nothing was changed.
pub(super) fn result_row(record: &Record) -> Option<ResultRow> {
    let status = match record.stage {
        Stage::KeyBound => return None,
        Stage::Abandoned if record.pin.is_none() => return None,
        Stage::Abandoned => "abandoned",
        Stage::PinPlanned | Stage::PinSet | Stage::CredentialMade => "incomplete",
        Stage::Registered => "registered_not_locked",
        Stage::Complete => "registered",
    };
    let planned = record.stage == Stage::PinPlanned;
    Some(ResultRow {
        upn: record.user.upn.clone(),
        method_id: record.method_id.clone().unwrap_or_default(),
        serial: record.key.serial.clone().unwrap_or_default(),
        // A PIN that may not be on the key yet is not shown as if it were.
        pin: record.pin.clone().filter(|_| !planned),
        status: status.to_owned(),
        aaguid: record.key.aaguid.clone(),
        model: record.key.model.clone(),
        credential_id: record
            .credential
            .as_ref()
            .map(|made| Base64Url::encode(&made.credential_id))
            .unwrap_or_default(),
        time: Some(record.changed),
        detail: if planned {
            "the PIN was being set when the run ended; run keywright-register again with this key"
                .to_owned()
        } else {
            record.detail.clone()
        },
    })
}
