//! `${}` in `dvc.yaml`: names of parameters, filled in as DVC does.

use super::value::{Node, Pairs, Value, float_text};
use crate::VersionError;
use std::sync::Arc;

/// Values by name, from parameter files, `vars` and the item of a loop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context {
    values: Pairs,
    /// Files that were taken in: all of them, or these keys.
    pub(crate) files: Vec<(String, Option<Vec<String>>)>,
}

/// Where a text stands: which file, which key of a stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) file: &'a str,
    /// The key of the stage; empty elsewhere.
    pub(crate) key: &'a str,
}

/// The parts of a text: what stands there, and names between `${` and `}`.
enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest, mut from) = (Vec::new(), text, 0);
    while let Some(found) = rest[from..].find("${") {
        let begin = from + found;
        let inner = &rest[begin + 2..];
        let end = inner.find(['}', '\n']).filter(|end| inner.as_bytes()[*end] == b'}');
        let is_escaped = rest[..begin].ends_with('\\');
        match end {
            Some(end) if !is_escaped => {
                parts.push(Part::Text(&rest[..begin]));
                parts.push(Part::Name(&inner[..end]));
                (rest, from) = (&inner[end + 1..], 0);
            }
            _ => from = begin + 2,
        }
    }
    parts.push(Part::Text(rest));
    parts
}

/// True when a text has a `${}` in it.
pub(crate) fn has_names(text: &str) -> bool {
    parts(text).len() > 1
}

impl Context {
    /// Takes in the values of a map. A name that has a value already is refused, but maps are joined.
    pub(crate) fn merge(&mut self, new: &[(Node, Node)], file: &str) -> Result<(), VersionError> {
        merge(&mut self.values, new, file)
    }

    /// The same values, with some more that stand before others of the same name.
    pub(crate) fn with(&self, names: Vec<(&str, Node)>) -> Self {
        let mut inner = self.clone();
        for (name, value) in names {
            inner.values.retain(|(key, _)| key.as_text() != Some(name));
            inner.values.push((Node::text(name), value));
        }
        inner
    }

    /// The value with all names in it filled in.
    pub(crate) fn resolve(&self, node: &Node, at: At<'_>) -> Result<Node, VersionError> {
        let value = match &node.value {
            Value::Text(text) => return self.resolve_text(text, node.line, at),
            Value::List(items) => {
                let items = items.iter().map(|item| self.resolve(item, at));
                Value::List(Arc::new(items.collect::<Result<_, _>>()?))
            }
            Value::Map(pairs) => {
                let pairs = pairs
                    .iter()
                    .map(|(key, value)| Ok((self.resolve(key, at)?, self.resolve(value, at)?)));
                Value::Map(Arc::new(pairs.collect::<Result<_, VersionError>>()?))
            }
            other => other.clone(),
        };
        Ok(Node { line: node.line, value })
    }

    fn resolve_text(&self, text: &str, line: u64, at: At<'_>) -> Result<Node, VersionError> {
        let parts = parts(text);
        if let [Part::Text(""), Part::Name(name), Part::Text("")] = parts.as_slice() {
            let found = self.select(name, line, at)?;
            // A loop takes lists and maps; everything else is one value.
            if !at.key.is_empty() {
                refuse_collection(&found, at, line)?;
            }
            return Ok(Node { line, value: found.value });
        }
        let mut filled = String::new();
        for part in parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Name(name) => {
                    let found = self.select(name, line, at)?;
                    match (&found.value, at.key) {
                        (Value::Map(_), "cmd") => filled.push_str(&options(&found, at, line)?),
                        _ => {
                            refuse_collection(&found, at, line)?;
                            filled.push_str(&shown(&found));
                        }
                    }
                }
            }
        }
        Ok(Node { line, value: Value::Text(filled.replace("\\${", "${")) })
    }

    fn select(&self, name: &str, line: u64, at: At<'_>) -> Result<Node, VersionError> {
        let refuse = |reason: String| {
            let hint = "name a value of params.yaml or of `vars`, such as ${train.epochs}";
            VersionError::input(format!("{}:{line}", at.file), reason, hint)
        };
        check_name(name).map_err(|fault| refuse(format!("${{{name}}}: {fault}")))?;
        let plain = name.replace('[', ".").replace(']', "");
        let mut found: Option<Node> = None;
        for part in plain.split('.').map(str::trim) {
            let next = match &found {
                None => get(&self.values, part).cloned(),
                Some(node) => match &node.value {
                    Value::Map(pairs) => get(pairs, part).cloned(),
                    Value::List(items) => item(items, part).cloned(),
                    _ => None,
                },
            };
            found = Some(next.ok_or_else(|| refuse(format!("there is no value ${{{name}}}")))?);
        }
        found.ok_or_else(|| refuse("`${}` names nothing".to_owned()))
    }
}

fn merge(into: &mut Pairs, new: &[(Node, Node)], file: &str) -> Result<(), VersionError> {
    // Names are texts; DVC passes over other keys, too, which nobody can name.
    for (key, value) in new.iter().filter(|(key, _)| key.as_text().is_some()) {
        match into.iter_mut().find(|(other, _)| other == key) {
            None => into.push((key.clone(), value.clone())),
            Some((_, old)) => match (&mut old.value, &value.value) {
                (Value::Map(old), Value::Map(new)) => merge(Arc::make_mut(old), new, file)?,
                _ => {
                    let name = key.as_text().unwrap_or_default();
                    return Err(VersionError::input(
                        format!("{file}:{}", key.line),
                        format!("{name} has a value already, from another file or `vars`"),
                        "give one of the two another name",
                    ));
                }
            },
        }
    }
    Ok(())
}

