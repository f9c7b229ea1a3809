#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod authenticator;
mod client;
mod client_data;
mod error;
mod from_options;
pub mod hid;
mod hot_plug;
mod key_source;
pub mod message;
pub mod nfc;
mod pin;
pub mod pin_uv;
mod signal;
mod status;
mod transport;

pub use authenticator::{
    Authenticator, ConfigChange, CredentialSlots, GetAssertionRequest, GetAssertionResponse,
    HmacSecretSalts, MakeCredentialExtensions, MakeCredentialRequest, MakeCredentialResponse,
    PinRetries, ResidentCredential,
};
pub use client::Ctap2;
pub use client_data::ClientData;
pub use error::{Error, Result};
pub use from_options::Downgrade;
pub use hot_plug::{Bus, HotPlug};
pub use key_source::{KeyRequest, KeySource, Reach};
pub use message::{AuthenticatorInfo, Command};
pub use pin::{Pin, PinError};
pub use signal::{Deadline, Keepalive, NoSignal, PassedOver, Signal, Stop};
pub use status::StatusCode;
pub use transport::{DeviceIdentity, Transport, TransportError, TransportKind};
