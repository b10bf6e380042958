//! The running server: what runs, in which order it starts, and in which order it ends.
//!
//! ```text
//! storage ─ identity ─ community          (layers: shared by everything)
//!   ├─ rooms        one supervised actor a room; a panic restarts that room
//!   ├─ xmpp         one actor a connection; a panic ends that connection
//!   ├─ broker       one actor, a task a connection
//!   ├─ feeds        one supervised actor a waddle with bindings
//!   ├─ hooks        a task an outgoing webhook, behind its cursor
//!   ├─ http         a task a connection; a panic ends that request
//!   └─ admin socket
//! ```
//!
//! The end goes from the outside in: no new requests, clients told, feeds and rooms stopped, databases closed.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use waddle_feed::{FeedDeps, Feeds};
use waddle_files::Files;
use waddle_http::{HttpConfig, HttpDeps, HttpServer};
use waddle_mqtt::{Broker, BrokerConfig, LivePolicy};
use waddle_muc::Rooms;
use waddle_xmpp::{XmppConfig, XmppServer, office::Ending};

use crate::{
    admin::{ops::Operations, socket::AdminSocket},
    app::App,
    config::{Config, PublicNames},
    doors,
    exit::Exit,
    integrations, listen, messages, outside,
    ready::{Bound, ReadyFile},
    status::Status,
    telemetry::Telemetry,
    tls::Tls,
};

/// How long clients have to take their farewell; with the rest the end stays within ten seconds.
const GRACE: Duration = Duration::from_secs(5);

/// Everything that runs.
struct Running {
    app: App,
    rooms: Rooms,
    xmpp: XmppServer,
    broker: Broker,
    feeds: Feeds,
    hooks: waddle_hooks::Hooks,
    files: Option<Files>,
    http: HttpServer,
    stop: CancellationToken,
}

/// Starts the server and serves until a signal or an administrator ends it.
pub async fn run(config: Config) -> Result<Ending, Exit> {
    let telemetry = Telemetry::start(&config)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let result = serve(&config, &telemetry).await;
    telemetry.stop().await;
    result
}

async fn serve(config: &Config, telemetry: &Telemetry) -> Result<Ending, Exit> {
    let http = listen::bind("http_listen", &config.http_listen)?;
    let https = listen::bind("https_listen", &config.https_listen)?;
    let public = PublicNames::new(config, http.first().and_then(|l| l.local_addr().ok()))?;
    let app = App::open(config, &public).await?;
    let first_admin = app.first_admin().await?;
    let tls = Tls::open(config)?;
    let (running, bound) = start(config, telemetry, &public, app, &tls, http, https).await?;

    let ready = ReadyFile::write(&config.data_dir, &bound).context("ready.json")?;
    announce(config, &public, &bound, first_admin.as_ref());
    let ending = until_told(&tls, wishes(&running.xmpp)).await?;
    drop(ready);
    tracing::info!(?ending, "shutting down");
    running.stop().await;
    Ok(ending)
}

