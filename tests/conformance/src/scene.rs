//! What a check has: a backend, a key, and a hand that plugs it in.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use keywright_ctap::{
    Authenticator, Deadline, Error, NoSignal, PinError, Signal, StatusCode, TransportError,
    pin_uv::Protocol,
};
use keywright_virtual_key::{Behaviour, KeyOptions};

use crate::{
    backend::Backend,
    device::{Key, Misbehaving, OpenSk, Plugged, SoftwareKey, Touch},
    port::{Label, Port},
};

/// Which key a check is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum KeyKind {
    /// OpenSK, which is not ours.
    #[value(name = "opensk")]
    OpenSk,
    /// Keywright's software key.
    #[value(name = "software-key")]
    SoftwareKey,
    /// A device that misbehaves.
    #[value(name = "misbehaving")]
    Misbehaving,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenSk => "OpenSK",
            Self::SoftwareKey => "software key",
            Self::Misbehaving => "misbehaving device",
        })
    }
}

/// Why a check is not passed.
#[derive(Debug)]
pub enum Failure {
    /// The backend says that it cannot do this.
    Unsupported(String),
    /// It did something wrong.
    Wrong(String),
}

impl Failure {
    /// It did something wrong.
    pub fn wrong(words: impl Into<String>) -> Self {
        Self::Wrong(words.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Unsupported(_) | Error::Transport(TransportError::Unsupported(_)) => {
                Self::Unsupported(error.to_string())
            }
            error => Self::Wrong(error.to_string()),
        }
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        Error::from(error).into()
    }
}

impl From<PinError> for Failure {
    fn from(error: PinError) -> Self {
        Error::from(error).into()
    }
}

/// What came of a check, or of a step of it.
pub type Outcome<T = ()> = Result<T, Failure>;

/// An open key.
pub type Client = Box<dyn Authenticator>;

/// The stage of one check.
pub struct Scene<'a> {
    port: &'a dyn Port,
    backend: Backend,
    key: Specimen,
    label: Label,
    plugged: Option<Plugged>,
}

enum Specimen {
    OpenSk(OpenSk),
    SoftwareKey(SoftwareKey),
    Misbehaving(Misbehaving),
}

impl<'a> Scene<'a> {
    /// A new key of this kind in the drawer. `serial` is a serial number that no other device has now.
    pub fn new(port: &'a dyn Port, backend: Backend, kind: KeyKind, serial: &str) -> Self {
        let options = KeyOptions::default();
        Self {
            port,
            backend,
            key: match kind {
                KeyKind::OpenSk => Specimen::OpenSk(OpenSk::default()),
                KeyKind::SoftwareKey => {
                    Specimen::SoftwareKey(SoftwareKey::new(&options, Behaviour::default()))
                }
                KeyKind::Misbehaving => Specimen::Misbehaving(Misbehaving::new(&options)),
            },
            label: Label::new(&kind.to_string(), serial),
            plugged: None,
        }
    }

    /// The serial number that the key has on USB.
    pub fn serial(&self) -> &str {
        &self.label.serial
    }

    /// Whether the key is ours, which can do everything.
    pub fn key_is_ours(&self) -> bool {
        !matches!(self.key, Specimen::OpenSk(_))
    }

    /// From now on, the key is of this vendor.
    pub fn pretend(&mut self, vendor_id: u16) {
        self.label.vendor_id = vendor_id;
    }

    /// Another software key than usual; for a misbehaving device what is in it.
    pub fn take_key(&mut self, options: &KeyOptions, behaviour: Behaviour) {
        self.unplug();
        match &mut self.key {
            Specimen::OpenSk(_) => {}
            Specimen::SoftwareKey(key) => *key = SoftwareKey::new(options, behaviour),
            Specimen::Misbehaving(key) => *key = Misbehaving::new(options),
        }
    }

    /// The misbehaving device.
    ///
    /// # Errors
    /// When it is another: the table is wrong.
    pub fn device(&self) -> Outcome<&Misbehaving> {
        match &self.key {
            Specimen::Misbehaving(key) => Ok(key),
            _ => Err(Failure::wrong("this check is for a misbehaving device")),
        }
    }

