//! JSON bodies: what is wrong with one is a problem; what was made is answered with its address.

use axum::{
    extract::{FromRequest, OptionalFromRequest, Request},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{App, problem::Problem};

/// A JSON body, of a request or of an answer. `Option<Json<T>>` may be left out, but not be wrong.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(req: Request, app: &App) -> Result<Self, Problem> {
        match <axum::Json<T> as FromRequest<App>>::from_request(req, app).await {
            Ok(axum::Json(v)) => Ok(Self(v)),
            Err(e) => Err(Problem::of_status(e.status(), e.body_text())),
        }
    }
}

impl<T: DeserializeOwned> OptionalFromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(req: Request, app: &App) -> Result<Option<Self>, Problem> {
        if req.headers().contains_key(header::CONTENT_TYPE) {
            <Self as FromRequest<App>>::from_request(req, app).await.map(Some)
        } else {
            Ok(None)
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// 201 with `Location`: what was made, and the path where it is from now on.
#[derive(Debug, Clone)]
pub struct Created<T>(pub String, pub T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut r = (StatusCode::CREATED, axum::Json(self.1)).into_response();
        if let Ok(place) = HeaderValue::from_str(&self.0) {
            r.headers_mut().insert(header::LOCATION, place);
        }
        r
    }
}
