//! CTAP 2.2 §6.5: PINs, and the tokens that are had for them.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Ctap2;
use crate::{
    authenticator::PinRetries,
    error::{Error, Result},
    message::{
        AuthenticatorInfo, Command, DecodeError, Request,
        client_pin::{self, Permissions, SubCommand},
    },
    pin::{Pin, PinError},
    pin_uv::{Protocol, PublicKey, SharedSecret, Token},
    signal::Signal,
    transport::Transport,
};

/// What stands for the user in a request.
pub(super) enum Verification {
    /// `pinUvAuthParam`, made with this token.
    Token(Token),
    /// The `uv` option: the key verifies the user itself while it carries out the command (CTAP 2.0 fingerprint keys).
    Option,
    /// Nothing.
    None,
}

impl Verification {
    pub(super) fn param(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.token().map(|token| token.authenticate(message))
    }

    pub(super) fn protocol(&self) -> Option<u64> {
        self.token().map(|token| token.protocol().number())
    }

    pub(super) fn option(&self) -> Option<bool> {
        matches!(self, Self::Option).then_some(true)
    }

    fn token(&self) -> Option<&Token> {
        match self {
            Self::Token(token) => Some(token),
            Self::Option | Self::None => None,
        }
    }
}

/// A shared secret with the public key the authenticator needs to have it too.
pub(super) struct Session {
    pub(super) platform_key: PublicKey,
    pub(super) secret: SharedSecret,
}

impl Session {
    fn request(&self, sub_command: SubCommand) -> client_pin::Request {
        client_pin::Request {
            pin_uv_auth_protocol: Some(self.secret.protocol().number()),
            key_agreement: Some(self.platform_key.clone()),
            ..client_pin::Request::new(sub_command)
        }
    }

    /// "paddedPin: padded on the right with 0x00 bytes until it is 64 bytes long", encrypted.
    fn new_pin_enc(&self, pin: &Pin) -> Result<Vec<u8>> {
        let mut padded = Zeroizing::new([0; 64]);
        padded
            .iter_mut()
            .zip(pin.as_bytes())
            .for_each(|(slot, byte)| *slot = *byte);
        Ok(self.secret.encrypt(padded.as_slice())?)
    }

    /// `LEFT(SHA-256(pin), 16)`, encrypted.
    fn pin_hash_enc(&self, pin: &Pin) -> Result<Vec<u8>> {
        let hash: Zeroizing<[u8; 32]> = Zeroizing::new(Sha256::digest(pin.as_bytes()).into());
        let (left, _) = hash.split_at(16);
        Ok(self.secret.encrypt(left)?)
    }
}

impl<T: Transport> Ctap2<T> {
    /// §6.5.5.2 getPINRetries
    pub(super) fn get_pin_retries(&mut self, signal: &mut dyn Signal) -> Result<PinRetries> {
        let info = self.info_for_pin(signal)?;
        let answer = self.client_pin(
            client_pin::Request {
                // Optional since CTAP 2.1, and yet insisted on by keys that began as CTAP 2.0.
                pin_uv_auth_protocol: Some(
                    Protocol::choose(self.protocol, &info.pin_uv_auth_protocols)?.number(),
                ),
                ..client_pin::Request::new(SubCommand::GetPinRetries)
            },
            signal,
        )?;
        Ok(PinRetries {
            retries: answer.pin_retries.ok_or_else(|| missing("pinRetries"))?,
            power_cycle_required: answer.power_cycle_state.unwrap_or(false),
        })
    }

    /// §6.5.5.5 setPIN
    pub(super) fn set_first_pin(&mut self, new: &Pin, signal: &mut dyn Signal) -> Result<()> {
        let info = self.info_for_pin(signal)?;
        if info.client_pin() == Some(true) {
            return Err(PinError::AlreadySet.into());
        }
        fits(new, &info)?;

        let session = self.key_agreement(&info, signal)?;
        let new_pin_enc = session.new_pin_enc(new)?;
        self.client_pin(
            client_pin::Request {
                pin_uv_auth_param: Some(session.secret.authenticate(&new_pin_enc)),
                new_pin_enc: Some(new_pin_enc),
                ..session.request(SubCommand::SetPin)
            },
            signal,
        )
        .map(drop)
    }

    /// §6.5.5.6 changePIN
    pub(super) fn change_set_pin(
        &mut self,
        current: &Pin,
        new: &Pin,
        signal: &mut dyn Signal,
    ) -> Result<()> {
        let info = self.info_for_pin(signal)?;
        if info.client_pin() != Some(true) {
            return Err(PinError::NotSet.into());
        }
        fits(new, &info)?;

        let session = self.key_agreement(&info, signal)?;
        let new_pin_enc = session.new_pin_enc(new)?;
        let pin_hash_enc = session.pin_hash_enc(current)?;
        let authenticated = [new_pin_enc.as_slice(), &pin_hash_enc].concat();
        self.client_pin(
            client_pin::Request {
                pin_uv_auth_param: Some(session.secret.authenticate(&authenticated)),
                new_pin_enc: Some(new_pin_enc),
                pin_hash_enc: Some(pin_hash_enc),
                ..session.request(SubCommand::ChangePin)
            },
            signal,
        )
        .map(drop)
    }

    /// Obtains a token that is good for next to nothing.
    pub(super) fn try_pin(&mut self, pin: &Pin, signal: &mut dyn Signal) -> Result<()> {
        let info = self.info_for_pin(signal)?;
        // A permission must be asked for (§6.5.5.7.2 step 3), and getAssertion's is bound to an rpId nobody has.
        self.pin_token(&info, pin, Permissions::GET_ASSERTION, Some(NOBODY), signal)
            .map(drop)
    }

