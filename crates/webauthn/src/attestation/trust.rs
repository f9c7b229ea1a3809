//! Whether attestation certificates lead to a trust anchor (WebAuthn Level 3 section 7.1 step 24;
//! the checks of RFC 5280 section 6.1 that attestation chains need: order, signatures, validity, CA
//! marks, path lengths, unknown critical extensions).

use std::time::{SystemTime, UNIX_EPOCH};

use x509_parser::{extensions::ParsedExtension, time::ASN1Time};

use super::certificate::{Certificate, CertificateError};

/// Follows the certificates `trust_path`, leaf first, to one of `anchors` (DER). `None` as the
/// error means that the path is sound but leads to none of them.
pub(crate) fn assess(
    trust_path: &[&[u8]],
    anchors: &[Vec<u8>],
    now: SystemTime,
) -> Result<(), Option<CertificateError>> {
    let now = asn1_time(now)?;
    let mut below: Option<Certificate<'_>> = None;
    for (depth, der) in trust_path.iter().enumerate() {
        let certificate = Certificate::parse(der)?;
        certificate.check_in_path(depth, now)?;
        if let Some(below) = &below {
            below.check_issuer(&certificate)?;
        }
        // "… or is itself an acceptable certificate (i.e., it and the root certificate obtained in
        // Step 22 may be the same)."
        if anchors.iter().any(|anchor| anchor == der)
            || is_issued_by_anchor(&certificate, anchors, depth, now)?
        {
            return Ok(());
        }
        below = Some(certificate);
    }
    Err(None)
}

fn is_issued_by_anchor(
    certificate: &Certificate<'_>,
    anchors: &[Vec<u8>],
    depth: usize,
    now: ASN1Time,
) -> Result<bool, CertificateError> {
    let mut refused = None;
    for anchor in anchors {
        // An anchor that cannot be read is no certificate's issuer; it is not this certificate's
        // fault.
        let Ok(anchor) = Certificate::parse(anchor) else {
            continue;
        };
        if anchor.parsed.subject().as_raw() != certificate.parsed.issuer().as_raw() {
            continue;
        }
        match anchor
            .check_in_path(depth + 1, now)
            .and_then(|()| certificate.verify_issued_by(&anchor))
        {
            Ok(()) => return Ok(true),
            Err(error) => refused = Some(error),
        }
    }
    // A name that fits with a signature that does not is worth telling.
    refused.map_or(Ok(false), Err)
}

impl Certificate<'_> {
    /// What holds for a certificate of its own, `depth` certificates above the leaf.
    fn check_in_path(&self, depth: usize, now: ASN1Time) -> Result<(), CertificateError> {
        if !self.parsed.validity().is_valid_at(now) {
            return Err(CertificateError::Expired(self.subject()));
        }
        for extension in self.parsed.extensions() {
            if extension.critical && !is_known(extension.parsed_extension()) {
                return Err(CertificateError::UnknownCritical {
                    subject: self.subject(),
                    extension: extension.oid.to_string(),
                });
            }
        }
        if depth == 0 {
            Ok(())
        } else {
            self.check_ca(depth - 1)
        }
    }

    fn check_ca(&self, cas_below: usize) -> Result<(), CertificateError> {
        let constraints =
            self.parsed
                .basic_constraints()
                .map_err(|source| CertificateError::Extension {
                    extension: "basic constraints",
                    source,
                })?;
        let Some(constraints) = constraints.filter(|constraints| constraints.value.ca) else {
            return Err(CertificateError::NotCa(self.subject()));
        };
        if constraints
            .value
            .path_len_constraint
            .is_some_and(|limit| cas_below > limit as usize)
        {
            return Err(CertificateError::PathLength(self.subject()));
        }
        let usage = self
            .parsed
            .key_usage()
            .map_err(|source| CertificateError::Extension {
                extension: "key usage",
                source,
            })?;
        if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
            return Err(CertificateError::NotCa(self.subject()));
        }
        Ok(())
    }

    fn check_issuer(&self, issuer: &Certificate<'_>) -> Result<(), CertificateError> {
        if self.parsed.issuer().as_raw() != issuer.parsed.subject().as_raw() {
            return Err(CertificateError::Order {
                subject: self.subject(),
                next: issuer.subject(),
            });
        }
        self.verify_issued_by(issuer)
    }
}

/// The extensions whose meaning is checked here, or has none for an attestation chain.
fn is_known(extension: &ParsedExtension<'_>) -> bool {
    matches!(
        extension,
        ParsedExtension::BasicConstraints(_)
            | ParsedExtension::KeyUsage(_)
            | ParsedExtension::ExtendedKeyUsage(_)
            | ParsedExtension::SubjectAlternativeName(_)
            | ParsedExtension::CertificatePolicies(_)
    )
}

fn asn1_time(time: SystemTime) -> Result<ASN1Time, CertificateError> {
    let seconds = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    };
    ASN1Time::from_timestamp(seconds).map_err(|_| CertificateError::Time(seconds))
}

#[cfg(test)]
mod tests;
