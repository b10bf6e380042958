//! Readings that came faster than their binding may post, gathered into one line (`specs/feeds.md`, *Rate*):
//! `kitchen: 14 changes, 19.0–22.4 °C`.

use crate::{
    line,
    payload::{Number, Reading},
};

/// Names that a line lists; further ones are *others*.
const NAMES: usize = 3;

/// What came while a bucket was empty; never nothing.
#[derive(Debug)]
pub struct Surplus {
    count: u64,
    names: Vec<String>,
    others: bool,
    /// The lowest and the highest, while all are numbers of the same unit.
    range: Option<(Number, Number)>,
    /// The last, with its name.
    last: (String, Reading),
}

impl Surplus {
    /// The first reading that may not be posted.
    pub fn new(name: &str, reading: &Reading) -> Self {
        Self {
            count: 1,
            names: vec![name.to_owned()],
            others: false,
            range: match reading {
                Reading::Number(n) => Some((n.clone(), n.clone())),
                _ => None,
            },
            last: (name.to_owned(), reading.clone()),
        }
    }

    /// One more.
    pub fn add(&mut self, name: &str, reading: &Reading) {
        self.count += 1;
        if !self.names.iter().any(|n| n == name) {
            if self.names.len() < NAMES {
                self.names.push(name.to_owned());
            } else {
                self.others = true;
            }
        }
        self.range = match (self.range.take(), reading) {
            (Some((low, high)), Reading::Number(n)) if low.unit == n.unit => Some(if n.value < low.value {
                (n.clone(), high)
            } else if n.value > high.value {
                (low, n.clone())
            } else {
                (low, high)
            }),
            _ => None,
        };
        self.last = (name.to_owned(), reading.clone());
    }

    /// Readings in it.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The line: the reading itself where there is one, a summary of several.
    pub fn line(&self) -> String {
        let (name, reading) = &self.last;
        if self.count == 1 {
            return line::body(name, reading);
        }
        let names = self.names.join(", ");
        let others = if self.others { " and others" } else { "" };
        let what = match &self.range {
            Some((low, high)) => range(low, high),
            None if self.names.len() == 1 => format!("the last: {reading}"),
            None => format!("the last: {}", line::body(name, reading)),
        };
        format!("{names}{others}: {} changes, {what}", self.count)
    }
}

/// `19.0–22.4 °C`; `-5 to 3 °C` below zero, where a dash would be read as a sign.
fn range(low: &Number, high: &Number) -> String {
    let unit = low.unit.as_deref().map(|u| [" ", u].concat()).unwrap_or_default();
    if low.value >= high.value {
        return [&low.digits, &*unit].concat();
    }
    let between = if low.digits.starts_with('-') {
        " to "
    } else {
        "–"
    };
    [&low.digits, between, &high.digits, &*unit].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(readings: &[(&str, &str)]) -> String {
        let read = |p: &str| crate::read(p.as_bytes(), 1_000);
        let (first, rest) = readings.split_first().unwrap();
        let mut s = Surplus::new(first.0, &read(first.1));
        for (name, payload) in rest {
            s.add(name, &read(payload));
        }
        assert_eq!(s.count(), readings.len() as u64);
        s.line()
    }

    #[test]
    fn lines() {
        let c = |v: &str| format!(r#"{{"value":{v},"unit":"°C"}}"#);
        let (a, b, d) = (c("20.1"), c("22.40"), c("19.0"));
        assert_eq!(line(&[("k", &a)]), "k: 20.1 °C");
        assert_eq!(
            line(&[("k", &a), ("k", &b), ("k", &d)]),
            "k: 3 changes, 19.0–22.40 °C"
        );
        assert_eq!(line(&[("k", &a), ("h", &d)]), "k, h: 2 changes, 19.0–20.1 °C");
        assert_eq!(line(&[("k", &a), ("k", &a)]), "k: 2 changes, 20.1 °C");
        assert_eq!(line(&[("k", "-5"), ("k", "3")]), "k: 2 changes, -5 to 3");
        assert_eq!(
            line(&[("k", "1"), ("k", "ON"), ("k", "2")]),
            "k: 3 changes, the last: 2"
        );
        assert_eq!(line(&[("k", "1"), ("k", &a)]), "k: 2 changes, the last: 20.1 °C");
        assert_eq!(
            line(&[("k", "ON"), ("h", "NaN")]),
            "k, h: 2 changes, the last: h: unreadable (not a number)"
        );
        assert_eq!(
            line(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5")]),
            "a, b, c and others: 5 changes, 1–5"
        );
    }
}
