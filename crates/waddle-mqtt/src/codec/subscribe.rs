//! SUBSCRIBE, UNSUBSCRIBE and their answers (MQTT 5.0 §3.8–§3.11).

use bytes::{BufMut, BytesMut};
use mqtt_protocol_core::mqtt::packet::{Property, Qos, RetainHandling, v3_1_1, v5_0};

use super::{
    Fault, Fields, Reason, Version,
    control::{cut, whole},
    plain, put_varint,
};

/// When retained messages are sent on subscribing (§3.3.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retained {
    /// At every SUBSCRIBE.
    Send,
    /// Where the subscription is new.
    IfNew,
    /// Never.
    Never,
}

/// One line of a SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The filter as sent, perhaps no filter at all.
    pub filter: String,
    /// The highest QoS wanted.
    pub qos: u8,
    /// Not what this client publishes itself.
    pub no_local: bool,
    /// With the retain flag as published.
    pub as_published: bool,
    /// What of the retained messages.
    pub retained: Retained,
}

/// A SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// The packet identifier.
    pub id: u16,
    /// The subscription identifier.
    pub identifier: Option<u32>,
    /// What is wanted.
    pub wanted: Vec<Wanted>,
}

fn qos(q: Qos) -> u8 {
    match q {
        Qos::AtMostOnce => 0,
        Qos::AtLeastOnce => 1,
        Qos::ExactlyOnce => 2,
    }
}

/// A filter has at least one character (§4.7.3); whether it is one is answered filter by filter.
fn filter(text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        return Err(Fault::malformed("an empty topic filter"));
    }
    plain(text).map(str::to_owned)
}

