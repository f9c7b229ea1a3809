//! One user's turn: from wherever the ledger says it stands to its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use keywright_batch::{ChallengeRow, Ledger, MadeCredential, Record, Stage, Step, UserRef};
use keywright_ctap::Pin;
use keywright_webauthn::{CollectedClientData, PublicKeyCredentialCreationOptions};

use super::RegisterSettings;
use super::custody::not_locked;
use super::desk::{Desk, Key};
use super::failure::Failure;
use super::pin::recorded_pin;
use crate::config::Ctap21;
use crate::event::{Event, Reporter};
use crate::operator::Operator;
use crate::provider::IdentityProvider;

/// What a turn came to.
pub(super) enum Outcome {
    /// The user's key is registered and all is done.
    Done,
    /// It was so before this turn.
    Already,
}

/// Everything one turn works with.
pub(super) struct Turn<'a, 'run> {
    pub(super) provider: &'a dyn IdentityProvider,
    pub(super) ledger: &'a Mutex<&'run mut dyn Ledger>,
    pub(super) desk: &'a Desk,
    pub(super) settings: &'a RegisterSettings,
    /// One question at a time, however many stations there are.
    pub(super) operator: &'a tokio::sync::Mutex<Arc<dyn Operator>>,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) row: &'a ChallengeRow,
    /// The name people know the user by.
    pub(super) user: String,
    /// The options in force: those of the row until fresh ones had to be fetched.
    pub(super) issued: Option<Issued>,
    /// Whether an earlier run began with this user.
    pub(super) resumed: bool,
    /// Whether the provider was asked about this user in this turn.
    pub(super) met: bool,
    /// Whether the key was reset in this turn.
    pub(super) was_reset: bool,
}

/// Options and until when they can be used.
#[derive(Clone)]
pub(super) struct Issued {
    pub(super) options: PublicKeyCredentialCreationOptions,
    pub(super) expires: Timestamp,
}

