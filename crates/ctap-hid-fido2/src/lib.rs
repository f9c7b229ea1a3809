#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod answers;
mod call;
mod expressible;
mod key;
mod quiet;
mod witness;

use keywright_ctap::{
    Authenticator, Result, Signal,
    hid::{
        HidTransport,
        usb::{UsbBackend, UsbDevice},
    },
    pin_uv::Protocol,
};

use key::Key;

/// Keys on USB through ctap-hid-fido2, for [`UsbKeys::with_backend`](keywright_ctap::hid::usb::UsbKeys::with_backend).
#[derive(Debug, Clone, Copy, Default)]
pub struct CtapHidFido2 {
    protocol: Option<Protocol>,
}

impl CtapHidFido2 {
    /// Insists on one PIN/UV auth protocol. Otherwise the key's favourite is used.
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }
}

impl UsbBackend for CtapHidFido2 {
    fn open(
        &mut self,
        device: &UsbDevice,
        signal: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>> {
        // The library takes the answer of any device that speaks CTAPHID, U2F keys included; so this asks by itself.
        HidTransport::open(device.open()?, device.identity().clone(), signal)?;
        Ok(Box::new(Key::new(device.clone(), self.protocol)))
    }
}
