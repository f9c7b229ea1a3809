//! The command line.

use std::{error::Error, ffi::OsString, path::PathBuf, time::Duration};

#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) state: Option<PathBuf>,
    pub(crate) touch_delay: Duration,
    pub(crate) uhid: bool,
    pub(crate) name: Option<String>,
    pub(crate) vendor_id: Option<u16>,
    pub(crate) product_id: Option<u16>,
}

impl Arguments {
    pub(crate) fn parse(
        mut arguments: impl Iterator<Item = OsString>,
    ) -> Result<Self, Box<dyn Error>> {
        let mut parsed = Self::default();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{} needs a value", argument.display()))
            };
            match argument.to_str() {
                Some("--state") => parsed.state = Some(value()?.into()),
                Some("--touch-ms") => {
                    parsed.touch_delay = Duration::from_millis(text(value()?)?.parse()?);
                }
                Some("--uhid") => parsed.uhid = true,
                Some("--name") => parsed.name = Some(text(value()?)?),
                Some("--vendor-id") => parsed.vendor_id = Some(usb_id(value()?)?),
                Some("--product-id") => parsed.product_id = Some(usb_id(value()?)?),
                _ => return Err(format!("unknown argument {}", argument.display()).into()),
            }
        }
        let usb_only =
            parsed.name.is_some() || parsed.vendor_id.is_some() || parsed.product_id.is_some();
        if usb_only && !parsed.uhid {
            return Err("--name, --vendor-id and --product-id go with --uhid".into());
        }
        Ok(parsed)
    }
}

fn text(value: OsString) -> Result<String, String> {
    value
        .into_string()
        .map_err(|value| format!("{} is not UTF-8", value.display()))
}

/// As `lsusb` shows it: four hexadecimal digits.
fn usb_id(value: OsString) -> Result<u16, Box<dyn Error>> {
    let value = text(value)?;
    let digits = value.strip_prefix("0x").unwrap_or(&value);
    u16::from_str_radix(digits, 16)
        .map_err(|_| format!("{value} is not a USB id of four hexadecimal digits").into())
}
