//! The client data: what the client was asked for, by whom and where (WebAuthn Level 3 section
//! 5.8.1).

use std::borrow::Cow;

use serde::Deserialize;

use crate::{Base64Url, InvalidBase64Url};

/// The contextual bindings of a ceremony (`CollectedClientData`, section 5.8.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectedClientData {
    /// Which ceremony.
    pub type_: ClientDataType,
    /// The relying party's challenge.
    pub challenge: Base64Url,
    /// The origin of the request.
    pub origin: String,
    /// Whether the request came from a frame that is not same-origin with its ancestors; absent in
    /// old clients.
    pub cross_origin: Option<bool>,
    /// The origin of the top-level page; only there when `cross_origin` is true.
    pub top_origin: Option<String>,
}

/// The ceremony of a [`CollectedClientData`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientDataType {
    /// `webauthn.create`: a registration.
    Create,
    /// `webauthn.get`: an authentication.
    Get,
    /// Something else, for example `payment.get`.
    Other(String),
}

/// Why client data cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientDataError {
    /// The bytes are not UTF-8.
    #[error("the client data is not UTF-8: {0}")]
    NotUtf8(#[from] std::str::Utf8Error),
    /// The text is not a JSON object with the required members.
    #[error("the client data is not the expected JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// The challenge is not base64url.
    #[error("the client data's challenge is {0}")]
    Challenge(#[from] InvalidBase64Url),
}

impl ClientDataType {
    /// The value as the JSON carries it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for ClientDataType {
    fn from(text: &str) -> Self {
        match text {
            "webauthn.create" => Self::Create,
            "webauthn.get" => Self::Get,
            _ => Self::Other(text.to_owned()),
        }
    }
}

impl CollectedClientData {
    /// The client data of a registration that happens at `origin` itself, in no frame.
    #[must_use]
    pub fn for_registration(challenge: &[u8], origin: &str) -> Self {
        Self::at_origin(ClientDataType::Create, challenge, origin)
    }

    /// The client data of an authentication that happens at `origin` itself, in no frame.
    #[must_use]
    pub fn for_authentication(challenge: &[u8], origin: &str) -> Self {
        Self::at_origin(ClientDataType::Get, challenge, origin)
    }

    /// Serialises to `clientDataJSON` by the specification's own algorithm (section 5.8.1.1), byte
    /// for byte, so that the limited verification algorithm (section 5.8.1.2) accepts it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // "Let result be an empty byte string."
        // "Append 0x7b2274797065223a ({"type":) to result."
        let mut result = String::from("{\"type\":");
        // "Append CCDToString(type) to result."
        append_ccd_string(&mut result, self.type_.as_str());
        // "Append 0x2c226368616c6c656e6765223a (,"challenge":) to result."
        result.push_str(",\"challenge\":");
        append_ccd_string(&mut result, &self.challenge.to_string());
        // "Append 0x2c226f726967696e223a (,"origin":) to result."
        result.push_str(",\"origin\":");
        append_ccd_string(&mut result, &self.origin);
        // "Append 0x2c2263726f73734f726967696e223a (,"crossOrigin":) to result."
        result.push_str(",\"crossOrigin\":");
        // "If crossOrigin is not present, or is false: append 0x66616c7365 (false) to result.
        // Otherwise: append 0x74727565 (true)."
        result.push_str(if self.cross_origin == Some(true) {
            "true"
        } else {
            "false"
        });
        // "If topOrigin is present: append 0x2c22746f704f726967696e223a (,"topOrigin":) to result,
        // append CCDToString(topOrigin)."
        if let Some(top_origin) = &self.top_origin {
            result.push_str(",\"topOrigin\":");
            append_ccd_string(&mut result, top_origin);
        }
        // "Append 0x7d (}) to result."
        result.push('}');
        result.into_bytes()
    }

    /// Parses `clientDataJSON`. A byte order mark is tolerated, as by the specification's "UTF-8
    /// decode"; unknown members are ignored, as they have to be.
    ///
    /// # Errors
    /// [`ClientDataError`]: no UTF-8, no JSON, a member missing, there twice or of the wrong type.
    pub fn parse(client_data_json: &[u8]) -> Result<Self, ClientDataError> {
        let raw = RawClientData::parse(client_data_json)?;
        Ok(Self {
            type_: raw.type_.as_ref().into(),
            challenge: raw.challenge.parse()?,
            origin: raw.origin.into_owned(),
            cross_origin: raw.cross_origin,
            top_origin: raw.top_origin.map(Into::into),
        })
    }

    fn at_origin(type_: ClientDataType, challenge: &[u8], origin: &str) -> Self {
        Self {
            type_,
            challenge: challenge.into(),
            origin: origin.to_owned(),
            cross_origin: Some(false),
            top_origin: None,
        }
    }
}

