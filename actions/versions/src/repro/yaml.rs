//! YAML as DVC reads it: version 1.2, one document, with places.

use super::value::{Node, Pairs, Value};
use crate::VersionError;
use granit_parser::{Event, Parser, ScalarStyle, Span};
use regex::Regex;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// Most values of a document, those of aliases counted at each place: real files have some thousands.
const MOST_VALUES: usize = 1_000_000;

/// What to do about a file that cannot be read.
const HINT: &str = "write it as YAML 1.2, as DVC reads it";

static INT: LazyLock<Regex> =
    LazyLock::new(|| regex("[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?[0-9_]+|[-+]?0x[0-9a-fA-F_]+"));

static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]?\.[0-9_]+([eE][-+][0-9]+)?",
    )
});

static TIME: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        "[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \\t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}.*",
    )
});

fn regex(pattern: &str) -> Regex {
    Regex::new(&format!("^(?:{pattern})$")).expect("the pattern is one of ours")
}

/// Reads one document; an empty one is `Null`. `file` is told in errors.
pub(crate) fn parse(text: &str, file: &str) -> Result<Node, VersionError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(
            text,
            granit_parser::options! { emit_comments: false },
        ),
        file,
        anchors: HashMap::new(),
        values: 0,
    };
    let mut found: Option<Node> = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            _ if found.is_some() => {
                return Err(reader.refuse(line(&span), "a second document begins here"));
            }
            event => found = Some(reader.node(event, &span)?),
        }
    }
    Ok(found.unwrap_or(Node { line: 1, value: Value::Null }))
}

struct Reader<'a> {
    events: Parser<'a, granit_parser::StrInput<'a>>,
    file: &'a str,
    /// What an anchor stands for, and how many values that is.
    anchors: HashMap<usize, (Node, usize)>,
    values: usize,
}

fn line(span: &Span) -> u64 {
    span.start.line() as u64
}

impl<'a> Reader<'a> {
    fn refuse(&self, line: u64, reason: impl std::fmt::Display) -> VersionError {
        VersionError::input(format!("{}:{line}", self.file), reason, HINT)
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), VersionError> {
        match self.events.next() {
            None => Ok((Event::StreamEnd, Span::default())),
            Some(found) => {
                found.map_err(|error| self.refuse(error.marker().line() as u64, error.info()))
            }
        }
    }

    /// The parser lets no more than 255 collections lie in each other, so that the stack is enough.
    fn node(&mut self, event: Event<'a>, span: &Span) -> Result<Node, VersionError> {
        let (line, before) = (line(span), self.values);
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(self.refuse(line, format!("has more than {MOST_VALUES} values")));
        }
        let (value, anchor) = match event {
            Event::Alias(id) => return self.alias(id, line),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), line)?;
                let value = match style {
                    ScalarStyle::Plain => self.plain(&text, line)?,
                    _ => Value::Text(text.into_owned()),
                };
                (value, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), line)?;
                (Value::List(Arc::new(self.items()?)), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), line)?;
                (Value::Map(Arc::new(self.map()?)), anchor)
            }
            _ => return Err(self.refuse(line, "no value stands where one belongs")),
        };
        let node = Node { line, value };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.values - before));
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, line: u64) -> Result<Node, VersionError> {
        let found = self.anchors.get(&id).cloned();
        let (node, values) =
            found.ok_or_else(|| self.refuse(line, "an alias stands inside of its own value"))?;
        self.values += values;
        Ok(Node { line, value: node.value })
    }

    fn refuse_tag(&self, has_tag: bool, line: u64) -> Result<(), VersionError> {
        match has_tag {
            true => Err(self.refuse(line, "a tag (`!…`) is not read here")),
            false => Ok(()),
        }
    }

    fn items(&mut self) -> Result<Vec<Node>, VersionError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, &span)?),
            }
        }
    }

    fn map(&mut self) -> Result<Pairs, VersionError> {
        let (mut own, mut merged) = (Pairs::new(), Pairs::new());
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = match is_merge {
                true => Node { line: line(&span), value: Value::Null },
                false => self.node(event, &span)?,
            };
            let (event, span) = self.next()?;
            let value = self.node(event, &span)?;
            match (is_merge, &key.value) {
                (true, _) => merged.extend(self.merged(&value)?),
                (false, Value::List(_) | Value::Map(_)) => {
                    return Err(self.refuse(key.line, "a key is a list or a map"));
                }
                (false, _) if own.iter().any(|(other, _)| *other == key) => {
                    return Err(self.refuse(key.line, "a key stands there twice"));
                }
                (false, _) => own.push((key, value)),
            }
        }
        Ok(joined(merged, own))
    }

    /// What `<<: *x` or `<<: [*x, *y]` brings in; the first one wins.
    fn merged(&self, value: &Node) -> Result<Pairs, VersionError> {
        let sources = value.items().unwrap_or(std::slice::from_ref(value));
        let mut all = Pairs::new();
        for source in sources {
            let pairs = source.pairs();
            let pairs =
                pairs.ok_or_else(|| self.refuse(value.line, "`<<` takes maps alone"))?.to_vec();
            let new =
                pairs.into_iter().filter(|(key, _)| !all.iter().any(|(other, _)| other == key));
            let new: Pairs = new.collect();
            all.extend(new);
        }
        Ok(all)
    }

    /// What a scalar without quotes means.
    fn plain(&self, text: &str, line: u64) -> Result<Value, VersionError> {
        Ok(match text {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Float(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => Value::Float(f64::NEG_INFINITY),
            ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
            "=" => {
                return Err(self.refuse(line, "`=` has a meaning of its own: write it in quotes"));
            }
            _ if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
                Value::Text(text.to_owned())
            }
            _ if FLOAT.is_match(text) => {
                let plain = text.replace('_', "");
                let read = plain.parse().map_err(|_| self.refuse(line, "is no number"));
                Value::Float(read?)
            }
            _ if INT.is_match(text) => Value::Int(whole(text).ok_or_else(|| {
                self.refuse(line, format!("the number {text} has more than 38 digits, or none"))
            })?),
            _ if TIME.is_match(text) => {
                let reason = format!(
                    "{text} is a date, which DVC takes no parameter from: write it in quotes"
                );
                return Err(self.refuse(line, reason));
            }
            _ => Value::Text(text.to_owned()),
        })
    }
}

