#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod aadsts;
mod client;
mod cloud;
mod config;
mod error;
mod event;
mod groups;
mod methods;
mod model;
mod pace;
mod send;
mod token;
mod transport;
mod uri;

pub use aadsts::SignInError;
pub use client::GraphClient;
pub use cloud::Cloud;
pub use config::{ConfigError, GraphConfig, GraphVersion, RetryPolicy};
pub use error::{Error, GraphFailure, NetworkFailure, Result, UnexpectedAnswer};
pub use event::{GraphEvent, Observer};
pub use methods::{
    CHALLENGE_LIFE_MINUTES, Deletion, Fido2Method, IssuedOptions, NewFido2Method, method_ids_for,
};
pub use model::{Group, Member, User};
pub use secrecy::SecretString;
pub use token::{AccessToken, ClientSecret, TokenSource};
