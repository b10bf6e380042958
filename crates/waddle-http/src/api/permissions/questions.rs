//! Check, batch check, expand, list objects, list users, explain.

use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{
    Questions,
    permissions::{CheckError, Consistency, Object, Question, Subject, Tuple, Wanted},
};

use super::{
    ConsistencyBody, Manager,
    answers::{BatchAnswer, CheckView, ExpandView, ExplainView},
    object, subject, tuples_of,
};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Json, Paging, next},
};

/// Subjects that one leaf of a tree shows, and exceptions that a list shows.
const SHOWN: usize = 1_000;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(check))
        .routes(routes!(check_batch))
        .routes(routes!(expand))
        .routes(routes!(list_objects))
        .routes(routes!(list_users))
        .routes(routes!(explain))
}

/// May this subject do this?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckBody {
    /// `type:id`.
    #[schema(example = "channel:019c1a2b3c4d7e8f90a1b2c3d4e5f607")]
    object: String,
    /// A relation of its type.
    #[schema(example = "speak")]
    relation: String,
    /// `type:id`, `type:*` or `type:id#relation`.
    #[schema(example = "user:local:alice")]
    subject: String,
    /// `object#relation@subject`: tuples that hold for this question alone.
    #[serde(default)]
    contextual_tuples: Vec<String>,
    consistency: Option<ConsistencyBody>,
}

/// One question, read.
struct Read {
    object: Object,
    relation: String,
    subject: Subject,
}

impl Read {
    fn new(o: &str, relation: String, s: &str) -> Result<Self, Problem> {
        Ok(Self {
            object: object(o)?,
            relation,
            subject: subject(s)?,
        })
    }

    fn question(&self) -> Question<'_> {
        Question {
            object: self.object.as_ref(),
            relation: &self.relation,
            subject: self.subject.as_ref(),
        }
    }
}

fn contextual(app: &App, list: &[String]) -> Result<Vec<Tuple>, Problem> {
    tuples_of("contextual_tuples", list, app.config.limits.permission_contextual)
}

/// Who asks, of which moment, and what they bring along.
struct Asked {
    manager: Manager,
    fresh: Consistency,
    brought: Vec<Tuple>,
}

impl Asked {
    async fn of(
        app: &App,
        auth: &Auth,
        w: &str,
        (brought, fresh): (&[String], &Option<ConsistencyBody>),
    ) -> Result<Self, Problem> {
        let manager = Manager::of(app, auth, w).await?;
        Ok(Self {
            fresh: manager.consistency(fresh.as_ref())?,
            brought: contextual(app, brought)?,
            manager,
        })
    }

    /// The answer to a question that may take long.
    async fn answer<T: Send + 'static>(
        self,
        app: &App,
        ask: impl FnOnce(&Questions<'_>) -> Result<T, CheckError> + Send + 'static,
    ) -> Result<(T, String), Problem> {
        self.manager.ask_long(app, self.fresh, self.brought, ask).await
    }
}

/// Decide one question.
#[utoipa::path(post, path = "/waddles/{w}/permissions/check", tag = "permissions", security(("token" = ["manage"])),
    responses((status = 200, description = "The decision.", body = CheckView)))]
pub async fn check(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(body): Json<CheckBody>,
) -> Result<Json<CheckView>, Problem> {
    let asked = Asked::of(&app, &auth, &w, (&body.contextual_tuples, &body.consistency)).await?;
    let read = Read::new(&body.object, body.relation, &body.subject)?;
    // The way back to an older revision may be long.
    let check = move |q: &Questions<'_>| q.at.check(read.question(), q.limits);
    let (decision, zookie) = match asked.fresh {
        Consistency::Exact(_) => asked.answer(&app, check).await?,
        fresh => asked.manager.ask(fresh, &asked.brought, check)?,
    };
    Ok(Json(CheckView::new(decision, zookie)))
}

/// One of several questions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestionBody {
    /// `type:id`.
    object: String,
    /// A relation of its type.
    relation: String,
    /// `type:id`, `type:*` or `type:id#relation`.
    subject: String,
}

