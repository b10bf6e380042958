//! One client stream: TLS, login and binding (RFC 6120), reading by searching the bytes for what is
//! awaited. No XML is parsed: the servers under load write it, and what they may answer is known.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::sasl::{Keys, Mechanism, Scram, plain};
use super::{Target, Tls};
use crate::{report, tls};

/// No answer takes longer than this, or the run fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all connections of a run share.
pub struct Client {
    target: Target,
    mechanism: Mechanism,
    connector: TlsConnector,
    keys: Keys,
}

/// An encrypted stream with what was read of it and not yet consumed.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    input: Vec<u8>,
    /// The session's bare address.
    pub bare: String,
}

impl Client {
    /// Prepares TLS and the mechanism.
    pub fn new(target: &Target) -> Result<Self> {
        let alpn = (target.tls == Tls::Direct).then_some("xmpp-client");
        Ok(Self {
            target: target.clone(),
            mechanism: Mechanism::parse(&target.mechanism)?,
            connector: tls::connector(alpn)?,
            keys: Keys::default(),
        })
    }

    /// The name of account `number`, counted round.
    pub fn account(&self, number: usize) -> String {
        format!("{}{}", self.target.prefix, number % self.target.accounts.max(1))
    }

    /// An encrypted stream with the server's features read, before authentication.
    async fn connect(&self) -> Result<(Connection, Vec<u8>)> {
        let mut tcp = TcpStream::connect((self.target.host.as_str(), self.target.port))
            .await
            .context("connect")?;
        tcp.set_nodelay(true)?;
        let header = self.header();
        if self.target.tls == Tls::Starttls {
            tcp.write_all(header.as_bytes()).await?;
            let mut input = Vec::new();
            read_until(&mut tcp, &mut input, &[b"features>", b"features/>"])
                .await
                .context("features")?;
            tcp.write_all(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
                .await?;
            input.clear();
            read_until(&mut tcp, &mut input, &[b"<proceed"])
                .await
                .context("starttls")?;
            while !input.ends_with(b">") {
                read_more(&mut tcp, &mut input).await?;
            }
        }
        let name = tls::server_name(&self.target.domain)?;
        let stream = tokio::time::timeout(PATIENCE, self.connector.connect(name, tcp))
            .await?
            .context("TLS")?;
        let mut connection = Connection {
            stream,
            input: Vec::with_capacity(4096),
            bare: String::new(),
        };
        let features = connection.open(&header).await?;
        Ok((connection, features))
    }

    fn header(&self) -> String {
        [
            "<?xml version='1.0'?><stream:stream to='",
            &self.target.domain,
            "' version='1.0' xml:lang='en' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
        ]
        .concat()
    }

    /// Logs account `number` in and binds `resource`.
    pub async fn login(&self, number: usize, resource: &str) -> Result<Connection> {
        let user = self.account(number);
        self.authenticate(&user, resource)
            .await
            .with_context(|| ["login of ", &user].concat())
    }

    async fn authenticate(&self, user: &str, resource: &str) -> Result<Connection> {
        let (mut connection, features) = self.connect().await?;
        let wanted = [self.mechanism.name(), "</"].concat();
        if memmem::find(&features, wanted.as_bytes()).is_none() {
            bail!(
                "{} is not offered: {}",
                self.mechanism.name(),
                String::from_utf8_lossy(&features)
            );
        }
        let password = &self.target.password;
        let scram = Scram::new(self.mechanism, user, report::nanos() ^ (user.len() as u64) << 56);
        let first = match self.mechanism {
            Mechanism::Plain => plain(user, password),
            _ => scram.first(),
        };
        let auth = [
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='",
            self.mechanism.name(),
            "'>",
            &first,
            "</auth>",
        ];
        connection.send(auth.concat().as_bytes()).await?;
        if self.mechanism != Mechanism::Plain {
            let challenge = connection.text_of("challenge").await?;
            let answer = scram.answer(&challenge, password, &self.keys)?;
            let response = [
                "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>",
                &answer,
                "</response>",
            ]
            .concat();
            connection.send(response.as_bytes()).await?;
        }
        match connection.wait(&[b"<success", b"<failure"]).await? {
            0 => connection.wait(&[b"</success>", b"/>"]).await?,
            _ => bail!("refused: {}", connection.rest()),
        };
        connection.open(&self.header()).await?;
        let bind = [
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>",
            resource,
            "</resource></bind></iq>",
        ];
        connection.send(bind.concat().as_bytes()).await?;
        match connection.wait(&[b"</jid>", b"<error"]).await? {
            0 => connection.wait(&[b"</iq>"]).await?,
            _ => bail!("bind: {}", connection.rest()),
        };
        connection.bare = [user, "@", &self.target.domain].concat();
        Ok(connection)
    }

    /// Makes account `number` (XEP-0077); true if it was not there before.
    pub async fn register(&self, number: usize) -> Result<bool> {
        let (mut connection, _) = self.connect().await?;
        let request = [
            "<iq type='set' id='reg'><query xmlns='jabber:iq:register'><username>",
            &self.account(number),
            "</username><password>",
            &self.target.password,
            "</password></query></iq>",
        ];
        connection.send(request.concat().as_bytes()).await?;
        match connection
            .wait(&[b"conflict", b"<error", b"'result'", b"\"result\""])
            .await?
        {
            0 => Ok(false),
            1 => {
                if connection.wait(&[b"conflict", b"</error>"]).await? == 0 {
                    return Ok(false);
                }
                bail!("registration refused: {}", connection.rest())
            }
            _ => Ok(true),
        }
    }
}

impl Connection {
    /// Opens (or reopens) the stream and returns its features.
    async fn open(&mut self, header: &str) -> Result<Vec<u8>> {
        self.input.clear();
        self.send(header.as_bytes()).await?;
        read_until(&mut self.stream, &mut self.input, &[b"features>", b"features/>"])
            .await
            .context("features")?;
        Ok(std::mem::take(&mut self.input))
    }

