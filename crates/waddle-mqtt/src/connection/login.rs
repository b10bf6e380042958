//! From the first byte to CONNACK (MQTT 5.0 §3.1.4).

use std::{future::poll_fn, net::SocketAddr, sync::Arc, sync::atomic::Ordering, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::Instant,
};

use super::{Conn, bucket::Bucket, outbound::Outbound, outbuf::OutBuf, poll_read, publish::Inflow};
use waddle_core::Secret;

use crate::{
    codec::{
        Fault, Reason, Version,
        connect::{self, Connect},
        control::{self, Welcome},
        head, kind,
    },
    core::Core,
    link::{Link, LinkInfo},
    metrics,
    policy::{Action, LoggedIn, Login},
    session::{Owner, SessionKey, serial},
};

/// A client that takes packets of this size gets reason strings.
const ROOMY: u32 = 2_048;
/// Where a mosquitto bridge says that it is there.
const BRIDGE_STATE: &str = "$SYS/broker/connection/";
/// Bytes of a client identifier.
const CLIENT_ID: usize = 512;

/// Reads CONNECT, checks the login, opens the session and answers. `None`: the client was sent away.
pub async fn login<Io>(
    core: &Arc<Core>,
    io: &mut Io,
    buf: &mut BytesMut,
    peer: SocketAddr,
    transport: &'static str,
) -> Option<Box<Conn>>
where
    Io: AsyncRead + AsyncWrite + Send + Unpin,
{
    let (flags, body) = first_packet(core, io, buf).await?;
    let mut c = match connect::parse(flags, &body, core.limits.mqtt_user_properties) {
        Ok(c) => c,
        Err(refused) => {
            metrics::login("malformed");
            if let Some(v) = refused.version {
                say(io, &control::refusal(v, refused.fault.reason, refused.fault.text)).await;
            }
            return None;
        }
    };
    // mosquitto's bridges leave word of their state in the broker's own space, where nobody writes here.
    if c.will.as_ref().is_some_and(|w| w.topic.starts_with(BRIDGE_STATE)) {
        c.will = None;
    }
    match enter(core, &c, peer, transport).await {
        Ok((conn, answer)) => {
            metrics::login("ok");
            let mut conn = conn;
            if answer.len() > conn.link.max_packet {
                // What it would have to be told does not fit (§3.1.2.11.4).
                conn.link.close(crate::link::Close::Fault(Fault::new(
                    Reason::TOO_LARGE,
                    "no answer fits the client's packet size",
                )));
                return Some(conn);
            }
            conn.out.tail().extend_from_slice(&answer);
            Some(conn)
        }
        Err((reason, text)) => {
            metrics::login(match reason {
                Reason::BAD_LOGIN => "bad-login",
                Reason::NOT_AUTHORIZED => "not-authorized",
                Reason::QUOTA => "quota",
                _ => "refused",
            });
            let wordy = c.problem_information && c.maximum_packet >= ROOMY;
            let text = if wordy { text } else { String::new() };
            say(io, &control::refusal(c.version, reason, &text)).await;
            None
        }
    }
}

async fn first_packet<Io>(core: &Core, io: &mut Io, buf: &mut BytesMut) -> Option<(u8, BytesMut)>
where
    Io: AsyncRead + Unpin,
{
    loop {
        // Anything else than CONNECT ends it with its first byte, before its length is believed.
        if buf.first().is_some_and(|b| b >> 4 != kind::CONNECT) {
            metrics::login("not-connect");
            return None;
        }
        match head(buf, core.limits.mqtt_connect_bytes) {
            Ok(Some(h)) => {
                let mut packet = buf.split_to(h.end);
                packet.advance(h.body);
                return Some((h.flags(), packet));
            }
            Ok(None) => {}
            Err(_) => {
                metrics::login("malformed");
                return None;
            }
        }
        match poll_fn(|cx| poll_read(cx, io, buf)).await {
            Ok(n) if n > 0 => {}
            _ => return None,
        }
    }
}

async fn say<Io: AsyncWrite + Unpin>(io: &mut Io, bytes: &[u8]) {
    if io.write_all(bytes).await.is_ok() && io.flush().await.is_ok() {
        let _ = io.shutdown().await;
    }
}

type Refused = (Reason, String);

