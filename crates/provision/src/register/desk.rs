//! The key side of a run: where keys come from, and work on a key off the async threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keywright_ctap::{
    Authenticator, AuthenticatorInfo, DeviceIdentity, Error as CtapError, Keepalive, KeySource,
    Signal, TransportKind,
};

use keywright_webauthn::ModelNames;

use super::RegisterSettings;
use super::failure::Failure;
use super::watch::{Reserved, Wanted, Watch};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::event::{Event, Reporter};

/// Hands out keys and takes them back, for all stations.
pub(super) struct Desk {
    watch: Watch,
    from: String,
    reporter: Arc<dyn Reporter>,
    cancel: Cancel,
    /// How long to wait for a key to be put in; for ever where `None`.
    key_wait: Option<Duration>,
    /// How long to wait for a finger.
    touch_wait: Duration,
    models: ModelNames,
}

/// A key that is in.
pub(super) struct Key {
    /// `None` while a thread has it, and when it is gone.
    authenticator: Option<Box<dyn Authenticator>>,
    pub(super) identity: DeviceIdentity,
    pub(super) serial: Option<String>,
    pub(super) info: AuthenticatorInfo,
    /// What kind of key it is, as far as it is known.
    pub(super) model: String,
    user: String,
}

impl Key {
    /// Whether the operating system stands in between, and asks for PINs and touches itself.
    pub(super) fn is_lent(&self) -> bool {
        self.identity.transport == TransportKind::System
    }
}

impl Desk {
    /// `served`: the keys that somebody has already.
    pub(super) fn new(
        source: Box<dyn KeySource>,
        served: Reserved,
        reporter: Arc<dyn Reporter>,
        cancel: Cancel,
        settings: &RegisterSettings,
    ) -> Self {
        Self {
            from: source.describe(),
            watch: Watch::begin(source, served, Arc::clone(&reporter), cancel.clone()),
            reporter,
            cancel,
            key_wait: settings.key_wait,
            touch_wait: settings.touch_wait,
            models: settings.models.clone(),
        }
    }

    /// Waits for a key that fits and asks it who it is.
    pub(super) async fn key(&self, user: &str, wanted: Wanted) -> Result<Key, Failure> {
        self.reporter.report(Event::KeyWanted {
            user: user.to_owned(),
            serial: match &wanted {
                Wanted::Same(serial) => Some(serial.clone()),
                Wanted::Unused => None,
            },
            source: self.from.clone(),
        });
        let deadline = self.key_wait.map(|wait| Instant::now() + wait);
        let mut authenticator = self
            .watch
            .key(user, wanted, deadline)
            .await
            .map_err(|error| match error {
                CtapError::Cancelled => Failure::Stopped,
                CtapError::DeadlineExceeded => Failure::NoKey,
                source => Failure::Run(Error::KeySource {
                    from: self.from.clone(),
                    source,
                }),
            })?;
        let identity = authenticator.identity().clone();
        let mut signal = self.signal(user, None, Some(self.touch_wait));
        let (authenticator, asked) = off_thread(move || {
            let asked = authenticator
                .serial()
                .and_then(|serial| Ok((serial, authenticator.info(&mut signal)?)));
            (authenticator, asked)
        })
        .await?;
        let (serial, info) = match asked {
            Ok(told) => told,
            Err(error) => {
                drop(authenticator);
                return Err(self.not_introduced(&identity, error));
            }
        };
        let product = identity.product.clone();
        let key = Key {
            identity,
            authenticator: Some(authenticator),
            model: self
                .models
                .name(info.aaguid)
                .map_or_else(|| product.clone(), str::to_owned),
            serial,
            info,
            user: user.to_owned(),
        };
        self.reporter.report(Event::KeyFound {
            user: user.to_owned(),
            serial: key.serial.clone(),
            model: key.model.clone(),
        });
        Ok(key)
    }

    /// A key that went away, or does not say what it is.
    fn not_introduced(&self, identity: &DeviceIdentity, error: CtapError) -> Failure {
        match error {
            CtapError::Cancelled => Failure::Stopped,
            error if error.is_disconnected() => {
                self.watch.lost(identity);
                Failure::KeyLost
            }
            error => {
                self.watch.done(identity);
                Failure::KeyUnfit(format!("it does not say what it is: {error}"))
            }
        }
    }

    /// The key has done its part and may be taken out.
    pub(super) fn done(&self, key: Key) {
        let Key {
            authenticator,
            identity,
            ..
        } = key;
        drop(authenticator);
        self.watch.done(&identity);
    }

    /// The key is gone.
    pub(super) fn lost(&self, key: Key) {
        let Key {
            authenticator,
            identity,
            ..
        } = key;
        drop(authenticator);
        self.watch.lost(&identity);
    }

