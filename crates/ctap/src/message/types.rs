//! Structures that several commands share (WebAuthn L3 §5.4 dictionaries, as CTAP 2.2 §6.1 and §6.2 carry them).

use ciborium::Value;

use super::{
    DecodeError,
    map::{Bytes, FromCbor, MapWriter, Members},
};

/// `PublicKeyCredentialRpEntity`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RpEntity {
    /// The relying party identifier, a host name.
    pub id: String,
    /// Its name for people. Keys may cut it short or drop it.
    pub name: Option<String>,
}

/// `PublicKeyCredentialUserEntity`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserEntity {
    /// The user handle: up to 64 opaque bytes.
    pub id: Vec<u8>,
    /// The account's name. Keys may cut it short or drop it.
    pub name: Option<String>,
    /// The person's name. Keys may cut it short or drop it.
    pub display_name: Option<String>,
}

/// `PublicKeyCredentialDescriptor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialDescriptor {
    /// Always `public-key` so far.
    pub type_: String,
    /// The credential id.
    pub id: Vec<u8>,
    /// Transport hints. Of no use to a key, and seldom sent.
    pub transports: Vec<String>,
}

/// `PublicKeyCredentialParameters`: an algorithm the relying party accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialParameters {
    /// Always `public-key` so far.
    pub type_: String,
    /// A COSE algorithm identifier.
    pub alg: i64,
}

/// The `options` of `authenticatorMakeCredential` and `authenticatorGetAssertion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Make a discoverable credential. Only for `authenticatorMakeCredential`.
    pub rk: Option<bool>,
    /// Ask for a touch. Absent means true.
    pub up: Option<bool>,
    /// Verify the user with the key's own means, such as a fingerprint. Never together with `pinUvAuthParam`.
    pub uv: Option<bool>,
}

/// The only credential type there is.
pub(super) const PUBLIC_KEY: &str = "public-key";

impl RpEntity {
    pub(super) fn to_value(&self) -> Value {
        MapWriter::default()
            .put("id", self.id.as_str())
            .maybe("name", self.name.as_deref())
            .finish()
    }
}

impl FromCbor for RpEntity {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        let members = Members::of(value, member)?;
        Ok(Self {
            id: members.required("id", "rp.id")?,
            name: members.optional("name", "rp.name")?,
        })
    }
}

impl UserEntity {
    pub(super) fn to_value(&self) -> Value {
        MapWriter::default()
            .put("id", Value::Bytes(self.id.clone()))
            .maybe("name", self.name.as_deref())
            .maybe("displayName", self.display_name.as_deref())
            .finish()
    }
}

impl FromCbor for UserEntity {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        let members = Members::of(value, member)?;
        Ok(Self {
            id: members.required::<Bytes>("id", "user.id")?.0,
            name: members.optional("name", "user.name")?,
            display_name: members.optional("displayName", "user.displayName")?,
        })
    }
}

impl CredentialDescriptor {
    /// A public key credential with this id.
    pub fn public_key(id: impl Into<Vec<u8>>) -> Self {
        Self {
            type_: PUBLIC_KEY.to_owned(),
            id: id.into(),
            transports: Vec::new(),
        }
    }

    /// Whether the type is one that CTAP knows. Others are to be ignored, not refused (CTAP 2.2 §6.1.2 step 3).
    pub fn is_public_key(&self) -> bool {
        self.type_ == PUBLIC_KEY
    }

    pub(super) fn to_value(&self) -> Value {
        MapWriter::default()
            .put("id", Value::Bytes(self.id.clone()))
            .put("type", self.type_.as_str())
            .list("transports", &self.transports, |transport| {
                transport.as_str().into()
            })
            .finish()
    }
}

impl FromCbor for CredentialDescriptor {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        let members = Members::of(value, member)?;
        Ok(Self {
            type_: members.required("type", "the credential descriptor's type")?,
            id: members
                .required::<Bytes>("id", "the credential descriptor's id")?
                .0,
            transports: members.list("transports", "the credential descriptor's transports")?,
        })
    }
}

impl CredentialParameters {
    /// A public key credential with this COSE algorithm.
    pub fn public_key(alg: i64) -> Self {
        Self {
            type_: PUBLIC_KEY.to_owned(),
            alg,
        }
    }

    /// Whether the type is one that CTAP knows.
    pub fn is_public_key(&self) -> bool {
        self.type_ == PUBLIC_KEY
    }

    pub(super) fn to_value(&self) -> Value {
        MapWriter::default()
            .put("alg", self.alg)
            .put("type", self.type_.as_str())
            .finish()
    }
}

impl FromCbor for CredentialParameters {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        let members = Members::of(value, member)?;
        Ok(Self {
            type_: members.required("type", "the credential parameters' type")?,
            alg: members.required("alg", "the credential parameters' alg")?,
        })
    }
}

impl Options {
    pub(super) fn to_value(self) -> Option<Value> {
        let map = MapWriter::default()
            .maybe("rk", self.rk)
            .maybe("up", self.up)
            .maybe("uv", self.uv);
        (!map.is_empty()).then(|| map.finish())
    }
}

impl FromCbor for Options {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        let members = Members::of(value, member)?;
        Ok(Self {
            rk: members.optional("rk", "options.rk")?,
            up: members.optional("up", "options.up")?,
            uv: members.optional("uv", "options.uv")?,
        })
    }
}
