//! The key side of a run: where keys come from, and work on a key off the async threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keywright_ctap::{
    Authenticator, AuthenticatorInfo, DeviceIdentity, Error as CtapError, Keepalive, KeyRequest,
    KeySource, Signal,
};

use super::failure::Failure;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::event::{Event, Reporter};

/// Hands out keys and takes them back.
pub(super) struct Desk {
    /// `None` only while a thread has it.
    source: Option<Box<dyn KeySource>>,
    from: String,
    reporter: Arc<dyn Reporter>,
    cancel: Cancel,
    /// How long to wait for a key to be put in; for ever where `None`.
    key_wait: Option<Duration>,
    /// How long to wait for a finger.
    touch_wait: Duration,
}

/// A key that is in.
pub(super) struct Key {
    /// `None` only while a thread has it.
    authenticator: Option<Box<dyn Authenticator>>,
    identity: DeviceIdentity,
    pub(super) serial: Option<String>,
    pub(super) info: AuthenticatorInfo,
    user: String,
}

impl Desk {
    pub(super) fn new(
        source: Box<dyn KeySource>,
        reporter: Arc<dyn Reporter>,
        cancel: Cancel,
        key_wait: Option<Duration>,
        touch_wait: Duration,
    ) -> Self {
        Self {
            from: source.describe(),
            source: Some(source),
            reporter,
            cancel,
            key_wait,
            touch_wait,
        }
    }

    /// Waits for a key that fits `request` and asks it who it is.
    pub(super) async fn key(&mut self, user: &str, request: KeyRequest) -> Result<Key, Failure> {
        self.reporter.report(Event::KeyWanted {
            user: user.to_owned(),
            serial: match &request {
                KeyRequest::Same { serial } => Some(serial.clone()),
                _ => None,
            },
            source: self.from.clone(),
        });
        let mut signal = self.signal(user, None, self.key_wait);
        let mut source = self.source.take().ok_or_else(|| lost("key source"))?;
        let (source, found) = off_thread(move || {
            let found = source
                .next_key(&request, &mut signal)
                .and_then(|mut authenticator| {
                    let serial = authenticator.serial()?;
                    let info = authenticator.info(&mut signal)?;
                    Ok((authenticator, serial, info))
                });
            (source, found)
        })
        .await?;
        self.source = Some(source);
        let (authenticator, serial, info) = found.map_err(|error| match error {
            CtapError::Cancelled => Failure::Stopped,
            CtapError::DeadlineExceeded => Failure::NoKey,
            error if error.is_disconnected() => Failure::KeyLost,
            source => Failure::Run(Error::KeySource {
                from: self.from.clone(),
                source,
            }),
        })?;
        let key = Key {
            identity: authenticator.identity().clone(),
            authenticator: Some(authenticator),
            serial,
            info,
            user: user.to_owned(),
        };
        self.reporter.report(Event::KeyFound {
            user: user.to_owned(),
            serial: key.serial.clone(),
            model: key.model(),
        });
        Ok(key)
    }

    /// The key has done its part and may be taken out.
    pub(super) fn done(&mut self, key: Key) {
        if let Some(source) = &mut self.source {
            source.done(&key.identity);
        }
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

impl Key {
    /// What kind of key it is, as far as it tells.
    pub(super) fn model(&self) -> String {
        self.identity.product.clone()
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
