//! Where devices are plugged in: the kernel, or a stand-in for it in the process.

use std::sync::Arc;

use keywright_ctap::{TransportError, hid::PacketIo};

/// A place to plug devices in, where the backends find them.
pub trait Port: Send + Sync {
    /// Plugs a device in. What is returned is the device's end of the wire; dropping it unplugs the device.
    ///
    /// # Errors
    /// When that is not possible here.
    fn plug_in(&self, label: &Label) -> Result<Box<dyn PacketIo>, TransportError>;

    /// For people.
    fn describe(&self) -> &'static str;
}

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Product string.
    pub product: String,
    /// Serial number string, by which the device is found again among all that are plugged in.
    pub serial: String,
    /// USB vendor id.
    pub vendor_id: u16,
    /// USB product id.
    pub product_id: u16,
}

impl Label {
    /// A device with this serial number, of a vendor that has no commands of its own.
    pub fn new(product: &str, serial: &str) -> Self {
        Self {
            product: product.to_owned(),
            serial: serial.to_owned(),
            vendor_id: 0x1209,
            product_id: 0x0001,
        }
    }
}

impl<P: Port + ?Sized> Port for Arc<P> {
    fn plug_in(&self, label: &Label) -> Result<Box<dyn PacketIo>, TransportError> {
        (**self).plug_in(label)
    }

    fn describe(&self) -> &'static str {
        (**self).describe()
    }
}
