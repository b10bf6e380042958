//! What a command is: its name, what it does, what it takes; and how a typed line is read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use waddle_core::BotId;
use waddle_storage::repo::slash::SlashCommand;

use crate::{Error, Result, incoming::clean};

/// Longest name in bytes.
const NAME: usize = 32;
/// Options of one command, and choices of one option.
const OPTIONS: usize = 20;
/// Characters of a description or label, bytes of a choice's value.
const TEXT: usize = 100;
/// Names that are the server's or that clients keep for themselves.
const RESERVED: &[&str] = &[
    "help", "me", "say", "join", "part", "msg", "nick", "topic", "history",
];

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptionKind {
    /// Any text; the last one takes the rest of the line.
    #[default]
    Text,
    /// A number.
    Number,
    /// `true` or `false`, also yes, no, on, off.
    Boolean,
}

/// One of the values that an option allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandChoice {
    /// What is sent.
    pub value: String,
    /// What people read.
    #[serde(default)]
    pub label: String,
}

/// What a command takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandOption {
    /// Its name, as a command's.
    pub name: String,
    /// What it is.
    #[serde(default)]
    pub description: String,
    /// What it takes.
    #[serde(default, rename = "type")]
    pub kind: OptionKind,
    /// Whether it must be there.
    #[serde(default)]
    pub required: bool,
    /// The only values that are allowed, where there are any.
    #[serde(default)]
    pub choices: Vec<CommandChoice>,
}

/// A command as a bot registers it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCommand {
    /// 1 to 100 characters.
    pub description: String,
    /// What it takes, in order.
    #[serde(default)]
    pub options: Vec<CommandOption>,
}

/// A command as members see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommandInfo {
    /// What is typed after the slash.
    pub name: String,
    /// What it does.
    pub description: String,
    /// What it takes.
    pub options: Vec<CommandOption>,
    /// The bot that answers; nobody for the server's own.
    pub bot: Option<BotId>,
}

/// Whether a text can be a command's name.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

/// A text on one line, if anything is left of it.
fn line(text: &str) -> Option<String> {
    let flat: String = text.trim().chars().filter(|c| !c.is_control()).collect();
    let flat = clean(&flat, TEXT);
    (!flat.is_empty()).then_some(flat)
}

impl NewCommand {
    /// Checks it, and tidies its texts.
    pub(crate) fn checked(mut self, name: &str) -> Result<Self> {
        if !is_name(name) {
            return Err(Error::invalid("name", "1 to 32 of a-z, 0-9, - and _"));
        }
        if RESERVED.contains(&name) {
            return Err(Error::Conflict("this name is the server's or clients' own"));
        }
        self.description =
            line(&self.description).ok_or_else(|| Error::invalid("description", "1 to 100 characters"))?;
        if self.options.len() > OPTIONS {
            return Err(Error::invalid("options", "at most 20"));
        }
        let mut optional = false;
        for i in 0..self.options.len() {
            let (before, rest) = self.options.split_at_mut(i);
            let Some(o) = rest.first_mut() else { break };
            if !is_name(&o.name) || before.iter().any(|b| b.name == o.name) {
                return Err(Error::invalid(
                    "options",
                    "each has a name of its own, of a-z, 0-9, - and _",
                ));
            }
            if o.required && optional {
                return Err(Error::invalid("options", "those that must be there come first"));
            }
            optional = !o.required;
            o.description = line(&o.description).unwrap_or_default();
            let fits = |c: &CommandChoice| c.value.len() <= TEXT && line(&c.value).as_ref() == Some(&c.value);
            if o.choices.len() > OPTIONS || !o.choices.iter().all(fits) {
                return Err(Error::invalid(
                    "options",
                    "at most 20 choices of 1 to 100 bytes on one line",
                ));
            }
            for c in &mut o.choices {
                c.label = line(&c.label).unwrap_or_default();
            }
        }
        Ok(self)
    }
}

impl From<&SlashCommand> for CommandInfo {
    fn from(c: &SlashCommand) -> Self {
        Self {
            name: c.name.clone(),
            description: c.description.clone(),
            options: serde_json::from_str(&c.options).unwrap_or_default(),
            bot: Some(c.bot),
        }
    }
}

/// The name and the rest of a typed line; nothing where it is no command.
pub(crate) fn split(text: &str) -> Option<(&str, &str)> {
    let line = text.strip_prefix('/')?;
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    is_name(name).then_some((name, rest.trim()))
}

fn value(o: &CommandOption, text: &str) -> Result<Value, String> {
    if !o.choices.is_empty() && !o.choices.iter().any(|c| c.value == text) {
        let all: Vec<&str> = o.choices.iter().map(|c| c.value.as_str()).collect();
        return Err(format!("{}: expected one of {}", o.name, all.join(", ")));
    }
    match o.kind {
        OptionKind::Text => Ok(text.into()),
        OptionKind::Number => {
            let n: Option<f64> = text.parse().ok().filter(|n: &f64| n.is_finite());
            n.map(|n| match text.parse::<i64>() {
                Ok(whole) => whole.into(),
                Err(_) => n.into(),
            })
            .ok_or_else(|| format!("{}: expected a number", o.name))
        }
        OptionKind::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true.into()),
            "false" | "no" | "off" | "0" => Ok(false.into()),
            _ => Err(format!("{}: expected true or false", o.name)),
        },
    }
}

