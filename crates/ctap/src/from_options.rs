//! From what a relying party asks for (WebAuthn L3 §5.4) to what a key can do (CTAP 2.2 §6.1), as WebAuthn L3 §5.1.3 and
//! §6.3.2 have clients translate it.

use std::fmt;

use keywright_webauthn::{
    AttestationConveyancePreference, LargeBlobSupport, PublicKeyCredentialCreationOptions,
    PublicKeyCredentialType, ResidentKeyRequirement, UserVerificationRequirement,
};

use crate::{
    authenticator::{MakeCredentialExtensions, MakeCredentialRequest},
    client_data::ClientData,
    error::{Error, Result},
    message::AuthenticatorInfo,
};

/// Something that was asked for, not insisted on, and cannot be had from this key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Downgrade {
    /// A `credProtect` level above 1.
    CredProtect {
        /// The level.
        level: u8,
    },
    /// `hmac-secret`, by `hmacCreateSecret` or `prf`.
    HmacSecret,
    /// `minPinLength`
    MinPinLength,
    /// `credBlob`: not supported, or too long.
    CredBlob,
    /// `largeBlob`
    LargeBlob,
    /// A discoverable credential, which was preferred.
    ResidentKey,
    /// User verification, which was preferred.
    UserVerification,
    /// An enterprise attestation.
    EnterpriseAttestation,
    /// Extensions that are not known here.
    UnknownExtension(String),
    /// Excluded credentials whose ids are longer than this key's: they cannot be on it.
    ExcludedCredentials(usize),
}

impl fmt::Display for Downgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CredProtect { level } => {
                write!(f, "the key does not know credProtect (level {level})")
            }
            Self::HmacSecret => f.write_str("the key does not know hmac-secret"),
            Self::MinPinLength => f.write_str("the key cannot report its minimum PIN length"),
            Self::CredBlob => f.write_str("the key cannot store the credBlob"),
            Self::LargeBlob => f.write_str("the key cannot store large blobs"),
            Self::ResidentKey => f.write_str("the key cannot make discoverable credentials"),
            Self::UserVerification => f.write_str("the key cannot verify its user"),
            Self::EnterpriseAttestation => {
                f.write_str("enterprise attestation is not enabled on the key")
            }
            Self::UnknownExtension(name) => write!(f, "extension {name} is not known"),
            Self::ExcludedCredentials(count) => {
                write!(
                    f,
                    "{count} excluded credentials cannot be this key's, their ids are too long"
                )
            }
        }
    }
}

impl MakeCredentialRequest {
    /// What to ask of a key with this `info`, so that it makes the credential that `options` describe.
    ///
    /// Only extensions that the key knows are asked for; algorithms stay in the relying party's order and are cut down to
    /// the key's. What had to be left out is told.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the options insist on something that the key cannot do: a discoverable credential, user
    /// verification, an algorithm, a large blob, a `credProtect` policy to be enforced. [`Error::Options`] when they are
    /// incomplete.
    pub fn from_options(
        options: &PublicKeyCredentialCreationOptions,
        client_data: impl Into<ClientData>,
        info: &AuthenticatorInfo,
    ) -> Result<(Self, Vec<Downgrade>)> {
        let mut downgrades = Vec::new();
        let rp_id = options.rp_id().ok_or(Error::Options("rp.id is missing"))?;
        let user_id = options.user.id.as_ref();
        if user_id.is_empty() || user_id.len() > 64 {
            return Err(Error::Options("user.id must have 1 to 64 bytes"));
        }

        let request = Self {
            client_data: client_data.into(),
            rp_id: rp_id.to_owned(),
            rp_name: options.rp.name.clone(),
            user_id: user_id.to_vec(),
            user_name: options.user.name.clone(),
            user_display_name: options.user.display_name.clone(),
            algorithms: algorithms(options, info)?,
            exclude_list: exclude_list(options, info, &mut downgrades),
            extensions: extensions(options, info, &mut downgrades)?,
            resident_key: resident_key(options, info, &mut downgrades)?,
            user_verification: user_verification(options, info, &mut downgrades)?,
            enterprise_attestation: enterprise_attestation(options, info, &mut downgrades),
            attestation_formats: options.attestation_formats.clone(),
        };
        Ok((request, downgrades))
    }
}

fn algorithms(
    options: &PublicKeyCredentialCreationOptions,
    info: &AuthenticatorInfo,
) -> Result<Vec<i64>> {
    let known: Vec<i64> = info
        .algorithms
        .iter()
        .filter(|known| known.is_public_key())
        .map(|known| known.alg)
        .collect();
    let common: Vec<i64> = options
        .algorithms()
        .into_iter()
        .map(|algorithm| algorithm.0)
        // A key that does not tell its algorithms looks through all of them.
        .filter(|algorithm| known.is_empty() || known.contains(algorithm))
        .collect();
    if common.is_empty() {
        return Err(Error::Unsupported(
            "any algorithm that the relying party accepts",
        ));
    }
    Ok(common)
}

