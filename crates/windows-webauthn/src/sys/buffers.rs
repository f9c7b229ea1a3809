//! Owned memory in the shapes that the API takes. Every pointer in a structure made here points into the value that made
//! it, which must outlive the call.

use windows::Win32::Networking::WindowsWebServices::{
    WEBAUTHN_CREDENTIAL_EX, WEBAUTHN_CREDENTIAL_EX_CURRENT_VERSION, WEBAUTHN_CREDENTIAL_LIST,
    WEBAUTHN_CREDENTIAL_TYPE_PUBLIC_KEY,
};
use windows::core::PCWSTR;

/// UTF-16 with a zero at its end. A zero within would cut it short, and is left out.
pub(super) struct Wide(Vec<u16>);

impl Wide {
    pub(super) fn new(text: &str) -> Self {
        let units = text.encode_utf16().filter(|unit| *unit != 0);
        Self(units.chain([0]).collect())
    }

    pub(super) fn as_ptr(&self) -> PCWSTR {
        PCWSTR(self.0.as_ptr())
    }
}

/// Bytes and their number, as the API counts them. It does not write to what it takes.
pub(super) fn bytes(bytes: &[u8]) -> (u32, *mut u8) {
    // Nothing that a ceremony takes has 4 GiB.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    (length, bytes.as_ptr().cast_mut())
}

/// A list of credentials.
pub(super) struct Credentials {
    /// Not read again here, but pointed into by `pointers`.
    _entries: Vec<WEBAUTHN_CREDENTIAL_EX>,
    pointers: Vec<*mut WEBAUTHN_CREDENTIAL_EX>,
}

impl Credentials {
    /// Borrows `ids` for as long as the pointers are used.
    pub(super) fn new(ids: &[Vec<u8>]) -> Self {
        let mut entries: Vec<_> = ids
            .iter()
            .map(|id| {
                let (cb, pb) = bytes(id);
                WEBAUTHN_CREDENTIAL_EX {
                    dwVersion: WEBAUTHN_CREDENTIAL_EX_CURRENT_VERSION,
                    cbId: cb,
                    pbId: pb,
                    pwszCredentialType: WEBAUTHN_CREDENTIAL_TYPE_PUBLIC_KEY,
                    // Any transport.
                    dwTransports: 0,
                }
            })
            .collect();
        // The vector is not touched any more, so its elements stay where they are when it moves.
        let pointers = entries.iter_mut().map(std::ptr::from_mut).collect();
        Self {
            _entries: entries,
            pointers,
        }
    }

    pub(super) fn list(&mut self) -> WEBAUTHN_CREDENTIAL_LIST {
        WEBAUTHN_CREDENTIAL_LIST {
            cCredentials: u32::try_from(self.pointers.len()).unwrap_or(u32::MAX),
            ppCredentials: self.pointers.as_mut_ptr(),
        }
    }
}
