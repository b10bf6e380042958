//! PUBLISH, read without copying and written from parts (MQTT 5.0 §3.3, 3.1.1 §3.3).

use bytes::{BufMut, BytesMut};

use super::{Fault, Fields, Reason, Version, free_text, put_varint, varint_len};

/// What a PUBLISH says; everything points into the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Sent again.
    pub dup: bool,
    /// 0, 1 or 2.
    pub qos: u8,
    /// To be kept.
    pub retain: bool,
    /// The topic, empty where an alias stands for it.
    pub topic: &'a str,
    /// The packet identifier; 0 for QoS 0.
    pub id: u16,
    /// The topic alias, if there is one.
    pub alias: Option<u16>,
    /// Seconds until the message is worthless.
    pub expiry: Option<u32>,
    /// Where an answer is wanted.
    pub response: Option<&'a str>,
    /// The properties that go on to subscribers unchanged, except expiry and response topic.
    pub props: Props<'a>,
    /// The payload.
    pub payload: &'a [u8],
}

/// Forwarded properties: pieces of the property field, in order, at most one run before and one after what is
/// taken out; usually it is the whole field or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Props<'a> {
    field: &'a [u8],
    forwarded: usize,
}

const PAYLOAD_FORMAT: u8 = 0x01;
const EXPIRY: u8 = 0x02;
const CONTENT_TYPE: u8 = 0x03;
const RESPONSE_TOPIC: u8 = 0x08;
const CORRELATION: u8 = 0x09;
const SUBSCRIPTION_ID: u8 = 0x0B;
const TOPIC_ALIAS: u8 = 0x23;
const USER: u8 = 0x26;

impl Props<'_> {
    /// Bytes that go on.
    pub fn len(&self) -> usize {
        self.forwarded
    }
    /// Appends the forwarded properties.
    pub fn copy_to(&self, out: &mut impl BufMut) {
        if self.forwarded == self.field.len() {
            out.put_slice(self.field);
            return;
        }
        // The field was checked when it was read; a failure here would only end the loop early.
        let mut f = Fields::new(self.field);
        while !f.is_empty() {
            let before = f.rest();
            let Ok(id) = skip(&mut f) else { return };
            if forwarded(id) {
                out.put_slice(&before[..before.len() - f.rest().len()]);
            }
        }
    }
}

fn forwarded(id: u8) -> bool {
    matches!(id, PAYLOAD_FORMAT | CONTENT_TYPE | CORRELATION | USER)
}

fn skip(f: &mut Fields<'_>) -> Result<u8, Fault> {
    let id = f.u8()?;
    match id {
        PAYLOAD_FORMAT => drop(f.u8()?),
        EXPIRY => drop(f.u32()?),
        CONTENT_TYPE | RESPONSE_TOPIC | CORRELATION => drop(f.binary()?),
        TOPIC_ALIAS => drop(f.u16()?),
        USER => drop((f.binary()?, f.binary()?)),
        SUBSCRIPTION_ID => drop(f.varint()?),
        _ => return Err(Fault::malformed("a property that PUBLISH does not have")),
    }
    Ok(id)
}

/// Reads the body of a PUBLISH from a client.
pub fn parse(version: Version, flags: u8, body: &[u8], max_user: usize) -> Result<Publish<'_>, Fault> {
    let qos = flags >> 1 & 3;
    let dup = flags & 8 != 0;
    if qos == 3 {
        return Err(Fault::malformed("QoS 3"));
    }
    if dup && qos == 0 {
        return Err(Fault::protocol("DUP with QoS 0"));
    }
    let mut f = Fields::new(body);
    let topic = f.text()?;
    let id = if qos > 0 { f.packet_id()? } else { 0 };
    let mut p = Publish {
        dup,
        qos,
        retain: flags & 1 != 0,
        topic,
        id,
        alias: None,
        expiry: None,
        response: None,
        props: Props::default(),
        payload: &[],
    };
    if version == Version::V5 {
        let n = f.varint()? as usize;
        let field = f.take(n)?;
        if n > 0 {
            properties(&mut p, field, max_user)?;
        }
    }
    p.payload = f.rest();
    if topic.is_empty() && p.alias.is_none() {
        return Err(match version {
            Version::V5 => Fault::protocol("neither topic nor topic alias"),
            Version::V3 => Fault::malformed("an empty topic"),
        });
    }
    if topic.as_bytes().iter().any(|b| matches!(b, b'+' | b'#')) {
        return Err(Fault::new(
            Reason::TOPIC_INVALID,
            "a topic name may not contain + or #",
        ));
    }
    Ok(p)
}

