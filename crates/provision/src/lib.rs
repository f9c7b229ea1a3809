#![doc = include_str!("../README.md")]

mod cancel;
mod challenges;
mod config;
pub mod doctor;
mod error;
mod event;
mod operator;
mod provider;
mod random_pin;
mod register;

pub use cancel::Cancel;
pub use challenges::{CollectSettings, collect};
pub use config::{
    CLIENT_SECRET_VARIABLE, Config, ConfigError, Ctap21, DeleteExisting, PinAlphabet,
};
pub use error::Error;
pub use event::{Event, Reinsertion, Reporter, Summary};
pub use operator::{Confirmation, Losses, Operator, PinQuestion, Unattended};
pub use provider::{
    Candidate, DirectoryUser, EntraProvider, IdentityProvider, IssuedOptions, NewCredential,
    ProviderError, Reach, RegisteredKey,
};
pub use random_pin::{PinGenerator, PinGeneratorError, is_trivial};
pub use register::{Parties, RegisterSettings, ResetPolicy, register, without_sign_in};

/// The pieces an embedder needs from the crates below.
pub use keywright_batch as batch;
/// The pieces an embedder needs from the crates below.
pub use keywright_ctap as ctap;
