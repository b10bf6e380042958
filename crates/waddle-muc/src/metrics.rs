//! Figures and spans of rooms.

use std::sync::OnceLock;

use opentelemetry::{
    global,
    metrics::{Counter, UpDownCounter},
};
use tracing::span::EnteredSpan;
use waddle_core::{Jid, MessageId, sample::STANZA_SPANS};

struct Instruments {
    messages: Counter<u64>,
    deliveries: Counter<u64>,
    refused: Counter<u64>,
    occupants: UpDownCounter<i64>,
    restarts: Counter<u64>,
}

fn instruments() -> &'static Instruments {
    static ONCE: OnceLock<Instruments> = OnceLock::new();
    ONCE.get_or_init(|| {
        let meter = global::meter("waddle");
        Instruments {
            messages: meter
                .u64_counter("xmpp.muc.messages")
                .with_description("Messages broadcast by rooms")
                .build(),
            deliveries: meter
                .u64_counter("xmpp.muc.deliveries")
                .with_description("Messages of rooms handed to occupants' queues")
                .build(),
            refused: meter
                .u64_counter("xmpp.muc.refused")
                .with_description("Stanzas that a room's full mailbox refused")
                .build(),
            occupants: meter
                .i64_up_down_counter("xmpp.muc.occupants")
                .with_description("Sessions in rooms, each counted once per room")
                .build(),
            restarts: meter
                .u64_counter("xmpp.muc.restarts")
                .with_description("Rooms restarted after a fault")
                .build(),
        }
    })
}

/// A message went out to `deliveries` sessions.
pub(crate) fn message(deliveries: usize) {
    let i = instruments();
    i.messages.add(1, &[]);
    i.deliveries.add(deliveries as u64, &[]);
}

/// A full mailbox refused a stanza.
pub(crate) fn refused() {
    instruments().refused.add(1, &[]);
}

/// Sessions came or went.
pub(crate) fn occupants(by: i64) {
    if by != 0 {
        instruments().occupants.add(by, &[]);
    }
}

/// A room failed and starts again.
pub(crate) fn restarted() {
    instruments().restarts.add(1, &[]);
}

/// The span of a message, if this one is sampled.
pub(crate) fn message_span(room: &str, from: &Jid, id: MessageId) -> Option<EnteredSpan> {
    STANZA_SPANS.sample().then(|| {
        tracing::info_span!("xmpp.muc.message", room_jid = room, from = %from, message_id = %id).entered()
    })
}
