//! From where somebody acts: over what, from which address, with which token. It accompanies a request, so that every
//! line that the request leaves in the audit log says so (`specs/moderation.md`, "Audit log").

use std::{future::Future, net::IpAddr, sync::Arc};

tokio::task_local! {
    static VIA: Option<Arc<Via>>;
}

/// The way on which a request came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// `http`, `xmpp` or `mqtt`, or what stands between: `webhook`, `bot`.
    pub kind: &'static str,
    /// The client's address, behind trusted proxies too.
    pub address: Option<IpAddr>,
    /// The public identifier of the token or session that was shown; never the token.
    pub token: Option<Arc<str>>,
}

impl Via {
    /// Over something, from somewhere.
    pub fn new(kind: &'static str) -> Self {
        Self {
            kind,
            address: None,
            token: None,
        }
    }

    /// From this address.
    #[must_use]
    pub fn from_address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// With this token.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<Arc<str>>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Everything that is done in `work` is done on this way.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        VIA.scope(Some(Arc::new(self)), work).await
    }

    /// The way of what is done now, if it is known.
    pub fn now() -> Option<Arc<Self>> {
        VIA.try_with(Clone::clone).ok().flatten()
    }

    /// The same work, on the way of now also where it runs in a task of its own.
    pub(crate) fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
        VIA.scope(Self::now(), work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_goes_along_into_tasks() {
        assert_eq!(Via::now(), None);
        let via = Via::new("http")
            .from_address(Some([192, 0, 2, 7].into()))
            .with_token("t1");
        let seen = via
            .clone()
            .scope(async { tokio::spawn(Via::carry(async { Via::now() })).await.unwrap() })
            .await;
        assert_eq!(seen.as_deref(), Some(&via));
        assert_eq!(Via::now(), None);
    }
}
