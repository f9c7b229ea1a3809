//! The software key, seen through the CTAP client, through its directory and through CTAPHID.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

mod config;
mod credentials;
mod directory;
mod hid;
mod pin;
mod strictness;

use keywright_ctap::{
    Authenticator, Ctap2, Error, MakeCredentialExtensions, MakeCredentialRequest,
    MakeCredentialResponse, NoSignal, Pin, StatusCode,
};
use keywright_virtual_key::{KeyOptions, VirtualKey, VirtualTransport};

pub(crate) const RP: &str = "login.example.com";
pub(crate) const PIN: &str = "839217";

pub(crate) type Client = Ctap2<VirtualTransport>;

/// A client of a new key.
pub(crate) fn client(options: &KeyOptions) -> Client {
    Ctap2::new(VirtualTransport::new(
        VirtualKey::in_memory(options).unwrap(),
    ))
}

/// A client of a new key with [`PIN`].
pub(crate) fn client_with_pin() -> Client {
    client(&KeyOptions {
        pin: Some(pin(PIN)),
        ..KeyOptions::default()
    })
}

pub(crate) fn pin(text: &str) -> Pin {
    Pin::new(text).unwrap()
}

/// A request for a discoverable credential for one of many users.
pub(crate) fn request(user: u8) -> MakeCredentialRequest {
    MakeCredentialRequest {
        client_data: [7; 32].into(),
        rp_id: RP.to_owned(),
        rp_name: "Example".to_owned(),
        user_id: vec![user; 16],
        user_name: format!("user{user}@example.com"),
        user_display_name: format!("User {user}"),
        algorithms: vec![-7],
        exclude_list: Vec::new(),
        extensions: MakeCredentialExtensions::default(),
        resident_key: true,
        user_verification: true,
        enterprise_attestation: None,
        attestation_formats: Vec::new(),
    }
}

pub(crate) fn make(
    client: &mut Client,
    request: &MakeCredentialRequest,
) -> Result<MakeCredentialResponse, Error> {
    client.make_credential(request, Some(&pin(PIN)), &mut NoSignal)
}

#[track_caller]
pub(crate) fn refused_with<T: std::fmt::Debug>(result: Result<T, Error>, status: StatusCode) {
    match result {
        Err(error) => assert_eq!(error.status(), Some(status), "{error}"),
        Ok(value) => panic!("not refused: {value:?}"),
    }
}
