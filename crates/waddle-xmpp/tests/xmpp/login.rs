//! Logging in: XEP-0388 with XEP-0386 and XEP-0484, XEP-0474, XEP-0440, OAUTHBEARER (RFC 7628) as XEP-0493 wants it,
//! SASL as RFC 6120 §6 has it, the limits of XEP-0478.

mod fast;
mod sasl;
mod sasl2;
mod scram;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use waddle_core::Secret;
use waddle_stanza::{
    Stanza,
    sasl::{ScramClient, ScramHash},
};

use crate::support::{Client, World, text};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const SASL2: &str = "urn:xmpp:sasl:2";
const PHONE: &str = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>Test</software><device>phone</device></user-agent>";

/// A client that has not logged in, and the features it was offered.
async fn stranger(w: &World) -> (Client, Stanza) {
    let mut c = w.raw();
    c.open().await;
    let features = c.next().await;
    (c, features)
}

/// Logs in with a password in the newer profile; the answer.
async fn authenticate(c: &mut Client, name: &str, password: &str, wishes: &str) -> Stanza {
    let message = STANDARD.encode(format!("\0{name}\0{password}"));
    c.request(&format!(
        "<authenticate xmlns='{SASL2}' mechanism='PLAIN'><initial-response>{message}</initial-response>{wishes}</authenticate>"
    ))
    .await
}

fn condition(s: &Stanza) -> String {
    let failed = s.root().children().find(|c| c.in_ns(SASL) && c.name() != "text");
    failed
        .unwrap_or_else(|| panic!("no failure: {}", text(s)))
        .name()
        .to_owned()
}

fn identity(success: &Stanza) -> String {
    assert_eq!(success.root().name(), "success", "{}", text(success));
    success
        .root()
        .child_text("authorization-identifier", SASL2)
        .unwrap()
        .into_owned()
}

/// The first half of SCRAM: what the server said, and what answers it.
async fn scram_begin(c: &mut Client, profile2: bool, wishes: &str) -> (ScramClient, Vec<u8>, String) {
    let hash = ScramHash::Sha256;
    let mut scram = ScramClient::new(hash, "bob", Secret::new("secret"), None, "abc");
    let first = STANDARD.encode(scram.first());
    let challenge = if profile2 {
        c.request(&format!(
            "<authenticate xmlns='{SASL2}' mechanism='SCRAM-SHA-256'><initial-response>{first}</initial-response>{wishes}</authenticate>"
        ))
        .await
    } else {
        c.request(&format!(
            "<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>"
        ))
        .await
    };
    let ns = if profile2 { SASL2 } else { SASL };
    assert!(challenge.root().is("challenge", ns), "{}", text(&challenge));
    let message = STANDARD.decode(challenge.root().text().as_ref()).unwrap();
    let last = STANDARD.encode(scram.answer(&message).unwrap());
    (
        scram,
        message,
        format!("<response xmlns='{ns}'>{last}</response>"),
    )
}

async fn scram(c: &mut Client, profile2: bool) -> (String, Stanza) {
    let (scram, message, last) = scram_begin(c, profile2, "").await;
    let success = c.request(&last).await;
    let data = if profile2 {
        success
            .root()
            .child_text("additional-data", SASL2)
            .unwrap()
            .into_owned()
    } else {
        success.root().text().into_owned()
    };
    scram.verify(&STANDARD.decode(data).unwrap()).unwrap();
    (String::from_utf8(message).unwrap(), success)
}
