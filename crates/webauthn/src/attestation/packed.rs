//! Packed attestation (WebAuthn Level 3 section 8.2).

use super::{
    AttestationFormat, AttestationType, Attested, StatementInput, bad_cbor,
    certificate::Certificate, malformed,
};
use crate::{
    AttestationStep, CoseAlgorithm, Reason, VerificationError,
    cbor::Reader,
    cose::{VerificationKey, verify},
    error::{AtStep, ensure},
};

pub(super) struct Packed;

impl AttestationFormat for Packed {
    fn identifier(&self) -> &'static str {
        "packed"
    }

    fn verify<'a>(&self, input: &StatementInput<'a>) -> Result<Attested<'a>, VerificationError> {
        // "Verify that attStmt is valid CBOR conforming to the syntax defined above and perform
        // CBOR decoding on it to extract the contained fields."
        let statement = Statement::read(input.att_stmt)?;
        match statement.x5c {
            // "If x5c is present:"
            Some(x5c) => verify_certified(input, statement.alg, statement.sig, x5c),
            // "If x5c is not present, self attestation is in use."
            None => verify_self(input, statement.alg, statement.sig),
        }
    }
}

fn verify_certified<'a>(
    input: &StatementInput<'a>,
    alg: CoseAlgorithm,
    sig: &[u8],
    x5c: Vec<&'a [u8]>,
) -> Result<Attested<'a>, VerificationError> {
    let leaf = x5c
        .first()
        .ok_or_else(|| malformed(SYNTAX, "has an empty x5c"))?;
    let leaf = Certificate::parse(leaf).at(CERTIFICATE)?;
    // "Verify that sig is a valid signature over the concatenation of authenticatorData and
    // clientDataHash using the attestation public key in attestnCert with the algorithm specified
    // in alg."
    verify(
        alg,
        &VerificationKey::Spki(leaf.public_key_info()),
        &input.signed_data(),
        sig,
    )
    .at(CERTIFIED_SIGNATURE)?;
    // "Verify that attestnCert meets the requirements in § 8.2.1 Certificate Requirements for
    // Packed Attestation Statements."
    leaf.check_packed_requirements().at(CERTIFICATE)?;
    // "If attestnCert contains an extension with OID 1.3.6.1.4.1.45724.1.1.4
    // (id-fido-gen-ce-aaguid) verify that the value of this extension matches the aaguid in
    // authenticatorData."
    leaf.check_aaguid(input.credential.aaguid).at(AAGUID)?;
    // "If successful, return implementation-specific values representing attestation type Basic,
    // AttCA or uncertainty, and attestation trust path x5c."
    Ok(Attested {
        attestation_type: AttestationType::Basic,
        trust_path: x5c,
    })
}

fn verify_self<'a>(
    input: &StatementInput<'a>,
    alg: CoseAlgorithm,
    sig: &[u8],
) -> Result<Attested<'a>, VerificationError> {
    let key = &input.credential.credential_public_key;
    // "Validate that alg matches the algorithm of the credentialPublicKey in authenticatorData."
    ensure(alg == key.algorithm(), SELF_ALGORITHM, || {
        Reason::Statement(format!(
            "is signed with {alg}, but the credential's algorithm is {}",
            key.algorithm()
        ))
    })?;
    // "Verify that sig is a valid signature over the concatenation of authenticatorData and
    // clientDataHash using the credential public key with alg."
    key.verify(&input.signed_data(), sig).at(SELF_SIGNATURE)?;
    // "If successful, return implementation-specific values representing attestation type Self and
    // an empty attestation trust path."
    Ok(Attested {
        attestation_type: AttestationType::SelfAttestation,
        trust_path: Vec::new(),
    })
}

/// `{ alg, sig, ? x5c: [attestnCert, * caCert] }`
struct Statement<'a> {
    alg: CoseAlgorithm,
    sig: &'a [u8],
    x5c: Option<Vec<&'a [u8]>>,
}

impl<'a> Statement<'a> {
    fn read(att_stmt: &'a [u8]) -> Result<Self, VerificationError> {
        let (mut alg, mut sig, mut x5c) = (None, None, None);
        let mut reader = Reader::new(att_stmt);
        let mut map = reader.map().map_err(bad_cbor(SYNTAX))?;
        while let Some(name) = map.next_text_key(&mut reader).map_err(bad_cbor(SYNTAX))? {
            match name {
                "alg" => alg = Some(CoseAlgorithm(reader.integer().map_err(bad_cbor(SYNTAX))?)),
                "sig" => sig = Some(reader.bytes().map_err(bad_cbor(SYNTAX))?),
                "x5c" => x5c = Some(read_x5c(&mut reader, SYNTAX)?),
                other => {
                    return Err(malformed(
                        SYNTAX,
                        format_args!("has an unknown member {other:?}"),
                    ));
                }
            }
        }
        Ok(Self {
            alg: alg.ok_or_else(|| malformed(SYNTAX, "has no alg"))?,
            sig: sig.ok_or_else(|| malformed(SYNTAX, "has no sig"))?,
            x5c,
        })
    }
}

/// An array of certificates.
pub(super) fn read_x5c<'a>(
    reader: &mut Reader<'a>,
    step: AttestationStep,
) -> Result<Vec<&'a [u8]>, VerificationError> {
    let count = reader.array().map_err(bad_cbor(step))?;
    if count > MAX_CERTIFICATES {
        return Err(malformed(step, format_args!("has {count} certificates")));
    }
    (0..count)
        .map(|_| reader.bytes().map_err(bad_cbor(step)))
        .collect()
}

/// Real chains have up to four certificates.
const MAX_CERTIFICATES: usize = 16;

const SYNTAX: AttestationStep = AttestationStep {
    format: "packed",
    section: "8.2 step 1",
    name: "syntax",
};
const CERTIFIED_SIGNATURE: AttestationStep = AttestationStep {
    format: "packed",
    section: "8.2 step 2",
    name: "signature of the attestation certificate",
};
const CERTIFICATE: AttestationStep = AttestationStep {
    format: "packed",
    section: "8.2.1",
    name: "attestation certificate",
};
const AAGUID: AttestationStep = AttestationStep {
    format: "packed",
    section: "8.2 step 2",
    name: "AAGUID of the attestation certificate",
};
const SELF_ALGORITHM: AttestationStep = AttestationStep {
    format: "packed",
    section: "8.2 step 3",
    name: "algorithm of the self attestation",
};
const SELF_SIGNATURE: AttestationStep = AttestationStep {
    format: "packed",
    section: "8.2 step 3",
    name: "signature of the self attestation",
};
