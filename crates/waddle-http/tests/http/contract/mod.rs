//! What the author of a client relies on, over all addresses: what was made is where it is said to be, asking twice makes
//! one, names are the same everywhere, a page misses nothing, a change is whole.

mod changes;
mod making;
mod names;
mod rights;

use crate::support::{Answer, Setup};
use serde_json::{Value, json};

pub async fn token(t: &Setup, login: &str, scope: &str) -> String {
    let made = t
        .post("/auth/access-tokens")
        .bearer(login)
        .json(json!({"label": scope, "scopes": [scope]}))
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["token"].as_str().unwrap().to_owned()
}

pub async fn patch(t: &Setup, who: &str, path: &str, body: Value) -> Answer {
    t.ask("PATCH", path).bearer(who).json(body).send().await
}
