//! What a key answers to makeCredential, as WebAuthn wraps it. Decoding and encoding agree; verifying never panics.

#![no_main]

use keywright_webauthn::{
    AttestationObject, CollectedClientData, PublicKeyCredentialCreationOptions,
};
use keywright_webauthn::{RegistrationExpectations, verify_registration};
use libfuzzer_sys::fuzz_target;

const ORIGIN: &str = "https://login.microsoft.com";

const OPTIONS: &str = r#"{
    "challengeTimeoutDateTime": "2024-08-14T16:29:58Z",
    "publicKey": {
        "rp": { "id": "login.microsoft.com", "name": "Microsoft" },
        "user": { "id": "T0Y6Ehqp", "name": "kim@contoso.com", "displayName": "Kim User" },
        "challenge": "ZXlKaGJHY2lPaUpT",
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }, { "type": "public-key", "alg": -257 }],
        "authenticatorSelection": { "requireResidentKey": true, "userVerification": "required" }
    }
}"#;

fuzz_target!(|data: &[u8]| {
    if let Ok(object) = AttestationObject::decode(data) {
        let encoded = object.encode();
        assert_eq!(AttestationObject::decode(&encoded).as_ref(), Ok(&object));
    }
    let options =
        PublicKeyCredentialCreationOptions::from_graph_json(OPTIONS).expect("valid options");
    let client_data =
        CollectedClientData::for_registration(options.challenge.as_bytes(), ORIGIN).to_json();
    let expected = RegistrationExpectations::from_options(&options, ORIGIN);
    let _ = verify_registration(&client_data, data, &expected);
});
