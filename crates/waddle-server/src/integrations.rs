//! Webhooks, bots and slash commands: what the configuration says about them, and who they speak through.

use std::sync::Arc;

use anyhow::Context;
use waddle_core::Limits;
use waddle_fetch::{FetchConfig, Guard};
use waddle_hooks::{Hooks, HooksDeps};
use waddle_muc::Rooms;
use waddle_stanza::{Class, XmlWriter};
use waddle_xmpp::XmppServer;

use crate::{
    app::App,
    config::{Config, PublicNames},
};

/// Starts them and lets rooms hand them slash commands.
pub async fn start(
    config: &Config,
    public: &PublicNames,
    app: &App,
    rooms: &Rooms,
    xmpp: &XmppServer,
    limits: Arc<Limits>,
) -> anyhow::Result<Hooks> {
    let fetch = FetchConfig {
        guard: Guard {
            loopback: config.atproto_allow_http_loopback,
            plain: false,
            private: config.webhook_private_networks,
        },
        user_agent: format!("waddle/{} (+{})", env!("CARGO_PKG_VERSION"), public.url),
        ..FetchConfig::new()
    };
    let deps = HooksDeps {
        community: app.community.clone(),
        identity: app.identity.clone(),
        rooms: rooms.clone(),
        clock: app.clock.clone(),
        limits,
        fetch,
    };
    let hooks = Hooks::start(deps).await.context("webhooks")?;
    rooms.set_slash_commands(hooks.slash());
    let (xmpp, domain, identity) = (xmpp.clone(), config.domain.clone(), app.identity.clone());
    hooks.set_notify(Arc::new(move |user, text| {
        let (xmpp, domain, identity) = (xmpp.clone(), domain.clone(), identity.clone());
        let (user, text) = (user.clone(), text.to_owned());
        tokio::spawn(async move {
            let Ok(Some(jid)) = identity.jid_of(&user).await else {
                return;
            };
            let mut w = XmlWriter::message();
            w.attr("from", &domain)
                .attr("to", jid.as_str())
                .attr("type", "normal")
                .leaf("body", &text);
            xmpp.deliver(&w.outgoing(Class::Message));
        });
    }));
    Ok(hooks)
}
