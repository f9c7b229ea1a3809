//! Which requests the library can send as they are meant. It has no way to say the rest, and would send something else.

use ctap_hid_fido2::{
    fidokey::{
        CredentialExtension, CredentialSupportedKeyType, GetAssertionArgsBuilder,
        MakeCredentialArgsBuilder,
        credential_management::credential_management_params::CredentialProtectionPolicy,
    },
    public_key_credential_user_entity::PublicKeyCredentialUserEntity,
};
use keywright_ctap::{
    AuthenticatorInfo, Command, Error, GetAssertionRequest, MakeCredentialExtensions,
    MakeCredentialRequest, Pin, PinError, Result,
    message::{
        CborMessage, CredentialDescriptor, CredentialParameters, Options, RpEntity, UserEntity,
        make_credential,
    },
};

/// A `makeCredential` that the library can send.
#[derive(Debug, Clone)]
pub(crate) struct MakeCredential {
    rp_id: String,
    client_data: Vec<u8>,
    key_types: Vec<CredentialSupportedKeyType>,
    exclude_list: Vec<Vec<u8>>,
    user: PublicKeyCredentialUserEntity,
    resident_key: bool,
    extensions: Vec<CredentialExtension>,
}

impl MakeCredential {
    /// `None` when the library cannot, or cannot with this key: it knows two algorithms, no enterprise attestation, no choice
    /// of formats and no fingerprints; it hashes client data itself, writes a blank for a name that is missing, and cuts
    /// off what exceeds 5957 bytes.
    pub(crate) fn new(
        request: &MakeCredentialRequest,
        info: &AuthenticatorInfo,
        pin: Option<&Pin>,
    ) -> Option<Self> {
        let verified = verifies_as_meant(
            info,
            pin,
            request.user_verification,
            // §6.1.2: a protected key wants to verify its user, unless it says otherwise for what is not discoverable.
            info.option("makeCredUvNotRqd") != Some(true) || request.resident_key,
        );
        let named = !request.user_name.is_empty() && !request.user_display_name.is_empty();
        let plain = request.enterprise_attestation.is_none()
            && (request.attestation_formats.is_empty() || info.attestation_formats.is_empty());
        let at_once = list_fits(&request.exclude_list, info)
            && length(request) <= info.maximum_message_size().min(LONGEST);
        if !(verified && named && plain && at_once) {
            return None;
        }
        Some(Self {
            rp_id: request.rp_id.clone(),
            client_data: request.client_data.json()?.to_vec(),
            key_types: key_types(&request.algorithms, info)?,
            exclude_list: request.exclude_list.clone(),
            user: PublicKeyCredentialUserEntity::new(
                Some(&request.user_id),
                Some(&request.user_name),
                Some(&request.user_display_name),
            ),
            resident_key: request.resident_key,
            extensions: extensions(&request.extensions)?,
        })
    }

    /// In the library's terms.
    pub(crate) fn builder<'a>(&self, pin: Option<&'a str>) -> MakeCredentialArgsBuilder<'a> {
        let builder = MakeCredentialArgsBuilder::new(&self.rp_id, &self.client_data)
            .user_entity(&self.user)
            .without_pin_and_uv();
        let mut builder = match pin {
            Some(pin) => builder.pin(pin),
            None => builder,
        };
        if self.resident_key {
            builder = builder.resident_key();
        }
        if !self.extensions.is_empty() {
            builder = builder.extensions(&self.extensions);
        }
        for key_type in &self.key_types {
            builder = builder.key_type(*key_type);
        }
        for id in &self.exclude_list {
            builder = builder.exclude_authenticator(id);
        }
        builder
    }
}

/// A `getAssertion` that the library can send.
#[derive(Debug, Clone)]
pub(crate) struct GetAssertion {
    rp_id: String,
    client_data: Vec<u8>,
    allow_list: Vec<Vec<u8>>,
    user_presence: bool,
}

