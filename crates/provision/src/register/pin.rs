//! The PIN matrix.
//!
//! | PIN on key | `useRandomPIN` | what happens |
//! |---|---|---|
//! | not set | false | refused with both ways out; the user's row stays open |
//! | not set | true | a random PIN is set |
//! | set | false | the operator is asked for it |
//! | set | true | the operator is asked for it, and it is changed to a random one |
//! | any | with `useCTAP21Features` | also the minimum PIN length here, and the forced change last of all |

use keywright_batch::{Record, Stage, Step};
use keywright_ctap::{ConfigChange, Pin, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};

use super::desk::{CtapErrorOrFailure, Key};
use super::failure::{Failure, PIN_BLOCKED};
use super::turn::Turn;
use crate::config::{Ctap21, PinAlphabet};
use crate::event::{Event, Reinsertion};
use crate::operator::PinQuestion;
use crate::random_pin::PinGenerator;

impl Turn<'_, '_> {
    /// Brings the key to the PIN it is to have, and the record to [`Stage::PinSet`]. `None` where that is nobody's
    /// business here: the operating system asks for it.
    pub(super) async fn settle_pin(
        &mut self,
        key: &mut Key,
        record: &mut Record,
    ) -> Result<Option<Pin>, Failure> {
        if key.is_lent() {
            if record.stage == Stage::KeyBound {
                let none = SecretString::default();
                *record = self.note(record, &Step::PinSet { pin: &none })?;
            }
            return Ok(None);
        }
        let pin = match (record.stage, recorded_pin(record)?) {
            (Stage::KeyBound, _) | (_, None) => self.first_pin(key, record).await?,
            (Stage::PinPlanned, Some(planned)) => self.planned_pin(key, record, planned).await?,
            (_, Some(pin)) => pin,
        };
        self.raise_minimum_length(key, &pin).await?;
        Ok(Some(pin))
    }

    async fn first_pin(&mut self, key: &mut Key, record: &mut Record) -> Result<Pin, Failure> {
        let has_pin = key.info.client_pin().unwrap_or(false);
        match (has_pin, self.settings.use_random_pin) {
            (false, false) => Err(Failure::user("pin_not_set", NO_PIN)),
            (false, true) => self.random_pin(key, record, None).await,
            (true, false) => {
                let pin = self.checked_pin(key).await?;
                *record = self.note(record, &Step::PinSet { pin: &secret(&pin) })?;
                Ok(pin)
            }
            (true, true) => {
                let current = self.current_pin(key, false).await?;
                self.random_pin(key, record, Some(current)).await
            }
        }
    }

    /// A run before this one wrote the PIN down and then ended: it is on the key, or it is not.
    async fn planned_pin(
        &mut self,
        key: &mut Key,
        record: &mut Record,
        planned: Pin,
    ) -> Result<Pin, Failure> {
        if key.info.client_pin() == Some(true) {
            let retries = self.retries(key).await?;
            if retries <= 1 {
                return Err(Failure::user(
                    "pin_last_try",
                    "one try is left before this key's PIN locks for good; it is not spent on a guess",
                ));
            }
            let tried = planned.clone();
            let checked = self
                .desk
                .with(key, move |key, signal| key.check_pin(&tried, signal))
                .await;
            match checked {
                Ok(()) => {
                    *record = self.note(
                        record,
                        &Step::PinSet {
                            pin: &secret(&planned),
                        },
                    )?;
                    return Ok(planned);
                }
                Err(error) if error.status() == Some(StatusCode::PinInvalid) => {}
                Err(error) => return Err(error.into()),
            }
        }
        *record = self.note(record, &Step::PinNotSet)?;
        Box::pin(self.first_pin(key, record)).await
    }

