//! Credentials: made, used, listed, deleted.

use keywright_ctap::{
    Authenticator, ClientData, Command, Ctap2, DeviceIdentity, GetAssertionRequest,
    GetAssertionResponse, HmacSecretSalts, MakeCredentialExtensions, MakeCredentialResponse,
    NoSignal, Signal, StatusCode, Transport, TransportError,
};
use keywright_virtual_key::{
    ATTESTATION_ROOT, KeyOptions, VIRTUAL_KEY_AAGUID, VirtualKey, VirtualTransport,
};
use keywright_webauthn::{
    AttestationType, AuthenticatorData, CollectedClientData, CoseAlgorithm,
    RegistrationExpectations, Trust, cbor::Value, verify_registration,
};

use crate::{Client, PIN, RP, client, client_with_pin, make, pin, refused_with, request};

fn credential_id(answer: &MakeCredentialResponse) -> Vec<u8> {
    AuthenticatorData::parse(&answer.auth_data)
        .unwrap()
        .attested_credential_data
        .unwrap()
        .credential_id
}

fn assertion_request(allow_list: Vec<Vec<u8>>) -> GetAssertionRequest {
    GetAssertionRequest {
        client_data: [9; 32].into(),
        rp_id: RP.to_owned(),
        allow_list,
        user_presence: true,
        user_verification: true,
        hmac_secret: None,
    }
}

fn assert_with_pin(
    client: &mut Client,
    request: &GetAssertionRequest,
) -> Vec<GetAssertionResponse> {
    client
        .get_assertion(request, Some(&pin(PIN)), &mut NoSignal)
        .unwrap()
}

#[test]
fn a_relying_party_accepts_the_attestation_of_either_algorithm() {
    for algorithm in [CoseAlgorithm::ES256, CoseAlgorithm::EDDSA] {
        let mut client = client_with_pin();
        let challenge = b"challenge";
        let client_data =
            CollectedClientData::for_registration(challenge, "https://login.example.com").to_json();
        let mut asking = request(1);
        asking.algorithms = vec![-257, algorithm.0];
        asking.client_data = ClientData::new(client_data.clone());
        let answer = make(&mut client, &asking).unwrap();
        let anchors = [ATTESTATION_ROOT.to_vec()];
        let options = keywright_webauthn::PublicKeyCredentialCreationOptions {
            challenge: challenge.to_vec().into(),
            pub_key_cred_params: vec![keywright_webauthn::PublicKeyCredentialParameters::new(
                algorithm,
            )],
            ..Default::default()
        };
        let mut expected =
            RegistrationExpectations::from_options(&options, "https://login.example.com");
        expected.require_user_verification = true;
        expected.trust_anchors = Some(&anchors);
        let verified =
            verify_registration(&client_data, &answer.attestation_object(), &expected).unwrap();
        assert_eq!(verified.attestation_type, AttestationType::Basic);
        assert_eq!(verified.trust, Trust::Root);
        assert_eq!(verified.aaguid, VIRTUAL_KEY_AAGUID);

        let assertion = assert_with_pin(&mut client, &assertion_request(Vec::new())).remove(0);
        let signed = [assertion.auth_data.as_slice(), &[9; 32]].concat();
        verified
            .public_key
            .verify(&signed, &assertion.signature)
            .unwrap();
        assert!(
            AuthenticatorData::parse(&assertion.auth_data)
                .unwrap()
                .sign_count
                > verified.sign_count
        );
    }
}

#[test]
fn an_unknown_algorithm_is_refused() {
    let mut client = client_with_pin();
    let mut asking = request(1);
    asking.algorithms = vec![-257];
    assert!(make(&mut client, &asking).is_err());
}