/// Keys that were merged in come first, with the values of the map's own keys of the same name.
fn joined(mut merged: Pairs, own: Pairs) -> Pairs {
    for (key, value) in own {
        match merged.iter_mut().find(|(other, _)| *other == key) {
            Some((_, old)) => *old = value,
            None => merged.push((key, value)),
        }
    }
    merged
}

fn whole(text: &str) -> Option<i128> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let of = |prefix: &str, radix| {
        digits.strip_prefix(prefix).map(|digits| i128::from_str_radix(digits, radix).ok())
    };
    let value = of("0b", 2).or_else(|| of("0o", 8)).or_else(|| of("0x", 16));
    Some(sign * value.unwrap_or_else(|| digits.parse().ok())?)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::repro::emit;

    fn shown(text: &str) -> String {
        match parse(text, "f") {
            Ok(node) => emit::document(&node),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn scalars_mean_what_they_mean_to_dvc() {
        // From ruamel.yaml 0.19.1, `YAML(typ="safe")`.
        for (text, expected) in [
            ("yes", "yes"),
            ("~", ""),
            ("0x1F", "31"),
            ("1.", "1.0"),
            ("1e", "1e"),
            ("+1", "1"),
            ("0.1e-3", "0.0001"),
            ("1e+5", "100000.0"),
            ("12:30", "12:30"),
            ("012", "12"),
            ("0o14", "12"),
            ("08", "8"),
            ("1_000", "1000"),
            ("-0", "0"),
            ("-.5", "-0.5"),
            ("+.5e3", "+.5e3"),
            ("_1", "_1"),
            ("+_1", "1"),
            ("True", "true"),
            ("nULL", "nULL"),
            ("0b", "0b"),
            ("-.inf", "-.inf"),
        ] {
            let blank = if expected.is_empty() { "" } else { " " };
            assert_eq!(shown(&format!("a: {text}")), format!("a:{blank}{expected}\n"), "{text}");
        }
    }

    #[test]
    fn merges_and_aliases_are_followed_and_faults_have_a_place() {
        assert_eq!(
            shown("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\n"),
            "a:\n  p: 1\n  q: 2\nb:\n  p: 1\n  q: 3\n"
        );
        assert_eq!(shown("a: &x [1]\nb: *x\n"), "a: &id001\n- 1\nb: *id001\n");
        assert!(shown("a: 1\nb: 2020-01-02\n").starts_with("f:2: 2020-01-02 is a date"));
        assert_eq!(shown("a: 1\na: 2\n"), "f:2: a key stands there twice");
        assert_eq!(shown("a: !x 1\n"), "f:1: a tag (`!…`) is not read here");
        assert!(shown("a: [\n").starts_with("f:"), "{}", shown("a: [\n"));
        assert_eq!(shown("a: 1\n---\nb: 2\n"), "f:3: a second document begins here");
        let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
        for level in 1..12 {
            let inner = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb += &format!("a{level}: &a{level} [{inner}]\n");
        }
        assert!(shown(&bomb).contains("has more than 1000000 values"), "{}", shown(&bomb));
    }
}
