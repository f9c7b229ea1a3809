//! What can be done with a key, whatever it is reached over.

use ciborium::Value;
use keywright_webauthn::cbor;

use crate::{
    client_data::ClientData,
    error::Result,
    message::{self, get_info::AuthenticatorInfo},
    pin::Pin,
    signal::Signal,
    transport::DeviceIdentity,
};

/// A key.
///
/// Everything blocks, until the key has answered or `signal` says to stop. [`Ctap2`](crate::Ctap2) implements this over
/// any [`Transport`](crate::Transport); an adapter to another CTAP library is the other kind of implementation.
pub trait Authenticator: Send {
    /// Which device this is.
    fn identity(&self) -> &DeviceIdentity;

    /// What the key says about itself, asked afresh each time.
    ///
    /// # Errors
    /// [`Error::Status`](crate::Error::Status), [`Error::Transport`](crate::Error::Transport) and
    /// [`Error::Malformed`](crate::Error::Malformed), as all that follow.
    fn info(&mut self, signal: &mut dyn Signal) -> Result<AuthenticatorInfo>;

    /// The serial number of this very device: what is printed on it where the maker tells it over CTAPHID, else the USB
    /// serial number, else `None`.
    ///
    /// # Errors
    /// When the key is gone. A key that merely does not tell is `None`.
    fn serial(&mut self) -> Result<Option<String>>;

    /// How many attempts the PIN has left (CTAP 2.2 §6.5.5.2).
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) for a key without PINs.
    fn pin_retries(&mut self, signal: &mut dyn Signal) -> Result<PinRetries>;

    /// Sets the first PIN (§6.5.5.5).
    ///
    /// # Errors
    /// [`PinError::AlreadySet`](crate::PinError::AlreadySet); [`PinError::TooShort`](crate::PinError::TooShort) when it is
    /// shorter than the key wants. `CTAP2_ERR_PIN_POLICY_VIOLATION` for a PIN that the key's own rules forbid.
    fn set_pin(&mut self, new: &Pin, signal: &mut dyn Signal) -> Result<()>;

    /// Changes the PIN (§6.5.5.6). A wrong current PIN costs an attempt.
    ///
    /// # Errors
    /// [`PinError::NotSet`](crate::PinError::NotSet) and as [`set_pin`](Self::set_pin); `CTAP2_ERR_PIN_INVALID`,
    /// `CTAP2_ERR_PIN_AUTH_BLOCKED` (take the key out and put it in again) and `CTAP2_ERR_PIN_BLOCKED` (reset it).
    fn change_pin(&mut self, current: &Pin, new: &Pin, signal: &mut dyn Signal) -> Result<()>;

    /// Whether this is the PIN: obtains a token and drops it. A wrong PIN costs an attempt.
    ///
    /// # Errors
    /// As [`change_pin`](Self::change_pin). While a PIN change is forced, the right PIN is refused too.
    fn check_pin(&mut self, pin: &Pin, signal: &mut dyn Signal) -> Result<()>;

    /// Makes a credential (§6.1). Waits for a touch.
    ///
    /// # Errors
    /// `CTAP2_ERR_CREDENTIAL_EXCLUDED` when one of the exclude list is on this key, after a touch. `CTAP2_ERR_KEY_STORE_FULL`.
    /// [`PinError::Required`](crate::PinError::Required) when the key wants a PIN and none was given.
    fn make_credential(
        &mut self,
        request: &MakeCredentialRequest,
        pin: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<MakeCredentialResponse>;

    /// Signs with one or all credentials that fit (§6.2 and §6.3). Waits for a touch.
    ///
    /// # Errors
    /// `CTAP2_ERR_NO_CREDENTIALS` when none fits, after a touch.
    fn get_assertion(
        &mut self,
        request: &GetAssertionRequest,
        pin: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<Vec<GetAssertionResponse>>;

    /// How many discoverable credentials are on the key, and how many more may fit (§6.8.2).
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) for a key without credential management.
    fn credential_slots(&mut self, pin: &Pin, signal: &mut dyn Signal) -> Result<CredentialSlots>;

    /// Every discoverable credential on the key (§6.8.3 and §6.8.4).
    ///
    /// # Errors
    /// As [`credential_slots`](Self::credential_slots).
    fn credentials(
        &mut self,
        pin: &Pin,
        signal: &mut dyn Signal,
    ) -> Result<Vec<ResidentCredential>>;

    /// Deletes a discoverable credential (§6.8.5).
    ///
    /// # Errors
    /// [`Error::NoSuchCredential`](crate::Error::NoSuchCredential) when it is not there.
    fn delete_credential(
        &mut self,
        credential_id: &[u8],
        pin: &Pin,
        signal: &mut dyn Signal,
    ) -> Result<()>;

    /// Changes the key's configuration (§6.11). The PIN may be left out only while none is set.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) when the key cannot do this; `CTAP2_ERR_PIN_POLICY_VIOLATION`
    /// for a minimum length below the present one, or a forced change while no PIN is set.
    fn configure(
        &mut self,
        change: &ConfigChange,
        pin: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<()>;

    /// Resets the key to factory settings: every credential and the PIN are gone (§6.6). Waits for a touch.
    ///
    /// # Errors
    /// `CTAP2_ERR_NOT_ALLOWED` more than ten seconds after the key was plugged in.
    fn reset(&mut self, signal: &mut dyn Signal) -> Result<()>;

    /// Waits for a touch, so that the user can point out one of several keys (§6.9; on keys older than CTAP 2.1 by the
    /// detour that §6.1.2 step 1 describes).
    ///
    /// # Errors
    /// `CTAP2_ERR_OPERATION_DENIED`, `CTAP2_ERR_USER_ACTION_TIMEOUT`.
    fn select(&mut self, signal: &mut dyn Signal) -> Result<()>;

    /// Lets the key blink, where it can.
    ///
    /// # Errors
    /// [`TransportError::Unsupported`](crate::TransportError::Unsupported) where it cannot.
    fn wink(&mut self, signal: &mut dyn Signal) -> Result<()>;
}

/// What is left before a key locks its PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinRetries {
    /// Attempts before the PIN is blocked until the key is reset.
    pub retries: u8,
    /// Three wrong attempts in a row: the key must be taken out and put in again before the next.
    pub power_cycle_required: bool,
}

