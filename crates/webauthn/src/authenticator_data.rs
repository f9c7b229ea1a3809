//! Authenticator data (WebAuthn Level 3 section 6.1).

use std::fmt;

use ciborium::Value;

use crate::{
    Aaguid, CoseKey, CoseKeyError,
    cbor::{self, CborError, Reader},
};

/// What an authenticator states and signs.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthenticatorData {
    /// SHA-256 of the RP ID.
    pub rp_id_hash: [u8; 32],
    /// The flags.
    pub flags: AuthenticatorDataFlags,
    /// The signature counter.
    pub sign_count: u32,
    /// The new credential; in registrations only.
    pub attested_credential_data: Option<AttestedCredentialData>,
    /// The authenticator extension outputs, a map.
    pub extensions: Option<Value>,
}

/// The new credential (section 6.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestedCredentialData {
    /// The authenticator's model.
    pub aaguid: Aaguid,
    /// The credential id.
    pub credential_id: Vec<u8>,
    /// The credential public key.
    pub credential_public_key: CoseKey,
}

/// The flags byte of authenticator data.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct AuthenticatorDataFlags(pub u8);

/// Why authenticator data is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticatorDataError {
    /// It ends too early.
    #[error("the authenticator data ends in the middle of its {0}")]
    Truncated(&'static str),
    /// It goes on behind what its flags announce.
    #[error("{0} bytes follow the authenticator data")]
    TrailingBytes(usize),
    /// The credential public key is refused.
    #[error("the credential public key: {0}")]
    PublicKey(#[from] CoseKeyError),
    /// The extension outputs are not a canonical CBOR map with text keys.
    #[error("the extension outputs: {0}")]
    Extensions(#[from] CborError),
    /// A credential id longer than its two length bytes can say.
    #[error("a credential id of {0} bytes does not fit into authenticator data")]
    CredentialIdTooLong(usize),
}

impl AuthenticatorDataFlags {
    /// UP, bit 0: a test of user presence succeeded.
    pub const USER_PRESENT: u8 = 0x01;
    /// UV, bit 2: the user was verified.
    pub const USER_VERIFIED: u8 = 0x04;
    /// BE, bit 3: the credential may be backed up.
    pub const BACKUP_ELIGIBLE: u8 = 0x08;
    /// BS, bit 4: the credential is backed up.
    pub const BACKUP_STATE: u8 = 0x10;
    /// AT, bit 6: attested credential data follows.
    pub const ATTESTED_CREDENTIAL_DATA: u8 = 0x40;
    /// ED, bit 7: extension outputs follow.
    pub const EXTENSION_DATA: u8 = 0x80;

    /// Whether UP is set.
    #[must_use]
    pub fn user_present(self) -> bool {
        self.0 & Self::USER_PRESENT != 0
    }

    /// Whether UV is set.
    #[must_use]
    pub fn user_verified(self) -> bool {
        self.0 & Self::USER_VERIFIED != 0
    }

    /// Whether BE is set.
    #[must_use]
    pub fn backup_eligible(self) -> bool {
        self.0 & Self::BACKUP_ELIGIBLE != 0
    }

    /// Whether BS is set.
    #[must_use]
    pub fn backup_state(self) -> bool {
        self.0 & Self::BACKUP_STATE != 0
    }

    /// Whether AT is set.
    #[must_use]
    pub fn attested_credential_data(self) -> bool {
        self.0 & Self::ATTESTED_CREDENTIAL_DATA != 0
    }

    /// Whether ED is set.
    #[must_use]
    pub fn extension_data(self) -> bool {
        self.0 & Self::EXTENSION_DATA != 0
    }
}

impl fmt::Debug for AuthenticatorDataFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthenticatorDataFlags({:#04x}", self.0)?;
        for (bit, name) in [
            (0x01, "UP"),
            (0x02, "RFU1"),
            (0x04, "UV"),
            (0x08, "BE"),
            (0x10, "BS"),
            (0x20, "RFU2"),
            (0x40, "AT"),
            (0x80, "ED"),
        ] {
            if self.0 & bit != 0 {
                write!(f, " {name}")?;
            }
        }
        f.write_str(")")
    }
}

impl AuthenticatorData {
    /// Parses authenticator data. What the flags announce must be there, and nothing behind it.
    ///
    /// # Errors
    /// [`AuthenticatorDataError`] says which part is refused, and why.
    pub fn parse(bytes: &[u8]) -> Result<Self, AuthenticatorDataError> {
        let borrowed = AuthenticatorDataRef::parse(bytes)?;
        Ok(Self {
            rp_id_hash: *borrowed.rp_id_hash,
            flags: borrowed.flags,
            sign_count: borrowed.sign_count,
            attested_credential_data: borrowed.attested_credential_data.map(|attested| {
                AttestedCredentialData {
                    aaguid: attested.aaguid,
                    credential_id: attested.credential_id.to_vec(),
                    credential_public_key: attested.credential_public_key,
                }
            }),
            extensions: borrowed
                .extensions
                .map(cbor::from_canonical_slice)
                .transpose()?,
        })
    }

    /// Encodes authenticator data. AT and ED follow from what is there, whatever
    /// [`flags`](Self::flags) says of them.
    ///
    /// # Errors
    /// [`AuthenticatorDataError::CredentialIdTooLong`].
    pub fn encode(&self) -> Result<Vec<u8>, AuthenticatorDataError> {
        let mut flags = self.flags.0
            & !(AuthenticatorDataFlags::ATTESTED_CREDENTIAL_DATA
                | AuthenticatorDataFlags::EXTENSION_DATA);
        if self.attested_credential_data.is_some() {
            flags |= AuthenticatorDataFlags::ATTESTED_CREDENTIAL_DATA;
        }
        if self.extensions.is_some() {
            flags |= AuthenticatorDataFlags::EXTENSION_DATA;
        }
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(&self.rp_id_hash);
        out.push(flags);
        out.extend_from_slice(&self.sign_count.to_be_bytes());
        if let Some(attested) = &self.attested_credential_data {
            let length = attested.credential_id.len();
            let length_bytes = u16::try_from(length)
                .map_err(|_| AuthenticatorDataError::CredentialIdTooLong(length))?
                .to_be_bytes();
            out.extend_from_slice(&attested.aaguid.0);
            out.extend_from_slice(&length_bytes);
            out.extend_from_slice(&attested.credential_id);
            out.extend_from_slice(attested.credential_public_key.as_cbor());
        }
        if let Some(extensions) = &self.extensions {
            cbor::write_canonical(extensions, &mut out);
        }
        Ok(out)
    }
}

/// Authenticator data whose parts are borrowed, except the key.
#[derive(Debug)]
pub(crate) struct AuthenticatorDataRef<'a> {
    pub(crate) rp_id_hash: &'a [u8; 32],
    pub(crate) flags: AuthenticatorDataFlags,
    pub(crate) sign_count: u32,
    pub(crate) attested_credential_data: Option<AttestedCredentialDataRef<'a>>,
    /// The encoded map.
    pub(crate) extensions: Option<&'a [u8]>,
}

#[derive(Debug)]
pub(crate) struct AttestedCredentialDataRef<'a> {
    pub(crate) aaguid: Aaguid,
    pub(crate) credential_id: &'a [u8],
    pub(crate) credential_public_key: CoseKey,
}

