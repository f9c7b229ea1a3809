//! COSE algorithms, keys and signatures (RFC 9052, RFC 9053, RFC 8230, RFC 8812; WebAuthn Level 3
//! section 5.8.5).

mod algorithm;
mod key;
mod layout;
mod signature;

pub use algorithm::CoseAlgorithm;
pub use key::{CoseKey, CoseKeyError, CoseKeyParameters, CoseKeyType};
pub use signature::SignatureError;
pub(crate) use signature::{VerificationKey, is_on_curve, verify};

#[cfg(test)]
mod tests;
