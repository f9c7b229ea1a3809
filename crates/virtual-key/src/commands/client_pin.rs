//! CTAP 2.2 section 6.5 `authenticatorClientPIN`.

use keywright_ctap::{
    StatusCode,
    message::{
        self,
        client_pin::{Permissions, Request, Response, SubCommand},
    },
    pin_uv::{Protocol, SharedSecret},
};
use subtle::ConstantTimeEq as _;

use crate::{
    key::VirtualKey,
    session::checked_protocol,
    state::{MAX_PIN_RETRIES, StoredPin},
};

/// Wrong PINs in a row that block the PIN until power is cycled.
const MAX_WRONG_PINS: u8 = 3;

impl VirtualKey {
    pub(crate) fn client_pin(&mut self, request: Request) -> Result<Vec<u8>, StatusCode> {
        match request.sub_command {
            SubCommand::GetPinRetries => Ok(message::ok(&Response {
                pin_retries: Some(self.state.pin_retries),
                power_cycle_state: Some(self.power_cycle_needed()),
                ..Response::default()
            })),
            SubCommand::GetKeyAgreement => {
                let protocol = self.protocol(&request)?;
                Ok(message::ok(&Response {
                    key_agreement: Some(self.session.public_key(protocol)?),
                    ..Response::default()
                }))
            }
            SubCommand::SetPin => self.set_pin(&request),
            SubCommand::ChangePin => self.change_pin(&request),
            SubCommand::GetPinToken => self.get_pin_token(&request),
            SubCommand::GetPinUvAuthTokenUsingPinWithPermissions
                if self.state.features.fido_2_1 =>
            {
                self.get_token_with_permissions(&request)
            }
            // There is no built-in user verification.
            _ => Err(StatusCode::InvalidSubcommand),
        }
    }

    /// Section 6.5.5.5 "Setting a new PIN".
    fn set_pin(&mut self, request: &Request) -> Result<Vec<u8>, StatusCode> {
        // "If the authenticator does not receive mandatory parameters for this command, it returns
        // CTAP2_ERR_MISSING_PARAMETER error."
        let platform_key = required(&request.key_agreement)?;
        let new_pin_enc = required(&request.new_pin_enc)?;
        let param = required(&request.pin_uv_auth_param)?;
        // "If pinUvAuthProtocol is not supported, return CTAP1_ERR_INVALID_PARAMETER."
        let protocol = self.protocol(request)?;
        // "If a PIN has already been set, authenticator returns CTAP2_ERR_PIN_AUTH_INVALID error."
        if self.state.pin.is_some() {
            return Err(StatusCode::PinAuthInvalid);
        }
        // "The authenticator calls decapsulate on the provided platform key-agreement key to obtain
        // the shared secret. If an error results, it returns CTAP1_ERR_INVALID_PARAMETER."
        let secret = self.session.decapsulate(protocol, platform_key)?;
        // "The authenticator calls verify(shared secret, newPinEnc, pinUvAuthParam). If an error
        // results, it returns CTAP2_ERR_PIN_AUTH_INVALID."
        secret
            .verify(new_pin_enc, param)
            .map_err(|_| StatusCode::PinAuthInvalid)?;
        let new_pin = self.new_pin(&secret, new_pin_enc)?;
        // "Authenticator remembers newPin length internally as PINCodePointLength. Authenticator
        // stores LEFT(SHA-256(newPin), 16) internally as CurrentStoredPIN, sets the pinRetries
        // counter to maximum count, and returns CTAP2_OK."
        self.update(|state| {
            state.pin = Some(new_pin);
            state.pin_retries = MAX_PIN_RETRIES;
        })?;
        Ok(message::empty())
    }

    /// Section 6.5.5.6 "Changing existing PIN".
    fn change_pin(&mut self, request: &Request) -> Result<Vec<u8>, StatusCode> {
        let platform_key = required(&request.key_agreement)?;
        let pin_hash_enc = required(&request.pin_hash_enc)?;
        let new_pin_enc = required(&request.new_pin_enc)?;
        let param = required(&request.pin_uv_auth_param)?;
        let protocol = self.protocol(request)?;
        self.refuse_without_pin()?;
        // "If the pinRetries counter is 0, return CTAP2_ERR_PIN_BLOCKED error."
        self.refuse_blocked_pin()?;
        let secret = self.session.decapsulate(protocol, platform_key)?;
        // "The authenticator calls verify(shared secret, newPinEnc || pinHashEnc, pinUvAuthParam).
        // If an error results, it returns CTAP2_ERR_PIN_AUTH_INVALID."
        let authenticated = [new_pin_enc.as_slice(), pin_hash_enc].concat();
        secret
            .verify(&authenticated, param)
            .map_err(|_| StatusCode::PinAuthInvalid)?;
        self.check_pin(&secret, pin_hash_enc)?;
        let new_pin = self.new_pin(&secret, new_pin_enc)?;
        // "If the forcePINChange member of the authenticatorGetInfo response is true and
        // LEFT(SHA-256(newPin), 16) is equal to CurrentStoredPIN, the authenticator returns
        // CTAP2_ERR_PIN_POLICY_VIOLATION."
        let unchanged = self
            .state
            .pin
            .as_ref()
            .is_some_and(|pin| pin.hash == new_pin.hash);
        if self.state.force_pin_change && unchanged {
            return Err(StatusCode::PinPolicyViolation);
        }
        self.update(|state| {
            state.pin = Some(new_pin);
            state.force_pin_change = false;
        })?;
        // "The authenticator calls resetPinUvAuthToken() for all pinUvAuthProtocols supported by
        // this authenticator (i.e. all existing pinUvAuthTokens are invalidated)."
        self.session.reset_token();
        Ok(message::empty())
    }

