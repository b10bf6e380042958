//! SASL: hostile messages get an error, and no proof is right by chance.

#![no_main]

use libfuzzer_sys::fuzz_target;
use waddle_core::BareJid;
use waddle_stanza::{
    Stanza,
    sasl::{
        ChannelBinding, Plain, SaslRequest, ScramHash, ScramKeys, ScramServer, check_authzid, decode,
        login_name,
    },
};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let cut = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
    let (first, last) = rest.split_at(cut);
    let last = last.get(1..).unwrap_or_default();
    if let Ok(p) = Plain::parse(first) {
        assert!(!p.authcid.is_empty() && !p.password.expose().is_empty());
        if let Ok(local) = login_name(&p.authcid, "example.org") {
            let user = BareJid::new(Some(&local), "example.org").expect("a login name is a localpart");
            if check_authzid(p.authzid.as_deref(), &user).is_ok() {
                if let Some(z) = p.authzid {
                    assert_eq!(z.parse::<BareJid>().ok(), Some(user));
                }
            }
        }
    }
    if let Ok(text) = std::str::from_utf8(first) {
        let _ = decode(text);
    }
    if let Ok(s) = Stanza::parse(first.to_vec().into()) {
        let _ = SaslRequest::read(s.root());
    }
    let hash = ScramHash::ALL[usize::from(choice) % 3];
    let binding = match choice / 3 % 3 {
        0 => ChannelBinding::none(),
        1 => ChannelBinding::tls_exporter(&[7; 32], false),
        _ => ChannelBinding::tls_exporter(&[7; 32], true),
    };
    if let Ok(s) = ScramServer::start(hash, &binding, first, "server") {
        assert!(!s.username().is_empty());
        let keys = ScramKeys {
            stored_key: vec![1; hash.len()],
            server_key: vec![2; hash.len()],
        };
        let c = s.challenge(b"salt", 4096);
        assert!(c.message().starts_with(b"r="));
        assert!(c.finish(last, &[keys.clone(), keys]).is_err());
    }
});
