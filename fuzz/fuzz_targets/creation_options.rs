//! Creation options as Microsoft Graph sends them, and the request that a key gets for them.

#![no_main]

use keywright_ctap::{AuthenticatorInfo, MakeCredentialRequest};
use keywright_webauthn::{Aaguid, PublicKeyCredentialCreationOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(options) = PublicKeyCredentialCreationOptions::from_graph_json(text) {
        let mut key = AuthenticatorInfo::new(vec!["FIDO_2_1".into()], Aaguid([0; 16]));
        key.extensions = vec!["credProtect".into(), "hmac-secret".into()];
        let _ = MakeCredentialRequest::from_options(&options, [0; 32], &key);
    }
});
