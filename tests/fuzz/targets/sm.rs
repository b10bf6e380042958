//! Stream management (XEP-0198): elements of a client, and counters against a plain list.

#![no_main]

use libfuzzer_sys::fuzz_target;
use waddle_outbox::Weight;
use waddle_stanza::{
    Stanza,
    sm::{SmRequest, SmState},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Item(u32);

impl Weight for Item {
    fn weight(&self) -> usize {
        8
    }
}

fuzz_target!(|data: &[u8]| {
    if let Ok(stanza) = Stanza::parse(data.to_vec().into()) {
        let _ = SmRequest::read(stanza.root());
    }
    let mut state = SmState::new(20, 100);
    let (mut list, mut acked, mut next) = (Vec::new(), 0_u32, 0_u32);
    for step in data.chunks(2) {
        match *step {
            [op, _] if op < 96 => match state.push(Item(next)) {
                Ok(()) => {
                    list.push(Item(next));
                    next += 1;
                }
                Err(_) => assert!(list.len() >= 12, "there was room"),
            },
            [op, n] if op < 160 => {
                let h = acked.wrapping_add(u32::from(n % 32));
                let count = usize::from(n % 32);
                match state.ack(h) {
                    Ok(done) => {
                        let done: Vec<_> = done.collect();
                        assert_eq!(done, list.drain(..count).collect::<Vec<_>>());
                        acked = h;
                    }
                    Err(_) => assert!(count > list.len(), "that many were sent"),
                }
            }
            [op, n] if op < 192 => {
                // A count from before, or from another session.
                let h = acked.wrapping_sub(1 + u32::from(n));
                assert!(state.ack(h).is_err());
            }
            [op, _] if op < 224 => {
                let again: Vec<_> = state.resume(acked).expect("its own count").copied().collect();
                assert_eq!(again, list);
            }
            [_, n] => {
                let due = state.request_due(u32::from(n));
                assert!(!due || !list.is_empty());
                state.handled_one();
            }
            _ => {}
        }
        assert_eq!(state.sent(), acked.wrapping_add(list.len() as u32));
        assert_eq!(state.unacked().len(), list.len());
    }
});
