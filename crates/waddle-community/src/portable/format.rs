//! The lines of an export: rows as JSON, and the sum over all bytes.

use std::{
    collections::BTreeMap,
    io::{BufRead, Read, Write},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use waddle_core::Timestamp;
use waddle_storage::{Value, portable::Table};

use crate::{Error, Result};

/// Bytes of one line at the most: a message with its markup, escaped, and more than enough.
const LINE: u64 = 16 << 20;

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    /// The version of the format.
    pub waddle_export: u32,
    /// The domain that the waddle was served by.
    pub server: String,
    pub exported_at: Timestamp,
    pub waddle: About,
    /// The schema of the rows.
    pub migrations: Vec<u32>,
}

/// Of the waddle, what the head says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct About {
    pub id: String,
    pub slug: String,
    pub name: String,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    Person {
        person: String,
    },
    Row {
        table: String,
        row: Map<String, Json>,
    },
    End {
        end: BTreeMap<String, u64>,
        #[serde(default)]
        sha256: String,
    },
}

/// Writes lines and sums them up.
pub(super) struct Lines<W> {
    out: W,
    sum: Context,
    bytes: u64,
    line: Vec<u8>,
}

impl<W: Write> Lines<W> {
    pub fn new(out: W) -> Self {
        Self {
            out,
            sum: Context::new(&SHA256),
            bytes: 0,
            line: Vec::new(),
        }
    }

    pub fn write(&mut self, line: &impl Serialize) -> Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line).map_err(|e| Error::Export(e.to_string().into()))?;
        self.line.push(b'\n');
        self.sum.update(&self.line);
        self.bytes += self.line.len() as u64;
        self.out.write_all(&self.line).map_err(|e| failed("writing", &e))
    }

    /// The last line; answers the length of everything and gives the writer back.
    pub fn end(mut self, rows: &BTreeMap<String, u64>) -> Result<(u64, W)> {
        let sha256 = hex(self.sum.clone().finish().as_ref());
        let end = rows.clone();
        self.write(&Line::End { end, sha256 })?;
        self.out.flush().map_err(|e| failed("writing", &e))?;
        Ok((self.bytes, self.out))
    }
}

