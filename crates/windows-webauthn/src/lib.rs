#![doc = include_str!("../README.md")]

mod ceremony;
mod key;
mod outcome;
mod platform;
mod source;
mod sys;

pub use ceremony::{Assertion, Ceremony, Made, Signing};
pub use key::PlatformKey;
pub use outcome::HResult;
pub use platform::Platform;
pub use source::WindowsKeys;
pub use sys::is_elevated;