async fn start(
    config: &Config,
    telemetry: &Telemetry,
    public: &PublicNames,
    app: App,
    tls: &Tls,
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
) -> Result<(Running, Bound), Exit> {
    let limits = Arc::new(config.limits.clone());
    let rooms = Rooms::new(waddle_muc::Deps {
        storage: app.storage.clone(),
        community: app.community.clone(),
        clock: app.clock.clone(),
        limits: limits.clone(),
        domain: config.domain.clone(),
    })
    .await
    .context("rooms")?;

    let xmpp_config = XmppConfig {
        listen: config.xmpp_listen.0.clone(),
        listen_tls: config.xmpps_listen.0.clone(),
        tls: Some(tls.config()),
        rate_limits: config.rate_limits,
        registration: config.registration,
        push_details: config.push_details,
        resume_location: Some(config.resume_location.clone()).filter(|l| !l.is_empty()),
        component_listen: config.component_listen.0.clone(),
        components: config.components.clone(),
        disabled: if config.show_version { Vec::new() } else { vec![92] },
        contacts: outside::contacts(config),
        outage_addresses: config.outage_addresses.clone(),
        oauth_discovery: Some(oauth_discovery(public)),
        ..XmppConfig::new(&config.domain)
    };
    let xmpp_deps = waddle_xmpp::Deps {
        storage: app.storage.clone(),
        identity: app.identity.clone(),
        community: app.community.clone(),
        rooms: rooms.clone(),
        clock: app.clock.clone(),
        limits: limits.clone(),
    };
    let xmpp = XmppServer::start(xmpp_config, xmpp_deps)
        .await
        .map_err(listen::xmpp)?;
    rooms.set_postman(Arc::new(xmpp.clone()));

    let files = if config.upload {
        let settings = outside::files(config, public);
        let files = Files::open(settings, app.storage.server(), app.clock.clone()).await;
        let files = files.context("uploads")?;
        waddle_xmpp::xep::xep0363::offer(xmpp.server(), files.clone());
        Some(files)
    } else {
        None
    };

    let policy = LivePolicy::new(
        app.identity.clone(),
        app.community.clone(),
        config.mqtt_policy.clone(),
    );
    let broker = Broker::start(BrokerConfig {
        listen: mqtt_listeners(config, tls),
        limits: config.limits.clone(),
        rate_limits: config.rate_limits,
        storage: app.storage.clone(),
        clock: app.clock.clone(),
        policy,
    })
    .await
    .map_err(listen::mqtt)?;

    let feeds = Feeds::start(FeedDeps {
        community: app.community.clone(),
        rooms: rooms.clone(),
        clock: app.clock.clone(),
        limits: limits.clone(),
    });
    broker.add_sink(feeds.sink());
    let hooks = integrations::start(config, public, &app, &rooms, &xmpp, limits.clone()).await?;

    let mut bound = Bound {
        xmpp: xmpp.listening().starttls.clone(),
        xmpps: xmpp.listening().tls.clone(),
        component: xmpp.listening().component.clone(),
        mqtt: broker.addresses().tcp.clone(),
        mqtts: broker.addresses().tls.clone(),
        ..Bound::default()
    };
    xmpp.server()
        .external
        .set(outside::services(config, public, &bound));
    let status = Status::new(
        xmpp.clone(),
        broker.clone(),
        rooms.clone(),
        feeds.clone(),
        &bound,
        &public.xmpp_host,
    );
    let http = HttpServer::start(
        http_config(config, public, &bound),
        HttpDeps {
            identity: app.identity.clone(),
            community: app.community.clone(),
            rooms: Some(rooms.clone()),
            direct: Some(xmpp.direct()),
            hooks: Some(hooks.clone()),
            files: files.clone(),
            xmpp: Some(doors::xmpp(&xmpp)),
            bosh: Some(doors::bosh(&xmpp)),
            mqtt: Some(doors::mqtt(&broker)),
            mqtt_connections: Some(doors::mqtt_connections(&broker)),
            status: status.door(),
            metrics: Some(Arc::new(telemetry.scrape())),
        },
        http,
        Some((https, https_config(tls))),
    )
    .context("http_listen")?;
    bound.http = http.plain_addresses().to_vec();
    bound.https = http.tls_addresses().to_vec();

    let stop = CancellationToken::new();
    messages::start(config, &app, &rooms, files.as_ref(), limits.clone(), &stop)?;
    let operations = Operations {
        app: app.clone(),
        data_dir: config.data_dir.clone(),
        uploads: crate::outside::upload_dir(config),
        status: Some(status),
    };
    let socket = AdminSocket::bind(&config.data_dir).context("admin socket")?;
    tokio::spawn(socket.serve(Arc::new(operations), stop.clone()));
    Ok((
        Running {
            app,
            rooms,
            xmpp,
            broker,
            feeds,
            hooks,
            files,
            http,
            stop,
        },
        bound,
    ))
}

/// Where chat programs find out how to be let in (RFC 8414 §3).
fn oauth_discovery(public: &PublicNames) -> Arc<str> {
    let mut url = public.url.clone();
    url.set_path("/.well-known/oauth-authorization-server");
    url.as_str().into()
}

