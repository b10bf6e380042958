//! What a form wants and what was filled out: [XEP-0122](https://xmpp.org/extensions/xep-0122.html) data types and
//! ranges, and the rules of [XEP-0004 §3](https://xmpp.org/extensions/xep-0004.html#protocol) for a submitted form.

use waddle_core::Timestamp;

use crate::{
    Element, XmlWriter,
    forms::{Field, FieldKind, Form},
    ns,
};

/// The data types that forms of this server use (XEP-0122 §4.1, XML Schema).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    /// A whole number.
    Integer,
    /// Any text.
    String,
    /// A date and time of XEP-0082.
    DateTime,
    /// A URI.
    AnyUri,
}

impl DataType {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Integer, "xs:integer"),
        (Self::String, "xs:string"),
        (Self::DateTime, "xs:dateTime"),
        (Self::AnyUri, "xs:anyURI"),
    ];

    /// The attribute's value.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|t| t.0 == self)
            .map_or("xs:string", |t| t.1)
    }

    fn holds(self, value: &str) -> bool {
        match self {
            Self::Integer => value.parse::<i64>().is_ok(),
            Self::String => true,
            Self::DateTime => value.parse::<Timestamp>().is_ok(),
            Self::AnyUri => value.split_once(':').is_some_and(|(scheme, rest)| {
                !rest.is_empty()
                    && scheme
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            }),
        }
    }
}

/// What a value must be besides of its type (XEP-0122 §3.2): one of these, never two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Nothing; of a list, one of the options.
    Basic,
    /// Of a list, also another value than the options.
    Open,
    /// From the least to the greatest number; of a list, also another value than the options.
    Range(i64, i64),
}

/// How the values of a field are checked (XEP-0122 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validate {
    /// What a value is.
    pub datatype: DataType,
    /// What else it must be.
    pub method: Method,
}

impl Validate {
    /// Values of a type.
    pub fn of(datatype: DataType) -> Self {
        Self {
            datatype,
            method: Method::Basic,
        }
    }

    /// Whole numbers from `min` to `max`.
    pub fn between(min: i64, max: i64) -> Self {
        Self {
            datatype: DataType::Integer,
            method: Method::Range(min, max),
        }
    }

    /// Allows other values than a list's options.
    pub fn open(mut self) -> Self {
        self.method = Method::Open;
        self
    }

    /// What is of another type than those above is checked as text (§4.1); of several methods the first counts.
    pub(crate) fn read(e: Element<'_>) -> Self {
        let datatype = e.attr("datatype").unwrap_or("xs:string".into());
        let datatype = DataType::ALL.iter().find(|t| t.1 == datatype);
        let number = |r: Element<'_>, name| r.attr(name).and_then(|v| v.parse().ok());
        let method = |c: Element<'_>| match c.name() {
            "basic" => Some(Method::Basic),
            "open" => Some(Method::Open),
            "range" => Some(Method::Range(
                number(c, "min").unwrap_or(i64::MIN),
                number(c, "max").unwrap_or(i64::MAX),
            )),
            _ => None,
        };
        Self {
            datatype: datatype.map_or(DataType::String, |t| t.0),
            method: (e.children().filter(|c| c.in_ns(ns::VALIDATE)))
                .find_map(method)
                .unwrap_or(Method::Basic),
        }
    }

    pub(crate) fn write(&self, w: &mut XmlWriter) {
        w.open_ns("validate", ns::VALIDATE)
            .attr("datatype", self.datatype.name());
        match self.method {
            Method::Basic => w.open("basic"),
            Method::Open => w.open("open"),
            Method::Range(min, max) => w.open("range").attr_display("min", min).attr_display("max", max),
        };
        w.close().close();
    }

    fn holds(&self, value: &str) -> bool {
        let within = match self.method {
            Method::Range(min, max) => value.parse().is_ok_and(|n: i64| (min..=max).contains(&n)),
            Method::Basic | Method::Open => true,
        };
        self.datatype.holds(value) && within
    }
}

/// What is wrong with a submitted form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is of another type than the form that was shown.
    #[error("FORM_TYPE is not that of the form")]
    FormType,
    /// A required field has no value.
    #[error("{0} is required")]
    Missing(String),
    /// A field for one value has several.
    #[error("{0} takes one value")]
    Several(String),
    /// A value is none of the options, or of another type.
    #[error("{0} cannot have this value")]
    Value(String),
}