fn exclude_list(
    options: &PublicKeyCredentialCreationOptions,
    info: &AuthenticatorInfo,
    downgrades: &mut Vec<Downgrade>,
) -> Vec<Vec<u8>> {
    let excluded: Vec<&[u8]> = options
        .exclude_credentials
        .iter()
        .filter(|credential| credential.type_ == PublicKeyCredentialType::PublicKey)
        .map(|credential| credential.id.as_ref())
        .collect();
    let possible: Vec<Vec<u8>> = excluded
        .iter()
        .filter(|id| {
            info.max_credential_id_length
                .is_none_or(|limit| id.len() as u64 <= limit)
        })
        .map(|id| id.to_vec())
        .collect();
    if possible.len() < excluded.len() {
        downgrades.push(Downgrade::ExcludedCredentials(
            excluded.len() - possible.len(),
        ));
    }
    possible
}

fn extensions(
    options: &PublicKeyCredentialCreationOptions,
    info: &AuthenticatorInfo,
    downgrades: &mut Vec<Downgrade>,
) -> Result<MakeCredentialExtensions> {
    let asked = &options.extensions;
    let mut granted = |wanted: bool, extension: &str, downgrade: Downgrade| {
        let supported = info.supports_extension(extension);
        if wanted && !supported {
            downgrades.push(downgrade);
        }
        wanted && supported
    };

    // CTAP 2.2 §12.1: an enforced policy rules out a key without credProtect, unless it is userVerificationOptional.
    let level = asked
        .credential_protection_policy
        .map(|policy| policy.level());
    let above_optional = level.is_some_and(|level| level > 1);
    let protect = granted(
        above_optional,
        "credProtect",
        Downgrade::CredProtect {
            level: level.unwrap_or_default(),
        },
    );
    if above_optional && !protect && asked.enforce_credential_protection_policy == Some(true) {
        return Err(Error::Unsupported(
            "credProtect, which the relying party insists on",
        ));
    }

    let hmac_secret = asked.hmac_create_secret == Some(true) || asked.prf.is_some();
    let blob_fits = |blob: &&[u8]| {
        info.max_cred_blob_length
            .is_some_and(|limit| blob.len() as u64 <= limit)
    };
    let cred_blob = asked.cred_blob.as_ref().map(AsRef::<[u8]>::as_ref);
    let cred_blob_granted = granted(cred_blob.is_some(), "credBlob", Downgrade::CredBlob);
    let large_blob = asked
        .large_blob
        .as_ref()
        .and_then(|blob| blob.support.as_ref());
    let result = MakeCredentialExtensions {
        cred_protect: level.filter(|_| info.supports_extension("credProtect")),
        hmac_secret: granted(hmac_secret, "hmac-secret", Downgrade::HmacSecret),
        min_pin_length: granted(
            asked.min_pin_length == Some(true),
            "minPinLength",
            Downgrade::MinPinLength,
        ),
        cred_blob: cred_blob
            .filter(|_| cred_blob_granted)
            .filter(blob_fits)
            .map(<[u8]>::to_vec),
        large_blob_key: granted(large_blob.is_some(), "largeBlobKey", Downgrade::LargeBlob),
    };
    if cred_blob_granted && result.cred_blob.is_none() {
        downgrades.push(Downgrade::CredBlob);
    }
    if large_blob == Some(&LargeBlobSupport::Required) && !result.large_blob_key {
        return Err(Error::Unsupported(
            "large blobs, which the relying party insists on",
        ));
    }
    downgrades.extend(asked.other.keys().cloned().map(Downgrade::UnknownExtension));
    Ok(result)
}

fn resident_key(
    options: &PublicKeyCredentialCreationOptions,
    info: &AuthenticatorInfo,
    downgrades: &mut Vec<Downgrade>,
) -> Result<bool> {
    if options.require_resident_key() {
        return if info.supports_resident_keys() {
            Ok(true)
        } else {
            Err(Error::Unsupported("discoverable credentials"))
        };
    }
    let wanted = options
        .authenticator_selection
        .as_ref()
        .and_then(|selection| selection.resident_key.as_ref());
    let preferred = wanted == Some(&ResidentKeyRequirement::Preferred);
    if preferred && !info.supports_resident_keys() {
        downgrades.push(Downgrade::ResidentKey);
    }
    Ok(preferred && info.supports_resident_keys())
}

fn user_verification(
    options: &PublicKeyCredentialCreationOptions,
    info: &AuthenticatorInfo,
    downgrades: &mut Vec<Downgrade>,
) -> Result<bool> {
    let ready = info.client_pin() == Some(true) || info.built_in_user_verification();
    if options.require_user_verification() {
        // A PIN may still be set before the credential is made.
        return if ready || info.client_pin().is_some() {
            Ok(true)
        } else {
            Err(Error::Unsupported("user verification"))
        };
    }
    let wanted = options
        .authenticator_selection
        .as_ref()
        .map(|selection| &selection.user_verification);
    let preferred = wanted.is_none_or(|wanted| *wanted == UserVerificationRequirement::Preferred);
    if preferred && !ready {
        downgrades.push(Downgrade::UserVerification);
    }
    Ok(preferred && ready)
}

fn enterprise_attestation(
    options: &PublicKeyCredentialCreationOptions,
    info: &AuthenticatorInfo,
    downgrades: &mut Vec<Downgrade>,
) -> Option<u8> {
    if options.attestation != AttestationConveyancePreference::Enterprise {
        return None;
    }
    if info.option("ep") != Some(true) {
        downgrades.push(Downgrade::EnterpriseAttestation);
        return None;
    }
    // The key decides by the relying parties it was built for. A caller that speaks for the organisation may choose 2.
    Some(VENDOR_FACILITATED)
}

const VENDOR_FACILITATED: u8 = 1;

#[cfg(test)]
mod tests;