    /// Section 6.5.5.7.1 "Getting pinUvAuthToken using getPinToken (superseded)".
    fn get_pin_token(&mut self, request: &Request) -> Result<Vec<u8>, StatusCode> {
        let platform_key = required(&request.key_agreement)?;
        let pin_hash_enc = required(&request.pin_hash_enc)?;
        // "If the authenticator receives a permissions or rpId parameter, it returns
        // CTAP1_ERR_INVALID_PARAMETER."
        if request.permissions.is_some() || request.rp_id.is_some() {
            return Err(StatusCode::InvalidParameter);
        }
        let protocol = self.protocol(request)?;
        self.refuse_without_pin()?;
        self.refuse_blocked_pin()?;
        let secret = self.session.decapsulate(protocol, platform_key)?;
        self.check_pin(&secret, pin_hash_enc)?;
        // "If the value of the forcePINChange member is true: … return CTAP2_ERR_PIN_INVALID."
        if self.state.force_pin_change {
            return Err(StatusCode::PinInvalid);
        }
        // "The authenticator assigns the default permissions for pinUvAuthToken": mc and ga, bound
        // to a relying party at first use.
        let permissions = if self.state.features.fido_2_1 {
            Permissions::MAKE_CREDENTIAL | Permissions::GET_ASSERTION
        } else {
            Permissions(u8::MAX)
        };
        self.answer_with_token(&secret, permissions, None)
    }

    /// Section 6.5.5.7.2 "Getting pinUvAuthToken using getPinUvAuthTokenUsingPinWithPermissions".
    fn get_token_with_permissions(&mut self, request: &Request) -> Result<Vec<u8>, StatusCode> {
        let platform_key = required(&request.key_agreement)?;
        let pin_hash_enc = required(&request.pin_hash_enc)?;
        let permissions = *required(&request.permissions)?;
        let protocol = self.protocol(request)?;
        // "If pinUvAuthProtocol is not supported, or the permissions parameter is 0, return
        // CTAP1_ERR_INVALID_PARAMETER."
        if permissions.0 == 0 {
            return Err(StatusCode::InvalidParameter);
        }
        // "If the requested permissions includes … return CTAP2_ERR_UNAUTHORIZED_PERMISSION."
        let features = self.state.features;
        let unavailable = [
            (
                Permissions::CREDENTIAL_MANAGEMENT,
                features.credential_management(),
            ),
            (Permissions::BIO_ENROLLMENT, false),
            (Permissions::LARGE_BLOB_WRITE, false),
            (Permissions::AUTHENTICATOR_CONFIGURATION, features.config()),
        ];
        if unavailable
            .iter()
            .any(|(permission, available)| permissions.contains(*permission) && !available)
        {
            return Err(StatusCode::UnauthorizedPermission);
        }
        // "mc", "ga": "RP ID: Required".
        let wants_rp = permissions.contains(Permissions::MAKE_CREDENTIAL)
            || permissions.contains(Permissions::GET_ASSERTION);
        if wants_rp && request.rp_id.is_none() {
            return Err(StatusCode::MissingParameter);
        }
        self.refuse_without_pin()?;
        self.refuse_blocked_pin()?;
        let secret = self.session.decapsulate(protocol, platform_key)?;
        self.check_pin(&secret, pin_hash_enc)?;
        // "If the value of the forcePINChange member is true … return
        // CTAP2_ERR_PIN_POLICY_VIOLATION."
        if self.state.force_pin_change {
            return Err(StatusCode::PinPolicyViolation);
        }
        self.answer_with_token(&secret, permissions, request.rp_id.clone())
    }

