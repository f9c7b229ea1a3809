//! Changes to vectors, for the tests of refusals.

use keywright_webauthn::{AttestationObject, Base64Url};

use crate::support::{Authentication, Vector};

impl Vector {
    pub(crate) fn expected(&self) -> &serde_json::Value {
        &self.registration.expected
    }

    pub(crate) fn set_challenge(&mut self, challenge: &[u8]) {
        self.registration.challenge = Some(challenge.into());
    }

    pub(crate) fn set_origin(&mut self, origin: &str) {
        self.origin = Some(origin.to_owned());
    }

    pub(crate) fn set_top_origin(&mut self, origin: &str) {
        self.top_origin = Some(origin.to_owned());
    }

    pub(crate) fn set_rp_id(&mut self, rp_id: &str) {
        self.rp_id = Some(rp_id.to_owned());
    }

    pub(crate) fn forbid_frames(&mut self) {
        self.cross_origin = Some(false);
    }

    pub(crate) fn client_data_json_mut(&mut self) -> &mut Vec<u8> {
        &mut self.registration.client_data_json.as_mut().unwrap().0
    }

    pub(crate) fn attestation_object_mut(&mut self) -> &mut Vec<u8> {
        &mut self.registration.attestation_object.0
    }

    pub(crate) fn replace_in_client_data(&mut self, from: &str, to: &str) {
        replace(
            self.registration.client_data_json.as_mut().unwrap(),
            from,
            to,
        );
    }

    pub(crate) fn change_object(&mut self, change: impl FnOnce(&mut AttestationObject)) {
        let mut object =
            AttestationObject::decode(self.registration.attestation_object.as_bytes()).unwrap();
        change(&mut object);
        self.registration.attestation_object = object.encode().into();
    }

    pub(crate) fn change_flags(&mut self, clear: u8, set: u8) {
        self.change_object(|object| object.auth_data[32] = object.auth_data[32] & !clear | set);
    }

    pub(crate) fn assertion_signature_mut(&mut self) -> &mut Vec<u8> {
        &mut self.assertion().signature.0
    }

    pub(crate) fn assertion_data_mut(&mut self) -> &mut Vec<u8> {
        &mut self.assertion().authenticator_data.0
    }

    pub(crate) fn replace_in_assertion(&mut self, from: &str, to: &str) {
        replace(&mut self.assertion().client_data_json, from, to);
    }

    fn assertion(&mut self) -> &mut Authentication {
        self.authentication.as_mut().unwrap()
    }
}

fn replace(json: &mut Base64Url, from: &str, to: &str) {
    let text = String::from_utf8(json.0.clone()).unwrap();
    assert!(text.contains(from));
    *json = text.replacen(from, to, 1).into_bytes().into();
}