impl GetAssertion {
    /// `None` when the library cannot. It decrypts `hmac-secret` for the first of several credentials only, and prints a
    /// warning for the others: it is never asked to.
    pub(crate) fn new(
        request: &GetAssertionRequest,
        info: &AuthenticatorInfo,
        pin: Option<&Pin>,
    ) -> Option<Self> {
        let always = info.option("alwaysUv") == Some(true) && request.user_presence;
        let as_meant = verifies_as_meant(info, pin, request.user_verification, always)
            && request.hmac_secret.is_none()
            && list_fits(&request.allow_list, info);
        Some(Self {
            rp_id: request.rp_id.clone(),
            client_data: request.client_data.json()?.to_vec(),
            allow_list: request.allow_list.clone(),
            user_presence: request.user_presence,
        })
        .filter(|_| as_meant)
    }

    /// In the library's terms.
    pub(crate) fn builder<'a>(&self, pin: Option<&'a str>) -> GetAssertionArgsBuilder<'a> {
        let builder =
            GetAssertionArgsBuilder::new(&self.rp_id, &self.client_data).without_pin_and_uv();
        let mut builder = match pin {
            Some(pin) => builder.pin(pin),
            None => builder,
        };
        if !self.user_presence {
            builder = builder.without_up();
        }
        for id in &self.allow_list {
            builder = builder.add_credential_id(id);
        }
        builder
    }
}

/// Checked before the library is asked: it would send whatever fits into 64 bytes, and panic over the rest.
pub(crate) fn fits(pin: &Pin, info: &AuthenticatorInfo) -> Result<()> {
    let (code_points, minimum) = (pin.code_points(), info.minimum_pin_length());
    if code_points < minimum {
        return Err(PinError::TooShort {
            code_points,
            minimum,
        }
        .into());
    }
    match info.max_pin_length.map(usize::from) {
        Some(limit) if code_points > limit => Err(Error::Limit {
            what: "characters in a PIN",
            asked: code_points,
            limit,
        }),
        _ => Ok(()),
    }
}

/// What the library sends for an operation.
pub(crate) fn with_token(command: Command, has_pin: bool) -> &'static [Command] {
    match (command, has_pin) {
        (Command::MakeCredential, false) => &[Command::MakeCredential],
        (Command::MakeCredential, true) => &[
            Command::ClientPin,
            Command::ClientPin,
            Command::MakeCredential,
        ],
        (_, false) => &[Command::GetAssertion],
        (_, true) => &[
            Command::ClientPin,
            Command::ClientPin,
            Command::GetAssertion,
        ],
    }
}

/// The library verifies the user by a PIN or not at all. Whatever else there is to it, a missing PIN for example, is seen to
/// and said natively.
fn verifies_as_meant(
    info: &AuthenticatorInfo,
    pin: Option<&Pin>,
    wanted: bool,
    wanted_by_protected_keys: bool,
) -> bool {
    let has_pin = info.client_pin() == Some(true);
    let is_protected = has_pin || info.built_in_user_verification();
    match pin {
        Some(_) => has_pin && info.option("noMcGaPermissionsWithClientPin") != Some(true),
        None => {
            !wanted
                && info.option("alwaysUv") != Some(true)
                && !(is_protected && wanted_by_protected_keys)
        }
    }
}

/// A list that is longer than the key takes at once must be looked through beforehand, which the library does not do.
fn list_fits(ids: &[Vec<u8>], info: &AuthenticatorInfo) -> bool {
    let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    let longest = ids.iter().map(Vec::len).max().unwrap_or(0);
    let longest = u64::try_from(longest).unwrap_or(u64::MAX);
    let bytes: usize = ids.iter().map(|id| id.len() + DESCRIPTOR_HEAD).sum();
    count <= info.max_credential_count_in_list.unwrap_or(1).max(1)
        && info
            .max_credential_id_length
            .is_none_or(|limit| longest <= limit)
        && bytes + REST <= info.maximum_message_size()
}

