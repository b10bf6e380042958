//! Commands other than `run`: through the running server's socket where one runs, else on the databases.

use std::{
    io::{BufRead, Write},
    path::{Path, PathBuf},
};

use serde_json::json;
use waddle_core::{Secret, Slug};
use waddle_xmpp::xep::registry;

use crate::{
    admin::{
        Reply,
        command::{AdminCommand, Password},
        ops::{Operations, backup},
        socket::{self, Execute},
    },
    app::App,
    cli::{
        AccountCommand, ChannelCommand, Command, DeviceCommand, FeedCommand, InviteCommand, WaddleCommand,
    },
    config::{Config, PublicNames},
    exit::Exit,
    outside,
    tls::Tls,
};

/// Says whether the configuration can be used.
pub fn check_config(config: &Config, json: bool) -> Result<(), Exit> {
    if config.tls_cert.is_some() {
        Tls::open(config)?;
    }
    let warnings = config.warnings();
    let mut text = format!("the configuration can be used; domain {}", config.domain);
    for w in &warnings {
        text.push_str("\nwarning: ");
        text.push_str(w);
    }
    print(
        &Reply {
            text,
            json: json!({"ok": true, "domain": config.domain, "warnings": warnings}),
        },
        json,
    )
}

/// The extensions, as `specs/xeps.md` has them.
pub fn xep_list(json: bool) -> Result<(), Exit> {
    let all: Vec<_> = registry::ALL
        .iter()
        .map(|e| e.xep())
        .filter(|x| x.number > 0)
        .collect();
    let text = all
        .iter()
        .map(|x| format!("{:04} {:<8} {}: {}", x.number, x.version, x.title, x.notes));
    let rows = all
        .iter()
        .map(|x| json!({"number": x.number, "title": x.title, "version": x.version, "notes": x.notes}));
    print(
        &Reply {
            text: text.collect::<Vec<_>>().join("\n"),
            json: rows.collect(),
        },
        json,
    )
}

/// Runs one administrative command.
pub async fn administer(config: &Config, command: Command, json: bool) -> Result<(), Exit> {
    let command = request(command)?;
    let reply = match socket::call(&config.data_dir, &command).await {
        Some(result) => result?,
        None if matches!(command, AdminCommand::Status) => {
            return Err(Exit::failed(
                "the server does not run; start it with waddle-server run",
            ));
        }
        None => {
            let public = PublicNames::new(config, None)?;
            let app = App::open(config, &public).await?;
            let ops = Operations {
                app: app.clone(),
                data_dir: config.data_dir.clone(),
                uploads: outside::upload_dir(config),
                status: None,
            };
            let result = ops.execute(command).await;
            app.close().await;
            result?
        }
    };
    print(&reply, json)
}

/// Puts a backup in place of what is there. Needs the server to be stopped.
pub async fn restore(config: &Config, from: &Path, waddle: Option<String>, json: bool) -> Result<(), Exit> {
    let reply = match waddle {
        None => {
            let restored =
                waddle_storage::offline::restore_all(&config.data_dir, from).map_err(anyhow::Error::from)?;
            let mut keys = false;
            for name in backup::KEY_FILES.iter().filter(|n| from.join(n).exists()) {
                backup::copy_private(&from.join(name), &config.data_dir.join(name))
                    .map_err(anyhow::Error::from)?;
                keys = true;
            }
            let files = match outside::upload_dir(config) {
                Some(uploads) => {
                    backup::put_back(&from.join("uploads"), &uploads).map_err(anyhow::Error::from)?
                }
                None => 0,
            };
            let with = if keys {
                "and the keys"
            } else {
                "; it holds no keys, those of this directory stay"
            };
            Reply {
                text: format!("restored the server, {restored} waddles, {files} uploaded files {with}"),
                json: json!({"waddles": restored, "files": files, "keys": keys}),
            }
        }
        Some(slug) => restore_waddle(config, from, &slug).await?,
    };
    print(&reply, json)
}

