//! x
#![allow(clippy::all, missing_docs)]
use keywright_ctap::*;
use keywright_virtual_key::VirtualKeys;
use std::time::Instant;
fn main() {
    let d = std::env::args().nth(1).unwrap();
    let pin = Pin::new("839217").unwrap();
    let mut keys = VirtualKeys::new(d);
    let t = Instant::now();
    for i in 0..200u32 {
        let mut k = keys
            .next_key(&KeyRequest::Another { served: vec![] }, &mut NoSignal)
            .unwrap();
        k.set_pin(&pin, &mut NoSignal).unwrap();
        let c = ConfigChange::SetMinPinLength {
            new_min: Some(6),
            rp_ids: vec![],
            force_change: false,
        };
        k.configure(&c, Some(&pin), &mut NoSignal).unwrap();
        let r = MakeCredentialRequest {
            client_data_hash: [7; 32],
            rp_id: "a.example".into(),
            rp_name: "".into(),
            user_id: i.to_be_bytes().to_vec(),
            user_name: "u".into(),
            user_display_name: "u".into(),
            algorithms: vec![-7],
            exclude_list: vec![],
            extensions: Default::default(),
            resident_key: true,
            user_verification: true,
            enterprise_attestation: None,
            attestation_formats: vec![],
        };
        k.make_credential(&r, Some(&pin), &mut NoSignal).unwrap();
        let c = ConfigChange::SetMinPinLength {
            new_min: None,
            rp_ids: vec![],
            force_change: true,
        };
        k.configure(&c, Some(&pin), &mut NoSignal).unwrap();
        let id = k.identity().clone();
        drop(k);
        keys.done(&id);
    }
    println!("per cycle {:?}", t.elapsed() / 200);
}
