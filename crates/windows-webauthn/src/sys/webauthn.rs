//! `webauthn.dll`, loaded at run time: a program must start without it.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem::{size_of, transmute_copy};
use std::slice;

use keywright_ctap::{Error, TransportError};
use windows::Win32::Foundation::{FARPROC, HMODULE, HWND};
use windows::Win32::Networking::WindowsWebServices::{
    WEBAUTHN_API_VERSION_3, WEBAUTHN_ASSERTION, WEBAUTHN_ATTESTATION_CONVEYANCE_PREFERENCE_DIRECT,
    WEBAUTHN_AUTHENTICATOR_ATTACHMENT_CROSS_PLATFORM, WEBAUTHN_AUTHENTICATOR_GET_ASSERTION_OPTIONS,
    WEBAUTHN_AUTHENTICATOR_GET_ASSERTION_OPTIONS_VERSION_4,
    WEBAUTHN_AUTHENTICATOR_MAKE_CREDENTIAL_OPTIONS,
    WEBAUTHN_AUTHENTICATOR_MAKE_CREDENTIAL_OPTIONS_VERSION_3,
    WEBAUTHN_AUTHENTICATOR_MAKE_CREDENTIAL_OPTIONS_VERSION_4, WEBAUTHN_CLIENT_DATA,
    WEBAUTHN_CLIENT_DATA_CURRENT_VERSION, WEBAUTHN_COSE_CREDENTIAL_PARAMETER,
    WEBAUTHN_COSE_CREDENTIAL_PARAMETER_CURRENT_VERSION, WEBAUTHN_COSE_CREDENTIAL_PARAMETERS,
    WEBAUTHN_CRED_PROTECT_EXTENSION_IN, WEBAUTHN_CREDENTIAL_ATTESTATION,
    WEBAUTHN_CREDENTIAL_ATTESTATION_VERSION_4, WEBAUTHN_CREDENTIAL_TYPE_PUBLIC_KEY,
    WEBAUTHN_EXTENSION, WEBAUTHN_EXTENSIONS, WEBAUTHN_EXTENSIONS_IDENTIFIER_CRED_PROTECT,
    WEBAUTHN_EXTENSIONS_IDENTIFIER_HMAC_SECRET, WEBAUTHN_EXTENSIONS_IDENTIFIER_MIN_PIN_LENGTH,
    WEBAUTHN_HASH_ALGORITHM_SHA_256, WEBAUTHN_RP_ENTITY_INFORMATION,
    WEBAUTHN_RP_ENTITY_INFORMATION_CURRENT_VERSION, WEBAUTHN_USER_ENTITY_INFORMATION,
    WEBAUTHN_USER_ENTITY_INFORMATION_CURRENT_VERSION,
    WEBAUTHN_USER_VERIFICATION_REQUIREMENT_DISCOURAGED,
    WEBAUTHN_USER_VERIFICATION_REQUIREMENT_REQUIRED,
};
use windows::Win32::System::LibraryLoader::{
    GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW,
};
use windows::Win32::UI::WindowsAndMessaging::GetForegroundWindow;
use windows::core::{BOOL, GUID, HRESULT, PCSTR, PCWSTR, s, w};

use super::buffers::{Credentials, Wide, bytes};
use crate::ceremony::{Assertion, Ceremony, Made, Signing};
use crate::outcome::HResult;
use crate::platform::Platform;

type MakeCredential = unsafe extern "system" fn(
    HWND,
    *const WEBAUTHN_RP_ENTITY_INFORMATION,
    *const WEBAUTHN_USER_ENTITY_INFORMATION,
    *const WEBAUTHN_COSE_CREDENTIAL_PARAMETERS,
    *const WEBAUTHN_CLIENT_DATA,
    *const WEBAUTHN_AUTHENTICATOR_MAKE_CREDENTIAL_OPTIONS,
    *mut *mut WEBAUTHN_CREDENTIAL_ATTESTATION,
) -> HRESULT;
type FreeAttestation = unsafe extern "system" fn(*mut WEBAUTHN_CREDENTIAL_ATTESTATION);
type GetAssertion = unsafe extern "system" fn(
    HWND,
    PCWSTR,
    *const WEBAUTHN_CLIENT_DATA,
    *const WEBAUTHN_AUTHENTICATOR_GET_ASSERTION_OPTIONS,
    *mut *mut WEBAUTHN_ASSERTION,
) -> HRESULT;
type FreeAssertion = unsafe extern "system" fn(*mut WEBAUTHN_ASSERTION);
type GetCancellationId = unsafe extern "system" fn(*mut GUID) -> HRESULT;
type Cancel = unsafe extern "system" fn(*const GUID) -> HRESULT;
type GetApiVersion = unsafe extern "system" fn() -> u32;

