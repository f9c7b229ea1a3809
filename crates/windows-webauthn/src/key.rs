//! A key behind Windows' dialogs.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use keywright_ctap::{
    Authenticator, AuthenticatorInfo, Command, ConfigChange, CredentialSlots, DeviceIdentity,
    Error, GetAssertionRequest, GetAssertionResponse, Keepalive, MakeCredentialRequest,
    MakeCredentialResponse, Pin, PinRetries, ResidentCredential, Result, Signal, TransportError,
    TransportKind, message::UserEntity,
};
use keywright_webauthn::{Aaguid, AttestationObject};

use crate::{
    ceremony::{Ceremony, Signing},
    outcome::HResult,
    platform::Platform,
};

/// Whichever key the user puts in when Windows asks for one.
///
/// A `pin` that is passed in is not used: Windows asks for it itself, and does not tell.
pub struct PlatformKey {
    platform: Arc<dyn Platform>,
    identity: DeviceIdentity,
}

impl PlatformKey {
    /// Asks for nothing yet.
    pub fn new(platform: Arc<dyn Platform>) -> Self {
        Self {
            platform,
            identity: DeviceIdentity {
                path: "webauthn.dll".to_owned(),
                vendor_id: 0,
                product_id: 0,
                manufacturer: String::new(),
                product: "security key".to_owned(),
                usb_serial: None,
                transport: TransportKind::System,
            },
        }
    }

    /// Runs a ceremony on a thread of its own, for it blocks, and closes its dialog when `signal` says to stop.
    fn run<R: Send>(
        &self,
        command: Command,
        signal: &mut dyn Signal,
        ceremony: impl FnOnce(&dyn Platform, u128) -> Result<R, HResult> + Send,
    ) -> Result<R> {
        signal.check()?;
        let platform = self.platform.as_ref();
        let id = platform
            .cancellation_id()
            .map_err(|error| error.error(command))?;
        // The dialog asks for the touch by itself; whoever listens should know that it is there.
        signal.keepalive(Keepalive::UserPresenceNeeded);
        thread::scope(|scope| {
            let (sender, answer) = mpsc::channel();
            scope.spawn(move || {
                // The other end waits until this thread is over.
                let _ = sender.send(ceremony(platform, id));
            });
            let mut stopping = None;
            loop {
                match answer.recv_timeout(SLICE) {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(error)) => return Err(stopping.unwrap_or_else(|| error.error(command))),
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => {
                        return Err(HResult::E_UNEXPECTED.error(command));
                    }
                }
                if stopping.is_none()
                    && let Err(stop) = signal.check()
                {
                    platform.cancel(id);
                    stopping = Some(stop.into());
                }
            }
        })
    }
}

impl std::fmt::Debug for PlatformKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlatformKey").finish_non_exhaustive()
    }
}

impl Authenticator for PlatformKey {
    fn identity(&self) -> &DeviceIdentity {
        &self.identity
    }

    /// What every key that Windows makes a passkey on can do. The model is not known before that: the AAGUID is zero.
    fn info(&mut self, _: &mut dyn Signal) -> Result<AuthenticatorInfo> {
        let mut info = AuthenticatorInfo::new(vec!["FIDO_2_0".to_owned()], Aaguid([0; 16]));
        // Whoever is to be verified, Windows does it.
        info.options = [("rk".to_owned(), true), ("uv".to_owned(), true)].into();
        info.extensions = ["credProtect", "hmac-secret", "minPinLength"]
            .map(str::to_owned)
            .into();
        // Windows splits lists as the key needs it.
        info.max_credential_count_in_list = Some(u64::from(u32::MAX));
        Ok(info)
    }

    fn serial(&mut self) -> Result<Option<String>> {
        Ok(None)
    }

    fn pin_retries(&mut self, _: &mut dyn Signal) -> Result<PinRetries> {
        Err(PINS)
    }

    fn set_pin(&mut self, _: &Pin, _: &mut dyn Signal) -> Result<()> {
        Err(PINS)
    }