    /// Puts a random PIN on the key: written down first, then set. `current` is the one it replaces.
    async fn random_pin(
        &mut self,
        key: &mut Key,
        record: &mut Record,
        mut current: Option<Pin>,
    ) -> Result<Pin, Failure> {
        let mut violations = 0;
        loop {
            let new = self
                .generator(key, violations)
                .generate()
                .map_err(|error| Failure::user("pin_impossible", error.to_string()))?;
            *record = self.note(record, &Step::PinPlanned { pin: &secret(&new) })?;
            let (wanted, replaced) = (new.clone(), current.clone());
            let outcome = self
                .desk
                .with(key, move |key, signal| match &replaced {
                    None => key.set_pin(&wanted, signal),
                    Some(current) => key.change_pin(current, &wanted, signal),
                })
                .await;
            let refusal = match outcome {
                Ok(()) => {
                    *record = self.note(record, &Step::PinSet { pin: &secret(&new) })?;
                    self.report(Event::PinSet {
                        user: self.user.clone(),
                        serial: key.serial.clone(),
                        changed: current.is_some(),
                    });
                    self.desk.refresh(key).await?;
                    return Ok(new);
                }
                Err(CtapErrorOrFailure::Ctap(error)) if error.status().is_some() => error,
                // No answer: the PIN may be on the key, and stays on record.
                Err(error) => return Err(error.into()),
            };
            // The key said no, so the PIN on it is what it was.
            *record = self.note(record, &Step::PinNotSet)?;
            match refusal.status() {
                Some(StatusCode::PinInvalid) if current.is_some() => {
                    current = Some(self.current_pin(key, true).await?);
                }
                Some(StatusCode::PinAuthBlocked) if current.is_some() => {
                    self.reinsert(key, Reinsertion::PinAuthBlocked).await?;
                    current = Some(self.current_pin(key, true).await?);
                }
                Some(StatusCode::PinPolicyViolation) if violations < MAX_POLICY_VIOLATIONS => {
                    violations += 1;
                    if violations == MAX_POLICY_VIOLATIONS / 2
                        && self.settings.random_pin_alphabet == PinAlphabet::Digits
                    {
                        self.warn(DIGITS_REFUSED.to_owned());
                    }
                    // What the key demands may be news.
                    self.desk.refresh(key).await?;
                }
                Some(StatusCode::PinPolicyViolation) => {
                    return Err(Failure::user("pin_policy", self.policy_message(key)));
                }
                _ => return Err(refusal.into()),
            }
        }
    }

    /// A key whose own rules refuse PINs of digits gets letters too, rather than none.
    fn generator(&self, key: &Key, violations: u32) -> PinGenerator {
        let of_key = u8::try_from(key.info.minimum_pin_length()).unwrap_or(u8::MAX);
        let demanded = of_key.max(self.minimum_length_wanted(key).unwrap_or(0));
        let alphabet = if violations < MAX_POLICY_VIOLATIONS / 2 {
            self.settings.random_pin_alphabet
        } else {
            PinAlphabet::Alphanumeric
        };
        PinGenerator::new(alphabet, self.settings.random_pin_length, demanded)
    }

    fn policy_message(&self, key: &Key) -> String {
        format!(
            "the key refuses every PIN that is offered (it demands {} characters or more{}); set `randomPinLength` or \
             `randomPinAlphabet`",
            key.info.minimum_pin_length(),
            if key.info.pin_complexity_policy == Some(true) {
                " and has a complexity rule of its own"
            } else {
                ""
            }
        )
    }