async fn enter(
    core: &Arc<Core>,
    c: &Connect,
    peer: SocketAddr,
    transport: &'static str,
) -> Result<(Box<Conn>, Vec<u8>), Refused> {
    let no = |reason, text: &str| Err((reason, text.to_owned()));
    if core.stopping.load(Ordering::Acquire) {
        return no(Reason::UNAVAILABLE, "the server is shutting down");
    }
    if c.enhanced_auth {
        return no(Reason::AUTH_METHOD, "log in with user name and password");
    }
    let empty_allowed = match (c.version, c.level) {
        (_, 3) => false,
        (Version::V3, _) => c.clean_start,
        (Version::V5, _) => true,
    };
    if (c.client_id.is_empty() && !empty_allowed) || c.client_id.len() > CLIENT_ID {
        return no(
            Reason::CLIENT_ID,
            "a client identifier of 1 to 512 bytes is needed",
        );
    }
    let login = match (&c.user, &c.password) {
        (Some(user), Some(password)) => Login {
            user: user.clone(),
            password: password.clone(),
            peer: peer.ip(),
        },
        (None, None) if !c.bad_password => Login {
            user: String::new(),
            password: Secret::new(""),
            peer: peer.ip(),
        },
        _ => return no(Reason::BAD_LOGIN, "user name and password are needed"),
    };
    let LoggedIn {
        who,
        mount,
        credential,
    } = core.policy.login(login).await.map_err(|r| (r.reason, r.text))?;
    let owner = Owner {
        who: Arc::new(who),
        mount,
    };
    if let Some(w) = &c.will
        && let Err(deny) = core.resolve(&owner, &w.topic, Action::Publish).await
    {
        metrics::refused("will");
        return Err((deny.reason, format!("the will: {}", deny.text)));
    }
    let assigned = c
        .client_id
        .is_empty()
        .then(|| format!("waddle-{:016x}", random()));
    let client: Arc<str> = assigned.as_deref().unwrap_or(&c.client_id).into();
    let longest = core.limits.mqtt_session_expiry_seconds;
    let expiry = c.session_expiry.min(longest);
    let key = SessionKey {
        user: owner.who.user.clone(),
        waddle: owner.mount.waddle(),
        client: client.clone(),
    };
    let fault = |f: Fault| (f.reason, f.text.to_owned());
    let opened = core
        .open_session(key, owner.clone(), c, expiry)
        .await
        .map_err(fault)?;
    let l = &core.limits;
    let link = Link::new(
        LinkInfo {
            serial: serial(),
            version: c.version,
            max_packet: c.maximum_packet as usize,
            plain: c.alias_maximum == 0,
            peer,
            transport,
            client,
            since: core.clock.now(),
        },
        l.mqtt_queue_messages,
        l.mqtt_queue_bytes,
    );
    let session = opened.session;
    let receiving = if opened.present {
        let row = session.row;
        core.db
            .read(move |conn| waddle_storage::repo::mqtt::receiving(conn, row))
            .await
            .map_err(|e| {
                core.abandon(&session);
                tracing::warn!(error = %e, "a session cannot be read");
                (Reason::UNAVAILABLE, "the session cannot be read".to_owned())
            })?
    } else {
        Vec::new()
    };
    if session.durable() && !opened.present {
        session.live.store(link.serial, Ordering::SeqCst);
    }
    session.attach(link.clone());
    core.links
        .insert(link.serial, (link.clone(), session.clone(), credential));
    drop(opened.gate);
    if core.stopping.load(Ordering::Acquire) {
        link.close(crate::link::Close::Fault(Fault::new(
            Reason::SHUTTING_DOWN,
            "the server is shutting down",
        )));
    }
    let keep_alive = match c.version {
        Version::V5 => c.keep_alive.min(l.mqtt_keep_alive_seconds.max(1)),
        Version::V3 => c.keep_alive,
    };
    let welcome = Welcome {
        // 3.1 has no such flag.
        session_present: opened.present && c.level != 3,
        assigned,
        session_expiry: (c.version == Version::V5 && expiry != c.session_expiry).then_some(expiry),
        keep_alive: (keep_alive != c.keep_alive).then_some(keep_alive),
        receive_maximum: l.mqtt_inflight,
        maximum_packet: l.mqtt_packet_bytes as u32,
        alias_maximum: l.mqtt_topic_aliases,
    };
    let answer = control::welcome(c.version, &welcome);
    let rate = if core.rate_limits {
        l.mqtt_bytes_per_second
    } else {
        0
    };
    let mut outbound = Outbound::new(
        c.receive_maximum.min(l.mqtt_inflight),
        c.alias_maximum.min(l.mqtt_topic_aliases),
    );
    if opened.present {
        outbound.wants_backlog(0);
    }
    let conn = Box::new(Conn {
        core: core.clone(),
        version: c.version,
        bridge: c.bridge,
        problems: c.problem_information && c.maximum_packet >= ROOMY,
        out: OutBuf::default(),
        outbound,
        inflow: Inflow::new(l.mqtt_inflight, l.mqtt_topic_aliases, receiving),
        will: c.will.clone(),
        expiry,
        // Half as much again (§3.1.2.10).
        keep_alive: (keep_alive > 0).then(|| Duration::from_millis(u64::from(keep_alive) * 1_500)),
        last_seen: Instant::now(),
        bucket: Bucket::new(rate),
        paused: None,
        buf: BytesMut::new(),
        link,
        session,
        owner,
    });
    Ok((conn, answer))
}

fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // A client identifier is no secret; it only has to be new.
    let mut h = ahash::RandomState::new().build_hasher();
    h.write_u64(serial());
    h.finish()
}
