//! Data forms: [XEP-0004](https://xmpp.org/extensions/xep-0004.html), field types per XEP-0068 conventions.

use bytes::Bytes;

use crate::{Element, XmlWriter, ns, validate::Validate};

/// What a form is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FormKind {
    /// To be filled out.
    Form,
    /// Filled out.
    Submit,
    /// Declined.
    Cancel,
    /// Data.
    Result,
}

impl FormKind {
    fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Submit => "submit",
            Self::Cancel => "cancel",
            Self::Result => "result",
        }
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FieldKind {
    /// Yes or no.
    Boolean,
    /// Text to read.
    Fixed,
    /// Not shown.
    Hidden,
    /// Several addresses.
    JidMulti,
    /// One address.
    JidSingle,
    /// Several of the options.
    ListMulti,
    /// One of the options.
    ListSingle,
    /// Several lines.
    TextMulti,
    /// A line that is not shown while it is typed.
    TextPrivate,
    /// A line.
    #[default]
    TextSingle,
}

impl FieldKind {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Boolean, "boolean"),
        (Self::Fixed, "fixed"),
        (Self::Hidden, "hidden"),
        (Self::JidMulti, "jid-multi"),
        (Self::JidSingle, "jid-single"),
        (Self::ListMulti, "list-multi"),
        (Self::ListSingle, "list-single"),
        (Self::TextMulti, "text-multi"),
        (Self::TextPrivate, "text-private"),
        (Self::TextSingle, "text-single"),
    ];

    /// The attribute's value.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|k| k.0 == self)
            .map_or("text-single", |k| k.1)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|k| k.1 == name).map(|k| k.0)
    }
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Field {
    /// Its name; only fixed text has none.
    pub var: Option<String>,
    /// Its type; a submitted form may leave it out.
    pub kind: Option<FieldKind>,
    /// What people read.
    pub label: Option<String>,
    /// An explanation.
    pub desc: Option<String>,
    /// Whether it must be filled out.
    pub required: bool,
    /// Its values.
    pub values: Vec<String>,
    /// What may be chosen: label and value.
    pub options: Vec<(Option<String>, String)>,
    /// How its values are checked (XEP-0122).
    pub validate: Option<Validate>,
}

impl Field {
    /// A field with a name and a type.
    pub fn new(var: &str, kind: FieldKind) -> Self {
        Self {
            var: Some(var.to_owned()),
            kind: Some(kind),
            ..Self::default()
        }
    }

    /// Sets what people read.
    pub fn label(mut self, label: &str) -> Self {
        self.label = Some(label.to_owned());
        self
    }

    /// Adds a value.
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Adds a yes or no.
    pub fn flag(self, value: bool) -> Self {
        self.value(if value { "1" } else { "0" })
    }

    /// Adds an option.
    pub fn option(mut self, label: Option<&str>, value: &str) -> Self {
        self.options.push((label.map(Into::into), value.to_owned()));
        self
    }

    /// Makes it required.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Adds several values.
    pub fn values<S: Into<String>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        self.values.extend(values.into_iter().map(Into::into));
        self
    }

    /// Says how its values are checked (XEP-0122).
    pub fn validate(mut self, validate: Validate) -> Self {
        self.validate = Some(validate);
        self
    }

    fn read(e: Element<'_>) -> Self {
        let mut f = Self {
            var: e.attr("var").map(Into::into),
            kind: e.attr("type").and_then(|t| FieldKind::from_name(&t)),
            label: e.attr("label").map(Into::into),
            validate: e.child("validate", ns::VALIDATE).map(Validate::read),
            ..Self::default()
        };
        for c in e.children().filter(|c| c.in_ns(ns::DATA)) {
            match c.name() {
                "value" => f.values.push(c.text().into()),
                "desc" => f.desc = Some(c.text().into()),
                "required" => f.required = true,
                "option" => {
                    let value = c.child_text("value", ns::DATA).unwrap_or_default();
                    f.options.push((c.attr("label").map(Into::into), value.into()));
                }
                _ => {}
            }
        }
        f
    }

    fn write(&self, w: &mut XmlWriter) {
        w.open("field").attr_opt("var", self.var.as_deref());
        w.attr_opt("type", self.kind.map(FieldKind::name))
            .attr_opt("label", self.label.as_deref());
        if let Some(validate) = &self.validate {
            validate.write(w);
        }
        if let Some(desc) = &self.desc {
            w.leaf("desc", desc);
        }
        if self.required {
            w.open("required").close();
        }
        for v in &self.values {
            w.leaf("value", v);
        }
        for (label, value) in &self.options {
            w.open("option")
                .attr_opt("label", label.as_deref())
                .leaf("value", value)
                .close();
        }
        w.close();
    }
}

/// A form, filled out or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What it is for.
    pub kind: FormKind,
    /// Its title.
    pub title: Option<String>,
    /// How to fill it out.
    pub instructions: Vec<String>,
    /// Its fields.
    pub fields: Vec<Field>,
    /// The columns of a table.
    pub reported: Vec<Field>,
    /// The rows of a table.
    pub items: Vec<Vec<Field>>,
    /// An element of another namespace at its end: XML of the writer's. What is read has none.
    pub extension: Option<Bytes>,
}