impl Form {
    /// Checks what was filled out against this form, the one that was shown. Empty values of fields that need none and
    /// fields that were not asked for are left out of the answer. Addresses are not looked at: who reads them can say
    /// better what is wrong with them.
    ///
    /// # Errors
    /// The first [`Fault`].
    pub fn accept(&self, submitted: &Self) -> Result<Self, Fault> {
        if let Some(t) = submitted.form_type()
            && self.form_type() != Some(t)
        {
            return Err(Fault::FormType);
        }
        let mut out = Self::new(submitted.kind);
        for asked in &self.fields {
            let Some(var) = asked.var.as_deref() else { continue };
            let kind = asked.kind.unwrap_or_default();
            if matches!(kind, FieldKind::Fixed | FieldKind::Hidden) {
                out.fields.push(asked.clone());
                continue;
            }
            let mut values = submitted.values(var).to_vec();
            // Lines of a text may be empty, a line that is the whole text is no text.
            if kind != FieldKind::TextMulti || values.iter().all(String::is_empty) {
                values.retain(|v| !v.is_empty());
            }
            if values.is_empty() {
                if asked.required {
                    return Err(Fault::Missing(var.to_owned()));
                }
                // What was emptied is no longer what it was: a field that was sent stays, without a value.
                if submitted.get(var).is_some() {
                    out.fields.push(Field::new(var, kind));
                }
                continue;
            }
            let many = matches!(
                kind,
                FieldKind::JidMulti | FieldKind::ListMulti | FieldKind::TextMulti
            );
            if !many && values.len() > 1 {
                return Err(Fault::Several(var.to_owned()));
            }
            if !values.iter().all(|v| asked.allows(kind, v)) {
                return Err(Fault::Value(var.to_owned()));
            }
            out.fields.push(Field {
                values,
                ..Field::new(var, kind)
            });
        }
        Ok(out)
    }
}

impl Field {
    fn allows(&self, kind: FieldKind, value: &str) -> bool {
        let listed = match kind {
            FieldKind::Boolean => matches!(value, "0" | "1" | "true" | "false"),
            FieldKind::ListSingle | FieldKind::ListMulti => {
                let open = (self.validate.as_ref()).is_some_and(|v| v.method != Method::Basic);
                open || self.options.iter().any(|(_, v)| v == value)
            }
            _ => true,
        };
        listed && self.validate.as_ref().is_none_or(|v| v.holds(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Stanza, forms::FormKind};

    fn shown() -> Form {
        Form::of_type(FormKind::Form, "urn:x")
            .field(Field::new("name", FieldKind::TextSingle).required())
            .field(Field::new("on", FieldKind::Boolean))
            .field(Field::new("lines", FieldKind::TextMulti))
            .field(
                Field::new("seconds", FieldKind::ListSingle)
                    .option(None, "30")
                    .validate(Validate::between(0, 60)),
            )
            .field(Field::new("color", FieldKind::ListMulti).option(None, "red"))
            .field(Field::new("since", FieldKind::TextSingle).validate(Validate::of(DataType::DateTime)))
    }

    fn submit(fields: &[(&str, &[&str])]) -> Form {
        fields
            .iter()
            .fold(Form::new(FormKind::Submit), |f, (var, values)| {
                f.field(Field {
                    var: Some((*var).into()),
                    values: values.iter().map(|v| (*v).to_owned()).collect(),
                    ..Field::default()
                })
            })
    }

    #[test]
    fn what_is_accepted_and_what_is_not() {
        let ok = shown()
            .accept(&submit(&[
                ("name", &["x"]),
                ("seconds", &["45"]),
                ("lines", &["a", "", "b"]),
                ("color", &[]),
                ("other", &["y"]),
                ("since", &["2026-01-02T03:04:05Z"]),
            ]))
            .unwrap();
        assert_eq!(ok.form_type(), Some("urn:x"));
        assert_eq!((ok.value("name"), ok.get("other")), (Some("x"), None));
        assert_eq!(ok.values("lines"), ["a", "", "b"]);
        assert!(ok.get("color").is_some_and(|f| f.values.is_empty()) && ok.get("on").is_none());
        let bad = |fields: &[(&str, &[&str])]| shown().accept(&submit(fields)).unwrap_err();
        assert_eq!(bad(&[]), Fault::Missing("name".into()));
        assert_eq!(bad(&[("name", &[""])]), Fault::Missing("name".into()));
        assert_eq!(bad(&[("name", &["a", "b"])]), Fault::Several("name".into()));
        assert_eq!(bad(&[("FORM_TYPE", &["urn:y"])]), Fault::FormType);
        for (var, value) in [
            ("on", "maybe"),
            ("seconds", "61"),
            ("seconds", "soon"),
            ("color", "blue"),
            ("since", "yesterday"),
        ] {
            assert_eq!(
                bad(&[("name", &["x"]), (var, &[value])]),
                Fault::Value(var.into())
            );
        }
    }

    #[test]
    fn validation_round_trip() {
        for v in [
            Validate::between(1, 5),
            Validate::of(DataType::String).open(),
            Validate::of(DataType::AnyUri),
        ] {
            let mut w = XmlWriter::new();
            v.write(&mut w);
            let s = Stanza::parse(w.finish()).unwrap();
            assert_eq!(Validate::read(s.root()), v);
        }
        let two = "<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='x:y'><open/><range/></validate>";
        let s = Stanza::parse(two.into()).unwrap();
        assert_eq!(Validate::read(s.root()), Validate::of(DataType::String).open());
        assert!(DataType::AnyUri.holds("mailto:a@b") && !DataType::AnyUri.holds("a b"));
    }
}