    /// Plugs the key in, after pulling it out if it was in. It is not opened.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn plug_in(&mut self, touch: Touch) -> Outcome<&Plugged> {
        self.unplug();
        let key: &dyn Key = match &self.key {
            Specimen::OpenSk(key) => key,
            Specimen::SoftwareKey(key) => key,
            Specimen::Misbehaving(key) => key,
        };
        let plugged = Plugged::plug_in(self.port, &self.label, key.power_up(touch))?;
        Ok(self.plugged.insert(plugged))
    }

    /// Pulls it out.
    pub fn unplug(&mut self) {
        if let Some(plugged) = self.plugged.take() {
            plugged.pull();
        }
    }

    /// The key as it is plugged in, to be pulled by another hand.
    ///
    /// # Errors
    /// When it is not.
    pub fn hand_over(&mut self) -> Outcome<Plugged> {
        self.plugged
            .take()
            .ok_or_else(|| Failure::wrong("the key is not plugged in"))
    }

    /// The key as it is plugged in.
    ///
    /// # Errors
    /// When it is not.
    pub fn plugged(&self) -> Outcome<&Plugged> {
        self.plugged
            .as_ref()
            .ok_or_else(|| Failure::wrong("the key is not plugged in"))
    }

    /// Plugs it in and opens it.
    ///
    /// # Errors
    /// As [`plug_in`](Self::plug_in) and [`open`](Self::open).
    pub fn insert(&mut self, touch: Touch) -> Outcome<Client> {
        self.plug_in(touch)?;
        self.open()
    }

    /// Opens the key that is plugged in.
    ///
    /// # Errors
    /// What the backend says.
    pub fn open(&self) -> Outcome<Client> {
        self.open_with(None)
    }

    /// Opens it and insists on a PIN/UV auth protocol.
    ///
    /// # Errors
    /// What the backend says.
    pub fn open_with(&self, protocol: Option<Protocol>) -> Outcome<Client> {
        Ok(self.try_open(self.backend, protocol, &mut NoSignal)??)
    }

    /// Opens it as another program would, natively.
    ///
    /// # Errors
    /// What the backend says.
    pub fn open_by_another_program(&self) -> Outcome<Client> {
        Ok(self.try_open(Backend::Native, None, &mut NoSignal)??)
    }

    /// Opens it, within `limit`.
    ///
    /// # Errors
    /// When the key is not to be found. The inner result is what the backend says.
    pub fn open_within(&self, limit: Duration) -> Outcome<keywright_ctap::Result<Client>> {
        self.try_open(self.backend, None, &mut Deadline::after(limit))
    }

    fn try_open(
        &self,
        backend: Backend,
        protocol: Option<Protocol>,
        signal: &mut dyn Signal,
    ) -> Outcome<keywright_ctap::Result<Client>> {
        let mut bus = backend.bus(protocol)?;
        // The kernel may take a moment to show what was plugged in, and udev to let it be opened.
        let give_up = Instant::now() + SETTLE;
        loop {
            let found = bus
                .devices()?
                .into_iter()
                .find(|device| device.usb_serial.as_deref() == Some(self.serial()));
            let opened = match found {
                Some(identity) => bus.open(&identity, signal),
                None if Instant::now() < give_up => {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                }
                None => {
                    let words = format!("no device with serial number {} is listed", self.serial());
                    return Err(Failure::wrong(words));
                }
            };
            match opened {
                Err(Error::Transport(TransportError::Open { .. })) if Instant::now() < give_up => {
                    thread::sleep(Duration::from_millis(10));
                }
                opened => return Ok(opened),
            }
        }
    }
}

/// Fails unless the key refused with this status.
///
/// # Errors
/// [`Failure::Wrong`], [`Failure::Unsupported`].
pub(crate) fn refused_with<T>(outcome: Result<T, Error>, status: StatusCode) -> Outcome {
    match outcome {
        Err(error) if error.status() == Some(status) => Ok(()),
        Err(error @ Error::Unsupported(_)) => Err(error.into()),
        Err(error) => Err(Failure::Wrong(format!("{status} came as: {error}"))),
        Ok(_) => Err(Failure::Wrong(format!("{status} came as success"))),
    }
}

/// Fails with these words unless it is so.
///
/// # Errors
/// [`Failure::Wrong`]
pub(crate) fn ensure(so: bool, words: &str) -> Outcome {
    if so {
        Ok(())
    } else {
        Err(Failure::wrong(words))
    }
}

const SETTLE: Duration = Duration::from_secs(3);
