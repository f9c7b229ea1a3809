//! CTAP 2.2 section 6.1 `authenticatorMakeCredential`.

use aws_lc_rs::digest::{SHA256, digest};
use keywright_ctap::{
    StatusCode,
    message::{
        self,
        client_pin::Permissions,
        make_credential::{Request, Response},
    },
};
use keywright_webauthn::{
    AttestedCredentialData, AuthenticatorData, AuthenticatorDataFlags, CoseAlgorithm, cbor::Value,
};

use super::get_info::{MAX_CREDENTIAL_ID_LENGTH, MAX_CREDENTIALS_IN_LIST};
use crate::{
    credential::{self, ALGORITHMS, PrivateKey, Usable},
    key::{VirtualKey, touched},
    presence::Presence,
    secret::Secret,
    session::checked_protocol,
    state::{HmacSecrets, ResidentCredential},
};

/// The size of a credential's id that says nothing: it only has to be unlike all others.
const RESIDENT_ID_LENGTH: usize = 32;

impl VirtualKey {
    pub(crate) fn make_credential(
        &mut self,
        request: &Request,
        presence: &mut dyn Presence,
    ) -> Result<Vec<u8>, StatusCode> {
        // "1. If authenticator supports clientPin features and the platform sends a zero length
        // pinUvAuthParam" it asks which key the user means.
        self.answer_selection_by_empty_param(request.pin_uv_auth_param.as_deref(), presence)?;
        // "2. If the pinUvAuthParam parameter is present: If the pinUvAuthProtocol parameter's
        // value is not supported, return CTAP1_ERR_INVALID_PARAMETER error. If it is absent, return
        // CTAP2_ERR_MISSING_PARAMETER error."
        if request.pin_uv_auth_param.is_some() {
            checked_protocol(request.pin_uv_auth_protocol)?;
        }
        // "3. Validate pubKeyCredParams": the first of the platform's that is ours.
        let algorithm = choose_algorithm(request)?;
        let resident = self.check_make_options(request)?;
        check_sizes(request)?;
        let enterprise = self.check_enterprise_attestation(request)?;
        let rp_id_hash = rp_id_hash(&request.rp.id);
        let verified = self.verify_user_for_creation(request, resident)?;
        self.refuse_excluded(request, &rp_id_hash, verified, presence)?;
        // "14. If the up option is set to true: … wait for user presence."
        touched(presence)?;
        // "… Call clearUserPresentFlag(), clearUserVerifiedFlag(), and
        // clearPinUvAuthTokenPermissionsExceptLbw()."
        self.session.spend_token();

        let extensions = self.process_extensions(request)?;
        let (private_key, public_key) =
            PrivateKey::generate(algorithm).map_err(|_| StatusCode::Unspecified)?;
        let credential_id = if resident {
            self.store(request, private_key, &extensions)?
        } else {
            credential::wrap(
                &self.state.wrapping_key,
                &rp_id_hash,
                &private_key,
                extensions.cred_protect,
                extensions.hmac_secret,
            )?
        };
        let mut flags = AuthenticatorDataFlags::USER_PRESENT;
        if verified {
            flags |= AuthenticatorDataFlags::USER_VERIFIED;
        }
        let auth_data = AuthenticatorData {
            rp_id_hash,
            flags: AuthenticatorDataFlags(flags),
            sign_count: self.state.sign_count,
            attested_credential_data: Some(AttestedCredentialData {
                aaguid: self.state.aaguid,
                credential_id,
                credential_public_key: public_key,
            }),
            extensions: extensions.outputs,
        }
        .encode()
        .map_err(|_| StatusCode::Unspecified)?;
        let signed_data = [auth_data.as_slice(), &request.client_data_hash].concat();
        Ok(message::ok(&Response {
            fmt: "packed".to_owned(),
            att_stmt: self.state.attestation.attest(&signed_data, enterprise)?,
            auth_data,
            ep_att: enterprise.then_some(true),
            large_blob_key: None,
            unsigned_extension_outputs: None,
        }))
    }

    /// The legacy way of selecting a key: "wait for user presence … If the authenticator's PIN is
    /// set, return CTAP2_ERR_PIN_INVALID, otherwise CTAP2_ERR_PIN_NOT_SET."
    pub(super) fn answer_selection_by_empty_param(
        &self,
        param: Option<&[u8]>,
        presence: &mut dyn Presence,
    ) -> Result<(), StatusCode> {
        if param.is_none_or(|param| !param.is_empty()) {
            return Ok(());
        }
        touched(presence)?;
        Err(if self.state.pin.is_some() {
            StatusCode::PinInvalid
        } else {
            StatusCode::PinNotSet
        })
    }

