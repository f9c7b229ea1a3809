//! No attestation (WebAuthn Level 3 section 8.7).

use super::{AttestationFormat, AttestationType, Attested, StatementInput, bad_cbor, malformed};
use crate::{AttestationStep, VerificationError, cbor::Reader};

pub(super) struct None;

impl AttestationFormat for None {
    fn identifier(&self) -> &'static str {
        "none"
    }

    fn verify<'a>(&self, input: &StatementInput<'a>) -> Result<Attested<'a>, VerificationError> {
        // "$$attStmtType //= ( fmt: "none", attStmt: emptyMap )"
        let map = Reader::new(input.att_stmt)
            .map()
            .map_err(bad_cbor(SYNTAX))?;
        if !map.is_empty() {
            return Err(malformed(SYNTAX, "is not an empty map"));
        }
        // "Return implementation-specific values representing attestation type None and an empty
        // attestation trust path."
        Ok(Attested {
            attestation_type: AttestationType::None,
            trust_path: Vec::new(),
        })
    }
}

const SYNTAX: AttestationStep = AttestationStep {
    format: "none",
    section: "8.7",
    name: "syntax",
};
