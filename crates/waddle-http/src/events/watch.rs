//! How long a stream may go on: as long as what was shown for it stands, and the server runs.

use std::{pin::Pin, time::Duration};

use axum::http::StatusCode;
use tokio::{
    sync::broadcast::{self, error::TryRecvError},
    time::Sleep,
};
use tokio_util::sync::CancellationToken;
use waddle_identity::IdentityEvent;

use crate::{
    App,
    auth::{Known, Proof},
    problem::Problem,
};

/// Longer than any login lasts.
const FOR_EVER: Duration = Duration::from_secs(86_400 * 365);

/// Watches over one stream's login or token.
pub struct Watch {
    known: Known,
    events: broadcast::Receiver<IdentityEvent>,
    expiry: Pin<Box<Sleep>>,
    stop: CancellationToken,
}

/// What was missed may have been this one's end: whoever resumes shows once more what they have.
fn missed() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "missed",
        "the server missed events; resume from your cursor",
    )
}

fn revoked() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "revoked",
        "the login or token of this stream ended; log in again",
    )
}

impl Watch {
    /// From now on.
    pub fn new(app: &App, known: Known) -> Self {
        let expires_at = match &known.proof {
            Proof::Login(session, _) => Some(session.expires_at),
            Proof::Token { expires_at, .. } => *expires_at,
        };
        let left = expires_at.map_or(FOR_EVER, |at| at.since(app.deps.identity.now()));
        Self {
            known,
            events: app.deps.identity.events(),
            expiry: Box::pin(tokio::time::sleep(left.min(FOR_EVER))),
            stop: app.stop.clone(),
        }
    }

    /// Waits for the end, and says why.
    pub async fn ended(&mut self) -> Problem {
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Ok(event) if self.ends(&event) => return revoked(),
                    Ok(_) => {}
                    Err(_) => return missed(),
                },
                () = &mut self.expiry => return revoked(),
                () = self.stop.cancelled() => {
                    return Problem::new(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "restart",
                        "the server stops; resume from your cursor",
                    );
                }
            }
        }
    }

    /// The end, if it came already.
    pub fn ended_already(&mut self) -> Option<Problem> {
        loop {
            match self.events.try_recv() {
                Ok(event) if self.ends(&event) => return Some(revoked()),
                Ok(_) => {}
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => return Some(missed()),
            }
        }
    }

    fn ends(&self, event: &IdentityEvent) -> bool {
        let own = &self.known.account.user;
        match (event, &self.known.proof) {
            (IdentityEvent::AccountDeleted { user } | IdentityEvent::AccountDisabled { user }, _) => {
                user == own
            }
            (IdentityEvent::SessionEnded { session, .. }, Proof::Login(own, _)) => *session == own.id,
            (IdentityEvent::AccessTokenRevoked { token, .. }, Proof::Token { id, .. }) => Some(*token) == *id,
            (IdentityEvent::CredentialRevoked { credential, .. }, Proof::Token { credential: own, .. }) => {
                Some(credential) == own.as_ref()
            }
            _ => false,
        }
    }
}