impl Form {
    /// An empty form.
    pub fn new(kind: FormKind) -> Self {
        Self {
            kind,
            title: None,
            instructions: Vec::new(),
            fields: Vec::new(),
            reported: Vec::new(),
            items: Vec::new(),
            extension: None,
        }
    }

    /// An empty form with its hidden `FORM_TYPE` (XEP-0068).
    pub fn of_type(kind: FormKind, form_type: &str) -> Self {
        Self::new(kind).field(Field::new("FORM_TYPE", FieldKind::Hidden).value(form_type))
    }

    /// Sets the title.
    pub fn title(mut self, title: &str) -> Self {
        self.title = Some(title.to_owned());
        self
    }

    /// Adds a paragraph that says how to fill it out.
    pub fn instruct(mut self, text: &str) -> Self {
        self.instructions.push(text.to_owned());
        self
    }

    /// Adds a field.
    pub fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// The form among the children of `parent`.
    pub fn within(parent: Element<'_>) -> Option<Self> {
        parent.child("x", ns::DATA).and_then(Self::read)
    }

    /// Reads an `<x/>` element; `None`: it is no form or of an unknown type.
    pub fn read(e: Element<'_>) -> Option<Self> {
        if !e.is("x", ns::DATA) {
            return None;
        }
        let kind = match &*e.attr("type")? {
            "form" => FormKind::Form,
            "submit" => FormKind::Submit,
            "cancel" => FormKind::Cancel,
            "result" => FormKind::Result,
            _ => return None,
        };
        let fields = |e: Element<'_>| {
            e.children()
                .filter(|c| c.is("field", ns::DATA))
                .map(Field::read)
                .collect()
        };
        let mut form = Self {
            fields: fields(e),
            ..Self::new(kind)
        };
        for c in e.children().filter(|c| c.in_ns(ns::DATA)) {
            match c.name() {
                "title" => form.title = Some(c.text().into()),
                "instructions" => form.instructions.push(c.text().into()),
                "reported" => form.reported = fields(c),
                "item" => form.items.push(fields(c)),
                _ => {}
            }
        }
        Some(form)
    }

    /// Writes the `<x/>` element.
    pub fn write(&self, w: &mut XmlWriter) {
        w.open_ns("x", ns::DATA).attr("type", self.kind.name());
        if let Some(title) = &self.title {
            w.leaf("title", title);
        }
        for i in &self.instructions {
            w.leaf("instructions", i);
        }
        for f in &self.fields {
            f.write(w);
        }
        if !self.reported.is_empty() {
            w.open("reported");
            for f in &self.reported {
                f.write(w);
            }
            w.close();
        }
        for item in &self.items {
            w.open("item");
            for f in item {
                f.write(w);
            }
            w.close();
        }
        if let Some(xml) = &self.extension {
            w.trusted(xml);
        }
        w.close();
    }

    /// The field of that name.
    pub fn get(&self, var: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.var.as_deref() == Some(var))
    }

    /// The first value of a field.
    pub fn value(&self, var: &str) -> Option<&str> {
        self.get(var)?.values.first().map(String::as_str)
    }

    /// The values of a field.
    pub fn values(&self, var: &str) -> &[String] {
        self.get(var).map_or(&[], |f| &f.values)
    }

    /// The value of a boolean field; `None` where it is missing or neither yes nor no.
    pub fn flag(&self, var: &str) -> Option<bool> {
        match self.value(var)? {
            "1" | "true" => Some(true),
            "0" | "false" => Some(false),
            _ => None,
        }
    }

    /// `FORM_TYPE`.
    pub fn form_type(&self) -> Option<&str> {
        self.value("FORM_TYPE")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stanza;

    #[test]
    fn round_trip() {
        let mut form = Form::of_type(FormKind::Form, "urn:x")
            .title("A & B")
            .field(
                Field::new("a", FieldKind::ListSingle)
                    .label("L")
                    .value("1")
                    .option(Some("one"), "1")
                    .option(None, "2"),
            )
            .field(Field::new("b", FieldKind::Boolean).flag(true))
            .field(Field::new("c", FieldKind::TextMulti).value("x").value("<y>"));
        form.instructions.push("Do.".into());
        form.fields[1].required = true;
        form.fields[1].desc = Some("d".into());
        form.reported.push(Field::new("r", FieldKind::TextSingle));
        form.items.push(vec![Field {
            kind: None,
            ..Field::new("r", FieldKind::TextSingle).value("v")
        }]);
        let mut w = XmlWriter::new();
        form.write(&mut w);
        let s = Stanza::parse(w.finish()).unwrap();
        assert_eq!(Form::read(s.root()).unwrap(), form);
        assert_eq!(
            (form.form_type(), form.flag("b"), form.flag("a"), form.flag("z")),
            (Some("urn:x"), Some(true), Some(true), None)
        );
        assert_eq!(form.values("c"), ["x", "<y>"]);
    }

    #[test]
    fn no_forms() {
        for bad in [
            "<x xmlns='jabber:x:data'/>",
            "<x xmlns='jabber:x:data' type='odd'/>",
            "<y xmlns='jabber:x:data' type='form'/>",
            "<x type='form'/>",
        ] {
            assert_eq!(
                Form::read(Stanza::parse(bad.into()).unwrap().root()),
                None,
                "{bad}"
            );
        }
    }
}
