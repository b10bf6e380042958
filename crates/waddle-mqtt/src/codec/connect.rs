//! CONNECT of all protocol levels, made one before the library reads it (MQTT 5.0 §3.1, 3.1.1 §3.1).
//!
//! Level 3 (`MQIsdp`) and the bridge bit 0x80, which mosquitto sets in its bridges' CONNECT, are unknown to the
//! library: the fixed part is rewritten to level 4 and the difference kept beside it.

use bytes::Bytes;
use mqtt_protocol_core::mqtt::packet::{Property, v3_1_1, v5_0};
use waddle_core::Secret;

use super::{Fault, Fields, Reason, Version, free, plain, publish};

/// A client's wish to be connected.
#[derive(Debug, Clone)]
pub struct Connect {
    /// How packets of the connection are written.
    pub version: Version,
    /// The protocol level as sent, without the bridge bit.
    pub level: u8,
    /// Another broker: gets messages with their retain flag, and never its own.
    pub bridge: bool,
    /// A new session is wanted.
    pub clean_start: bool,
    /// Seconds of silence allowed, half as much again tolerated; 0 is for ever.
    pub keep_alive: u16,
    /// Empty where the server shall choose.
    pub client_id: String,
    /// The user name.
    pub user: Option<String>,
    /// The password; one that is not UTF-8 is no password of ours and becomes `None` with `bad_password`.
    pub password: Option<Secret>,
    /// A password came that is not UTF-8.
    pub bad_password: bool,
    /// The message to publish when the client is gone.
    pub will: Option<Will>,
    /// Seconds that the session outlives its connection.
    pub session_expiry: u32,
    /// Unacknowledged messages that the client takes.
    pub receive_maximum: u16,
    /// Bytes of a packet that the client takes.
    pub maximum_packet: u32,
    /// Topic aliases that the client takes.
    pub alias_maximum: u16,
    /// Whether reason strings are wanted.
    pub problem_information: bool,
    /// An authentication method was named, of which there are none.
    pub enhanced_auth: bool,
}

/// A will as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Bytes,
    /// 0, 1 or 2.
    pub qos: u8,
    /// To be kept.
    pub retain: bool,
    /// Seconds to wait for the client's return.
    pub delay: u32,
    /// Seconds until the message is worthless.
    pub expiry: Option<u32>,
    /// Where an answer is wanted.
    pub response: Option<String>,
    /// Other properties, encoded.
    pub props: Bytes,
}

/// Why a CONNECT is refused, with the version in which to say so, if it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// How the CONNACK is written; `None`: no CONNACK, the connection is closed.
    pub version: Option<Version>,
    /// Why.
    pub fault: Fault,
}

/// Reads the body of a CONNECT.
pub fn parse(flags: u8, body: &[u8], max_user: usize) -> Result<Connect, Refused> {
    let silent = |fault| Refused { version: None, fault };
    let mut f = Fields::new(body);
    let name = f.binary().map_err(silent)?;
    let level = f.u8().map_err(silent)?;
    // 3.1 gives these flags and the reserved bit no meaning and does not forbid them.
    let old = name == b"MQIsdp" && level & 0x7F == 3;
    if flags != 0 && !old {
        return Err(silent(Fault::malformed("CONNECT with wrong flags")));
    }
    let bridge = level & 0x80 != 0;
    let version = match (name, level & 0x7F) {
        (b"MQIsdp", 3) | (b"MQTT", 4) => Version::V3,
        (b"MQTT", 5) => Version::V5,
        (b"MQTT" | b"MQIsdp", _) => {
            return Err(Refused {
                version: Some(Version::V3),
                fault: Fault::new(Reason::UNSUPPORTED_VERSION, "an unknown protocol level"),
            });
        }
        _ => return Err(silent(Fault::protocol("not an MQTT CONNECT"))),
    };
    // What the client got wrong is told in a CONNACK by 5.0 only; 3.1.1 has no code for it.
    let loud = |fault| Refused {
        version: (version == Version::V5).then_some(version),
        fault,
    };
    let mut rest = f.rest().to_vec();
    if let Some(b) = rest.first_mut().filter(|_| old) {
        *b &= 0xFE;
    }
    check_flags(version, &rest).map_err(loud)?;
    let mut one = Vec::with_capacity(7 + rest.len());
    one.extend_from_slice(b"\0\x04MQTT");
    one.push(if version == Version::V5 { 5 } else { 4 });
    one.extend_from_slice(&rest);
    let mut c = match version {
        Version::V3 => v3(&one),
        Version::V5 => v5(&one, max_user),
    }
    .map_err(loud)?;
    c.level = level & 0x7F;
    c.bridge = bridge;
    Ok(c)
}

