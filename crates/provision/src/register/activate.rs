//! Activating a credential at the provider, whatever the answer, and however often the program ends in between.

use keywright_batch::{MadeCredential, Record, Stage, Step};
use keywright_ctap::{Error as CtapError, Pin};

use super::desk::Key;
use super::failure::Failure;
use super::turn::{Turn, is_over};
use crate::event::Event;
use crate::provider::{NewCredential, ProviderError, Reach, RegisteredKey};

/// The code of a refusal that a fresh challenge cures.
pub(super) const CHALLENGE_OVER: &str = "challenge_over";

impl Turn<'_, '_> {
    /// A run before this one made the credential: it is registered already, or can be posted without the key, or its
    /// challenge is over and it has to be made anew.
    pub(super) async fn activate_without_key(
        &mut self,
        record: &mut Record,
    ) -> Result<(), Failure> {
        let made = credential(record)?;
        if let Some(found) = self.find(&made).await? {
            return self.registered(record, &found);
        }
        if is_over(&made, self.provider.now()) {
            *record = self.note(
                record,
                &Step::CredentialDropped {
                    reason: "its challenge ran out before it was registered",
                },
            )?;
            return Ok(());
        }
        self.activate(record, None).await
    }

    /// Posts the credential on record. With the key at hand, a refused credential is taken off it again.
    pub(super) async fn activate(
        &mut self,
        record: &mut Record,
        key: Option<(&mut Key, Option<&Pin>)>,
    ) -> Result<(), Failure> {
        let made = credential(record)?;
        let mut posts = 0;
        let refusal = loop {
            posts += 1;
            let new = NewCredential {
                label: &made.label,
                credential_id: &made.credential_id,
                client_data_json: &made.client_data_json,
                attestation_object: &made.attestation_object,
            };
            let error = match self.provider.register(&self.provider_user(), &new).await {
                Ok(key) => return self.registered(record, &key),
                Err(error) => error,
            };
            if error.reach == Reach::Everybody {
                return Err(error.into());
            }
            // Whatever the answer: what counts is whether the provider has it now.
            if let Some(found) = self.find(&made).await? {
                return self.registered(record, &found);
            }
            if error.reach == Reach::OutcomeUnknown {
                if posts < MAX_POSTS {
                    continue;
                }
                return Err(Failure::user(
                    &error.code,
                    format!(
                        "{error}; the credential is on record and is posted again by the next run"
                    ),
                ));
            }
            break error;
        };
        self.drop_refused(record, key, &made, refusal).await
    }

    async fn find(&self, made: &MadeCredential) -> Result<Option<RegisteredKey>, Failure> {
        let keys = self.provider.registered_keys(&self.provider_user()).await?;
        Ok(keys
            .into_iter()
            .find(|key| self.provider.is_same(key, &made.credential_id)))
    }

    fn registered(&mut self, record: &mut Record, key: &RegisteredKey) -> Result<(), Failure> {
        *record = self.note(
            record,
            &Step::Registered {
                method_id: &key.id,
                model: key.model.as_deref(),
            },
        )?;
        self.report(Event::Registered {
            user: self.user.clone(),
            serial: record.key.serial.clone(),
            method_id: key.id.clone(),
        });
        Ok(())
    }

    /// A refused credential is of no use: it goes off the key, or the operator hears that it is still there.
    async fn drop_refused(
        &mut self,
        record: &mut Record,
        key: Option<(&mut Key, Option<&Pin>)>,
        made: &MadeCredential,
        refusal: ProviderError,
    ) -> Result<(), Failure> {
        let on_key = match key {
            Some((_, None)) => LEFT_ON_LENT_KEY.to_owned(),
            Some((key, Some(pin))) => match self.delete_from_key(key, pin, made).await {
                Ok(()) => "it was taken off the key again".to_owned(),
                Err(Failure::Stopped) => return Err(Failure::Stopped),
                Err(Failure::KeyLost) => "the key went away, and it is still on it".to_owned(),
                Err(Failure::User { message, .. }) => format!("it is still on the key ({message})"),
                Err(other) => return Err(other),
            },
            None => {
                "it is still on the key until that key is put in for this user again".to_owned()
            }
        };
        let message = format!("the provider refused the credential: {refusal}; {on_key}");
        *record = self.note(record, &Step::CredentialDropped { reason: &message })?;
        if is_over(made, self.provider.now()) {
            self.issued = None;
            return Err(Failure::user(CHALLENGE_OVER, message));
        }
        Err(Failure::user(&refusal.code, message))
    }

    async fn delete_from_key(
        &mut self,
        key: &mut Key,
        pin: &Pin,
        made: &MadeCredential,
    ) -> Result<(), Failure> {
        let id = made.credential_id.clone();
        let pin = pin.clone();
        let deleted = self
            .desk
            .with(key, move |key, signal| {
                match key.delete_credential(&id, &pin, signal) {
                    Err(CtapError::NoSuchCredential) => Ok(()),
                    outcome => outcome,
                }
            })
            .await;
        Ok(deleted?)
    }

    /// `"afterRegistration"`: the keys the user had before go once the new one is registered, and not before.
    pub(super) async fn remove_old_keys(&mut self, record: &Record) -> Result<(), Failure> {
        if !self.settings.remove_old_keys || record.stage < Stage::Registered {
            return Ok(());
        }
        let made = credential(record)?;
        let user = self.provider_user();
        for key in self.provider.registered_keys(&user).await? {
            if self.provider.is_same(&key, &made.credential_id)
                || Some(&key.id) == record.method_id.as_ref()
            {
                continue;
            }
            self.provider.remove(&user, &key.id).await?;
            self.report(Event::KeyRemoved {
                user: self.user.clone(),
                method_id: key.id,
                label: key.label,
                created: key.created,
            });
        }
        Ok(())
    }
}

fn credential(record: &Record) -> Result<MadeCredential, Failure> {
    record
        .credential
        .clone()
        .ok_or_else(|| Failure::user("ledger", "the record lacks the credential it speaks of"))
}

const LEFT_ON_LENT_KEY: &str =
    "it is still on the key; Windows lets nobody delete it but an administrator, or a reset";
/// How often a credential is posted when no answer tells what became of it.
const MAX_POSTS: u32 = 3;