impl<'run> Turn<'_, 'run> {
    pub(super) async fn run(&mut self) -> Result<Outcome, Failure> {
        let mut record = self.ledger().find(&self.user_ref())?;
        if let Some(found) = record.take_if(|found| found.stage >= Stage::Registered) {
            if !self.still_registered(&found).await? {
                self.note(
                    &found,
                    &Step::Abandoned {
                        reason: "the provider no longer has this key",
                    },
                )?;
            } else if found.stage == Stage::Complete {
                return Ok(self.already(&found));
            } else {
                record = Some(found);
            }
        }
        if let Some(record) = &record {
            self.report(Event::UserResumed {
                user: self.user.clone(),
                stage: record.stage.name(),
                serial: record.key.serial.clone(),
            });
        }
        let mut key = None;
        let mut losses = 0;
        loop {
            let failure = match self.advance(&mut record, &mut key).await {
                Ok(()) => {
                    self.finished(&mut key).await;
                    return Ok(Outcome::Done);
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::KeyLost if losses < MAX_LOSSES => {
                    losses += 1;
                    self.report(Event::KeyLost {
                        user: self.user.clone(),
                        serial: serial_of(&key, record.as_ref()),
                    });
                    if let Some(key) = key.take() {
                        self.desk.lost(key);
                    }
                }
                Failure::KeyLost => {
                    return Err(Failure::user(
                        "key_lost",
                        "the key keeps going away; try another port or cable and run again",
                    ));
                }
                Failure::KeyUnfit(reason) => {
                    self.refuse(&mut record, &mut key, &reason)?;
                }
                Failure::NoKey => self.no_key(&mut record).await?,
                other => {
                    self.let_go_unchanged(&mut record, &other)?;
                    self.give_back(&mut key);
                    return Err(other);
                }
            }
        }
    }

    /// Does what the record says comes next, and so on to the end. Whatever interrupts it, the record tells where to
    /// go on.
    async fn advance(
        &mut self,
        record: &mut Option<Record>,
        key: &mut Option<Key>,
    ) -> Result<(), Failure> {
        if let Some(made) = record.as_mut()
            && made.stage == Stage::CredentialMade
        {
            self.activate_without_key(made).await?;
        }
        if let Some(registered) = record.as_mut()
            && registered.stage == Stage::Registered
            && self.settings.ctap21 == Ctap21::Off
        {
            return self.finish(registered).await;
        }
        if key.is_none() {
            self.meet_user().await?;
            *key = Some(self.fetch_key(record.as_ref()).await?);
        }
        let key = key.as_mut().ok_or(Failure::KeyLost)?;
        self.make_usable(record, key).await?;
        let record = record.as_mut().ok_or(Failure::KeyLost)?;
        let pin = match self.pin_for(key, record).await {
            Err(Failure::Spent { code, reason }) if record.stage == Stage::KeyBound => {
                if !self.reset_if_agreed(key, code, &reason).await? {
                    return Err(Failure::Spent { code, reason });
                }
                self.pin_for(key, record).await?
            }
            outcome => outcome?,
        };
        if record.stage < Stage::Registered {
            self.make_and_activate(key, record, pin.as_ref()).await?;
        }
        let old_keys = self.remove_old_keys(record).await;
        self.force_pin_change(key, pin.as_ref())
            .await
            .map_err(|failure| match failure {
                Failure::User { message, .. } => not_locked(&message),
                other => other,
            })?;
        old_keys?;
        self.complete(record)
    }

    async fn pin_for(
        &mut self,
        key: &mut Key,
        record: &mut Record,
    ) -> Result<Option<Pin>, Failure> {
        match recorded_pin(record)? {
            Some(pin) if record.stage >= Stage::CredentialMade => Ok(Some(pin)),
            _ => self.settle_pin(key, record).await,
        }
    }

    /// The end of a turn that needs no key any more.
    async fn finish(&mut self, record: &mut Record) -> Result<(), Failure> {
        self.remove_old_keys(record).await?;
        self.complete(record)
    }

    fn complete(&mut self, record: &mut Record) -> Result<(), Failure> {
        *record = self.note(record, &Step::Complete)?;
        Ok(())
    }

    /// Asks the provider about the user before anybody is asked for a key: a user who is gone, or out of our reach, costs
    /// no touch, and the answer tells the provider's clock, by which challenges are over.
    async fn meet_user(&mut self) -> Result<(), Failure> {
        if !self.met {
            self.provider.registered_keys(&self.provider_user()).await?;
            self.met = true;
        }
        Ok(())
    }

    /// A registered record of the same challenge is so; one of another challenge is asked after.
    async fn still_registered(&self, record: &Record) -> Result<bool, Failure> {
        let Some(made) = &record.credential else {
            return Ok(false);
        };
        let same_challenge = CollectedClientData::parse(&made.client_data_json)
            .is_ok_and(|client_data| client_data.challenge == self.row.challenge);
        if same_challenge {
            return Ok(true);
        }
        let keys = self.provider.registered_keys(&self.provider_user()).await?;
        Ok(keys.iter().any(|key| {
            Some(&key.id) == record.method_id.as_ref()
                || self.provider.is_same(key, &made.credential_id)
        }))
    }

    fn already(&self, record: &Record) -> Outcome {
        self.report(Event::AlreadyRegistered {
            user: self.user.clone(),
            serial: record.key.serial.clone(),
            method_id: record.method_id.clone().unwrap_or_default(),
        });
        Outcome::Already
    }

    /// Asks the operator something, once nobody else is being asked.
    pub(super) async fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Operator) -> Option<R> + Send + 'static,
    ) -> Option<R> {
        let turn = self.operator.lock().await;
        let operator = Arc::clone(&turn);
        tokio::task::spawn_blocking(move || question(operator.as_ref()))
            .await
            .ok()
            .flatten()
    }

    pub(super) fn note(&mut self, record: &Record, step: &Step<'_>) -> Result<Record, Failure> {
        let record = self.ledger().record(record.id, step)?;
        if let (Stage::Abandoned, Some(serial)) = (record.stage, &record.key.serial) {
            self.desk.release(serial);
        }
        Ok(record)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, &'run mut dyn Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn report(&self, event: Event) {
        self.reporter.report(event);
    }

    pub(super) fn user_ref(&self) -> UserRef {
        super::user_ref(self.provider, self.row)
    }

    /// How the provider is asked for this user: by the id that outlives a rename, where the row has it.
    pub(super) fn provider_user(&self) -> String {
        self.row
            .object_id
            .clone()
            .unwrap_or_else(|| self.row.user_name.clone())
    }
}

fn serial_of(key: &Option<Key>, record: Option<&Record>) -> Option<String> {
    key.as_ref()
        .and_then(|key| key.serial.clone())
        .or_else(|| record.and_then(|record| record.key.serial.clone()))
}

/// The provider's name for a credential's key: the serial is what the admin looks for, so it is never cut.
pub(super) fn label(record: &Record, today: jiff::civil::Date) -> String {
    let full = match &record.key.serial {
        Some(serial) => format!("Serial: {serial} {today}"),
        None if record.key.model.is_empty() => format!("Security key {today}"),
        None => format!("{} {today}", record.key.model),
    };
    if full.encode_utf16().count() <= MAX_LABEL_UNITS {
        return full;
    }
    let short = record.key.serial.clone().unwrap_or(full);
    let mut units = 0;
    short
        .chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= MAX_LABEL_UNITS
        })
        .collect()
}

/// Whether the credential is past its use: with less life than this it is not worth a touch.
pub(super) fn is_over(made: &MadeCredential, now: Timestamp) -> bool {
    made.expires <= now
}

/// Names longer than 30 UTF-16 units are refused (three other clients cap them there).
const MAX_LABEL_UNITS: usize = 30;

/// How often a key may go away within one user's turn.
const MAX_LOSSES: u32 = 10;
