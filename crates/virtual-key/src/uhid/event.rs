//! The events of `linux/uhid.h`: a number that says which, and a packed structure, in the machine's byte order.

use keywright_ctap::hid::{REPORT_SIZE, Report};

use super::UsbIdentity;
use crate::error::{Error, Result};

/// What the kernel says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A report from the platform.
    Report(Report),
    /// A request that a FIDO device has no answer to; this event says so.
    Refuse(Vec<u8>),
    /// Something to know.
    Notice(Notice),
}

/// What happened to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// A driver has taken it.
    Start,
    /// The driver has let go of it.
    Stop,
    /// A program has opened it; the first one, if there are several.
    Open,
    /// The last program has closed it.
    Close,
}

impl Event {
    /// `None` for what is of no interest, and for what is too short.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, body) = bytes.split_first_chunk()?;
        match u32::from_ne_bytes(*kind) {
            START => Some(Self::Notice(Notice::Start)),
            STOP => Some(Self::Notice(Notice::Stop)),
            OPEN => Some(Self::Notice(Notice::Open)),
            CLOSE => Some(Self::Notice(Notice::Close)),
            OUTPUT => output(body).map(Self::Report),
            GET_REPORT => {
                // id, err, size and no data
                let id = body.first_chunk::<4>()?;
                let answer = [
                    &GET_REPORT_REPLY.to_ne_bytes(),
                    id.as_slice(),
                    &EIO,
                    &[0; 2],
                ];
                Some(Self::Refuse(answer.concat()))
            }
            SET_REPORT => {
                let id = body.first_chunk::<4>()?;
                let answer = [&SET_REPORT_REPLY.to_ne_bytes(), id.as_slice(), &EIO];
                Some(Self::Refuse(answer.concat()))
            }
            _ => None,
        }
    }
}

/// `struct uhid_output_req`: 4096 bytes of data, how many of them count, the report's type.
fn output(body: &[u8]) -> Option<Report> {
    let (data, rest) = body.split_at_checked(DATA_MAX)?;
    let size = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
    let data = data.get(..size)?;
    // hidraw's users begin with a report number, which is 0 for a device that does not number its reports and is not
    // sent over USB then (usbhid_output_report does the same).
    let data = match data {
        [0, data @ ..] => data,
        data => data,
    };
    let mut report = [0; REPORT_SIZE];
    report.get_mut(..data.len())?.copy_from_slice(data);
    Some(report)
}

/// `UHID_CREATE2`: plugs the device in.
pub(super) fn create(identity: &UsbIdentity) -> Result<Vec<u8>> {
    let mut descriptor = REPORT_DESCRIPTOR.to_vec();
    let descriptor_length = u16::try_from(descriptor.len()).unwrap_or(u16::MAX);
    descriptor.resize(DATA_MAX, 0);
    Ok([
        CREATE2.to_ne_bytes().to_vec(),
        text(&identity.name, 128, "a name longer than 127 bytes")?,
        text(&identity.port, 64, "a port longer than 63 bytes")?,
        text(&identity.serial, 64, "a serial number longer than 63 bytes")?,
        descriptor_length.to_ne_bytes().to_vec(),
        BUS_USB.to_ne_bytes().to_vec(),
        u32::from(identity.vendor_id).to_ne_bytes().to_vec(),
        u32::from(identity.product_id).to_ne_bytes().to_vec(),
        // Version and country.
        vec![0; 8],
        descriptor,
    ]
    .concat())
}

/// `UHID_INPUT2`: a report to the platform. The structure may end where its data does.
pub(super) fn input(report: &Report) -> Vec<u8> {
    let size = u16::try_from(REPORT_SIZE).unwrap_or(u16::MAX);
    [INPUT2.to_ne_bytes().as_slice(), &size.to_ne_bytes(), report].concat()
}

/// `UHID_DESTROY`: pulls the device out.
pub(super) fn destroy() -> Vec<u8> {
    DESTROY.to_ne_bytes().to_vec()
}

/// A text that ends with a zero, in a field of `length` bytes.
fn text(text: &str, length: usize, too_long: &'static str) -> Result<Vec<u8>> {
    if text.len() >= length {
        return Err(Error::Options(too_long));
    }
    if text.contains('\0') {
        return Err(Error::Options("a zero byte in a name"));
    }
    let mut field = text.as_bytes().to_vec();
    field.resize(length, 0);
    Ok(field)
}

/// Bytes in the longest event, `UHID_CREATE2`; nothing longer is ever read.
pub(super) const MAX_LENGTH: usize = 4376;

/// The one of CTAP 2.2 section 11.2.8.1, byte for byte: 64 bytes in, 64 bytes out, no report numbers.
const REPORT_DESCRIPTOR: [u8; 34] = [
    0x06, 0xD0, 0xF1, // HID_UsagePage (FIDO_USAGE_PAGE)
    0x09, 0x01, //       HID_Usage (FIDO_USAGE_CTAPHID)
    0xA1, 0x01, //       HID_Collection (HID_Application)
    0x09, 0x20, //         HID_Usage (FIDO_USAGE_DATA_IN)
    0x15, 0x00, //         HID_LogicalMin (0)
    0x26, 0xFF, 0x00, //   HID_LogicalMaxS (0xff)
    0x75, 0x08, //         HID_ReportSize (8)
    0x95, 0x40, //         HID_ReportCount (HID_INPUT_REPORT_BYTES)
    0x81, 0x02, //         HID_Input (HID_Data | HID_Absolute | HID_Variable)
    0x09, 0x21, //         HID_Usage (FIDO_USAGE_DATA_OUT)
    0x15, 0x00, //         HID_LogicalMin (0)
    0x26, 0xFF, 0x00, //   HID_LogicalMaxS (0xff)
    0x75, 0x08, //         HID_ReportSize (8)
    0x95, 0x40, //         HID_ReportCount (HID_OUTPUT_REPORT_BYTES)
    0x91, 0x02, //         HID_Output (HID_Data | HID_Absolute | HID_Variable)
    0xC0, //             HID_EndCollection
];

/// `UHID_DATA_MAX`, which is `HID_MAX_DESCRIPTOR_SIZE` too.
const DATA_MAX: usize = 4096;
const BUS_USB: u16 = 0x03;
const EIO: [u8; 2] = 5_u16.to_ne_bytes();

// `enum uhid_event_type`
const DESTROY: u32 = 1;
const START: u32 = 2;
const STOP: u32 = 3;
const OPEN: u32 = 4;
const CLOSE: u32 = 5;
const OUTPUT: u32 = 6;
const GET_REPORT: u32 = 9;
const GET_REPORT_REPLY: u32 = 10;
const CREATE2: u32 = 11;
const INPUT2: u32 = 12;
const SET_REPORT: u32 = 13;
const SET_REPORT_REPLY: u32 = 14;
