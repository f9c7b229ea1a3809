//! Credential lists that are longer than a key takes at once (CTAP 2.2 §6.4 maxCredentialCountInList,
//! maxCredentialIdLength, maxMsgSize).

use std::collections::VecDeque;

use super::{Ctap2, pin_uv::Verification};
use crate::{
    error::Result,
    message::{
        AuthenticatorInfo, CborMessage, CredentialDescriptor, Options, Request,
        get_assertion::{self, Response},
    },
    signal::Signal,
    status::StatusCode,
    transport::Transport,
};

impl<T: Transport> Ctap2<T> {
    /// The first of `list` that is on this key, found without a touch by `authenticatorGetAssertion` with `up` false
    /// (what CTAP calls pre-flight).
    pub(super) fn find_excluded(
        &mut self,
        list: &[CredentialDescriptor],
        rp_id: &str,
        info: &AuthenticatorInfo,
        verification: &Verification,
        signal: &mut dyn Signal,
    ) -> Result<Option<CredentialDescriptor>> {
        // Nothing that could ever be of use may be signed here.
        let client_data_hash = vec![0; 32];
        let message = get_assertion::Request {
            rp_id: rp_id.to_owned(),
            pin_uv_auth_param: verification.param(&client_data_hash),
            pin_uv_auth_protocol: verification.protocol(),
            client_data_hash,
            options: Options {
                up: Some(false),
                ..Options::default()
            },
            ..get_assertion::Request::default()
        };

        let mut groups = VecDeque::from(groups(list, message.to_cbor().len() + 1, info));
        while let Some(group) = groups.pop_front() {
            let request = Request::GetAssertion(get_assertion::Request {
                allow_list: group.clone(),
                ..message.clone()
            });
            match self.call::<Response>(&request, signal) {
                Ok(found) => {
                    let only = (group.len() == 1)
                        .then(|| group.into_iter().next())
                        .flatten();
                    return Ok(found.credential.or(only));
                }
                Err(error) => match error.status() {
                    Some(StatusCode::NoCredentials | StatusCode::InvalidCredential) => {}
                    // The key has less room than it said.
                    Some(StatusCode::RequestTooLarge | StatusCode::LimitExceeded)
                        if group.len() > 1 =>
                    {
                        let (left, right) = group.split_at(group.len() / 2);
                        groups.push_front(right.to_vec());
                        groups.push_front(left.to_vec());
                    }
                    _ => return Err(error),
                },
            }
        }
        Ok(None)
    }
}

/// The credentials that can be on this key at all: none has an id longer than the key makes them.
pub(super) fn possible(ids: &[Vec<u8>], info: &AuthenticatorInfo) -> Vec<CredentialDescriptor> {
    ids.iter()
        .filter(|id| {
            info.max_credential_id_length
                .is_none_or(|limit| id.len() as u64 <= limit)
        })
        .map(|id| CredentialDescriptor::public_key(id.as_slice()))
        .collect()
}

/// Whether the whole list can go into one message that has `rest` bytes without it.
pub(super) fn fits(list: &[CredentialDescriptor], rest: usize, info: &AuthenticatorInfo) -> bool {
    groups(list, rest, info).len() <= 1
}

/// The list in parts that each fit into one message that has `rest` bytes without them.
pub(super) fn groups(
    list: &[CredentialDescriptor],
    rest: usize,
    info: &AuthenticatorInfo,
) -> Vec<Vec<CredentialDescriptor>> {
    let most = maximum_count(info);
    let room = info.maximum_message_size().saturating_sub(rest + LIST_HEAD);
    let mut groups = Vec::new();
    let mut group = Vec::new();
    let mut used = 0;
    for credential in list {
        let length = credential.id.len() + DESCRIPTOR_HEAD;
        if !group.is_empty() && (group.len() >= most || used + length > room) {
            groups.push(std::mem::take(&mut group));
            used = 0;
        }
        group.push(credential.clone());
        used += length;
    }
    if !group.is_empty() {
        groups.push(group);
    }
    groups
}

/// How many credentials a list may have. A key that does not say is only trusted with one, as CTAP 2.0 leaves it open.
pub(super) fn maximum_count(info: &AuthenticatorInfo) -> usize {
    info.max_credential_count_in_list
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(1)
        .max(1)
}

/// Key and array head.
const LIST_HEAD: usize = 1 + 3;
/// `{"id": h'', "type": "public-key"}` with a length of two bytes.
const DESCRIPTOR_HEAD: usize = 1 + 3 + 3 + 5 + 11;

#[cfg(test)]
mod tests {
    use keywright_webauthn::Aaguid;

    use super::*;

    fn info(count: Option<u64>, size: Option<u64>) -> AuthenticatorInfo {
        let mut info = AuthenticatorInfo::new(vec!["FIDO_2_1".into()], Aaguid([0; 16]));
        info.max_credential_count_in_list = count;
        info.max_msg_size = size;
        info
    }

    #[test]
    fn lists_are_split_by_count_and_by_size() {
        let list: Vec<_> = (0..10)
            .map(|n| CredentialDescriptor::public_key(vec![n; 64]))
            .collect();
        let sizes = |info: &AuthenticatorInfo| {
            groups(&list, 100, info)
                .iter()
                .map(Vec::len)
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(&info(Some(8), Some(7609))), [8, 2]);
        assert_eq!(sizes(&info(Some(100), Some(7609))), [10]);
        assert_eq!(sizes(&info(None, None)), [1; 10]);
        // 1024 - 104 bytes of room, 87 for each credential.
        assert_eq!(sizes(&info(Some(100), None)), [10]);
        assert_eq!(sizes(&info(Some(100), Some(600))), [5, 5]);
        // A credential larger than the room still gets a message of its own.
        assert_eq!(sizes(&info(Some(100), Some(64))), [1; 10]);
        assert!(groups(&[], 100, &info(None, None)).is_empty());
    }

    #[test]
    fn the_head_of_a_descriptor_is_counted_right() {
        let id = vec![0; 300];
        let one = get_assertion::Request {
            allow_list: vec![CredentialDescriptor::public_key(id.clone())],
            ..get_assertion::Request::default()
        };
        let none = get_assertion::Request::default();
        // A list of one has an array head of one byte instead of the three that are reserved.
        assert_eq!(
            one.to_cbor().len() - none.to_cbor().len(),
            id.len() + DESCRIPTOR_HEAD + LIST_HEAD - 2
        );
    }

    #[test]
    fn ids_the_key_cannot_have_made_are_left_out() {
        let mut info = info(None, None);
        let ids = [vec![1; 64], vec![2; 65]];
        assert_eq!(possible(&ids, &info).len(), 2);
        info.max_credential_id_length = Some(64);
        assert_eq!(
            possible(&ids, &info),
            [CredentialDescriptor::public_key(vec![1; 64])]
        );
    }
}
