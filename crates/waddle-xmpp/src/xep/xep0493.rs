//! [XEP-0493](https://xmpp.org/extensions/xep-0493.html) OAuth Client Login: OAUTHBEARER is `connection/login.rs`, the authorization server `waddle-http`'s.

use super::{Extension, Xep};

/// Login of programs that never see a password.
pub struct OauthLogin;

impl Extension for OauthLogin {
    fn xep(&self) -> Xep {
        Xep {
            number: 493,
            title: "OAuth Client Login",
            version: "0.1.1",
            notes: "OAUTHBEARER with discovery of our own authorization server: code with PKCE, client registration, revocation by the list of tokens",
        }
    }
}
