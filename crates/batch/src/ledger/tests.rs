use super::*;

fn user(upn: &str, handle: u8, object_id: Option<&str>) -> UserRef {
    UserRef {
        tenant: "contoso.onmicrosoft.com".to_owned(),
        upn: upn.to_owned(),
        handle: vec![handle; 4],
        object_id: object_id.map(str::to_owned),
    }
}

fn key(serial: &str) -> KeyRef {
    KeyRef {
        serial: Some(serial.to_owned()),
        aaguid: "00000000-0000-0000-0000-000000000000".to_owned(),
        model: String::new(),
    }
}

fn credential() -> MadeCredential {
    MadeCredential {
        credential_id: vec![1, 2, 3],
        client_data_json: b"{}".to_vec(),
        attestation_object: vec![0xa0],
        expires: "2026-01-02T03:04:05Z".parse().unwrap(),
        label: "Serial: 1".to_owned(),
    }
}

fn open() -> (tempfile::TempDir, SqliteLedger) {
    let directory = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(&directory.path().join("ledger.db")).unwrap();
    (directory, ledger)
}

#[test]
fn a_record_goes_through_its_stages_and_survives_reopening() {
    let (directory, mut ledger) = open();
    let kim = user("kim@c.com", 1, Some("oid-1"));
    let record = ledger.bind(&kim, &key("111")).unwrap();
    let pin = SecretString::from("583920");
    ledger
        .record(record.id, &Step::PinPlanned { pin: &pin })
        .unwrap();
    ledger
        .record(record.id, &Step::PinSet { pin: &pin })
        .unwrap();
    ledger
        .record(record.id, &Step::CredentialMade(&credential()))
        .unwrap();
    ledger
        .record(
            record.id,
            &Step::Registered {
                method_id: "m",
                model: Some("Key 5"),
            },
        )
        .unwrap();
    drop(ledger);
    let mut ledger = SqliteLedger::open(&directory.path().join("ledger.db")).unwrap();
    let found = ledger.find(&kim).unwrap().unwrap();
    assert_eq!(found.stage, Stage::Registered);
    assert_eq!(found.pin.unwrap().expose_secret(), "583920");
    assert_eq!(found.credential.unwrap(), credential());
    assert_eq!(found.key.model, "Key 5");
    ledger.record(record.id, &Step::Complete).unwrap();
    assert_eq!(ledger.records("contoso.onmicrosoft.com").unwrap().len(), 1);
    assert_eq!(ledger.records("other").unwrap().len(), 0);
}

#[test]
fn steps_out_of_order_are_refused() {
    let (_directory, mut ledger) = open();
    let record = ledger
        .bind(&user("kim@c.com", 1, None), &key("111"))
        .unwrap();
    let early = ledger.record(
        record.id,
        &Step::Registered {
            method_id: "m",
            model: None,
        },
    );
    assert!(matches!(
        early,
        Err(LedgerError::OutOfOrder {
            stage: Stage::KeyBound,
            ..
        })
    ));
    ledger
        .record(record.id, &Step::CredentialMade(&credential()))
        .unwrap();
    let pin = SecretString::from("583920");
    let late = ledger.record(record.id, &Step::PinPlanned { pin: &pin });
    assert!(matches!(late, Err(LedgerError::OutOfOrder { .. })));
    let none = ledger.record(RecordId(99), &Step::Complete);
    assert!(matches!(none, Err(LedgerError::NoRecord { .. })));
}

#[test]
fn one_key_serves_one_user() {
    let (_directory, mut ledger) = open();
    let record = ledger
        .bind(&user("kim@c.com", 1, None), &key("111"))
        .unwrap();
    let other = ledger
        .bind(&user("lee@c.com", 2, None), &key("111"))
        .unwrap_err();
    assert_eq!(
        other.to_string(),
        "key 111 already belongs to kim@c.com; put it aside and take another one"
    );
    let bound = BoundKey {
        serial: "111".to_owned(),
        user: "kim@c.com".to_owned(),
    };
    assert_eq!(ledger.bound_keys().unwrap(), [bound]);
    ledger
        .record(record.id, &Step::Abandoned { reason: "broken" })
        .unwrap();
    assert!(ledger.bound_keys().unwrap().is_empty());
    assert!(ledger.find(&user("kim@c.com", 1, None)).unwrap().is_none());
    ledger
        .bind(&user("lee@c.com", 2, None), &key("111"))
        .unwrap();
}

#[test]
fn a_renamed_user_is_the_same_user() {
    let (_directory, mut ledger) = open();
    let record = ledger
        .bind(&user("kim@c.com", 1, Some("oid-1")), &key("111"))
        .unwrap();
    for same in [
        user("kim.new@c.com", 9, Some("oid-1")),
        user("kim.new@c.com", 1, None),
        user("KIM@C.COM", 9, None),
    ] {
        assert_eq!(ledger.find(&same).unwrap().unwrap().id, record.id);
    }
    let mut elsewhere = user("kim@c.com", 1, Some("oid-1"));
    elsewhere.tenant = "fabrikam.onmicrosoft.com".to_owned();
    assert!(ledger.find(&elsewhere).unwrap().is_none());
    assert!(ledger.find(&user("lee@c.com", 2, None)).unwrap().is_none());
}

#[test]
fn two_runs_do_not_share_a_ledger_and_junk_is_no_ledger() {
    let (directory, _held) = open();
    let second = SqliteLedger::open(&directory.path().join("ledger.db"));
    assert!(matches!(second, Err(LedgerError::InUse { .. })));
    let junk = directory.path().join("junk.db");
    std::fs::write(&junk, vec![7; 8192]).unwrap();
    assert!(matches!(
        SqliteLedger::open(&junk),
        Err(LedgerError::NotALedger { .. })
    ));
}

#[cfg(unix)]
#[test]
fn every_file_of_the_ledger_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let (directory, mut ledger) = open();
    ledger
        .bind(&user("kim@c.com", 1, None), &key("111"))
        .unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
        seen += 1;
    }
    assert!(seen >= 2, "the write-ahead log is there too");
}
