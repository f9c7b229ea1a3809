#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use keywright_ctap::{Authenticator, DeviceIdentity, Signal, TransportKind, hid::HidErrorCode};

use super::*;

/// A bus with one device that cannot be opened.
struct Stubborn(Option<TransportError>);

impl Bus for Stubborn {
    fn devices(&mut self) -> Result<Vec<DeviceIdentity>, TransportError> {
        Ok(vec![DeviceIdentity {
            vendor_id: 0x1050,
            product_id: 0x0407,
            transport: TransportKind::Usb,
            ..DeviceIdentity::virtual_key("/dev/hidraw7", "YubiKey")
        }])
    }

    fn open(
        &mut self,
        _: &DeviceIdentity,
        _: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>, CtapError> {
        Err(self.0.take().unwrap().into())
    }

    fn describe(&self) -> String {
        "USB".to_owned()
    }
}

fn finding(error: TransportError, machine: Machine) -> Finding {
    let place = Place {
        name: "USB".to_owned(),
        bus: Ok(Box::new(Stubborn(Some(error)))),
    };
    let report = examine(vec![place], machine, &ModelNames::default());
    assert_eq!(report.verdict(), Verdict::NoneReachable);
    assert!(report.findings.is_empty());
    let key = &report.keys[0];
    assert_eq!(key.usb_id.as_deref(), Some("1050:0407"));
    assert!(!key.reached && !key.usable());
    assert_eq!(key.findings.len(), 1);
    assert_eq!(key.findings[0].severity(), Severity::Blocks);
    key.findings[0].clone()
}

fn open_failed(reason: &str, machine: Machine) -> Finding {
    let error = TransportError::Open {
        path: "/dev/hidraw7".to_owned(),
        reason: reason.to_owned(),
    };
    finding(error, machine)
}

#[test]
fn what_keeps_a_key_from_being_opened_is_told_apart_on_each_system() {
    let linux = || Machine::of(OperatingSystem::Linux);
    let denied = "hidapi error: failed to open device with path /dev/hidraw7: Permission denied";
    let without_rule = open_failed(denied, linux());
    assert_eq!(without_rule.code(), "no_permission");
    assert!(without_rule.fix().contains("70-keywright.rules"));
    let with_rule = open_failed(
        denied,
        Machine {
            udev_rule: Some("/etc/udev/rules.d/70-keywright.rules".into()),
            ..linux()
        },
    );
    assert_eq!(with_rule.code(), "no_permission");
    assert!(
        with_rule.fix().contains("--append --groups plugdev"),
        "{}",
        with_rule.fix()
    );

    let windows = |elevated| Machine {
        elevated,
        ..Machine::of(OperatingSystem::Windows)
    };
    let denied = "hidapi error: CreateFile: Access is denied.";
    for elevated in [Some(false), None] {
        let finding = open_failed(denied, windows(elevated));
        assert_eq!(finding, Finding::NotElevated);
        assert!(finding.fix().contains("--keys windows"));
    }
    assert_eq!(
        open_failed(denied, windows(Some(true))).code(),
        "not_opened"
    );

    let mac = || Machine::of(OperatingSystem::MacOs);
    let denied =
        "hid_open_path: failed to open IOHIDDevice from mach entry: (0xE00002E2) not permitted";
    assert_eq!(open_failed(denied, mac()), Finding::NoInputMonitoring);
    let held = "hid_open_path: failed to open IOHIDDevice from mach entry: (0xE00002C5) exclusive access and device \
                already open";
    assert_eq!(open_failed(held, mac()).code(), "busy");

    let odd = open_failed("Invalid argument", linux());
    assert_eq!(
        odd.message(),
        "/dev/hidraw7 could not be opened: Invalid argument"
    );
}

#[test]
fn keys_that_do_not_answer_are_told_apart() {
    let linux = || Machine::of(OperatingSystem::Linux);
    let busy = finding(TransportError::Busy(Duration::from_secs(10)), linux());
    assert_eq!(busy.message(), "another program uses /dev/hidraw7");
    assert!(busy.fix().contains("browser"));
    let busy = finding(TransportError::Hid(HidErrorCode::ChannelBusy), linux());
    assert_eq!(busy.code(), "busy");
    let u2f = finding(TransportError::Unsupported("it is a U2F key"), linux());
    assert_eq!(u2f, Finding::U2fOnly);
    let mute = finding(TransportError::Timeout(Duration::from_secs(5)), linux());
    assert_eq!(
        mute.message(),
        "it does not answer as a security key does: the key was silent for 5s"
    );
}

#[test]
fn places_without_keys_and_services_that_do_not_run_are_named() {
    struct Empty;
    impl Bus for Empty {
        fn devices(&mut self) -> Result<Vec<DeviceIdentity>, TransportError> {
            Ok(Vec::new())
        }
        fn open(
            &mut self,
            _: &DeviceIdentity,
            _: &mut dyn Signal,
        ) -> Result<Box<dyn Authenticator>, CtapError> {
            Err(TransportError::Disconnected.into())
        }
        fn describe(&self) -> String {
            "USB".to_owned()
        }
    }
    let places = vec![
        Place {
            name: "USB".to_owned(),
            bus: Ok(Box::new(Empty)),
        },
        Place {
            name: "NFC".to_owned(),
            bus: Err(TransportError::NoSmartCardService { fix: "start it" }.into()),
        },
    ];
    let report = examine(
        places,
        Machine::of(OperatingSystem::Linux),
        &ModelNames::default(),
    );
    assert_eq!(report.verdict(), Verdict::NoneReachable);
    let codes: Vec<_> = report.findings.iter().map(Finding::code).collect();
    assert_eq!(codes, ["no_smart_card_service", "no_keys"]);
    assert_eq!(report.findings[0].fix(), "start it");
    assert_eq!(
        report.findings[1].message(),
        "no security key is there (USB)"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["findings"][1]["finding"], "no_keys");
    assert_eq!(json["findings"][1]["severity"], "blocks");
    assert_eq!(json["machine"]["system"], "linux");
}

/// The names are promised to programs.
#[test]
fn every_finding_is_in_the_guide() {
    let guide = include_str!("../../../../docs/machines.md");
    let path = String::new;
    let findings = [
        Finding::NoKeys {
            places: Vec::new(),
            system: OperatingSystem::Linux,
        },
        Finding::NoSmartCardService { fix: "start it" },
        Finding::PlaceUnreachable {
            place: path(),
            reason: path(),
        },
        Finding::NoPermission {
            path: path(),
            rule: None,
        },
        Finding::NotElevated,
        Finding::NoInputMonitoring,
        Finding::Busy { path: path() },
        Finding::NotOpened {
            path: path(),
            reason: path(),
        },
        Finding::NoAnswer { reason: path() },
        Finding::U2fOnly,
        Finding::NoDiscoverableCredentials,
        Finding::NoPins,
        Finding::Full,
        Finding::PinBlocked,
        Finding::PowerCycleRequired,
        Finding::PinNotSet,
        Finding::PinChangeForced,
        Finding::FewRetries { retries: 1 },
        Finding::NoForcedPinChange,
        Finding::NoCredentialManagement,
    ];
    for finding in findings {
        let code = format!("`{}`", finding.code());
        let row = guide
            .lines()
            .find(|line| line.starts_with('|') && line.contains(&code));
        let severity = match finding.severity() {
            Severity::Blocks => "`blocks`",
            Severity::Limits => "`limits`",
            Severity::Note => "`note`",
        };
        assert!(
            row.is_some_and(|row| row.contains(severity)),
            "{code} {severity}"
        );
        assert!(!finding.message().ends_with('.') && !finding.fix().is_empty());
    }
}
