//! The few MQTT packets a load test needs, written into and read from plain buffers
//! (MQTT 3.1.1 §3, MQTT 5.0 §3).

use anyhow::{Result, bail};

/// Protocol level of MQTT 5.
pub const V5: u8 = 5;

/// A packet from the broker.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// CONNACK with its code.
    ConnAck(u8),
    /// SUBACK with the first code.
    SubAck(u8),
    /// PUBLISH: packet identifier with QoS 1, and the payload.
    Publish(Option<u16>, &'a [u8]),
    /// PUBACK with its reason code.
    PubAck(u8),
    /// DISCONNECT with its reason.
    Disconnect(u8),
    /// Anything else.
    Other(u8),
}

/// Cuts a byte stream into packets; only a cut packet is ever copied.
#[derive(Default)]
pub struct Reader {
    rest: Vec<u8>,
}

impl Reader {
    /// Calls `each` for all packets that `bytes` completes.
    pub fn feed(&mut self, protocol: u8, mut bytes: &[u8], mut each: impl FnMut(Packet<'_>)) -> Result<()> {
        while !self.rest.is_empty() {
            match length(&self.rest)? {
                Some(total) if total <= self.rest.len() => {
                    let packet = std::mem::take(&mut self.rest);
                    each(parse(protocol, &packet[..total])?);
                    self.rest = packet;
                    self.rest.drain(..total);
                }
                Some(total) => {
                    let wanted = (total - self.rest.len()).min(bytes.len());
                    self.rest.extend_from_slice(&bytes[..wanted]);
                    bytes = &bytes[wanted..];
                    if self.rest.len() < total {
                        return Ok(());
                    }
                }
                None => match bytes.split_first() {
                    Some((first, more)) => {
                        self.rest.push(*first);
                        bytes = more;
                    }
                    None => return Ok(()),
                },
            }
        }
        while let Some(total) = length(bytes)?
            && total <= bytes.len()
        {
            each(parse(protocol, &bytes[..total])?);
            bytes = &bytes[total..];
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }
}

/// Length of the packet that `bytes` begins with, once its remaining length is there.
fn length(bytes: &[u8]) -> Result<Option<usize>> {
    let mut value = 0_usize;
    for at in 0..4 {
        let Some(&byte) = bytes.get(at + 1) else {
            return Ok(None);
        };
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some(at + 2 + value));
        }
    }
    bail!("remaining length")
}

fn parse(protocol: u8, packet: &[u8]) -> Result<Packet<'_>> {
    let body_at = 2 + packet[1..].iter().take_while(|byte| **byte & 0x80 != 0).count();
    let body = &packet[body_at..];
    let byte = |at: usize| body.get(at).copied();
    Ok(match packet[0] >> 4 {
        2 => Packet::ConnAck(byte(1).unwrap_or(0xff)),
        9 => Packet::SubAck(body.last().copied().unwrap_or(0xff)),
        4 => Packet::PubAck(byte(2).unwrap_or(0)),
        14 => Packet::Disconnect(byte(0).unwrap_or(0)),
        3 => {
            let Some(topic) = body.first_chunk::<2>() else {
                bail!("short PUBLISH")
            };
            let mut at = 2 + usize::from(u16::from_be_bytes(*topic));
            let mut identifier = None;
            if packet[0] & 0x06 != 0 {
                let Some(bytes) = body.get(at..at + 2) else {
                    bail!("short PUBLISH")
                };
                identifier = Some(u16::from_be_bytes([bytes[0], bytes[1]]));
                at += 2;
            }
            if protocol == V5 {
                // Brokers that add more than 127 bytes of properties are not among the peers.
                at += 1 + usize::from(byte(at).unwrap_or(0));
            }
            let Some(payload) = body.get(at..) else {
                bail!("short PUBLISH")
            };
            Packet::Publish(identifier, payload)
        }
        other => Packet::Other(other),
    })
}

/// CONNECT with a clean start and keep-alive off.
pub fn connect(protocol: u8, client: &str, user: Option<&str>, password: Option<&str>) -> Vec<u8> {
    let mut body = Vec::new();
    string(&mut body, b"MQTT");
    let flags = 0x02 | if user.is_some() { 0x80 } else { 0 } | if password.is_some() { 0x40 } else { 0 };
    body.extend_from_slice(&[protocol, flags, 0x0e, 0x10]);
    if protocol == V5 {
        // Receive Maximum 65535: the load generator's window is the only limit.
        body.extend_from_slice(&[3, 0x21, 0xff, 0xff]);
    }
    string(&mut body, client.as_bytes());
    for field in [user, password].into_iter().flatten() {
        string(&mut body, field.as_bytes());
    }
    packet(0x10, &body)
}