/// A credential to make, in the caller's terms: which PIN/UV auth protocol, which token and which exact encoding the key
/// wants is found out when it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeCredentialRequest {
    /// What it is made for.
    pub client_data: ClientData,
    /// Relying party identifier.
    pub rp_id: String,
    /// The relying party's name for people.
    pub rp_name: String,
    /// User handle, 1 to 64 bytes.
    pub user_id: Vec<u8>,
    /// Account name.
    pub user_name: String,
    /// The person's name.
    pub user_display_name: String,
    /// COSE algorithms, the relying party's favourite first.
    pub algorithms: Vec<i64>,
    /// Ids of credentials that must not be on this key already.
    pub exclude_list: Vec<Vec<u8>>,
    /// Extensions.
    pub extensions: MakeCredentialExtensions,
    /// Make it discoverable.
    pub resident_key: bool,
    /// Verify the user, even where the key would make one without.
    pub user_verification: bool,
    /// Ask for an enterprise attestation: 1 vendor-facilitated, 2 platform-managed.
    pub enterprise_attestation: Option<u8>,
    /// Attestation statement formats, the relying party's favourite first.
    pub attestation_formats: Vec<String>,
}

/// Extensions of a credential to make. What the key does not know should not be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MakeCredentialExtensions {
    /// `credProtect` level, 1 to 3.
    pub cred_protect: Option<u8>,
    /// `hmac-secret`
    pub hmac_secret: bool,
    /// `minPinLength`: have the minimum PIN length reported. Only to relying parties that the key has been told to trust.
    pub min_pin_length: bool,
    /// `credBlob`: bytes to store with the credential.
    pub cred_blob: Option<Vec<u8>>,
    /// `largeBlobKey`
    pub large_blob_key: bool,
}

