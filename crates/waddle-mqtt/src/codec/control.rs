//! The other packets: acknowledgements, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, CONNACK (MQTT 5.0 §3.2, §3.4–§3.15).

use bytes::{BufMut, BytesMut};
use mqtt_protocol_core::mqtt::{
    packet::{
        AssignedClientIdentifier, MaximumPacketSize, Property, ReasonString, ReceiveMaximum, ServerKeepAlive,
        SessionExpiryInterval, TopicAliasMaximum, v3_1_1, v5_0,
    },
    result_code::{ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, MqttError},
};

use super::{Fault, Fields, Reason, Version, free_text, kind, put_varint};

/// An acknowledgement from a client: packet identifier and reason code.
pub fn ack(version: Version, packet: u8, body: &[u8]) -> Result<(u16, Reason), Fault> {
    let mut f = Fields::new(body);
    let id = f.packet_id()?;
    if f.is_empty() {
        return Ok((id, Reason::SUCCESS));
    }
    if version == Version::V3 {
        return Err(Fault::malformed("an acknowledgement of over two bytes"));
    }
    let reason = Reason(f.u8()?);
    let known = match packet {
        kind::PUBACK | kind::PUBREC => {
            matches!(
                reason.0,
                0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99
            )
        }
        _ => matches!(reason.0, 0x00 | 0x92),
    };
    if !known {
        return Err(Fault::protocol("an unknown reason code"));
    }
    if !f.is_empty() {
        let n = f.varint()? as usize;
        let mut props = Fields::new(f.take(n)?);
        let mut said = false;
        while !props.is_empty() {
            match props.u8()? {
                0x1F if said => return Err(Fault::protocol("a property comes twice")),
                0x1F => said = free_text(props.binary()?).is_ok(),
                0x26 => drop((free_text(props.binary()?)?, free_text(props.binary()?)?)),
                _ => {
                    return Err(Fault::malformed("a property that acknowledgements do not have"));
                }
            }
        }
        if !f.is_empty() {
            return Err(Fault::malformed("the packet is longer than its fields"));
        }
    }
    Ok((id, reason))
}

/// Appends PUBACK, PUBREC, PUBREL or PUBCOMP.
pub fn put_ack(version: Version, packet: u8, id: u16, reason: Reason, out: &mut BytesMut) {
    let first = packet << 4 | if packet == kind::PUBREL { 2 } else { 0 };
    out.put_u8(first);
    if version == Version::V5 && reason != Reason::SUCCESS {
        out.put_u8(3);
        out.put_u16(id);
        out.put_u8(reason.0);
    } else {
        out.put_u8(2);
        out.put_u16(id);
    }
}

/// Appends a PUBACK or PUBREC that refuses, with a reason string where there is room for one.
pub fn put_refusal(packet: u8, id: u16, reason: Reason, text: &str, out: &mut BytesMut) {
    let text = cut(text);
    out.put_u8(packet << 4);
    let props = 3 + text.len();
    put_varint(out, 3 + super::varint_len(props) + props);
    out.put_u16(id);
    out.put_u8(reason.0);
    put_varint(out, props);
    out.put_u8(0x1F);
    out.put_u16(text.len() as u16);
    out.put_slice(text.as_bytes());
}

/// The reason strings of the broker are short; this keeps any of them within a packet.
pub(super) fn cut(text: &str) -> &str {
    let mut end = text.len().min(1024);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Nothing may follow the last field.
pub(super) fn whole(read: usize, body: &[u8]) -> Result<(), Fault> {
    if read == body.len() {
        Ok(())
    } else {
        Err(Fault::malformed("the packet is longer than its fields"))
    }
}

/// What a DISCONNECT says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnect {
    /// Why; 0x04 asks for the will.
    pub reason: Reason,
    /// A new session expiry in seconds.
    pub session_expiry: Option<u32>,
}

/// Reads the body of a DISCONNECT.
pub fn disconnect(version: Version, flags: u8, body: &[u8]) -> Result<Disconnect, Fault> {
    if flags != 0 {
        return Err(Fault::malformed("DISCONNECT with wrong flags"));
    }
    if version == Version::V3 || body.is_empty() {
        return if body.is_empty() {
            Ok(Disconnect {
                reason: Reason::SUCCESS,
                session_expiry: None,
            })
        } else {
            Err(Fault::malformed("a DISCONNECT with a body"))
        };
    }
    let (p, read) = v5_0::Disconnect::parse(body)?;
    whole(read, body)?;
    let mut session_expiry = None;
    for prop in p.props().iter().flatten() {
        match prop {
            Property::SessionExpiryInterval(e) => session_expiry = Some(e.val()),
            Property::ServerReference(_) => {
                return Err(Fault::protocol("a client has no server reference"));
            }
            _ => {}
        }
    }
    let reason = p.reason_code().map_or(Reason::SUCCESS, |r| Reason(r as u8));
    Ok(Disconnect {
        reason,
        session_expiry,
    })
}

