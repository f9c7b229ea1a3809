//! FIDO U2F attestation (WebAuthn Level 3 section 8.6).

use super::{
    AttestationFormat, AttestationType, Attested, StatementInput, bad_cbor,
    certificate::Certificate, malformed, packed::read_x5c,
};
use crate::{
    AttestationStep, CoseAlgorithm, CoseKeyParameters, Reason, VerificationError,
    cbor::Reader,
    cose::{VerificationKey, verify},
    error::{AtStep, ensure},
};

pub(super) struct FidoU2f;

impl AttestationFormat for FidoU2f {
    fn identifier(&self) -> &'static str {
        "fido-u2f"
    }

    fn verify<'a>(&self, input: &StatementInput<'a>) -> Result<Attested<'a>, VerificationError> {
        // "1. Verify that attStmt is valid CBOR conforming to the syntax defined above and perform
        // CBOR decoding on it to extract the contained fields."
        let statement = Statement::read(input.att_stmt)?;
        // "2. Check that x5c has exactly one element and let attCert be that element."
        let [att_cert] = statement.x5c.as_slice() else {
            return Err(malformed(
                CERTIFICATE,
                format_args!("has {} certificates instead of one", statement.x5c.len()),
            ));
        };
        // "Let certificate public key be the public key conveyed by attCert. If certificate public
        // key is not an Elliptic Curve (EC) public key over the P-256 curve, terminate this
        // algorithm and return an appropriate error."
        let att_cert = Certificate::parse(att_cert).at(CERTIFICATE)?;
        att_cert.check_p256().at(CERTIFICATE)?;
        // "3. Extract the claimed rpIdHash from authenticatorData, and the claimed credentialId and
        // credentialPublicKey from authenticatorData.attestedCredentialData."
        let credential = input.credential;
        // CTAP 2.2 section 10.2: the attested credential data of a U2F key has an AAGUID of 16 zero
        // bytes.
        ensure(
            credential.aaguid.is_zero() || input.relaxations.u2f_aaguid,
            AAGUID,
            || {
                Reason::Statement(format!(
                    "is of a U2F key, which has no AAGUID, but there is {}",
                    credential.aaguid
                ))
            },
        )?;
        // "4. Convert the COSE_KEY formatted credentialPublicKey […] to Raw ANSI X9.62 public key
        // format."
        // "If size differs or "-2" key is not found, terminate this algorithm and return an
        // appropriate error."
        let CoseKeyParameters::Ec2 { x, y, .. } = credential.credential_public_key.parameters()
        else {
            return Err(malformed(
                PUBLIC_KEY,
                "is of a credential that has no elliptic-curve key",
            ));
        };
        ensure(x.len() == 32 && y.len() == 32, PUBLIC_KEY, || {
            Reason::Statement("is of a credential that has no P-256 key".to_owned())
        })?;
        // "5. Let verificationData be the concatenation of (0x00 || rpIdHash || clientDataHash ||
        // credentialId || publicKeyU2F)"
        let verification_data = [
            &[0x00],
            &input.authenticator_data.rp_id_hash[..],
            input.client_data_hash,
            credential.credential_id,
            &[0x04],
            x,
            y,
        ]
        .concat();
        // "6. Verify the sig using verificationData and the certificate public key per section
        // 4.1.4 of [SEC1] with SHA-256 as the hash function used in step two."
        let key = VerificationKey::Spki(att_cert.public_key_info());
        verify(
            CoseAlgorithm::ES256,
            &key,
            &verification_data,
            statement.sig,
        )
        .at(SIGNATURE)?;
        // "8. If successful, return implementation-specific values representing attestation type
        // Basic, AttCA or uncertainty, and attestation trust path x5c."
        Ok(Attested {
            attestation_type: AttestationType::Basic,
            trust_path: statement.x5c,
        })
    }
}

/// `{ x5c: [ attestnCert: bytes ], sig: bytes }`
struct Statement<'a> {
    sig: &'a [u8],
    x5c: Vec<&'a [u8]>,
}

impl<'a> Statement<'a> {
    fn read(att_stmt: &'a [u8]) -> Result<Self, VerificationError> {
        let (mut sig, mut x5c) = (None, None);
        let mut reader = Reader::new(att_stmt);
        let mut map = reader.map().map_err(bad_cbor(SYNTAX))?;
        while let Some(name) = map.next_text_key(&mut reader).map_err(bad_cbor(SYNTAX))? {
            match name {
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
            sig: sig.ok_or_else(|| malformed(SYNTAX, "has no sig"))?,
            x5c: x5c.ok_or_else(|| malformed(SYNTAX, "has no x5c"))?,
        })
    }
}

const SYNTAX: AttestationStep = AttestationStep {
    format: "fido-u2f",
    section: "8.6 step 1",
    name: "syntax",
};
const CERTIFICATE: AttestationStep = AttestationStep {
    format: "fido-u2f",
    section: "8.6 step 2",
    name: "attestation certificate",
};
const AAGUID: AttestationStep = AttestationStep {
    format: "fido-u2f",
    section: "8.6 step 3",
    name: "AAGUID",
};
const PUBLIC_KEY: AttestationStep = AttestationStep {
    format: "fido-u2f",
    section: "8.6 step 4",
    name: "credential public key",
};
const SIGNATURE: AttestationStep = AttestationStep {
    format: "fido-u2f",
    section: "8.6 step 6",
    name: "signature",
};
