//! The desk of a test: a tray of prepared keys, and an operator with prepared answers.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use keywright_ctap::{
    Authenticator, Ctap2, DeviceIdentity, Error, KeyRequest, KeySource, NoSignal, Pin, Signal,
};
use keywright_provision::{Confirmation, Operator, PinQuestion};
use keywright_virtual_key::{Faults, KeyOptions, VirtualKey, VirtualTransport};

/// Keys in files, offered in the order they were made; unlike `virtual:DIR`, whatever is on them.
#[derive(Clone)]
pub struct Tray {
    directory: PathBuf,
    files: Arc<Mutex<Vec<PathBuf>>>,
    /// What goes wrong with whichever key is in.
    pub faults: Faults,
}

impl Tray {
    /// An empty tray.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        Self {
            directory: directory.to_path_buf(),
            files: Arc::default(),
            faults: Faults::default(),
        }
    }

    /// Adds a key; its file is named after its serial, which is returned.
    pub fn add(&self, options: &KeyOptions) -> String {
        let key = VirtualKey::create_in(&self.directory, options).unwrap();
        let serial = key.serial().to_owned();
        self.files
            .lock()
            .unwrap()
            .push(self.directory.join(&serial));
        serial
    }

    /// Works on a key of the tray through the message layer.
    pub fn with<R>(&self, serial: &str, work: impl FnOnce(&mut dyn Authenticator) -> R) -> R {
        work(&mut client(&self.directory.join(serial), Faults::default()))
    }
}

impl KeySource for Tray {
    fn next_of(
        &mut self,
        wanted: &[KeyRequest],
        _: &mut dyn Signal,
    ) -> Result<(usize, Box<dyn Authenticator>), Error> {
        let files = self.files.lock().unwrap();
        for file in files.iter() {
            let serial = file.file_name().and_then(|name| name.to_str());
            if let Some(index) = wanted.iter().position(|one| one.accepts(serial)) {
                return Ok((index, Box::new(client(file, self.faults.clone()))));
            }
        }
        Err(Error::DeadlineExceeded)
    }

    fn done(&mut self, _: &DeviceIdentity) {}

    /// Its hand is fast: the next command finds the key gone.
    fn power_cycle(&mut self, _: &DeviceIdentity) {
        self.faults.unplug_after(0);
    }

    fn describe(&self) -> String {
        "tray".to_owned()
    }
}

fn client(file: &Path, faults: Faults) -> Ctap2<VirtualTransport> {
    Ctap2::new(VirtualTransport::new(VirtualKey::open(file).unwrap()).with_faults(faults))
}

/// Whether `pin` opens the key in `file`: asked by changing it and back, which works under a forced change too.
#[must_use]
pub fn opens(file: &Path, pin: &str) -> bool {
    let mut key = client(file, Faults::default());
    let (pin, other) = (Pin::new(pin).unwrap(), Pin::new("a test's PIN").unwrap());
    key.change_pin(&pin, &other, &mut NoSignal).is_ok()
        && key.change_pin(&other, &pin, &mut NoSignal).is_ok()
}

/// An operator who knows some PINs, in the order in which they will be asked for.
#[derive(Default)]
pub struct Answers {
    pins: Mutex<VecDeque<Pin>>,
    /// Every question that was asked.
    pub asked: Mutex<Vec<PinQuestion>>,
    /// Every yes-or-no question that was asked.
    pub confirmations: Mutex<Vec<Confirmation>>,
    confirm: Option<bool>,
}

impl Answers {
    /// Will give these PINs.
    #[must_use]
    pub fn pins(pins: &[&str]) -> Self {
        Self {
            pins: Mutex::new(pins.iter().map(|pin| Pin::new(*pin).unwrap()).collect()),
            ..Self::default()
        }
    }

    /// Will answer every yes-or-no question so.
    #[must_use]
    pub fn confirming(answer: bool) -> Self {
        Self::default().and_confirming(answer)
    }

    /// The same, besides what else is answered.
    #[must_use]
    pub fn and_confirming(self, answer: bool) -> Self {
        Self {
            confirm: Some(answer),
            ..self
        }
    }
}

impl Operator for Answers {
    fn current_pin(&self, question: &PinQuestion) -> Option<Pin> {
        self.asked.lock().unwrap().push(question.clone());
        self.pins.lock().unwrap().pop_front()
    }

    fn confirm(&self, question: &Confirmation) -> Option<bool> {
        self.confirmations.lock().unwrap().push(question.clone());
        self.confirm
    }
}
