//! Whether this process is elevated.

#![allow(unsafe_code)]

use std::mem::size_of;

use windows::Win32::Foundation::{CloseHandle, HANDLE};
use windows::Win32::Security::{GetTokenInformation, TOKEN_ELEVATION, TOKEN_QUERY, TokenElevation};
use windows::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

pub(super) fn is_elevated() -> Option<bool> {
    let mut token = HANDLE::default();
    // SAFETY: takes nothing; the pseudo handle it returns need not be closed.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: `process` is valid, and `token` is there to be written to.
    unsafe { OpenProcessToken(process, TOKEN_QUERY, &mut token) }.ok()?;
    let mut elevation = TOKEN_ELEVATION::default();
    let size = u32::try_from(size_of::<TOKEN_ELEVATION>()).ok()?;
    let mut written = 0;
    // SAFETY: `token` was opened for TOKEN_QUERY; `elevation` has `size` bytes, and is what the class TokenElevation
    // writes.
    let told = unsafe {
        GetTokenInformation(
            token,
            TokenElevation,
            Some((&raw mut elevation).cast()),
            size,
            &mut written,
        )
    };
    // SAFETY: `token` was opened above and is not used after this.
    let _ = unsafe { CloseHandle(token) };
    told.ok().map(|()| elevation.TokenIsElevated != 0)
}
