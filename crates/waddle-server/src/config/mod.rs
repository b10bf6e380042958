//! Configuration: a TOML file overridden by `WADDLE_*` variables (`specs/configuration.md`).
//!
//! Both sources give texts that the same parsers read, so a value means the same wherever it stands. A wrong
//! value or an unknown key stops the start with one line that names it and says what is allowed.

#[cfg(test)]
mod document;
mod outside;
mod parse;
mod public;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

pub use parse::Listen;
pub use public::PublicNames;
use url::Url;
use waddle_core::{Limits, Secret};
use waddle_http::Network;
use waddle_mqtt::rules::TopicPolicy;
pub use waddle_xmpp::Registration;
use waddle_xmpp::xep::xep0215::ExternalService;
use waddle_xmpp::{component::Component, push::Details};

/// The log's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A configuration that cannot be used: one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for ConfigError {}

macro_rules! settings {
    ($($(#[doc = $doc:literal])* $field:ident : $ty:ty = $default:expr, $parse:path;)*) => {
        /// Everything that an operator may set.
        #[derive(Debug, Clone)]
        pub struct Config {
            $($(#[doc = $doc])* pub $field: $ty,)*
            /// Bounds, `[limits]` in the file.
            pub limits: Limits,
            /// Who may use which MQTT topics, `[mqtt_policy]` in the file (`specs/topics.md`).
            pub mqtt_policy: TopicPolicy,
            /// Hosts and secrets of components, `[components]` in the file.
            pub components: Vec<Component>,
        }

        impl Config {
            /// Key, default and meaning of each setting, for `specs/configuration.md`.
            #[cfg(test)]
            pub fn table() -> Vec<(&'static str, &'static str, &'static str)> {
                vec![$((stringify!($field), $default, concat!($($doc),*)),)*]
            }

            fn from_texts(texts: &Texts) -> Result<Self, ConfigError> {
                Ok(Self {
                    $($field: texts.read(stringify!($field), $default, $parse)?,)*
                    limits: texts.limits.clone(),
                    mqtt_policy: texts.mqtt_policy.clone(),
                    components: texts.components.clone(),
                })
            }

            const KEYS: &'static [&'static str] = &[$(stringify!($field)),*];
        }
    };
}

settings! {
    /// Databases, keys, certificate and uploads.
    data_dir: PathBuf = "./waddle-data", parse::path;
    /// The XMPP domain.
    domain: String = "localhost", parse::domain;
    /// Listener for HTTP, `/xmpp-websocket` and `/mqtt`.
    http_listen: Listen = "127.0.0.1:3000", parse::listen;
    /// Listener for the same over TLS.
    https_listen: Listen = "127.0.0.1:3443", parse::listen;
    /// Networks whose `X-Forwarded-For` and `-Proto` count, separated by commas.
    trusted_proxies: Vec<Network> = "", parse::networks;
    /// What browsers and OAuth see; empty: made from the HTTP listener.
    public_url: Option<Url> = "", parse::optional_url;
    /// The name that XMPP and MQTT clients connect to; empty: the domain.
    xmpp_host: Option<String> = "", parse::optional_host;
    /// Listener for XMPP with STARTTLS.
    xmpp_listen: Listen = "127.0.0.1:5222", parse::listen;
    /// Listener for XMPP over TLS (XEP-0368).
    xmpps_listen: Listen = "127.0.0.1:5223", parse::listen;
    /// Listener for components (XEP-0114), which is not encrypted; their hosts and secrets stand below `[components]`.
    component_listen: Listen = "off", parse::listen;
    /// Listener for federation. This version has none: an address is only warned about.
    s2s_listen: Listen = "off", parse::listen;
    /// Listener for MQTT.
    mqtt_listen: Listen = "127.0.0.1:1883", parse::listen;
    /// Listener for MQTT over TLS.
    mqtts_listen: Listen = "127.0.0.1:8883", parse::listen;
    /// Certificate chain as PEM; empty: self-signed, made at first start.
    tls_cert: Option<PathBuf> = "", parse::optional_path;
    /// Private key as PEM.
    tls_key: Option<PathBuf> = "", parse::optional_path;
    /// Logins without TLS: MQTT and components on an address that is not local, and XMPP (SCRAM alone) without STARTTLS.
    allow_plaintext: bool = "off", parse::switch;
    /// In-band registration: `open` to anybody, by invitation (`invite`), or `closed`.
    registration: Registration = "closed", parse::registration;
    /// What push services are told about the messages that wait (XEP-0357): how many (`count`), the last one's `sender` too, or its `body` as well.
    push_details: Details = "count", parse::push_details;
    /// Where a client had better come back to resume its session (XEP-0198), as `host:port`; empty: it finds out itself.
    resume_location: String = "", outside::text;
    /// Whether clients may ask for name and version of the server (XEP-0092).
    show_version: bool = "on", parse::switch;
    /// Previews of what messages link to; a waddle can do without them. Pages on the public web are asked, and no others.
    link_previews: bool = "on", parse::switch;
    /// Message, presence, join, IQ and byte rates; `off` only for load tests.
    rate_limits: bool = "on", parse::switch;
    /// Uploads of files (XEP-0363).
    upload: bool = "on", parse::switch;
    /// What the world sees before `/upload/…`; empty: the public URL. With a host of its own, files are served there alone.
    upload_url: Option<Url> = "", parse::optional_url;
    /// Where uploaded files are; empty: `uploads` in the data directory.
    upload_dir: Option<PathBuf> = "", parse::optional_path;
    /// Bytes of the largest file; `K`, `M`, `G` and `T` are powers of 1,024, here and below.
    upload_max_size: u64 = "100M", outside::bytes;
    /// Bytes that an account may upload in 24 hours.
    upload_daily: u64 = "1G", outside::bytes;
    /// Bytes of an account's files.
    upload_quota: u64 = "10G", outside::bytes;
    /// Bytes of all files.
    upload_total: u64 = "100G", outside::bytes;
    /// Days that a file is kept, those of profiles apart; 0: for ever.
    upload_days: u64 = "90", outside::number;
    /// A bucket in which files are instead of the directory.
    upload_s3_bucket: String = "", outside::text;
    /// Its region.
    upload_s3_region: String = "", outside::text;
    /// The S3-compatible service; empty: Amazon's.
    upload_s3_endpoint: Option<Url> = "", parse::optional_url;
    /// Whether the bucket is in the path, not in the host's name.
    upload_s3_path_style: bool = "on", parse::switch;
    /// What the names of objects begin with.
    upload_s3_prefix: String = "", outside::text;
    /// Access key; empty: as Amazon's tools find it, `AWS_*` and the machine's metadata.
    upload_s3_access_key: String = "", outside::text;
    /// Its secret.
    upload_s3_secret_key: Option<Secret> = "", outside::optional_secret;
    /// STUN and TURN servers that clients are told about (XEP-0215), such as `stun:stun.example.org:3478` and `turn:turn.example.org:3478?transport=udp`, separated by commas.
    stun_turn: Vec<ExternalService> = "", outside::relays;
    /// The secret shared with the TURN servers (coturn: `static-auth-secret`), of which credentials for a limited time are made.
    turn_secret: Option<Secret> = "", outside::optional_secret;
    /// Seconds that they hold.
    turn_seconds: u64 = "86400", outside::number;
    /// User of the TURN servers, where there is no shared secret.
    turn_username: String = "", outside::text;
    /// Its password.
    turn_password: Option<Secret> = "", outside::optional_secret;
    /// Whom to write to about misuse (XEP-0157): URIs such as `mailto:abuse@example.org`, separated by commas.
    contact_abuse: Vec<String> = "", outside::addresses;
    /// Administrators.
    contact_admin: Vec<String> = "", outside::addresses;
    /// Praise and blame.
    contact_feedback: Vec<String> = "", outside::addresses;
    /// Vulnerabilities.
    contact_security: Vec<String> = "", outside::addresses;
    /// Where it is said whether the server works.
    contact_status: Vec<String> = "", outside::addresses;
    /// Where clients look when this server does not answer (XEP-0455): addresses of a status file that is kept elsewhere, separated by commas.
    outage_addresses: Vec<String> = "", outside::addresses;
    /// Help.
    contact_support: Vec<String> = "", outside::addresses;
    /// Webhooks and bots' addresses may be of private networks and of this machine, over http too: for a server at home.
    webhook_private_networks: bool = "off", parse::switch;
    /// Filter of the log: `error`, `warn`, `info`, `debug`, `trace`, or per target.
    log: String = "info", parse::log_filter;
    /// `text` or `json`.
    log_format: LogFormat = "text", parse::log_format;
    /// Share of stanzas and MQTT messages that are traced, 0 to 1.
    trace_ratio: f64 = "0", parse::ratio;
    /// The PLC directory.
    atproto_plc_url: Url = "https://plc.directory", parse::url;
    /// Base URL whose XRPC `resolveHandle` is asked instead of DNS and HTTPS; for a network of one's own.
    atproto_handle_resolver: Option<Url> = "", parse::optional_url;
    /// HTTP and private addresses, for 127.0.0.0/8 and ::1 only; for tests.
    atproto_allow_http_loopback: bool = "off", parse::switch;
    /// An extra root certificate for ATProto hosts, PEM.
    atproto_ca: Option<PathBuf> = "", parse::optional_path;
}

/// The texts of both sources, the variable before the file's key.
struct Texts {
    values: BTreeMap<String, (String, String)>,
    limits: Limits,
    mqtt_policy: TopicPolicy,
    components: Vec<Component>,
}

impl Texts {
    fn read<T>(
        &self,
        key: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<T, ConfigError> {
        let (text, origin) = self
            .values
            .get(key)
            .map_or((default, "the default"), |(t, o)| (t.as_str(), o.as_str()));
        parse(text).map_err(|allowed| ConfigError(format!("{origin}: {text:?} is not allowed: {allowed}")))
    }
}

impl Config {
    /// Reads the file, if any, and the environment.
    pub fn load(file: Option<&Path>, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut texts = Texts {
            values: BTreeMap::new(),
            limits: Limits::default(),
            mqtt_policy: TopicPolicy::default(),
            components: Vec::new(),
        };
        if let Some(path) = file {
            let shown = path.display();
            let text = std::fs::read_to_string(path)
                .map_err(|e| ConfigError(format!("configuration file {shown}: {e}")))?;
            texts.add_file(&text, &shown.to_string())?;
        }
        for key in Self::KEYS {
            let name = format!("WADDLE_{}", key.to_ascii_uppercase());
            if let Some(value) = env(&name) {
                texts
                    .values
                    .insert((*key).to_owned(), (value.trim().to_owned(), name));
            }
        }
        let config = Self::from_texts(&texts)?;
        config.check()?;
        Ok(config)
    }

    /// What single values cannot show: pairs that do not go together.
    fn check(&self) -> Result<(), ConfigError> {
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err(ConfigError(
                "tls_cert and tls_key belong together: set both or neither".into(),
            ));
        }
        if let Some(addr) = self.mqtt_listen.0.iter().find(|a| !is_local(a))
            && !self.allow_plaintext
        {
            return Err(ConfigError(format!(
                "mqtt_listen: {addr} is not a local address and MQTT on it is not encrypted: \
                 use mqtts_listen, or set allow_plaintext to on"
            )));
        }
        if let Some(addr) = self.component_listen.0.iter().find(|a| !is_local(a))
            && !self.allow_plaintext
        {
            return Err(ConfigError(format!(
                "component_listen: {addr} is not a local address and streams of components are not encrypted: \
                 set allow_plaintext to on if the network between is private"
            )));
        }
        let own = |host: &str| host == self.domain || host == ["muc.", &self.domain].concat();
        if let Some(c) = self.components.iter().find(|c| own(&c.host)) {
            return Err(ConfigError(format!(
                "[components]: {} is this server's own",
                c.host
            )));
        }
        Ok(())
    }

    /// Warnings that the start prints and logs: nothing is wrong, but an operator should know.
    pub fn warnings(&self) -> Vec<String> {
        let mut out = Vec::new();
        for (listen, read) in [
            (&self.mqtt_listen, "MQTT passwords and messages"),
            (
                &self.xmpp_listen,
                "messages of XMPP clients that come without TLS",
            ),
            (&self.component_listen, "what components send and get"),
        ] {
            if self.allow_plaintext && listen.0.iter().any(|a| !is_local(a)) {
                out.push(format!(
                    "allow_plaintext is on: {read} can be read on the network"
                ));
            }
        }
        if !self.s2s_listen.0.is_empty() {
            out.push("s2s_listen is set, but this version has no federation: nothing listens there".into());
        }
        if !self.rate_limits {
            out.push("rate_limits is off: one client can take the whole server".into());
        }
        if self.atproto_allow_http_loopback {
            out.push("atproto_allow_http_loopback is on: meant for tests only".into());
        }
        out
    }
}

/// Whether nobody but this machine can reach `addr`.
fn is_local(addr: &SocketAddr) -> bool {
    addr.ip().is_loopback()
}

impl Texts {
    fn add_file(&mut self, text: &str, shown: &str) -> Result<(), ConfigError> {
        let table: toml::Table = text
            .parse()
            .map_err(|e: toml::de::Error| ConfigError(format!("{shown}: {}", one_line(&e))))?;
        for (key, value) in table {
            if key == "limits" {
                self.limits = value.try_into().map_err(|e: toml::de::Error| {
                    ConfigError(format!("{shown}: [limits]: {}", one_line(&e)))
                })?;
                continue;
            }
            if key == "components" {
                self.components = parse::components(&value)
                    .map_err(|allowed| ConfigError(format!("{shown}: [components]: {allowed}")))?;
                continue;
            }
            if !Config::KEYS.contains(&key.as_str()) {
                return Err(ConfigError(format!(
                    "{shown}: unknown key {key:?}: see specs/configuration.md for the keys"
                )));
            }
            let text = match value {
                toml::Value::String(s) => s,
                toml::Value::Integer(i) => i.to_string(),
                toml::Value::Float(f) => f.to_string(),
                toml::Value::Boolean(b) => if b { "on" } else { "off" }.into(),
                toml::Value::Array(list) => list
                    .iter()
                    .map(|v| v.as_str().map(str::to_owned))
                    .collect::<Option<Vec<_>>>()
                    .ok_or_else(|| ConfigError(format!("{shown}: {key}: a list of texts is expected")))?
                    .join(","),
                toml::Value::Table(_) | toml::Value::Datetime(_) => {
                    return Err(ConfigError(format!("{shown}: {key}: a text is expected")));
                }
            };
            let origin = format!("{shown}: {key}");
            self.values.insert(key, (text, origin));
        }
        Ok(())
    }
}

fn one_line(e: &toml::de::Error) -> String {
    e.message().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |k| pairs.iter().find(|(n, _)| *n == k).map(|(_, v)| (*v).to_owned())
    }

    fn error(pairs: &[(&str, &str)]) -> String {
        Config::load(None, env(pairs)).unwrap_err().0
    }

    #[test]
    fn defaults_are_valid() {
        let c = Config::load(None, env(&[])).unwrap();
        assert_eq!(c.domain, "localhost");
        assert_eq!(c.http_listen.0, ["127.0.0.1:3000".parse().unwrap()]);
        assert!(c.s2s_listen.0.is_empty() && c.rate_limits && c.warnings().is_empty());
    }

    #[test]
    fn what_does_nothing_yet_is_said() {
        let pairs = [("WADDLE_S2S_LISTEN", "127.0.0.1:5269")];
        let warnings = Config::load(None, env(&pairs)).unwrap().warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    #[test]
    fn components_have_secrets_that_nobody_sees() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("waddle.toml");
        let load = |text: &str, pairs: &[(&str, &str)]| {
            std::fs::write(&file, text).unwrap();
            Config::load(Some(&file), env(pairs))
        };
        let ok = "domain = \"x.example\"\n[components]\n\"Bridge.example\" = \"sesame\"\n";
        let c = load(ok, &[("WADDLE_COMPONENT_LISTEN", "127.0.0.1:5347")]).unwrap();
        assert_eq!(
            (c.components[0].host.as_str(), c.components[0].secret.expose()),
            ("bridge.example", "sesame")
        );
        assert!(!format!("{c:?}").contains("sesame"));
        for (text, part) in [
            ("[components]\n\"a b\" = \"sesame\"", "host names"),
            ("[components]\n\"a.example\" = \"\"", "host names"),
            ("components = \"sesame\"", "host names"),
            (
                "domain = \"x.example\"\n[components]\n\"muc.x.example\" = \"sesame\"",
                "own",
            ),
        ] {
            let e = load(text, &[]).unwrap_err().0;
            assert!(
                e.contains(part) && !e.contains("sesame") && !e.contains('\n'),
                "{e}"
            );
        }
        let e = load(ok, &[("WADDLE_COMPONENT_LISTEN", "0.0.0.0:5347")])
            .unwrap_err()
            .0;
        assert!(e.contains("allow_plaintext"), "{e}");
    }

    #[test]
    fn variables_override_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("waddle.toml");
        let text = "domain = \"chat.example\"\nhttp_listen = [\"127.0.0.1:1\", \"[::1]:1\"]\nrate_limits = false\n\
                    [limits]\narchive_page = 7\n";
        std::fs::write(&file, text).unwrap();
        let c = Config::load(Some(&file), env(&[("WADDLE_DOMAIN", "Other.example")])).unwrap();
        assert_eq!(c.domain, "other.example");
        assert_eq!(c.http_listen.0.len(), 2);
        assert!(!c.rate_limits);
        assert_eq!(c.limits.archive_page, 7);
    }

    #[test]
    fn wrong_values_name_the_variable_the_value_and_what_is_allowed() {
        for (key, value, allowed) in [
            ("WADDLE_HTTP_LISTEN", "nonsense", "address:port"),
            ("WADDLE_REGISTRATION", "maybe", "open, invite or closed"),
            ("WADDLE_RATE_LIMITS", "2", "on or off"),
            ("WADDLE_DOMAIN", "a b", "host name"),
            ("WADDLE_LOG_FORMAT", "xml", "text or json"),
            ("WADDLE_TRUSTED_PROXIES", "10.0.0.0/99", "networks"),
            ("WADDLE_PUBLIC_URL", "ftp://x", "http"),
            ("WADDLE_TRACE_RATIO", "7", "0 to 1"),
        ] {
            let e = error(&[(key, value)]);
            assert!(
                e.contains(key) && e.contains(value) && e.contains(allowed) && !e.contains('\n'),
                "{e}"
            );
        }
    }

    #[test]
    fn unknown_keys_and_wrong_pairs_stop_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("waddle.toml");
        for (text, part) in [
            ("domian = \"x\"", "domian"),
            ("[limits]\nnope = 1", "nope"),
            ("domain = [1]", "list"),
            ("=", "waddle.toml"),
        ] {
            std::fs::write(&file, text).unwrap();
            let e = Config::load(Some(&file), env(&[])).unwrap_err().0;
            assert!(e.contains(part) && !e.contains('\n'), "{e}");
        }
        assert!(error(&[("WADDLE_TLS_CERT", "/x")]).contains("belong together"));
        assert!(error(&[("WADDLE_MQTT_LISTEN", "0.0.0.0:1883")]).contains("allow_plaintext"));
    }

    #[test]
    fn whatever_can_be_read_on_the_network_is_warned_about() {
        let warned = |listen: &str| {
            let set = [("WADDLE_ALLOW_PLAINTEXT", "on"), (listen, "0.0.0.0:7")];
            Config::load(None, env(&set)).unwrap().warnings().join(" ")
        };
        assert!(warned("WADDLE_MQTT_LISTEN").contains("MQTT passwords"));
        assert!(warned("WADDLE_XMPP_LISTEN").contains("XMPP clients"));
        assert!(warned("WADDLE_COMPONENT_LISTEN").contains("components"));
        assert!(
            !warned("WADDLE_XMPPS_LISTEN").contains("network"),
            "it is encrypted"
        );
    }
}