/// SUBSCRIBE to one filter.
pub fn subscribe(protocol: u8, filter: &str, qos: u8) -> Vec<u8> {
    let mut body = vec![0, 1];
    if protocol == V5 {
        body.push(0);
    }
    string(&mut body, filter.as_bytes());
    body.push(qos);
    packet(0x82, &body)
}

/// A PUBLISH of which only the identifier and the first eight payload bytes change.
pub struct Template {
    bytes: Vec<u8>,
    identifier: Option<usize>,
    payload: usize,
}

impl Template {
    /// `payload` is its size, at least eight.
    pub fn new(protocol: u8, topic: &str, qos: u8, payload: usize) -> Self {
        let mut body = Vec::new();
        string(&mut body, topic.as_bytes());
        let identifier = (qos > 0).then_some(body.len());
        if qos > 0 {
            body.extend_from_slice(&[0, 0]);
        }
        if protocol == V5 {
            body.push(0);
        }
        let at = body.len();
        body.resize(at + payload.max(8), b'.');
        let bytes = packet(0x30 | qos << 1, &body);
        let head = bytes.len() - body.len();
        Self {
            bytes,
            identifier: identifier.map(|offset| head + offset),
            payload: head + at,
        }
    }

    /// Appends the packet with this identifier and time of sending.
    pub fn write(&self, out: &mut Vec<u8>, identifier: u16, nanos: u64) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        if let Some(at) = self.identifier {
            out[start + at..start + at + 2].copy_from_slice(&identifier.to_be_bytes());
        }
        out[start + self.payload..start + self.payload + 8].copy_from_slice(&nanos.to_be_bytes());
    }
}

/// Appends PUBACK for `identifier`.
pub fn puback(out: &mut Vec<u8>, identifier: u16) {
    let [high, low] = identifier.to_be_bytes();
    out.extend_from_slice(&[0x40, 2, high, low]);
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text);
}

fn packet(head: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![head];
    let mut left = body.len();
    loop {
        let byte = (left & 0x7f) as u8;
        left >>= 7;
        if left == 0 {
            out.push(byte);
            break;
        }
        out.push(byte | 0x80);
    }
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishes_survive_every_split() {
        for protocol in [4, V5] {
            let template = Template::new(protocol, "a/b", 1, 200);
            let mut bytes = Vec::new();
            for number in 1..=3 {
                template.write(&mut bytes, number, u64::from(number) << 40);
            }
            for size in 1..bytes.len() {
                let (mut reader, mut seen) = (Reader::default(), Vec::new());
                for chunk in bytes.chunks(size) {
                    reader
                        .feed(protocol, chunk, |packet| match packet {
                            Packet::Publish(identifier, payload) => {
                                assert_eq!(payload.len(), 200);
                                seen.push((identifier.unwrap(), payload[2]));
                            }
                            other => panic!("{other:?}"),
                        })
                        .unwrap();
                }
                assert_eq!(seen, [(1, 1), (2, 2), (3, 3)]);
            }
        }
    }

    #[test]
    fn answers_and_nonsense() {
        let mut seen = Vec::new();
        let mut reader = Reader::default();
        reader
            .feed(4, &[0x20, 2, 0, 5, 0x90, 3, 0, 1, 0x80, 0x40, 2, 0, 9], |p| {
                seen.push(format!("{p:?}"));
            })
            .unwrap();
        assert_eq!(seen, ["ConnAck(5)", "SubAck(128)", "PubAck(0)"]);
        assert!(
            Reader::default()
                .feed(4, &[0x30, 0xff, 0xff, 0xff, 0xff], |_| ())
                .is_err()
        );
        assert!(Reader::default().feed(4, &[0x30, 1, 0], |_| ()).is_err());
    }

    #[test]
    fn connect_carries_the_account() {
        let bytes = connect(4, "c", Some("u"), Some("p"));
        assert_eq!(bytes[..10], [0x10, 19, 0, 4, b'M', b'Q', b'T', b'T', 4, 0xc2]);
    }
}
