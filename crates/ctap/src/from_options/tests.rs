use keywright_webauthn::Aaguid;

use super::*;
use crate::message::CredentialParameters;

fn options(change: &str) -> PublicKeyCredentialCreationOptions {
    let text = format!(
        r#"{{"publicKey":{{"rp":{{"id":"login.microsoft.com","name":"Microsoft"}},
            "user":{{"id":"dXNlcg","name":"ada@contoso.com","displayName":"Ada"}},
            "challenge":"Y2hhbGxlbmdl","pubKeyCredParams":[{{"type":"public-key","alg":-257}},{{"type":"public-key","alg":-7}}],
            "timeout":0,"attestation":"direct"{change}}}}}"#
    );
    PublicKeyCredentialCreationOptions::from_graph_json(&text).unwrap()
}

fn info() -> AuthenticatorInfo {
    let mut info = AuthenticatorInfo::new(vec!["FIDO_2_1".into()], Aaguid([0; 16]));
    info.extensions = ["credProtect", "hmac-secret", "minPinLength"]
        .map(str::to_owned)
        .to_vec();
    info.options = [("rk", true), ("clientPin", true)]
        .map(|(name, on)| (name.to_owned(), on))
        .into();
    info.algorithms = vec![
        CredentialParameters::public_key(-7),
        CredentialParameters::public_key(-8),
    ];
    info
}

#[test]
fn what_graph_asks_for_becomes_what_a_key_can_do() {
    let options = options(
        r#","authenticatorSelection":{"residentKey":"required","userVerification":"required"},
           "extensions":{"hmacCreateSecret":true,"credentialProtectionPolicy":"userVerificationOptional",
                         "enforceCredentialProtectionPolicy":true,"minPinLength":true}"#,
    );
    let (request, downgrades) =
        MakeCredentialRequest::from_options(&options, [1; 32], &info()).unwrap();
    assert_eq!(downgrades, []);
    assert_eq!(request.rp_id, "login.microsoft.com");
    assert_eq!(request.user_id, b"user");
    assert_eq!(request.algorithms, [-7]);
    assert!(request.resident_key && request.user_verification);
    assert_eq!(
        request.extensions,
        MakeCredentialExtensions {
            cred_protect: Some(1),
            hmac_secret: true,
            min_pin_length: true,
            ..MakeCredentialExtensions::default()
        }
    );
}

#[test]
fn a_policy_is_enforced_only_where_it_protects() {
    let mut bare = info();
    bare.extensions.clear();
    let policy = |level: &str, enforce: bool| {
        options(&format!(
            r#","extensions":{{"credentialProtectionPolicy":"{level}","enforceCredentialProtectionPolicy":{enforce}}}"#
        ))
    };
    let (request, downgrades) = MakeCredentialRequest::from_options(
        &policy("userVerificationOptional", true),
        [0; 32],
        &bare,
    )
    .unwrap();
    assert_eq!(
        (request.extensions.cred_protect, downgrades),
        (None, vec![])
    );
    let (_, downgrades) = MakeCredentialRequest::from_options(
        &policy("userVerificationRequired", false),
        [0; 32],
        &bare,
    )
    .unwrap();
    assert_eq!(downgrades, [Downgrade::CredProtect { level: 3 }]);
    assert!(matches!(
        MakeCredentialRequest::from_options(
            &policy("userVerificationRequired", true),
            [0; 32],
            &bare
        ),
        Err(Error::Unsupported(_))
    ));
}

#[test]
fn what_the_key_cannot_do_is_told_or_refused() {
    let mut bare = info();
    bare.extensions.clear();
    bare.options.clear();
    bare.max_credential_id_length = Some(16);
    let wishes = options(
        r#","authenticatorSelection":{"residentKey":"preferred","userVerification":"preferred"},"attestation":"enterprise",
           "excludeCredentials":[{"type":"public-key","id":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}],
           "extensions":{"hmacCreateSecret":true,"minPinLength":true,"somethingNew":1}"#,
    );
    let (request, downgrades) =
        MakeCredentialRequest::from_options(&wishes, [0; 32], &bare).unwrap();
    assert!(!request.resident_key && !request.user_verification && request.exclude_list.is_empty());
    assert_eq!(
        downgrades,
        [
            Downgrade::ExcludedCredentials(1),
            Downgrade::HmacSecret,
            Downgrade::MinPinLength,
            Downgrade::UnknownExtension("somethingNew".into()),
            Downgrade::ResidentKey,
            Downgrade::UserVerification,
            Downgrade::EnterpriseAttestation,
        ]
    );

    let demands = options(r#","authenticatorSelection":{"residentKey":"required"}"#);
    assert!(matches!(
        MakeCredentialRequest::from_options(&demands, [0; 32], &bare),
        Err(Error::Unsupported("discoverable credentials"))
    ));
    let demands = options(r#","authenticatorSelection":{"userVerification":"required"}"#);
    assert!(matches!(
        MakeCredentialRequest::from_options(&demands, [0; 32], &bare),
        Err(Error::Unsupported("user verification"))
    ));
    bare.algorithms = vec![CredentialParameters::public_key(-8)];
    assert!(MakeCredentialRequest::from_options(&options(""), [0; 32], &bare).is_err());
}
