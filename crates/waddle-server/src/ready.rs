//! `ready.json`: where the server listens, written when it does and removed when it stops.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

/// The addresses of each listener, in the order of `ready.json`.
#[derive(Debug, Clone, Default)]
pub struct Bound {
    /// Plain HTTP.
    pub http: Vec<SocketAddr>,
    /// HTTP over TLS.
    pub https: Vec<SocketAddr>,
    /// XMPP with STARTTLS.
    pub xmpp: Vec<SocketAddr>,
    /// XMPP over TLS.
    pub xmpps: Vec<SocketAddr>,
    /// Components.
    pub component: Vec<SocketAddr>,
    /// MQTT.
    pub mqtt: Vec<SocketAddr>,
    /// MQTT over TLS.
    pub mqtts: Vec<SocketAddr>,
}

/// The file; dropping it removes the file.
#[derive(Debug)]
pub struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Writes the file atomically into the data directory.
    pub fn write(data_dir: &Path, bound: &Bound) -> io::Result<Self> {
        let path = data_dir.join("ready.json");
        let tmp = data_dir.join("ready.json.new");
        fs::write(&tmp, document(bound).to_string())?;
        fs::rename(&tmp, &path)?;
        Ok(Self(path))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), error = %e, "cannot remove ready.json");
        }
    }
}

fn document(bound: &Bound) -> Value {
    let mut out = Map::new();
    let none = Vec::new();
    let listeners = [
        ("http", &bound.http),
        ("https", &bound.https),
        ("xmpp", &bound.xmpp),
        ("xmpps", &bound.xmpps),
        ("component", &bound.component),
        ("mqtt", &bound.mqtt),
        ("mqtts", &bound.mqtts),
        ("s2s", &none),
    ];
    for (name, addrs) in listeners {
        out.insert(name.into(), json!(addrs.first()));
        out.insert(format!("{name}_all"), json!(addrs));
    }
    out.insert("pid".into(), json!(std::process::id()));
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let bound = Bound {
            http: vec!["127.0.0.1:1".parse().unwrap()],
            ..Bound::default()
        };
        let file = ReadyFile::write(dir.path(), &bound).unwrap();
        let v: Value = serde_json::from_slice(&fs::read(dir.path().join("ready.json")).unwrap()).unwrap();
        assert_eq!((&v["http"], &v["s2s"]), (&json!("127.0.0.1:1"), &Value::Null));
        assert_eq!(v["pid"], json!(std::process::id()));
        drop(file);
        assert!(!dir.path().join("ready.json").exists());
    }
}
