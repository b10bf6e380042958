//! What each administrative command does, a file a topic.

mod accounts;
pub mod backup;
mod channels;
mod devices;
mod exports;
mod feeds;
mod invites;
mod waddles;

use std::{fmt::Display, path::PathBuf, str::FromStr, sync::Arc};

use serde_json::json;
use waddle_community::Waddle;
use waddle_core::{Slug, UserId};
use waddle_http::ServiceStatus;

use super::{Failure, Reply, command::AdminCommand, socket::Execute};
use crate::{app::App, status::Status};

/// Does administrative commands on an open data directory.
#[derive(Clone)]
pub struct Operations {
    /// What is worked on.
    pub app: App,
    /// The data directory, for what lies beside the databases.
    pub data_dir: PathBuf,
    /// Where uploaded files are; nowhere here where S3 has them.
    pub uploads: Option<PathBuf>,
    /// Lines for `status`; none where no server runs.
    pub status: Option<Status>,
}

type Outcome = Result<Reply, Failure>;

impl Execute for Operations {
    async fn execute(&self, command: AdminCommand) -> Outcome {
        let app = &self.app;
        match command {
            AdminCommand::Status => self.status().await,
            AdminCommand::AccountCreate {
                name,
                password,
                admin,
            } => accounts::create(app, &name, &password.0, admin).await,
            AdminCommand::AccountPasswd { name, password } => accounts::passwd(app, &name, &password.0).await,
            AdminCommand::AccountList => accounts::list(app).await,
            AdminCommand::AccountDelete { name } => accounts::delete(app, &name).await,
            AdminCommand::InviteCreate { name } => invites::create(app, name.as_deref()).await,
            AdminCommand::WaddleCreate {
                slug,
                owner,
                name,
                visibility,
            } => waddles::create(app, &slug, &owner, name, &visibility).await,
            AdminCommand::WaddleAddMember { slug, name, role } => {
                waddles::add_member(app, &slug, &name, &role).await
            }
            AdminCommand::WaddleRemoveMember { slug, name, reason } => {
                waddles::remove_member(app, &slug, &name, reason.as_deref()).await
            }
            AdminCommand::WaddleList => Ok(waddles::list(app)),
            AdminCommand::WaddleDelete { slug } => waddles::delete(app, &slug).await,
            AdminCommand::ChannelCreate { slug, channel, kind } => {
                channels::create(app, &slug, &channel, &kind).await
            }
            AdminCommand::ChannelList { slug } => channels::list(app, &slug).await,
            AdminCommand::ChannelDelete { slug, channel } => channels::delete(app, &slug, &channel).await,
            AdminCommand::DeviceCreate { slug, name, topics } => {
                devices::create(app, &slug, &name, &topics).await
            }
            AdminCommand::DeviceList { slug } => devices::list(app, &slug).await,
            AdminCommand::DeviceRevoke { slug, name } => devices::revoke(app, &slug, &name).await,
            AdminCommand::FeedBind {
                slug,
                channel,
                filter,
                mode,
                name,
            } => feeds::bind(app, &slug, &channel, &filter, &mode, name).await,
            AdminCommand::FeedList { slug } => feeds::list(app, &slug).await,
            AdminCommand::FeedUnbind { slug, id } => feeds::unbind(app, &slug, &id).await,
            AdminCommand::Backup {
                dir,
                with_keys: _,
                waddle: Some(slug),
            } => backup::one(app, &slug, &dir).await,
            AdminCommand::Backup {
                dir,
                with_keys,
                waddle: None,
            } => backup::run(app, &self.data_dir, self.uploads.as_deref(), &dir, with_keys).await,
            AdminCommand::WaddleExport { slug, file } => exports::write(app, &slug, &file).await,
            AdminCommand::WaddleImport {
                file,
                slug,
                name,
                owner,
                people,
                strangers,
            } => exports::read(app, &file, &slug, name, owner.as_deref(), &people, strangers).await,
        }
    }
}

impl Operations {
    async fn status(&self) -> Outcome {
        let Some(status) = &self.status else {
            return Err(Failure(
                "the server does not run; start it with waddle-server run".into(),
            ));
        };
        let services = status.services().await;
        let line = |s: &ServiceStatus| {
            format!(
                "{} {} {}",
                if s.status { "up  " } else { "down" },
                s.name,
                s.details
            )
        };
        let text = services.iter().map(line).collect::<Vec<_>>().join("\n");
        let json = json!({"services": services});
        Ok(Reply { text, json })
    }
}

fn parse<T: FromStr>(what: &str, text: &str) -> Result<T, Failure>
where
    T::Err: Display,
{
    text.parse().map_err(|e| Failure(format!("{what} {text:?}: {e}")))
}

/// The waddle of a slug typed by the operator.
fn waddle(app: &App, slug: &str) -> Result<Arc<Waddle>, Failure> {
    let slug: Slug = parse("waddle", slug)?;
    app.community.waddle_by_slug(&slug).ok_or_else(|| {
        Failure(format!(
            "there is no waddle {slug}; waddle-server waddle list shows them"
        ))
    })
}

/// The person of a localpart, bare JID, DID or handle typed by the operator.
async fn person(app: &App, name: &str) -> Result<UserId, Failure> {
    app.identity
        .resolve_anybody(name)
        .await
        .map_err(|e| Failure(format!("{name}: {e}")))
}

fn failed(e: impl Display) -> Failure {
    Failure::new(e)
}

/// A list: a line an entry, or one that says that there is none.
fn listed(lines: Vec<String>, none: &str, json: serde_json::Value) -> Reply {
    let text = if lines.is_empty() {
        none.to_owned()
    } else {
        lines.join("\n")
    };
    Reply { text, json }
}