/// HTTP/2 is negotiated in the handshake (RFC 9113 §3.2).
fn https_config(tls: &Tls) -> waddle_http::TlsConfig {
    let mut config = rustls::ServerConfig::clone(&tls.config());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(ArcSwap::from_pointee(config))
}

fn mqtt_listeners(config: &Config, tls: &Tls) -> Vec<waddle_mqtt::Listen> {
    let tls = Arc::new(ArcSwap::new(tls.config()));
    let plain = config.mqtt_listen.0.iter().map(|&addr| (addr, None));
    let secured = config
        .mqtts_listen
        .0
        .iter()
        .map(|&addr| (addr, Some(tls.clone())));
    plain
        .chain(secured)
        .map(|(addr, tls)| waddle_mqtt::Listen {
            addr,
            tls,
            allow_plaintext: config.allow_plaintext,
        })
        .collect()
}

fn http_config(config: &Config, public: &PublicNames, bound: &Bound) -> HttpConfig {
    HttpConfig {
        xmpp_host: public.xmpp_host.clone(),
        xmpp_port: bound.xmpp.first().map_or(5222, SocketAddr::port),
        trusted_proxies: config.trusted_proxies.clone(),
        rate_limits: config.rate_limits,
        allow_http_loopback: config.atproto_allow_http_loopback,
        limits: config.limits.clone(),
        ..HttpConfig::new(public.url.clone(), config.domain.clone())
    }
}

/// Prints where to go: the one line of standard output, and at the first start the administrator's password.
#[expect(
    clippy::print_stdout,
    reason = "what a person who starts the server looks for"
)]
fn announce(config: &Config, public: &PublicNames, bound: &Bound, admin: Option<&crate::app::FirstAdmin>) {
    if let Some(admin) = admin {
        println!(
            "First start: administrator {}@{} with password {} (shown this once)",
            admin.name,
            config.domain,
            admin.password.expose()
        );
    }
    println!("Waddle serves {} at {}", config.domain, public.url);
    let first = |a: &[SocketAddr]| a.first().map_or_else(|| "off".into(), ToString::to_string);
    tracing::info!(
        http = first(&bound.http),
        https = first(&bound.https),
        xmpp = first(&bound.xmpp),
        xmpps = first(&bound.xmpps),
        mqtt = first(&bound.mqtt),
        mqtts = first(&bound.mqtts),
        data_dir = %std::path::absolute(&config.data_dir).unwrap_or_else(|_| PathBuf::from(".")).display(),
        "ready at {}",
        public.url
    );
}

/// What administrators want from within (XEP-0133 §4.30, §4.31).
fn wishes(xmpp: &XmppServer) -> mpsc::Receiver<Ending> {
    let (tell, wishes) = mpsc::channel(1);
    let on_end = move |ending| {
        // One wish is enough.
        let _ = tell.try_send(ending);
    };
    xmpp.server().office.set_on_end(Arc::new(on_end));
    wishes
}

/// Waits for SIGTERM, SIGINT or an administrator's wish; SIGHUP reads the certificate again.
async fn until_told(tls: &Tls, mut wishes: mpsc::Receiver<Ending>) -> anyhow::Result<Ending> {
    let mut term = signal(SignalKind::terminate()).context("signals")?;
    let mut int = signal(SignalKind::interrupt()).context("signals")?;
    let mut hup = signal(SignalKind::hangup()).context("signals")?;
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(Ending::Stop),
            _ = int.recv() => return Ok(Ending::Stop),
            Some(ending) = wishes.recv() => return Ok(ending),
            _ = hup.recv() => match tls.reload() {
                Ok(()) => tracing::info!("the certificate was read again"),
                Err(e) => tracing::error!(error = format!("{e:#}"), "the certificate stays as it was"),
            },
        }
    }
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        tokio::join!(
            self.http.shutdown(GRACE),
            self.xmpp.shutdown(GRACE),
            self.broker.shutdown()
        );
        if let Some(files) = &self.files {
            files.close();
        }
        self.hooks.close();
        self.feeds.shutdown().await;
        self.rooms.shutdown().await;
        self.app.close().await;
    }
}
