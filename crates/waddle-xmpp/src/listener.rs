//! TCP listeners: accept, count, hand over to a connection actor (RFC 6120 §3, XEP-0368).

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};

use crate::{
    connection::{self, Peer, Start, Transport, transport::Socket},
    error::Error,
    server::Server,
};

/// Which of the two kinds of listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    StartTls,
    DirectTls,
    Component,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::StartTls => "xmpp_listen",
            Self::DirectTls => "xmpps_listen",
            Self::Component => "component_listen",
        }
    }
}

/// Binds `address`.
pub(crate) async fn bind(kind: Kind, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let local = listener.local_addr()?;
        Ok((listener, local))
    };
    bound.await.map_err(|source: io::Error| Error::Listen {
        listener: kind.name(),
        address,
        source,
    })
}

/// Accepts until the server stops. The accept loop does no handshake: that is the connection's own task.
pub(crate) async fn run(server: Arc<Server>, listener: TcpListener, kind: Kind) {
    loop {
        let accepted = tokio::select! {
            a = listener.accept() => a,
            () = server.stop.cancelled() => return,
        };
        match accepted {
            Ok((socket, address)) => accept(&server, socket, address, kind),
            Err(e) => {
                // Out of descriptors: wait for some to come back instead of spinning.
                tracing::warn!(error = %e, listener = kind.name(), "accept failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn accept(server: &Arc<Server>, socket: TcpStream, address: SocketAddr, kind: Kind) {
    let Some(place) = server.addresses.enter(address.ip()) else {
        tracing::debug!(%address, "too many connections");
        return;
    };
    let _ = socket.set_nodelay(true);
    let socket = Socket::Tcp(socket);
    let start = match kind {
        Kind::StartTls | Kind::Component => Start::Stream(Transport::Plain(socket)),
        Kind::DirectTls => Start::DirectTls(socket),
    };
    let peer = Peer {
        address: address.ip(),
        transport: if kind == Kind::DirectTls { "tls" } else { "tcp" },
        secure: false,
    };
    connection::spawn(server, start, peer, Some(place));
}