/// What the server tells a client at CONNACK (§3.2.2.3).
#[derive(Debug, Clone, Default)]
pub struct Welcome {
    /// The session is still there.
    pub session_present: bool,
    /// The client identifier, where the server chose it.
    pub assigned: Option<String>,
    /// The session expiry in seconds, where it is not what was asked for.
    pub session_expiry: Option<u32>,
    /// The keep-alive in seconds, where it is not what was asked for.
    pub keep_alive: Option<u16>,
    /// Unacknowledged messages that the server takes.
    pub receive_maximum: u16,
    /// Bytes of a packet that the server takes.
    pub maximum_packet: u32,
    /// Topic aliases that the server takes.
    pub alias_maximum: u16,
}

/// The CONNACK that lets a client in.
pub fn welcome(version: Version, w: &Welcome) -> Vec<u8> {
    let built: Result<Vec<u8>, MqttError> = (|| match version {
        Version::V3 => Ok(v3_1_1::Connack::builder()
            .session_present(w.session_present)
            .return_code(ConnectReturnCode::Accepted)
            .build()?
            .to_continuous_buffer()),
        Version::V5 => {
            let mut props = vec![
                Property::ReceiveMaximum(ReceiveMaximum::new(w.receive_maximum.max(1))?),
                Property::MaximumPacketSize(MaximumPacketSize::new(w.maximum_packet.max(1))?),
                Property::TopicAliasMaximum(TopicAliasMaximum::new(w.alias_maximum)?),
            ];
            if let Some(id) = &w.assigned {
                props.push(Property::AssignedClientIdentifier(AssignedClientIdentifier::new(
                    id.as_str(),
                )?));
            }
            if let Some(s) = w.session_expiry {
                props.push(Property::SessionExpiryInterval(SessionExpiryInterval::new(s)?));
            }
            if let Some(s) = w.keep_alive {
                props.push(Property::ServerKeepAlive(ServerKeepAlive::new(s)?));
            }
            Ok(v5_0::Connack::builder()
                .session_present(w.session_present)
                .reason_code(ConnectReasonCode::Success)
                .props(props)
                .build()?
                .to_continuous_buffer())
        }
    })();
    // The builder refuses only fields that are out of range; without properties nothing is.
    built.unwrap_or_else(|_| match version {
        Version::V3 => vec![0x20, 2, u8::from(w.session_present), 0],
        Version::V5 => vec![0x20, 3, u8::from(w.session_present), 0, 0],
    })
}

/// The CONNACK that refuses a client.
pub fn refusal(version: Version, reason: Reason, text: &str) -> Vec<u8> {
    match version {
        Version::V3 => {
            let code = match reason {
                Reason::UNSUPPORTED_VERSION => 1,
                Reason::CLIENT_ID => 2,
                Reason::BAD_LOGIN => 4,
                Reason::NOT_AUTHORIZED | Reason::TOPIC_INVALID => 5,
                _ => 3,
            };
            vec![0x20, 2, 0, code]
        }
        Version::V5 => {
            let mut out = BytesMut::new();
            reason_packet(0x20, &[0, reason.0], text, &mut out);
            out.to_vec()
        }
    }
}

/// A DISCONNECT from the server; 3.1.1 has none.
pub fn goodbye(reason: Reason, text: &str) -> Vec<u8> {
    let built = DisconnectReasonCode::try_from(reason.0).ok().and_then(|code| {
        let mut b = v5_0::Disconnect::builder().reason_code(code);
        if !text.is_empty() {
            b = b.props(vec![Property::ReasonString(ReasonString::new(text).ok()?)]);
        }
        Some(b.build().ok()?.to_continuous_buffer())
    });
    built.unwrap_or_else(|| vec![0xE0, 1, reason.0])
}

