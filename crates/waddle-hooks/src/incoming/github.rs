//! Events of GitHub's webhooks as readable text (<https://docs.github.com/en/webhooks/webhook-events-and-payloads>).
//! Gitea and Forgejo send the same under the same header.

use serde_json::Value;

use super::{Said, at, clean, list, word};

/// Commits of a push that are listed.
const COMMITS: usize = 5;
/// Characters of a title or first line that are shown.
const TITLE: usize = 150;

fn first_line(text: &str) -> String {
    clean(text.lines().next().unwrap_or_default(), TITLE)
}

fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

fn branch(reference: &str) -> &str {
    reference
        .strip_prefix("refs/heads/")
        .or_else(|| reference.strip_prefix("refs/tags/"))
        .unwrap_or(reference)
}

fn push(v: &Value, repo: &str, who: &str) -> Said {
    let mut said = Said::default();
    let reference = word(v, &["ref"]);
    let name = branch(&reference);
    let what = if reference.starts_with("refs/tags/") {
        "tag"
    } else {
        "branch"
    };
    let is = |flag: &str| v.get(flag).and_then(Value::as_bool) == Some(true);
    if is("deleted") {
        said.line(&format!("[{repo}] {who} deleted {what} {name}"));
        return said;
    }
    let commits = v.get("commits").and_then(Value::as_array).map_or(0, Vec::len);
    let forced = if is("forced") { "force-pushed" } else { "pushed" };
    if commits == 0 {
        said.line(&format!("[{repo}] {who} {forced} {what} {name}"));
    } else {
        let s = if commits == 1 { "" } else { "s" };
        said.line(&format!("[{repo}] {who} {forced} {commits} commit{s} to {name}"));
    }
    for c in list(v, "commits").take(COMMITS) {
        let (id, message) = (word(c, &["id"]), word(c, &["message"]));
        let author = at(c, &["author", "username"]).or_else(|| at(c, &["author", "name"]));
        let line = format!("{} {}", short(&id), first_line(&message));
        match author {
            Some(a) if a != who => said.line(&format!("{line} ({a})")),
            _ => said.line(&line),
        }
    }
    if commits > COMMITS {
        said.line(&format!("… and {} more", commits - COMMITS));
    }
    said.line(at(v, &["compare"]).unwrap_or_default());
    said
}

/// `[repo] who did what #7: title` and the address.
fn numbered(v: &Value, repo: &str, who: &str, what: &str, thing: &str, done: &str) -> Said {
    let mut said = Said::default();
    let (number, title) = (
        word(v, &[thing, "number"]),
        first_line(&word(v, &[thing, "title"])),
    );
    said.line(&format!("[{repo}] {who} {done} {what} #{number}: {title}"));
    said.line(at(v, &[thing, "html_url"]).unwrap_or_default());
    said
}

fn comment(v: &Value, repo: &str, who: &str, what: &str, thing: &str, of: &str) -> Said {
    let mut said = Said::default();
    let (number, title) = (
        word(v, &[thing, "number"]),
        first_line(&word(v, &[thing, "title"])),
    );
    said.line(&format!("[{repo}] {who} {what} #{number}: {title}"));
    let text = clean(&word(v, &[of, "body"]), 500);
    if !text.is_empty() {
        text.lines().take(6).for_each(|l| said.line(&["> ", l].concat()));
    }
    said.line(at(v, &[of, "html_url"]).unwrap_or_default());
    said
}

