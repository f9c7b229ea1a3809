//! The attestation object (WebAuthn Level 3 section 6.5.4).

use ciborium::Value;

use crate::cbor::{self, CborError, Kind, Reader};

/// The attestation object of a registration: `{ fmt, attStmt, authData }`.
#[derive(Clone, Debug, PartialEq)]
pub struct AttestationObject {
    /// The attestation statement format.
    pub fmt: String,
    /// The authenticator data, encoded.
    pub auth_data: Vec<u8>,
    /// The attestation statement, a map.
    pub att_stmt: Value,
}

/// Why an attestation object is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationObjectError {
    /// It is not canonical CBOR of the right form.
    #[error("the attestation object: {0}")]
    Cbor(#[from] CborError),
    /// A member is missing.
    #[error("the attestation object has no {0}")]
    Missing(&'static str),
    /// There is a member that does not belong there.
    #[error("the attestation object has an unknown member {0:?}")]
    Superfluous(String),
}

impl AttestationObject {
    /// Makes the object that a client builds from an authenticator's answer (CTAP 2.2 section
    /// 6.1.2).
    #[must_use]
    pub fn from_ctap(
        fmt: impl Into<String>,
        auth_data: impl Into<Vec<u8>>,
        att_stmt: Value,
    ) -> Self {
        Self {
            fmt: fmt.into(),
            auth_data: auth_data.into(),
            att_stmt,
        }
    }

    /// Decodes an object, which must be in canonical form and complete.
    ///
    /// # Errors
    /// [`AttestationObjectError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, AttestationObjectError> {
        let borrowed = AttestationObjectRef::decode(bytes)?;
        Ok(Self {
            fmt: borrowed.fmt.to_owned(),
            auth_data: borrowed.auth_data.to_vec(),
            att_stmt: cbor::from_canonical_slice(borrowed.att_stmt)?,
        })
    }

    /// Encodes the object in canonical form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.auth_data.len() + self.fmt.len());
        cbor::write_head(&mut out, 5, 3);
        write_text(&mut out, "fmt");
        write_text(&mut out, &self.fmt);
        write_text(&mut out, "attStmt");
        cbor::write_canonical(&self.att_stmt, &mut out);
        write_text(&mut out, "authData");
        cbor::write_head(&mut out, 2, self.auth_data.len() as u64);
        out.extend_from_slice(&self.auth_data);
        out
    }
}

/// An attestation object whose parts are borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttestationObjectRef<'a> {
    pub(crate) fmt: &'a str,
    pub(crate) auth_data: &'a [u8],
    /// The encoded map.
    pub(crate) att_stmt: &'a [u8],
}

impl<'a> AttestationObjectRef<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, AttestationObjectError> {
        let (mut fmt, mut auth_data, mut att_stmt) = (None, None, None);
        let mut reader = Reader::new(bytes);
        let mut map = reader.map()?;
        while let Some(name) = map.next_text_key(&mut reader)? {
            match name {
                "fmt" => fmt = Some(reader.text()?),
                "authData" => auth_data = Some(reader.bytes()?),
                "attStmt" => {
                    reader.expect(Kind::Map)?;
                    att_stmt = Some(reader.skip()?);
                }
                other => return Err(AttestationObjectError::Superfluous(other.to_owned())),
            }
        }
        reader.finish()?;
        Ok(Self {
            fmt: fmt.ok_or(AttestationObjectError::Missing("fmt"))?,
            auth_data: auth_data.ok_or(AttestationObjectError::Missing("authData"))?,
            att_stmt: att_stmt.ok_or(AttestationObjectError::Missing("attStmt"))?,
        })
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    cbor::write_head(out, 3, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use ciborium::cbor;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let att_stmt = cbor!({ "x5c" => [Value::Bytes(vec![1])], "alg" => -7, "sig" => Value::Bytes(vec![2]) }).unwrap();
        let object = AttestationObject::from_ctap("packed", vec![7; 40], att_stmt);
        let encoded = object.encode();
        assert_eq!(
            cbor::to_canonical_vec(&cbor::from_canonical_slice(&encoded).unwrap()),
            encoded
        );
        assert_eq!(
            AttestationObject::decode(&encoded).unwrap().encode(),
            encoded
        );
    }

    #[test]
    fn missing_and_superfluous_members_are_named() {
        let encode = |value: &Value| cbor::to_canonical_vec(value);
        let without = encode(&cbor!({ "fmt" => "none", "attStmt" => {} }).unwrap());
        assert_eq!(
            AttestationObject::decode(&without),
            Err(AttestationObjectError::Missing("authData"))
        );
        let with = encode(&cbor!({ "fmt" => "none", "attStmt" => {}, "authData" => Value::Bytes(vec![]), "epAtt" => true }).unwrap());
        assert_eq!(
            AttestationObject::decode(&with),
            Err(AttestationObjectError::Superfluous("epAtt".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = AttestationObject::decode(&bytes);
        }
    }
}
