//! Step 2: each challenge becomes a credential on a key, and the key becomes the user's.

mod activate;
mod credential;
mod custody;
mod desk;
mod failure;
mod inspect;
mod pin;
mod reset;
mod rows;
mod turn;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use keywright_batch::{ChallengeReader, ChallengeRow, Ledger, Record, ResultFile, Stage, UserRef};
use keywright_ctap::{KeySource, Reach};
use keywright_webauthn::{Aaguid, ModelNames};

use crate::cancel::Cancel;
use crate::config::{Config, Ctap21, DeleteExisting, PinAlphabet};
use crate::error::Error;
use crate::event::{Event, Reporter, Summary};
use crate::operator::Operator;
use crate::provider::IdentityProvider;
use desk::Desk;
use failure::Failure;
pub use reset::ResetPolicy;
pub use rows::without_sign_in;
use rows::{count_rows, result_row};
use turn::{Outcome, Turn};

/// What step 2 is told beyond the provider, the keys and the ledger.
#[derive(Debug, Clone)]
pub struct RegisterSettings {
    /// The challenges.
    pub input: PathBuf,
    /// Where serials and PINs go.
    pub out: PathBuf,
    /// Whether keys get a random PIN.
    pub use_random_pin: bool,
    /// Length of a random PIN, in characters.
    pub random_pin_length: u8,
    /// What a random PIN is made of.
    pub random_pin_alphabet: PinAlphabet,
    /// Whether the key is told to demand a longer PIN and a new one at first use.
    pub ctap21: Ctap21,
    /// The minimum PIN length the key is told, in code points.
    pub minimum_pin_length: u8,
    /// Whether the keys a user had before are removed once the new one is registered.
    pub remove_old_keys: bool,
    /// The relying parties for which keys may be made.
    pub allowed_rp_ids: Vec<String>,
    /// How long a challenge that is fetched here shall live, in minutes.
    pub life_minutes: u32,
    /// How long to wait for a key to be put in; for ever where `None`.
    pub key_wait: Option<Duration>,
    /// How long to wait for one touch.
    pub touch_wait: Duration,
    /// How many users are served at a time, each with a key of its own; 1 at least.
    pub stations: u32,
    /// What may be done about a key that somebody has used before.
    pub reset: ResetPolicy,
    /// The models that may be used, by AAGUID; all of them where this is empty.
    pub allowed_aaguids: Vec<Aaguid>,
    /// The models that may not.
    pub denied_aaguids: Vec<Aaguid>,
    /// The names of models.
    pub models: ModelNames,
}

impl RegisterSettings {
    /// What the configuration says, for challenges in `input` and results in `out`.
    #[must_use]
    pub fn new(config: &Config, input: PathBuf, out: PathBuf) -> Self {
        Self {
            input,
            out,
            use_random_pin: config.use_random_pin,
            random_pin_length: config.random_pin_length,
            random_pin_alphabet: config.random_pin_alphabet,
            ctap21: config.ctap21,
            minimum_pin_length: config.minimum_pin_length,
            remove_old_keys: config.delete_existing == DeleteExisting::AfterRegistration,
            allowed_rp_ids: config.allowed_rp_ids.clone(),
            life_minutes: config.challenge_timeout_minutes,
            key_wait: None,
            touch_wait: Duration::from_secs(120),
            stations: 1,
            reset: ResetPolicy::default(),
            allowed_aaguids: config.allowed_aaguids.clone(),
            denied_aaguids: config.denied_aaguids.clone(),
            models: config.models.clone(),
        }
    }
}

/// The people and things that step 2 works with.
pub struct Parties<'a> {
    /// Where credentials are activated.
    pub provider: &'a dyn IdentityProvider,
    /// Where keys come from.
    pub keys: Box<dyn KeySource>,
    /// Where everything is written down first.
    pub ledger: &'a mut dyn Ledger,
    /// Who answers questions.
    pub operator: Arc<dyn Operator>,
    /// Who hears what happens.
    pub reporter: Arc<dyn Reporter>,
    /// How to stop.
    pub cancel: Cancel,
}

