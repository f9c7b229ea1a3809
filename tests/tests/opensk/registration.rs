//! From a relying party's options to a verified credential: what the other tests make credentials with.

use keywright_ctap::{
    Authenticator, ClientData, Downgrade, Error, GetAssertionRequest, GetAssertionResponse,
    HmacSecretSalts, MakeCredentialRequest, MakeCredentialResponse, NoSignal, Pin,
};
use keywright_webauthn::{
    Assertion, AuthenticationExpectations, CollectedClientData, PublicKeyCredentialCreationOptions,
    PublicKeyCredentialRequestOptions, RegistrationExpectations, StoredCredential,
    VerifiedRegistration, verify_authentication, verify_registration,
};

use super::device::Client;

pub const ORIGIN: &str = "https://login.microsoft.com";
pub const RP_ID: &str = "login.microsoft.com";

/// What Graph sends, for the user with this handle (base64url, so four letters are three bytes), with these further
/// members.
pub fn options(user: &str, further: &str) -> PublicKeyCredentialCreationOptions {
    PublicKeyCredentialCreationOptions::from_graph_json(&format!(
        r#"{{"@odata.context":"x","challengeTimeoutDateTime":"2030-01-01T00:00:00Z","publicKey":{{
            "rp":{{"id":"{RP_ID}","name":"Microsoft"}},
            "user":{{"id":"{user}","name":"{user}@contoso.com","displayName":"Ms. {user}"}},
            "challenge":"Y2hhbGxlbmdlLWNoYWxsZW5nZS0h",
            "pubKeyCredParams":[{{"type":"public-key","alg":-7}},{{"type":"public-key","alg":-257}}],
            "timeout":0,"attestation":"direct",
            "authenticatorSelection":{{"authenticatorAttachment":"cross-platform","requireResidentKey":true,
                                       "residentKey":"required","userVerification":"required"}}{further}}}}}"#
    ))
    .unwrap()
}

pub struct Registration {
    pub options: PublicKeyCredentialCreationOptions,
    pub request: MakeCredentialRequest,
    pub downgrades: Vec<Downgrade>,
    client_data: Vec<u8>,
}

impl Registration {
    pub fn of(options: PublicKeyCredentialCreationOptions, client: &mut Client) -> Self {
        let client_data =
            CollectedClientData::for_registration(options.challenge.as_ref(), ORIGIN).to_json();
        let info = client.info(&mut NoSignal).unwrap();
        let (request, downgrades) = MakeCredentialRequest::from_options(
            &options,
            ClientData::new(client_data.clone()),
            &info,
        )
        .unwrap();
        Self {
            options,
            request,
            downgrades,
            client_data,
        }
    }

    pub fn make(
        &self,
        client: &mut Client,
        pin: Option<&Pin>,
    ) -> Result<MakeCredentialResponse, Error> {
        client.make_credential(&self.request, pin, &mut NoSignal)
    }

    /// As the relying party would.
    pub fn verify(
        &self,
        response: &MakeCredentialResponse,
        anchors: Option<&[Vec<u8>]>,
    ) -> VerifiedRegistration {
        let mut expected = RegistrationExpectations::from_options(&self.options, ORIGIN);
        expected.trust_anchors = anchors;
        verify_registration(&self.client_data, &response.attestation_object(), &expected).unwrap()
    }

    pub fn make_verified(&self, client: &mut Client, pin: Option<&Pin>) -> VerifiedRegistration {
        let response = self.make(client, pin).unwrap();
        self.verify(&response, None)
    }
}

/// A registration with nothing special about it.
pub fn register(user: &str, client: &mut Client, pin: &Pin) -> VerifiedRegistration {
    Registration::of(options(user, ""), client).make_verified(client, Some(pin))
}

const ASSERTION_CHALLENGE: &str = "YW5vdGhlci1jaGFsbGVuZ2Ut";

pub fn assertion_request(
    allowed: &[&[u8]],
    hmac_secret: Option<HmacSecretSalts>,
) -> GetAssertionRequest {
    GetAssertionRequest {
        client_data: ClientData::new(assertion_client_data()),
        rp_id: RP_ID.to_owned(),
        allow_list: allowed.iter().map(|id| id.to_vec()).collect(),
        user_presence: true,
        user_verification: true,
        hmac_secret,
    }
}

/// As the relying party would.
pub fn verify_assertion(response: &GetAssertionResponse, registered: &VerifiedRegistration) {
    let options: PublicKeyCredentialRequestOptions = PublicKeyCredentialRequestOptions {
        challenge: ASSERTION_CHALLENGE.parse().unwrap(),
        timeout: None,
        rp_id: Some(RP_ID.to_owned()),
        allow_credentials: Vec::new(),
        user_verification: keywright_webauthn::UserVerificationRequirement::Required,
        hints: Vec::new(),
        extensions: Default::default(),
    };
    let client_data = assertion_client_data();
    let verified = verify_authentication(
        &Assertion {
            credential_id: &response.credential_id,
            client_data_json: &client_data,
            authenticator_data: &response.auth_data,
            signature: &response.signature,
            user_handle: response.user.as_ref().map(|user| user.id.as_slice()),
        },
        &StoredCredential {
            id: &registered.credential_id,
            public_key: &registered.public_key,
            sign_count: registered.sign_count,
            backup_eligible: None,
            user_handle: None,
        },
        &AuthenticationExpectations::from_options(&options, ORIGIN),
    )
    .unwrap();
    assert!(verified.flags.user_verified() && verified.flags.user_present());
}

fn assertion_client_data() -> Vec<u8> {
    let challenge: keywright_webauthn::Base64Url = ASSERTION_CHALLENGE.parse().unwrap();
    CollectedClientData::for_authentication(challenge.as_ref(), ORIGIN).to_json()
}
