//! What goes on beside messages: links are looked at, channels whose messages expire are kept so, files of messages that are
//! gone are deleted (`specs/messages.md`).

use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use url::Url;
use waddle_community::Community;
use waddle_core::{ChannelId, Limits, MessageId, WaddleId};
use waddle_files::Files;
use waddle_messages::sweep::Sweep;
use waddle_muc::{Previewer, Rooms};
use waddle_preview::{Bounds, Previews};
use waddle_storage::repo::messages::{self, Preview};

use crate::{app::App, config::Config};

/// Starts it; `stop` ends it.
pub fn start(
    config: &Config,
    app: &App,
    rooms: &Rooms,
    files: Option<&Files>,
    limits: Arc<Limits>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    if config.link_previews {
        let bounds = Bounds {
            at_a_time: limits.previews_at_a_time,
            at_a_time_of_one: limits.previews_at_a_time_of_one,
            waiting: limits.previews_waiting,
            waiting_of_one: limits.previews_waiting_of_one,
            ..Bounds::default()
        };
        let previews = Previews::new(bounds, config.atproto_allow_http_loopback).context("previews")?;
        rooms.set_previewer(Arc::new(Looks {
            previews,
            rooms: rooms.clone(),
            community: app.community.clone(),
        }));
    }
    let files = files.cloned();
    let told = rooms.clone();
    let sweep = Sweep {
        community: app.community.clone(),
        clock: app.clock.clone(),
        limits,
        delete_file: Arc::new(move |url, owner| {
            let files = files.clone();
            Box::pin(async move {
                let (Some(files), Ok(url)) = (files, Url::parse(&url)) else {
                    return Ok(());
                };
                // A message takes along what its author uploaded, never somebody else's file that it names.
                match files.id_of(&url) {
                    Some(id) => match files.delete(&id, Some(&owner)).await {
                        Ok(_) => Ok(()),
                        Err(e) => Err(e.to_string()),
                    },
                    None => Ok(()),
                }
            })
        }),
        expired: Arc::new(move |waddle, channel, below| {
            let rooms = told.clone();
            tokio::spawn(async move { rooms.expired(waddle, channel, below).await });
        }),
    };
    let (news, events, stop) = (rooms.news(), app.community.events(), stop.clone());
    tokio::spawn(async move {
        stop.run_until_cancelled(sweep.run(news, events))
            .await
            .map(|never| match never {})
    });
    Ok(())
}

/// Looks at links for rooms.
struct Looks {
    previews: Previews,
    rooms: Rooms,
    community: Community,
}

impl Previewer for Looks {
    fn look(&self, waddle: WaddleId, channel: ChannelId, message: MessageId, url: String) {
        let (previews, rooms, community) =
            (self.previews.clone(), self.rooms.clone(), self.community.clone());
        tokio::spawn(async move {
            let wanted = match community.storage().waddle(waddle).await {
                Ok(db) => db.read(messages::wants_previews).await.unwrap_or(false),
                Err(_) => false,
            };
            if !wanted {
                return;
            }
            if let Some(page) = previews.look(waddle, &url).await {
                let preview = Preview {
                    url,
                    title: page.title,
                    description: page.description,
                    image: page.image,
                    site: page.site,
                };
                rooms.previewed(waddle, channel, message, preview).await;
            }
        });
    }
}
