//! Clients that no one here wrote: mosquitto's and rumqttc, over TCP and TLS.

#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::type_complexity,
    clippy::items_after_statements,
    reason = "tests"
)]

mod support;

use std::{process::Stdio, sync::Arc, time::Duration};

use rumqttc::{AsyncClient, Event, Incoming, LastWill, MqttOptions, QoS};
use support::{SOON, Server, until};
use tokio::{process::Command, time::timeout};
use waddle_mqtt::{Broker, BrokerConfig, Listen};

/// A tool that has to be there: nothing is skipped silently.
fn mosquitto(tool: &str, port: u16, user: &str, more: &[&str]) -> Command {
    let mut c = Command::new(tool);
    let name = user.split(['/', '@']).next().unwrap();
    c.args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(["-u", user, "-P", &format!("{name}-pw")])
        .args(more)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    c
}

async fn publish(port: u16, user: &str, more: &[&str]) -> String {
    let out = mosquitto("mosquitto_pub", port, user, more);
    let out = timeout(SOON, { out }.output())
        .await
        .unwrap()
        .expect("mosquitto_pub is installed");
    format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    )
}

/// The lines that mosquitto_sub prints; `publish_after` runs when its subscription stands.
async fn lines(
    broker: &Broker,
    port: u16,
    user: &str,
    more: &[&str],
    publish_after: impl AsyncFnOnce(),
) -> Vec<String> {
    let mut c = mosquitto("mosquitto_sub", port, user, more);
    let child = c
        .stdout(Stdio::piped())
        .spawn()
        .expect("mosquitto_sub is installed");
    until("it has subscribed", async || {
        broker
            .connections(None)
            .await
            .iter()
            .any(|c| !c.filters.is_empty())
    })
    .await;
    publish_after().await;
    let out = timeout(SOON, child.wait_with_output())
        .await
        .expect("mosquitto_sub ends");
    let text = String::from_utf8(out.unwrap().stdout).unwrap();
    until("it is gone", async || broker.connections(None).await.is_empty()).await;
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn mosquitto_clients() {
    let s = Server::start().await;
    let port = s.addr().port();
    for version in ["mqttv31", "mqttv311", "mqttv5"] {
        for qos in ["0", "1", "2"] {
            let got = lines(
                &s.broker,
                port,
                "bob",
                &["-V", version, "-t", "m/#", "-q", qos, "-C", "2", "-v"],
                async || {
                    for payload in ["one", "two"] {
                        let said = publish(
                            port,
                            "bob@test/penguins",
                            &["-V", version, "-t", "m/x", "-q", qos, "-m", payload],
                        )
                        .await;
                        assert_eq!(said, "");
                    }
                },
            )
            .await;
            assert_eq!(got, ["m/x one", "m/x two"], "{version} QoS {qos}");
        }
    }
    // Retained, and the two ways to a waddle.
    publish(port, "bob", &["-t", "kept", "-r", "-m", "1", "-q", "1"]).await;
    let filter = [
        "-t",
        "waddle/penguins/late",
        "-t",
        "waddle/penguins/kept",
        "-C",
        "2",
        "-v",
    ];
    let got = lines(&s.broker, port, "alice", &filter, async || {
        publish(port, "bob", &["-t", "late", "-m", "2"]).await;
    })
    .await;
    assert_eq!(got, ["waddle/penguins/kept 1", "waddle/penguins/late 2"]);
    // Refused, in words.
    let said = publish(port, "carol", &["-V", "mqttv5", "-t", "x", "-q", "1", "-m", ""]).await;
    assert!(said.contains("Not authorized"), "{said}");
    let said = publish(port, "nobody@test/penguins", &["-t", "x", "-m", ""]).await;
    assert!(said.to_lowercase().contains("not authori"), "{said}");
}

#[tokio::test]
async fn rumqttc_both_versions() {
    let s = Server::start().await;
    let mut options = MqttOptions::new("r4", "127.0.0.1", s.addr().port());
    options
        .set_credentials("bob", "bob-pw")
        .set_keep_alive(Duration::from_secs(5))
        .set_clean_session(false)
        .set_last_will(LastWill::new("r/will", "bye", QoS::AtLeastOnce, false));
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("r/#", QoS::ExactlyOnce).await.unwrap();
    for (n, qos) in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]
        .into_iter()
        .enumerate()
    {
        client.publish("r/x", qos, false, vec![n as u8]).await.unwrap();
    }
    let mut seen = Vec::new();
    timeout(SOON, async {
        while seen.len() < 3 {
            if let Event::Incoming(Incoming::Publish(p)) = events.poll().await.unwrap() {
                seen.push(p.payload[0]);
            }
        }
    })
    .await
    .unwrap();
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2]);

    use rumqttc::v5::{self, mqttbytes::v5::Packet};
    let mut options = v5::MqttOptions::new("r5", "127.0.0.1", s.addr().port());
    options.set_credentials("bob@test/penguins", "bob-pw");
    let (watch, mut events5) = v5::AsyncClient::new(options, 10);
    let exactly = v5::mqttbytes::QoS::ExactlyOnce;
    watch.subscribe("r/will", exactly).await.unwrap();
    let next = async |events: &mut v5::EventLoop| loop {
        if let v5::Event::Incoming(p) = events.poll().await.unwrap() {
            match p {
                Packet::SubAck(_) => return None,
                Packet::Publish(p) => return Some(p),
                _ => {}
            }
        }
    };
    assert!(timeout(SOON, next(&mut events5)).await.unwrap().is_none());
    drop((client, events));
    let will = timeout(SOON, next(&mut events5)).await.unwrap().unwrap();
    assert_eq!(
        (will.topic.as_ref(), will.payload.as_ref()),
        (&b"r/will"[..], &b"bye"[..])
    );
}