    /// "5. If the options parameter is present, process all option keys and values present in the
    /// parameter." Tells whether the credential has to be discoverable.
    fn check_make_options(&self, request: &Request) -> Result<bool, StatusCode> {
        // "If the pinUvAuthParam is present, let the "uv" option key be treated as being present
        // with the value false." "If the uv option is true and the authenticator does not support a
        // built-in user verification method, … return CTAP2_ERR_INVALID_OPTION."
        if request.options.uv == Some(true) && request.pin_uv_auth_param.is_none() {
            return Err(StatusCode::InvalidOption);
        }
        // "If the up option is present and false, end the operation by returning
        // CTAP2_ERR_INVALID_OPTION."
        if request.options.up == Some(false) {
            return Err(StatusCode::InvalidOption);
        }
        // "If the rk option is present and true, and the authenticator does not support it, return
        // CTAP2_ERR_UNSUPPORTED_OPTION."
        let resident = request.options.rk == Some(true);
        if resident && !self.state.features.resident_keys {
            return Err(StatusCode::UnsupportedOption);
        }
        Ok(resident)
    }

    /// "9. If the enterpriseAttestation parameter is present": tells whether an enterprise
    /// attestation is due.
    fn check_enterprise_attestation(&self, request: &Request) -> Result<bool, StatusCode> {
        let Some(level) = request.enterprise_attestation else {
            return Ok(false);
        };
        // "If the authenticator is not enterprise attestation capable, or the authenticator is
        // enterprise attestation capable but enterprise attestation is disabled, then end the
        // operation by returning CTAP1_ERR_INVALID_PARAMETER."
        if !self.state.features.enterprise_attestation() || !self.state.enterprise_attestation {
            return Err(StatusCode::InvalidParameter);
        }
        match level {
            // Vendor-facilitated: for relying parties that the vendor has put into the key. There
            // are none in this one, and then the attestation is the usual one.
            1 => Ok(false),
            // Platform-managed.
            2 => Ok(true),
            // "If the value of the enterpriseAttestation parameter is not 1 or 2, then … return
            // CTAP2_ERR_INVALID_OPTION."
            _ => Err(StatusCode::InvalidOption),
        }
    }

    /// "6." to "11.": whether the user has to be verified, and has been.
    fn verify_user_for_creation(
        &mut self,
        request: &Request,
        resident: bool,
    ) -> Result<bool, StatusCode> {
        let Some(param) = &request.pin_uv_auth_param else {
            // "If the alwaysUv option ID is present and true, … let the makeCredUvNotRqd option ID
            // be treated as false": without a PIN to verify with, there is nothing to be had from
            // this key.
            let always = self.state.always_uv;
            // "If the makeCredUvNotRqd option ID is present and true: … the authenticator is
            // protected by some form of user verification, … the rk option is true: return
            // CTAP2_ERR_PUAT_REQUIRED". A CTAP 2.0 key wants it for every credential.
            let needed = resident || !self.state.features.fido_2_1;
            return if always || (self.state.pin.is_some() && needed) {
                Err(StatusCode::PuatRequired)
            } else {
                Ok(false)
            };
        };
        if self.state.pin.is_none() {
            return Err(StatusCode::PinNotSet);
        }
        // "Call verify(pinUvAuthToken, clientDataHash, pinUvAuthParam). If the verification returns
        // error, … return CTAP2_ERR_PIN_AUTH_INVALID. Verify that the pinUvAuthToken has the mc
        // permission. If the pinUvAuthToken has a permissions RP ID associated: If the permissions
        // RP ID does not match the rp.id in this request, … CTAP2_ERR_PIN_AUTH_INVALID."
        let token = self.session.authorise(
            request.pin_uv_auth_protocol,
            &request.client_data_hash,
            param,
            Permissions::MAKE_CREDENTIAL,
        )?;
        token.bind(&request.rp.id)?;
        // "Let userVerifiedFlagValue be the result of calling getUserVerifiedFlagValue(). If
        // userVerifiedFlagValue is false then … return CTAP2_ERR_PIN_AUTH_INVALID."
        if token.user_verified() {
            Ok(true)
        } else {
            Err(StatusCode::PinAuthInvalid)
        }
    }

    /// "12. If the excludeList parameter is present"
    fn refuse_excluded(
        &mut self,
        request: &Request,
        rp_id_hash: &[u8; 32],
        verified: bool,
        presence: &mut dyn Presence,
    ) -> Result<(), StatusCode> {
        if request.exclude_list.len() > MAX_CREDENTIALS_IN_LIST {
            return Err(StatusCode::LimitExceeded);
        }
        // "… if the credential's credProtect value is not userVerificationRequired, or it is and
        // the user is verified"
        let excluded = request
            .exclude_list
            .iter()
            .filter(|descriptor| descriptor.is_public_key())
            .filter_map(|descriptor| self.find(&request.rp.id, rp_id_hash, &descriptor.id))
            .any(|credential| credential.cred_protect != 3 || verified);
        if !excluded {
            return Ok(());
        }
        // "… wait for user presence … terminate this procedure and return error code
        // CTAP2_ERR_CREDENTIAL_EXCLUDED."
        touched(presence)?;
        self.session.spend_token();
        Err(StatusCode::CredentialExcluded)
    }

