//! The services and how they are: for `/status`, `/readyz` and `waddle-server status`.

use std::{net::SocketAddr, sync::Arc};

use waddle_feed::Feeds;
use waddle_http::{ServiceStatus, StatusDoor};
use waddle_mqtt::Broker;
use waddle_muc::Rooms;
use waddle_xmpp::XmppServer;

use crate::ready::Bound;

/// What is asked for the status.
#[derive(Clone)]
pub struct Status {
    xmpp: XmppServer,
    broker: Broker,
    rooms: Rooms,
    feeds: Feeds,
    xmpp_at: String,
    mqtt_at: String,
}

impl Status {
    /// A status of what listens at `bound`, called `host` by clients.
    pub fn new(
        xmpp: XmppServer,
        broker: Broker,
        rooms: Rooms,
        feeds: Feeds,
        bound: &Bound,
        host: &str,
    ) -> Self {
        let at = |a: &[SocketAddr], b: &[SocketAddr]| {
            a.first()
                .or(b.first())
                .map_or_else(|| "WebSocket only".into(), |a| format!("{host}:{}", a.port()))
        };
        let (xmpp_at, mqtt_at) = (at(&bound.xmpp, &bound.xmpps), at(&bound.mqtt, &bound.mqtts));
        Self {
            xmpp,
            broker,
            rooms,
            feeds,
            xmpp_at,
            mqtt_at,
        }
    }

    /// The services now.
    pub async fn services(&self) -> Vec<ServiceStatus> {
        let rooms = self.rooms.figures();
        let mqtt = self.broker.figures().await;
        let feeds = self.feeds.figures();
        vec![
            ServiceStatus {
                name: "XMPP Server".into(),
                status: true,
                details: format!("{} ({} sessions)", self.xmpp_at, self.xmpp.sessions()),
            },
            ServiceStatus {
                name: "Rooms".into(),
                status: true,
                details: format!(
                    "{} ({} rooms, {} occupants)",
                    self.rooms.domain(),
                    rooms.active_rooms,
                    rooms.occupants
                ),
            },
            ServiceStatus {
                name: "MQTT Broker".into(),
                status: self.broker.actor().is_alive(),
                details: format!(
                    "{} ({} connections, {} subscriptions)",
                    self.mqtt_at, mqtt.connections, mqtt.subscriptions
                ),
            },
            ServiceStatus {
                name: "Feeds".into(),
                status: true,
                details: format!(
                    "{} waddles with feeds at work, {} readings dropped",
                    feeds.waddles, feeds.dropped
                ),
            },
        ]
    }

    /// The same as a function for HTTP.
    pub fn door(&self) -> StatusDoor {
        let status = self.clone();
        Arc::new(move || {
            let status = status.clone();
            Box::pin(async move { status.services().await })
        })
    }
}