    /// The operator's PIN, once the key has agreed that it is right.
    async fn checked_pin(&mut self, key: &mut Key) -> Result<Pin, Failure> {
        if key.info.force_pin_change == Some(true) {
            return Err(Failure::spent(
                "pin_change_due",
                "the key demands a new PIN before anything else; change it, or set `useRandomPIN` to true",
            ));
        }
        let mut again = false;
        loop {
            let pin = self.current_pin(key, again).await?;
            let tried = pin.clone();
            let checked = self
                .desk
                .with(key, move |key, signal| key.check_pin(&tried, signal))
                .await;
            match checked {
                Ok(()) => return Ok(pin),
                Err(error) if error.status() == Some(StatusCode::PinInvalid) => again = true,
                Err(error) if error.status() == Some(StatusCode::PinAuthBlocked) => {
                    self.reinsert(key, Reinsertion::PinAuthBlocked).await?;
                    again = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks the operator; the retries that are left are always told, and a PIN is never guessed.
    pub(super) async fn current_pin(&mut self, key: &mut Key, again: bool) -> Result<Pin, Failure> {
        let question = PinQuestion {
            user: self.user.clone(),
            serial: key.serial.clone(),
            retries: self.retries(key).await?,
            again,
        };
        self.ask(move |operator| operator.current_pin(&question))
            .await
            .ok_or_else(|| {
                Failure::spent(
                    "pin_not_given",
                    "the key has a PIN and nobody gave it; the key is unchanged",
                )
            })
    }

    async fn retries(&mut self, key: &mut Key) -> Result<u8, Failure> {
        let left = self
            .desk
            .with(key, |key, signal| key.pin_retries(signal))
            .await?;
        if left.retries == 0 {
            return Err(Failure::spent("pin_blocked", PIN_BLOCKED));
        }
        if left.power_cycle_required {
            self.reinsert(key, Reinsertion::PinAuthBlocked).await?;
        }
        Ok(left.retries)
    }

    /// The minimum PIN length the key is still to be told.
    fn minimum_length_wanted(&self, key: &Key) -> Option<u8> {
        let wanted = self.settings.minimum_pin_length;
        let applies = self.settings.ctap21 != Ctap21::Off && key.info.supports_set_min_pin_length();
        (applies && key.info.minimum_pin_length() < usize::from(wanted)).then_some(wanted)
    }

    /// Above the length of the PIN that is on it, a key forces a change at once and gives no more tokens: then the
    /// length waits for the last step.
    async fn raise_minimum_length(&mut self, key: &mut Key, pin: &Pin) -> Result<(), Failure> {
        let Some(length) = self.minimum_length_wanted(key) else {
            return Ok(());
        };
        if pin.code_points() < usize::from(length) {
            return Ok(());
        }
        self.set_min_pin_length(key, pin, Some(length), false)
            .await?;
        self.report(Event::MinimumPinLengthSet {
            user: self.user.clone(),
            length,
        });
        self.desk.refresh(key).await
    }

    /// Last of all: from here on the key gives no PIN token until the PIN was changed.
    pub(super) async fn force_pin_change(
        &mut self,
        key: &mut Key,
        pin: Option<&Pin>,
    ) -> Result<(), Failure> {
        if self.settings.ctap21 == Ctap21::Off || key.info.force_pin_change == Some(true) {
            return Ok(());
        }
        let Some(pin) = pin.filter(|_| key.info.supports_set_min_pin_length()) else {
            return Ok(());
        };
        let length = self.minimum_length_wanted(key);
        self.set_min_pin_length(key, pin, length, true).await?;
        self.report(Event::PinChangeForced {
            user: self.user.clone(),
            serial: key.serial.clone(),
        });
        Ok(())
    }

    async fn set_min_pin_length(
        &mut self,
        key: &mut Key,
        pin: &Pin,
        new_min: Option<u8>,
        force_change: bool,
    ) -> Result<(), Failure> {
        let change = ConfigChange::SetMinPinLength {
            new_min,
            rp_ids: Vec::new(),
            force_change,
        };
        let pin = pin.clone();
        self.desk
            .with(key, move |key, signal| {
                key.configure(&change, Some(&pin), signal)
            })
            .await?;
        Ok(())
    }
}

/// The PIN on record, in the form that keys take.
pub(super) fn recorded_pin(record: &Record) -> Result<Option<Pin>, Failure> {
    record
        .pin
        .as_ref()
        // Empty: the key is lent by the operating system, which keeps the PIN to itself.
        .filter(|pin| !pin.expose_secret().is_empty())
        .map(|pin| Pin::new(pin.expose_secret()))
        .transpose()
        .map_err(|error| Failure::user("ledger", format!("the PIN on record is unusable: {error}")))
}

fn secret(pin: &Pin) -> SecretString {
    SecretString::from(pin.expose())
}

/// How often another random PIN is tried when the key refuses one by a rule it does not tell.
const MAX_POLICY_VIOLATIONS: u32 = 6;

const DIGITS_REFUSED: &str =
    "the key refuses PINs of digits alone by a rule of its own; it gets one with letters";

const NO_PIN: &str = "no PIN is set on this key and `useRandomPIN` is false; set `useRandomPIN` to true to have a random \
                      one set, or set a PIN on the key first and run again";
