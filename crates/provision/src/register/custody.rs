//! Whose a key is: before anything on it is changed, while it serves, and when it is given back.

use keywright_batch::{KeyRef, Record, Stage, Step};

use super::desk::Key;
use super::failure::{Failure, HOLDS_USER};
use super::reset::ResetPolicy;
use super::turn::Turn;
use super::watch::Wanted;
use crate::event::Event;
use crate::operator::Confirmation;

impl Turn<'_, '_> {
    /// Before anything on the key is changed: whether it can serve the user, if need be after a reset, and then nobody
    /// else.
    pub(super) async fn make_usable(
        &mut self,
        record: &mut Option<Record>,
        key: &mut Key,
    ) -> Result<(), Failure> {
        if record
            .as_ref()
            .is_some_and(|record| record.stage > Stage::KeyBound)
        {
            return Ok(());
        }
        let spent = match self.inspect(key).await {
            Ok(()) => None,
            Err(Failure::Spent { code, reason }) => Some((code, reason)),
            Err(failure) => return Err(failure),
        };
        // A key that serves somebody else is never reset.
        if record.is_none() {
            *record = Some(self.bind(key)?);
        }
        let always = self.settings.reset == ResetPolicy::Always && !self.was_reset;
        let (code, why) = match spent {
            None if !always => return Ok(()),
            None => (
                "not_reset",
                "every key is to be reset first (`--reset always`)".to_owned(),
            ),
            Some(spent) => spent,
        };
        if self.reset_if_agreed(key, code, &why).await? {
            if code == HOLDS_USER && !self.settings.remove_old_keys {
                self.warn(WIPED_OF_USER.to_owned());
            }
            return Ok(());
        }
        Err(Failure::KeyUnfit(why))
    }

    pub(super) async fn fetch_key(&mut self, record: Option<&Record>) -> Result<Key, Failure> {
        let bound = record.and_then(|record| record.key.serial.clone());
        // A key without a serial is known again only by its PIN.
        let wanted = bound.map_or(Wanted::Unused, Wanted::Same);
        self.desk.key(&self.user, wanted).await
    }

    /// From here on the key is this user's, and nobody else gets it.
    pub(super) fn bind(&mut self, key: &Key) -> Result<Record, Failure> {
        let record = self.ledger().bind(&self.user_ref(), &key_ref(key))?;
        if let Some(serial) = &key.serial {
            self.desk.reserve(serial, Some(&self.user));
        }
        Ok(record)
    }

    /// The key goes back on the pile; nothing on it was changed.
    pub(super) fn refuse(
        &mut self,
        record: &mut Option<Record>,
        key: &mut Option<Key>,
        reason: &str,
    ) -> Result<(), Failure> {
        if let Some(bound) = record.as_ref() {
            if bound.stage > Stage::KeyBound {
                return Err(Failure::user("key_unfit", reason));
            }
            self.note(bound, &Step::Abandoned { reason })?;
            *record = None;
        }
        let serial = key.as_ref().and_then(|key| key.serial.clone());
        self.report(Event::KeyRefused {
            user: self.user.clone(),
            serial: serial.clone(),
            reason: reason.to_owned(),
        });
        // Not in this run again; without a serial number, not before it was taken out.
        if let Some(serial) = &serial {
            self.desk.reserve(serial, None);
        }
        self.give_back(key);
        Ok(())
    }

    /// No key came: a user whose key is lost may get another one, if somebody says so.
    pub(super) async fn no_key(&mut self, record: &mut Option<Record>) -> Result<(), Failure> {
        let Some(bound) = record.clone() else {
            return Err(Failure::user("no_key", "no unused key was put in in time"));
        };
        let serial = bound.key.serial.clone().unwrap_or_default();
        if bound.stage >= Stage::Registered {
            return Err(not_locked(&format!(
                "key {serial} did not come back; put it in and run again"
            )));
        }
        let question = Confirmation::GiveUpKey {
            serial: bound.key.serial.clone(),
            user: self.user.clone(),
        };
        let answer = self.ask(move |operator| operator.confirm(&question)).await;
        if answer != Some(true) {
            return Err(Failure::user(
                "key_missing",
                format!(
                    "key {serial}, which was begun for this user, did not come; put it in and run again"
                ),
            ));
        }
        self.note(
            &bound,
            &Step::Abandoned {
                reason: "the key did not come back",
            },
        )?;
        *record = None;
        Ok(())
    }

    /// A key on which nothing was changed is free for anybody again.
    pub(super) fn let_go_unchanged(
        &mut self,
        record: &mut Option<Record>,
        failure: &Failure,
    ) -> Result<(), Failure> {
        if matches!(failure, Failure::Run(crate::error::Error::Ledger(_))) {
            return Ok(());
        }
        if let Some(bound) = record.take_if(|record| record.stage == Stage::KeyBound) {
            let reason = match failure {
                Failure::User { message, .. } => message.as_str(),
                Failure::Spent { reason, .. } => reason.as_str(),
                _ => "the run ended before anything on the key was changed",
            };
            self.note(&bound, &Step::Abandoned { reason })?;
        }
        Ok(())
    }

    /// The key is its user's now, and can be told from the others in the hub.
    pub(super) async fn finished(&mut self, key: &mut Option<Key>) {
        let Some(mut key) = key.take() else {
            return;
        };
        if self.settings.stations > 1 {
            self.desk.wink(&mut key).await;
        }
        self.report(Event::KeyFinished {
            user: self.user.clone(),
            serial: key.serial.clone(),
        });
        self.desk.done(key);
    }

    pub(super) fn give_back(&mut self, key: &mut Option<Key>) {
        if let Some(key) = key.take() {
            self.desk.done(key);
        }
    }
}

/// The last step alone is left.
pub(super) fn not_locked(why: &str) -> Failure {
    Failure::user(
        "registered_not_locked",
        format!("the key is registered and works, but the PIN change could not be forced: {why}"),
    )
}

fn key_ref(key: &Key) -> KeyRef {
    KeyRef {
        serial: key.serial.clone(),
        aaguid: key.info.aaguid.to_string(),
        model: key.model.clone(),
    }
}

const WIPED_OF_USER: &str = "the passkey that this user had on the key is wiped, and the provider still lists it: remove \
                             it there, or set `deleteExistingUserFIDOCredentials` to \"afterRegistration\"";