    fn answer_with_token(
        &mut self,
        secret: &SharedSecret,
        permissions: Permissions,
        rp_id: Option<String>,
    ) -> Result<Vec<u8>, StatusCode> {
        let token = self
            .session
            .grant_token(secret.protocol(), permissions, rp_id)?;
        let encrypted = secret
            .encrypt(token.expose())
            .map_err(|_| StatusCode::Unspecified)?;
        Ok(message::ok(&Response {
            pin_uv_auth_token: Some(encrypted),
            ..Response::default()
        }))
    }

    /// The part that the subcommands that take the current PIN have in common: the counter goes
    /// down first, in the file, so that pulling the key at the right moment gains no attempt.
    fn check_pin(&mut self, secret: &SharedSecret, pin_hash_enc: &[u8]) -> Result<(), StatusCode> {
        // "The authenticator decrements the pinRetries counter by 1."
        self.update(|state| state.pin_retries = state.pin_retries.saturating_sub(1))?;
        // "The authenticator decrypts pinHashEnc using decrypt(shared secret, pinHashEnc) and
        // verifies against its internal stored CurrentStoredPIN."
        let right = match (secret.decrypt(pin_hash_enc), &self.state.pin) {
            (Ok(hash), Some(pin)) => bool::from(hash.as_slice().ct_eq(pin.hash.expose())),
            _ => false,
        };
        if right {
            // "The authenticator sets the pinRetries counter to maximum value."
            self.session.wrong_pins = 0;
            return self.update(|state| state.pin_retries = MAX_PIN_RETRIES);
        }
        // "If an error results, or a mismatch is detected, the authenticator performs the following
        // operations: Calls regenerate."
        self.session.regenerate(secret.protocol());
        self.session.wrong_pins = self.session.wrong_pins.saturating_add(1);
        Err(if self.state.pin_retries == 0 {
            StatusCode::PinBlocked
        } else if self.power_cycle_needed() {
            StatusCode::PinAuthBlocked
        } else {
            StatusCode::PinInvalid
        })
    }

    /// Decrypts and checks a new PIN.
    fn new_pin(&self, secret: &SharedSecret, new_pin_enc: &[u8]) -> Result<StoredPin, StatusCode> {
        // "The authenticator calls decrypt(shared secret, newPinEnc) to produce paddedNewPin. If an
        // error results, it returns CTAP2_ERR_PIN_AUTH_INVALID. If paddedNewPin is NOT 64 bytes
        // long, it returns CTAP1_ERR_INVALID_PARAMETER."
        let padded = secret
            .decrypt(new_pin_enc)
            .map_err(|_| StatusCode::PinAuthInvalid)?;
        if padded.len() != 64 {
            return Err(StatusCode::InvalidParameter);
        }
        // "The authenticator drops all trailing 0x00 bytes from paddedNewPin to produce newPin."
        let length = padded
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let new_pin = padded.get(..length).unwrap_or_default();
        // "The authenticator checks the length of newPin against the current minimum PIN length,
        // returning CTAP2_ERR_PIN_POLICY_VIOLATION if it is too short." And the longest PIN has 63
        // bytes.
        let code_points = std::str::from_utf8(new_pin)
            .map_err(|_| StatusCode::PinPolicyViolation)?
            .chars()
            .count();
        if code_points < usize::from(self.state.min_pin_length) || length > 63 {
            return Err(StatusCode::PinPolicyViolation);
        }
        // §6.4, pinComplexityPolicy: "the authenticator is enforcing an additional current PIN complexity policy".
        if self.state.features.pin_complexity_policy && new_pin.iter().all(u8::is_ascii_digit) {
            return Err(StatusCode::PinPolicyViolation);
        }
        Ok(StoredPin::of_bytes(new_pin, code_points))
    }

    fn protocol(&self, request: &Request) -> Result<Protocol, StatusCode> {
        let protocol = checked_protocol(request.pin_uv_auth_protocol)?;
        if protocol == Protocol::Two && !self.state.features.fido_2_1 {
            return Err(StatusCode::InvalidParameter);
        }
        Ok(protocol)
    }

    fn refuse_without_pin(&self) -> Result<(), StatusCode> {
        if self.state.pin.is_some() {
            Ok(())
        } else {
            Err(StatusCode::PinNotSet)
        }
    }

    fn refuse_blocked_pin(&self) -> Result<(), StatusCode> {
        if self.state.pin_retries == 0 {
            Err(StatusCode::PinBlocked)
        } else if self.power_cycle_needed() {
            Err(StatusCode::PinAuthBlocked)
        } else {
            Ok(())
        }
    }

    fn power_cycle_needed(&self) -> bool {
        self.session.wrong_pins >= MAX_WRONG_PINS
    }
}

fn required<T>(member: &Option<T>) -> Result<&T, StatusCode> {
    member.as_ref().ok_or(StatusCode::MissingParameter)
}
