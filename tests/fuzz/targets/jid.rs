//! JIDs: what is prepared once stays as it is, and keeps its bounds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use waddle_core::{BareJid, Jid, jid::nickname_key};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(jid) = text.parse::<Jid>() {
        let again: Jid = jid.as_str().parse().expect("what was prepared is a JID");
        assert_eq!(again, jid);
        let parts = [jid.local(), Some(jid.domain()), jid.resource()];
        for part in parts.into_iter().flatten() {
            assert!((1..=1023).contains(&part.len()));
        }
        let joined = Jid::new(jid.local(), jid.domain(), jid.resource()).expect("its parts make it");
        assert_eq!(joined, jid);
        let bare = jid.bare();
        assert_eq!(
            bare.as_str().parse::<BareJid>().expect("its bare form is a JID"),
            bare
        );
    }
    if let Some(key) = nickname_key(text) {
        assert!(!key.is_empty());
    }
});