/// Several questions at one revision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchBody {
    /// At most 100.
    questions: Vec<QuestionBody>,
    /// Tuples that hold for these questions alone.
    #[serde(default)]
    contextual_tuples: Vec<String>,
    consistency: Option<ConsistencyBody>,
}

/// The decisions, in the order of the questions.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchView {
    answers: Vec<BatchAnswer>,
    /// Names the revision that was asked.
    zookie: String,
}

/// Decide many questions at one revision.
#[utoipa::path(post, path = "/waddles/{w}/permissions/batch-check", tag = "permissions", security(("token" = ["manage"])),
    responses((status = 200, description = "The decisions.", body = BatchView)))]
pub async fn check_batch(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(body): Json<BatchBody>,
) -> Result<Json<BatchView>, Problem> {
    let asked = Asked::of(&app, &auth, &w, (&body.contextual_tuples, &body.consistency)).await?;
    let most = app.config.limits.permission_batch;
    if body.questions.len() > most {
        return Err(Problem::invalid(format!("questions: at most {most}")));
    }
    let read = body.questions.into_iter();
    let read: Vec<Read> = read
        .map(|q| Read::new(&q.object, q.relation, &q.subject))
        .collect::<Result<_, _>>()?;
    let (answers, zookie) = asked
        .answer(&app, move |q| {
            let questions: Vec<Question<'_>> = read.iter().map(Read::question).collect();
            Ok(q.at.check_many(&questions, q.limits))
        })
        .await?;
    let answers = answers.into_iter().map(Into::into).collect();
    Ok(Json(BatchView { answers, zookie }))
}

/// Of which relation the userset is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpandBody {
    /// `type:id`.
    object: String,
    /// A relation of its type.
    relation: String,
    /// Tuples that hold for this question alone.
    #[serde(default)]
    contextual_tuples: Vec<String>,
    consistency: Option<ConsistencyBody>,
}

/// Show how a userset is made up, as a tree; usersets that tuples name are its leaves.
#[utoipa::path(post, path = "/waddles/{w}/permissions/expand", tag = "permissions", security(("token" = ["manage"])),
    responses((status = 200, description = "The tree.", body = ExpandView)))]
pub async fn expand(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(body): Json<ExpandBody>,
) -> Result<Json<ExpandView>, Problem> {
    let asked = Asked::of(&app, &auth, &w, (&body.contextual_tuples, &body.consistency)).await?;
    let (object, relation) = (object(&body.object)?, body.relation);
    let (tree, zookie) = asked
        .answer(&app, move |q| {
            q.at.expand(object.as_ref(), &relation, SHOWN, q.limits)
        })
        .await?;
    Ok(Json(ExpandView {
        tree: (&tree).into(),
        zookie,
    }))
}

/// Which objects are wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListObjectsBody {
    /// Their type.
    #[serde(rename = "type")]
    #[schema(example = "channel")]
    kind: String,
    /// A relation of it.
    #[schema(example = "join")]
    relation: String,
    /// `type:id`, `type:*` or `type:id#relation`.
    #[schema(example = "user:local:alice")]
    subject: String,
    /// Tuples that hold for this question alone.
    #[serde(default)]
    contextual_tuples: Vec<String>,
    consistency: Option<ConsistencyBody>,
}

/// A page of objects.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectList {
    objects: Vec<String>,
    /// The cursor of the next page; show this page's zookie as `exact` with it, and no page misses what changes.
    next: Option<String>,
    /// Names the revision that was asked.
    zookie: String,
}

/// List the objects to which a subject has a relation.
#[utoipa::path(post, path = "/waddles/{w}/permissions/list-objects", tag = "permissions", security(("token" = ["manage"])),
    responses((status = 200, description = "A page.", body = ObjectList)))]
pub async fn list_objects(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(paging): Query<Paging>,
    Json(body): Json<ListObjectsBody>,
) -> Result<Json<ObjectList>, Problem> {
    let part = Part::of("objects", &paging)?;
    let subject = subject(&body.subject)?;
    let asked = Asked::of(&app, &auth, &w, (&body.contextual_tuples, &body.consistency)).await?;
    let (found, zookie) = asked
        .answer(&app, move |q| {
            q.at.list_objects(&body.kind, &body.relation, subject.as_ref(), q.lookup)
        })
        .await?;
    let (objects, next) = part.take(found.iter().map(ToString::to_string));
    Ok(Json(ObjectList {
        objects,
        next,
        zookie,
    }))
}