/// The functions of the library, which stays loaded.
pub(super) struct WebAuthn {
    make_credential: MakeCredential,
    free_attestation: FreeAttestation,
    get_assertion: GetAssertion,
    free_assertion: FreeAssertion,
    get_cancellation_id: GetCancellationId,
    cancel: Cancel,
    version: u32,
}

impl WebAuthn {
    pub(super) fn load() -> Result<Self, Error> {
        let missing = || {
            Error::from(TransportError::Unavailable(
                "this Windows has no WebAuthn API (it came with Windows 10 1903); run as administrator and use `--keys usb`",
            ))
        };
        // SAFETY: the name is a constant with a zero at its end; only the system's directory is searched.
        let module =
            unsafe { LoadLibraryExW(w!("webauthn.dll"), None, LOAD_LIBRARY_SEARCH_SYSTEM32) }
                .map_err(|_| missing())?;
        let find = |name| symbol(module, name).ok_or_else(missing);
        // SAFETY: the types are those of webauthn.h for these names.
        unsafe {
            let version: GetApiVersion = function(find(s!("WebAuthNGetApiVersionNumber"))?);
            Ok(Self {
                make_credential: function(find(s!("WebAuthNAuthenticatorMakeCredential"))?),
                free_attestation: function(find(s!("WebAuthNFreeCredentialAttestation"))?),
                get_assertion: function(find(s!("WebAuthNAuthenticatorGetAssertion"))?),
                free_assertion: function(find(s!("WebAuthNFreeAssertion"))?),
                get_cancellation_id: function(find(s!("WebAuthNGetCancellationId"))?),
                cancel: function(find(s!("WebAuthNCancelCurrentOperation"))?),
                version: version(),
            })
        }
    }

    /// Since version 3 of the API the options have enterprise attestation, and there is the extension `minPinLength`.
    fn is_recent(&self) -> bool {
        self.version >= WEBAUTHN_API_VERSION_3
    }
}

impl Platform for WebAuthn {
    fn cancellation_id(&self) -> Result<u128, HResult> {
        let mut id = GUID::zeroed();
        // SAFETY: `id` is there to be written to.
        check(unsafe { (self.get_cancellation_id)(&mut id) })?;
        Ok(id.to_u128())
    }