/// A credential that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct MakeCredentialResponse {
    /// Attestation statement format.
    pub fmt: String,
    /// Authenticator data.
    pub auth_data: Vec<u8>,
    /// Attestation statement, a map.
    pub att_stmt: Value,
    /// Whether it is an enterprise attestation.
    pub enterprise_attestation: bool,
    /// The credential's large blob key.
    pub large_blob_key: Option<Vec<u8>>,
    /// Extension outputs outside of the authenticator data.
    pub unsigned_extension_outputs: Option<Value>,
    /// The key's answer as it came: status byte and CBOR.
    pub raw: Vec<u8>,
}

impl MakeCredentialResponse {
    /// The WebAuthn attestation object (WebAuthn L3 §6.5.4): `fmt`, `attStmt` and `authData`, as canonical CBOR.
    pub fn attestation_object(&self) -> Vec<u8> {
        cbor::to_canonical_vec(&Value::Map(vec![
            ("fmt".into(), self.fmt.as_str().into()),
            ("attStmt".into(), self.att_stmt.clone()),
            ("authData".into(), Value::Bytes(self.auth_data.clone())),
        ]))
    }
}

/// An assertion to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetAssertionRequest {
    /// What it is made for.
    pub client_data: ClientData,
    /// Relying party identifier.
    pub rp_id: String,
    /// Ids of acceptable credentials; empty for discoverable ones.
    pub allow_list: Vec<Vec<u8>>,
    /// Whether a touch is wanted. Without one the assertion only tells that the credential is there.
    pub user_presence: bool,
    /// Verify the user.
    pub user_verification: bool,
    /// `hmac-secret` (CTAP 2.2 §12.7): salts of 32 bytes each, to get a secret each.
    pub hmac_secret: Option<HmacSecretSalts>,
}

/// The salts of `hmac-secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmacSecretSalts {
    /// The first.
    pub first: [u8; 32],
    /// The second, for two secrets at once.
    pub second: Option<[u8; 32]>,
}

/// An assertion.
#[derive(Debug, Clone, PartialEq)]
pub struct GetAssertionResponse {
    /// Which credential signed.
    pub credential_id: Vec<u8>,
    /// Authenticator data.
    pub auth_data: Vec<u8>,
    /// Signature over authenticator data and client data hash.
    pub signature: Vec<u8>,
    /// The account, where the credential is discoverable.
    pub user: Option<message::UserEntity>,
    /// The decrypted outputs of `hmac-secret`: one secret per salt.
    pub hmac_secrets: Vec<zeroize::Zeroizing<[u8; 32]>>,
    /// The credential's large blob key.
    pub large_blob_key: Option<Vec<u8>>,
}

/// Room for discoverable credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialSlots {
    /// How many there are.
    pub existing: u32,
    /// How many more may fit, at most.
    pub remaining: u32,
}

/// A discoverable credential on a key.
#[derive(Debug, Clone, PartialEq)]
pub struct ResidentCredential {
    /// Relying party identifier, as far as the key remembers it (CTAP 2.2 §6.8.7 allows it to keep 32 bytes).
    pub rp_id: String,
    /// SHA-256 of the whole relying party identifier.
    pub rp_id_hash: [u8; 32],
    /// User handle.
    pub user_id: Vec<u8>,
    /// Account name.
    pub user_name: Option<String>,
    /// The person's name.
    pub user_display_name: Option<String>,
    /// Credential id.
    pub credential_id: Vec<u8>,
    /// The public key: a COSE_Key as canonical CBOR.
    pub public_key_cbor: Vec<u8>,
    /// `credProtect` level.
    pub cred_protect: Option<u8>,
}

/// A change of a key's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigChange {
    /// `setMinPINLength` (CTAP 2.2 §6.11.4).
    SetMinPinLength {
        /// New minimum in code points; it can only grow. `None` leaves it.
        new_min: Option<u8>,
        /// Relying parties that may learn it. Empty leaves them.
        rp_ids: Vec<String>,
        /// No user verification from now on before the PIN has been changed.
        force_change: bool,
    },
    /// `toggleAlwaysUv` (§6.11.2)
    ToggleAlwaysUv,
    /// `enableEnterpriseAttestation` (§6.11.1)
    EnableEnterpriseAttestation,
}
