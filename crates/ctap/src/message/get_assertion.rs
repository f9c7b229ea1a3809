//! CTAP 2.2 §6.2 `authenticatorGetAssertion` (0x02) and §6.3 `authenticatorGetNextAssertion` (0x08), which answers alike.

use ciborium::Value;

use super::{
    CborMessage, CredentialDescriptor, DecodeError, Options, UserEntity,
    map::{Bytes, FromCbor, MapWriter, Members},
};
use crate::pin_uv::PublicKey;

/// The parameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// 0x01: the relying party identifier.
    pub rp_id: String,
    /// 0x02: SHA-256 of the client data.
    pub client_data_hash: Vec<u8>,
    /// 0x03: acceptable credentials; empty asks for discoverable ones.
    pub allow_list: Vec<CredentialDescriptor>,
    /// 0x04
    pub extensions: Extensions,
    /// 0x05
    pub options: Options,
    /// 0x06: proof of user verification over [`client_data_hash`](Self::client_data_hash).
    pub pin_uv_auth_param: Option<Vec<u8>>,
    /// 0x07: the PIN/UV auth protocol that made it.
    pub pin_uv_auth_protocol: Option<u64>,
}

/// Extension inputs (CTAP 2.2 §12).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extensions {
    /// `hmac-secret`
    pub hmac_secret: Option<HmacSecretInput>,
    /// `credBlob`: return the stored bytes.
    pub cred_blob: Option<bool>,
    /// `largeBlobKey`: return the credential's large blob key.
    pub large_blob_key: Option<bool>,
    /// All the others, by name.
    pub other: Vec<(String, Value)>,
}

/// The `hmac-secret` input (§12.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmacSecretInput {
    /// 0x01: the platform's key agreement key.
    pub key_agreement: PublicKey,
    /// 0x02: one or two salts, encrypted with the shared secret.
    pub salt_enc: Vec<u8>,
    /// 0x03: their authentication with the shared secret.
    pub salt_auth: Vec<u8>,
    /// 0x04: the PIN/UV auth protocol; absent means one.
    pub pin_uv_auth_protocol: Option<u64>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Response {
    /// 0x01: which credential signed. May be absent when the allow list had exactly one.
    pub credential: Option<CredentialDescriptor>,
    /// 0x02: authenticator data.
    pub auth_data: Vec<u8>,
    /// 0x03: signature over authenticator data and client data hash.
    pub signature: Vec<u8>,
    /// 0x04: the account; with user verification and several accounts also its names.
    pub user: Option<UserEntity>,
    /// 0x05: how many credentials could have signed; only in the first answer.
    pub number_of_credentials: Option<u64>,
    /// 0x06: the user chose the credential on the key itself.
    pub user_selected: Option<bool>,
    /// 0x07: the credential's large blob key.
    pub large_blob_key: Option<Vec<u8>>,
    /// 0x08: extension outputs outside of the authenticator data.
    pub unsigned_extension_outputs: Option<Value>,
}

impl CborMessage for Request {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .put(0x01, self.rp_id.as_str())
            .put(0x02, Value::Bytes(self.client_data_hash.clone()))
            .list(0x03, &self.allow_list, CredentialDescriptor::to_value)
            .maybe(0x04, self.extensions.to_value())
            .maybe(0x05, self.options.to_value())
            .maybe(0x06, self.pin_uv_auth_param.clone().map(Value::Bytes))
            .maybe(0x07, self.pin_uv_auth_protocol)
            .finish()
    }

    fn from_value(value: &Value) -> Result<Self, DecodeError> {
        let members = Members::of(value, "the parameters")?;
        Ok(Self {
            rp_id: members.required(0x01, "rpId")?,
            client_data_hash: members.required::<Bytes>(0x02, "clientDataHash")?.0,
            allow_list: members.list(0x03, "allowList")?,
            extensions: members.optional(0x04, "extensions")?.unwrap_or_default(),
            options: members.optional(0x05, "options")?.unwrap_or_default(),
            pin_uv_auth_param: members
                .optional::<Bytes>(0x06, "pinUvAuthParam")?
                .map(|bytes| bytes.0),
            pin_uv_auth_protocol: members.optional(0x07, "pinUvAuthProtocol")?,
        })
    }
}

