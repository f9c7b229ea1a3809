//! Names of key models, as Entra shows them.

use std::collections::BTreeMap;

use keywright_webauthn::Aaguid;

/// AAGUIDs and the names of their models.
pub(crate) struct Models(BTreeMap<Aaguid, String>);

impl Models {
    /// The well-known ones, and `more`.
    pub(crate) fn new(more: &BTreeMap<Aaguid, String>) -> Self {
        let known = KNOWN
            .iter()
            .filter_map(|(aaguid, name)| Some((aaguid.parse().ok()?, (*name).to_owned())));
        Self(
            known
                .chain(more.iter().map(|(aaguid, name)| (*aaguid, name.clone())))
                .collect(),
        )
    }

    pub(crate) fn name(&self, aaguid: Aaguid) -> Option<&str> {
        self.0.get(&aaguid).map(String::as_str)
    }
}

/// The model of the passkeys that users have from the start.
pub(crate) const EXISTING_MODEL: &str = "2fc0579f-8113-47ea-b116-bb5a8db9202a";

/// Published by their maker.
const KNOWN: &[(&str, &str)] = &[
    (EXISTING_MODEL, "YubiKey 5 Series with NFC"),
    (
        "fa2b99dc-9e39-4257-8f92-4a30d23c4118",
        "YubiKey 5 Series with NFC",
    ),
    ("cb69481e-8ff7-4039-93ec-0a2729a154a8", "YubiKey 5 Series"),
    ("ee882879-721c-4913-9775-3dfcce97072a", "YubiKey 5 Series"),
    (
        "c5ef55ff-ad9a-4b9f-b580-adebafe026d0",
        "YubiKey 5 Series with Lightning",
    ),
    (
        "73bb0cd4-e502-49b8-9c6f-b59445bf720b",
        "YubiKey 5 FIPS Series",
    ),
    (
        "c1f9a0bc-1dd2-404a-b27f-8e29047a43fd",
        "YubiKey 5 FIPS Series with NFC",
    ),
    (
        "a4e9fc6d-4cbe-4758-b8ba-37598bb5bbaa",
        "Security Key NFC by Yubico",
    ),
    (
        "d8522d9f-575b-4866-88a9-ba99fa02f35b",
        "YubiKey Bio Series - FIDO Edition",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_aaguid_can_be_read() {
        assert_eq!(Models::new(&BTreeMap::new()).0.len(), KNOWN.len());
    }

    #[test]
    fn more_can_be_added() {
        let mine: Aaguid = "00000000-0000-0000-0000-000000000001".parse().unwrap();
        let models = Models::new(&BTreeMap::from([(mine, "Mine".to_owned())]));
        assert_eq!(models.name(mine), Some("Mine"));
    }
}
