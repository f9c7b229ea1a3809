#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod cli;
pub mod device;

mod backend;
mod judge;
mod port;
mod report;
mod rows;
mod scene;

pub use backend::Backend;
pub use port::{Label, Port};
pub use rows::{Check, rows};
pub use scene::{Client, Failure, KeyKind, Outcome, Scene};
