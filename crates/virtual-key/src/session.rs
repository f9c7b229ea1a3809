//! What a key remembers as long as it has power.

use std::time::{Duration, Instant};

use keywright_ctap::{
    StatusCode,
    message::client_pin::Permissions,
    pin_uv::{KeyAgreement, Protocol, PublicKey, SharedSecret, Token},
};

use crate::credential::Usable;

/// Volatile state: gone when the key is unplugged.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) powered_up: Instant,
    /// With its public half, which takes as long to compute as half an agreement.
    key_agreement: [Option<(KeyAgreement, PublicKey)>; 2],
    token: Option<GrantedToken>,
    /// Wrong PINs in a row; three block the PIN until power is cycled.
    pub(crate) wrong_pins: u8,
    pub(crate) remaining_assertions: Option<RemainingAssertions>,
    pub(crate) enumeration: Option<Enumeration>,
}

/// A `pinUvAuthToken` in use (CTAP 2.2 section 6.5.2.1).
#[derive(Debug)]
pub(crate) struct GrantedToken {
    token: Token,
    permissions: Permissions,
    rp_id: Option<String>,
    issued: Instant,
    used: bool,
    user_verified: bool,
}

/// What `authenticatorGetNextAssertion` goes on with.
#[derive(Debug)]
pub(crate) struct RemainingAssertions {
    /// The next one last.
    pub(crate) credentials: Vec<Usable>,
    pub(crate) context: AssertionContext,
    pub(crate) since: Instant,
}

/// What all assertions of one request have in common.
#[derive(Debug, Clone)]
pub(crate) struct AssertionContext {
    pub(crate) rp_id_hash: [u8; 32],
    pub(crate) client_data_hash: Vec<u8>,
    pub(crate) user_present: bool,
    pub(crate) user_verified: bool,
    /// The salts of `hmac-secret`, and the secret that encrypts the outputs.
    pub(crate) hmac_secret: Option<std::sync::Arc<HmacSecretSalts>>,
}

/// `hmac-secret` of one request, decrypted.
#[derive(Debug)]
pub(crate) struct HmacSecretSalts {
    pub(crate) secret: SharedSecret,
    pub(crate) salts: zeroize::Zeroizing<Vec<u8>>,
}

/// What the enumerations of credential management go on with; the next one last.
#[derive(Debug)]
pub(crate) enum Enumeration {
    Rps(Vec<String>),
    Credentials(Vec<Vec<u8>>),
}

impl Session {
    /// Power has just come up.
    pub(crate) fn new() -> Self {
        Self {
            powered_up: Instant::now(),
            key_agreement: [None, None],
            token: None,
            wrong_pins: 0,
            remaining_assertions: None,
            enumeration: None,
        }
    }

    /// `getPublicKey`: the key agreement key of a protocol, which is made when it is first asked
    /// for.
    pub(crate) fn public_key(&mut self, protocol: Protocol) -> Result<PublicKey, StatusCode> {
        Ok(self.key_agreement(protocol)?.1.clone())
    }

    /// `decapsulate`
    pub(crate) fn decapsulate(
        &mut self,
        protocol: Protocol,
        platform: &PublicKey,
    ) -> Result<SharedSecret, StatusCode> {
        self.key_agreement(protocol)?
            .0
            .decapsulate(protocol, platform)
            .map_err(|_| StatusCode::InvalidParameter)
    }

    /// `regenerate`
    pub(crate) fn regenerate(&mut self, protocol: Protocol) {
        *self.key_agreement_slot(protocol) = None;
    }

    /// `resetPinUvAuthToken` of all protocols: whatever token there was is dead.
    pub(crate) fn reset_token(&mut self) {
        self.token = None;
    }

