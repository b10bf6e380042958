//! The wire: framing, field reading and reason codes (MQTT 5.0 §2, MQTT 3.1.1 §2; ADR 0008).
//!
//! CONNECT, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT and AUTH are read, and CONNACK, SUBACK, UNSUBACK and DISCONNECT
//! written, by `mqtt-protocol-core`; PUBLISH and its acknowledgements, which carry the load, are read and
//! written here without copying. What the library lets pass and the standards do not is checked here too.

pub mod connect;
pub mod control;
pub mod publish;
pub mod subscribe;

use mqtt_protocol_core::mqtt::result_code::MqttError;

/// How packets of a connection are written: 3.1 and 3.1.1 differ in CONNECT only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// Protocol levels 3 and 4.
    V3,
    /// Protocol level 5.
    V5,
}

impl Version {
    /// The name in metrics and figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::V3 => "3.1.1",
            Self::V5 => "5.0",
        }
    }
}

/// A reason code of MQTT 5.0 §2.4; 3.1.1 gets the nearest thing that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(pub u8);

#[expect(missing_docs, reason = "the names are those of MQTT 5.0 §2.4")]
impl Reason {
    pub const SUCCESS: Self = Self(0x00);
    pub const NO_SUBSCRIPTION: Self = Self(0x11);
    pub const MALFORMED: Self = Self(0x81);
    pub const PROTOCOL: Self = Self(0x82);
    pub const IMPLEMENTATION: Self = Self(0x83);
    pub const UNSUPPORTED_VERSION: Self = Self(0x84);
    pub const CLIENT_ID: Self = Self(0x85);
    pub const BAD_LOGIN: Self = Self(0x86);
    pub const NOT_AUTHORIZED: Self = Self(0x87);
    pub const UNAVAILABLE: Self = Self(0x88);
    pub const BUSY: Self = Self(0x89);
    pub const SHUTTING_DOWN: Self = Self(0x8B);
    pub const AUTH_METHOD: Self = Self(0x8C);
    pub const KEEP_ALIVE: Self = Self(0x8D);
    pub const TAKEN_OVER: Self = Self(0x8E);
    pub const FILTER_INVALID: Self = Self(0x8F);
    pub const TOPIC_INVALID: Self = Self(0x90);
    pub const ID_NOT_FOUND: Self = Self(0x92);
    pub const RECEIVE_MAXIMUM: Self = Self(0x93);
    pub const ALIAS_INVALID: Self = Self(0x94);
    pub const TOO_LARGE: Self = Self(0x95);
    pub const QUOTA: Self = Self(0x97);
    pub const ADMINISTRATIVE: Self = Self(0x98);
}

/// Why a connection ends: what its client did wrong, with the reason code that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The reason code of the DISCONNECT or CONNACK.
    pub reason: Reason,
    /// What was wrong, for the reason string and the log.
    pub text: &'static str,
}

impl Fault {
    /// A fault with any reason.
    pub const fn new(reason: Reason, text: &'static str) -> Self {
        Self { reason, text }
    }
    /// The packet cannot be read.
    pub const fn malformed(text: &'static str) -> Self {
        Self::new(Reason::MALFORMED, text)
    }
    /// The packet may not come now or not like this.
    pub const fn protocol(text: &'static str) -> Self {
        Self::new(Reason::PROTOCOL, text)
    }
}

impl From<MqttError> for Fault {
    fn from(e: MqttError) -> Self {
        match u8::try_from(e as u16) {
            Ok(code) => Self::new(Reason(code), "the packet breaks the protocol"),
            Err(_) => Self::malformed("the packet cannot be read"),
        }
    }
}

/// Packet types (MQTT 5.0 §2.1.2).
pub mod kind {
    pub const CONNECT: u8 = 1;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const PUBREC: u8 = 5;
    pub const PUBREL: u8 = 6;
    pub const PUBCOMP: u8 = 7;
    pub const SUBSCRIBE: u8 = 8;
    pub const UNSUBSCRIBE: u8 = 10;
    pub const PINGREQ: u8 = 12;
    pub const DISCONNECT: u8 = 14;
    pub const AUTH: u8 = 15;
}

/// One packet's place at the start of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The first byte: type and flags.
    pub first: u8,
    /// Where the body starts.
    pub body: usize,
    /// Where the next packet starts.
    pub end: usize,
}

impl Head {
    /// The packet type.
    pub fn kind(self) -> u8 {
        self.first >> 4
    }
    /// The flags of the fixed header.
    pub fn flags(self) -> u8 {
        self.first & 0x0F
    }
}

/// Finds the packet at the start of `buf`: `None` while it is incomplete. A remaining length over what `max`
/// allows is a fault at once, before a byte of the body is waited for.
pub fn head(buf: &[u8], max: usize) -> Result<Option<Head>, Fault> {
    let Some(&first) = buf.first() else {
        return Ok(None);
    };
    if first >> 4 == 0 {
        return Err(Fault::protocol("packet type 0"));
    }
    let mut len = 0_usize;
    for i in 0..4 {
        let Some(&b) = buf.get(1 + i) else {
            return Ok(None);
        };
        len |= usize::from(b & 0x7F) << (7 * i);
        if b & 0x80 == 0 {
            let body = 2 + i;
            if body + len > max {
                return Err(Fault::new(
                    Reason::TOO_LARGE,
                    "the packet is larger than the server takes",
                ));
            }
            let head = Head {
                first,
                body,
                end: body + len,
            };
            return Ok((buf.len() >= head.end).then_some(head));
        }
    }
    Err(Fault::malformed("the remaining length has over four bytes"))
}