/// One word of a line, which may stand in quotes, and what is behind it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    if let Some(quoted) = text.strip_prefix('"')
        && let Some((word, rest)) = quoted.split_once('"')
    {
        return (word, rest);
    }
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// The options of a typed line: `name:value` anywhere, or values in the order of the options; a text at the end takes
/// the rest of the line. A command without options takes any text. Or what is wrong, for whoever typed it.
pub fn parse(options: &[CommandOption], line: &str) -> Result<BTreeMap<String, Value>, String> {
    let mut found = BTreeMap::new();
    if options.is_empty() {
        return Ok(found);
    }
    let (mut rest, mut next) = (line.trim(), options.iter());
    while !rest.is_empty() {
        let named = rest.split_once(':').and_then(|(name, behind)| {
            let o = options.iter().find(|o| o.name == name)?;
            Some((o, word(behind)))
        });
        if let Some((o, (text, behind))) = named {
            found.insert(o.name.clone(), value(o, text)?);
            rest = behind.trim_start();
            continue;
        }
        let Some(o) = next.by_ref().find(|o| !found.contains_key(&o.name)) else {
            return Err(format!("too much: it takes {}", usage(options)));
        };
        let is_last = options.last().is_some_and(|last| last.name == o.name);
        let (text, behind) =
            if is_last && o.kind == OptionKind::Text && o.choices.is_empty() && !rest.starts_with('"') {
                (rest, "")
            } else {
                word(rest)
            };
        found.insert(o.name.clone(), value(o, text)?);
        rest = behind.trim_start();
    }
    match options
        .iter()
        .find(|o| o.required && !found.contains_key(&o.name))
    {
        Some(o) => Err(format!("{} is missing: it takes {}", o.name, usage(options))),
        None => Ok(found),
    }
}

/// What a command takes, in one line: `<city> [days]`.
pub(crate) fn usage(options: &[CommandOption]) -> String {
    let one = |o: &CommandOption| {
        let (open, close) = if o.required { ("<", ">") } else { ("[", "]") };
        [open, &o.name, close].concat()
    };
    options.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn option(name: &str, kind: OptionKind, required: bool) -> CommandOption {
        CommandOption {
            name: name.into(),
            description: String::new(),
            kind,
            required,
            choices: Vec::new(),
        }
    }

    #[test]
    fn names() {
        assert_eq!(split("/weather  Oslo now"), Some(("weather", "Oslo now")));
        assert_eq!(split("/help"), Some(("help", "")));
        for not in [
            "weather",
            "/",
            "/ x",
            "/We",
            "//x",
            "/usr/bin",
            "/ä",
            &format!("/{}", "a".repeat(33)),
        ] {
            assert_eq!(split(not), None, "{not}");
        }
    }

    #[test]
    fn lines_are_read() {
        let options = [
            option("days", OptionKind::Number, true),
            option("loud", OptionKind::Boolean, false),
            option("city", OptionKind::Text, false),
        ];
        let read = |line: &str| parse(&options, line);
        assert_eq!(
            json!(read("3 yes New York").unwrap()),
            json!({"days": 3, "loud": true, "city": "New York"})
        );
        assert_eq!(
            json!(read("city:\"New York\" 2.5").unwrap()),
            json!({"days": 2.5, "city": "New York"})
        );
        assert_eq!(
            read("").unwrap_err(),
            "days is missing: it takes <days> [loud] [city]"
        );
        assert_eq!(read("x").unwrap_err(), "days: expected a number");
        assert!(read("3 perhaps").unwrap_err().contains("true or false"));
        assert!(parse(&[], "any text: as it is").unwrap().is_empty());
        let mut choice = option("size", OptionKind::Text, true);
        choice.choices = vec![CommandChoice {
            value: "s".into(),
            label: "Small".into(),
        }];
        assert!(
            parse(std::slice::from_ref(&choice), "m")
                .unwrap_err()
                .contains("one of s")
        );
        assert!(parse(&[choice], "s s").unwrap_err().contains("too much"));
    }

    #[test]
    fn what_can_be_registered() {
        let new = |options| NewCommand {
            description: "does it".into(),
            options,
        };
        assert!(new(vec![]).checked("deploy").is_ok());
        assert!(matches!(new(vec![]).checked("help"), Err(Error::Conflict(_))));
        assert!(new(vec![]).checked("De ploy").is_err());
        let twice = option("a", OptionKind::Text, false);
        assert!(new(vec![twice.clone(), twice.clone()]).checked("x").is_err());
        assert!(
            new(vec![twice, option("b", OptionKind::Text, true)])
                .checked("x")
                .is_err()
        );
        let chosen = |value: &str| {
            let mut choice = option("a", OptionKind::Text, false);
            choice.choices = vec![CommandChoice {
                value: value.into(),
                label: ["two\nlines", &"x".repeat(1_000)].concat(),
            }];
            new(vec![choice]).checked("x")
        };
        let fine = chosen(&"v".repeat(100)).unwrap();
        let label = &fine.options[0].choices[0].label;
        assert!(
            label.starts_with("twolines") && label.chars().count() == TEXT,
            "{label}"
        );
        for bad in ["", " a", "a\nb", "a\u{0}", "\u{ffff}", &"v".repeat(101)] {
            assert!(chosen(bad).is_err(), "{bad:?}");
        }
        let none = NewCommand {
            description: " ".into(),
            options: vec![],
        };
        assert!(none.checked("x").is_err());
    }
}
