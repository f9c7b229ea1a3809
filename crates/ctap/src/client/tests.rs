//! What the keys in the drawer do and OpenSK does not: CTAP 2.0, FIDO_2_1_PRE, fingerprints, vendor commands, nonsense.

use std::sync::{Arc, Mutex};

use ciborium::Value;
use keywright_webauthn::Aaguid;
use sha2::{Digest, Sha256};

use super::*;
use crate::{
    authenticator::MakeCredentialExtensions,
    error::Error,
    hid::HidErrorCode,
    message::{
        Command, CredentialDescriptor, UserEntity,
        client_pin::{self, Permissions, SubCommand},
        credential_management::{self, PartialRpEntity},
        make_credential,
    },
    pin::PinError,
    pin_uv::{KeyAgreement, Token},
    signal::NoSignal,
    transport::TransportError,
};

/// A key of the year 2018: PIN protocol one, `getPinToken`, credential management as a preview.
struct OldKey {
    identity: DeviceIdentity,
    info: AuthenticatorInfo,
    agreement: KeyAgreement,
    token: Token,
    config: Result<Vec<u8>, ()>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl OldKey {
    fn new(versions: &[&str], options: &[(&str, bool)]) -> Self {
        let versions = versions
            .iter()
            .map(|version| (*version).to_owned())
            .collect();
        let mut info = AuthenticatorInfo::new(versions, Aaguid([1; 16]));
        info.options = options
            .iter()
            .map(|(name, on)| ((*name).to_owned(), *on))
            .collect();
        Self {
            identity: DeviceIdentity::virtual_key("old", "old key"),
            info,
            agreement: KeyAgreement::generate().unwrap(),
            token: Token::new(Protocol::One, &[5; 16]).unwrap(),
            config: Err(()),
            seen: Arc::default(),
        }
    }

    fn answer(&self, request: &Request) -> Vec<u8> {
        match request {
            Request::GetInfo => message::ok(&self.info),
            Request::ClientPin(request) => self.client_pin(request),
            Request::MakeCredential(request) => self.make_credential(request),
            Request::CredentialManagementPreview(request) => self.credential_management(request),
            _ => message::failed(StatusCode::InvalidCommand),
        }
    }

    fn client_pin(&self, request: &client_pin::Request) -> Vec<u8> {
        let mut answer = client_pin::Response::default();
        match request.sub_command {
            SubCommand::GetPinRetries => answer.pin_retries = Some(3),
            SubCommand::GetKeyAgreement => answer.key_agreement = Some(self.agreement.public_key()),
            SubCommand::GetPinToken | SubCommand::GetPinUvAuthTokenUsingUvWithPermissions => {
                let platform = request.key_agreement.as_ref().unwrap();
                let secret = self.agreement.decapsulate(Protocol::One, platform).unwrap();
                if let Some(pin_hash) = &request.pin_hash_enc {
                    let expected = Sha256::digest("123456");
                    if secret.decrypt(pin_hash).unwrap().as_slice() != &expected[..16] {
                        return message::failed(StatusCode::PinInvalid);
                    }
                }
                answer.pin_uv_auth_token = Some(secret.encrypt(self.token.expose()).unwrap());
            }
            _ => return message::failed(StatusCode::InvalidParameter),
        }
        message::ok(&answer)
    }

    fn make_credential(&self, request: &make_credential::Request) -> Vec<u8> {
        match &request.pin_uv_auth_param {
            Some(param) if param.is_empty() => return message::failed(StatusCode::PinInvalid),
            Some(param) if self.token.verify(&request.client_data_hash, param).is_err() => {
                return message::failed(StatusCode::PinAuthInvalid);
            }
            None if request.options.uv != Some(true) => {
                return message::failed(StatusCode::PuatRequired);
            }
            _ => {}
        }
        message::ok(&make_credential::Response {
            fmt: "none".into(),
            auth_data: vec![0; 37],
            att_stmt: Value::Map(Vec::new()),
            ep_att: None,
            large_blob_key: None,
            unsigned_extension_outputs: None,
        })
    }

    fn credential_management(&self, request: &credential_management::Request) -> Vec<u8> {
        use credential_management::{Response, SubCommand};
        let next = matches!(
            request.sub_command,
            SubCommand::EnumerateRpsGetNextRp | SubCommand::EnumerateCredentialsGetNextCredential
        );
        let authenticated = request.pin_uv_auth_param.as_ref().is_some_and(|param| {
            self.token
                .verify(&request.authenticated_message(), param)
                .is_ok()
        });
        // Strict about what an enumeration that goes on must not carry.
        if authenticated == next || (next && request.pin_uv_auth_param.is_some()) {
            return message::failed(StatusCode::PinAuthInvalid);
        }
        let rp = |name: &str| {
            Some(PartialRpEntity {
                id: Some(name.into()),
                name: None,
            })
        };
        message::ok(&match request.sub_command {
            SubCommand::EnumerateRpsBegin => Response {
                rp: rp("one.example"),
                rp_id_hash: Some([1; 32]),
                total_rps: Some(2),
                ..Response::default()
            },
            SubCommand::EnumerateRpsGetNextRp => Response {
                rp: rp("two.example"),
                rp_id_hash: Some([2; 32]),
                ..Response::default()
            },
            SubCommand::EnumerateCredentialsBegin => {
                let n = request.params.as_ref().unwrap().rp_id_hash.unwrap()[0];
                Response {
                    user: Some(UserEntity {
                        id: vec![n],
                        ..UserEntity::default()
                    }),
                    credential_id: Some(CredentialDescriptor::public_key(vec![n; 16])),
                    public_key: Some(Value::Map(Vec::new())),
                    total_credentials: Some(1),
                    ..Response::default()
                }
            }
            _ => return message::failed(StatusCode::InvalidParameter),
        })
    }
}

impl Transport for OldKey {
    fn transact(&mut self, request: &[u8], _: &mut dyn Signal) -> Result<Vec<u8>, TransportError> {
        let request = Request::decode(request).unwrap();
        let answer = self.answer(&request);
        self.seen.lock().unwrap().push(request);
        Ok(answer)
    }