/// Reads lines and sums them up.
pub(super) struct Reader<R> {
    input: R,
    sum: Context,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Reader<R> {
    pub fn new(input: R) -> Self {
        Self {
            input,
            sum: Context::new(&SHA256),
            line: Vec::new(),
            number: 0,
        }
    }

    /// The head, of the version that is read here.
    pub fn head(&mut self) -> Result<Head> {
        if !self.fill()? {
            return Err(Error::Export("the file is empty".into()));
        }
        let head: Head = serde_json::from_slice(&self.line).map_err(|_| {
            Error::Export("this is no export of a waddle; its first line says \"waddle_export\"".into())
        })?;
        if head.waddle_export != super::EXPORT_VERSION {
            let version = head.waddle_export;
            return Err(Error::Export(
                format!(
                    "the export has version {version}, this program reads {}",
                    super::EXPORT_VERSION
                )
                .into(),
            ));
        }
        Ok(head)
    }

    /// The next line; none after the last one, which is checked.
    pub fn next(&mut self, rows: &BTreeMap<String, u64>) -> Result<Option<Line>> {
        let before = hex(self.sum.clone().finish().as_ref());
        if !self.fill()? {
            return Err(self.wrong("the file ends early; it was cut off"));
        }
        let line = serde_json::from_slice(&self.line).map_err(|e| self.wrong(&e.to_string()))?;
        let Line::End { end, sha256 } = &line else {
            return Ok(Some(line));
        };
        if *sha256 != before {
            return Err(self.wrong("the sum is another; the file was damaged or changed"));
        }
        if end.iter().filter(|(_, n)| **n > 0).ne(rows.iter()) {
            return Err(self.wrong("the rows are not those that the last line counts"));
        }
        Ok(None)
    }

    /// The position, for a message.
    pub fn wrong(&self, why: &str) -> Error {
        Error::Export(format!("line {}: {why}", self.number).into())
    }

    fn fill(&mut self) -> Result<bool> {
        self.line.clear();
        self.number += 1;
        let mut limited = (&mut self.input).take(LINE);
        let read = limited
            .read_until(b'\n', &mut self.line)
            .map_err(|e| failed("reading", &e))?;
        if read == 0 {
            return Ok(false);
        }
        if self.line.last() != Some(&b'\n') {
            return Err(self.wrong("the line is too long, or the file was cut off"));
        }
        self.sum.update(&self.line);
        Ok(true)
    }
}

/// A row as JSON. Bytes that are text, such as stanzas, are `{"text": …}`, others `{"base64": …}`.
pub(super) fn row(table: &Table, values: Vec<Value>) -> Map<String, Json> {
    table
        .columns
        .iter()
        .cloned()
        .zip(values.into_iter().map(json))
        .collect()
}

fn json(value: Value) -> Json {
    let wrapped =
        |key: &str, text: String| Json::Object([(key.to_owned(), Json::String(text))].into_iter().collect());
    match value {
        Value::Null => Json::Null,
        Value::Integer(i) => i.into(),
        Value::Real(r) => r.into(),
        Value::Text(t) => Json::String(t),
        Value::Blob(b) => match String::from_utf8(b) {
            Ok(text) => wrapped("text", text),
            Err(bytes) => wrapped("base64", STANDARD.encode(bytes.as_bytes())),
        },
    }
}

/// The value of a column again.
pub(super) fn value(json: Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::String(t) => Value::Text(t),
        Json::Number(n) => match n.as_i64() {
            Some(i) => Value::Integer(i),
            None => Value::Real(n.as_f64()?),
        },
        Json::Object(mut o) if o.len() == 1 => match (o.remove("text"), o.remove("base64")) {
            (Some(Json::String(t)), None) => Value::Blob(t.into_bytes()),
            (None, Some(Json::String(b))) => Value::Blob(STANDARD.decode(b).ok()?),
            _ => return None,
        },
        _ => return None,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(super) fn failed(doing: &str, e: &std::io::Error) -> Error {
    Error::Export(format!("{doing} the export: {e}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were() {
        for v in [
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Real(1.5),
            Value::Text("a\n\"\u{1}é".into()),
            Value::Blob(b"<a/>".to_vec()),
            Value::Blob(vec![0, 0xff, 0xfe]),
            Value::Blob(Vec::new()),
        ] {
            assert_eq!(value(json(v.clone())), Some(v));
        }
        assert_eq!(value(serde_json::json!({"text": "a", "base64": ""})), None);
        assert_eq!(value(serde_json::json!({"base64": "?"})), None);
        assert_eq!(value(serde_json::json!([1])), None);
        assert_eq!(value(serde_json::json!(true)), None);
    }

    #[test]
    fn a_file_that_was_cut_or_changed_is_refused() {
        let mut lines = Lines::new(Vec::new());
        let rows = BTreeMap::from([("a".to_owned(), 1)]);
        let person = |p: &str| Line::Person { person: p.into() };
        lines.write(&person("local:alice")).unwrap();
        let (bytes, file) = lines.end(&rows).unwrap();
        assert_eq!(bytes, file.len() as u64);
        let read = |file: &[u8], rows: &BTreeMap<String, u64>| {
            let mut r = Reader::new(file);
            while r.next(rows)?.is_some() {}
            Ok::<_, Error>(())
        };
        read(&file, &rows).unwrap();
        let says = |file: &[u8], rows: &BTreeMap<String, u64>| read(file, rows).unwrap_err().to_string();
        assert!(says(&file[..file.len() - 5], &rows).contains("line 2: the line is too long"));
        let changed = String::from_utf8(file.clone())
            .unwrap()
            .replace("alice", "malice");
        assert!(says(changed.as_bytes(), &rows).contains("damaged or changed"));
        assert!(says(&file, &BTreeMap::new()).contains("not those that the last line counts"));
        assert!(says(b"", &rows).contains("cut off"));
    }
}
