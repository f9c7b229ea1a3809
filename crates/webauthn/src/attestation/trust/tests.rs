use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate as Issued, CertificateParams, CustomExtension, DnType, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use super::*;

struct Ca {
    certificate: Issued,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn der(&self) -> &[u8] {
        self.certificate.der()
    }

    fn anchors(&self) -> Vec<Vec<u8>> {
        vec![self.der().to_vec()]
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

fn ca_params(name: &str, path_length: u8) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn root(path_length: u8) -> Ca {
    let (key, params) = (KeyPair::generate().unwrap(), ca_params("Root", path_length));
    Ca {
        certificate: params.self_signed(&key).unwrap(),
        issuer: Issuer::new(params, key),
    }
}

fn intermediate(params: CertificateParams, above: &Ca) -> Ca {
    let key = KeyPair::generate().unwrap();
    Ca {
        certificate: params.signed_by(&key, &above.issuer).unwrap(),
        issuer: Issuer::new(params, key),
    }
}

fn leaf(params: CertificateParams, above: &Ca) -> Vec<u8> {
    params
        .signed_by(&KeyPair::generate().unwrap(), &above.issuer)
        .unwrap()
        .der()
        .to_vec()
}

fn in_2030() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000)
}

#[track_caller]
fn refused(trust_path: &[&[u8]], anchors: &[Vec<u8>]) -> CertificateError {
    assess(trust_path, anchors, in_2030())
        .unwrap_err()
        .expect("a reason")
}

#[test]
fn a_leaf_leads_to_its_root_directly_or_through_others() {
    let root = root(1);
    let middle = intermediate(ca_params("Middle", 0), &root);
    let (direct, below) = (leaf(params("Leaf"), &root), leaf(params("Leaf"), &middle));
    assert_eq!(assess(&[&direct], &root.anchors(), in_2030()), Ok(()));
    assert_eq!(
        assess(&[&below, middle.der()], &root.anchors(), in_2030()),
        Ok(())
    );
    // The root itself may be sent along, and any certificate of the path may be the anchor.
    assert_eq!(
        assess(
            &[&below, middle.der(), root.der()],
            &root.anchors(),
            in_2030()
        ),
        Ok(())
    );
    assert_eq!(
        assess(&[&below, middle.der()], &middle.anchors(), in_2030()),
        Ok(())
    );
    assert_eq!(
        assess(&[&below], std::slice::from_ref(&below), in_2030()),
        Ok(())
    );
}

#[test]
fn a_sound_path_to_nowhere_has_no_reason() {
    let (ours, other) = (root(1), root(1));
    let below = leaf(params("Leaf"), &ours);
    assert_eq!(assess(&[&below], &[], in_2030()), Err(None));
    assert_eq!(assess(&[], &ours.anchors(), in_2030()), Err(None));
    // The same name with another key is worth a reason.
    assert!(matches!(
        refused(&[&below], &other.anchors()),
        CertificateError::Signature { .. }
    ));
    // An anchor that is no certificate is nobody's issuer.
    assert_eq!(assess(&[&below], &[vec![1, 2, 3]], in_2030()), Err(None));
}

#[test]
fn what_breaks_a_path_is_named() {
    let root = root(0);
    let middle = intermediate(ca_params("Middle", 0), &root);
    let below = leaf(params("Leaf"), &middle);
    let path: [&[u8]; 2] = [&below, middle.der()];
    assert!(
        matches!(refused(&path, &root.anchors()), CertificateError::PathLength(name) if name == "CN=Root")
    );

    let not_a_ca = intermediate(params("Middle"), &root);
    let below = leaf(params("Leaf"), &not_a_ca);
    let path: [&[u8]; 2] = [&below, not_a_ca.der()];
    assert!(
        matches!(refused(&path, &root.anchors()), CertificateError::NotCa(name) if name == "CN=Middle")
    );

    let mut signs_nothing = ca_params("Middle", 0);
    signs_nothing.key_usages = vec![KeyUsagePurpose::CrlSign];
    let signs_nothing = intermediate(signs_nothing, &root);
    let below = leaf(params("Leaf"), &signs_nothing);
    let path: [&[u8]; 2] = [&below, signs_nothing.der()];
    assert!(
        matches!(refused(&path, &root.anchors()), CertificateError::NotCa(name) if name == "CN=Middle")
    );

    let stranger = leaf(params("Leaf"), &root);
    let path: [&[u8]; 2] = [&stranger, middle.der()];
    assert!(matches!(
        refused(&path, &[]),
        CertificateError::Order { .. }
    ));

    let mut old = params("Leaf");
    old.not_after = date_time_ymd(2025, 1, 1);
    let old = leaf(old, &root);
    assert!(matches!(
        refused(&[&old], &root.anchors()),
        CertificateError::Expired(_)
    ));

    let mut odd = params("Leaf");
    let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![0x05, 0x00]);
    extension.set_criticality(true);
    odd.custom_extensions.push(extension);
    let odd = leaf(odd, &root);
    assert!(matches!(
        refused(&[&odd], &root.anchors()),
        CertificateError::UnknownCritical { .. }
    ));
}