    fn vendor(
        &mut self,
        command: u8,
        payload: &[u8],
        _: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        assert_eq!((command, payload), (0x42, [0].as_slice()));
        self.config
            .clone()
            .map_err(|()| TransportError::Hid(HidErrorCode::InvalidCommand))
    }

    fn wink(&mut self, _: &mut dyn Signal) -> Result<(), TransportError> {
        Err(TransportError::Unsupported("no light"))
    }

    fn identity(&self) -> &DeviceIdentity {
        &self.identity
    }
}

fn request() -> MakeCredentialRequest {
    MakeCredentialRequest {
        client_data: [9; 32].into(),
        rp_id: "example.com".into(),
        rp_name: "Example".into(),
        user_id: vec![1],
        user_name: "ada".into(),
        user_display_name: "Ada".into(),
        algorithms: vec![-7],
        exclude_list: Vec::new(),
        extensions: MakeCredentialExtensions::default(),
        resident_key: true,
        user_verification: true,
        enterprise_attestation: None,
        attestation_formats: vec!["packed".into()],
    }
}

fn pin() -> Pin {
    Pin::new("123456").unwrap()
}

#[test]
fn a_ctap_2_0_key_gives_a_token_without_permissions() {
    let key = OldKey::new(&["FIDO_2_0"], &[("rk", true), ("clientPin", true)]);
    let seen = key.seen.clone();
    let mut client = Ctap2::new(key);
    let response = client
        .make_credential(&request(), Some(&pin()), &mut NoSignal)
        .unwrap();
    assert_eq!(response.fmt, "none");
    client.check_pin(&pin(), &mut NoSignal).unwrap();
    assert_eq!(client.pin_retries(&mut NoSignal).unwrap().retries, 3);
    assert_eq!(
        client
            .check_pin(&Pin::new("000000").unwrap(), &mut NoSignal)
            .unwrap_err()
            .status(),
        Some(StatusCode::PinInvalid)
    );
    for request in seen.lock().unwrap().iter() {
        match request {
            Request::ClientPin(request) => {
                assert_eq!(
                    (request.pin_uv_auth_protocol, request.permissions),
                    (Some(1), None)
                );
            }
            Request::MakeCredential(request) => {
                assert_eq!(request.attestation_formats_preference, [""; 0])
            }
            _ => {}
        }
    }
    assert!(matches!(
        client.credentials(&pin(), &mut NoSignal),
        Err(Error::Unsupported("credential management"))
    ));
}

#[test]
fn a_preview_of_credential_management_is_good_enough() {
    let options = [
        ("rk", true),
        ("clientPin", true),
        ("credentialMgmtPreview", true),
    ];
    let mut client = Ctap2::new(OldKey::new(&["FIDO_2_0", "FIDO_2_1_PRE"], &options));
    let credentials = client.credentials(&pin(), &mut NoSignal).unwrap();
    let found: Vec<_> = credentials
        .iter()
        .map(|credential| (credential.rp_id.as_str(), credential.user_id.as_slice()))
        .collect();
    assert_eq!(
        found,
        [
            ("one.example", [1].as_slice()),
            ("two.example", [2].as_slice())
        ]
    );
}

#[test]
fn an_old_key_is_selected_by_a_credential_it_does_not_make() {
    let key = OldKey::new(&["FIDO_2_0", "FIDO_2_1_PRE"], &[("clientPin", true)]);
    let seen = key.seen.clone();
    Ctap2::new(key).select(&mut NoSignal).unwrap();
    let seen = seen.lock().unwrap();
    assert!(matches!(
        seen.as_slice(),
        [Request::GetInfo, Request::MakeCredential(request)] if request.pin_uv_auth_param == Some(vec![])
    ));
}

#[test]
fn a_fingerprint_stands_for_the_pin() {
    // CTAP 2.0: the option.
    let options = [("rk", true), ("clientPin", true), ("uv", true)];
    let key = OldKey::new(&["FIDO_2_0"], &options);
    let seen = key.seen.clone();
    Ctap2::new(key)
        .make_credential(&request(), None, &mut NoSignal)
        .unwrap();
    assert!(matches!(
        seen.lock().unwrap().last(),
        Some(Request::MakeCredential(request))
            if request.options.uv == Some(true) && request.pin_uv_auth_param.is_none()
    ));

    // CTAP 2.1: a token for it.
    let options = [
        ("rk", true),
        ("clientPin", true),
        ("uv", true),
        ("pinUvAuthToken", true),
    ];
    let key = OldKey::new(&["FIDO_2_1"], &options);
    let seen = key.seen.clone();
    Ctap2::new(key)
        .make_credential(&request(), None, &mut NoSignal)
        .unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.iter().any(|request| matches!(
        request,
        Request::ClientPin(request)
            if request.permissions == Some(Permissions::MAKE_CREDENTIAL) && request.rp_id.as_deref() == Some("example.com")
    )));
    assert!(matches!(
        seen.last(),
        Some(Request::MakeCredential(request)) if request.options.uv.is_none() && request.pin_uv_auth_param.is_some()
    ));
}

