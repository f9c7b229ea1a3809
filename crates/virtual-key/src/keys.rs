//! A directory full of keys, one of which is plugged in whenever somebody asks for one.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use keywright_ctap::{
    Authenticator, Ctap2, DeviceIdentity, Error as CtapError, KeyRequest, KeySource, Signal,
    TransportError,
};

use crate::{
    error::{Error, Result},
    faults::Faults,
    key::VirtualKey,
    options::{Behaviour, KeyOptions},
    state::is_serial,
    store,
    transport::{Port, VirtualTransport},
};

/// The keys in a directory, as a [`KeySource`]: `virtual:DIR`.
///
/// Each file is one key and has its serial number as its name; other files are left alone. Asked
/// for another key, an unused one is plugged in: one that nobody has been served and that holds no
/// credential. When there is none, a new one is made. A key that another process has plugged in is
/// not there.
///
/// ```
/// use keywright_ctap::{KeyRequest, KeySource, NoSignal};
/// use keywright_virtual_key::VirtualKeys;
///
/// # let directory = tempfile::tempdir()?;
/// let mut keys = VirtualKeys::new(directory.path());
/// let mut key = keys.next_key(&KeyRequest::Another { served: Vec::new() }, &mut NoSignal)?;
/// let serial = key.serial()?.expect("every virtual key has a serial number");
/// assert!(directory.path().join(serial).exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct VirtualKeys {
    directory: PathBuf,
    options: KeyOptions,
    behaviour: Behaviour,
    touch_delay: Duration,
    faults: Faults,
    /// What was plugged in and not given back, by serial number.
    plugged_in: HashMap<String, Arc<Port>>,
}

impl VirtualKeys {
    /// The keys in `directory`, which is made when it is needed and not there.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            options: KeyOptions::default(),
            behaviour: Behaviour::default(),
            touch_delay: Duration::ZERO,
            faults: Faults::default(),
            plugged_in: HashMap::new(),
        }
    }

    /// What new keys are like. Their serial numbers are random, whatever the options say.
    #[must_use]
    pub fn with_options(mut self, options: KeyOptions) -> Self {
        self.options = KeyOptions {
            serial: None,
            ..options
        };
        self
    }

    /// How keys behave while they are plugged in.
    #[must_use]
    pub fn with_behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// How long a touch takes.
    #[must_use]
    pub fn with_touch_delay(mut self, delay: Duration) -> Self {
        self.touch_delay = delay;
        self
    }

    /// A handle to let things go wrong with.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    fn another(&mut self, served: &[String]) -> Result<Box<dyn Authenticator>> {
        fs::create_dir_all(&self.directory).map_err(Error::io(&self.directory))?;
        for path in self.files()? {
            // By its name first: reading every key that was ever served would cost more with each one.
            let free = file_name(&path).is_some_and(|serial| {
                !served.iter().any(|one| one == serial) && !self.plugged_in.contains_key(serial)
            });
            let unused = free
                && store::peek(&path).is_some_and(|state| {
                    Some(state.serial.as_str()) == file_name(&path) && state.credentials.is_empty()
                });
            if !unused {
                continue;
            }
            match VirtualKey::open(&path) {
                // Somebody else was faster.
                Err(Error::InUse { .. } | Error::NotAKey { .. }) => {}
                key => return Ok(self.plug_in(key?)),
            }
        }
        let key = VirtualKey::create_in(&self.directory, &self.options)?;
        Ok(self.plug_in(key))
    }

    /// The key with this serial number; `None` while it is not there.
    fn same(&mut self, serial: &str) -> Result<Option<Box<dyn Authenticator>>> {
        if let Some(port) = self.plugged_in.get(serial) {
            return Ok(Some(self.client(Arc::clone(port))));
        }
        if !is_serial(serial) {
            return Ok(None);
        }
        match VirtualKey::open(&self.directory.join(serial)) {
            Ok(key) => Ok(Some(self.plug_in(key))),
            Err(Error::InUse { .. }) => Ok(None),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn plug_in(&mut self, key: VirtualKey) -> Box<dyn Authenticator> {
        let serial = key.serial().to_owned();
        let port = Port::new(key.with_behaviour(self.behaviour));
        let client = self.client(Arc::clone(&port));
        self.plugged_in.insert(serial, port);
        client
    }

    fn client(&self, port: Arc<Port>) -> Box<dyn Authenticator> {
        Box::new(Ctap2::new(VirtualTransport::plug_in(
            port,
            self.touch_delay,
            self.faults.clone(),
        )))
    }

    /// The files that can be keys, in the order of their names.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let failed = || Error::io(&self.directory);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            if file_name(&path).is_some_and(is_serial) && path.is_file() {
                files.push(path);
            }
        }
        files.sort_unstable();
        Ok(files)
    }
}

impl KeySource for VirtualKeys {
    fn next_of(
        &mut self,
        wanted: &[KeyRequest],
        signal: &mut dyn Signal,
    ) -> Result<(usize, Box<dyn Authenticator>), CtapError> {
        loop {
            if signal.cancelled() {
                return Err(CtapError::Cancelled);
            }
            for (index, wanted) in wanted.iter().enumerate() {
                let found = match wanted {
                    KeyRequest::Another { served } => self.another(served).map(Some),
                    KeyRequest::Same { serial } => self.same(serial),
                    _ => return Err(CtapError::Unsupported("this way of asking for a key")),
                };
                if let Some(key) = found.map_err(|error| TransportError::Io(error.to_string()))? {
                    return Ok((index, key));
                }
            }
            if signal
                .deadline()
                .is_some_and(|deadline| Instant::now() >= deadline)
            {
                return Err(CtapError::DeadlineExceeded);
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn done(&mut self, identity: &DeviceIdentity) {
        if let Some(serial) = &identity.usb_serial {
            self.plugged_in.remove(serial);
        }
    }

    /// The key is pulled at once; asked for again, it is put back.
    fn power_cycle(&mut self, identity: &DeviceIdentity) {
        let serial = identity.usb_serial.as_deref();
        if let Some(port) = serial.and_then(|serial| self.plugged_in.get(serial)) {
            port.pull();
        }
    }

    fn describe(&self) -> String {
        format!("virtual:{}", self.directory.display())
    }
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

const LOOK_EVERY: Duration = Duration::from_millis(50);