    fn make_credential(&self, ceremony: &Ceremony, cancellation: u128) -> Result<Made, HResult> {
        let (rp_id, rp_name) = (Wide::new(&ceremony.rp_id), Wide::new(&ceremony.rp_name));
        let rp = WEBAUTHN_RP_ENTITY_INFORMATION {
            dwVersion: WEBAUTHN_RP_ENTITY_INFORMATION_CURRENT_VERSION,
            pwszId: rp_id.as_ptr(),
            pwszName: rp_name.as_ptr(),
            pwszIcon: PCWSTR::null(),
        };
        let user_name = Wide::new(&ceremony.user_name);
        let user_display_name = Wide::new(&ceremony.user_display_name);
        let (user_id_length, user_id) = bytes(&ceremony.user_id);
        let user = WEBAUTHN_USER_ENTITY_INFORMATION {
            dwVersion: WEBAUTHN_USER_ENTITY_INFORMATION_CURRENT_VERSION,
            cbId: user_id_length,
            pbId: user_id,
            pwszName: user_name.as_ptr(),
            pwszIcon: PCWSTR::null(),
            pwszDisplayName: user_display_name.as_ptr(),
        };
        let mut parameters: Vec<_> = ceremony
            .algorithms
            .iter()
            .map(|algorithm| WEBAUTHN_COSE_CREDENTIAL_PARAMETER {
                dwVersion: WEBAUTHN_COSE_CREDENTIAL_PARAMETER_CURRENT_VERSION,
                pwszCredentialType: WEBAUTHN_CREDENTIAL_TYPE_PUBLIC_KEY,
                lAlg: *algorithm,
            })
            .collect();
        let parameters = WEBAUTHN_COSE_CREDENTIAL_PARAMETERS {
            cCredentialParameters: count(parameters.len()),
            pCredentialParameters: parameters.as_mut_ptr(),
        };
        let client_data = client_data(&ceremony.client_data_json);

        let mut protection = WEBAUTHN_CRED_PROTECT_EXTENSION_IN {
            dwCredProtect: ceremony.cred_protect.unwrap_or(0).into(),
            // As a client does by default: a key without the extension makes an unprotected one, and says so.
            bRequireCredProtect: BOOL(0),
        };
        let mut yes = BOOL(1);
        let mut extensions = Vec::new();
        if ceremony.cred_protect.is_some() {
            extensions.push(extension(
                WEBAUTHN_EXTENSIONS_IDENTIFIER_CRED_PROTECT,
                &mut protection,
            ));
        }
        if ceremony.hmac_secret {
            extensions.push(extension(
                WEBAUTHN_EXTENSIONS_IDENTIFIER_HMAC_SECRET,
                &mut yes,
            ));
        }
        if ceremony.min_pin_length && self.is_recent() {
            extensions.push(extension(
                WEBAUTHN_EXTENSIONS_IDENTIFIER_MIN_PIN_LENGTH,
                &mut yes,
            ));
        }
        let mut excluded = Credentials::new(&ceremony.exclude_list);
        let mut exclude_list = excluded.list();
        let mut cancellation = GUID::from_u128(cancellation);
        let options = WEBAUTHN_AUTHENTICATOR_MAKE_CREDENTIAL_OPTIONS {
            dwVersion: if self.is_recent() {
                WEBAUTHN_AUTHENTICATOR_MAKE_CREDENTIAL_OPTIONS_VERSION_4
            } else {
                WEBAUTHN_AUTHENTICATOR_MAKE_CREDENTIAL_OPTIONS_VERSION_3
            },
            dwTimeoutMilliseconds: milliseconds(ceremony.timeout),
            Extensions: WEBAUTHN_EXTENSIONS {
                cExtensions: count(extensions.len()),
                pExtensions: extensions.as_mut_ptr(),
            },
            dwAuthenticatorAttachment: WEBAUTHN_AUTHENTICATOR_ATTACHMENT_CROSS_PLATFORM,
            bRequireResidentKey: ceremony.resident_key.into(),
            dwUserVerificationRequirement: verification(ceremony.user_verification),
            dwAttestationConveyancePreference: WEBAUTHN_ATTESTATION_CONVEYANCE_PREFERENCE_DIRECT,
            pCancellationId: &mut cancellation,
            pExcludeCredentialList: &mut exclude_list,
            dwEnterpriseAttestation: ceremony.enterprise_attestation.into(),
            ..Default::default()
        };
        let mut attestation = std::ptr::null_mut();
        // SAFETY: every structure has the version that says which of its members are there; all pointers in them lead to
        // values of this function or of `ceremony`, which live until it returns; `attestation` is there to be written to.
        check(unsafe {
            (self.make_credential)(
                window(),
                &rp,
                &user,
                &parameters,
                &client_data,
                &options,
                &mut attestation,
            )
        })?;
        // SAFETY: on success it is null or points to a structure that is ours until we free it.
        let Some(made) = (unsafe { attestation.as_ref() }) else {
            return Err(HResult::E_UNEXPECTED);
        };
        // SAFETY: pointer and length belong together, and to the structure.
        let object = unsafe { copy(made.pbAttestationObject, made.cbAttestationObject) };
        let enterprise_attestation =
            made.dwVersion >= WEBAUTHN_CREDENTIAL_ATTESTATION_VERSION_4 && made.bEpAtt.as_bool();
        // SAFETY: it came from this library, is freed once, and not used after this.
        unsafe { (self.free_attestation)(attestation) };
        Ok(Made {
            attestation_object: object,
            enterprise_attestation,
        })
    }

