//! What models are called.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use crate::{Aaguid, Base64Url};

/// The names of authenticator models, by AAGUID: a small table of keys that enterprises hand out, and whatever a FIDO
/// metadata BLOB says beyond and instead of it. Cheap to clone.
///
/// ```
/// use keywright_webauthn::{Aaguid, ModelNames};
///
/// let names = ModelNames::default();
/// let aaguid: Aaguid = "2fc0579f-8113-47ea-b116-bb5a8db9202a".parse()?;
/// assert_eq!(names.name(aaguid), Some("YubiKey 5 Series with NFC"));
/// # Ok::<(), keywright_webauthn::InvalidAaguid>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ModelNames {
    from_metadata: Arc<BTreeMap<Aaguid, String>>,
}

/// A text that is not a FIDO metadata BLOB.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataBlobError {
    /// Not three parts with dots between them.
    #[error(
        "this is not a metadata BLOB: a signed JSON document of three parts with dots between them was expected"
    )]
    NotAJws,
    /// The part in the middle is not base64url.
    #[error("the payload of this metadata BLOB is not base64url")]
    NotBase64,
    /// The payload is not what FIDO Metadata Service v3 describes.
    #[error("the payload of this metadata BLOB cannot be read: {0}")]
    Payload(serde_json::Error),
}

impl ModelNames {
    /// With the descriptions in a FIDO metadata BLOB (FIDO Metadata Service v3.0 section 3.1.7, the file `blob.jwt`).
    ///
    /// Its signature is not checked: the names are for people to read, and nothing is trusted on their account.
    ///
    /// # Errors
    /// [`MetadataBlobError`].
    pub fn with_metadata_blob(self, blob: &str) -> Result<Self, MetadataBlobError> {
        let mut parts = blob.trim().split('.');
        let (Some(_), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(MetadataBlobError::NotAJws);
        };
        let payload: Base64Url = payload.parse().map_err(|_| MetadataBlobError::NotBase64)?;
        let payload: Payload<'_> =
            serde_json::from_slice(payload.as_bytes()).map_err(MetadataBlobError::Payload)?;
        let mut names = Arc::unwrap_or_clone(self.from_metadata);
        for entry in payload.entries {
            // Entries of U2F and UAF authenticators have no AAGUID.
            if let (Some(aaguid), Some(statement)) = (entry.aaguid, entry.metadata_statement) {
                names.insert(aaguid, statement.description.trim().to_owned());
            }
        }
        Ok(Self {
            from_metadata: Arc::new(names),
        })
    }

    /// What the model is called, where that is known.
    #[must_use]
    pub fn name(&self, aaguid: Aaguid) -> Option<&str> {
        if aaguid.is_zero() {
            return None;
        }
        self.from_metadata
            .get(&aaguid)
            .map(String::as_str)
            .or_else(|| bundled(aaguid))
    }
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    entries: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    aaguid: Option<Aaguid>,
    #[serde(borrow)]
    metadata_statement: Option<Statement<'a>>,
}

#[derive(Deserialize)]
struct Statement<'a> {
    #[serde(borrow)]
    description: Cow<'a, str>,
}

fn bundled(aaguid: Aaguid) -> Option<&'static str> {
    let text = aaguid.to_string();
    BUNDLED
        .iter()
        .find(|(_, aaguids)| aaguids.contains(&text.as_str()))
        .map(|(name, _)| *name)
}