fn reason_packet(first: u8, fixed: &[u8], text: &str, out: &mut BytesMut) {
    let text = cut(text);
    let props = if text.is_empty() { 0 } else { 3 + text.len() };
    out.put_u8(first);
    put_varint(out, fixed.len() + super::varint_len(props) + props);
    out.put_slice(fixed);
    put_varint(out, props);
    if props > 0 {
        out.put_u8(0x1F);
        out.put_u16(text.len() as u16);
        out.put_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{head, subscribe::put_codes};
    use super::*;

    #[test]
    fn acknowledgements() {
        for version in [Version::V3, Version::V5] {
            let ack = |body| ack(version, kind::PUBACK, body);
            assert_eq!(ack(b"\0\x07").unwrap(), (7, Reason::SUCCESS));
            assert_eq!(ack(b"\0\0").unwrap_err().reason, Reason::PROTOCOL);
            assert_eq!(ack(b"\0").unwrap_err().reason, Reason::MALFORMED);
        }
        assert!(ack(Version::V5, kind::PUBCOMP, b"\0\x07\x80").is_err());
        assert!(ack(Version::V5, kind::PUBREL, b"\0\x07\x92").is_ok());
        let ack = |version, body: &[u8]| ack(version, kind::PUBREC, body);
        assert!(ack(Version::V5, b"\0\x07\0\x08\x1F\0\x01x\x1F\0\x01x").is_err());
        assert_eq!(
            ack(Version::V5, b"\0\x07\x87\x04\x1F\0\x01x").unwrap(),
            (7, Reason::NOT_AUTHORIZED)
        );
        assert!(ack(Version::V3, b"\0\x07\0").is_err());
        assert!(ack(Version::V5, b"\0\x07\x42").is_err());
        assert!(ack(Version::V5, b"\0\x07\0\x02\x01\0").is_err());
        assert!(ack(Version::V5, b"\0\x07\0\0X").is_err());
        let mut out = BytesMut::new();
        put_ack(Version::V3, kind::PUBREL, 1, Reason::ID_NOT_FOUND, &mut out);
        put_ack(Version::V5, kind::PUBCOMP, 2, Reason::ID_NOT_FOUND, &mut out);
        assert_eq!(out.as_ref(), b"\x62\x02\0\x01\x70\x03\0\x02\x92");
    }

    #[test]
    fn answers_are_read_by_the_library() {
        let w = Welcome {
            session_present: true,
            assigned: Some("x".into()),
            session_expiry: Some(9),
            keep_alive: None,
            receive_maximum: 256,
            maximum_packet: 1000,
            alias_maximum: 3,
        };
        let b = welcome(Version::V5, &w);
        let (p, _) = v5_0::Connack::parse(&b[2..]).unwrap();
        assert!(p.session_present() && p.props().len() == 5);
        assert_eq!(welcome(Version::V3, &w), [0x20, 2, 1, 0]);
        let b = refusal(Version::V5, Reason::NOT_AUTHORIZED, "no");
        let (p, _) = v5_0::Connack::parse(&b[2..]).unwrap();
        assert_eq!(p.reason_code(), ConnectReasonCode::NotAuthorized);
        assert_eq!(refusal(Version::V3, Reason::BAD_LOGIN, "no"), [0x20, 2, 0, 4]);
        let b = goodbye(Reason::TAKEN_OVER, "again");
        let (p, _) = v5_0::Disconnect::parse(&b[2..]).unwrap();
        assert_eq!(p.reason_code(), Some(DisconnectReasonCode::SessionTakenOver));
        for packet in [9, 11] {
            let mut out = BytesMut::new();
            let codes = [Reason(0), Reason::NOT_AUTHORIZED];
            put_codes(Version::V5, packet, 5, &codes, Some("why"), &mut out);
            let h = head(&out, 1000).unwrap().unwrap();
            assert_eq!(h.end, out.len());
            let n = if packet == 9 {
                let (p, _) = v5_0::GenericSuback::<u16>::parse(&out[h.body..]).unwrap();
                p.reason_codes().len()
            } else {
                let (p, _) = v5_0::GenericUnsuback::<u16>::parse(&out[h.body..]).unwrap();
                p.reason_codes().len()
            };
            assert_eq!(n, 2);
        }
        let mut out = BytesMut::new();
        put_codes(
            Version::V3,
            9,
            5,
            &[Reason(1), Reason::NOT_AUTHORIZED],
            None,
            &mut out,
        );
        put_codes(Version::V3, 11, 5, &[Reason(0)], None, &mut out);
        assert_eq!(out.as_ref(), b"\x90\x04\0\x05\x01\x80\xB0\x02\0\x05");
    }

    #[test]
    fn disconnects() {
        assert_eq!(
            disconnect(Version::V5, 0, b"\x04\x05\x11\0\0\0\x09").unwrap(),
            Disconnect {
                reason: Reason(4),
                session_expiry: Some(9)
            }
        );
        assert_eq!(disconnect(Version::V5, 0, b"").unwrap().reason, Reason::SUCCESS);
        assert!(disconnect(Version::V3, 0, b"x").is_err());
        assert!(disconnect(Version::V3, 1, b"").is_err());
        assert!(disconnect(Version::V5, 0, b"\x42").is_err());
    }
}