    fn get_assertion(&self, signing: &Signing, cancellation: u128) -> Result<Assertion, HResult> {
        let rp_id = Wide::new(&signing.rp_id);
        let client_data = client_data(&signing.client_data_json);
        let mut allowed = Credentials::new(&signing.allow_list);
        let mut allow_list = allowed.list();
        let mut cancellation = GUID::from_u128(cancellation);
        let options = WEBAUTHN_AUTHENTICATOR_GET_ASSERTION_OPTIONS {
            dwVersion: WEBAUTHN_AUTHENTICATOR_GET_ASSERTION_OPTIONS_VERSION_4,
            dwTimeoutMilliseconds: milliseconds(signing.timeout),
            dwAuthenticatorAttachment: WEBAUTHN_AUTHENTICATOR_ATTACHMENT_CROSS_PLATFORM,
            dwUserVerificationRequirement: verification(signing.user_verification),
            pCancellationId: &mut cancellation,
            pAllowCredentialList: &mut allow_list,
            ..Default::default()
        };
        let mut assertion = std::ptr::null_mut();
        // SAFETY: as in `make_credential`.
        check(unsafe {
            (self.get_assertion)(
                window(),
                rp_id.as_ptr(),
                &client_data,
                &options,
                &mut assertion,
            )
        })?;
        // SAFETY: on success it is null or points to a structure that is ours until we free it.
        let Some(signed) = (unsafe { assertion.as_ref() }) else {
            return Err(HResult::E_UNEXPECTED);
        };
        // SAFETY: pointers and lengths belong together, and to the structure.
        let answer = unsafe {
            Assertion {
                credential_id: copy(signed.Credential.pbId, signed.Credential.cbId),
                auth_data: copy(signed.pbAuthenticatorData, signed.cbAuthenticatorData),
                signature: copy(signed.pbSignature, signed.cbSignature),
                user_id: copy(signed.pbUserId, signed.cbUserId),
            }
        };
        // SAFETY: it came from this library, is freed once, and not used after this.
        unsafe { (self.free_assertion)(assertion) };
        Ok(answer)
    }

    fn cancel(&self, cancellation: u128) {
        let id = GUID::from_u128(cancellation);
        // SAFETY: `id` is readable. That there is nothing to cancel any more is no news.
        let _ = unsafe { (self.cancel)(&id) };
    }
}

fn symbol(module: HMODULE, name: PCSTR) -> Option<unsafe extern "system" fn() -> isize> {
    // SAFETY: the module stays loaded, and the name is a constant with a zero at its end.
    unsafe { GetProcAddress(module, name) }
}

/// # Safety
/// `F` must be the type of the function at `address`.
unsafe fn function<F: Copy>(address: unsafe extern "system" fn() -> isize) -> F {
    const {
        assert!(
            size_of::<F>() == size_of::<FARPROC>(),
            "F must be a function pointer"
        )
    };
    // SAFETY: both are function pointers, of which the caller says that they are of the same function.
    unsafe { transmute_copy(&address) }
}

/// The dialog goes in front of the window that the user works with; a console program has none of its own.
fn window() -> HWND {
    // SAFETY: takes nothing.
    unsafe { GetForegroundWindow() }
}

fn client_data(json: &[u8]) -> WEBAUTHN_CLIENT_DATA {
    let (length, json) = bytes(json);
    WEBAUTHN_CLIENT_DATA {
        dwVersion: WEBAUTHN_CLIENT_DATA_CURRENT_VERSION,
        cbClientDataJSON: length,
        pbClientDataJSON: json,
        pwszHashAlgId: WEBAUTHN_HASH_ALGORITHM_SHA_256,
    }
}

fn extension<T>(identifier: PCWSTR, value: &mut T) -> WEBAUTHN_EXTENSION {
    WEBAUTHN_EXTENSION {
        pwszExtensionIdentifier: identifier,
        cbExtension: count(size_of::<T>()),
        pvExtension: std::ptr::from_mut(value).cast::<c_void>(),
    }
}

fn verification(required: bool) -> u32 {
    if required {
        WEBAUTHN_USER_VERIFICATION_REQUIREMENT_REQUIRED
    } else {
        WEBAUTHN_USER_VERIFICATION_REQUIREMENT_DISCOURAGED
    }
}

fn milliseconds(time: std::time::Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn check(result: HRESULT) -> Result<(), HResult> {
    if result.is_ok() {
        Ok(())
    } else {
        Err(HResult(result.0.cast_unsigned()))
    }
}

/// # Safety
/// `start` is null, or there are `length` bytes to read.
unsafe fn copy(start: *const u8, length: u32) -> Vec<u8> {
    if start.is_null() {
        return Vec::new();
    }
    // SAFETY: as the caller promises; u32 fits into usize on every Windows.
    unsafe { slice::from_raw_parts(start, length as usize) }.to_vec()
}