/// As the makers publish them. One name can have several: a new firmware gets a new AAGUID.
const BUNDLED: &[(&str, &[&str])] = &[
    (
        "Feitian ePass FIDO",
        &["12755c32-8ad1-46eb-881c-e0b38d848b09"],
    ),
    (
        "Feitian ePass FIDO-NFC",
        &[
            "78ba3993-d784-4f44-8d6e-cc0a8ad5230e",
            "39589099-9a75-49fc-afaa-801ca211c62a",
        ],
    ),
    (
        "Feitian ePass FIDO2",
        &["833b721a-ff5f-4d00-bb2e-bdda3ec01e29"],
    ),
    (
        "Feitian ePass FIDO2-NFC",
        &[
            "ee041bce-25e5-4cdb-8f86-897fd6418464",
            "234cd403-35a2-4cc2-8015-77ea280c77f5",
        ],
    ),
    (
        "Feitian ePass FIDO2-NFC Plus",
        &["260e3021-482d-442d-838c-7edfbe153b7e"],
    ),
    (
        "Feitian BioPass FIDO2",
        &["77010bd7-212a-4fc9-b236-d2ca5e9d4084"],
    ),
    (
        "Feitian BioPass FIDO2 Plus",
        &[
            "b6ede29c-3772-412c-8a78-539c1f4c62d2",
            "42df17de-06ba-4177-a2bb-6701be1380d6",
            "a02140b7-0cbd-42e1-a9b5-a39da2545114",
        ],
    ),
    (
        "Feitian BioPass FIDO2 Pro",
        &[
            "4c0cf95d-2f40-43b5-ba42-4c83a11c04ba",
            "2bff89f2-323a-48fc-b7c8-9ff7fe87c07e",
        ],
    ),
    (
        "Feitian FIDO Smart Card",
        &["2c0df832-92de-4be1-8412-88a8f074df4a"],
    ),
    (
        "Google Titan Security Key v2",
        &["42b4fb4a-2866-43b2-9bf7-6c6669c2e5d3"],
    ),
    ("Nitrokey 3", &["2cd2f727-f6ca-44da-8f48-5c2e5da000a2"]),
    (
        "SafeNet eToken FIDO",
        &["efb96b10-a9ee-4b6c-a4a9-d32125ccd4a4"],
    ),
    (
        "Security Key by Yubico",
        &[
            "f8a011f3-8c0a-4d15-8006-17111f9edc7d",
            "b92c3f9a-c014-4056-887f-140a2501163b",
        ],
    ),
    (
        "Security Key NFC by Yubico",
        &[
            "149a2021-8ef6-4133-96b8-81f8d5b7f1f5",
            "6d44ba9b-f6ec-2e49-b930-0c8fe920cb73",
            "a4e9fc6d-4cbe-4758-b8ba-37598bb5bbaa",
            "b7d3f68e-88a6-471e-9ecf-2df26d041ede",
            "e77e3c64-05e3-428b-8824-0cbeb04b829d",
        ],
    ),
    (
        "Security Key NFC by Yubico - Enterprise Edition",
        &[
            "0bb43545-fd2c-4185-87dd-feb0b2916ace",
            "47ab2fb4-66ac-4184-9ae1-86be814012d5",
            "ed042a3a-4b22-4455-bb69-a267b652ae7e",
            "72c6b72d-8512-4c66-8359-9d3d10d9222f",
            "9ff4cc65-6154-4fff-ba09-9e2af7882ad2",
        ],
    ),
    (
        "Swissbit iShield Key FIDO2",
        &["931327dd-c89b-406c-a81e-ed7058ef36c6"],
    ),
    (
        "TOKEN2 FIDO2 Security Key",
        &["ab32f0c6-2239-afbb-c470-d2ef4e254db7"],
    ),
    (
        "TOKEN2 PIN+ Series",
        &["eabb46cc-e241-80bf-ae9e-96fa6d2975cf"],
    ),
    (
        "YubiKey 5 Series",
        &[
            "cb69481e-8ff7-4039-93ec-0a2729a154a8",
            "ee882879-721c-4913-9775-3dfcce97072a",
            "19083c3d-8383-4b18-bc03-8f1c9ab2fd1b",
            "ff4dac45-ede8-4ec2-aced-cf66103f4335",
            "20ac7a17-c814-4833-93fe-539f0d5e3389",
            "4599062e-6926-4fe7-9566-9e8fb1aedaa0",
        ],
    ),
    (
        "YubiKey 5 Series with NFC",
        &[
            "fa2b99dc-9e39-4257-8f92-4a30d23c4118",
            "2fc0579f-8113-47ea-b116-bb5a8db9202a",
            "d7781e5d-e353-46aa-afe2-3ca49f13332a",
            "a25342c0-3cdc-4414-8e46-f4807fca511c",
            "1ac71f64-468d-4fe0-bef1-0e5f2f551f18",
            "6ab56fad-881f-4a43-acb2-0be065924522",
        ],
    ),
    (
        "YubiKey 5 Series with NFC - Enhanced PIN",
        &[
            "662ef48a-95e2-4aaa-a6c1-5b9c40375824",
            "b2c1a50b-dad8-4dc7-ba4d-0ce9597904bc",
        ],
    ),
    (
        "YubiKey 5 Series with Lightning",
        &[
            "c5ef55ff-ad9a-4b9f-b580-adebafe026d0",
            "a02167b9-ae71-4ac7-9a07-06432ebb6f1c",
            "24673149-6c86-42e7-98d9-433fb5b73296",
            "b90e7dc1-316e-4fee-a25a-56a666a670fe",
            "3b24bf49-1d45-4484-a917-13175df0867b",
        ],
    ),
    (
        "YubiKey 5 FIPS Series",
        &[
            "73bb0cd4-e502-49b8-9c6f-b59445bf720b",
            "57f7de54-c807-4eab-b1c6-1c9be7984e92",
            "905b4cb4-ed6f-4da9-92fc-45e0d4e9b5c7",
        ],
    ),
    (
        "YubiKey 5 FIPS Series with NFC",
        &[
            "c1f9a0bc-1dd2-404a-b27f-8e29047a43fd",
            "fcc0118f-cd45-435b-8da1-9782b2da0715",
            "79f3c8ba-9e35-484b-8f47-53a5a0f5c630",
        ],
    ),
    (
        "YubiKey 5 FIPS Series with Lightning",
        &[
            "85203421-48f9-4355-9bc8-8a53846e5083",
            "7b96457d-e3cd-432b-9ceb-c9fdd7ef7432",
            "3a662962-c6d4-4023-bebb-98ae92e78e20",
        ],
    ),
    (
        "YubiKey Bio Series - FIDO Edition",
        &[
            "d8522d9f-575b-4866-88a9-ba99fa02f35b",
            "dd86a2da-86a0-4cbe-b462-4bd31f57bc6f",
            "7409272d-1ff9-4e10-9fc9-ac0019c124fd",
            "ad08c78a-4e41-49b9-86a2-ac15b06899e2",
            "8c39ee86-7f9a-4a95-9ba3-f6b097e5c2ee",
        ],
    ),
    (
        "YubiKey Bio Series - Multi-protocol Edition",
        &[
            "7d1351a6-e097-4852-b8bf-c9ac5c9ce4a3",
            "90636e1f-ef82-43bf-bdcf-5255f139d12f",
            "34744913-4f57-4e6e-a527-e9ec3c4b94e6",
            "97e6a830-c952-4740-95fc-7c78dc97ce47",
            "6ec5cff2-a0f9-4169-945b-f33b563f7b99",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(payload: &str) -> String {
        format!("e30.{}.c2ln", Base64Url::encode(payload.as_bytes()))
    }

    #[test]
    fn every_bundled_aaguid_is_one_and_occurs_once() {
        let mut seen = std::collections::BTreeSet::new();
        for (name, aaguids) in BUNDLED {
            assert!(!aaguids.is_empty(), "{name}");
            for text in *aaguids {
                let aaguid: Aaguid = text.parse().unwrap();
                assert_eq!(aaguid.to_string(), *text);
                assert!(seen.insert(*text), "{text} twice");
            }
        }
    }

    #[test]
    fn metadata_adds_to_the_table_and_overrules_it() {
        let payload = r#"{"no":1,"entries":[
            {"aaguid":"2fc0579f-8113-47ea-b116-bb5a8db9202a","metadataStatement":{"description":" Renamed "}},
            {"aaguid":"01020304-0506-0708-090a-0b0c0d0e0f10","metadataStatement":{"description":"New \u004bey"}},
            {"attestationCertificateKeyIdentifiers":["00"],"metadataStatement":{"description":"U2F"}}]}"#;
        let names = ModelNames::default()
            .with_metadata_blob(&blob(payload))
            .unwrap();
        let name = |text: &str| names.name(text.parse().unwrap());
        assert_eq!(
            name("2fc0579f-8113-47ea-b116-bb5a8db9202a"),
            Some("Renamed")
        );
        assert_eq!(
            name("01020304-0506-0708-090a-0b0c0d0e0f10"),
            Some("New Key")
        );
        assert_eq!(
            name("eabb46cc-e241-80bf-ae9e-96fa6d2975cf"),
            Some("TOKEN2 PIN+ Series")
        );
        assert_eq!(name("00000000-0000-0000-0000-000000000000"), None);
    }

    #[test]
    fn what_is_no_blob_is_refused() {
        let names = ModelNames::default;
        assert!(matches!(
            names().with_metadata_blob("a.b"),
            Err(MetadataBlobError::NotAJws)
        ));
        assert!(matches!(
            names().with_metadata_blob("a.!.c"),
            Err(MetadataBlobError::NotBase64)
        ));
        assert!(matches!(
            names().with_metadata_blob(&blob("[]")),
            Err(MetadataBlobError::Payload(_))
        ));
    }
}
