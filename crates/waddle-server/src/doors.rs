//! Where WebSockets that came in by HTTP are handed to the XMPP server and the broker.

use std::{net::SocketAddr, sync::Arc};

use waddle_http::{BoshDoor, MqttDoor, XmppDoor};
use waddle_mqtt::Broker;
use waddle_xmpp::{Peer, XmppServer};

/// `/xmpp-websocket`.
pub fn xmpp(server: &XmppServer) -> XmppDoor {
    let server = server.clone();
    Arc::new(move |socket, peer| {
        server.serve_websocket(
            socket,
            Peer {
                address: peer.addr,
                transport: "websocket",
                secure: peer.secure,
            },
        )
    })
}

/// `/http-bind`.
pub fn bosh(server: &XmppServer) -> BoshDoor {
    let server = server.clone();
    Arc::new(move |socket, peer| {
        server.serve_websocket(
            socket,
            Peer {
                address: peer.addr,
                transport: "bosh",
                secure: peer.secure,
            },
        )
    })
}

/// `/mqtt`. The broker counts connections itself and ends one that is too many.
pub fn mqtt(broker: &Broker) -> MqttDoor {
    let broker = broker.clone();
    Arc::new(move |socket, peer| {
        let broker = broker.clone();
        tokio::spawn(async move { broker.serve(socket, SocketAddr::new(peer.addr, 0)).await });
        true
    })
}