impl Extensions {
    fn to_value(&self) -> Option<Value> {
        let map = MapWriter::default()
            .maybe(
                "hmac-secret",
                self.hmac_secret.as_ref().map(HmacSecretInput::to_value),
            )
            .maybe("credBlob", self.cred_blob)
            .maybe("largeBlobKey", self.large_blob_key)
            .others(&self.other);
        (!map.is_empty()).then(|| map.finish())
    }
}

impl FromCbor for Extensions {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        let members = Members::of(value, member)?;
        let mut extensions = Self::default();
        for (name, value) in members.entries() {
            let name = name.as_text().ok_or(DecodeError::UnexpectedType {
                member,
                expected: "a map of names",
            })?;
            match name {
                "hmac-secret" => {
                    extensions.hmac_secret =
                        Some(HmacSecretInput::from_cbor(value, "extensions.hmac-secret")?);
                }
                "credBlob" => {
                    extensions.cred_blob = Some(bool::from_cbor(value, "extensions.credBlob")?)
                }
                "largeBlobKey" => {
                    extensions.large_blob_key =
                        Some(bool::from_cbor(value, "extensions.largeBlobKey")?)
                }
                _ => extensions.other.push((name.to_owned(), value.clone())),
            }
        }
        Ok(extensions)
    }
}

impl HmacSecretInput {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .put(0x01, self.key_agreement.to_cose())
            .put(0x02, Value::Bytes(self.salt_enc.clone()))
            .put(0x03, Value::Bytes(self.salt_auth.clone()))
            .maybe(0x04, self.pin_uv_auth_protocol)
            .finish()
    }
}

impl FromCbor for HmacSecretInput {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        let members = Members::of(value, member)?;
        Ok(Self {
            key_agreement: members.required(0x01, "hmac-secret.keyAgreement")?,
            salt_enc: members.required::<Bytes>(0x02, "hmac-secret.saltEnc")?.0,
            salt_auth: members.required::<Bytes>(0x03, "hmac-secret.saltAuth")?.0,
            pin_uv_auth_protocol: members.optional(0x04, "hmac-secret.pinUvAuthProtocol")?,
        })
    }
}

impl CborMessage for Response {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .maybe(
                0x01,
                self.credential.as_ref().map(CredentialDescriptor::to_value),
            )
            .put(0x02, Value::Bytes(self.auth_data.clone()))
            .put(0x03, Value::Bytes(self.signature.clone()))
            .maybe(0x04, self.user.as_ref().map(UserEntity::to_value))
            .maybe(0x05, self.number_of_credentials)
            .maybe(0x06, self.user_selected)
            .maybe(0x07, self.large_blob_key.clone().map(Value::Bytes))
            .maybe(0x08, self.unsigned_extension_outputs.clone())
            .finish()
    }

    fn from_value(value: &Value) -> Result<Self, DecodeError> {
        let members = Members::of(value, "the answer")?;
        Ok(Self {
            credential: members.optional(0x01, "credential")?,
            auth_data: members.required::<Bytes>(0x02, "authData")?.0,
            signature: members.required::<Bytes>(0x03, "signature")?.0,
            user: members.optional(0x04, "user")?,
            number_of_credentials: members.optional(0x05, "numberOfCredentials")?,
            user_selected: members.optional(0x06, "userSelected")?,
            large_blob_key: members
                .optional::<Bytes>(0x07, "largeBlobKey")?
                .map(|bytes| bytes.0),
            unsigned_extension_outputs: members.optional(0x08, "unsignedExtensionOutputs")?,
        })
    }
}
