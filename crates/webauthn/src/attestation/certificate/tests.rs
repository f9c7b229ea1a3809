use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, KeyPair,
    PKCS_ED25519,
};

use super::*;

const MODEL: Aaguid = Aaguid([7; 16]);

/// A certificate that meets section 8.2.1, changed.
fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "SE");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Vendor");
    params
        .distinguished_name
        .push(DnType::OrganizationalUnitName, "Authenticator Attestation");
    params.distinguished_name.push(DnType::CommonName, "Model");
    params.is_ca = IsCa::ExplicitNoCa;
    change(&mut params);
    params
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .to_vec()
}

/// One for all mutations.
fn leaf() -> &'static [u8] {
    static LEAF: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    LEAF.get_or_init(|| certificate(|_| {}))
}

fn packed(change: impl FnOnce(&mut CertificateParams)) -> Result<(), CertificateError> {
    Certificate::parse(&certificate(change))
        .unwrap()
        .check_packed_requirements()
}

fn aaguid(content: &[u8], critical: bool) -> Result<(), CertificateError> {
    let der = certificate(|params| {
        let oid = [1, 3, 6, 1, 4, 1, 45724, 1, 1, 4];
        let mut extension = CustomExtension::from_oid_content(&oid, content.to_vec());
        extension.set_criticality(critical);
        params.custom_extensions.push(extension);
    });
    Certificate::parse(&der).unwrap().check_aaguid(MODEL)
}

#[test]
fn the_requirements_of_packed_attestation() {
    assert_eq!(packed(|_| {}), Ok(()));
    for (missing, what) in [
        (DnType::CountryName, "country"),
        (DnType::OrganizationName, "organization"),
        (DnType::OrganizationalUnitName, "unit"),
        (DnType::CommonName, "common name"),
    ] {
        let refused = packed(|params| {
            params.distinguished_name.remove(missing);
        });
        assert!(
            matches!(refused, Err(CertificateError::Subject(named)) if named.contains(what)),
            "{refused:?}"
        );
    }
    let other_unit = packed(|params| {
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, "Sales")
    });
    assert!(matches!(other_unit, Err(CertificateError::Subject(_))));
    let ca = packed(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(ca, Err(CertificateError::IsCa));
    // No basic constraints at all.
    assert_eq!(
        packed(|params| params.is_ca = IsCa::NoCa),
        Err(CertificateError::IsCa)
    );
}

#[test]
fn the_aaguid_extension() {
    let octets = |aaguid: Aaguid| [&[0x04, 0x10], &aaguid.0[..]].concat();
    assert_eq!(
        Certificate::parse(&certificate(|_| {}))
            .unwrap()
            .check_aaguid(MODEL),
        Ok(())
    );
    assert_eq!(aaguid(&octets(MODEL), false), Ok(()));
    assert_eq!(
        aaguid(&octets(MODEL), true),
        Err(CertificateError::Critical("id-fido-gen-ce-aaguid"))
    );
    assert!(matches!(
        aaguid(&octets(Aaguid::ZERO), false),
        Err(CertificateError::Aaguid { .. })
    ));
    assert_eq!(
        aaguid(&MODEL.0, false),
        Err(CertificateError::MalformedAaguid)
    );
}

#[test]
fn keys_and_der() {
    assert_eq!(
        Certificate::parse(&certificate(|_| {}))
            .unwrap()
            .check_p256(),
        Ok(())
    );
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let ed25519 = CertificateParams::default().self_signed(&key).unwrap();
    assert_eq!(
        Certificate::parse(ed25519.der()).unwrap().check_p256(),
        Err(CertificateError::NotP256)
    );
    let mut trailing = certificate(|_| {});
    trailing.push(0);
    assert!(matches!(
        Certificate::parse(&trailing),
        Err(CertificateError::Der(_))
    ));
    assert!(matches!(
        Certificate::parse(&[0x30, 0x03]),
        Err(CertificateError::Der(_))
    ));
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, position in 0usize..500, byte: u8) {
        if let Ok(certificate) = Certificate::parse(&bytes) {
            let _ = certificate.check_packed_requirements();
        }
        let mut der = leaf().to_vec();
        if let Some(slot) = der.get_mut(position) {
            *slot = byte;
        }
        if let Ok(certificate) = Certificate::parse(&der) {
            let _ = certificate.check_packed_requirements();
            let _ = certificate.check_aaguid(MODEL);
            let _ = certificate.check_p256();
            let _ = certificate.verify_issued_by(&certificate);
        }
    }
}