#[test]
fn the_same_user_is_overwritten_and_a_full_key_says_so() {
    let mut client = client(&KeyOptions {
        capacity: 2,
        pin: Some(pin(PIN)),
        ..KeyOptions::default()
    });
    let first = credential_id(&make(&mut client, &request(1)).unwrap());
    make(&mut client, &request(2)).unwrap();
    let again = credential_id(&make(&mut client, &request(1)).unwrap());
    assert_ne!(first, again);
    let slots = client.credential_slots(&pin(PIN), &mut NoSignal).unwrap();
    assert_eq!((slots.existing, slots.remaining), (2, 0));
    refused_with(make(&mut client, &request(3)), StatusCode::KeyStoreFull);
    assert_eq!(
        client
            .info(&mut NoSignal)
            .unwrap()
            .remaining_discoverable_credentials,
        Some(0)
    );
}

#[test]
fn excluded_credentials_are_found_wherever_they_are_kept() {
    let mut client = client_with_pin();
    for resident in [true, false] {
        let mut asking = request(1);
        asking.resident_key = resident;
        let id = credential_id(&make(&mut client, &asking).unwrap());
        assert!(id.len() <= 128);
        asking.exclude_list = vec![vec![0; 32], id];
        refused_with(make(&mut client, &asking), StatusCode::CredentialExcluded);
        // Of another relying party it is not.
        asking.rp_id = "other.example".to_owned();
        make(&mut client, &asking).unwrap();
    }
}

#[test]
fn credentials_are_found_according_to_their_protection() {
    for (level, found_by_id, found_without) in
        [(1, true, true), (2, true, false), (3, false, false)]
    {
        let mut client = client_with_pin();
        let mut asking = request(1);
        asking.extensions = MakeCredentialExtensions {
            cred_protect: Some(level),
            ..Default::default()
        };
        let answer = make(&mut client, &asking).unwrap();
        let outputs = AuthenticatorData::parse(&answer.auth_data)
            .unwrap()
            .extensions;
        assert_eq!(
            outputs,
            Some(Value::Map(vec![("credProtect".into(), level.into())]))
        );
        let mut unverified = assertion_request(vec![credential_id(&answer)]);
        unverified.user_verification = false;
        let found = client
            .get_assertion(&unverified, None, &mut NoSignal)
            .is_ok();
        assert_eq!(found, found_by_id, "level {level}, by id");
        unverified.allow_list.clear();
        let found = client
            .get_assertion(&unverified, None, &mut NoSignal)
            .is_ok();
        assert_eq!(found, found_without, "level {level}, without id");
        assert_eq!(
            assert_with_pin(&mut client, &assertion_request(Vec::new())).len(),
            1
        );
        let listed = client.credentials(&pin(PIN), &mut NoSignal).unwrap();
        assert_eq!(listed[0].cred_protect, Some(level));
    }
}

#[test]
fn hmac_secrets_depend_on_the_salt_the_credential_and_the_verification() {
    let mut client = client_with_pin();
    let mut asking = request(1);
    asking.extensions = MakeCredentialExtensions {
        hmac_secret: true,
        ..Default::default()
    };
    for resident in [true, false] {
        asking.resident_key = resident;
        let id = credential_id(&make(&mut client, &asking).unwrap());
        let mut asserting = assertion_request(vec![id]);
        asserting.hmac_secret = Some(HmacSecretSalts {
            first: [1; 32],
            second: Some([2; 32]),
        });
        let both = assert_with_pin(&mut client, &asserting)
            .remove(0)
            .hmac_secrets;
        assert_eq!(both.len(), 2);
        assert_ne!(both[0], both[1]);
        asserting.hmac_secret = Some(HmacSecretSalts {
            first: [2; 32],
            second: None,
        });
        let one = assert_with_pin(&mut client, &asserting)
            .remove(0)
            .hmac_secrets;
        assert_eq!(one[0], both[1]);
        asserting.user_verification = false;
        let unverified = client
            .get_assertion(&asserting, None, &mut NoSignal)
            .unwrap()
            .remove(0)
            .hmac_secrets;
        assert_ne!(unverified[0], one[0]);
    }
}

