//! Where somebody has read to, over all their waddles, as one opaque text.
//!
//! Of each waddle it holds the last message and the last line of the audit log. A waddle that was silent for a minute
//! needs no place of its own: the time until which all is known stands for it, so that a cursor stays short.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use waddle_core::{MessageId, Timestamp, WaddleId};

/// Microseconds by which a commit may be announced after another one's later commit elsewhere.
const SLACK: i64 = 60_000_000;
/// Waddles that a cursor may name; more than anybody belongs to.
const MOST: usize = 1_000;
/// Bytes of a waddle's place.
const PLACE: usize = 32;
const VERSION: u8 = 1;
/// What stands for direct messages in the place of a waddle; no waddle is called so.
const DIRECT: u128 = 0;

/// How far one waddle was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The last message.
    pub message: MessageId,
    /// The last line of the audit log; less than one where it is found by time.
    pub line: i64,
    /// When the later of both was.
    touched: i64,
}

/// How far all of them were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// All before this is known, of waddles without a place.
    since: i64,
    /// By waddle; none for direct messages.
    places: BTreeMap<Option<WaddleId>, Place>,
    /// The past is being told, one waddle after the other: what is known of one says nothing of the others.
    held: bool,
}

impl Cursor {
    /// From now on.
    pub fn at(now: Timestamp) -> Self {
        Self {
            since: now.micros(),
            places: BTreeMap::new(),
            held: false,
        }
    }

    /// How far a waddle was read, or direct messages.
    pub fn place(&self, of: impl Into<Option<WaddleId>>) -> Place {
        self.places.get(&of.into()).copied().unwrap_or(Place {
            message: MessageId(self.since),
            line: -1,
            touched: self.since,
        })
    }

    /// From here on the past is told; until [`release`](Self::release) every waddle keeps its place.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// All of the past was told.
    pub fn release(&mut self) {
        self.held = false;
    }

    /// The time before which all of a waddle without a line is known.
    pub fn since(&self) -> Timestamp {
        Timestamp(self.since)
    }

    fn touch(&mut self, waddle: Option<WaddleId>, at: i64, change: impl FnOnce(&mut Place)) {
        let mut place = self.place(waddle);
        change(&mut place);
        place.touched = place.touched.max(at);
        self.places.insert(waddle, place);
        if self.held {
            return;
        }
        let newest = self.places.values().map(|p| p.touched).max().unwrap_or(at);
        let quiet = newest.saturating_sub(SLACK);
        if quiet > self.since {
            self.since = quiet;
            self.places.retain(|_, p| p.touched > quiet);
        }
    }

    /// A message of a waddle was told, or a direct one.
    pub fn message(&mut self, of: impl Into<Option<WaddleId>>, id: MessageId) {
        self.touch(of.into(), id.0, |p| p.message = p.message.max(id));
    }

    /// A line of the audit log was told.
    pub fn line(&mut self, waddle: WaddleId, line: i64, at: Timestamp) {
        self.touch(Some(waddle), at.micros(), |p| p.line = p.line.max(line));
    }

    /// As a text.
    pub fn encode(&self) -> String {
        let mut out = Vec::with_capacity(9 + self.places.len() * PLACE);
        out.push(VERSION);
        out.extend_from_slice(&self.since.to_be_bytes());
        for (waddle, place) in &self.places {
            let id = waddle.map(|w| u128::from_str_radix(&w.to_string(), 16).unwrap_or_default());
            let id = id.unwrap_or(DIRECT);
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&place.message.0.to_be_bytes());
            out.extend_from_slice(&place.line.to_be_bytes());
        }
        B64.encode(out)
    }

    /// Of a text that [`Cursor::encode`] made.
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > (9 + MOST * PLACE) * 4 / 3 + 4 {
            return None;
        }
        let bytes = B64.decode(text).ok()?;
        let (head, rest) = bytes.split_at_checked(9)?;
        let number = |b: &[u8]| Some(i64::from_be_bytes(b.try_into().ok()?));
        if head[0] != VERSION || rest.len() % PLACE != 0 {
            return None;
        }
        let since = number(&head[1..])?;
        if since < 0 {
            return None;
        }
        let mut places = BTreeMap::new();
        for one in rest.chunks_exact(PLACE) {
            let id = u128::from_be_bytes(one[..16].try_into().ok()?);
            let message = number(&one[16..24])?;
            let place = Place {
                message: MessageId(message),
                line: number(&one[24..])?,
                touched: message.max(since.saturating_add(SLACK)),
            };
            let of = match id {
                DIRECT => None,
                id => Some(format!("{id:032x}").parse().ok()?),
            };
            places.insert(of, place);
        }
        Some(Self {
            since,
            places,
            held: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let (a, b) = (WaddleId::new(), WaddleId::new());
        let mut c = Cursor::at(Timestamp(1_000_000_000));
        assert_eq!(
            Cursor::decode(&c.encode()).unwrap().place(a).message,
            MessageId(1_000_000_000)
        );
        c.message(a, MessageId(1_000_000_007));
        c.line(b, 12, Timestamp(1_000_000_009));
        c.message(None, MessageId(1_000_000_011));
        let back = Cursor::decode(&c.encode()).unwrap();
        assert_eq!(back.place(a).message, MessageId(1_000_000_007));
        assert_eq!((back.place(a).line, back.place(b).line), (-1, 12));
        assert_eq!(back.place(b).message, MessageId(1_000_000_000));
        assert_eq!(back.place(None).message, MessageId(1_000_000_011));
        for bad in ["", "x", "AAAA", &c.encode()[1..], &format!("{}A", c.encode())] {
            assert!(Cursor::decode(bad).is_none(), "{bad}");
        }
        assert!(Cursor::decode(&"A".repeat(100_000)).is_none());
    }

    #[test]
    fn silent_waddles_have_no_place() {
        let (a, b) = (WaddleId::new(), WaddleId::new());
        let mut c = Cursor::at(Timestamp(0));
        c.message(a, MessageId(5));
        let short = c.encode().len();
        c.message(b, MessageId(SLACK + 10));
        assert_eq!(c.encode().len(), short, "the place of a is gone");
        assert_eq!(c.place(a).message, MessageId(10), "all before is known");
        // what was committed a moment before, elsewhere, is still told
        c.message(a, MessageId(SLACK + 3));
        assert_eq!(c.place(a).message, MessageId(SLACK + 3));
        assert_eq!(c.place(b).message, MessageId(SLACK + 10));
    }

    #[test]
    fn while_the_past_is_told_nobody_is_taken_as_known() {
        let (a, b) = (WaddleId::new(), WaddleId::new());
        let mut c = Cursor::at(Timestamp(10));
        c.hold();
        c.message(a, MessageId(5 * SLACK));
        let broken = Cursor::decode(&c.encode()).unwrap();
        assert_eq!(
            (broken.place(b).message, broken.since()),
            (MessageId(10), Timestamp(10))
        );
        assert_eq!(broken.place(a).message, MessageId(5 * SLACK));
        c.line(b, 3, Timestamp(20));
        c.release();
        c.message(a, MessageId(5 * SLACK + 1));
        assert_eq!(c.place(b).message, MessageId(4 * SLACK + 1), "b was told as well");
    }
}