#[tokio::test]
async fn tls_with_a_certificate_that_changes() {
    let s = Server::start().await;
    let certificate = || {
        let c = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(c.signing_key.serialize_der().into());
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![c.cert.der().clone()], key)
                .unwrap();
        (c.cert.pem(), config)
    };
    let (pem, config) = certificate();
    let tls = Arc::new(arc_swap::ArcSwap::from_pointee(config));
    let broker = Broker::start(BrokerConfig {
        listen: vec![Listen {
            addr: "127.0.0.1:0".parse().unwrap(),
            tls: Some(tls.clone()),
            allow_plaintext: false,
        }],
        limits: s.limits.clone(),
        rate_limits: true,
        storage: s.storage.clone(),
        clock: s.clock.clone(),
        policy: s.policy.clone(),
    })
    .await
    .unwrap();
    let port = broker.addresses().tls[0].port();
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    let ca = ca.to_str().unwrap();
    // A client that connects and says nothing holds nobody up.
    let _silent = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let with = ["-h", "localhost", "--cafile", ca, "-t", "tls", "-q", "1"];
    for round in 0..2 {
        let pem = if round == 0 {
            pem.clone()
        } else {
            let (pem, config) = certificate();
            tls.store(Arc::new(config));
            pem
        };
        std::fs::write(ca, pem).unwrap();
        let got = lines(
            &broker,
            port,
            "bob",
            &[&with[..], &["-C", "1"]].concat(),
            async || {
                let said = publish(port, "bob", &[&with[..], &["-m", "secret"]].concat()).await;
                assert_eq!(said, "");
            },
        )
        .await;
        assert_eq!(got, ["secret"]);
    }
    let plain = publish(port, "bob", &["-t", "tls", "-m", "x"]).await;
    assert_ne!(plain, "", "no plain connection to the TLS port");
    broker.shutdown().await;
}

#[tokio::test]
async fn plain_text_only_on_loopback() {
    let s = Server::start().await;
    let open = |allow_plaintext| {
        let listen = Listen {
            addr: "0.0.0.0:0".parse().unwrap(),
            tls: None,
            allow_plaintext,
        };
        Broker::start(BrokerConfig {
            listen: vec![listen],
            limits: s.limits.clone(),
            rate_limits: true,
            storage: s.storage.clone(),
            clock: s.clock.clone(),
            policy: s.policy.clone(),
        })
    };
    let refused = open(false).await.unwrap_err().to_string();
    assert!(
        refused.contains("0.0.0.0:0") && refused.contains("allow_plaintext"),
        "{refused}"
    );
    open(true).await.unwrap().shutdown().await;
}

/// mosquitto as a bridge with its defaults: both directions, each message once, nothing in a circle.
#[tokio::test]
async fn a_mosquitto_bridge() {
    for version in ["mqttv311", "mqttv50"] {
        bridge(version).await;
    }
}

/// A port below those that the system gives away by itself, so that no other test gets it before mosquitto listens.
fn free_port() -> u16 {
    let start = std::process::id() % 20_000;
    (0..20_000)
        .map(|n| 10_000 + u16::try_from((start + n) % 20_000).unwrap())
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

async fn bridge(version: &str) {
    let s = Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let conf = dir.path().join("mosquitto.conf");
    let text = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type none\n\
         connection waddle\naddress 127.0.0.1:{}\nremote_username bob@test/penguins\nremote_password bob-pw\n\
         remote_clientid bridge\nrestart_timeout 1\nbridge_protocol_version {version}\ntopic # both 1 local/ remote/\n",
        s.addr().port()
    );
    std::fs::write(&conf, text).unwrap();
    let mut command = Command::new("/usr/sbin/mosquitto");
    command
        .arg("-c")
        .arg(&conf)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let mut bridge = command.spawn().expect("mosquitto is installed");
    until("the bridge has subscribed", async || {
        let all = s.broker.connections(None).await;
        all.iter()
            .any(|c| c.client_id == "bridge" && c.filters == ["remote/#"])
    })
    .await;
    let mut here = s.v5("bob", "here").await;
    here.subscribe("remote/#", 1).await;
    let mut there = support::Raw::new(([127, 0, 0, 1], port).into()).await;
    there.send(b"\x10\x0D\0\x04MQTT\x04\x02\0\x3C\0\x01t").await;
    assert_eq!(there.packet().await, [0x20, 2, 0, 0]);
    there.subscribe("local/#", 1).await;
    there.publish("local/up", b"up", 2, 7).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let p = there.packet().await;
        if p[0] >> 4 == 3 {
            let g = there.read(&p);
            there.send(&support::ack(0x40, g.id)).await;
        }
        seen.push(p[0] >> 4);
    }
    let g = here.take().await;
    assert_eq!(
        (g.topic.as_str(), g.payload.as_slice()),
        ("remote/up", &b"up"[..])
    );
    let mut p = s.v5("alice@test/penguins", "p").await;
    p.publish1("remote/down", b"down", false).await;
    assert_eq!(here.take().await.topic, "remote/down");
    let g = there.take().await;
    assert_eq!(
        (g.topic.as_str(), g.payload.as_slice()),
        ("local/down", &b"down"[..])
    );
    here.quiet().await;
    there.quiet().await;
    bridge.kill().await.unwrap();
}
