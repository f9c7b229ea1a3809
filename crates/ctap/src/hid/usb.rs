//! usb