    /// A credential of this relying party by its id.
    pub(super) fn find(&self, rp_id: &str, rp_id_hash: &[u8; 32], id: &[u8]) -> Option<Usable> {
        if id.len() > MAX_CREDENTIAL_ID_LENGTH {
            return None;
        }
        self.state
            .credentials
            .iter()
            .find(|credential| credential.rp_id == rp_id && credential.id.as_bytes() == id)
            .map(Usable::from)
            .or_else(|| credential::unwrap(&self.state.wrapping_key, rp_id_hash, id))
    }

    /// Extension inputs to outputs (section 12).
    fn process_extensions(&self, request: &Request) -> Result<Extensions, StatusCode> {
        let inputs = &request.extensions;
        let features = self.state.features;
        let mut outputs = Vec::new();
        let cred_protect = match inputs.cred_protect.filter(|_| features.fido_2_1) {
            None => 1,
            // Section 12.1: "credProtect: valid values are 0x01, 0x02 and 0x03."
            Some(level @ 1..=3) => {
                outputs.push(("credProtect".into(), Value::from(level)));
                level
            }
            Some(_) => return Err(StatusCode::InvalidOption),
        };
        let hmac_secret = inputs.hmac_secret == Some(true);
        if hmac_secret {
            outputs.push(("hmac-secret".into(), Value::from(true)));
        }
        // Section 12.5: "… if the RP ID is present in the authenticator's list of
        // minPinLengthRPIDs, … the current minimum PIN length. Otherwise the authenticator ignores
        // the extension."
        let may_know = self.state.min_pin_length_rp_ids.contains(&request.rp.id);
        if inputs.min_pin_length == Some(true) && features.set_min_pin_length() && may_know {
            outputs.push((
                "minPinLength".into(),
                Value::from(self.state.min_pin_length),
            ));
        }
        Ok(Extensions {
            cred_protect,
            hmac_secret,
            outputs: (!outputs.is_empty()).then_some(Value::Map(outputs)),
        })
    }

    /// "17. If the rk option is set to true": stores the credential and gives its id.
    fn store(
        &mut self,
        request: &Request,
        private_key: PrivateKey,
        extensions: &Extensions,
    ) -> Result<Vec<u8>, StatusCode> {
        let random = |length| Secret::random(length).map_err(|_| StatusCode::Unspecified);
        let id = random(RESIDENT_ID_LENGTH)?.expose().to_vec();
        let hmac_secret = if extensions.hmac_secret {
            Some(HmacSecrets {
                with_uv: random(32)?,
                without_uv: random(32)?,
            })
        } else {
            None
        };
        let mut next = self.state.clone();
        // "If a credential for the same rp.id and account ID already exists on the authenticator,
        // overwrite that credential."
        next.credentials.retain(|credential| {
            credential.rp_id != request.rp.id || credential.user_id.as_bytes() != request.user.id
        });
        // "If the authenticator does not have enough internal storage to persist the new
        // credential, return CTAP2_ERR_KEY_STORE_FULL."
        if next.remaining_credentials() == 0 {
            return Err(StatusCode::KeyStoreFull);
        }
        next.credentials.push(ResidentCredential {
            id: id.clone().into(),
            private_key,
            rp_id: request.rp.id.clone(),
            rp_name: request.rp.name.clone(),
            user_id: request.user.id.clone().into(),
            user_name: request.user.name.clone(),
            user_display_name: request.user.display_name.clone(),
            cred_protect: extensions.cred_protect,
            hmac_secret,
        });
        self.commit(next)?;
        Ok(id)
    }
}

/// What becomes of the extensions of one request.
struct Extensions {
    cred_protect: u8,
    hmac_secret: bool,
    outputs: Option<Value>,
}

fn choose_algorithm(request: &Request) -> Result<CoseAlgorithm, StatusCode> {
    request
        .pub_key_cred_params
        .iter()
        .filter(|parameters| parameters.is_public_key())
        .map(|parameters| CoseAlgorithm(parameters.alg))
        .find(|algorithm| ALGORITHMS.contains(algorithm))
        .ok_or(StatusCode::UnsupportedAlgorithm)
}

fn check_sizes(request: &Request) -> Result<(), StatusCode> {
    // Section 6.1: "clientDataHash: Hash of the ClientData", which is SHA-256. WebAuthn Level 3
    // section 5.4.3: a user handle is "an opaque byte sequence with a maximum size of 64 bytes".
    let fits = request.client_data_hash.len() == 32
        && request.user.id.len() <= 64
        && !request.rp.id.is_empty();
    if fits {
        Ok(())
    } else {
        Err(StatusCode::InvalidParameter)
    }
}

pub(crate) fn rp_id_hash(rp_id: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.iter_mut()
        .zip(digest(&SHA256, rp_id.as_bytes()).as_ref())
        .for_each(|(slot, byte)| *slot = *byte);
    hash
}