    /// Nobody else gets the key with this serial any more: it is `user`'s, or nobody's.
    pub(super) fn reserve(&self, serial: &str, user: Option<&str>) {
        self.watch.reserve(serial, user);
    }

    /// The key with this serial may serve anybody again.
    pub(super) fn release(&self, serial: &str) {
        self.watch.release(serial);
    }

    /// Waits until the key has been taken out, and then for it to come back. Whoever has to do that has been told.
    ///
    /// A key without a serial number cannot be told from others: the next one that is put in is taken for it, provided
    /// that it is of the same model.
    pub(super) async fn power_cycle(&self, key: &mut Key) -> Result<(), Failure> {
        self.watch.power_cycle(&key.identity);
        self.wait_until_gone(key).await?;
        key.authenticator = None;
        self.watch.lost(&key.identity);
        let wanted = match &key.serial {
            Some(serial) => Wanted::Same(serial.clone()),
            None => Wanted::Unused,
        };
        let back = self.key(&key.user, wanted).await?;
        if back.info.aaguid != key.info.aaguid {
            self.done(back);
            return Err(Failure::KeyLost);
        }
        *key = back;
        Ok(())
    }

    async fn wait_until_gone(&self, key: &mut Key) -> Result<(), Failure> {
        let deadline = self.key_wait.map(|wait| Instant::now() + wait);
        loop {
            match self.with(key, |key, signal| key.info(signal)).await {
                Err(CtapErrorOrFailure::Ctap(error)) if error.is_disconnected() => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Failure::NoKey);
            }
            tokio::time::sleep(GONE_YET).await;
        }
    }

    /// Lets the key blink, if it can, so that it is found among several.
    pub(super) async fn wink(&self, key: &mut Key) {
        // A key that cannot is found by its serial number.
        let _ = self.with(key, |key, signal| key.wink(signal)).await;
    }

    /// Works on the key; while it waits for a finger, that is reported once.
    pub(super) async fn with<R: Send + 'static>(
        &self,
        key: &mut Key,
        work: impl FnOnce(&mut dyn Authenticator, &mut dyn Signal) -> Result<R, CtapError>
        + Send
        + 'static,
    ) -> Result<R, CtapErrorOrFailure> {
        let mut signal = self.signal(&key.user, key.serial.clone(), Some(self.touch_wait));
        let mut authenticator = key.authenticator.take().ok_or_else(|| lost("key"))?;
        let (authenticator, result) = off_thread(move || {
            let result = work(authenticator.as_mut(), &mut signal);
            (authenticator, result)
        })
        .await?;
        key.authenticator = Some(authenticator);
        result.map_err(CtapErrorOrFailure::Ctap)
    }

    /// Asks the key anew what it is and can do.
    pub(super) async fn refresh(&self, key: &mut Key) -> Result<(), Failure> {
        key.info = self.with(key, |key, signal| key.info(signal)).await?;
        Ok(())
    }

    fn signal(&self, user: &str, serial: Option<String>, wait: Option<Duration>) -> KeySignal {
        KeySignal {
            cancel: self.cancel.clone(),
            deadline: wait.map(|wait| Instant::now() + wait),
            reporter: Arc::clone(&self.reporter),
            touch: Some((user.to_owned(), serial)),
        }
    }
}

/// What the key said, or why it could not even be asked.
pub(super) enum CtapErrorOrFailure {
    Ctap(CtapError),
    Failure(Failure),
}

impl From<Failure> for CtapErrorOrFailure {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<CtapErrorOrFailure> for Failure {
    fn from(error: CtapErrorOrFailure) -> Self {
        match error {
            CtapErrorOrFailure::Ctap(error) => error.into(),
            CtapErrorOrFailure::Failure(failure) => failure,
        }
    }
}

impl CtapErrorOrFailure {
    /// The status code, if the key answered with one.
    pub(super) fn status(&self) -> Option<keywright_ctap::StatusCode> {
        match self {
            Self::Ctap(error) => error.status(),
            Self::Failure(_) => None,
        }
    }
}

struct KeySignal {
    cancel: Cancel,
    deadline: Option<Instant>,
    reporter: Arc<dyn Reporter>,
    /// Whom to name when the key asks for a finger; taken once told.
    touch: Option<(String, Option<String>)>,
}

impl Signal for KeySignal {
    fn keepalive(&mut self, status: Keepalive) {
        if status == Keepalive::UserPresenceNeeded
            && let Some((user, serial)) = self.touch.take()
        {
            self.reporter.report(Event::TouchNeeded { user, serial });
        }
    }

    fn cancelled(&self) -> bool {
        self.cancel.is_raised()
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

async fn off_thread<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::Run(Error::Internal(error.to_string())))
}

fn lost(what: &str) -> Failure {
    Failure::Run(Error::Internal(format!("the {what} is gone")))
}

/// How often a key is asked whether it is still there.
const GONE_YET: Duration = Duration::from_millis(200);
