//! `waddle export` and `waddle import`: a whole waddle as one file (`specs/lifecycle.md`).

use std::path::Path;

use serde_json::json;
use waddle_community::{Import, Strangers as Fate};

use super::{Outcome, Reply, failed, parse, person, waddle};
use crate::{
    admin::{Failure, command::Strangers},
    app::{App, OPERATOR},
};

pub async fn write(app: &App, slug: &str, file: &Path) -> Outcome {
    let waddle = waddle(app, slug)?;
    let done = app
        .community
        .export(OPERATOR, waddle.id, file)
        .await
        .map_err(failed)?;
    let of = |table: &str| done.rows.get(table).copied().unwrap_or_default();
    Ok(Reply {
        text: format!(
            "wrote {} with {} members, {} channels and {} messages, {} bytes, to {}; keep it as secret as the waddle",
            waddle.slug,
            of("members"),
            of("channels"),
            of("archive"),
            done.bytes,
            file.display()
        ),
        json: json!({"file": file, "bytes": done.bytes, "rows": done.rows}),
    })
}

pub async fn read(
    app: &App,
    file: &Path,
    slug: &str,
    name: Option<String>,
    owner: Option<&str>,
    people: &[String],
    strangers: Strangers,
) -> Outcome {
    let mut import = Import::new(parse("waddle", slug)?);
    import.name = name;
    import.strangers = match strangers {
        Strangers::Refuse => Fate::Refuse,
        Strangers::Remote => Fate::Remote,
        Strangers::Drop => Fate::Drop,
    };
    if let Some(owner) = owner {
        import.owner = Some(person(app, owner).await?);
    }
    for pair in people {
        let (old, new) = pair.split_once('=').ok_or_else(|| {
            Failure(format!(
                "--map {pair}: expected OLD=NEW, such as alice=alice.example.org"
            ))
        })?;
        import.people.insert(old.to_owned(), person(app, new).await?);
    }
    let done = app.community.import(file, import).await.map_err(|e| match e {
        e @ waddle_community::Error::Strangers { .. } => Failure(format!(
            "{e} (--map OLD=NEW, --strangers remote or --strangers drop)"
        )),
        e => failed(e),
    })?;
    let of = |table: &str| done.rows.get(table).copied().unwrap_or_default();
    let left = if done.dropped.is_empty() {
        String::new()
    } else {
        format!("; left out: {}", done.dropped.join(", "))
    };
    Ok(Reply {
        text: format!(
            "made waddle {} with {} members, {} channels and {} messages; devices, invites, webhooks and bots are \
             made anew{left}",
            done.waddle.slug,
            of("members"),
            of("channels"),
            of("archive")
        ),
        json: json!({"id": done.waddle.id, "slug": done.waddle.slug, "rows": done.rows, "left_out": done.dropped}),
    })
}