/// A text field: UTF-8 without U+0000, control characters and noncharacters (§1.5.4 lets a server refuse these;
/// they could not be shown in a channel).
pub fn text(bytes: &[u8]) -> Result<&str, Fault> {
    plain(utf8(bytes)?)
}

/// A text that only has to be UTF-8 without U+0000: what user properties say is between clients.
pub fn free_text(bytes: &[u8]) -> Result<&str, Fault> {
    free(utf8(bytes)?)
}

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::malformed("a text is not UTF-8"))
}

/// [`text`] for what the library has read: it lets everything pass.
pub fn plain(s: &str) -> Result<&str, Fault> {
    let simple = s.bytes().all(|b| (0x20..0x7F).contains(&b));
    if simple || s.chars().all(showable) {
        Ok(s)
    } else {
        Err(Fault::malformed("a text contains control characters"))
    }
}

/// [`free_text`] for what the library has read.
pub fn free(s: &str) -> Result<&str, Fault> {
    if s.as_bytes().contains(&0) {
        Err(Fault::malformed("a text contains U+0000"))
    } else {
        Ok(s)
    }
}

fn showable(c: char) -> bool {
    let u = u32::from(c);
    !c.is_control() && u & 0xFFFE != 0xFFFE && !(0xFDD0..=0xFDEF).contains(&u)
}

/// Reads fields from the front of a packet's body.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

const SHORT: Fault = Fault::malformed("the packet is shorter than its fields");

impl<'a> Fields<'a> {
    /// Starts at the front of `body`.
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }
    /// What is left.
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }
    /// Whether nothing is left.
    pub fn is_empty(self) -> bool {
        self.rest.is_empty()
    }
    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let (a, b) = self.rest.split_at_checked(n).ok_or(SHORT)?;
        self.rest = b;
        Ok(a)
    }
    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Fault> {
        let (a, b) = self.rest.split_first().ok_or(SHORT)?;
        self.rest = b;
        Ok(*a)
    }
    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, Fault> {
        let (a, b) = self.rest.split_first_chunk::<2>().ok_or(SHORT)?;
        self.rest = b;
        Ok(u16::from_be_bytes(*a))
    }
    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, Fault> {
        let (a, b) = self.rest.split_first_chunk::<4>().ok_or(SHORT)?;
        self.rest = b;
        Ok(u32::from_be_bytes(*a))
    }
    /// A variable byte integer.
    pub fn varint(&mut self) -> Result<u32, Fault> {
        let mut v = 0;
        for i in 0..4 {
            let b = self.u8()?;
            v |= u32::from(b & 0x7F) << (7 * i);
            if b & 0x80 == 0 {
                return Ok(v);
            }
        }
        Err(Fault::malformed("a variable byte integer has over four bytes"))
    }
    /// A field with two bytes of length before it.
    pub fn binary(&mut self) -> Result<&'a [u8], Fault> {
        let n = self.u16()?;
        self.take(usize::from(n))
    }
    /// A text field.
    pub fn text(&mut self) -> Result<&'a str, Fault> {
        text(self.binary()?)
    }
    /// A packet identifier, which is never 0 (§2.2.1).
    pub fn packet_id(&mut self) -> Result<u16, Fault> {
        match self.u16()? {
            0 => Err(Fault::protocol("packet identifier 0")),
            id => Ok(id),
        }
    }
}

/// Bytes that `n` takes as a variable byte integer.
pub const fn varint_len(n: usize) -> usize {
    match n {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Appends a variable byte integer.
pub fn put_varint(out: &mut impl bytes::BufMut, mut n: usize) {
    loop {
        let b = (n & 0x7F) as u8;
        n >>= 7;
        if n == 0 {
            out.put_u8(b);
            return;
        }
        out.put_u8(b | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing() {
        assert_eq!(head(&[], 100), Ok(None));
        assert_eq!(head(&[0xC0], 100), Ok(None));
        let h = head(&[0xC0, 0], 100).unwrap().unwrap();
        assert_eq!((h.kind(), h.flags(), h.body, h.end), (12, 0, 2, 2));
        assert_eq!(head(&[0x30, 5, 0], 100), Ok(None));
        assert_eq!(
            head(&[0x10, 0xFF, 0xFF, 0xFF, 0x7F], 65_536).unwrap_err().reason,
            Reason::TOO_LARGE,
            "a lie about 256 MiB is refused before it is waited for"
        );
        assert_eq!(
            head(&[0x10, 0x80, 0x80, 0x80, 0x80, 1], 65_536)
                .unwrap_err()
                .reason,
            Reason::MALFORMED
        );
    }

    #[test]
    fn variable_byte_integers() {
        for n in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455] {
            let mut v = Vec::new();
            put_varint(&mut v, n);
            assert_eq!(v.len(), varint_len(n));
            assert_eq!(Fields::new(&v).varint().unwrap() as usize, n);
        }
    }

    #[test]
    fn texts() {
        assert!(text("ä☃\u{FFFD}".as_bytes()).is_ok());
        assert!(free_text(b"two\nlines").is_ok() && free_text(b"\0").is_err());
        for bad in [
            &b"a\0b"[..],
            b"\xC0\x80",
            b"\xED\xA0\x80",
            b"\xFF",
            b"a\x01",
            b"a\n",
            b"\x7F",
            "\u{9F}".as_bytes(),
            "\u{FFFF}".as_bytes(),
            "\u{FDD0}".as_bytes(),
        ] {
            assert_eq!(text(bad).unwrap_err().reason, Reason::MALFORMED, "{bad:?}");
        }
    }
}
