//! A chat client on tokio-xmpp over direct TLS (XEP-0368), driven by JSON lines: commands on stdin, events
//! on stdout, the same as those of `tests/js/chat.mjs`.
//!
//! `tokio_xmpp_client ADDRESS:PORT FULL_JID`; the password comes as the first line of stdin. Any
//! certificate is accepted, as the server under test makes its own.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme};
use sasl::common::ChannelBinding;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, BufStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_xmpp::connect::ServerConnector;
use tokio_xmpp::xmlstream::{PendingFeaturesRecv, StreamHeader, Timeouts, initiate_stream};
use tokio_xmpp::{Client, Event, IqRequest, IqResponse, Stanza};
use xmpp_parsers::delay::Delay;
use xmpp_parsers::jid::{BareJid, Jid};
use xmpp_parsers::mam;
use xmpp_parsers::message::{Id, Lang, Message, MessageType};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::muc::{Muc, MucUser};
use xmpp_parsers::presence::{Presence, Type as PresenceType};
use xmpp_parsers::rsm::SetQuery;
use xmpp_parsers::stanza_error::StanzaError;
use xmpp_parsers::stanza_id::StanzaId;

/// Direct TLS to a fixed address.
#[derive(Clone, Debug)]
struct Direct {
    address: String,
}

impl ServerConnector for Direct {
    type Stream = BufStream<TlsStream<TcpStream>>;

    async fn connect(
        &self,
        jid: &Jid,
        ns: &'static str,
        timeouts: Timeouts,
    ) -> Result<(PendingFeaturesRecv<Self::Stream>, ChannelBinding), tokio_xmpp::Error> {
        let tcp = TcpStream::connect(&self.address).await?;
        let name = ServerName::try_from(jid.domain().to_string()).map_err(std::io::Error::other)?;
        let tls = TlsConnector::from(Arc::new(tls().map_err(std::io::Error::other)?))
            .connect(name, tcp)
            .await?;
        let (_, connection) = tls.get_ref();
        let binding = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => ChannelBinding::TlsExporter(
                connection
                    .export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", None)
                    .map_err(std::io::Error::other)?,
            ),
            _ => ChannelBinding::None,
        };
        let header = StreamHeader {
            to: Some(Cow::Borrowed(jid.domain().as_str())),
            from: None,
            id: None,
        };
        Ok((
            initiate_stream(BufStream::new(tls), ns, header, timeouts).await?,
            binding,
        ))
    }
}

fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"xmpp-client".to_vec()];
    Ok(config)
}

/// Accepts every certificate; its signature over the handshake is still checked.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(jid)) = (arguments.next(), arguments.next()) else {
        bail!("usage: tokio_xmpp_client ADDRESS:PORT FULL_JID");
    };
    let jid: Jid = jid.parse().context("address")?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let password = lines.next_line().await?.context("no password")?;
    let mut client = Client::new_with_connector(jid, password, Direct { address }, Timeouts::tight());
    loop {
        tokio::select! {
            event = client.next() => match event {
                Some(Event::Online { bound_jid, resumed, .. }) => {
                    if !resumed {
                        client.send_stanza(Presence::available().into()).await?;
                    }
                    emit(&json!({"event": "online", "jid": bound_jid.to_string(), "resumed": resumed})).await?;
                }
                Some(Event::Stanza(stanza)) => {
                    if let Some(event) = describe(stanza) {
                        emit(&event).await?;
                    }
                }
                Some(Event::Disconnected(error)) => {
                    emit(&json!({"event": "refused", "condition": null, "text": format!("{error:?}")})).await?;
                    return Ok(());
                }
                None => {
                    emit(&json!({"event": "offline"})).await?;
                    return Ok(());
                }
            },
            line = lines.next_line() => {
                let command: Value = match line? {
                    Some(line) => serde_json::from_str(&line)?,
                    None => json!({"do": "close"}),
                };
                if command["do"] == "close" {
                    client.send_end().await?;
                    return emit(&json!({"event": "offline"})).await;
                }
                obey(&mut client, &command).await?;
            }
        }
    }
}

async fn obey(client: &mut Client, command: &Value) -> Result<()> {
    let text = |key: &str| command[key].as_str().with_context(|| format!("{key} is missing"));
    let occupant = || -> Result<Jid> {
        let room: BareJid = text("room")?.parse()?;
        Ok(room.with_resource_str(text("nick")?)?.into())
    };
    let message = |type_, to: &str| -> Result<Message> {
        let mut message = Message::new_with_type(type_, Some(to.parse::<Jid>()?));
        message.id = command["id"].as_str().map(|id| Id(id.to_owned()));
        Ok(message)
    };
    let stanza: Stanza = match text("do")? {
        "join" => Presence::available()
            .with_to(occupant()?)
            .with_payload(Muc::new())
            .into(),
        "leave" => Presence::unavailable().with_to(occupant()?).into(),
        "say" => {
            let mut message = message(MessageType::Groupchat, text("room")?)?;
            message
                .bodies
                .insert(Lang(String::new()), text("body")?.to_owned());
            message.into()
        }
        "subject" => {
            let mut message = message(MessageType::Groupchat, text("room")?)?;
            message
                .subjects
                .insert(Lang(String::new()), text("body")?.to_owned());
            message.into()
        }
        "chat" => {
            let mut message = message(MessageType::Chat, text("to")?)?;
            message
                .bodies
                .insert(Lang(String::new()), text("body")?.to_owned());
            message.into()
        }
        "archive" => return archive(client, command).await,
        other => bail!("unknown command {other}"),
    };
    client.send_stanza(stanza).await?;
    Ok(())
}

