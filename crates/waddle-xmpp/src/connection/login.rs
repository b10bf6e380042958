//! Logging in, as a part of the negotiation's reducer: both profiles of SASL and every mechanism (RFC 6120 §6,
//! XEP-0388, RFC 4616, RFC 5802, RFC 7628, XEP-0474, XEP-0484).

use smallvec::smallvec;
use waddle_core::BareJid;
use waddle_identity::{FastLogin, LoggedIn};
use waddle_stanza::{
    StreamError, XmlWriter, ns,
    sasl::{
        self, HtBinding, HtRequest, OauthBearer, Plain, SaslError, SaslRequest, ScramHash, ScramServer,
        offer_hash,
    },
};

use super::{
    effects::{Effect, Effects, Establish, FastProof, Keys, LoginFailure},
    sasl2::{self, Sasl2Request, Wish},
    state::{Negotiation, Phase, send},
};

/// A SASL mechanism of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Oauth,
    Scram(ScramHash, bool),
    /// For tokens of FAST; not in the list of mechanisms.
    Token(HtBinding),
}

impl Mechanism {
    /// All that are offered to everybody, best first.
    fn all() -> impl Iterator<Item = Self> {
        let scram = |plus| ScramHash::ALL.into_iter().map(move |h| Self::Scram(h, plus));
        scram(true).chain(scram(false)).chain([Self::Oauth, Self::Plain])
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Oauth => "OAUTHBEARER",
            Self::Scram(hash, plus) => hash.mechanism(plus),
            Self::Token(binding) => binding.mechanism(),
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::all()
            .chain(HtBinding::ALL.map(Self::Token))
            .find(|m| m.name() == name)
    }
}

