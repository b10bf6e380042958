//! `/waddles/{w}/permissions/…`: the permission engine's questions and tuples, for those who manage the roles of a
//! waddle (`specs/http.md`, `specs/permissions.md`).
//!
//! Answers carry a zookie: shown with a later question, that one is answered no older (`at_least`) or at the very same
//! revision (`exact`) while the changes since are held.

mod answers;
mod questions;
mod tuples;

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use waddle_community::{
    On, QuestionError, Questions, WaddleAccess,
    permissions::{CheckError, Consistency, Object, RevisionError, Subject, Tuple, Zookie, ZookieKey},
};
use waddle_core::WaddleId;

use super::visible;
use crate::{App, auth::Auth, problem::Problem};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(questions::routes())
        .merge(tuples::routes())
}

/// How fresh the answer must be; as of the last change where it is left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyBody {
    /// A zookie: at least as fresh as the answer that it came with.
    at_least: Option<String>,
    /// A zookie: exactly as of the answer that it came with; 410 where the changes since are not held any more.
    exact: Option<String>,
}

/// Somebody who manages the roles of a waddle.
struct Manager {
    id: WaddleId,
    access: Arc<WaddleAccess>,
    key: ZookieKey,
}

impl Manager {
    async fn of(app: &App, auth: &Auth, w: &str) -> Result<Self, Problem> {
        let (waddle, access) = visible(app, auth.user(), w).await?;
        if !access.allows(On::Waddle, "manage_roles", auth.user()) {
            return Err(Problem::forbidden());
        }
        Ok(Self {
            id: waddle.id,
            access,
            key: ZookieKey::new(&app.deps.identity.zookie_key()),
        })
    }

    fn scope(&self) -> String {
        self.id.to_string()
    }

    fn zookie(&self, revision: u64) -> String {
        self.key.seal(self.scope().as_bytes(), revision).to_string()
    }

    fn revision(&self, zookie: &str) -> Result<u64, Problem> {
        let read = zookie.parse::<Zookie>();
        read.and_then(|z| self.key.open(self.scope().as_bytes(), &z))
            .map_err(|e| Problem::bad_request(format!("zookie: {e}")))
    }

    fn consistency(&self, body: Option<&ConsistencyBody>) -> Result<Consistency, Problem> {
        match body.map(|b| (b.at_least.as_deref(), b.exact.as_deref())) {
            None | Some((None, None)) => Ok(Consistency::Latest),
            Some((Some(z), None)) => Ok(Consistency::AtLeast(self.revision(z)?)),
            Some((None, Some(z))) => Ok(Consistency::Exact(self.revision(z)?)),
            Some((Some(_), Some(_))) => Err(Problem::bad_request("consistency: either at_least or exact")),
        }
    }

    /// Asks, and answers with a zookie of the revision.
    fn ask<T>(
        &self,
        fresh: Consistency,
        contextual: &[Tuple],
        ask: impl FnOnce(&Questions<'_>) -> Result<T, CheckError>,
    ) -> Result<(T, String), Problem> {
        let (answer, revision) = self.access.ask(fresh, contextual, ask).map_err(refused)?;
        Ok((answer, self.zookie(revision)))
    }

    /// The same away from the tasks that serve others, few at a time and one of each waddle.
    async fn ask_long<T: Send + 'static>(
        self,
        app: &App,
        fresh: Consistency,
        contextual: Vec<Tuple>,
        ask: impl FnOnce(&Questions<'_>) -> Result<T, CheckError> + Send + 'static,
    ) -> Result<(T, String), Problem> {
        let gone = || Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR, String::new());
        // First the waddle's own place: who waits for it takes none of the others'.
        let places = async {
            let own = self.access.long_questions().acquire_owned().await;
            (own, Arc::clone(&app.questions).acquire_owned().await)
        };
        let seconds = app.config.limits.permission_question_seconds;
        let places = tokio::time::timeout(Duration::from_secs(seconds), places).await;
        let (Ok(own), Ok(turn)) = places.map_err(|_| busy(seconds))? else {
            return Err(gone());
        };
        let done = tokio::task::spawn_blocking(move || {
            // It goes on where the client gave up, and keeps its places until it ends.
            let _places = (own, turn);
            self.ask(fresh, &contextual, ask)
        });
        done.await.map_err(|_| gone())?
    }
}

fn busy(seconds: u64) -> Problem {
    Problem {
        retry_after: Some(seconds.max(1)),
        ..Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "other long questions are being answered; ask again later",
        )
    }
}

/// A question that has no answer.
fn refused(e: QuestionError) -> Problem {
    let text = e.to_string();
    match e {
        QuestionError::Gone => Problem::forbidden(),
        QuestionError::Revision(RevisionError::TooOld { .. }) => {
            Problem::new(StatusCode::GONE, "too-old", text)
        }
        QuestionError::Revision(RevisionError::Ahead { .. }) => {
            Problem::new(StatusCode::CONFLICT, "ahead", text)
        }
        QuestionError::Question(CheckError::TooComplex(_)) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too-complex", text)
        }
        QuestionError::Contextual(_) | QuestionError::Question(CheckError::Name(_)) => Problem::invalid(text),
    }
}

fn object(text: &str) -> Result<Object, Problem> {
    text.parse()
        .map_err(|e| Problem::invalid(format!("object {text:?}: {e}")))
}

fn subject(text: &str) -> Result<Subject, Problem> {
    text.parse()
        .map_err(|e| Problem::invalid(format!("subject {text:?}: {e}")))
}

/// Tuples of a request, at most so many.
fn tuples_of(field: &str, list: &[String], most: usize) -> Result<Vec<Tuple>, Problem> {
    if list.len() > most {
        return Err(Problem::invalid(format!("{field}: at most {most}")));
    }
    let read = |t: &String| {
        t.parse()
            .map_err(|e| Problem::invalid(format!("{field}: {t:?}: {e}")))
    };
    list.iter().map(read).collect()
}
