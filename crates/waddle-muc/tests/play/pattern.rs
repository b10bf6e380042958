//! Comparing what a client receives with what a script says: what the script does not name may be anything.

use std::collections::HashMap;

use waddle_stanza::{Element, Stanza};

/// Namespace of the elements that say what must not be there.
const TEST: &str = "test:";

/// Names that a script has given to values, as `{name}`.
pub type Names = HashMap<String, String>;

/// Puts known names into a text that is to be sent.
pub fn fill(text: &str, names: &Names) -> String {
    names.iter().fold(text.to_owned(), |t, (name, value)| {
        t.replace(&["{", name, "}"].concat(), value)
    })
}

fn value(pattern: &str, actual: &str, names: &mut Names) -> bool {
    if let Some(name) = pattern.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
        if name == "any" {
            return true;
        }
        return names.entry(name.to_owned()).or_insert_with(|| actual.to_owned()) == actual;
    }
    pattern == actual
}

/// Why `actual` is not what `pattern` says; `None` if it is.
pub fn mismatch(pattern: Element<'_>, actual: Element<'_>, names: &mut Names) -> Option<String> {
    if pattern.name() != actual.name() || pattern.ns() != actual.ns() {
        return Some(format!("{pattern:?} is wanted, {actual:?} came"));
    }
    for a in pattern.attrs().filter(|a| a.name() != "xmlns") {
        let wanted = a.value();
        match actual.attr(a.name()) {
            None if wanted == "{none}" => {}
            Some(v) if value(&wanted, &v, names) => {}
            v => return Some(format!("{}: {wanted:?} is wanted, {v:?} came", a.name())),
        }
    }
    let text = pattern.text();
    let text = text.trim();
    if !text.is_empty() && !value(text, actual.text().trim(), names) {
        return Some(format!("text: {text:?} is wanted, {:?} came", actual.text()));
    }
    let mut used = vec![false; actual.children().count()];
    for p in pattern.children() {
        if p.ns() == TEST {
            let name = p.attr("name").unwrap_or_default();
            let ns = p.attr("ns").unwrap_or_default();
            let found = actual.children().filter(|c| c.is(&name, &ns)).count();
            let wanted: usize = p.attr("n").map_or(0, |n| n.parse().unwrap());
            if found != wanted {
                return Some(format!("{wanted} of <{name}/> are wanted, {found} came"));
            }
            continue;
        }
        let mut why = format!("there is no {p:?}");
        let found = actual.children().enumerate().position(|(i, c)| {
            if used[i] {
                return false;
            }
            let mut tried = names.clone();
            match mismatch(p, c, &mut tried) {
                None => {
                    *names = tried;
                    true
                }
                Some(other) => {
                    if p.is(c.name(), c.ns()) {
                        why = other;
                    }
                    false
                }
            }
        });
        match found {
            Some(i) => used[i] = true,
            None => return Some(format!("in {actual:?}: {why}")),
        }
    }
    None
}

/// Reads the XML of a script.
pub fn parse(xml: &str) -> Stanza {
    Stanza::parse(xml.trim().to_owned().into()).unwrap_or_else(|e| panic!("{e}: {xml}"))
}
