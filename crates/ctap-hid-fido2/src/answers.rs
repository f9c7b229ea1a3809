//! What the key said, in this workspace's terms.

use keywright_ctap::{
    Command, Error, ResidentCredential, Result,
    message::{self, CborMessage, DecodeError, credential_management},
};
use keywright_webauthn::cbor;

use crate::call::Outcome;

pub(crate) fn last_answer<M: CborMessage, T>(outcome: &Outcome<T>, command: Command) -> Result<M> {
    last_answers(outcome, 1, command)?
        .pop()
        .ok_or_else(|| malformed(command, "there is none"))
}

/// The last `count` answers.
pub(crate) fn last_answers<M: CborMessage, T>(
    outcome: &Outcome<T>,
    count: usize,
    command: Command,
) -> Result<Vec<M>> {
    let mut answers: Vec<M> = outcome
        .answers()
        .rev()
        .take(count)
        .map(|answer| {
            message::decode_members(answer.get(1..).unwrap_or_default())
                .map_err(|source| Error::Malformed { command, source })
        })
        .collect::<Result<_>>()?;
    answers.reverse();
    if answers.len() == count {
        Ok(answers)
    } else {
        Err(malformed(
            command,
            "ctap-hid-fido2 has got more answers than the key gave",
        ))
    }
}

pub(crate) fn resident(
    rp_id: &str,
    rp_id_hash: [u8; 32],
    answer: credential_management::Response,
) -> Result<ResidentCredential> {
    let lacks = |member| missing(Command::CredentialManagement, member);
    let user = answer.user.ok_or_else(|| lacks("user"))?;
    Ok(ResidentCredential {
        rp_id: rp_id.to_owned(),
        rp_id_hash,
        user_id: user.id,
        user_name: user.name,
        user_display_name: user.display_name,
        credential_id: answer
            .credential_id
            .ok_or_else(|| lacks("credentialID"))?
            .id,
        public_key_cbor: cbor::to_canonical_vec(
            &answer.public_key.ok_or_else(|| lacks("publicKey"))?,
        ),
        cred_protect: answer.cred_protect,
    })
}

pub(crate) fn missing(command: Command, member: &'static str) -> Error {
    Error::Malformed {
        command,
        source: DecodeError::Missing(member),
    }
}

pub(crate) fn malformed(command: Command, words: &str) -> Error {
    Error::Malformed {
        command,
        source: DecodeError::Cbor(words.to_owned()),
    }
}
