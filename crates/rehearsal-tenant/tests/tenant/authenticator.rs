//! As much of an authenticator as registrations need, with everything about it open to change.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use ciborium::Value as Cbor;
use keywright_webauthn::{
    Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData, AuthenticatorDataFlags,
    Base64Url, CollectedClientData, CoseAlgorithm, CoseKey, PublicKeyCredentialCreationOptions,
};
use serde_json::{Value, json};

/// What a registration is made of; the default is a right one.
pub(crate) struct Ceremony {
    pub(crate) rp_id: String,
    pub(crate) origin: String,
    pub(crate) challenge: Vec<u8>,
    pub(crate) client_data_type: &'static str,
    pub(crate) flags: u8,
    pub(crate) credential_id: Vec<u8>,
    pub(crate) fmt: &'static str,
    pub(crate) attestation: Option<AttestationKey>,
    pub(crate) spoil_signature: bool,
    pub(crate) display_name: String,
}

pub(crate) const AAGUID: &str = "a4e9fc6d-4cbe-4758-b8ba-37598bb5bbaa";

impl Ceremony {
    pub(crate) fn new(options: &Value) -> Self {
        let options =
            PublicKeyCredentialCreationOptions::from_graph_json(&options.to_string()).unwrap();
        let mut credential_id = vec![0; 32];
        aws_lc_rs::rand::fill(&mut credential_id).unwrap();
        Self {
            rp_id: options.rp_id().unwrap().to_owned(),
            origin: "https://login.microsoft.com".to_owned(),
            challenge: options.challenge.0,
            client_data_type: "webauthn.create",
            flags: AuthenticatorDataFlags::USER_PRESENT
                | AuthenticatorDataFlags::USER_VERIFIED
                | AuthenticatorDataFlags::ATTESTED_CREDENTIAL_DATA,
            credential_id,
            fmt: "packed",
            attestation: None,
            spoil_signature: false,
            display_name: "Serial: 23616243 2026-11-22".to_owned(),
        }
    }

    /// The body of the registration.
    pub(crate) fn body(&self) -> Value {
        let client_data =
            CollectedClientData::for_registration(&self.challenge, &self.origin).to_json();
        let client_data = String::from_utf8(client_data)
            .unwrap()
            .replace("webauthn.create", self.client_data_type);
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let (x, y) = key.public_key().as_ref()[1..].split_at(32);
        let auth_data = AuthenticatorData {
            rp_id_hash: sha256(self.rp_id.as_bytes()),
            flags: AuthenticatorDataFlags(self.flags),
            sign_count: 1,
            attested_credential_data: Some(AttestedCredentialData {
                aaguid: AAGUID.parse::<Aaguid>().unwrap(),
                credential_id: self.credential_id.clone(),
                credential_public_key: CoseKey::ec2(CoseAlgorithm::ES256, x, y).unwrap(),
            }),
            extensions: None,
        };
        let auth_data = auth_data.encode().unwrap();
        let mut signed = auth_data.clone();
        signed.extend(sha256(client_data.as_bytes()));
        let signer = self
            .attestation
            .as_ref()
            .map_or(&key, |attestation| &attestation.key);
        let mut signature = signer
            .sign(&SystemRandom::new(), &signed)
            .unwrap()
            .as_ref()
            .to_vec();
        if self.spoil_signature {
            *signature.last_mut().unwrap() ^= 1;
        }
        let mut att_stmt = match self.fmt {
            "packed" => vec![
                ("alg".into(), Cbor::from(-7)),
                ("sig".into(), Cbor::from(signature)),
            ],
            _ => Vec::new(),
        };
        if let Some(attestation) = &self.attestation {
            att_stmt.push((
                "x5c".into(),
                Cbor::Array(vec![Cbor::from(attestation.certificate.clone())]),
            ));
        }
        let object = AttestationObject {
            fmt: self.fmt.to_owned(),
            auth_data,
            att_stmt: Cbor::Map(att_stmt),
        };
        json!({
            "displayName": self.display_name,
            "publicKeyCredential": {
                "id": Base64Url::encode(&self.credential_id),
                "response": {
                    "clientDataJSON": Base64Url::encode(client_data.as_bytes()),
                    "attestationObject": Base64Url::encode(&object.encode())
                },
                "clientExtensionResults": {}
            }
        })
    }
}

/// A key that its maker put into a whole batch, and its certificate.
pub(crate) struct AttestationKey {
    key: EcdsaKeyPair,
    pub(crate) certificate: Vec<u8>,
}

impl AttestationKey {
    /// A certificate as WebAuthn Level 3 section 8.2.1 demands it.
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::ExplicitNoCa;
        for (attribute, value) in [
            (rcgen::DnType::CountryName, "SE"),
            (rcgen::DnType::OrganizationName, "Keywright rehearsal"),
            (
                rcgen::DnType::OrganizationalUnitName,
                "Authenticator Attestation",
            ),
            (rcgen::DnType::CommonName, "Batch 7"),
        ] {
            parameters.distinguished_name.push(attribute, value);
        }
        let certificate = parameters.self_signed(&key).unwrap().der().to_vec();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der())
            .unwrap();
        Self { key, certificate }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}
