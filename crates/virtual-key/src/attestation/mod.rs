//! The attestation of virtual keys: a test CA of their own, which nobody should trust outside of
//! rehearsals.

mod signer;

use keywright_ctap::StatusCode;
use keywright_webauthn::{Aaguid, Base64Url, cbor::Value};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, IsCa,
    Issuer, KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    secret::Secret,
};
use signer::Signer;

/// The root certificate, in DER, to which the attestation of every virtual key leads: "Keywright
/// Virtual Key Test CA".
///
/// Its private key is public, too, being in the source of this crate: never make it a trust anchor
/// of anything real.
pub const ATTESTATION_ROOT: &[u8] = include_bytes!("test-ca.der");

/// A key's attestation key and its certificates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attestation {
    /// PKCS#8.
    private_key: Secret,
    /// What everybody sees: the model.
    certificate: Base64Url,
    /// What an enterprise sees: the model and the serial number.
    enterprise_certificate: Base64Url,
}

impl Attestation {
    pub(crate) fn issue(aaguid: Aaguid, serial: &str) -> Result<Self> {
        let failed = |error: rcgen::Error| Error::Attestation(error.to_string());
        let key = Signer::generate()?;
        let issuer = Issuer::new(ca_params(), Signer::from_pkcs8(CA_KEY)?);
        let certificate = leaf_params(aaguid, None)?
            .signed_by(&key, &issuer)
            .map_err(failed)?;
        let enterprise = leaf_params(aaguid, Some(serial))?
            .signed_by(&key, &issuer)
            .map_err(failed)?;
        Ok(Self {
            private_key: key.to_pkcs8()?,
            certificate: certificate.der().to_vec().into(),
            enterprise_certificate: enterprise.der().to_vec().into(),
        })
    }

    /// A packed attestation statement (WebAuthn Level 3 section 8.2) over authenticator data and
    /// client data hash.
    pub(crate) fn attest(&self, signed_data: &[u8], enterprise: bool) -> Result<Value, StatusCode> {
        let key =
            Signer::from_pkcs8(self.private_key.expose()).map_err(|_| StatusCode::Unspecified)?;
        let certificate = if enterprise {
            &self.enterprise_certificate
        } else {
            &self.certificate
        };
        Ok(Value::Map(vec![
            ("alg".into(), (-7).into()),
            ("sig".into(), Value::Bytes(key.sign(signed_data))),
            (
                "x5c".into(),
                Value::Array(vec![Value::Bytes(certificate.0.clone())]),
            ),
        ]))
    }
}

/// The issuer; [`ATTESTATION_ROOT`] was made of it.
fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(
        "Authenticator Attestation CA",
        "Keywright Virtual Key Test CA",
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(SerialNumber::from(1));
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2074, 1, 1);
    params
}

/// WebAuthn Level 3 section 8.2.1, "Certificate Requirements for Packed Attestation Statements".
fn leaf_params(aaguid: Aaguid, device: Option<&str>) -> Result<CertificateParams> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|_| Error::Random)?;
    // RFC 5280 section 4.1.2.2: positive.
    serial[0] = serial[0] & 0x7f | 0x40;
    let mut params = CertificateParams::default();
    params.distinguished_name = name("Authenticator Attestation", "Keywright Virtual Key");
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2074, 1, 1);
    // "… containing the AAGUID as a 16-byte OCTET STRING."
    params
        .custom_extensions
        .push(octet_string_extension(ID_FIDO_GEN_CE_AAGUID, &aaguid.0));
    if let Some(device) = device {
        // Section 8.2.2: "The Extension OID 1.3.6.1.4.1.45724.1.1.2 (id-fido-gen-ce-sernum) MUST
        // additionally be present in packed attestations for enterprise use. […] a unique octet
        // string value per device against a particular AAGUID."
        params.custom_extensions.push(octet_string_extension(
            ID_FIDO_GEN_CE_SERNUM,
            device.as_bytes(),
        ));
    }
    Ok(params)
}

fn name(unit: &str, common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    // "AA" is one of the codes that ISO 3166 leaves to its users.
    if let Ok(country) = "AA".try_into() {
        name.push(DnType::CountryName, DnValue::PrintableString(country));
    }
    name.push(DnType::OrganizationName, "Keywright");
    name.push(DnType::OrganizationalUnitName, unit);
    name.push(DnType::CommonName, common_name);
    name
}

/// An extension that is an octet string of less than 128 bytes.
fn octet_string_extension(oid: &[u64], content: &[u8]) -> CustomExtension {
    let mut der = vec![0x04, content.len() as u8];
    der.extend_from_slice(content);
    CustomExtension::from_oid_content(oid, der)
}

const CA_KEY: &[u8] = include_bytes!("test-ca-key.p8");
const ID_FIDO_GEN_CE_SERNUM: &[u64] = &[1, 3, 6, 1, 4, 1, 45724, 1, 1, 2];
const ID_FIDO_GEN_CE_AAGUID: &[u64] = &[1, 3, 6, 1, 4, 1, 45724, 1, 1, 4];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_issuer() {
        let (_, root) = x509_parser::parse_x509_certificate(ATTESTATION_ROOT).unwrap();
        let attestation = Attestation::issue(Aaguid::ZERO, "12345678").unwrap();
        for leaf in [
            &attestation.certificate,
            &attestation.enterprise_certificate,
        ] {
            let (_, leaf) = x509_parser::parse_x509_certificate(leaf.as_bytes()).unwrap();
            assert_eq!(leaf.issuer().as_raw(), root.subject().as_raw());
        }
    }

    /// Prints a new test CA; run by hand, should the present one ever need a successor.
    #[test]
    #[ignore = "makes a new test CA"]
    fn make_test_ca() {
        let key = rcgen::KeyPair::generate().unwrap();
        let root = ca_params().self_signed(&key).unwrap();
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/attestation");
        std::fs::write(directory.join("test-ca.der"), root.der()).unwrap();
        std::fs::write(directory.join("test-ca-key.p8"), key.serialize_der()).unwrap();
    }
}
