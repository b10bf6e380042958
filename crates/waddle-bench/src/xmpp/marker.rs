//! Markers in message bodies: `wb:` + time of sending + lane, fixed in length, found by a substring
//! search in the received bytes.

use memchr::memmem;

const PREFIX: &[u8] = b"wb:";
const LENGTH: usize = 3 + 16 + 4;

/// The marker as text.
pub fn write(nanos: u64, lane: usize) -> String {
    format!("wb:{nanos:016x}{lane:04x}")
}

/// Calls `found(nanos, lane)` for each complete marker in `input` and drops what is done with; the end
/// of a cut marker stays.
pub fn drain(input: &mut Vec<u8>, finder: &memmem::Finder<'_>, mut found: impl FnMut(u64, usize)) {
    let mut at = 0;
    while let Some(offset) = finder.find(&input[at..]) {
        let start = at + offset;
        let Some(marker) = input.get(start..start + LENGTH) else {
            input.drain(..start);
            return;
        };
        match (hex(&marker[3..19]), hex(&marker[19..])) {
            (Some(nanos), Some(lane)) => {
                found(nanos, lane as usize);
                at = start + LENGTH;
            }
            _ => at = start + PREFIX.len(),
        }
    }
    // A prefix may be cut at the very end.
    let keep = input.len().min(PREFIX.len() - 1).min(input.len() - at);
    input.drain(..input.len() - keep);
}

/// The searcher for [`drain`], made once per connection.
pub fn finder() -> memmem::Finder<'static> {
    memmem::Finder::new(PREFIX)
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_once_however_the_bytes_are_split() {
        let text = ["<m>wb:x", &write(0x1234, 7), "</m>w", &write(u64::MAX, 31), "ww"].concat();
        for first in 0..text.len() {
            for second in first..text.len() {
                let (mut input, mut seen) = (Vec::new(), Vec::new());
                for part in [&text[..first], &text[first..second], &text[second..]] {
                    input.extend_from_slice(part.as_bytes());
                    drain(&mut input, &finder(), |nanos, lane| seen.push((nanos, lane)));
                }
                assert_eq!(seen, [(0x1234, 7), (u64::MAX, 31)]);
            }
        }
    }
}
