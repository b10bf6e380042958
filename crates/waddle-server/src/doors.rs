//! Where WebSockets that came in by HTTP are handed to the XMPP server and the broker.

use std::{net::SocketAddr, pin::Pin, sync::Arc};

use waddle_core::WaddleId;
use waddle_http::{BoshDoor, MqttConnection, MqttConnections, MqttDoor, XmppDoor};
use waddle_mqtt::{Broker, ConnectionInfo};
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

type Coming<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

struct Connections(Broker);

fn described(c: ConnectionInfo) -> MqttConnection {
    MqttConnection {
        serial: c.serial,
        user: c.user,
        name: c.name,
        client_id: c.client_id,
        address: c.peer.ip().to_string(),
        transport: c.transport,
        version: c.version,
        since: c.since,
        last_seen: c.last_seen,
        dropped: c.dropped,
        filters: c.filters,
    }
}

impl MqttConnections for Connections {
    fn of(&self, waddle: WaddleId) -> Coming<'_, Vec<MqttConnection>> {
        Box::pin(async move {
            let all = self.0.connections(Some(waddle)).await;
            all.into_iter().map(described).collect()
        })
    }

    fn end(&self, serial: u64) -> Coming<'_, bool> {
        Box::pin(self.0.disconnect(serial))
    }
}

/// `/waddles/{w}/mqtt/connections`.
pub fn mqtt_connections(broker: &Broker) -> Arc<dyn MqttConnections> {
    Arc::new(Connections(broker.clone()))
}