async fn restore_waddle(config: &Config, from: &Path, slug: &str) -> Result<Reply, Exit> {
    let public = PublicNames::new(config, None)?;
    let app = App::open(config, &public).await?;
    let result = async {
        let named: Slug = slug
            .parse()
            .map_err(|e| Exit::failed(format!("waddle {slug:?}: {e}")))?;
        let (id, copy) = waddle_storage::offline::find_waddle(from, &named)
            .map_err(|e| Exit::failed(format!("{} has no waddle {slug}: {e}", from.display())))?;
        let restored = app
            .community
            .restore(id, &copy)
            .await
            .map_err(anyhow::Error::from)?;
        Ok(Reply {
            text: format!("restored waddle {}", restored.slug),
            json: json!({"waddle": restored.id}),
        })
    };
    let result = result.await;
    app.close().await;
    result
}

fn print(reply: &Reply, json: bool) -> Result<(), Exit> {
    let text = if json {
        reply.json.to_string()
    } else {
        reply.text.clone()
    };
    writeln!(std::io::stdout(), "{text}").map_err(|e| Exit::failed(format!("cannot write: {e}")))
}

fn password() -> Result<Password, Exit> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|e| Exit::failed(format!("cannot read the password: {e}")))?;
    let text = line.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Exit::failed("no password: write it to standard input, one line"));
    }
    Ok(Password(Secret::new(text)))
}

/// A path as the server sees it, which may run elsewhere.
fn absolute(path: &Path) -> Result<PathBuf, Exit> {
    std::path::absolute(path).map_err(|e| Exit::failed(format!("{}: {e}", path.display())))
}

/// What the command line asks for, as a value.
fn request(command: Command) -> Result<AdminCommand, Exit> {
    use AdminCommand as A;
    Ok(match command {
        Command::Account(c) => match c {
            AccountCommand::Create { name, admin, .. } => A::AccountCreate {
                name,
                password: password()?,
                admin,
            },
            AccountCommand::Passwd { name, .. } => A::AccountPasswd {
                name,
                password: password()?,
            },
            AccountCommand::List => A::AccountList,
            AccountCommand::Delete { name } => A::AccountDelete { name },
        },
        Command::Invite(InviteCommand::Create { name }) => A::InviteCreate { name },
        Command::Waddle(c) => match c {
            WaddleCommand::Create {
                slug,
                owner,
                name,
                visibility,
            } => A::WaddleCreate {
                slug,
                owner,
                name,
                visibility,
            },
            WaddleCommand::AddMember { slug, name, role } => A::WaddleAddMember { slug, name, role },
            WaddleCommand::RemoveMember { slug, name, reason } => {
                A::WaddleRemoveMember { slug, name, reason }
            }
            WaddleCommand::Export { slug, file } => A::WaddleExport {
                slug,
                file: absolute(&file)?,
            },
            WaddleCommand::Import(i) => A::WaddleImport {
                file: absolute(&i.file)?,
                slug: i.slug,
                name: i.name,
                owner: i.owner,
                people: i.people,
                strangers: i.strangers,
            },
            WaddleCommand::List => A::WaddleList,
            WaddleCommand::Delete { slug } => A::WaddleDelete { slug },
        },
        Command::Channel(c) => match c {
            ChannelCommand::Create { slug, channel, kind } => A::ChannelCreate { slug, channel, kind },
            ChannelCommand::List { slug } => A::ChannelList { slug },
            ChannelCommand::Delete { slug, channel } => A::ChannelDelete { slug, channel },
        },
        Command::Device(c) => match c {
            DeviceCommand::Create(d) => A::DeviceCreate {
                slug: d.slug,
                name: d.name,
                topics: d.topics,
            },
            DeviceCommand::List { slug } => A::DeviceList { slug },
            DeviceCommand::Revoke { slug, name } => A::DeviceRevoke { slug, name },
        },
        Command::Feed(c) => match c {
            FeedCommand::Bind {
                slug,
                channel,
                filter,
                mode,
                name,
            } => A::FeedBind {
                slug,
                channel,
                filter,
                mode,
                name,
            },
            FeedCommand::List { slug } => A::FeedList { slug },
            FeedCommand::Unbind { slug, id } => A::FeedUnbind { slug, id },
        },
        Command::Backup {
            dir,
            with_keys,
            waddle,
        } => A::Backup {
            dir: absolute(&dir)?,
            with_keys,
            waddle,
        },
        Command::Run | Command::Xep(_) | Command::CheckConfig | Command::Status | Command::Restore { .. } => {
            A::Status
        }
    })
}