/// Reads an event; one that is not known is still named.
pub(super) fn read(event: &str, v: &Value) -> Said {
    let repo = at(v, &["repository", "full_name"])
        .or_else(|| at(v, &["organization", "login"]))
        .unwrap_or("GitHub");
    let who = at(v, &["sender", "login"])
        .or_else(|| at(v, &["pusher", "name"]))
        .unwrap_or("somebody");
    let action = word(v, &["action"]).replace('_', " ");
    let merged = v
        .get("pull_request")
        .and_then(|p| p.get("merged"))
        .and_then(Value::as_bool)
        == Some(true);
    let mut said = match event {
        "ping" => {
            let mut said = Said::default();
            said.line(&format!(
                "[{repo}] the webhook is connected. {}",
                word(v, &["zen"])
            ));
            said
        }
        "push" => push(v, repo, who),
        "issues" => numbered(v, repo, who, "issue", "issue", &action),
        "pull_request" if action == "closed" && merged => {
            numbered(v, repo, who, "pull request", "pull_request", "merged")
        }
        "pull_request" if action == "synchronize" => {
            numbered(v, repo, who, "pull request", "pull_request", "pushed to")
        }
        "pull_request" => numbered(v, repo, who, "pull request", "pull_request", &action),
        "discussion" => numbered(v, repo, who, "discussion", "discussion", &action),
        "issue_comment" => comment(v, repo, who, "commented on", "issue", "comment"),
        "discussion_comment" => comment(v, repo, who, "commented on", "discussion", "comment"),
        "pull_request_review_comment" => comment(v, repo, who, "commented on", "pull_request", "comment"),
        "pull_request_review" => {
            let state = word(v, &["review", "state"]).replace('_', " ");
            comment(
                v,
                repo,
                who,
                &format!("reviewed ({state})"),
                "pull_request",
                "review",
            )
        }
        "create" | "delete" => {
            let mut said = Said::default();
            let (kind, name) = (word(v, &["ref_type"]), word(v, &["ref"]));
            said.line(&format!("[{repo}] {who} {event}d {kind} {name}"));
            said
        }
        "release" => {
            let mut said = Said::default();
            let name = at(v, &["release", "name"]).or_else(|| at(v, &["release", "tag_name"]));
            said.line(&format!(
                "[{repo}] {who} {action} release {}",
                name.unwrap_or("?")
            ));
            said.line(at(v, &["release", "html_url"]).unwrap_or_default());
            said
        }
        "fork" => {
            let mut said = Said::default();
            said.line(&format!(
                "[{repo}] {who} forked it to {}",
                word(v, &["forkee", "full_name"])
            ));
            said
        }
        "workflow_run" => {
            let mut said = Said::default();
            let (name, on) = (
                word(v, &["workflow_run", "name"]),
                word(v, &["workflow_run", "head_branch"]),
            );
            let result = at(v, &["workflow_run", "conclusion"]).unwrap_or(&action);
            said.line(&format!("[{repo}] {name} on {on}: {}", result.replace('_', " ")));
            said.line(at(v, &["workflow_run", "html_url"]).unwrap_or_default());
            said
        }
        _ => {
            let mut said = Said::default();
            let event = if event.is_empty() { "an event" } else { event };
            let line = format!("[{repo}] {who}: {} {action}", event.replace('_', " "));
            said.line(&line);
            said
        }
    };
    said.avatar = at(v, &["sender", "avatar_url"]).map(str::to_owned);
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn base(more: Value) -> Value {
        let mut v = json!({"repository": {"full_name": "o/r"}, "sender": {"login": "ada"}});
        for (k, x) in more.as_object().unwrap() {
            v[k] = x.clone();
        }
        v
    }

    #[test]
    fn pushes() {
        let commit = |n: usize| json!({"id": format!("{n:040}"), "message": format!("fix {n}\n\nlong"), "author": {"username": "bob"}});
        let v = base(json!({
            "ref": "refs/heads/main", "compare": "https://github.com/o/r/compare/a...b",
            "commits": (0..7).map(commit).collect::<Vec<_>>(),
        }));
        let text = read("push", &v).finish(4_000).unwrap().text;
        assert!(
            text.starts_with("[o/r] ada pushed 7 commits to main\n0000000 fix 0 (bob)\n"),
            "{text}"
        );
        assert!(
            text.ends_with("… and 2 more\nhttps://github.com/o/r/compare/a...b"),
            "{text}"
        );
        let gone = base(json!({"ref": "refs/tags/v1", "deleted": true}));
        assert_eq!(read("push", &gone).text, "[o/r] ada deleted tag v1");
    }

    #[test]
    fn issues_and_others() {
        let v = base(
            json!({"action": "opened", "issue": {"number": 7, "title": "It\nbreaks", "html_url": "https://github.com/o/r/issues/7"}}),
        );
        assert_eq!(
            read("issues", &v).text,
            "[o/r] ada opened issue #7: It\nhttps://github.com/o/r/issues/7"
        );
        let v =
            base(json!({"action": "closed", "pull_request": {"number": 8, "title": "T", "merged": true}}));
        assert_eq!(
            read("pull_request", &v).text,
            "[o/r] ada merged pull request #8: T"
        );
        let v = base(
            json!({"action": "created", "issue": {"number": 7, "title": "T"}, "comment": {"body": "a\nb"}}),
        );
        assert_eq!(
            read("issue_comment", &v).text,
            "[o/r] ada commented on #7: T\n> a\n> b"
        );
        assert_eq!(
            read("secret_scanning", &base(json!({"action": "created"}))).text,
            "[o/r] ada: secret scanning created"
        );
        assert!(read("", &json!({})).finish(100).is_ok());
    }
}