fn properties<'a>(p: &mut Publish<'a>, field: &'a [u8], max_user: usize) -> Result<(), Fault> {
    const TWICE: Fault = Fault::protocol("a property comes twice");
    let mut f = Fields::new(field);
    let mut seen = 0_u64;
    let mut users = 0;
    let mut go_on = 0;
    while !f.is_empty() {
        let before = f.rest().len();
        let id = f.u8()?;
        if id != USER {
            let bit = 1_u64.checked_shl(u32::from(id)).unwrap_or(0);
            if seen & bit != 0 {
                return Err(TWICE);
            }
            seen |= bit;
        }
        match id {
            PAYLOAD_FORMAT => {
                if f.u8()? > 1 {
                    return Err(Fault::protocol("a payload format other than 0 and 1"));
                }
            }
            EXPIRY => p.expiry = Some(f.u32()?),
            CONTENT_TYPE => drop(f.text()?),
            RESPONSE_TOPIC => {
                let t = f.text()?;
                if t.is_empty() || t.contains(['+', '#']) {
                    return Err(Fault::protocol(
                        "a response topic is a topic name without wildcards",
                    ));
                }
                p.response = Some(t);
            }
            CORRELATION => drop(f.binary()?),
            TOPIC_ALIAS => p.alias = Some(f.u16()?),
            USER => {
                users += 1;
                if users > max_user {
                    return Err(Fault::new(Reason::QUOTA, "too many user properties"));
                }
                free_text(f.binary()?)?;
                free_text(f.binary()?)?;
            }
            SUBSCRIPTION_ID => {
                return Err(Fault::protocol("a client may not send a subscription identifier"));
            }
            _ => return Err(Fault::malformed("a property that PUBLISH does not have")),
        }
        if forwarded(id) {
            go_on += before - f.rest().len();
        }
    }
    p.props = Props {
        field,
        forwarded: go_on,
    };
    Ok(())
}

/// A PUBLISH to be written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outgoing<'a> {
    /// Sent again.
    pub dup: bool,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The retain flag.
    pub retain: bool,
    /// What goes before the topic and the response topic: the subscriber's view of the topic space.
    pub prefix: &'a str,
    /// The topic; left out where `alias` says that the client knows it.
    pub topic: &'a str,
    /// The packet identifier, for QoS 1 and 2.
    pub id: u16,
    /// A topic alias, and whether the client knows it already.
    pub alias: Option<(u16, bool)>,
    /// Seconds left.
    pub expiry: Option<u32>,
    /// The response topic, without prefix.
    pub response: &'a str,
    /// Encoded properties.
    pub props: &'a [u8],
    /// Identifiers of the subscriptions that matched.
    pub subscriptions: &'a [u32],
    /// The payload.
    pub payload: &'a [u8],
}