/// What the library does not look at: reserved bits and flags that contradict each other (§3.1.2.3 and on).
fn check_flags(version: Version, rest: &[u8]) -> Result<(), Fault> {
    let &flags = rest.first().ok_or(Fault::malformed("a CONNECT without flags"))?;
    let (will, qos, retain) = (flags & 4 != 0, flags >> 3 & 3, flags & 0x20 != 0);
    if flags & 1 != 0 {
        return Err(Fault::malformed("the reserved connect flag is set"));
    }
    if qos == 3 {
        return Err(Fault::malformed("a will of QoS 3"));
    }
    if !will && (qos != 0 || retain) {
        return Err(Fault::malformed("QoS or retain of a will that is not there"));
    }
    if version == Version::V3 && flags & 0xC0 == 0x40 {
        return Err(Fault::malformed("a password without a user name"));
    }
    Ok(())
}

fn secret(bytes: Option<&[u8]>) -> (Option<Secret>, bool) {
    match bytes.map(std::str::from_utf8) {
        None => (None, false),
        Some(Ok(s)) => (Some(Secret::new(s)), false),
        Some(Err(_)) => (None, true),
    }
}

fn whole(read: usize, body: &[u8]) -> Result<(), Fault> {
    if read == body.len() {
        Ok(())
    } else {
        Err(Fault::malformed("the packet is longer than its fields"))
    }
}

fn will_topic(topic: &str) -> Result<String, Fault> {
    plain(topic)?;
    if topic.is_empty() || topic.contains(['+', '#']) {
        return Err(Fault::new(
            Reason::TOPIC_INVALID,
            "the will's topic is no topic name",
        ));
    }
    Ok(topic.to_owned())
}

fn v3(body: &[u8]) -> Result<Connect, Fault> {
    let (c, read) = v3_1_1::Connect::parse(body)?;
    whole(read, body)?;
    plain(c.client_id())?;
    let user = c.user_name().map(plain).transpose()?.map(str::to_owned);
    let (password, bad_password) = secret(c.password());
    let will = match c.will_topic() {
        Some(topic) => Some(Will {
            topic: will_topic(topic)?,
            payload: Bytes::copy_from_slice(c.will_payload().unwrap_or_default()),
            qos: c.will_qos() as u8,
            retain: c.will_retain(),
            delay: 0,
            expiry: None,
            response: None,
            props: Bytes::new(),
        }),
        None => None,
    };
    Ok(Connect {
        version: Version::V3,
        level: 4,
        bridge: false,
        clean_start: c.clean_session(),
        keep_alive: c.keep_alive(),
        client_id: c.client_id().to_owned(),
        user,
        password,
        bad_password,
        will,
        session_expiry: if c.clean_session() { 0 } else { u32::MAX },
        receive_maximum: u16::MAX,
        maximum_packet: u32::MAX,
        alias_maximum: 0,
        problem_information: false,
        enhanced_auth: false,
    })
}