#[test]
fn several_accounts_come_newest_first_and_by_name() {
    let mut client = client_with_pin();
    for user in 1..=3 {
        make(&mut client, &request(user)).unwrap();
    }
    let assertions = assert_with_pin(&mut client, &assertion_request(Vec::new()));
    let users: Vec<_> = assertions
        .iter()
        .map(|assertion| assertion.user.clone().unwrap())
        .collect();
    assert_eq!(
        users.iter().map(|user| user.id[0]).collect::<Vec<_>>(),
        [3, 2, 1]
    );
    assert_eq!(users[0].name.as_deref(), Some("user3@example.com"));
    let mut unverified = assertion_request(Vec::new());
    unverified.user_verification = false;
    let assertions = client
        .get_assertion(&unverified, None, &mut NoSignal)
        .unwrap();
    assert!(
        assertions
            .iter()
            .all(|assertion| assertion.user.as_ref().unwrap().name.is_none())
    );
}

#[test]
fn credentials_are_listed_and_deleted() {
    let mut client = client_with_pin();
    assert!(
        client
            .credentials(&pin(PIN), &mut NoSignal)
            .unwrap()
            .is_empty()
    );
    for (user, rp_id) in [(1, RP), (2, RP), (1, "other.example")] {
        let mut asking = request(user);
        asking.rp_id = rp_id.to_owned();
        make(&mut client, &asking).unwrap();
    }
    let listed = client.credentials(&pin(PIN), &mut NoSignal).unwrap();
    let mut places: Vec<_> = listed
        .iter()
        .map(|one| (one.rp_id.as_str(), one.user_id[0]))
        .collect();
    places.sort_unstable();
    assert_eq!(places, [(RP, 1), (RP, 2), ("other.example", 1)]);
    client
        .delete_credential(&listed[0].credential_id, &pin(PIN), &mut NoSignal)
        .unwrap();
    assert!(
        client
            .delete_credential(&listed[0].credential_id, &pin(PIN), &mut NoSignal)
            .is_err()
    );
    assert_eq!(
        client.credentials(&pin(PIN), &mut NoSignal).unwrap().len(),
        2
    );
    let slots = client.credential_slots(&pin(PIN), &mut NoSignal).unwrap();
    assert_eq!((slots.existing, slots.remaining), (2, 48));
}

/// A client that knows the preview of credential management only, as libfido2 did until 1.15.
struct PreviewOnly(VirtualTransport);

impl Transport for PreviewOnly {
    fn transact(
        &mut self,
        request: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        let mut request = request.to_vec();
        if request[0] == Command::CredentialManagement.code() {
            request[0] = Command::CredentialManagementPreview.code();
        }
        self.0.transact(&request, signal)
    }

    fn vendor(
        &mut self,
        command: u8,
        payload: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        self.0.vendor(command, payload, signal)
    }

    fn wink(&mut self, signal: &mut dyn Signal) -> Result<(), TransportError> {
        self.0.wink(signal)
    }

    fn identity(&self) -> &DeviceIdentity {
        self.0.identity()
    }
}

#[test]
fn the_preview_of_credential_management_is_the_same_under_another_number() {
    let key = VirtualKey::in_memory(&KeyOptions {
        pin: Some(pin(PIN)),
        ..KeyOptions::default()
    })
    .unwrap();
    let mut client = Ctap2::new(PreviewOnly(VirtualTransport::new(key)));
    assert_eq!(
        client
            .info(&mut NoSignal)
            .unwrap()
            .option("credentialMgmtPreview"),
        Some(true)
    );
    for user in 1..=2 {
        client
            .make_credential(&request(user), Some(&pin(PIN)), &mut NoSignal)
            .unwrap();
    }
    let listed = client.credentials(&pin(PIN), &mut NoSignal).unwrap();
    assert_eq!(listed.len(), 2);
    client
        .delete_credential(&listed[0].credential_id, &pin(PIN), &mut NoSignal)
        .unwrap();
    let left = client.credentials(&pin(PIN), &mut NoSignal).unwrap();
    assert_eq!(left, listed[1..]);
}
