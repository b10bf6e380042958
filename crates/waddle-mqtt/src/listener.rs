//! Sockets: TCP and TLS listeners; handshakes run in the connection's own task (ADR 0008).

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{
    config::{Listen, Tls},
    connection,
    core::Core,
    error::Error,
};

/// A listener that is bound.
pub struct Bound {
    socket: TcpListener,
    tls: Option<Tls>,
    /// The address, with its port.
    pub addr: SocketAddr,
}

impl Bound {
    /// Whether it speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

/// Binds an address. Without TLS only loopback addresses are taken, unless the operator said otherwise.
pub async fn bind(listen: Listen) -> Result<Bound, Error> {
    let Listen {
        addr,
        tls,
        allow_plaintext,
    } = listen;
    if tls.is_none() && !addr.ip().is_loopback() {
        if !allow_plaintext {
            return Err(Error::Plaintext(addr));
        }
        tracing::warn!(%addr, "MQTT without TLS: passwords cross the network in the clear");
    }
    let failed = |source| Error::Listen { addr, source };
    let socket = TcpListener::bind(addr).await.map_err(failed)?;
    let addr = socket.local_addr().map_err(failed)?;
    Ok(Bound { socket, tls, addr })
}

/// Accepts connections until it is aborted.
pub async fn accept(core: Arc<Core>, bound: Bound) {
    loop {
        match bound.socket.accept().await {
            Ok((stream, peer)) => {
                let (core, tls) = (core.clone(), bound.tls.clone());
                tokio::spawn(one(core, stream, peer, tls));
            }
            Err(error) => {
                // Out of descriptors, or the peer was gone already: others must not suffer.
                tracing::warn!(%error, addr = %bound.addr, "MQTT cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn one(core: Arc<Core>, stream: TcpStream, peer: SocketAddr, tls: Option<Tls>) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        connection::serve(core, stream, peer, "tcp").await;
        return;
    };
    let Some(place) = core.admit(peer.ip()) else {
        return;
    };
    let acceptor = TlsAcceptor::from(tls.load_full());
    let wait = Duration::from_secs(core.limits.mqtt_login_seconds);
    // Boxed: plain connections share this task's shape and need not hold a handshake.
    match Box::pin(tokio::time::timeout(wait, acceptor.accept(stream))).await {
        Ok(Ok(stream)) => {
            drop(place);
            Box::pin(connection::serve(core, stream, peer, "tls")).await;
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "TLS handshake timed out"),
    }
}
