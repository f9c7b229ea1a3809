//! The key: a CTAP2 authenticator, one command at a time.

use std::path::Path;

use keywright_ctap::{
    Command, StatusCode,
    message::{self, Request},
};

use crate::{
    error::{Error, Result},
    options::{Behaviour, Features, KeyOptions},
    presence::{Presence, Touch},
    session::Session,
    state::State,
    store::Store,
};

/// A software security key.
///
/// ```
/// use keywright_virtual_key::{AlwaysTouched, KeyOptions, VirtualKey};
///
/// let mut key = VirtualKey::in_memory(&KeyOptions::default())?;
/// let answer = key.process(&[0x04], &mut AlwaysTouched); // authenticatorGetInfo
/// assert_eq!(answer[0], 0x00);
/// # Ok::<(), keywright_virtual_key::Error>(())
/// ```
#[derive(Debug)]
pub struct VirtualKey {
    store: Store,
    pub(crate) state: State,
    pub(crate) session: Session,
    pub(crate) behaviour: Behaviour,
}

impl VirtualKey {
    /// A new key that is gone with this value.
    ///
    /// # Errors
    /// [`Error::Options`], [`Error::Random`], [`Error::Attestation`].
    pub fn in_memory(options: &KeyOptions) -> Result<Self> {
        Ok(Self::with(Store::Memory, State::new(options)?))
    }

    /// A new key in a new file at `path`.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is a file; [`Error::Io`]; as [`in_memory`](Self::in_memory).
    pub fn create(path: &Path, options: &KeyOptions) -> Result<Self> {
        let state = State::new(options)?;
        Ok(Self::with(Store::create(path, &state)?, state))
    }

    /// A new key in a new file in `directory`, named after its serial number.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_in(directory: &Path, options: &KeyOptions) -> Result<Self> {
        loop {
            let state = State::new(options)?;
            match Store::create(&directory.join(&state.serial), &state) {
                // A random serial number that is taken: there are 90 million.
                Err(Error::Exists { .. }) if options.serial.is_none() => {}
                other => return Ok(Self::with(other?, state)),
            }
        }
    }

    /// The key in the file at `path`.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process (or another value in this one) has it;
    /// [`Error::NotAKey`]; [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let (store, state) = Store::open(path)?;
        Ok(Self::with(store, state))
    }

    /// Changes how the key behaves while it is plugged in.
    #[must_use]
    pub fn with_behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// Its serial number.
    pub fn serial(&self) -> &str {
        &self.state.serial
    }

    /// Its file, if it has one.
    pub fn path(&self) -> Option<&Path> {
        self.store.path()
    }

    /// What it can do.
    pub fn features(&self) -> Features {
        self.state.features
    }

    /// How many discoverable credentials it holds.
    pub fn credential_count(&self) -> usize {
        self.state.credentials.len()
    }

    /// Takes the key out and puts it in again: tokens and the count of wrong PINs in a row are
    /// gone, and a reset is possible for a while.
    pub fn power_cycle(&mut self) {
        self.session = Session::new();
    }

    /// Carries out one command: a command byte with its CBOR parameters. The answer is a status
    /// byte with its CBOR.
    pub fn process(&mut self, request: &[u8], presence: &mut dyn Presence) -> Vec<u8> {
        match self.carry_out(request, presence) {
            Ok(answer) => answer,
            Err(status) => message::failed(status),
        }
    }

    fn carry_out(
        &mut self,
        bytes: &[u8],
        presence: &mut dyn Presence,
    ) -> Result<Vec<u8>, StatusCode> {
        let request = Request::decode(bytes).map_err(|error| error.status())?;
        let command = request.command();
        if !self.knows(command) {
            return Err(StatusCode::InvalidCommand);
        }
        // CTAP 2.2 section 6: what a stateful command sequence remembers is gone as soon as another
        // command comes between.
        if command != Command::GetNextAssertion {
            self.session.remaining_assertions = None;
        }
        if !matches!(
            command,
            Command::CredentialManagement | Command::CredentialManagementPreview
        ) {
            self.session.enumeration = None;
        }
        match request {
            Request::GetInfo => Ok(message::ok(&self.info())),
            Request::ClientPin(request) => self.client_pin(request),
            Request::MakeCredential(request) => self.make_credential(&request, presence),
            Request::GetAssertion(request) => self.get_assertion(&request, presence),
            Request::GetNextAssertion => self.get_next_assertion(),
            // The preview is the same under another number, as far as it goes.
            Request::CredentialManagement(request)
            | Request::CredentialManagementPreview(request) => {
                self.credential_management(&request, sub_command_params(bytes, 0x02))
            }
            Request::Config(request) => self.config(&request, sub_command_params(bytes, 0x02)),
            Request::Reset => self.reset(presence),
            Request::Selection => self.selection(presence),
            _ => Err(StatusCode::InvalidCommand),
        }
    }

    fn knows(&self, command: Command) -> bool {
        let features = self.state.features;
        match command {
            Command::CredentialManagement | Command::CredentialManagementPreview => {
                features.credential_management()
            }
            Command::Config => features.config(),
            Command::Selection => features.fido_2_1,
            _ => true,
        }
    }

    /// Makes `next` the state, in the file first.
    pub(crate) fn commit(&mut self, next: State) -> Result<(), StatusCode> {
        self.store
            .save(&next)
            .map_err(|_| StatusCode::Unspecified)?;
        self.state = next;
        Ok(())
    }

    /// Changes the state, in the file first.
    pub(crate) fn update(&mut self, change: impl FnOnce(&mut State)) -> Result<(), StatusCode> {
        let mut next = self.state.clone();
        change(&mut next);
        self.commit(next)
    }

    fn with(store: Store, state: State) -> Self {
        Self {
            store,
            state,
            session: Session::new(),
            behaviour: Behaviour::default(),
        }
    }
}

/// Waits for a touch and says what to answer without one.
pub(crate) fn touched(presence: &mut dyn Presence) -> Result<(), StatusCode> {
    match presence.wait_for_touch() {
        Touch::Given => Ok(()),
        Touch::Denied => Err(StatusCode::OperationDenied),
        Touch::TimedOut => Err(StatusCode::UserActionTimeout),
        Touch::Cancelled => Err(StatusCode::KeepaliveCancel),
    }
}

/// The encoded value of a member of a request's map, exactly as it was sent: it is what the
/// platform authenticated.
fn sub_command_params(request: &[u8], member: i64) -> &[u8] {
    use keywright_webauthn::cbor::Reader;
    let mut reader = Reader::new(request.get(1..).unwrap_or_default());
    let Ok(mut map) = reader.map() else {
        return &[];
    };
    while let Ok(Some(key)) = map.next_integer_key(&mut reader) {
        match reader.skip() {
            Ok(value) if key == member => return value,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    &[]
}
