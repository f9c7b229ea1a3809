//! What goes to the API and what comes back, in owned and portable form.

use std::time::Duration;

use keywright_ctap::{Error, GetAssertionRequest, MakeCredentialExtensions, MakeCredentialRequest};

/// A credential to make: the arguments of `WebAuthNAuthenticatorMakeCredential`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremony {
    /// Client data; Windows hashes it by itself.
    pub client_data_json: Vec<u8>,
    /// Relying party identifier.
    pub rp_id: String,
    /// The relying party's name.
    pub rp_name: String,
    /// User handle.
    pub user_id: Vec<u8>,
    /// Account name.
    pub user_name: String,
    /// The person's name.
    pub user_display_name: String,
    /// COSE algorithms, the favourite first.
    pub algorithms: Vec<i32>,
    /// Credentials that must not be on the key.
    pub exclude_list: Vec<Vec<u8>>,
    /// Make it discoverable.
    pub resident_key: bool,
    /// Verify the user.
    pub user_verification: bool,
    /// 0 none, 1 vendor-facilitated, 2 platform-managed.
    pub enterprise_attestation: u8,
    /// `credProtect` level.
    pub cred_protect: Option<u8>,
    /// `hmac-secret`
    pub hmac_secret: bool,
    /// `minPinLength`
    pub min_pin_length: bool,
    /// After which Windows gives up.
    pub timeout: Duration,
}

impl Ceremony {
    /// Of a request, as far as Windows can carry it out.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for what it cannot, [`Error::Options`] for what no key can.
    pub fn of(request: &MakeCredentialRequest, timeout: Duration) -> Result<Self, Error> {
        let MakeCredentialExtensions {
            cred_protect,
            hmac_secret,
            min_pin_length,
            cred_blob,
            large_blob_key,
        } = &request.extensions;
        if cred_blob.is_some() || *large_blob_key {
            return Err(Error::Unsupported(
                "blobs when it is reached through Windows",
            ));
        }
        // Windows takes 32 bits; no algorithm that anybody has implemented needs more.
        let algorithms: Vec<i32> = request
            .algorithms
            .iter()
            .filter_map(|algorithm| i32::try_from(*algorithm).ok())
            .collect();
        if algorithms.is_empty() {
            return Err(Error::Options("they name no algorithm that Windows takes"));
        }
        Ok(Self {
            client_data_json: json(request.client_data.json())?,
            rp_id: request.rp_id.clone(),
            rp_name: request.rp_name.clone(),
            user_id: request.user_id.clone(),
            user_name: request.user_name.clone(),
            user_display_name: request.user_display_name.clone(),
            algorithms,
            exclude_list: request.exclude_list.clone(),
            resident_key: request.resident_key,
            user_verification: request.user_verification,
            enterprise_attestation: request.enterprise_attestation.unwrap_or(0),
            cred_protect: *cred_protect,
            hmac_secret: *hmac_secret,
            min_pin_length: *min_pin_length,
            timeout,
        })
    }
}

/// What making a credential came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The attestation object, as canonical CBOR.
    pub attestation_object: Vec<u8>,
    /// Whether it is an enterprise attestation.
    pub enterprise_attestation: bool,
}

/// An assertion to make: the arguments of `WebAuthNAuthenticatorGetAssertion`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// Client data; Windows hashes it by itself.
    pub client_data_json: Vec<u8>,
    /// Relying party identifier.
    pub rp_id: String,
    /// Acceptable credentials; empty for discoverable ones.
    pub allow_list: Vec<Vec<u8>>,
    /// Verify the user.
    pub user_verification: bool,
    /// After which Windows gives up.
    pub timeout: Duration,
}

impl Signing {
    /// Of a request, as far as Windows can carry it out.
    ///
    /// # Errors
    /// As [`Ceremony::of`].
    pub fn of(request: &GetAssertionRequest, timeout: Duration) -> Result<Self, Error> {
        if !request.user_presence {
            return Err(Error::Unsupported(
                "being asked without a touch when it is reached through Windows",
            ));
        }
        if request.hmac_secret.is_some() {
            return Err(Error::Unsupported(
                "the salts of hmac-secret when it is reached through Windows",
            ));
        }
        Ok(Self {
            client_data_json: json(request.client_data.json())?,
            rp_id: request.rp_id.clone(),
            allow_list: request.allow_list.clone(),
            user_verification: request.user_verification,
            timeout,
        })
    }
}

/// An assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Which credential signed.
    pub credential_id: Vec<u8>,
    /// Authenticator data.
    pub auth_data: Vec<u8>,
    /// Signature.
    pub signature: Vec<u8>,
    /// User handle, empty where the key does not tell it.
    pub user_id: Vec<u8>,
}

fn json(json: Option<&[u8]>) -> Result<Vec<u8>, Error> {
    json.map(<[u8]>::to_vec).ok_or(Error::Options(
        "Windows wants the client data itself, and only their hash is known",
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

    use keywright_ctap::ClientData;

    use super::*;

    fn request() -> MakeCredentialRequest {
        MakeCredentialRequest {
            client_data: ClientData::new("{}"),
            rp_id: "login.example.com".to_owned(),
            rp_name: "Example".to_owned(),
            user_id: vec![1; 64],
            user_name: "ada@example.com".to_owned(),
            user_display_name: "Ada".to_owned(),
            algorithms: vec![-7, -257],
            exclude_list: vec![vec![2; 16]],
            extensions: MakeCredentialExtensions {
                cred_protect: Some(2),
                hmac_secret: true,
                ..MakeCredentialExtensions::default()
            },
            resident_key: true,
            user_verification: true,
            enterprise_attestation: Some(2),
            attestation_formats: Vec::new(),
        }
    }

    #[test]
    fn a_ceremony_has_all_that_was_asked_for() {
        let ceremony = Ceremony::of(&request(), Duration::from_secs(120)).unwrap();
        assert_eq!(ceremony.client_data_json, b"{}");
        assert_eq!(ceremony.algorithms, [-7, -257]);
        assert_eq!(ceremony.exclude_list, [vec![2; 16]]);
        assert_eq!(
            (ceremony.cred_protect, ceremony.enterprise_attestation),
            (Some(2), 2)
        );
        assert!(ceremony.resident_key && ceremony.user_verification && ceremony.hmac_secret);
        assert!(!ceremony.min_pin_length);
        assert_eq!(ceremony.timeout, Duration::from_secs(120));
    }

    #[test]
    fn what_windows_cannot_carry_out_is_refused_beforehand() {
        let refused = |change: fn(&mut MakeCredentialRequest)| {
            let mut request = request();
            change(&mut request);
            Ceremony::of(&request, Duration::from_secs(1)).unwrap_err()
        };
        assert!(matches!(
            refused(|request| request.extensions.cred_blob = Some(vec![1])),
            Error::Unsupported(_)
        ));
        assert!(matches!(
            refused(|request| request.algorithms = vec![i64::MAX]),
            Error::Options(_)
        ));
        assert!(matches!(
            refused(|request| request.client_data = [0; 32].into()),
            Error::Options(_)
        ));
    }
}
