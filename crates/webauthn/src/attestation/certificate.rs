//! Attestation certificates.

use x509_parser::{
    certificate::X509Certificate,
    der_parser::{Oid, oid},
    error::X509Error,
    oid_registry,
    prelude::FromDer,
    public_key::PublicKey,
    x509::X509Version,
};

use crate::{Aaguid, CoseAlgorithm, SignatureError, cose::VerificationKey};

/// Why a certificate is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// It is not a DER certificate.
    #[error("the certificate cannot be read: {0}")]
    Der(String),
    /// An extension is malformed or there twice.
    #[error("the certificate's extension {extension} cannot be read: {source}")]
    Extension {
        /// Which.
        extension: &'static str,
        /// What is wrong with it.
        source: X509Error,
    },
    /// It is not an X.509 version 3 certificate.
    #[error("the certificate has version {0} instead of 3")]
    Version(u32),
    /// Its subject does not name what it has to.
    #[error("the certificate's subject has no {0}")]
    Subject(&'static str),
    /// It has no basic constraints, or says that it is a CA's.
    #[error("the certificate is not marked as an end entity's (basic constraints with CA false)")]
    IsCa,
    /// An extension must not be critical.
    #[error("the certificate's extension {0} must not be critical")]
    Critical(&'static str),
    /// Its AAGUID extension is another model's.
    #[error(
        "the certificate is for the AAGUID {certificate}, the authenticator data for {authenticator_data}"
    )]
    Aaguid {
        /// The certificate's.
        certificate: Aaguid,
        /// The authenticator data's.
        authenticator_data: Aaguid,
    },
    /// Its AAGUID extension is not an octet string of 16 bytes.
    #[error("the certificate's AAGUID extension is not an octet string of 16 bytes")]
    MalformedAaguid,
    /// Its key is not an elliptic-curve key on P-256.
    #[error("the certificate's key is not an elliptic-curve key on P-256")]
    NotP256,
    /// It is not valid at the time of the verification.
    #[error("the certificate {0:?} is not valid at the time of the verification")]
    Expired(String),
    /// The time of the verification is outside the years that a certificate can name.
    #[error(
        "the time of the verification, {0} seconds after 1970, is outside the years of certificates"
    )]
    Time(i64),
    /// It issues others although it is no CA's.
    #[error("the certificate {0:?} issues another although it is no CA's")]
    NotCa(String),
    /// There are more CAs below it than it allows.
    #[error("the certificate {0:?} does not allow so many CAs below it")]
    PathLength(String),
    /// A critical extension is unknown.
    #[error("the certificate {subject:?} has the unknown critical extension {extension}")]
    UnknownCritical {
        /// The certificate's subject.
        subject: String,
        /// The extension's object identifier.
        extension: String,
    },
    /// The certificates do not follow each other.
    #[error("the certificate {subject:?} was not issued by the next one, {next:?}")]
    Order {
        /// The certificate's subject.
        subject: String,
        /// The next certificate's subject.
        next: String,
    },
    /// Its own signature is not its issuer's.
    #[error("the signature of the certificate {subject:?}: {source}")]
    Signature {
        /// The certificate's subject.
        subject: String,
        /// What is wrong.
        source: SignatureError,
    },
    /// It is signed with an algorithm that is not supported.
    #[error("the certificate {subject:?} is signed with the unsupported algorithm {algorithm}")]
    SignatureAlgorithm {
        /// The certificate's subject.
        subject: String,
        /// The algorithm's object identifier.
        algorithm: String,
    },
}

/// A parsed certificate.
pub(super) struct Certificate<'a> {
    pub(super) parsed: X509Certificate<'a>,
}

