#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attestation;
mod card;
mod commands;
mod credential;
mod error;
mod faults;
mod hid;
mod key;
mod keys;
mod options;
mod presence;
mod secret;
mod session;
mod state;
mod store;
mod transport;
#[cfg(target_os = "linux")]
mod uhid;
mod vpcd;
mod yubikey;

pub use attestation::ATTESTATION_ROOT;
pub use card::{CardOptions, VirtualCard};
pub use error::{Error, Result};
pub use faults::Faults;
pub use hid::CtapHidDevice;
pub use key::VirtualKey;
pub use keys::VirtualKeys;
pub use options::{Behaviour, Features, KeyOptions, VIRTUAL_KEY_AAGUID};
pub use presence::{AlwaysTouched, Presence, Touch};
pub use transport::VirtualTransport;
#[cfg(target_os = "linux")]
pub use uhid::{UhidDevice, UsbIdentity};