    /// A token for `permissions`, by the PIN.
    pub(super) fn pin_token(
        &mut self,
        info: &AuthenticatorInfo,
        pin: &Pin,
        permissions: Permissions,
        rp_id: Option<&str>,
        signal: &mut dyn Signal,
    ) -> Result<Token> {
        match info.client_pin() {
            Some(true) => {}
            Some(false) => return Err(PinError::NotSet.into()),
            None => return Err(Error::Unsupported("PINs")),
        }
        let session = self.key_agreement(info, signal)?;
        let pin_hash_enc = Some(session.pin_hash_enc(pin)?);
        let request = if info.supports_permissions() {
            // §6.5.5.7.2 getPinUvAuthTokenUsingPinWithPermissions
            client_pin::Request {
                pin_hash_enc,
                permissions: Some(permissions),
                rp_id: rp_id.map(str::to_owned),
                ..session.request(SubCommand::GetPinUvAuthTokenUsingPinWithPermissions)
            }
        } else {
            // §6.5.5.7.1 getPinToken
            client_pin::Request {
                pin_hash_enc,
                ..session.request(SubCommand::GetPinToken)
            }
        };
        self.token(&session, request, signal)
    }

    /// Verifies the user as far as an operation needs it and the key can: by the PIN when there is one, else by the
    /// key's own means.
    pub(super) fn verify_user(
        &mut self,
        info: &AuthenticatorInfo,
        pin: Option<&Pin>,
        needed: bool,
        permissions: Permissions,
        rp_id: Option<&str>,
        signal: &mut dyn Signal,
    ) -> Result<Verification> {
        if let Some(pin) = pin {
            return self
                .pin_token(info, pin, permissions, rp_id, signal)
                .map(Verification::Token);
        }
        if !needed {
            return Ok(Verification::None);
        }
        if info.built_in_user_verification() {
            if !info.supports_permissions() {
                return Ok(Verification::Option);
            }
            // §6.5.5.7.3 getPinUvAuthTokenUsingUvWithPermissions
            let session = self.key_agreement(info, signal)?;
            let request = client_pin::Request {
                permissions: Some(permissions),
                rp_id: rp_id.map(str::to_owned),
                ..session.request(SubCommand::GetPinUvAuthTokenUsingUvWithPermissions)
            };
            return self
                .token(&session, request, signal)
                .map(Verification::Token);
        }
        Err(match info.client_pin() {
            Some(true) => PinError::Required.into(),
            Some(false) => PinError::NotSet.into(),
            None => Error::Unsupported("user verification"),
        })
    }

    /// §6.5.5.4 "Obtaining the Shared Secret": getKeyAgreement, then encapsulate.
    pub(super) fn key_agreement(
        &mut self,
        info: &AuthenticatorInfo,
        signal: &mut dyn Signal,
    ) -> Result<Session> {
        let protocol = Protocol::choose(self.protocol, &info.pin_uv_auth_protocols)?;
        let answer = self.client_pin(
            client_pin::Request {
                pin_uv_auth_protocol: Some(protocol.number()),
                ..client_pin::Request::new(SubCommand::GetKeyAgreement)
            },
            signal,
        )?;
        let authenticator_key = answer
            .key_agreement
            .ok_or_else(|| missing("keyAgreement"))?;
        let (platform_key, secret) = protocol.encapsulate(&authenticator_key)?;
        Ok(Session {
            platform_key,
            secret,
        })
    }

    fn token(
        &mut self,
        session: &Session,
        request: client_pin::Request,
        signal: &mut dyn Signal,
    ) -> Result<Token> {
        let answer = self.client_pin(request, signal)?;
        let encrypted = answer
            .pin_uv_auth_token
            .ok_or_else(|| missing("pinUvAuthToken"))?;
        Ok(Token::new(
            session.secret.protocol(),
            &session.secret.decrypt(&encrypted)?,
        )?)
    }

    fn client_pin(
        &mut self,
        request: client_pin::Request,
        signal: &mut dyn Signal,
    ) -> Result<client_pin::Response> {
        let request = Request::ClientPin(request);
        let answer = self.call_raw(&request, signal)?;
        match answer.get(1..).unwrap_or_default() {
            // setPIN and changePIN answer with the status alone.
            [] => Ok(client_pin::Response::default()),
            members => crate::message::decode_members(members).map_err(|source| Error::Malformed {
                command: Command::ClientPin,
                source,
            }),
        }
    }

    fn info_for_pin(&mut self, signal: &mut dyn Signal) -> Result<AuthenticatorInfo> {
        let info: AuthenticatorInfo = self.call(&Request::GetInfo, signal)?;
        if info.client_pin().is_some() {
            Ok(info)
        } else {
            Err(Error::Unsupported("PINs"))
        }
    }
}

fn fits(pin: &Pin, info: &AuthenticatorInfo) -> Result<()> {
    pin.at_least(info.minimum_pin_length())?;
    match info.max_pin_length.map(usize::from) {
        Some(limit) if pin.code_points() > limit => Err(Error::Limit {
            what: "characters in a PIN",
            asked: pin.code_points(),
            limit,
        }),
        _ => Ok(()),
    }
}

fn missing(member: &'static str) -> Error {
    Error::Malformed {
        command: Command::ClientPin,
        source: DecodeError::Missing(member),
    }
}

/// RFC 2606 reserves `.invalid`.
const NOBODY: &str = "nobody.invalid";