impl<'a> AuthenticatorDataRef<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, AuthenticatorDataError> {
        let mut rest = bytes;
        let rp_id_hash = take::<32>(&mut rest, "rpIdHash")?;
        let [flags] = *take(&mut rest, "flags")?;
        let flags = AuthenticatorDataFlags(flags);
        let sign_count = u32::from_be_bytes(*take(&mut rest, "signCount")?);
        let attested_credential_data = flags
            .attested_credential_data()
            .then(|| AttestedCredentialDataRef::parse(&mut rest))
            .transpose()?;
        let extensions = flags
            .extension_data()
            .then(|| take_extensions(&mut rest))
            .transpose()?;
        if !rest.is_empty() {
            return Err(AuthenticatorDataError::TrailingBytes(rest.len()));
        }
        Ok(Self {
            rp_id_hash,
            flags,
            sign_count,
            attested_credential_data,
            extensions,
        })
    }
}

impl<'a> AttestedCredentialDataRef<'a> {
    fn parse(rest: &mut &'a [u8]) -> Result<Self, AuthenticatorDataError> {
        let aaguid = Aaguid(*take(rest, "aaguid")?);
        let length = usize::from(u16::from_be_bytes(*take(rest, "credentialIdLength")?));
        let (credential_id, tail) = rest
            .split_at_checked(length)
            .ok_or(AuthenticatorDataError::Truncated("credentialId"))?;
        let (credential_public_key, length) = CoseKey::from_cbor_prefix(tail)?;
        *rest = tail.get(length..).unwrap_or_default();
        Ok(Self {
            aaguid,
            credential_id,
            credential_public_key,
        })
    }
}

fn take<'a, const N: usize>(
    rest: &mut &'a [u8],
    what: &'static str,
) -> Result<&'a [u8; N], AuthenticatorDataError> {
    let (taken, tail) = rest
        .split_first_chunk()
        .ok_or(AuthenticatorDataError::Truncated(what))?;
    *rest = tail;
    Ok(taken)
}

/// Section 6.1: "A CBOR map with extension identifiers as keys, and authenticator extension outputs
/// as values."
fn take_extensions<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], AuthenticatorDataError> {
    let mut reader = Reader::new(rest);
    let mut map = reader.map()?;
    while map.next_text_key(&mut reader)?.is_some() {
        reader.skip()?;
    }
    let (encoded, tail) = rest
        .split_at_checked(reader.offset())
        .unwrap_or((rest, &[]));
    *rest = tail;
    Ok(encoded)
}