    /// Writes bytes and flushes them.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Reads until the earliest of `needles` appears, consumes through it, and says which it was.
    pub async fn wait(&mut self, needles: &[&[u8]]) -> Result<usize> {
        let (which, end) = read_until(&mut self.stream, &mut self.input, needles).await?;
        self.input.drain(..end);
        Ok(which)
    }

    /// Like [`Self::wait`], and returns the bytes up to and with the needle.
    pub async fn take_until(&mut self, needle: &[u8]) -> Result<Vec<u8>> {
        let (_, end) = read_until(&mut self.stream, &mut self.input, &[needle]).await?;
        let rest = self.input.split_off(end);
        Ok(std::mem::replace(&mut self.input, rest))
    }

    /// The text of the next element called `name`, or the failure that came instead.
    async fn text_of(&mut self, name: &str) -> Result<String> {
        let open = ["<", name].concat();
        if self.wait(&[open.as_bytes(), b"<failure"]).await? != 0 {
            bail!("refused: {}", self.rest());
        }
        let bytes = self.take_until(["</", name, ">"].concat().as_bytes()).await?;
        let text = String::from_utf8(bytes)?;
        let start = text.find('>').context("start tag")? + 1;
        Ok(text[start..text.len() - name.len() - 3].to_owned())
    }

    /// Reads whatever comes, appending to the unconsumed input.
    pub async fn read(&mut self) -> Result<()> {
        read_more(&mut self.stream, &mut self.input).await
    }

    /// The unconsumed input.
    pub fn input(&mut self) -> &mut Vec<u8> {
        &mut self.input
    }

    /// The unconsumed input as text, for messages.
    pub fn rest(&self) -> String {
        String::from_utf8_lossy(&self.input).chars().take(500).collect()
    }

    /// Closes the stream politely.
    pub async fn close(mut self) {
        // The server may have gone already; nothing is measured any more.
        let _ = self.send(b"</stream:stream>").await;
        let _ = tokio::time::timeout(Duration::from_secs(2), self.stream.shutdown()).await;
    }
}

async fn read_more<S: tokio::io::AsyncRead + Unpin>(stream: &mut S, input: &mut Vec<u8>) -> Result<()> {
    if stream.read_buf(input).await? == 0 {
        bail!("the server closed the stream: {}", String::from_utf8_lossy(input));
    }
    Ok(())
}

/// Reads until one of `needles` is there: which one, and where it ends.
async fn read_until<S: tokio::io::AsyncRead + Unpin>(
    stream: &mut S,
    input: &mut Vec<u8>,
    needles: &[&[u8]],
) -> Result<(usize, usize)> {
    loop {
        let first = needles
            .iter()
            .enumerate()
            .filter_map(|(which, needle)| {
                memmem::find(input, needle).map(|at| (at, which, at + needle.len()))
            })
            .min();
        if let Some((_, which, end)) = first {
            return Ok((which, end));
        }
        match tokio::time::timeout(PATIENCE, read_more(stream, input)).await {
            Ok(read) => read?,
            Err(_) => bail!("no answer; so far: {}", String::from_utf8_lossy(input)),
        }
    }
}