impl<'a> Certificate<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, CertificateError> {
        let (rest, parsed) = X509Certificate::from_der(der)
            .map_err(|error| CertificateError::Der(error.to_string()))?;
        if !rest.is_empty() {
            return Err(CertificateError::Der(format!(
                "{} bytes follow it",
                rest.len()
            )));
        }
        Ok(Self { parsed })
    }

    /// The `subjectPublicKeyInfo` in DER.
    pub(super) fn public_key_info(&self) -> &'a [u8] {
        self.parsed.tbs_certificate.subject_pki.raw
    }

    /// The subject, for messages.
    pub(super) fn subject(&self) -> String {
        self.parsed.subject().to_string()
    }

    /// Section 8.2.1, "Certificate Requirements for Packed Attestation Statements".
    pub(super) fn check_packed_requirements(&self) -> Result<(), CertificateError> {
        // "Version MUST be set to 3 (which is indicated by an ASN.1 INTEGER with value 2)."
        let X509Version(version) = self.parsed.version();
        if version != 2 {
            return Err(CertificateError::Version(version.saturating_add(1)));
        }
        self.check_subject()?;
        // "The Basic Constraints extension MUST have the CA component set to false."
        let constraints =
            self.parsed
                .basic_constraints()
                .map_err(|source| CertificateError::Extension {
                    extension: "basic constraints",
                    source,
                })?;
        match constraints {
            Some(constraints) if !constraints.value.ca => Ok(()),
            _ => Err(CertificateError::IsCa),
        }
    }

    /// Compares the AAGUID extension, if there is one.
    pub(super) fn check_aaguid(&self, authenticator_data: Aaguid) -> Result<(), CertificateError> {
        let extension = self
            .parsed
            .get_extension_unique(&ID_FIDO_GEN_CE_AAGUID)
            .map_err(|source| CertificateError::Extension {
                extension: "id-fido-gen-ce-aaguid",
                source,
            })?;
        let Some(extension) = extension else {
            return Ok(());
        };
        // "The extension MUST NOT be marked as critical."
        if extension.critical {
            return Err(CertificateError::Critical("id-fido-gen-ce-aaguid"));
        }
        // "… containing the AAGUID as a 16-byte OCTET STRING."
        let certificate = match extension.value {
            [0x04, 0x10, aaguid @ ..] => aaguid.try_into().ok().map(Aaguid),
            _ => None,
        };
        let certificate = certificate.ok_or(CertificateError::MalformedAaguid)?;
        if certificate == authenticator_data {
            Ok(())
        } else {
            Err(CertificateError::Aaguid {
                certificate,
                authenticator_data,
            })
        }
    }

    pub(super) fn check_p256(&self) -> Result<(), CertificateError> {
        match self.curve() {
            Some(Curve::P256) => Ok(()),
            _ => Err(CertificateError::NotP256),
        }
    }

    /// Verifies that `issuer` signed this certificate.
    pub(super) fn verify_issued_by(
        &self,
        issuer: &Certificate<'_>,
    ) -> Result<(), CertificateError> {
        let message = self.parsed.tbs_certificate.as_ref();
        let signature = &self.parsed.signature_value.data;
        let algorithm = &self.parsed.signature_algorithm.algorithm;
        let key = issuer.public_key_info();
        let result = match (Hash::of_ecdsa(algorithm), issuer.curve()) {
            (Some(hash), Some(curve)) => verify_ecdsa(curve, hash, key, message, signature),
            _ => {
                let algorithm = rsa_or_eddsa(algorithm).ok_or_else(|| {
                    CertificateError::SignatureAlgorithm {
                        subject: self.subject(),
                        algorithm: algorithm.to_string(),
                    }
                })?;
                crate::cose::verify(algorithm, &VerificationKey::Spki(key), message, signature)
            }
        };
        result.map_err(|source| CertificateError::Signature {
            subject: self.subject(),
            source,
        })
    }

    /// "Subject field MUST be set to:"
    fn check_subject(&self) -> Result<(), CertificateError> {
        let subject = self.parsed.subject();
        // "Subject-C: ISO 3166 code specifying the country where the Authenticator vendor is
        // incorporated (PrintableString)"
        let mut country = subject
            .iter_country()
            .filter_map(|value| value.as_str().ok());
        if !country
            .any(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic()))
        {
            return Err(CertificateError::Subject("country (C) of two letters"));
        }
        // "Subject-O: Legal name of the Authenticator vendor (UTF8String)"
        let mut organization = subject
            .iter_organization()
            .filter_map(|value| value.as_str().ok());
        if !organization.any(|name| !name.is_empty()) {
            return Err(CertificateError::Subject("organization (O)"));
        }
        // "Subject-OU: Literal string "Authenticator Attestation" (UTF8String)"
        let mut unit = subject
            .iter_organizational_unit()
            .filter_map(|value| value.as_str().ok());
        if !unit.any(|unit| unit == "Authenticator Attestation") {
            return Err(CertificateError::Subject(
                "organizational unit (OU) \"Authenticator Attestation\"",
            ));
        }
        // "Subject-CN: A UTF8String of the vendor's choosing"
        let mut common_name = subject
            .iter_common_name()
            .filter_map(|value| value.as_str().ok());
        if !common_name.any(|name| !name.is_empty()) {
            return Err(CertificateError::Subject("common name (CN)"));
        }
        Ok(())
    }

    fn curve(&self) -> Option<Curve> {
        let info = self.parsed.public_key();
        let parameters = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
        match info.parsed() {
            Ok(PublicKey::EC(_)) if parameters == oid_registry::OID_EC_P256 => Some(Curve::P256),
            Ok(PublicKey::EC(_)) if parameters == oid_registry::OID_NIST_EC_P384 => {
                Some(Curve::P384)
            }
            Ok(PublicKey::EC(_)) if parameters == oid_registry::OID_NIST_EC_P521 => {
                Some(Curve::P521)
            }
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of_ecdsa(algorithm: &Oid<'_>) -> Option<Self> {
        if *algorithm == oid_registry::OID_SIG_ECDSA_WITH_SHA256 {
            Some(Self::Sha256)
        } else if *algorithm == oid_registry::OID_SIG_ECDSA_WITH_SHA384 {
            Some(Self::Sha384)
        } else if *algorithm == oid_registry::OID_SIG_ECDSA_WITH_SHA512 {
            Some(Self::Sha512)
        } else {
            None
        }
    }
}

/// In certificates the hash is not bound to the curve, as it is in COSE.
fn verify_ecdsa(
    curve: Curve,
    hash: Hash,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    use aws_lc_rs::signature as lc;
    let (algorithm, name) = match (curve, hash) {
        (Curve::P256, Hash::Sha256) => (&lc::ECDSA_P256_SHA256_ASN1, CoseAlgorithm::ES256),
        (Curve::P256, Hash::Sha384) => (&lc::ECDSA_P256_SHA384_ASN1, CoseAlgorithm::ES384),
        (Curve::P256, Hash::Sha512) => (&lc::ECDSA_P256_SHA512_ASN1, CoseAlgorithm::ES512),
        (Curve::P384, Hash::Sha256) => (&lc::ECDSA_P384_SHA256_ASN1, CoseAlgorithm::ES256),
        (Curve::P384, Hash::Sha384) => (&lc::ECDSA_P384_SHA384_ASN1, CoseAlgorithm::ES384),
        (Curve::P384, Hash::Sha512) => (&lc::ECDSA_P384_SHA512_ASN1, CoseAlgorithm::ES512),
        (Curve::P521, Hash::Sha256) => (&lc::ECDSA_P521_SHA256_ASN1, CoseAlgorithm::ES256),
        (Curve::P521, Hash::Sha384) => (&lc::ECDSA_P521_SHA384_ASN1, CoseAlgorithm::ES384),
        (Curve::P521, Hash::Sha512) => (&lc::ECDSA_P521_SHA512_ASN1, CoseAlgorithm::ES512),
    };
    lc::UnparsedPublicKey::new(algorithm, key)
        .verify(message, signature)
        .map_err(|_| SignatureError::Invalid(name))
}

fn rsa_or_eddsa(algorithm: &Oid<'_>) -> Option<CoseAlgorithm> {
    if *algorithm == oid_registry::OID_PKCS1_SHA256WITHRSA {
        Some(CoseAlgorithm::RS256)
    } else if *algorithm == oid_registry::OID_PKCS1_SHA384WITHRSA {
        Some(CoseAlgorithm::RS384)
    } else if *algorithm == oid_registry::OID_PKCS1_SHA512WITHRSA {
        Some(CoseAlgorithm::RS512)
    } else if *algorithm == oid_registry::OID_SIG_ED25519 {
        Some(CoseAlgorithm::EDDSA)
    } else {
        None
    }
}

const ID_FIDO_GEN_CE_AAGUID: Oid<'static> = oid!(1.3.6.1.4.1.45724.1.1.4);

#[cfg(test)]
mod tests;