    /// A fresh token, in use from now on.
    pub(crate) fn grant_token(
        &mut self,
        protocol: Protocol,
        permissions: Permissions,
        rp_id: Option<String>,
    ) -> Result<&Token, StatusCode> {
        let token = Token::generate(protocol).map_err(|_| StatusCode::Unspecified)?;
        let granted = self.token.insert(GrantedToken {
            token,
            permissions,
            rp_id,
            issued: Instant::now(),
            used: false,
            user_verified: true,
        });
        Ok(&granted.token)
    }

    /// Checks a `pinUvAuthParam` against the token in use: that it is of this protocol, in time,
    /// genuine, and has the permission.
    pub(crate) fn authorise(
        &mut self,
        protocol: Option<u64>,
        message: &[u8],
        param: &[u8],
        permission: Permissions,
    ) -> Result<&mut GrantedToken, StatusCode> {
        let protocol = checked_protocol(protocol)?;
        if self.token.as_ref().is_some_and(GrantedToken::is_over) {
            self.token = None;
        }
        let granted = self
            .token
            .as_mut()
            .filter(|granted| granted.token.protocol() == protocol)
            .ok_or(StatusCode::PinAuthInvalid)?;
        granted
            .token
            .verify(message, param)
            .map_err(|_| StatusCode::PinAuthInvalid)?;
        if !granted.permissions.contains(permission) {
            return Err(StatusCode::PinAuthInvalid);
        }
        granted.used = true;
        Ok(granted)
    }

    /// What a touch leaves of a token: `clearUserPresentFlag()`, `clearUserVerifiedFlag()` and
    /// `clearPinUvAuthTokenPermissionsExceptLbw()`.
    pub(crate) fn spend_token(&mut self) {
        if let Some(granted) = &mut self.token {
            granted.permissions = Permissions::default();
            granted.user_verified = false;
        }
    }

    fn key_agreement(
        &mut self,
        protocol: Protocol,
    ) -> Result<&(KeyAgreement, PublicKey), StatusCode> {
        let slot = self.key_agreement_slot(protocol);
        match slot {
            Some(pair) => Ok(pair),
            None => {
                let key = KeyAgreement::generate().map_err(|_| StatusCode::Unspecified)?;
                let public = key.public_key();
                Ok(slot.insert((key, public)))
            }
        }
    }

    fn key_agreement_slot(&mut self, protocol: Protocol) -> &mut Option<(KeyAgreement, PublicKey)> {
        let [one, two] = &mut self.key_agreement;
        match protocol {
            Protocol::One => one,
            Protocol::Two => two,
        }
    }
}

impl GrantedToken {
    pub(crate) fn user_verified(&self) -> bool {
        self.user_verified
    }

    /// The relying party that the token is bound to, if any.
    pub(crate) fn rp_id(&self) -> Option<&str> {
        self.rp_id.as_deref()
    }

    /// Binds a token that is not bound yet, and checks one that is.
    pub(crate) fn bind(&mut self, rp_id: &str) -> Result<(), StatusCode> {
        match &self.rp_id {
            Some(bound) if bound == rp_id => Ok(()),
            Some(_) => Err(StatusCode::PinAuthInvalid),
            None => {
                self.rp_id = Some(rp_id.to_owned());
                Ok(())
            }
        }
    }

    fn is_over(&self) -> bool {
        let age = self.issued.elapsed();
        age > MAX_USAGE_PERIOD || (!self.used && age > INITIAL_USAGE_LIMIT)
    }
}

/// A known protocol, or what a request without one deserves.
pub(crate) fn checked_protocol(number: Option<u64>) -> Result<Protocol, StatusCode> {
    let number = number.ok_or(StatusCode::MissingParameter)?;
    Protocol::from_number(number).ok_or(StatusCode::InvalidParameter)
}

/// CTAP 2.2 section 6.5.2.1: "the initial usage time limit … 30 seconds".
const INITIAL_USAGE_LIMIT: Duration = Duration::from_secs(30);
/// "… max usage time period … 10 minutes".
const MAX_USAGE_PERIOD: Duration = Duration::from_secs(600);