impl Negotiation {
    /// The mechanisms to offer.
    pub(super) fn mechanisms(&self) -> Vec<&'static str> {
        Mechanism::all()
            .filter(|m| self.offers(*m))
            .map(Mechanism::name)
            .collect()
    }

    /// The mechanisms to offer for tokens of FAST.
    pub(super) fn fast_mechanisms(&self) -> Vec<&'static str> {
        HtBinding::ALL
            .into_iter()
            .filter(|b| self.offers(Mechanism::Token(*b)))
            .map(HtBinding::mechanism)
            .collect()
    }

    /// XEP-0388 §5: under TLS only.
    pub(super) fn offers_sasl2(&self) -> bool {
        self.secure && self.policy.sasl2
    }

    fn offers(&self, mechanism: Mechanism) -> bool {
        self.may_log_in()
            && match mechanism {
                Mechanism::Plain => self.secure,
                Mechanism::Oauth => self.secure && self.policy.oauth.is_some(),
                Mechanism::Scram(_, plus) => !plus || !self.channel.available.is_empty(),
                Mechanism::Token(b) => {
                    self.offers_sasl2() && self.policy.fast && b.data(&self.channel).is_some()
                }
            }
    }

    pub(super) fn sasl(&mut self, request: Result<SaslRequest, SaslError>) -> Effects {
        if self.login.is_some() {
            return self.close(Some(StreamError::NotAuthorized), None);
        }
        match request {
            Ok(SaslRequest::Auth(mechanism, first)) => self.auth(&mechanism, first),
            Ok(SaslRequest::Response(message)) => self.response(&message),
            Ok(SaslRequest::Abort) => self.fail(SaslError::Aborted, false),
            Err(e) => self.fail(e, false),
        }
    }

    pub(super) fn sasl2(&mut self, request: Result<Sasl2Request, SaslError>) -> Effects {
        if self.login.is_some() || !self.offers_sasl2() {
            return self.close(Some(StreamError::NotAuthorized), None);
        }
        match request {
            Ok(Sasl2Request::Authenticate(mechanism, first, wish)) => {
                if self.wish.is_some() {
                    return self.close(Some(StreamError::NotAuthorized), Some("finish logging in first"));
                }
                self.wish = Some(wish);
                self.auth(&mechanism, first)
            }
            // An exchange goes on in the profile that it began in.
            Ok(Sasl2Request::Response(message)) if self.wish.is_some() => self.response(&message),
            Ok(Sasl2Request::Abort) if self.wish.is_some() => self.fail(SaslError::Aborted, false),
            Ok(_) => {
                self.wish = Some(Box::default());
                self.fail(SaslError::MalformedRequest, false)
            }
            Err(e) => {
                self.wish.get_or_insert_default();
                self.fail(e, false)
            }
        }
    }

    fn auth(&mut self, asked: &str, first: Option<Vec<u8>>) -> Effects {
        let known = Mechanism::named(asked);
        self.mechanism = known.map_or("unknown", Mechanism::name);
        if !matches!(self.phase, Phase::Open) {
            return self.fail(SaslError::MalformedRequest, false);
        }
        let Some(mechanism) = known else {
            return self.fail(SaslError::InvalidMechanism, false);
        };
        if !self.offers(mechanism) {
            let needs_tls = !self.secure && matches!(mechanism, Mechanism::Plain | Mechanism::Oauth);
            let e = if needs_tls || !self.may_log_in() {
                SaslError::EncryptionRequired
            } else {
                SaslError::InvalidMechanism
            };
            return self.fail(e, false);
        }
        if let Some(first) = first {
            return self.first(mechanism, &first);
        }
        self.phase = Phase::First(mechanism);
        smallvec![self.challenge(&[])]
    }

    fn challenge(&self, message: &[u8]) -> Effect {
        send(if self.wish.is_some() {
            sasl2::challenge(message)
        } else {
            sasl::challenge(message)
        })
    }

    fn first(&mut self, mechanism: Mechanism, message: &[u8]) -> Effects {
        let begun = match mechanism {
            Mechanism::Plain => Plain::parse(message).map(|plain| {
                self.phase = Phase::Checking(mechanism, plain.authzid);
                Effect::VerifyPlain {
                    username: plain.authcid,
                    password: plain.password,
                }
            }),
            Mechanism::Oauth => match OauthBearer::parse(message) {
                Ok(OauthBearer { authzid, token }) => {
                    let Some(token) = token else {
                        // XEP-0493 §5.1.1: who has no token asks where to get one.
                        return self.tell(SaslError::NotAuthorized, false);
                    };
                    self.phase = Phase::Checking(mechanism, authzid);
                    Ok(Effect::VerifyToken(token))
                }
                Err(e) => Err(e),
            },
            Mechanism::Scram(hash, plus) => {
                let channel = self.channel.clone().chosen(plus);
                ScramServer::start(hash, &channel, message, &(self.random)()).map(|scram| {
                    let username = scram.username().to_owned();
                    self.phase = Phase::Finding(Box::new(scram));
                    Effect::FindKeys { hash, username }
                })
            }
            Mechanism::Token(binding) => self.token(binding, message),
        };
        match begun {
            Ok(effect) => smallvec![effect],
            Err(e) => self.fail(e, false),
        }
    }

    /// XEP-0484 §3.4: a token of a client that says which one it is.
    fn token(&mut self, mechanism: HtBinding, message: &[u8]) -> Result<Effect, SaslError> {
        let request = HtRequest::parse(message)?;
        let wish = self.wish.as_deref();
        let used = wish.and_then(|w| w.fast);
        let client = wish.and_then(|w| w.client.clone());
        let (Some(used), Some(client)) = (used, client) else {
            return Err(SaslError::MalformedRequest);
        };
        let binding = mechanism
            .data(&self.channel)
            .ok_or(SaslError::InvalidMechanism)?
            .to_vec();
        self.phase = Phase::Checking(Mechanism::Token(mechanism), None);
        Ok(Effect::VerifyFast(Box::new(FastProof {
            request,
            client,
            mechanism,
            binding,
            used,
        })))
    }

    pub(super) fn keys(&mut self, keys: Result<Keys, LoginFailure>) -> Effects {
        let Phase::Finding(scram) = std::mem::replace(&mut self.phase, Phase::Open) else {
            return Effects::new();
        };
        match keys {
            Ok(keys) => {
                let hash = scram.hash();
                let offer = self
                    .policy
                    .downgrade
                    .then(|| offer_hash(hash, &self.mechanisms(), &self.channel.names()));
                let challenge = scram.challenge_with(&keys.salt, keys.iterations, offer.as_deref());
                let message = self.challenge(challenge.message());
                self.phase = Phase::Proof(Box::new((challenge, keys)));
                smallvec![message]
            }
            Err(e) => self.refuse(e),
        }
    }

    fn response(&mut self, message: &[u8]) -> Effects {
        match std::mem::replace(&mut self.phase, Phase::Open) {
            Phase::First(mechanism) => self.first(mechanism, message),
            Phase::Told(e, true) => self.failure(e),
            Phase::Told(e, false) => self.fail(e, false),
            Phase::Proof(exchange) => {
                let (scram, keys) = *exchange;
                match scram.finish(message, &keys.candidates) {
                    Ok((which, server_final)) => {
                        let Some(login) = keys.logins.into_iter().nth(which).flatten() else {
                            return self.fail(SaslError::NotAuthorized, true);
                        };
                        self.succeed(login, scram.authzid(), &server_final, None)
                    }
                    Err(e) => self.fail(e, e == SaslError::NotAuthorized),
                }
            }
            other => {
                self.phase = other;
                self.fail(SaslError::MalformedRequest, false)
            }
        }
    }

    pub(super) fn verified(&mut self, result: Result<LoggedIn, LoginFailure>) -> Effects {
        let Phase::Checking(mechanism, authzid) = std::mem::replace(&mut self.phase, Phase::Open) else {
            return Effects::new();
        };
        match result {
            Ok(login) => self.succeed(login, authzid.as_deref(), &[], None),
            Err(LoginFailure::NotAuthorized) if mechanism == Mechanism::Oauth => {
                self.tell(SaslError::NotAuthorized, true)
            }
            Err(e) => self.refuse(e),
        }
    }

    pub(super) fn fast(&mut self, result: Result<FastLogin, LoginFailure>) -> Effects {
        let Phase::Checking(Mechanism::Token(mechanism), _) = std::mem::replace(&mut self.phase, Phase::Open)
        else {
            return Effects::new();
        };
        match result {
            Ok(f) => self.succeed(f.login, None, &f.answer, f.rotate.then_some(mechanism)),
            Err(e) => self.refuse(e),
        }
    }

    /// RFC 7628 §3.2.2: what is wrong with a token, and where to get one. A guess counts now: who guesses need not answer.
    fn tell(&mut self, e: SaslError, guess: bool) -> Effects {
        let url = self.policy.oauth.as_deref().unwrap_or_default();
        let message = [
            r#"{"status":"invalid_token","scope":"xmpp:client:normal","openid-configuration":""#,
            url,
            r#""}"#,
        ]
        .concat();
        self.phase = Phase::Told(e, guess);
        let mut out = Effects::new();
        if guess {
            out.push(self.count(e, guess));
        }
        out.push(self.challenge(message.as_bytes()));
        out
    }

    /// RFC 6120 §6.3.8: who authenticated may act as nobody else.
    fn succeed(
        &mut self,
        login: LoggedIn,
        authzid: Option<&str>,
        data: &[u8],
        rotate: Option<HtBinding>,
    ) -> Effects {
        if authzid.is_some_and(|z| !self.is_own(z, &login)) {
            return self.fail(SaslError::InvalidAuthzid, false);
        }
        if login.disabled {
            return self.fail(SaslError::AccountDisabled, false);
        }
        self.login = Some(Box::new(login.clone()));
        let counted = Effect::LoggedIn(Box::new(login.clone()), self.mechanism);
        if let Some(wish) = self.wish.take() {
            self.phase = Phase::Establishing;
            let wish: Wish = *wish;
            return smallvec![
                counted,
                Effect::Establish(Box::new(Establish {
                    login,
                    data: data.to_vec(),
                    wish,
                    rotate,
                })),
            ];
        }
        self.phase = Phase::Header;
        let success = if data.is_empty() {
            let mut w = XmlWriter::new();
            w.empty("success", ns::SASL);
            w.finish()
        } else {
            sasl::success(data)
        };
        smallvec![send(success), counted, Effect::Restart]
    }

    /// Whether an authorization identity is the account that logged in; and, in the newer profile, the one that the
    /// stream said it was (XEP-0388 §2.3).
    fn is_own(&self, authzid: &str, login: &LoggedIn) -> bool {
        let Ok(z) = authzid.parse::<BareJid>() else {
            return false;
        };
        let own = z.local() == Some(&*login.localpart) && z.domain() == &*self.policy.domain;
        own && (self.wish.is_none() || self.from.as_ref().is_none_or(|f| *f == z))
    }

    fn refuse(&mut self, failure: LoginFailure) -> Effects {
        match failure {
            LoginFailure::NotAuthorized => self.fail(SaslError::NotAuthorized, true),
            LoginFailure::Disabled => self.fail(SaslError::AccountDisabled, false),
            LoginFailure::Expired => self.fail(SaslError::CredentialsExpired, false),
            LoginFailure::Throttled(_) | LoginFailure::Temporary => {
                self.fail(SaslError::TemporaryAuthFailure, false)
            }
        }
    }

    /// Sends `<failure/>`; too many end the stream. What guessed no password counts half: a client whose
    /// `tls-unique` is not ours comes down from SCRAM-SHA-512-PLUS to PLAIN, mechanism by mechanism.
    pub(super) fn fail(&mut self, e: SaslError, guess: bool) -> Effects {
        let mut out: Effects = smallvec![self.count(e, guess)];
        out.extend(self.failure(e));
        out
    }

    fn count(&mut self, e: SaslError, guess: bool) -> Effect {
        self.attempts += if guess { 2 } else { 1 };
        Effect::Failed {
            mechanism: self.mechanism,
            reason: e.name(),
            guess,
        }
    }

    /// `<failure/>` for what was counted.
    fn failure(&mut self, e: SaslError) -> Effects {
        self.phase = Phase::Open;
        let failure = match self.wish.take() {
            Some(_) => sasl2::failure(e, advice(e)),
            None => e.to_bytes(advice(e)),
        };
        let mut out: Effects = smallvec![send(failure)];
        if self.attempts >= self.policy.attempts.saturating_mul(2) {
            out.extend(self.close(
                Some(StreamError::PolicyViolation),
                Some("too many failed logins on this stream"),
            ));
        }
        out
    }
}

/// What a person should do about a failed login.
fn advice(e: SaslError) -> Option<&'static str> {
    match e {
        SaslError::NotAuthorized => {
            Some("user name or password is wrong, or the token has expired; log in again")
        }
        SaslError::AccountDisabled => Some("this account is disabled; ask an administrator"),
        SaslError::CredentialsExpired => Some("the token has expired; log in again"),
        SaslError::TemporaryAuthFailure => {
            Some("logging in is not possible at the moment; try again in a minute")
        }
        SaslError::EncryptionRequired => Some("start TLS first"),
        SaslError::InvalidAuthzid => Some("nobody can act as another user here"),
        SaslError::InvalidMechanism => Some("this mechanism is not offered"),
        _ => None,
    }
}
