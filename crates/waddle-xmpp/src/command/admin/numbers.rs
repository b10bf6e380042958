//! How many users there are, and which (XEP-0133 §4.13 to §4.22).

use waddle_stanza::forms::{Field, FieldKind, Form};

use super::{address, failed, form, result};
use crate::{
    command::{Asker, Done, Severity, Step, StepResult},
    server::Server,
    session::{Flag, Session},
};

/// What clients may ask for.
const CHOICES: [&str; 6] = ["25", "50", "75", "100", "150", "200"];

/// Some accounts, sorted, and how many there are.
type Some_ = (Vec<String>, usize);

/// Whether somebody sits at this session, for all that is known: it is available, connected, and its client did not say
/// that nobody looks (XEP-0352).
fn is_active(s: &Session) -> bool {
    s.is(Flag::Available) && !s.is(Flag::Hibernating) && !s.is(Flag::Ended) && !s.outbox.is_held()
}

/// The accounts with sessions of which `which` is true.
fn online(server: &Server, which: impl Fn(&[std::sync::Arc<Session>]) -> bool) -> Vec<String> {
    let mut all = server.sessions.all();
    all.sort_by(|a, b| a.localpart().cmp(b.localpart()));
    all.chunk_by(|a, b| a.localpart() == b.localpart())
        .filter(|sessions| which(sessions))
        .map(|sessions| sessions[0].bare.to_string())
        .collect()
}

fn active(server: &Server) -> Vec<String> {
    online(server, |s| s.iter().any(|s| is_active(s)))
}

fn idle(server: &Server) -> Vec<String> {
    online(server, |s| !s.iter().any(|s| is_active(s)))
}

fn number(var: &str, label: &str, n: usize) -> StepResult {
    let field = Field::new(var, FieldKind::TextSingle)
        .label(label)
        .value(n.to_string());
    Ok(Done::form(result().field(field)).into())
}

/// Asks how many are wanted, then shows them.
async fn list<F>(
    a: &Asker<'_>,
    answers: &[Form],
    var: &str,
    what: &str,
    some: impl FnOnce(usize) -> F,
) -> StepResult
where
    F: Future<Output = Result<Some_, waddle_stanza::StanzaError>>,
{
    let Some(f) = answers.first() else {
        let mut max = Field::new("max_items", FieldKind::ListSingle).label("Maximum number of items to show");
        for n in CHOICES {
            max = max.option(Some(n), n);
        }
        let title = ["Requesting the List of ", what].concat();
        let shown = form(&title, "Fill out this form to request them.");
        return Ok(Step::ask(shown.field(max.option(Some("None"), "none"))));
    };
    let most = a.server.limits.xmpp_service_list;
    let max = f
        .value("max_items")
        .and_then(|n| n.parse().ok())
        .unwrap_or(most)
        .min(most);
    let (mut jids, count) = some(max).await?;
    jids.truncate(max);
    let shown = jids.len();
    let label = ["The list of ", what].concat();
    let form = result().field(Field::new(var, FieldKind::JidMulti).label(&label).values(jids));
    let done = Done::form(form);
    if shown == count {
        return Ok(done.into());
    }
    let note = [&shown.to_string(), " of ", &count.to_string()].concat();
    Ok(done.note(Severity::Info, note).into())
}

async fn registered(server: &Server, max: usize) -> Result<Some_, waddle_stanza::StanzaError> {
    let (mut out, mut after) = (Vec::new(), None::<String>);
    while out.len() < max {
        let want = (max - out.len()).min(1_000);
        let some = server
            .identity
            .list(after.as_deref(), want)
            .await
            .map_err(|e| failed(&e))?;
        let Some(last) = some.last() else { break };
        after = Some(last.localpart.clone());
        out.extend(some.iter().map(|w| address(server, &w.localpart)));
        if some.len() < want {
            break;
        }
    }
    let count = server.identity.count().await.map_err(|e| failed(&e))?;
    Ok((out, count))
}

async fn disabled(server: &Server, max: usize) -> Result<Some_, waddle_stanza::StanzaError> {
    let (some, count) = server.identity.disabled(max).await.map_err(|e| failed(&e))?;
    let jids = some.iter().map(|w| address(server, &w.localpart)).collect();
    Ok((jids, count))
}

fn counted(all: Vec<String>) -> Result<Some_, waddle_stanza::StanzaError> {
    let count = all.len();
    Ok((all, count))
}

pub(super) async fn registered_num(a: &Asker<'_>, _: &[Form]) -> StepResult {
    let n = a.server.identity.count().await.map_err(|e| failed(&e))?;
    number("registeredusersnum", "The number of registered users", n)
}

pub(super) async fn disabled_num(a: &Asker<'_>, _: &[Form]) -> StepResult {
    let (_, n) = disabled(a.server, 1).await?;
    number("disabledusersnum", "The number of disabled users", n)
}

pub(super) async fn online_num(a: &Asker<'_>, _: &[Form]) -> StepResult {
    let n = online(a.server, |_| true).len();
    number("onlineusersnum", "The number of online users", n)
}

pub(super) async fn active_num(a: &Asker<'_>, _: &[Form]) -> StepResult {
    number(
        "activeusersnum",
        "The number of active users",
        active(a.server).len(),
    )
}

pub(super) async fn idle_num(a: &Asker<'_>, _: &[Form]) -> StepResult {
    number("idleusersnum", "The number of idle users", idle(a.server).len())
}

pub(super) async fn registered_list(a: &Asker<'_>, f: &[Form]) -> StepResult {
    list(a, f, "registereduserjids", "all users", |max| {
        registered(a.server, max)
    })
    .await
}

pub(super) async fn disabled_list(a: &Asker<'_>, f: &[Form]) -> StepResult {
    list(a, f, "disableduserjids", "all disabled users", |max| {
        disabled(a.server, max)
    })
    .await
}

pub(super) async fn online_list(a: &Asker<'_>, f: &[Form]) -> StepResult {
    let some = |_| async { counted(online(a.server, |_| true)) };
    list(a, f, "onlineuserjids", "all online users", some).await
}

pub(super) async fn active_list(a: &Asker<'_>, f: &[Form]) -> StepResult {
    let some = |_| async { counted(active(a.server)) };
    list(a, f, "activeuserjids", "active users", some).await
}

pub(super) async fn idle_list(a: &Asker<'_>, f: &[Form]) -> StepResult {
    let some = |_| async { counted(idle(a.server)) };
    // The name of the field is the specification's (§4.22).
    list(a, f, "activeuserjids", "idle users", some).await
}