#[test]
fn what_cannot_be_is_said_before_anything_is_sent() {
    let mut bare = Ctap2::new(OldKey::new(&["FIDO_2_0"], &[("rk", true)]));
    assert!(matches!(
        bare.set_pin(&pin(), &mut NoSignal),
        Err(Error::Unsupported("PINs"))
    ));
    assert!(matches!(
        bare.make_credential(&request(), None, &mut NoSignal),
        Err(Error::Unsupported("user verification"))
    ));
    let mut unset = Ctap2::new(OldKey::new(
        &["FIDO_2_0"],
        &[("rk", true), ("clientPin", false)],
    ));
    for pin in [None, Some(&pin())] {
        assert!(matches!(
            unset.make_credential(&request(), pin, &mut NoSignal),
            Err(Error::Pin(PinError::NotSet))
        ));
    }
    let change = ConfigChange::ToggleAlwaysUv;
    assert!(matches!(
        unset.configure(&change, None, &mut NoSignal),
        Err(Error::Unsupported("authenticatorConfig"))
    ));

    let mut small = OldKey::new(&["FIDO_2_0"], &[("rk", true), ("clientPin", true)]);
    small.info.pin_uv_auth_protocols = vec![7];
    assert!(matches!(
        Ctap2::new(small).check_pin(&pin(), &mut NoSignal),
        Err(Error::Unsupported(_))
    ));
}

#[test]
fn serials_come_from_the_maker_or_from_usb() {
    let mut key = OldKey::new(&["FIDO_2_0"], &[]);
    key.identity.usb_serial = Some("USB-7".into());
    // Only Yubico's keys are asked Yubico's question.
    assert_eq!(Ctap2::new(key).serial().unwrap().as_deref(), Some("USB-7"));

    let yubikey = |config| {
        let mut key = OldKey::new(&["FIDO_2_0"], &[]);
        key.identity.vendor_id = 0x1050;
        key.config = config;
        Ctap2::new(key).serial().unwrap()
    };
    assert_eq!(
        yubikey(Ok(vec![6, 0x02, 0x04, 0x00, 0x93, 0xBA, 0xD4])).as_deref(),
        Some("9681620")
    );
    assert_eq!(yubikey(Ok(vec![3, 0x01, 0x01, 0x3F])), None);
    assert_eq!(yubikey(Err(())), None);
}

#[test]
fn nonsense_is_named_with_the_command_it_answers() {
    struct Babbler(DeviceIdentity, Vec<u8>);
    impl Transport for Babbler {
        fn transact(&mut self, _: &[u8], _: &mut dyn Signal) -> Result<Vec<u8>, TransportError> {
            Ok(self.1.clone())
        }
        fn vendor(
            &mut self,
            _: u8,
            _: &[u8],
            _: &mut dyn Signal,
        ) -> Result<Vec<u8>, TransportError> {
            Err(TransportError::Disconnected)
        }
        fn wink(&mut self, _: &mut dyn Signal) -> Result<(), TransportError> {
            Err(TransportError::Disconnected)
        }
        fn identity(&self) -> &DeviceIdentity {
            &self.0
        }
    }
    for answer in [
        vec![],
        vec![0],
        vec![0, 0xFF],
        vec![0, 0xA0],
        vec![0, 0xA1, 0x01, 0x01],
    ] {
        let identity = DeviceIdentity::virtual_key("odd", "");
        let error = Ctap2::new(Babbler(identity, answer))
            .info(&mut NoSignal)
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::Malformed {
                    command: Command::GetInfo,
                    ..
                }
            ),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .starts_with("the key's answer to authenticatorGetInfo cannot be read: ")
        );
    }
}