/// The algorithms in the relying party's order, up to the first that the key is known to have: it would never come to those
/// behind.
fn key_types(
    algorithms: &[i64],
    info: &AuthenticatorInfo,
) -> Option<Vec<CredentialSupportedKeyType>> {
    let mut key_types = Vec::new();
    for algorithm in algorithms {
        key_types.push(match algorithm {
            -7 => CredentialSupportedKeyType::Ecdsa256,
            -8 => CredentialSupportedKeyType::Ed25519,
            _ => return None,
        });
        if info.algorithms.iter().any(|known| known.alg == *algorithm) {
            break;
        }
    }
    // Without any, the library asks for ES256.
    (!key_types.is_empty()).then_some(key_types)
}

/// In the order of canonical CBOR: the library sends them as they come.
fn extensions(wanted: &MakeCredentialExtensions) -> Option<Vec<CredentialExtension>> {
    let mut extensions = Vec::new();
    if let Some(blob) = &wanted.cred_blob {
        extensions.push(CredentialExtension::CredBlob((Some(blob.clone()), None)));
    }
    if let Some(level) = wanted.cred_protect {
        extensions.push(CredentialExtension::CredProtect(Some(match level {
            1 => CredentialProtectionPolicy::UserVerificationOptional,
            2 => CredentialProtectionPolicy::UserVerificationOptionalWithCredentialIdList,
            3 => CredentialProtectionPolicy::UserVerificationRequired,
            _ => return None,
        })));
    }
    if wanted.hmac_secret {
        extensions.push(CredentialExtension::HmacSecret(Some(true)));
    }
    if wanted.large_blob_key {
        extensions.push(CredentialExtension::LargeBlobKey((Some(true), None)));
    }
    if wanted.min_pin_length {
        extensions.push(CredentialExtension::MinPinLength((Some(true), None)));
    }
    Some(extensions)
}

/// Bytes of the message, by its equivalent.
fn length(request: &MakeCredentialRequest) -> usize {
    let message = make_credential::Request {
        client_data_hash: request.client_data.hash().to_vec(),
        rp: RpEntity {
            id: request.rp_id.clone(),
            name: Some(String::new()),
        },
        user: UserEntity {
            id: request.user_id.clone(),
            name: Some(request.user_name.clone()),
            display_name: Some(request.user_display_name.clone()),
        },
        pub_key_cred_params: request
            .algorithms
            .iter()
            .map(|algorithm| CredentialParameters::public_key(*algorithm))
            .collect(),
        exclude_list: request
            .exclude_list
            .iter()
            .map(|id| CredentialDescriptor::public_key(id.as_slice()))
            .collect(),
        extensions: make_credential::Extensions {
            cred_protect: request.extensions.cred_protect,
            hmac_secret: Some(request.extensions.hmac_secret),
            min_pin_length: Some(request.extensions.min_pin_length),
            cred_blob: request.extensions.cred_blob.clone(),
            large_blob_key: Some(request.extensions.large_blob_key),
            other: Vec::new(),
        },
        options: Options {
            rk: Some(request.resident_key),
            up: None,
            uv: Some(true),
        },
        pin_uv_auth_param: Some(vec![0; 32]),
        pin_uv_auth_protocol: Some(2),
        ..make_credential::Request::default()
    };
    1 + message.to_cbor().len()
}

/// What it sends to manage credentials.
pub(crate) const MANAGE: [Command; 3] = [
    Command::ClientPin,
    Command::ClientPin,
    Command::CredentialManagement,
];
/// What a message to the key can have at most: an initialization packet and 100 continuation packets.
const LONGEST: usize = 57 + 100 * 59;
/// `{"id": h'…', "type": "public-key"}` without the id.
const DESCRIPTOR_HEAD: usize = 24;
/// A `getAssertion` without its list: relying party id of at most 253 bytes, hash, options, authentication.
const REST: usize = 400;
