//! CTAPHID framing: any sequence of reports, put together to messages, which take apart and together again.

#![no_main]

use keywright_ctap::hid::{Assembler, MAX_PAYLOAD, Message, Packet, REPORT_SIZE, Report};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut assembler = Assembler::new();
    for chunk in data.chunks(REPORT_SIZE) {
        let mut report: Report = [0; REPORT_SIZE];
        report[..chunk.len()].copy_from_slice(chunk);
        if let Ok(Some(message)) = assembler.push(&Packet::parse(&report)) {
            assert!(message.payload.len() <= MAX_PAYLOAD);
            assert_eq!(round_trip(&message), message);
        }
    }
});

fn round_trip(message: &Message) -> Message {
    let mut assembler = Assembler::new();
    let packets = message
        .packets()
        .expect("a message that arrived can be sent");
    let mut whole = None;
    for report in &packets {
        assert!(whole.is_none(), "a message ended before its last packet");
        whole = assembler
            .push(&Packet::parse(report))
            .expect("our own packets are in order");
    }
    whole.expect("our own packets are complete")
}