    fn change_pin(&mut self, _: &Pin, _: &Pin, _: &mut dyn Signal) -> Result<()> {
        Err(PINS)
    }

    fn check_pin(&mut self, _: &Pin, _: &mut dyn Signal) -> Result<()> {
        Err(PINS)
    }

    fn make_credential(
        &mut self,
        request: &MakeCredentialRequest,
        _: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<MakeCredentialResponse> {
        let command = Command::MakeCredential;
        let ceremony = Ceremony::of(request, time_left(signal))?;
        let made = self.run(command, signal, |platform, id| {
            platform.make_credential(&ceremony, id)
        })?;
        let object = AttestationObject::decode(&made.attestation_object).map_err(|error| {
            TransportError::Io(format!("Windows' answer cannot be read: {error}"))
        })?;
        Ok(MakeCredentialResponse {
            fmt: object.fmt,
            auth_data: object.auth_data,
            att_stmt: object.att_stmt,
            enterprise_attestation: made.enterprise_attestation,
            large_blob_key: None,
            unsigned_extension_outputs: None,
            // Windows does not pass on what the key itself has answered.
            raw: Vec::new(),
        })
    }

    fn get_assertion(
        &mut self,
        request: &GetAssertionRequest,
        _: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<Vec<GetAssertionResponse>> {
        let signing = Signing::of(request, time_left(signal))?;
        let signed = self.run(Command::GetAssertion, signal, |platform, id| {
            platform.get_assertion(&signing, id)
        })?;
        Ok(vec![GetAssertionResponse {
            credential_id: signed.credential_id,
            auth_data: signed.auth_data,
            signature: signed.signature,
            user: (!signed.user_id.is_empty()).then_some(UserEntity {
                id: signed.user_id,
                name: None,
                display_name: None,
            }),
            hmac_secrets: Vec::new(),
            large_blob_key: None,
        }])
    }

    fn credential_slots(&mut self, _: &Pin, _: &mut dyn Signal) -> Result<CredentialSlots> {
        Err(CREDENTIALS)
    }

    fn credentials(&mut self, _: &Pin, _: &mut dyn Signal) -> Result<Vec<ResidentCredential>> {
        Err(CREDENTIALS)
    }

    fn delete_credential(&mut self, _: &[u8], _: &Pin, _: &mut dyn Signal) -> Result<()> {
        Err(CREDENTIALS)
    }

    fn configure(&mut self, _: &ConfigChange, _: Option<&Pin>, _: &mut dyn Signal) -> Result<()> {
        Err(Error::Unsupported(
            "configuration when it is reached through Windows; run as administrator for that",
        ))
    }

    fn reset(&mut self, _: &mut dyn Signal) -> Result<()> {
        Err(Error::Unsupported(
            "a reset when it is reached through Windows; use Settings > Accounts > Sign-in options, or run as \
             administrator",
        ))
    }

    fn select(&mut self, _: &mut dyn Signal) -> Result<()> {
        Err(Error::Unsupported(
            "being pointed out when it is reached through Windows",
        ))
    }

    fn wink(&mut self, _: &mut dyn Signal) -> Result<()> {
        Err(TransportError::Unsupported("it cannot wink when it is reached through Windows").into())
    }
}

fn time_left(signal: &dyn Signal) -> Duration {
    signal.deadline().map_or(LONGEST, |deadline| {
        deadline
            .saturating_duration_since(Instant::now())
            .min(LONGEST)
    })
}

const PINS: Error = Error::Unsupported(
    "anything about its PIN when it is reached through Windows, which asks for it itself; run as administrator for that",
);
const CREDENTIALS: Error = Error::Unsupported(
    "listing or deleting credentials when it is reached through Windows; run as administrator for that",
);
const SLICE: Duration = Duration::from_millis(50);
/// Windows has a limit of its own, which is shorter.
const LONGEST: Duration = Duration::from_secs(600);