/// Runs step 2. A user who fails is reported and never stops the others; whatever was done is in the ledger and in the
/// result file, and the next run goes on from there.
///
/// # Errors
/// [`Error::Batch`] when a file cannot be used, [`Error::Ledger`], [`Error::Provider`] when the provider refuses
/// everything, [`Error::KeySource`] when keys cannot be reached.
pub async fn register(parties: Parties<'_>, settings: &RegisterSettings) -> Result<Summary, Error> {
    let Parties {
        provider,
        keys,
        ledger,
        operator,
        reporter,
        cancel,
    } = parties;
    refuse_out_of_reach(keys.as_ref(), settings)?;
    let rows = count_rows(settings)?;
    reporter.report(Event::RunStarted {
        step: "register",
        tenant: provider.tenant().to_owned(),
        users: Some(rows),
        stations: Some(settings.stations.max(1)),
    });
    let known = ledger.records(provider.tenant())?;
    let mut results =
        ResultFile::open(&settings.out, known.iter().filter_map(result_row).collect())?;
    let served = ledger
        .bound_keys()?
        .into_iter()
        .map(|key| (key.serial, Some(key.user)))
        .collect();
    // Raised here when one station finds that nobody can go on, so that the others come to their end.
    let halt = cancel.child();
    let run = Run {
        provider,
        settings,
        desk: Desk::new(keys, served, Arc::clone(&reporter), halt.clone(), settings),
        ledger: Mutex::new(ledger),
        operator: tokio::sync::Mutex::new(operator),
        reporter,
        rows,
    };
    let mut summary = Summary::default();
    let mut reader = ChallengeReader::open(&settings.input)?;
    let mut free: Vec<u32> = (1..=settings.stations.max(1)).rev().collect();
    let mut turns = FuturesUnordered::new();
    let mut started = 0;
    let mut signed_in = false;
    let mut fatal = None;
    loop {
        while let Some(station) = free.last().copied()
            && !halt.is_raised()
        {
            let row = match reader.next_row() {
                Ok(Some(Ok(row))) => row,
                Ok(Some(Err(error))) => {
                    started += 1;
                    summary.failed += 1;
                    run.reporter.report(Event::RowRefused {
                        line: error.line,
                        user: error.user.clone(),
                        message: error.to_string(),
                    });
                    continue;
                }
                Ok(None) => break,
                Err(error) => {
                    fatal = Some(error.into());
                    halt.raise();
                    break;
                }
            };
            started += 1;
            match run.prepare(&row, &mut signed_in).await {
                Ok(before) => {
                    free.pop();
                    turns.push(run.turn(station, started, row, before));
                }
                Err(error) => {
                    fatal = Some(error);
                    halt.raise();
                }
            }
        }
        let Some((station, row, outcome)) = turns.next().await else {
            break;
        };
        free.push(station);
        if let Err(error) = run.settle(&row, outcome, &mut results, &mut summary) {
            fatal.get_or_insert(error);
            halt.raise();
        }
    }
    if let Some(error) = fatal {
        return Err(error);
    }
    summary.interrupted |= cancel.is_raised();
    run.reporter.report(summary.event());
    Ok(summary)
}

/// What the configuration asks for must be in reach with these keys, or else it is said before any of them is touched.
fn refuse_out_of_reach(keys: &dyn KeySource, settings: &RegisterSettings) -> Result<(), Error> {
    if keys.reach() != Reach::Ceremonies {
        return Ok(());
    }
    let wanted = [
        (settings.use_random_pin, "`useRandomPIN`"),
        (settings.ctap21 == Ctap21::Require, "`useCTAP21Features`"),
        (settings.reset == ResetPolicy::Always, "`--reset always`"),
        (settings.stations > 1, "`--stations` above 1"),
    ];
    let setting = wanted.iter().find(|(wanted, _)| *wanted);
    setting.map_or(Ok(()), |(_, setting)| {
        Err(Error::OutOfReach {
            setting,
            from: keys.describe(),
        })
    })
}

/// What all stations share.
struct Run<'a> {
    provider: &'a dyn IdentityProvider,
    ledger: Mutex<&'a mut dyn Ledger>,
    settings: &'a RegisterSettings,
    operator: tokio::sync::Mutex<Arc<dyn Operator>>,
    desk: Desk,
    reporter: Arc<dyn Reporter>,
    rows: u64,
}

impl Run<'_> {
    /// What is on record of the user; signs in before the first key is touched, and not before: a run with nothing to do
    /// needs no sign-in.
    async fn prepare(
        &self,
        row: &ChallengeRow,
        signed_in: &mut bool,
    ) -> Result<Option<Record>, Error> {
        let before = self.find(row)?;
        if !*signed_in
            && before
                .as_ref()
                .is_none_or(|record| record.stage != Stage::Complete)
        {
            self.provider.sign_in().await.map_err(Error::Provider)?;
            *signed_in = true;
        }
        Ok(before)
    }

    async fn turn(
        &self,
        station: u32,
        number: u64,
        row: ChallengeRow,
        before: Option<Record>,
    ) -> (u32, ChallengeRow, Result<Outcome, Failure>) {
        self.reporter.report(Event::UserStarted {
            user: row.user_name.clone(),
            number,
            of: self.rows,
            station,
        });
        let outcome = Turn {
            provider: self.provider,
            ledger: &self.ledger,
            desk: &self.desk,
            settings: self.settings,
            operator: &self.operator,
            reporter: self.reporter.as_ref(),
            row: &row,
            user: row.user_name.clone(),
            issued: None,
            resumed: before.is_some(),
            met: false,
            was_reset: false,
        }
        .run()
        .await;
        (station, row, outcome)
    }

    /// Writes down and tells what a turn came to.
    fn settle(
        &self,
        row: &ChallengeRow,
        outcome: Result<Outcome, Failure>,
        results: &mut ResultFile,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        // Abandoned or half-way, a key that was changed is in the result file before the next one is touched.
        if let Some(record) = self.find(row)?
            && !matches!(outcome, Ok(Outcome::Already))
            && let Some(row) = result_row(&record)
        {
            results.put(row)?;
        }
        match outcome {
            Ok(Outcome::Done) => summary.done += 1,
            Ok(Outcome::Already) => summary.already += 1,
            Err(Failure::Run(error)) => return Err(error),
            Err(Failure::Stopped) => summary.interrupted = true,
            Err(failure) => {
                summary.failed += 1;
                let (code, message) = failure.describe();
                self.reporter.report(Event::UserFailed {
                    user: row.user_name.clone(),
                    code,
                    message,
                });
            }
        }
        Ok(())
    }

    fn find(&self, row: &ChallengeRow) -> Result<Option<Record>, Error> {
        let user = user_ref(self.provider, row);
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(ledger.find(&user)?)
    }
}

/// How the ledger knows the user of a row.
fn user_ref(provider: &dyn IdentityProvider, row: &ChallengeRow) -> UserRef {
    UserRef {
        tenant: provider.tenant().to_owned(),
        upn: row.user_name.clone(),
        handle: row.user_handle.as_bytes().to_vec(),
        object_id: row.object_id.clone(),
    }
}