fn v5(body: &[u8], max_user: usize) -> Result<Connect, Fault> {
    let (c, read) = v5_0::Connect::parse(body)?;
    whole(read, body)?;
    plain(c.client_id()).map_err(|f| Fault::new(Reason::CLIENT_ID, f.text))?;
    let user = c.user_name().map(plain).transpose()?.map(str::to_owned);
    let (password, bad_password) = secret(c.password());
    let mut out = Connect {
        version: Version::V5,
        level: 5,
        bridge: false,
        clean_start: c.clean_start(),
        keep_alive: c.keep_alive(),
        client_id: c.client_id().to_owned(),
        user,
        password,
        bad_password,
        will: None,
        session_expiry: 0,
        receive_maximum: u16::MAX,
        maximum_packet: u32::MAX,
        alias_maximum: 0,
        problem_information: true,
        enhanced_auth: false,
    };
    let (mut users, mut auth_data) = (0, false);
    for p in c.props() {
        match p {
            Property::SessionExpiryInterval(p) => out.session_expiry = p.val(),
            Property::ReceiveMaximum(p) => out.receive_maximum = p.val(),
            Property::MaximumPacketSize(p) => out.maximum_packet = p.val(),
            Property::TopicAliasMaximum(p) => out.alias_maximum = p.val(),
            Property::RequestProblemInformation(p) => out.problem_information = p.val() != 0,
            Property::AuthenticationMethod(_) => out.enhanced_auth = true,
            Property::AuthenticationData(_) => auth_data = true,
            Property::UserProperty(p) => {
                users += 1;
                free(p.key())?;
                free(p.val())?;
            }
            _ => {}
        }
    }
    if auth_data && !out.enhanced_auth {
        return Err(Fault::protocol("authentication data without a method"));
    }
    if let Some(topic) = c.will_topic() {
        let mut w = Will {
            topic: will_topic(topic)?,
            payload: Bytes::copy_from_slice(c.will_payload().unwrap_or_default()),
            qos: c.will_qos() as u8,
            retain: c.will_retain(),
            delay: 0,
            expiry: None,
            response: None,
            props: Bytes::new(),
        };
        let (mut format, mut content, mut correlation, mut user) = (None, None, None, Vec::new());
        for p in c.will_props() {
            match p {
                Property::WillDelayInterval(p) => w.delay = p.val(),
                Property::MessageExpiryInterval(p) => w.expiry = Some(p.val()),
                Property::PayloadFormatIndicator(p) => format = Some(p.val()),
                Property::ContentType(p) => content = Some(plain(p.val())?),
                Property::ResponseTopic(p) => {
                    let topic = will_topic(p.val());
                    w.response =
                        Some(topic.map_err(|_| Fault::protocol("the response topic is no topic name"))?);
                }
                Property::CorrelationData(p) => correlation = Some(p.val()),
                Property::UserProperty(p) => {
                    users += 1;
                    user.push((free(p.key())?, free(p.val())?));
                }
                _ => {}
            }
        }
        w.props = publish::will_props(format, content, correlation, &user).into();
        out.will = Some(w);
    }
    if users > max_user {
        return Err(Fault::new(Reason::QUOTA, "too many user properties"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(name: &[u8], level: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
        let mut b = vec![0, name.len() as u8];
        b.extend_from_slice(name);
        b.extend_from_slice(&[level, flags, 0, 60]);
        b.extend_from_slice(rest);
        b
    }

    #[test]
    fn levels_and_bridges() {
        let old = parse(6, &body(b"MQIsdp", 3, 3, b"\0\x01c"), 64).unwrap();
        assert!(old.clean_start, "3.1 does not care for reserved bits");
        for (name, level, version, bridge) in [
            (&b"MQIsdp"[..], 3, Version::V3, false),
            (b"MQIsdp", 0x83, Version::V3, true),
            (b"MQTT", 4, Version::V3, false),
            (b"MQTT", 0x84, Version::V3, true),
        ] {
            let c = parse(0, &body(name, level, 2, b"\0\x01c"), 64).unwrap();
            assert_eq!(
                (c.version, c.bridge, c.level, c.client_id.as_str()),
                (version, bridge, level & 0x7F, "c")
            );
            assert!(c.clean_start && c.keep_alive == 60 && c.session_expiry == 0);
        }
        let c = parse(0, &body(b"MQTT", 5, 2, b"\x05\x11\0\0\0\x07\0\0"), 64).unwrap();
        assert_eq!((c.version, c.session_expiry), (Version::V5, 7));
        let r = parse(0, &body(b"MQTT", 6, 2, b"\0\0"), 64).unwrap_err();
        assert_eq!(
            (r.version, r.fault.reason),
            (Some(Version::V3), Reason::UNSUPPORTED_VERSION)
        );
        let r = parse(0, &body(b"HTTP", 4, 2, b"\0\0"), 64).unwrap_err();
        assert_eq!((r.version, r.fault.reason), (None, Reason::PROTOCOL));
    }

    #[test]
    fn what_the_library_lets_pass_is_refused() {
        type Row = (&'static str, u8, u8, &'static [u8], Reason);
        let rows: &[Row] = &[
            ("reserved flag", 4, 3, b"\0\x01c", Reason::MALFORMED),
            ("will QoS 3", 4, 0x1E, b"\0\x01c\0\x01t\0\0", Reason::MALFORMED),
            ("will QoS without will", 4, 0x0A, b"\0\x01c", Reason::MALFORMED),
            ("will retain without will", 4, 0x22, b"\0\x01c", Reason::MALFORMED),
            (
                "password without user",
                4,
                0x42,
                b"\0\x01c\0\x01p",
                Reason::MALFORMED,
            ),
            ("trailing bytes", 4, 2, b"\0\x01cX", Reason::MALFORMED),
            ("NUL in client id", 4, 2, b"\0\x01\0", Reason::MALFORMED),
            ("NUL in user", 4, 0x82, b"\0\x01c\0\x01\0", Reason::MALFORMED),
            (
                "will to a filter",
                4,
                6,
                b"\0\x01c\0\x01#\0\0",
                Reason::TOPIC_INVALID,
            ),
            ("will to nothing", 4, 6, b"\0\x01c\0\0\0\0", Reason::TOPIC_INVALID),
            ("no payload", 4, 6, b"\0\x01c\0\x01a", Reason::MALFORMED),
            ("receive maximum 0", 5, 2, b"\x03\x21\0\0\0\0", Reason::PROTOCOL),
            (
                "property twice",
                5,
                2,
                b"\x06\x21\0\x01\x21\0\x01\0\0",
                Reason::PROTOCOL,
            ),
            (
                "PUBLISH's property",
                5,
                2,
                b"\x03\x23\0\x01\0\0",
                Reason::PROTOCOL,
            ),
            (
                "bad will property",
                5,
                6,
                b"\0\0\x01c\x03\x21\0\x01\0\x01t\0\0",
                Reason::PROTOCOL,
            ),
        ];
        for (name, level, flags, rest, reason) in rows {
            let r = parse(0, &body(b"MQTT", *level, *flags, rest), 64).unwrap_err();
            assert_eq!(r.fault.reason, *reason, "{name}");
            assert_eq!(r.version.is_some(), *level == 5, "{name}");
        }
        assert!(parse(1, &body(b"MQTT", 4, 2, b"\0\x01c"), 64).is_err());
        let mut many = Vec::new();
        super::super::put_varint(&mut many, 500);
        many.extend(b"\x26\0\0\0\0".repeat(100));
        many.extend(b"\0\0");
        let r = parse(0, &body(b"MQTT", 5, 2, &many), 64).unwrap_err();
        assert_eq!(r.fault.reason, Reason::QUOTA);
    }

    #[test]
    fn wills() {
        let rest = b"\0\0\x01c\x12\x18\0\0\0\x05\x01\x01\x03\0\x01x\x26\0\x01k\0\x01v\0\x01t\0\x03bye";
        let mut rest = rest.to_vec();
        rest[4] = 18;
        let c = parse(0, &body(b"MQTT", 5, 0x2E, &rest), 64).unwrap();
        let w = c.will.unwrap();
        assert_eq!(
            (w.topic.as_str(), w.delay, w.qos, w.retain, w.payload.as_ref()),
            ("t", 5, 1, true, &b"bye"[..])
        );
        assert_eq!(w.props.as_ref(), b"\x01\x01\x03\0\x01x\x26\0\x01k\0\x01v");
        let r = parse(0, &body(b"MQTT", 4, 0xC2, b"\0\x01c\0\x01u\0\x01\xFF"), 64).unwrap();
        assert!(r.bad_password && r.password.is_none());
    }
}
