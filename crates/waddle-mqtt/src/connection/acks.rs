//! What clients acknowledge, and what of it is stored (MQTT 5.0 §4.3, §4.4).

use waddle_storage::{StorageError, repo::mqtt as rows};

use super::{
    Conn, End,
    outbound::{Flight, Stage},
};
use crate::{
    codec::{Fault, Reason, control::put_ack, kind},
    ticket::Ticket,
};

impl Conn {
    /// PUBACK, PUBREC or PUBCOMP from the client. One for an identifier that is not in use is nothing to us.
    pub(super) async fn acknowledged(&mut self, packet: u8, id: u16, reason: Reason) -> Result<(), End> {
        let version = self.version;
        let flight = self.outbound.inflight.get(&id).copied();
        match (packet, flight) {
            (kind::PUBACK, Some(f)) if f.stage == Stage::Ack => self.finish_flight(id, f),
            (kind::PUBREC, Some(f)) if f.stage == Stage::Rec && reason.0 >= 0x80 => self.finish_flight(id, f),
            (kind::PUBREC, Some(f)) if f.stage != Stage::Ack => {
                let mut ticket = None;
                if f.row != 0 && f.stage == Stage::Rec {
                    // The release must be stored first, or a restart would publish it again.
                    let t = Ticket::new(Some(self.link.clone()));
                    let (done, row) = (t.clone(), f.row);
                    let sent = self
                        .core
                        .db
                        .write_soon(move |tx| rows::released(tx, row), move |r| done.commit(r.is_ok()));
                    if sent.await.is_err() {
                        t.commit(false);
                    }
                    ticket = Some(t);
                }
                let stage = Stage::Comp;
                self.outbound.inflight.insert(id, Flight { stage, ..f });
                self.reply(ticket, 0, |out| {
                    put_ack(version, kind::PUBREL, id, Reason::SUCCESS, out);
                });
            }
            (kind::PUBREC, None) if reason.0 < 0x80 => self.reply(None, 0, |out| {
                put_ack(version, kind::PUBREL, id, Reason::ID_NOT_FOUND, out);
            }),
            (kind::PUBCOMP, Some(f)) if f.stage == Stage::Comp => self.finish_flight(id, f),
            (_, Some(_)) => {
                return Err(Fault::protocol("an acknowledgement that does not fit its message").into());
            }
            (_, None) => {}
        }
        Ok(())
    }

    fn finish_flight(&mut self, id: u16, f: Flight) {
        self.outbound.inflight.remove(&id);
        self.gone(Some(f.row), f.bytes);
    }

    /// A stored message is done with.
    pub(super) fn gone(&mut self, row: Option<i64>, bytes: usize) {
        if let Some(row) = row.filter(|r| *r != 0) {
            self.outbound.done.push(row);
            self.session.release(1, bytes);
        }
    }

    /// Stores what was sent and what is done with.
    pub(super) async fn settle(&mut self) {
        if self.outbound.done.is_empty() && self.outbound.sent.is_empty() {
            return;
        }
        let done = std::mem::take(&mut self.outbound.done);
        let sent = std::mem::take(&mut self.outbound.sent);
        let held = std::mem::take(&mut self.outbound.held);
        let ticket = (!held.is_empty()).then(|| Ticket::new(Some(self.link.clone())));
        let t = ticket.clone();
        let written = self
            .core
            .db
            .write_soon(
                move |tx| {
                    for (row, id) in sent {
                        rows::sent(tx, row, id)?;
                    }
                    for row in done {
                        rows::dequeue(tx, row)?;
                    }
                    Ok(())
                },
                move |r: Result<(), StorageError>| {
                    if let Err(error) = &r {
                        tracing::warn!(%error, "a session's progress is not stored");
                    }
                    if let Some(t) = t {
                        t.commit(r.is_ok());
                    }
                },
            )
            .await;
        if let Some(t) = ticket {
            if written.is_err() {
                t.commit(false);
            }
            self.reply(Some(t), 0, |out| out.extend_from_slice(&held));
        }
    }
}
