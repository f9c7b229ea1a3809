//! What checks ask of keys, and how what they answer is verified.

use keywright_ctap::{
    AuthenticatorInfo, ClientData, Error, GetAssertionRequest, GetAssertionResponse,
    MakeCredentialExtensions, MakeCredentialRequest, MakeCredentialResponse, NoSignal, Pin,
};
use keywright_webauthn::{
    Assertion, AuthenticationExpectations, CollectedClientData, CoseAlgorithm,
    PublicKeyCredentialCreationOptions, PublicKeyCredentialParameters,
    PublicKeyCredentialRequestOptions, RegistrationExpectations, StoredCredential,
    UserVerificationRequirement, VerifiedRegistration, verify_authentication, verify_registration,
};

use crate::scene::{Client, Failure, Outcome};

pub(super) const RP_ID: &str = "login.example.com";
pub(super) const PIN: &str = "583920";
const ORIGIN: &str = "https://login.example.com";
const CHALLENGE: &[u8] = b"a challenge of thirty-two bytes!";

pub(super) fn pin(text: &str) -> Outcome<Pin> {
    Ok(Pin::new(text)?)
}

/// A key with [`PIN`] set.
pub(super) fn with_pin(client: &mut Client) -> Outcome<Pin> {
    let pin = pin(PIN)?;
    client.set_pin(&pin, &mut NoSignal)?;
    Ok(pin)
}

pub(super) fn info(client: &mut Client) -> Outcome<AuthenticatorInfo> {
    Ok(client.info(&mut NoSignal)?)
}

/// What Entra ID asks for, for the user with this handle.
pub(super) fn registration(user: &[u8]) -> MakeCredentialRequest {
    let client_data = CollectedClientData::for_registration(CHALLENGE, ORIGIN).to_json();
    MakeCredentialRequest {
        client_data: ClientData::new(client_data),
        rp_id: RP_ID.to_owned(),
        rp_name: "Example".to_owned(),
        user_id: user.to_vec(),
        user_name: format!("{}@example.com", String::from_utf8_lossy(user)),
        user_display_name: "Ada Lovelace".to_owned(),
        algorithms: vec![CoseAlgorithm::ES256.0],
        exclude_list: Vec::new(),
        extensions: MakeCredentialExtensions::default(),
        resident_key: true,
        user_verification: true,
        enterprise_attestation: None,
        attestation_formats: Vec::new(),
    }
}

/// As the relying party would.
pub(super) fn verified(
    request: &MakeCredentialRequest,
    response: &MakeCredentialResponse,
) -> Outcome<VerifiedRegistration> {
    let options = PublicKeyCredentialCreationOptions {
        challenge: CHALLENGE.to_vec().into(),
        pub_key_cred_params: request
            .algorithms
            .iter()
            .map(|algorithm| PublicKeyCredentialParameters::new(CoseAlgorithm(*algorithm)))
            .collect(),
        ..PublicKeyCredentialCreationOptions::default()
    };
    let mut expected = RegistrationExpectations::from_options(&options, ORIGIN);
    expected.require_user_verification = true;
    let client_data = request
        .client_data
        .json()
        .ok_or_else(|| Failure::wrong("there is no client data"))?;
    verify_registration(client_data, &response.attestation_object(), &expected)
        .map_err(|error| Failure::Wrong(format!("the credential does not verify: {error}")))
}

/// Makes a credential and verifies it.
pub(super) fn register(
    client: &mut Client,
    user: &[u8],
    pin: &Pin,
) -> Outcome<VerifiedRegistration> {
    let request = registration(user);
    let response = client.make_credential(&request, Some(pin), &mut NoSignal)?;
    verified(&request, &response)
}

pub(super) fn assertion(allowed: &[&[u8]]) -> GetAssertionRequest {
    GetAssertionRequest {
        client_data: ClientData::new(assertion_client_data()),
        rp_id: RP_ID.to_owned(),
        allow_list: allowed.iter().map(|id| id.to_vec()).collect(),
        user_presence: true,
        user_verification: true,
        hmac_secret: None,
    }
}

/// As the relying party would.
pub(super) fn verify_assertion(
    response: &GetAssertionResponse,
    registered: &VerifiedRegistration,
) -> Outcome {
    let options = PublicKeyCredentialRequestOptions {
        challenge: CHALLENGE.to_vec().into(),
        timeout: None,
        rp_id: Some(RP_ID.to_owned()),
        allow_credentials: Vec::new(),
        user_verification: UserVerificationRequirement::Required,
        hints: Vec::new(),
        extensions: Default::default(),
    };
    let client_data = assertion_client_data();
    verify_authentication(
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
    .map(drop)
    .map_err(|error| Failure::Wrong(format!("the assertion does not verify: {error}")))
}

pub(super) fn unexpected<T>(outcome: Result<T, Error>, wanted: &str) -> Failure {
    match outcome {
        Ok(_) => Failure::Wrong(format!("success instead of {wanted}")),
        Err(error) => Failure::Wrong(format!("instead of {wanted}: {error}")),
    }
}

fn assertion_client_data() -> Vec<u8> {
    CollectedClientData::for_authentication(CHALLENGE, ORIGIN).to_json()
}
