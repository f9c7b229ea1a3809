//! Taking a key out and putting it in again, and resetting it on the way.

use std::collections::BTreeMap;

use keywright_ctap::{AuthenticatorInfo, Error as CtapError, Pin, StatusCode, TransportKind};

use super::desk::{CtapErrorOrFailure, Key};
use super::failure::{Failure, HOLDS_USER, PIN_AUTH_BLOCKED};
use super::turn::Turn;
use crate::event::{Event, Reinsertion};
use crate::operator::{Confirmation, Losses};

/// What step 2 may do about a key that somebody has used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResetPolicy {
    /// Such a key is never reset. One whose PIN is blocked or unknown, or that is full, cannot be used.
    Never,
    /// The operator is asked when nothing but a reset makes the key usable. Unattended, that is [`Never`](Self::Never).
    #[default]
    Ask,
    /// Every key is reset before it is used, once the operator has agreed.
    Always,
}

impl Turn<'_, '_> {
    /// Resets the key if that is wanted and agreed to; `false` leaves it as it is.
    pub(super) async fn reset_if_agreed(
        &mut self,
        key: &mut Key,
        code: &str,
        why: &str,
    ) -> Result<bool, Failure> {
        if self.settings.reset == ResetPolicy::Never || self.was_reset {
            return Ok(false);
        }
        if let Some(reason) = reset_impossible(key) {
            self.warn(reason);
            return Ok(false);
        }
        let question = Confirmation::ResetKey {
            user: self.user.clone(),
            serial: key.serial.clone(),
            model: key.model.clone(),
            reason: why.to_owned(),
            losses: self.losses(key, code).await?,
        };
        let agreed = self
            .ask(move |operator| operator.confirm(&question))
            .await
            .unwrap_or(false);
        if agreed {
            self.reset(key).await?;
        }
        Ok(agreed)
    }

    /// CTAP 2.2 §6.6: "… within 10 seconds after the authenticator powers up", and with a touch. So the key is taken out
    /// and put in, and the reset follows at once.
    async fn reset(&mut self, key: &mut Key) -> Result<(), Failure> {
        let mut last = String::new();
        for _ in 0..RESET_ATTEMPTS {
            self.reinsert(key, Reinsertion::Reset).await?;
            self.report(Event::ResetStarted {
                user: self.user.clone(),
                serial: key.serial.clone(),
                long_touch: key.info.long_touch_for_reset == Some(true),
            });
            let outcome = self.desk.with(key, |key, signal| key.reset(signal)).await;
            match outcome {
                Ok(()) => return self.check_reset(key).await,
                Err(CtapErrorOrFailure::Ctap(error)) if may_work_again(&error) => {
                    last = error.to_string();
                    self.warn(format!("the reset did not work ({error}); once more"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::user(
            "reset_refused",
            format!(
                "the key was not reset in {RESET_ATTEMPTS} attempts ({last}): put it in and touch it within ten seconds; \
                 run again, or take another key"
            ),
        ))
    }

    async fn check_reset(&mut self, key: &mut Key) -> Result<(), Failure> {
        self.desk.refresh(key).await?;
        if key.info.client_pin() == Some(true) {
            return Err(Failure::user(
                "reset_refused",
                "the key says that it was reset and still has a PIN; put it aside and take another one",
            ));
        }
        self.was_reset = true;
        self.report(Event::KeyReset {
            user: self.user.clone(),
            serial: key.serial.clone(),
        });
        Ok(())
    }

    /// Has the key taken out and put in again.
    pub(super) async fn reinsert(
        &mut self,
        key: &mut Key,
        reason: Reinsertion,
    ) -> Result<(), Failure> {
        self.report(Event::ReinsertionWanted {
            user: self.user.clone(),
            serial: key.serial.clone(),
            reason,
        });
        self.desk
            .power_cycle(key)
            .await
            .map_err(|failure| match (failure, reason) {
                (Failure::NoKey, Reinsertion::PinAuthBlocked) => {
                    Failure::user("pin_auth_blocked", PIN_AUTH_BLOCKED)
                }
                (Failure::NoKey, Reinsertion::Reset) => Failure::user(
                    "reset_refused",
                    "the key was to be taken out and put in again for its reset, and was not; run again",
                ),
                (failure, _) => failure,
            })
    }

    /// What a reset would wipe, as far as that can be known: a key lists what is on it for its PIN only, so where the
    /// credentials are what is in the way the operator is asked for that.
    async fn losses(&mut self, key: &mut Key, code: &str) -> Result<Losses, Failure> {
        let mut losses = Losses {
            relying_parties: None,
            free: key.info.remaining_discoverable_credentials,
        };
        let can_list =
            key.info.client_pin() == Some(true) && key.info.option("credMgmt") == Some(true);
        if can_list && matches!(code, "key_full" | HOLDS_USER) {
            match self.current_pin(key, false).await {
                Ok(pin) => losses.relying_parties = self.relying_parties(key, pin).await?,
                Err(Failure::Spent { .. }) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(losses)
    }

    /// Whose credentials are on the key, and how many of each.
    async fn relying_parties(
        &mut self,
        key: &mut Key,
        pin: Pin,
    ) -> Result<Option<BTreeMap<String, usize>>, Failure> {
        let listed = self
            .desk
            .with(key, move |key, signal| key.credentials(&pin, signal))
            .await;
        match listed {
            Ok(credentials) => {
                let mut counts = BTreeMap::new();
                for one in credentials {
                    *counts.entry(one.rp_id).or_default() += 1;
                }
                Ok(Some(counts))
            }
            // A key that does not tell is reset without its telling.
            Err(CtapErrorOrFailure::Ctap(error)) if error.status().is_some() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn warn(&self, message: String) {
        self.report(Event::Warning {
            user: Some(self.user.clone()),
            message,
        });
    }
}

/// Why the key cannot be reset where it is.
fn reset_impossible(key: &Key) -> Option<String> {
    let here = match key.identity.transport {
        TransportKind::Usb => "usb",
        TransportKind::Nfc => "nfc",
        _ => return None,
    };
    let AuthenticatorInfo {
        transports_for_reset: allowed,
        ..
    } = &key.info;
    (!allowed.is_empty() && !allowed.iter().any(|transport| transport == here)).then(|| {
        format!(
            "this key can be reset over {} only, not over {here}",
            allowed.join(" or ")
        )
    })
}

/// Too late, not touched, or touched too briefly: another attempt may be better.
fn may_work_again(error: &CtapError) -> bool {
    error.is_disconnected()
        || matches!(error, CtapError::DeadlineExceeded)
        || matches!(
            error.status(),
            Some(
                StatusCode::NotAllowed
                    | StatusCode::OperationDenied
                    | StatusCode::UserActionTimeout
                    | StatusCode::ActionTimeout
                    | StatusCode::KeepaliveCancel
            )
        )
}

const RESET_ATTEMPTS: u32 = 3;
