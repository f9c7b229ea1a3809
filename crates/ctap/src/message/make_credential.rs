//! CTAP 2.2 §6.1 `authenticatorMakeCredential` (0x01).

use ciborium::Value;

use super::{
    CborMessage, CredentialDescriptor, CredentialParameters, DecodeError, Options, RpEntity,
    UserEntity,
    map::{Bytes, FromCbor, MapWriter, Members},
};

/// The parameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// 0x01: SHA-256 of the client data.
    pub client_data_hash: Vec<u8>,
    /// 0x02: the relying party.
    pub rp: RpEntity,
    /// 0x03: the account.
    pub user: UserEntity,
    /// 0x04: acceptable algorithms, the relying party's favourite first.
    pub pub_key_cred_params: Vec<CredentialParameters>,
    /// 0x05: credentials that must not be on this key already.
    pub exclude_list: Vec<CredentialDescriptor>,
    /// 0x06
    pub extensions: Extensions,
    /// 0x07
    pub options: Options,
    /// 0x08: proof of user verification over [`client_data_hash`](Self::client_data_hash). Zero bytes: only asks for a
    /// touch, so that the user can point out a key.
    pub pin_uv_auth_param: Option<Vec<u8>>,
    /// 0x09: the PIN/UV auth protocol that made it.
    pub pin_uv_auth_protocol: Option<u64>,
    /// 0x0A: 1 vendor-facilitated, 2 platform-managed.
    pub enterprise_attestation: Option<u64>,
    /// 0x0B: attestation statement formats, the relying party's favourite first.
    pub attestation_formats_preference: Vec<String>,
}

/// Extension inputs (CTAP 2.2 §12).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extensions {
    /// `credProtect`: 1 to 3.
    pub cred_protect: Option<u8>,
    /// `hmac-secret`
    pub hmac_secret: Option<bool>,
    /// `minPinLength`: report the minimum PIN length.
    pub min_pin_length: Option<bool>,
    /// `credBlob`: bytes to store with the credential.
    pub cred_blob: Option<Vec<u8>>,
    /// `largeBlobKey`
    pub large_blob_key: Option<bool>,
    /// All the others, by name.
    pub other: Vec<(String, Value)>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// 0x01: attestation statement format.
    pub fmt: String,
    /// 0x02: authenticator data.
    pub auth_data: Vec<u8>,
    /// 0x03: attestation statement. Absent in what some keys answer for `none`; an empty map then.
    pub att_stmt: Value,
    /// 0x04: an enterprise attestation was given.
    pub ep_att: Option<bool>,
    /// 0x05: the credential's large blob key.
    pub large_blob_key: Option<Vec<u8>>,
    /// 0x06: extension outputs outside of the authenticator data.
    pub unsigned_extension_outputs: Option<Value>,
}

impl CborMessage for Request {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .put(0x01, Value::Bytes(self.client_data_hash.clone()))
            .put(0x02, self.rp.to_value())
            .put(0x03, self.user.to_value())
            .put(
                0x04,
                Value::Array(
                    self.pub_key_cred_params
                        .iter()
                        .map(CredentialParameters::to_value)
                        .collect(),
                ),
            )
            .list(0x05, &self.exclude_list, CredentialDescriptor::to_value)
            .maybe(0x06, self.extensions.to_value())
            .maybe(0x07, self.options.to_value())
            .maybe(0x08, self.pin_uv_auth_param.clone().map(Value::Bytes))
            .maybe(0x09, self.pin_uv_auth_protocol)
            .maybe(0x0A, self.enterprise_attestation)
            .list(0x0B, &self.attestation_formats_preference, |format| {
                format.as_str().into()
            })
            .finish()
    }

    fn from_value(value: &Value) -> Result<Self, DecodeError> {
        let members = Members::of(value, "the parameters")?;
        Ok(Self {
            client_data_hash: members.required::<Bytes>(0x01, "clientDataHash")?.0,
            rp: members.required(0x02, "rp")?,
            user: members.required(0x03, "user")?,
            pub_key_cred_params: members.required(0x04, "pubKeyCredParams")?,
            exclude_list: members.list(0x05, "excludeList")?,
            extensions: members.optional(0x06, "extensions")?.unwrap_or_default(),
            options: members.optional(0x07, "options")?.unwrap_or_default(),
            pin_uv_auth_param: members
                .optional::<Bytes>(0x08, "pinUvAuthParam")?
                .map(|bytes| bytes.0),
            pin_uv_auth_protocol: members.optional(0x09, "pinUvAuthProtocol")?,
            enterprise_attestation: members.optional(0x0A, "enterpriseAttestation")?,
            attestation_formats_preference: members.list(0x0B, "attestationFormatsPreference")?,
        })
    }
}

impl Extensions {
    fn to_value(&self) -> Option<Value> {
        let map = MapWriter::default()
            .maybe("credProtect", self.cred_protect)
            .maybe("hmac-secret", self.hmac_secret)
            .maybe("minPinLength", self.min_pin_length)
            .maybe("credBlob", self.cred_blob.clone().map(Value::Bytes))
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
                "credProtect" => {
                    extensions.cred_protect = Some(u8::from_cbor(value, "extensions.credProtect")?)
                }
                "hmac-secret" => {
                    extensions.hmac_secret = Some(bool::from_cbor(value, "extensions.hmac-secret")?)
                }
                "minPinLength" => {
                    extensions.min_pin_length =
                        Some(bool::from_cbor(value, "extensions.minPinLength")?)
                }
                "credBlob" => {
                    extensions.cred_blob = Some(Bytes::from_cbor(value, "extensions.credBlob")?.0)
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

impl CborMessage for Response {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .put(0x01, self.fmt.as_str())
            .put(0x02, Value::Bytes(self.auth_data.clone()))
            .put(0x03, self.att_stmt.clone())
            .maybe(0x04, self.ep_att)
            .maybe(0x05, self.large_blob_key.clone().map(Value::Bytes))
            .maybe(0x06, self.unsigned_extension_outputs.clone())
            .finish()
    }

    fn from_value(value: &Value) -> Result<Self, DecodeError> {
        let members = Members::of(value, "the answer")?;
        let att_stmt = members
            .optional::<Value>(0x03, "attStmt")?
            .unwrap_or_else(|| Value::Map(Vec::new()));
        Members::of(&att_stmt, "attStmt")?;
        Ok(Self {
            fmt: members.required(0x01, "fmt")?,
            auth_data: members.required::<Bytes>(0x02, "authData")?.0,
            att_stmt,
            ep_att: members.optional(0x04, "epAtt")?,
            large_blob_key: members
                .optional::<Bytes>(0x05, "largeBlobKey")?
                .map(|bytes| bytes.0),
            unsigned_extension_outputs: members.optional(0x06, "unsignedExtensionOutputs")?,
        })
    }
}
