//! The CTAP client against an authenticator that is not ours: OpenSK, in process, over its own CTAPHID.
//!
//! OpenSK is strict: a request that is not canonical CBOR, or a token without the permission, is refused.

// What a test needs and does not get is a failed test.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]

#[path = "opensk/config.rs"]
mod config;
#[path = "opensk/credentials.rs"]
mod credentials;
#[path = "opensk/device.rs"]
mod device;
#[path = "opensk/pins.rs"]
mod pins;
#[path = "opensk/registration.rs"]
mod registration;
#[path = "opensk/waiting.rs"]
mod waiting;