/// Reads the body of a SUBSCRIBE.
pub fn subscribe(version: Version, flags: u8, body: &[u8], max_user: usize) -> Result<Subscribe, Fault> {
    if flags != 2 {
        return Err(Fault::malformed("SUBSCRIBE with wrong flags"));
    }
    let id = Fields::new(body).packet_id()?;
    let mut identifier = None;
    let entries = match version {
        Version::V3 => {
            let (p, read) = v3_1_1::GenericSubscribe::<u16>::parse(body)?;
            whole(read, body)?;
            if p.entries()
                .iter()
                .any(|e| e.sub_opts().to_buffer()[0] & 0xFC != 0)
            {
                return Err(Fault::malformed("reserved bits of a requested QoS"));
            }
            p.entries().clone()
        }
        Version::V5 => {
            let (p, read) = v5_0::GenericSubscribe::<u16>::parse(body)?;
            whole(read, body)?;
            let mut users = 0;
            for p in p.props() {
                match p {
                    Property::SubscriptionIdentifier(p) if p.val() == 0 || identifier.is_some() => {
                        return Err(Fault::protocol("a subscription identifier of 0, or two"));
                    }
                    Property::SubscriptionIdentifier(p) => identifier = Some(p.val()),
                    Property::UserProperty(_) => users += 1,
                    _ => {}
                }
            }
            if users > max_user {
                return Err(Fault::new(Reason::QUOTA, "too many user properties"));
            }
            p.entries().clone()
        }
    };
    let wanted = entries
        .iter()
        .map(|e| {
            let o = e.sub_opts();
            Ok(Wanted {
                filter: filter(e.topic_filter())?,
                qos: qos(o.qos()),
                no_local: o.nl(),
                as_published: o.rap(),
                retained: match o.rh() {
                    RetainHandling::SendRetained => Retained::Send,
                    RetainHandling::SendRetainedIfNotExists => Retained::IfNew,
                    RetainHandling::DoNotSendRetained => Retained::Never,
                },
            })
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    if wanted
        .iter()
        .any(|w| w.no_local && w.filter.starts_with("$share/"))
    {
        return Err(Fault::protocol("no-local with a shared subscription"));
    }
    Ok(Subscribe {
        id,
        identifier,
        wanted,
    })
}

/// Reads the body of an UNSUBSCRIBE.
pub fn unsubscribe(version: Version, flags: u8, body: &[u8]) -> Result<(u16, Vec<String>), Fault> {
    if flags != 2 {
        return Err(Fault::malformed("UNSUBSCRIBE with wrong flags"));
    }
    let id = Fields::new(body).packet_id()?;
    let filters = match version {
        Version::V3 => {
            let (p, read) = v3_1_1::GenericUnsubscribe::<u16>::parse(body)?;
            whole(read, body)?;
            p.entries().clone()
        }
        Version::V5 => {
            let (p, read) = v5_0::GenericUnsubscribe::<u16>::parse(body)?;
            whole(read, body)?;
            p.entries().clone()
        }
    };
    let filters = filters
        .iter()
        .map(|e| filter(e.as_str()))
        .collect::<Result<_, _>>()?;
    Ok((id, filters))
}

/// Appends SUBACK (9) or UNSUBACK (11) with a code per filter; `text` is the reason string, if any.
pub fn put_codes(
    version: Version,
    packet: u8,
    id: u16,
    codes: &[Reason],
    text: Option<&str>,
    out: &mut BytesMut,
) {
    let text = text.map_or("", cut);
    let props = if text.is_empty() { 0 } else { 3 + text.len() };
    out.put_u8(packet << 4);
    match version {
        Version::V3 => {
            let codes: &[Reason] = if packet == 9 { codes } else { &[] };
            put_varint(out, 2 + codes.len());
            out.put_u16(id);
            for c in codes {
                out.put_u8(if c.0 > 2 { 0x80 } else { c.0 });
            }
        }
        Version::V5 => {
            put_varint(out, 2 + super::varint_len(props) + props + codes.len());
            out.put_u16(id);
            put_varint(out, props);
            if props > 0 {
                out.put_u8(0x1F);
                out.put_u16(text.len() as u16);
                out.put_slice(text.as_bytes());
            }
            out.extend(codes.iter().map(|c| c.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions() {
        let s = subscribe(Version::V5, 2, b"\0\x01\x02\x0B\x05\0\x01#\x2D", 64).unwrap();
        assert_eq!((s.id, s.identifier), (1, Some(5)));
        let w = &s.wanted[0];
        assert_eq!(
            (w.qos, w.no_local, w.as_published, w.retained),
            (1, true, true, Retained::Never)
        );
        type Row = (&'static str, Version, u8, &'static [u8]);
        let rows: &[Row] = &[
            ("flags", Version::V3, 0, b"\0\x01\0\x01a\0"),
            ("id 0", Version::V3, 2, b"\0\0\0\x01a\0"),
            ("no filter", Version::V3, 2, b"\0\x01"),
            ("QoS 3", Version::V3, 2, b"\0\x01\0\x01a\x03"),
            ("reserved bits", Version::V3, 2, b"\0\x01\0\x01a\x04"),
            ("no options", Version::V3, 2, b"\0\x01\0\x01a"),
            ("NUL", Version::V3, 2, b"\0\x01\0\x01\0\0"),
            ("retain handling 3", Version::V5, 2, b"\0\x01\0\0\x01a\x30"),
            ("identifier 0", Version::V5, 2, b"\0\x01\x02\x0B\0\0\x01a\0"),
            ("shared no-local", Version::V5, 2, b"\0\x01\0\0\x0A$share/g/a\x04"),
        ];
        for (name, version, flags, body) in rows {
            assert!(subscribe(*version, *flags, body, 64).is_err(), "{name}");
        }
        assert_eq!(
            unsubscribe(Version::V3, 2, b"\0\x01\0\x01a\0\x01b").unwrap().1,
            ["a", "b"]
        );
        assert!(unsubscribe(Version::V3, 2, b"\0\x01").is_err());
        assert!(unsubscribe(Version::V5, 0, b"\0\x01\0\0\x01a").is_err());
    }
}