/// Who is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListUsersBody {
    /// `type:id`.
    object: String,
    /// A relation of its type.
    relation: String,
    /// A type, or `type#relation` for usersets; people where it is left out.
    #[schema(example = "user")]
    subjects: Option<String>,
    /// Tuples that hold for this question alone.
    #[serde(default)]
    contextual_tuples: Vec<String>,
    consistency: Option<ConsistencyBody>,
}

/// A page of subjects.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubjectList {
    /// Those whom tuples on the way name.
    subjects: Vec<String>,
    /// Whether everybody of the type has the relation who is not in `except`.
    everyone: bool,
    /// The first thousand whom `everyone` does not mean.
    except: Vec<String>,
    /// How many more these are.
    except_omitted: usize,
    /// The cursor of the next page; show this page's zookie as `exact` with it, and no page misses what changes.
    next: Option<String>,
    /// Names the revision that was asked.
    zookie: String,
}

/// List who has a relation to an object.
#[utoipa::path(post, path = "/waddles/{w}/permissions/list-users", tag = "permissions", security(("token" = ["manage"])),
    responses((status = 200, description = "A page.", body = SubjectList)))]
pub async fn list_users(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(paging): Query<Paging>,
    Json(body): Json<ListUsersBody>,
) -> Result<Json<SubjectList>, Problem> {
    let part = Part::of("subjects", &paging)?;
    let object = object(&body.object)?;
    let asked = Asked::of(&app, &auth, &w, (&body.contextual_tuples, &body.consistency)).await?;
    let (found, zookie) = asked
        .answer(&app, move |q| {
            let wanted = body.subjects.as_deref().unwrap_or("user");
            let wanted = match wanted.split_once('#') {
                Some((kind, relation)) => Wanted::Usersets(kind, relation),
                None => Wanted::Objects(wanted),
            };
            q.at.list_users(object.as_ref(), &body.relation, wanted, q.lookup)
        })
        .await?;
    let (subjects, next) = part.take(found.named.iter().map(ToString::to_string));
    Ok(Json(SubjectList {
        subjects,
        everyone: found.everyone,
        except: found.except.iter().take(SHOWN).map(ToString::to_string).collect(),
        except_omitted: found.except.len().saturating_sub(SHOWN),
        next,
        zookie,
    }))
}

/// Which part of a list is wanted, which is in the order of its texts.
struct Part {
    list: &'static str,
    after: Option<String>,
    limit: usize,
}

impl Part {
    fn of(list: &'static str, paging: &Paging) -> Result<Self, Problem> {
        let (limit, after) = (paging.limit()?, paging.after(list)?);
        Ok(Self { list, after, limit })
    }

    /// The part, and the cursor of the next one.
    fn take(self, all: impl Iterator<Item = String>) -> (Vec<String>, Option<String>) {
        let mut all: Vec<String> = all
            .filter(|s| self.after.as_ref().is_none_or(|a| s > a))
            .collect();
        all.sort();
        let more = all.len() > self.limit;
        all.truncate(self.limit);
        let cursor = all.last().filter(|_| more).and_then(|last| next(self.list, last));
        (all, cursor)
    }
}

/// Tell why a decision is what it is: the chain of tuples and rewrites, or what is missing.
#[utoipa::path(post, path = "/waddles/{w}/permissions/explain", tag = "permissions", security(("token" = ["manage"])),
    responses((status = 200, description = "The decision and why.", body = ExplainView)))]
pub async fn explain(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(body): Json<CheckBody>,
) -> Result<Json<ExplainView>, Problem> {
    let asked = Asked::of(&app, &auth, &w, (&body.contextual_tuples, &body.consistency)).await?;
    let read = Read::new(&body.object, body.relation, &body.subject)?;
    let explain = move |q: &Questions<'_>| q.at.explain(read.question(), q.limits);
    let (explained, zookie) = asked.answer(&app, explain).await?;
    Ok(Json(ExplainView::new(&explained, zookie)))
}
