//! What a client sends, packet by packet (MQTT 5.0 §3).

use super::{Conn, End, whole};
use crate::codec::{Fault, Head, Version, control, head, kind, subscribe};

impl Conn {
    /// Handles the whole packets that were read.
    pub(super) async fn process(&mut self) -> Result<(), End> {
        let max = self.core.limits.mqtt_packet_bytes;
        if head(&self.buf, max)?.is_none() {
            return Ok(());
        }
        let chunk = whole(&mut self.buf);
        let (mut at, mut messages) = (0, 0);
        while let Some(h) = head(&chunk[at..], max)? {
            let packet = &chunk[at..at + h.end];
            at += h.end;
            if h.kind() == kind::PUBLISH {
                messages += 1;
                self.publish(h.flags(), &packet[h.body..]).await?;
            } else {
                self.flush().await?;
                self.packet(h, &packet[h.body..]).await?;
            }
        }
        self.flush().await?;
        self.core.metrics.received(messages, at as u64);
        self.buf.extend_from_slice(&chunk[at..]);
        Ok(())
    }

    async fn packet(&mut self, h: Head, body: &[u8]) -> Result<(), End> {
        let version = self.version;
        match h.kind() {
            kind::PUBACK | kind::PUBREC | kind::PUBCOMP => {
                no_flags(h, 0)?;
                let (id, reason) = control::ack(version, h.kind(), body)?;
                self.acknowledged(h.kind(), id, reason).await
            }
            kind::PUBREL => {
                no_flags(h, 2)?;
                let (id, _) = control::ack(version, kind::PUBREL, body)?;
                self.release(id).await
            }
            kind::SUBSCRIBE => {
                let s =
                    subscribe::subscribe(version, h.flags(), body, self.core.limits.mqtt_user_properties)?;
                self.subscribe(s).await
            }
            kind::UNSUBSCRIBE => {
                let (id, filters) = subscribe::unsubscribe(version, h.flags(), body)?;
                self.unsubscribe(id, filters).await
            }
            kind::PINGREQ => {
                no_flags(h, 0)?;
                if !body.is_empty() {
                    return Err(Fault::malformed("a PINGREQ with a body").into());
                }
                self.out.tail().extend_from_slice(&[0xD0, 0]);
                Ok(())
            }
            kind::DISCONNECT => {
                let d = control::disconnect(version, h.flags(), body)?;
                let expiry = match d.session_expiry {
                    Some(s) if s > 0 && self.expiry == 0 => {
                        return Err(Fault::protocol("a session expiry where CONNECT had none").into());
                    }
                    other => other.map(|s| s.min(self.core.limits.mqtt_session_expiry_seconds)),
                };
                // 0x00 alone takes the will back (§3.14.4).
                Err(End::Goodbye {
                    will: d.reason.0 != 0,
                    expiry,
                })
            }
            kind::CONNECT => Err(Fault::protocol("a second CONNECT").into()),
            kind::AUTH if version == Version::V5 => {
                Err(Fault::protocol("AUTH without an authentication method").into())
            }
            _ => Err(Fault::protocol("a packet that clients do not send").into()),
        }
    }
}

fn no_flags(h: Head, want: u8) -> Result<(), Fault> {
    if h.flags() == want {
        Ok(())
    } else {
        Err(Fault::malformed("wrong flags in the fixed header"))
    }
}