fn get<'a>(pairs: &'a [(Node, Node)], name: &str) -> Option<&'a Node> {
    pairs.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
}

/// An item by its number, from the end when it is negative.
fn item<'a>(items: &'a [Node], number: &str) -> Option<&'a Node> {
    let number: i64 = number.parse().ok()?;
    let length = i64::try_from(items.len()).ok()?;
    let at = if number < 0 { number + length } else { number };
    items.get(usize::try_from(at).ok()?)
}

/// A word, then words after dots or between brackets.
fn check_name(name: &str) -> Result<(), &'static str> {
    let mut rest = name;
    let mut is_first = true;
    while is_first || !rest.is_empty() {
        let (opened, inner) = match (is_first, rest.chars().next()) {
            (true, _) => (false, rest),
            (false, Some('.')) => (false, &rest[1..]),
            (false, Some('[')) => (true, &rest[1..]),
            _ => return Err("after a name comes a dot or a bracket"),
        };
        let end = inner.find(['.', '[', ']']).unwrap_or(inner.len());
        if end == 0 {
            return Err("a name is missing");
        }
        rest = &inner[end..];
        if opened {
            rest = rest.strip_prefix(']').ok_or("a bracket is not closed")?;
        }
        is_first = false;
    }
    Ok(())
}

fn refuse_collection(found: &Node, at: At<'_>, line: u64) -> Result<(), VersionError> {
    match found.value {
        Value::List(_) | Value::Map(_) => Err(VersionError::input(
            format!("{}:{line}", at.file),
            format!("`${{}}` here stands for {}, and one value belongs there", found.kind()),
            "name one of its values",
        )),
        _ => Ok(()),
    }
}

/// A value inside of a text.
pub(crate) fn shown(node: &Node) -> String {
    match &node.value {
        Value::Null => "None".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => float_text(*value),
        Value::Text(text) => text.clone(),
        Value::List(_) | Value::Map(_) => String::new(),
    }
}

/// A map inside of a command: `--name value` for each of its values, those of inner maps with dots in their names.
fn options(map: &Node, at: At<'_>, line: u64) -> Result<String, VersionError> {
    let mut all = Vec::new();
    flatten(map, "", &mut all);
    let mut text = String::new();
    for (name, value) in all {
        match &value.value {
            Value::Bool(false) => {}
            Value::Bool(true) => text.push_str(&format!("--{name} ")),
            Value::List(items) => {
                for (at_item, item) in items.iter().enumerate() {
                    refuse_collection(item, at, line)?;
                    let lead = if at_item == 0 { format!("--{name} ") } else { String::new() };
                    text.push_str(&format!("{lead}{} ", quoted(item)));
                }
            }
            _ => text.push_str(&format!("--{name} {} ", quoted(&value))),
        }
    }
    Ok(text.trim_end().to_owned())
}

fn flatten(node: &Node, above: &str, all: &mut Vec<(String, Node)>) {
    for (key, value) in node.pairs().unwrap_or_default() {
        let key = shown(key);
        let name = if above.is_empty() { key } else { format!("{above}.{key}") };
        match &value.value {
            Value::Map(pairs) if !pairs.is_empty() => flatten(value, &name, all),
            _ => all.push((name, value.clone())),
        }
    }
}

/// A text as one word of a shell; other values as they are shown, truth values as Python shows them.
fn quoted(node: &Node) -> String {
    match &node.value {
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Text(text) => {
            let is_safe = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
            match !text.is_empty() && text.chars().all(is_safe) {
                true => text.clone(),
                false => format!("'{}'", text.replace('\'', "'\"'\"'")),
            }
        }
        _ => shown(node),
    }
}

#[cfg(test)]
mod tests {
    use super::{At, Context};
    use crate::repro::value::Node;
    use crate::repro::{emit, yaml};

    fn filled(text: &str, key: &str) -> String {
        let values = "a: 1\nf: 1e-5\nt: true\nn:\nl: [x, {y: z}]\nm: {on: true, off: false, s: it's, w: [1, a b], i: {j: 2.5}}\n";
        let mut context = Context::default();
        context
            .merge(yaml::parse(values, "params.yaml").unwrap().pairs().unwrap(), "params.yaml")
            .unwrap();
        match context.resolve(&Node::text(text), At { file: "dvc.yaml", key }) {
            Ok(node) => emit::entry("x", &node, 0)
                .trim_end()
                .trim_start_matches("x:")
                .trim_start()
                .to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn names_are_filled_in_as_dvc_fills_them_in() {
        for (text, expected) in [
            ("run ${a} ${f} ${t} ${n}", "run 1 1e-05 true None"),
            ("${a}", "1"),
            ("${l[1].y}${ l.0 }", "zx"),
            ("${l[-1][y]}", "z"),
            ("\\${a} $a ${", "${a} $a ${"),
            ("go ${m}", "go --on --s 'it'\"'\"'s' --w 1 'a b' --i.j 2.5"),
        ] {
            assert_eq!(filled(text, "cmd"), expected, "{text}");
        }
        assert!(filled("${b}", "cmd").contains("there is no value ${b}"));
        assert!(filled("${a..b}", "cmd").contains("a name is missing"));
        assert!(filled("${l}", "deps").contains("stands for a list"));
        assert!(filled("x${m}", "deps").contains("stands for a map"));
    }
}
