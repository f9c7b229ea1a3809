//! The passkeys that users have.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use keywright_webauthn::{Aaguid, AttestationType, VerifiedRegistration};
use serde_json::{Value, json};

/// A passkey of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisteredMethod {
    /// Id of the method: the credential id in .NET's `UrlTokenEncode` form, with its padding digit.
    pub id: String,
    /// The credential id.
    pub credential_id: Vec<u8>,
    /// Name given at registration.
    pub display_name: String,
    /// When it was registered, by the server's clock.
    pub created: Timestamp,
    /// The key's model.
    pub aaguid: Aaguid,
    /// Name of the key's model, if it is known.
    pub model: Option<String>,
    /// SHA-1 thumbprints of the attestation certificates, in hexadecimal.
    pub attestation_certificates: Vec<String>,
    /// Whether the attestation came with certificates.
    pub attested: bool,
    /// Whether the credential may be copied (flag BE).
    pub synced: bool,
    /// The credential's public key, as COSE; empty for passkeys that were there from the start.
    pub public_key: Vec<u8>,
}

impl RegisteredMethod {
    pub(crate) fn new(
        verified: &VerifiedRegistration,
        display_name: String,
        model: Option<String>,
        created: Timestamp,
    ) -> Self {
        Self {
            id: url_token_encode(&verified.credential_id),
            credential_id: verified.credential_id.clone(),
            display_name,
            created,
            aaguid: verified.aaguid,
            model,
            attestation_certificates: verified
                .trust_path
                .iter()
                .map(|der| thumbprint(der))
                .collect(),
            attested: !matches!(
                verified.attestation_type,
                AttestationType::None | AttestationType::SelfAttestation
            ),
            synced: verified.flags.backup_eligible(),
            public_key: verified.public_key.as_cbor().to_vec(),
        }
    }

    /// `fido2AuthenticationMethod`.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "displayName": self.display_name,
            "createdDateTime": self.created,
            "aaGuid": self.aaguid,
            "model": self.model,
            "attestationCertificates": self.attestation_certificates,
            "attestationLevel": if self.attested { "attested" } else { "notAttested" },
            "passkeyType": if self.synced { "synced" } else { "deviceBound" }
        })
    }
}

/// Who has which passkeys. Users are indices into the directory.
#[derive(Default)]
pub(crate) struct Registry {
    methods: HashMap<usize, Vec<RegisteredMethod>>,
    credential_ids: HashSet<Vec<u8>>,
}

/// The credential id belongs to somebody already.
pub(crate) struct AlreadyRegistered;

impl Registry {
    pub(crate) fn of(&self, user: usize) -> &[RegisteredMethod] {
        self.methods
            .get(&user)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// All users with passkeys.
    pub(crate) fn all(&self) -> impl Iterator<Item = (usize, &[RegisteredMethod])> {
        self.methods
            .iter()
            .map(|(user, methods)| (*user, methods.as_slice()))
    }

    /// Looks for `id` in either of its forms.
    pub(crate) fn find(&self, user: usize, id: &str) -> Option<&RegisteredMethod> {
        self.of(user).iter().find(|method| method.id == id)
    }

    pub(crate) fn add(
        &mut self,
        user: usize,
        method: RegisteredMethod,
    ) -> Result<(), AlreadyRegistered> {
        if !self.credential_ids.insert(method.credential_id.clone()) {
            return Err(AlreadyRegistered);
        }
        self.methods.entry(user).or_default().push(method);
        Ok(())
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, user: usize, id: &str) -> bool {
        let Some(methods) = self.methods.get_mut(&user) else {
            return false;
        };
        let Some(position) = methods.iter().position(|method| method.id == id) else {
            return false;
        };
        let method = methods.remove(position);
        self.credential_ids.remove(&method.credential_id);
        if methods.is_empty() {
            self.methods.remove(&user);
        }
        true
    }

    pub(crate) fn count(&self) -> usize {
        self.credential_ids.len()
    }
}

/// .NET's `HttpServerUtility.UrlTokenEncode`: base64url, and the number of `=` that were left out.
pub(crate) fn url_token_encode(bytes: &[u8]) -> String {
    format!(
        "{}{}",
        URL_SAFE_NO_PAD.encode(bytes),
        (3 - bytes.len() % 3) % 3
    )
}

fn thumbprint(der: &[u8]) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, der);
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_entras() {
        let id = URL_SAFE_NO_PAD.decode("Oy0dkr_kI6lp0loPvgEWqA").unwrap();
        assert_eq!(url_token_encode(&id), "Oy0dkr_kI6lp0loPvgEWqA2");
        assert_eq!(url_token_encode(&[0; 48]).len(), 65);
        assert!(url_token_encode(&[0; 20]).ends_with('1'));
    }

    #[test]
    fn thumbprints_are_sha1() {
        assert_eq!(
            thumbprint(b"abc"),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
    }
}
