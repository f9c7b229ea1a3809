#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod answer;
mod clock;
mod config;
mod directory;
mod fault;
mod graph;
mod inspect;
mod models;
mod names;
mod odata;
mod registry;
mod seal;
mod server;
mod sign_in;
mod tenant;

pub use config::{ExtraGroup, TenantConfig};
pub use directory::TenantUser;
pub use fault::Fault;
pub use inspect::{Counters, RequestRecord};
pub use registry::RegisteredMethod;
pub use sign_in::TOKEN_PREFIX;
pub use tenant::{RehearsalTenant, StartError};
