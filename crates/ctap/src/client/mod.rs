//! The client.
/// A key
#[derive(Debug)]
pub struct Ctap2<T>(T);