/// Asks for one page (XEP-0313); what comes before its answer is told as `archived`.
async fn archive(client: &mut Client, command: &Value) -> Result<()> {
    let id = command["id"].as_str().unwrap_or("page").to_owned();
    let query = mam::Query {
        queryid: Some(mam::QueryId(id.clone())),
        node: None,
        form: None,
        set: Some(SetQuery {
            max: Some(command["max"].as_u64().unwrap_or(50) as usize),
            after: command["after"].as_str().map(str::to_owned),
            before: None,
            index: None,
        }),
        flip_page: false,
    };
    let to = command["of"].as_str().map(str::parse).transpose()?;
    let mut answer = std::pin::pin!(client.send_iq(to, IqRequest::Set(query.into())).await);
    loop {
        tokio::select! {
            biased;
            event = client.next() => match event {
                Some(Event::Stanza(stanza)) => {
                    if let Some(event) = describe(stanza) {
                        emit(&event).await?;
                    }
                }
                Some(_) => {}
                None => bail!("the stream ended"),
            },
            answer = &mut answer => {
                let (complete, last, error) = match answer {
                    Ok(IqResponse::Result(Some(element))) => {
                        let fin = mam::Fin::try_from(element).context("fin")?;
                        (fin.complete, fin.set.last, None)
                    }
                    Ok(IqResponse::Error(error)) => (false, None, Some(condition(error))),
                    Ok(IqResponse::Result(None)) => (false, None, Some("no fin".to_owned())),
                    Err(error) => (false, None, Some(format!("{error:?}"))),
                };
                let page = json!({"event": "page", "query": id, "complete": complete, "last": last, "error": error});
                return emit(&page).await;
            }
        }
    }
}

fn describe(stanza: Stanza) -> Option<Value> {
    match stanza {
        Stanza::Presence(presence) => Some(describe_presence(presence)),
        Stanza::Message(mut message) => {
            if let Some(result) = message.extract_valid_payload::<mam::Result_>() {
                let mut event = describe_message(result.forwarded.message);
                event["event"] = "archived".into();
                event["query"] = result.queryid.map(|id| id.0).into();
                event["archive_id"] = result.id.into();
                return Some(event);
            }
            Some(describe_message(message))
        }
        Stanza::Iq(_) => None,
    }
}

fn describe_presence(presence: Presence) -> Value {
    let muc = payload::<MucUser>(&presence.payloads).unwrap_or_default();
    let item = muc.items.first();
    let type_ = if presence.type_ == PresenceType::None {
        Some("available".to_owned())
    } else {
        attribute(&Element::from(presence.clone()), "type")
    };
    json!({
        "event": "presence",
        "from": presence.from.as_ref().map(ToString::to_string),
        "type": type_,
        "statuses": muc.status.iter().filter_map(|status| {
            attribute(&Element::from(status.clone()), "code").and_then(|code| code.parse::<u16>().ok())
        }).collect::<Vec<_>>(),
        "affiliation": item.map(|item| or_none(&Element::from(item.clone()), "affiliation")),
        "role": item.map(|item| or_none(&Element::from(item.clone()), "role")),
        "error": payload::<StanzaError>(&presence.payloads).map(condition),
    })
}

fn describe_message(message: Message) -> Value {
    let type_ = attribute(&Element::from(message.clone()), "type").unwrap_or_else(|| "normal".to_owned());
    json!({
        "event": "message",
        "from": message.from.as_ref().map(ToString::to_string),
        "id": message.id.as_ref().map(|id| id.0.clone()),
        "type": type_,
        "body": message.bodies.values().next(),
        "subject": message.subjects.values().next(),
        "delay": payload::<Delay>(&message.payloads).map(|delay| delay.stamp.0.to_string()),
        "stanza_id": payload::<StanzaId>(&message.payloads).map(|id| id.id),
        "error": payload::<StanzaError>(&message.payloads).map(condition),
    })
}

fn payload<T: TryFrom<Element>>(payloads: &[Element]) -> Option<T> {
    payloads
        .iter()
        .find_map(|payload| T::try_from(payload.clone()).ok())
}

fn attribute(element: &Element, name: &str) -> Option<String> {
    element.attr(name).map(str::to_owned)
}

/// The library leaves the default, `none`, out.
fn or_none(element: &Element, name: &str) -> String {
    element.attr(name).unwrap_or("none").to_owned()
}

/// The defined condition's element name.
fn condition(error: StanzaError) -> String {
    let element = Element::from(error);
    element
        .children()
        .find(|child| child.name() != "text")
        .map_or_else(String::new, |child| child.name().to_owned())
}

async fn emit(event: &Value) -> Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    let mut stdout = tokio::io::stdout();
    stdout.write_all(&line).await?;
    stdout.flush().await?;
    Ok(())
}