/// The client data as it stands in the JSON, borrowed where nothing is escaped.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawClientData<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) type_: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) challenge: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) origin: Cow<'a, str>,
    #[serde(default)]
    pub(crate) cross_origin: Option<bool>,
    #[serde(default, borrow)]
    pub(crate) top_origin: Option<Cow<'a, str>>,
}

impl<'a> RawClientData<'a> {
    pub(crate) fn parse(client_data_json: &'a [u8]) -> Result<Self, ClientDataError> {
        // "UTF-8 decode" (Encoding Standard) takes a byte order mark away.
        let text = std::str::from_utf8(
            client_data_json
                .strip_prefix(BYTE_ORDER_MARK)
                .unwrap_or(client_data_json),
        )?;
        Ok(serde_json::from_str(text)?)
    }
}

/// `CCDToString` (section 5.8.1.1).
fn append_ccd_string(encoded: &mut String, object: &str) {
    // "Append 0x22 to encoded."
    encoded.push('"');
    // "For each code point in ToString(object), if the code point is:"
    for character in object.chars() {
        match character {
            // "in the set {U+0020, U+0021, U+0023-U+005B, U+005D-U+10FFFF}: append the UTF-8
            // encoding of that code point to encoded."
            ' ' | '!' | '#'..='[' | ']'..='\u{10ffff}' => encoded.push(character),
            // "set to U+0022: append 0x5c22 to encoded."
            '"' => encoded.push_str("\\\""),
            // "set to U+005C: append 0x5c5c to encoded."
            '\\' => encoded.push_str("\\\\"),
            // "otherwise: append 0x5c75 to encoded, followed by four, lower-case hex digits that,
            // when interpreted as a base-16 number, represent that code point."
            control => encoded.push_str(&format!("\\u{:04x}", u32::from(control))),
        }
    }
    // "Append 0x22 to encoded."
    encoded.push('"');
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn registration_at_an_origin() {
        let client_data =
            CollectedClientData::for_registration(&[0xfb, 0xff], "https://login.microsoft.com");
        assert_eq!(
            String::from_utf8(client_data.to_json()).unwrap(),
            r#"{"type":"webauthn.create","challenge":"-_8","origin":"https://login.microsoft.com","crossOrigin":false}"#
        );
    }

    #[test]
    fn strings_are_escaped_as_the_specification_escapes_them() {
        let mut text = String::new();
        append_ccd_string(&mut text, "a\"b\\c\u{7}\n/é\u{10ffff}");
        assert_eq!(text, "\"a\\\"b\\\\c\\u0007\\u000a/é\u{10ffff}\"");
    }

    #[test]
    fn a_byte_order_mark_and_unknown_members_are_tolerated() {
        let json = "\u{feff}{\"type\":\"payment.get\",\"challenge\":\"\",\"origin\":\"o\",\"x\":{\"y\":[1]}}";
        let client_data = CollectedClientData::parse(json.as_bytes()).unwrap();
        assert_eq!(
            client_data.type_,
            ClientDataType::Other("payment.get".to_owned())
        );
        assert_eq!(client_data.cross_origin, None);
    }

    #[test]
    fn what_is_missing_doubled_or_mistyped_is_refused() {
        for json in [
            &br#"{"type":"webauthn.create","challenge":"AA"}"#[..],
            br#"{"type":"webauthn.create","challenge":"AA","origin":"a","origin":"b"}"#,
            br#"{"type":"webauthn.create","challenge":"AA","origin":"a","crossOrigin":"false"}"#,
            br#"{"type":"webauthn.create","challenge":"A","origin":"a"}"#,
            br#"{"type":"webauthn.create","challenge":"AA","origin":"a"} "#
                .get(1..)
                .unwrap(),
            b"{\"type\":\"\xff\",\"challenge\":\"AA\",\"origin\":\"a\"}",
            b"[]",
            b"",
        ] {
            assert!(
                CollectedClientData::parse(json).is_err(),
                "{}",
                String::from_utf8_lossy(json)
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(challenge: Vec<u8>, origin: String, top: Option<String>, create: bool) {
            let type_ = if create { ClientDataType::Create } else { ClientDataType::Get };
            let client_data = CollectedClientData {
                type_, challenge: challenge.into(), origin, cross_origin: Some(top.is_some()), top_origin: top,
            };
            prop_assert_eq!(CollectedClientData::parse(&client_data.to_json()).unwrap(), client_data);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = CollectedClientData::parse(&bytes);
        }
    }
}
