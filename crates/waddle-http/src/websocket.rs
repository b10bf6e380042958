//! `/xmpp-websocket` ([RFC 7395](https://www.rfc-editor.org/rfc/rfc7395)) and `/mqtt` (MQTT 5 §6): the upgrade, and
//! adapters from WebSocket messages to what the servers behind take.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::{Buf as _, Bytes};
use futures::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{App, client::Client, config::WsPeer, problem::Problem};

/// Whole text messages, in and out; pings are answered underneath. Binary messages are an error.
pub struct TextSocket(WebSocket);

/// A byte stream over binary messages; their borders mean nothing. Text messages are an error.
pub struct ByteSocket {
    socket: WebSocket,
    read: Bytes,
}

fn broken(e: axum::Error) -> io::Error {
    io::Error::other(e)
}

impl waddle_xmpp::TextFrames for TextSocket {}

impl Stream for TextSocket {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut self.0).poll_next(cx)) {
                Some(Ok(Message::Text(text))) => Some(Ok(text.into())),
                Some(Ok(Message::Binary(_))) => Some(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a binary message",
                ))),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(_))) | None => None,
                Some(Err(e)) => Some(Err(broken(e))),
            });
        }
    }
}

impl Sink<Bytes> for TextSocket {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_ready(cx).map_err(broken)
    }
    fn start_send(mut self: Pin<&mut Self>, item: Bytes) -> io::Result<()> {
        let text =
            Utf8Bytes::try_from(item).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))?;
        Pin::new(&mut self.0)
            .start_send(Message::Text(text))
            .map_err(broken)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx).map_err(broken)
    }
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx).map_err(broken)
    }
}

impl AsyncRead for ByteSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.read.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.read = bytes,
                Some(Ok(Message::Text(_))) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a text message")));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Err(e)) => return Poll::Ready(Err(broken(e))),
            }
        }
        let n = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read[..n]);
        self.read.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl ByteSocket {
    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: impl FnOnce() -> Bytes) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(broken)?;
        let bytes = bytes();
        let n = bytes.len();
        Pin::new(&mut self.socket)
            .start_send(Message::Binary(bytes))
            .map_err(broken)?;
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for ByteSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, || Bytes::copy_from_slice(buf))
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, || bufs.iter().flat_map(|b| b.iter().copied()).collect())
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(broken)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx).map_err(broken)
    }
}

fn offers(headers: &HeaderMap, protocol: &str) -> bool {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    values
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|p| p.trim() == protocol)
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

fn checked(
    upgrade: Upgrade,
    headers: &HeaderMap,
    protocol: &'static str,
) -> Result<WebSocketUpgrade, Problem> {
    let upgrade = upgrade.map_err(|e| {
        let mut p = Problem::of_status(StatusCode::UPGRADE_REQUIRED, String::new());
        p.detail = e.body_text();
        p
    })?;
    if !offers(headers, protocol) {
        return Err(Problem::bad_request(format!(
            "the WebSocket must offer the subprotocol {protocol}"
        )));
    }
    Ok(upgrade.protocols([protocol]))
}

/// XMPP over WebSocket.
pub async fn xmpp(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    let door = app
        .deps
        .xmpp
        .clone()
        .ok_or_else(|| Problem::not_found("service"))?;
    let upgrade = checked(upgrade, &headers, "xmpp")?;
    let most = app.config.limits.xmpp_stanza_bytes;
    Ok(upgrade
        .max_message_size(most)
        .max_frame_size(most)
        .on_upgrade(move |socket| async move {
            if !door(TextSocket(socket), peer(client)) {
                tracing::debug!(addr = %client.addr, "too many XMPP connections");
            }
        })
        .into_response())
}

/// MQTT over WebSocket; old clients name the subprotocol `mqttv3.1`.
pub async fn mqtt(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    let door = app
        .deps
        .mqtt
        .clone()
        .ok_or_else(|| Problem::not_found("service"))?;
    let protocol = if offers(&headers, "mqtt") {
        "mqtt"
    } else {
        "mqttv3.1"
    };
    let upgrade = checked(upgrade, &headers, protocol).map_err(|mut p| {
        p.detail = p.detail.replace("mqttv3.1", "mqtt");
        p
    })?;
    // a message may hold several packets
    let most = app
        .config
        .limits
        .mqtt_packet_bytes
        .saturating_mul(2)
        .saturating_add(1024);
    Ok(upgrade
        .max_message_size(most)
        .max_frame_size(most)
        .on_upgrade(move |socket| async move {
            let io = ByteSocket {
                socket,
                read: Bytes::new(),
            };
            if !door(io, peer(client)) {
                tracing::debug!(addr = %client.addr, "too many MQTT connections");
            }
        })
        .into_response())
}

fn peer(client: Client) -> WsPeer {
    WsPeer {
        addr: client.addr,
        secure: client.secure,
    }
}
