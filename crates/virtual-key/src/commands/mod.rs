//! The commands, one module per chapter of CTAP 2.2 section 6.

mod client_pin;
mod config;
mod credential_management;
mod get_assertion;
mod get_info;
mod make_credential;
mod reset;
mod selection;