impl Outgoing<'_> {
    fn topic_len(&self) -> usize {
        match self.alias {
            Some((_, true)) => 0,
            _ => self.prefix.len() + self.topic.len(),
        }
    }

    fn props_len(&self) -> usize {
        let response = if self.response.is_empty() {
            0
        } else {
            3 + self.prefix.len() + self.response.len()
        };
        let ids: usize = self
            .subscriptions
            .iter()
            .map(|&i| 1 + varint_len(i as usize))
            .sum();
        self.props.len()
            + response
            + ids
            + if self.alias.is_some() { 3 } else { 0 }
            + if self.expiry.is_some() { 5 } else { 0 }
    }

    fn remaining(&self, version: Version) -> usize {
        let props = match version {
            Version::V3 => 0,
            Version::V5 => {
                let n = self.props_len();
                varint_len(n) + n
            }
        };
        2 + self.topic_len() + if self.qos > 0 { 2 } else { 0 } + props + self.payload.len()
    }

    /// Bytes on the wire.
    pub fn len(&self, version: Version) -> usize {
        let n = self.remaining(version);
        1 + varint_len(n) + n
    }

    /// Appends all but the payload.
    pub fn write_head(&self, version: Version, out: &mut BytesMut) {
        let n = self.remaining(version);
        out.reserve(5 + n - self.payload.len());
        out.put_u8(0x30 | u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain));
        put_varint(out, n);
        out.put_u16(self.topic_len() as u16);
        if self.topic_len() > 0 {
            out.put_slice(self.prefix.as_bytes());
            out.put_slice(self.topic.as_bytes());
        }
        if self.qos > 0 {
            out.put_u16(self.id);
        }
        if version == Version::V3 {
            return;
        }
        put_varint(out, self.props_len());
        if let Some(s) = self.expiry {
            out.put_u8(EXPIRY);
            out.put_u32(s);
        }
        if let Some((alias, _)) = self.alias {
            out.put_u8(TOPIC_ALIAS);
            out.put_u16(alias);
        }
        if !self.response.is_empty() {
            out.put_u8(RESPONSE_TOPIC);
            out.put_u16((self.prefix.len() + self.response.len()) as u16);
            out.put_slice(self.prefix.as_bytes());
            out.put_slice(self.response.as_bytes());
        }
        out.put_slice(self.props);
        for &i in self.subscriptions {
            out.put_u8(SUBSCRIPTION_ID);
            put_varint(out, i as usize);
        }
    }

    /// Appends the whole packet.
    pub fn write(&self, version: Version, out: &mut BytesMut) {
        out.reserve(self.len(version));
        self.write_head(version, out);
        out.put_slice(self.payload);
    }
}

