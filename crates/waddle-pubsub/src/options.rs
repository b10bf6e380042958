//! Options of a subscription: [XEP-0060 §6.3](https://xmpp.org/extensions/xep-0060.html#subscriber-configure).

use serde::{Deserialize, Serialize};
use waddle_stanza::forms::{Field, FieldKind, Form, FormKind};

use crate::{
    error::{self, Result},
    ns,
};

/// The words of `pubsub#show-values`.
const SHOWS: [(&str, &str); 5] = [
    ("away", "Away"),
    ("chat", "Chat"),
    ("dnd", "Do not disturb"),
    ("online", "Available"),
    ("xa", "Extended away"),
];

/// How a subscriber wants to be notified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// At all.
    pub deliver: bool,
    /// Only while their presence shows one of these; empty for always.
    pub shows: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deliver: true,
            shows: Vec::new(),
        }
    }
}

impl Options {
    pub(crate) fn to_stored(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn from_stored(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As a form.
    pub fn to_form(&self, kind: FormKind) -> Form {
        let mut shows = Field::new("pubsub#show-values", FieldKind::ListMulti).label("While presence is");
        shows.values.clone_from(&self.shows);
        for (word, label) in SHOWS {
            shows = shows.option(Some(label), word);
        }
        Form::of_type(kind, ns::SUBSCRIBE_OPTIONS)
            .field(
                Field::new("pubsub#deliver", FieldKind::Boolean)
                    .label("Get notifications")
                    .flag(self.deliver),
            )
            .field(shows)
    }

    /// What a submitted form changes of them.
    pub fn with_form(&self, form: &Form) -> Result<Self> {
        let mut o = self.clone();
        for f in &form.fields {
            match f.var.as_deref() {
                None | Some("FORM_TYPE") => {}
                Some("pubsub#deliver") => {
                    o.deliver = form.flag("pubsub#deliver").ok_or_else(error::invalid_options)?;
                }
                Some("pubsub#show-values") => {
                    if f.values.iter().any(|v| SHOWS.iter().all(|s| s.0 != v)) {
                        return Err(error::invalid_options());
                    }
                    o.shows.clone_from(&f.values);
                }
                // Asked to do without what is not done here.
                Some("pubsub#digest" | "pubsub#include_body") if form.flag_of(f) == Some(false) => {}
                Some("pubsub#digest_frequency" | "pubsub#expire")
                    if f.values.iter().all(String::is_empty) => {}
                Some("pubsub#subscription_type") if f.values.iter().all(|v| v == "items") => {}
                Some("pubsub#subscription_depth") => {}
                Some(_) => return Err(error::invalid_options()),
            }
        }
        Ok(o)
    }

    /// Whether a notification goes to somebody whose presence shows this; `None`: nobody knows.
    pub fn wants(&self, show: Option<&str>) -> bool {
        self.deliver && (self.shows.is_empty() || show.is_some_and(|s| self.shows.iter().any(|w| w == s)))
    }
}

/// A field's yes or no.
trait Flag {
    fn flag_of(&self, f: &Field) -> Option<bool>;
}

impl Flag for Form {
    fn flag_of(&self, f: &Field) -> Option<bool> {
        self.flag(f.var.as_deref()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let o = Options {
            deliver: false,
            shows: vec!["dnd".into()],
        };
        assert_eq!(
            Options::default()
                .with_form(&o.to_form(FormKind::Submit))
                .unwrap(),
            o
        );
        assert_eq!(Options::from_stored(&o.to_stored()), o);
        for (var, value) in [
            ("pubsub#deliver", "x"),
            ("pubsub#show-values", "odd"),
            ("pubsub#digest", "1"),
            ("odd", ""),
        ] {
            let f = Form::of_type(FormKind::Submit, ns::SUBSCRIBE_OPTIONS)
                .field(Field::new(var, FieldKind::TextSingle).value(value));
            assert!(o.with_form(&f).is_err(), "{var}");
        }
    }

    #[test]
    fn wanted_by_presence() {
        let o = Options {
            shows: vec!["online".into(), "chat".into()],
            ..Options::default()
        };
        assert!(o.wants(Some("online")) && !o.wants(Some("dnd")) && !o.wants(None));
        assert!(Options::default().wants(None));
    }
}