/// Encodes the forwarded properties of a will from its parts.
pub fn will_props(
    format: Option<u8>,
    content_type: Option<&str>,
    correlation: Option<&[u8]>,
    user: &[(&str, &str)],
) -> Vec<u8> {
    let mut out = Vec::new();
    let field = |out: &mut Vec<u8>, b: &[u8]| {
        out.put_u16(b.len() as u16);
        out.put_slice(b);
    };
    if let Some(f) = format {
        out.put_slice(&[PAYLOAD_FORMAT, f]);
    }
    if let Some(c) = content_type {
        out.put_u8(CONTENT_TYPE);
        field(&mut out, c.as_bytes());
    }
    if let Some(c) = correlation {
        out.put_u8(CORRELATION);
        field(&mut out, c);
    }
    for (k, v) in user {
        out.put_u8(USER);
        field(&mut out, k.as_bytes());
        field(&mut out, v.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::head;
    use super::*;
    use mqtt_protocol_core::mqtt::packet::{v3_1_1, v5_0};

    #[test]
    fn written_packets_are_read_by_us_and_by_the_library() {
        let user = will_props(Some(1), Some("text/plain"), Some(b"c"), &[("k", "v"), ("k", "w")]);
        for version in [Version::V3, Version::V5] {
            for qos in 0..3_u8 {
                let o = Outgoing {
                    qos,
                    retain: true,
                    prefix: "waddle/penguins/",
                    topic: "höme",
                    id: 7,
                    response: "answer",
                    expiry: Some(9),
                    props: &user,
                    payload: b"\x00\xFFpayload",
                    ..Outgoing::default()
                };
                let mut b = BytesMut::new();
                o.write(version, &mut b);
                assert_eq!(b.len(), o.len(version));
                let h = head(&b, 1 << 20).unwrap().unwrap();
                assert_eq!(h.end, b.len());
                let p = parse(version, h.flags(), &b[h.body..], 64).unwrap();
                assert_eq!((p.qos, p.retain, p.topic), (qos, true, "waddle/penguins/höme"));
                assert_eq!(p.payload, o.payload);
                let shared: std::sync::Arc<[u8]> = b[h.body..].into();
                if version == Version::V5 {
                    assert_eq!((p.expiry, p.response), (Some(9), Some("waddle/penguins/answer")));
                    let mut props = Vec::new();
                    p.props.copy_to(&mut props);
                    assert_eq!(props, user);
                    let (lib, _) = v5_0::GenericPublish::<u16>::parse(h.flags(), shared).unwrap();
                    assert_eq!(lib.topic_name(), "waddle/penguins/höme");
                    assert_eq!(lib.packet_id(), (qos > 0).then_some(7));
                } else {
                    let (lib, _) = v3_1_1::GenericPublish::<u16>::parse(h.flags(), shared).unwrap();
                    assert_eq!(lib.topic_name(), "waddle/penguins/höme");
                    assert_eq!(lib.payload().as_slice(), o.payload);
                }
            }
        }
    }

    #[test]
    fn bad_packets_are_refused() {
        type Row = (&'static str, Version, u8, &'static [u8], Reason);
        let rows: &[Row] = &[
            ("QoS 3", Version::V3, 6, b"\0\x01a\0\x01", Reason::MALFORMED),
            ("DUP on QoS 0", Version::V3, 8, b"\0\x01a", Reason::PROTOCOL),
            ("id 0", Version::V3, 2, b"\0\x01a\0\0", Reason::PROTOCOL),
            ("no id", Version::V3, 2, b"\0\x01a", Reason::MALFORMED),
            ("empty topic", Version::V3, 0, b"\0\0", Reason::MALFORMED),
            ("plus", Version::V3, 0, b"\0\x03a/+", Reason::TOPIC_INVALID),
            ("hash", Version::V5, 0, b"\0\x01#\0", Reason::TOPIC_INVALID),
            ("NUL", Version::V3, 0, b"\0\x02a\0", Reason::MALFORMED),
            (
                "overlong UTF-8",
                Version::V3,
                0,
                b"\0\x02\xC0\xAF",
                Reason::MALFORMED,
            ),
            (
                "surrogate",
                Version::V3,
                0,
                b"\0\x03\xED\xA0\x80",
                Reason::MALFORMED,
            ),
            ("topic too short", Version::V3, 0, b"\0\x09a", Reason::MALFORMED),
            ("no topic, no alias", Version::V5, 0, b"\0\0\0", Reason::PROTOCOL),
            (
                "no property length",
                Version::V5,
                0,
                b"\0\x01a",
                Reason::MALFORMED,
            ),
            (
                "property length lies",
                Version::V5,
                0,
                b"\0\x01a\x05\x01",
                Reason::MALFORMED,
            ),
            (
                "format twice",
                Version::V5,
                0,
                b"\0\x01a\x04\x01\x01\x01\x01",
                Reason::PROTOCOL,
            ),
            (
                "format 2",
                Version::V5,
                0,
                b"\0\x01a\x02\x01\x02",
                Reason::PROTOCOL,
            ),
            (
                "unknown property",
                Version::V5,
                0,
                b"\0\x01a\x02\x7F\x02",
                Reason::MALFORMED,
            ),
            (
                "subscription id",
                Version::V5,
                0,
                b"\0\x01a\x02\x0B\x02",
                Reason::PROTOCOL,
            ),
            (
                "response topic #",
                Version::V5,
                0,
                b"\0\x01a\x04\x08\0\x01#",
                Reason::PROTOCOL,
            ),
            (
                "user property cut",
                Version::V5,
                0,
                b"\0\x01a\x03\x26\0\x01",
                Reason::MALFORMED,
            ),
        ];
        for (name, version, flags, body, reason) in rows {
            assert_eq!(
                parse(*version, *flags, body, 64).unwrap_err().reason,
                *reason,
                "{name}"
            );
        }
        let mut many = b"\0\x01a".to_vec();
        put_varint(&mut many, 5 * 10_000);
        many.extend(b"\x26\0\0\0\0".repeat(10_000));
        assert_eq!(
            parse(Version::V5, 0, &many, 64).unwrap_err().reason,
            Reason::QUOTA
        );
    }

    #[test]
    fn only_what_goes_on_is_forwarded() {
        let body = b"\0\x01a\x0C\x26\0\x01k\0\x01v\x02\0\0\0\x09";
        let mut body = body.to_vec();
        body[3] = (body.len() - 4) as u8;
        let p = parse(Version::V5, 0, &body, 64).unwrap();
        let mut out = Vec::new();
        p.props.copy_to(&mut out);
        assert_eq!(
            (out.as_slice(), out.len()),
            (&b"\x26\0\x01k\0\x01v"[..], p.props.len())
        );
        assert_eq!(p.expiry, Some(9));
    }
}
