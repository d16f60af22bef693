//! YAML as a tree that knows where everything is written.
//!
//! Events come from the parser inside `serde_yaml`. Duplicate keys, unknown aliases, trees too deep or too large are
//! diagnostics; the rest of the file is still read where that is possible.

mod blame;

use crate::diagnostic::{Code, Reporter};
use crate::span::{Span, to_u32};
use serde_yaml::granit_parser::{
    ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span as EventSpan, StrInput,
    StructureStyle,
};
use std::borrow::Cow;
use std::collections::HashMap;

/// Largest accepted file, bytes: GitHub's limit.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Deepest accepted nesting: GitHub's limit.
pub const MAX_DEPTH: usize = 50;

/// Most nodes in all, aliases expanded: more than any file of [`MAX_BYTES`] without aliases has use for, and small enough
/// (about 50 MB) to be harmless.
pub const MAX_NODES: usize = 300_000;

/// Most comments right behind a bracket: each is found by reading the file once more.
const MAX_CLOSE_COMMENTS: usize = 50;

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

impl Style {
    /// Its name in GitHub's messages.
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "Plain",
            Self::SingleQuoted => "SingleQuoted",
            Self::DoubleQuoted => "DoubleQuoted",
            Self::Literal => "Literal",
            Self::Folded => "Folded",
        }
    }
}

/// What a node is, by the YAML 1.2 core schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number with a point or an exponent, an infinity, or not a number.
    Float,
    /// Any other scalar.
    Str,
    /// A sequence.
    Seq,
    /// A mapping.
    Map,
}

impl Kind {
    /// Its name in a message.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Int | Self::Float => "a number",
            Self::Str => "a string",
            Self::Seq => "a sequence",
            Self::Map => "a mapping",
        }
    }
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it is written; for an alias, where its anchor is.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
    /// A scalar's text: escapes and folding resolved, nothing else (`1e3` stays `1e3`). Empty for others.
    pub text: String,
    /// How a scalar is written.
    pub style: Style,
    /// The items of a sequence.
    pub items: Vec<Self>,
    /// The entries of a mapping, in order, keys unique.
    pub entries: Vec<Entry>,
}

/// One entry of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key is written.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// True for everything but sequences and mappings.
    pub fn is_scalar(&self) -> bool {
        !matches!(self.kind, Kind::Seq | Kind::Map)
    }

    /// Where byte `offset` of the scalar's text is written in `source`: the inner line of a block scalar, the place after
    /// escapes in a quoted one.
    pub fn place_of(&self, source: &str, offset: usize) -> Span {
        let Some(raw) = source.get(self.span.start..self.span.end.max(self.span.start)) else {
            return self.span;
        };
        let inside = align(raw, &self.text, self.style, offset);
        Span::at(source, self.span.start + inside)
    }

    /// The value as JSON: text stays as it is, numbers become numbers where JSON can say them.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match self.kind {
            Kind::Null => Value::Null,
            Kind::Bool => Value::Bool(self.text.eq_ignore_ascii_case("true")),
            Kind::Int | Kind::Float => number(&self.text)
                .and_then(json_number)
                .unwrap_or_else(|| Value::String(self.text.clone())),
            Kind::Str => Value::String(self.text.clone()),
            Kind::Seq => Value::Array(self.items.iter().map(Self::to_json).collect()),
            Kind::Map => Value::Object(
                self.entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_json()))
                    .collect(),
            ),
        }
    }
}

/// The number that a plain scalar of kind `Int` or `Float` stands for.
pub fn number(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let magnitude = if let Some(hex) = unsigned.strip_prefix("0x") {
        i64::from_str_radix(hex, 16).ok().map(|value| value as f64)
    } else if let Some(octal) = unsigned.strip_prefix("0o") {
        i64::from_str_radix(octal, 8).ok().map(|value| value as f64)
    } else if unsigned.eq_ignore_ascii_case(".inf") {
        Some(f64::INFINITY)
    } else if unsigned.eq_ignore_ascii_case(".nan") {
        Some(f64::NAN)
    } else {
        unsigned.parse().ok()
    }?;
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// A JSON number, whole where the value is whole; `None` for infinities and NaN.
pub(crate) fn json_number(value: f64) -> Option<serde_json::Value> {
    /// Up to here every whole number is a f64.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Some(serde_json::Value::from(value as i64));
    }
    serde_json::Number::from_f64(value).map(serde_json::Value::Number)
}

/// Reads a file of one document. `None` when there is nothing to go on with; the reporter says why.
pub fn read(source: &str, reporter: &mut Reporter) -> Option<Node> {
    if source.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, more than {MAX_BYTES}", source.len());
        reporter.error(Code::YamlLimit, Span::START, message);
        return None;
    }
    let mut text = Cow::Borrowed(source);
    for _ in 0..MAX_CLOSE_COMMENTS {
        let mut found = reporter.clone();
        let fault = match document(&text, &mut found) {
            Ok(node) => {
                *reporter = found;
                return node;
            }
            Err(fault) => fault,
        };
        let Some(next) = without_close_comment(&text, &fault) else {
            reporter.add(fault.code, fault.span, fault.message, fault.help);
            return None;
        };
        text = Cow::Owned(next);
    }
    let message = format!("more than {MAX_CLOSE_COMMENTS} comments without a blank before them");
    reporter.error(Code::YamlLimit, Span::START, message);
    None
}

fn document(source: &str, reporter: &mut Reporter) -> Result<Option<Node>, Fault> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(source, options);
    Builder { source, parser, anchors: HashMap::new(), nodes: 0, reporter }.document()
}

/// The file with blanks in place of the comment at which reading ended, when it stands right behind a closing bracket as in
/// `[one]#, two`: GitHub takes such a one. Every byte keeps its place.
fn without_close_comment(source: &str, fault: &Fault) -> Option<String> {
    let at = fault.span.start;
    let is_close = source.get(..at)?.ends_with([']', '}']) && source[at..].starts_with('#');
    if fault.code != Code::YamlSyntax || !is_close {
        return None;
    }
    let end = source[at..].find(['\r', '\n']).map_or(source.len(), |length| at + length);
    Some([&source[..at], &" ".repeat(end - at), &source[end..]].concat())
}

/// What ends the reading of a file.
struct Fault {
    code: Code,
    span: Span,
    message: String,
    help: Option<String>,
}

impl Fault {
    fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { code, span, message: message.into(), help: None }
    }
}

struct Builder<'s, 'r> {
    source: &'s str,
    parser: Parser<'s, StrInput<'s>>,
    /// Finished anchored nodes by id; `None` while the node is being read.
    anchors: HashMap<usize, Option<Node>>,
    nodes: usize,
    reporter: &'r mut Reporter,
}

impl<'s> Builder<'s, '_> {
    fn next(&mut self) -> Result<Option<(Event<'s>, Span)>, Fault> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, to_span(&span)))),
            Some(Err(error)) => Err(self.syntax_fault(&error)),
        }
    }

    fn document(&mut self) -> Result<Option<Node>, Fault> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart
                | Event::DocumentStart(..)
                | Event::DocumentEnd
                | Event::StreamEnd => {}
                _ if root.is_some() => {
                    return Err(Fault::new(
                        Code::YamlSyntax,
                        span,
                        "a second document begins here; a file holds one",
                    ));
                }
                event => root = Some(self.node(event, span, 1)?),
            }
        }
        Ok(root)
    }

    fn node(&mut self, event: Event<'s>, span: Span, depth: usize) -> Result<Node, Fault> {
        self.count(1, span)?;
        if depth > MAX_DEPTH {
            let message = format!("the file is nested deeper than {MAX_DEPTH} levels here");
            return Err(Fault::new(Code::YamlLimit, span, message));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref().and_then(|tag| tag.core_suffix().map(str::to_owned));
                let node = scalar(text.into_owned(), to_style(style), tag.as_deref(), span);
                if let Some(tag) = tag {
                    self.hold_to_tag(&node, &tag)?;
                }
                (node, anchor)
            }
            Event::SequenceStart(style, anchor, _) => {
                self.open(anchor);
                (self.sequence(span, style, depth)?, anchor)
            }
            Event::MappingStart(style, anchor, _) => {
                self.open(anchor);
                (self.mapping(span, style, depth)?, anchor)
            }
            Event::Alias(id) => return self.alias(id, span, depth),
            _ => return Err(Fault::new(Code::YamlSyntax, span, "a value is missing here")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, Some(node.clone()));
        }
        Ok(node)
    }

    /// A value of another type than its own tag says, in the words of GitHub's runner, which reads no further either.
    fn hold_to_tag(&self, node: &Node, tag: &str) -> Result<(), Fault> {
        let span = before_properties(self.source, node.span);
        let place = format!("on line {} and column {}", span.line, span.column);
        let fits = match tag {
            "null" => node.kind == Kind::Null,
            "bool" => node.kind == Kind::Bool,
            "int" => node.kind == Kind::Int,
            "float" => matches!(node.kind, Kind::Int | Kind::Float),
            _ => return Ok(()),
        };
        let message = if node.style != Style::Plain {
            let style = node.style.name();
            format!("The scalar style '{style}' {place} is not valid with the tag '{CORE}{tag}'")
        } else if !fits {
            format!("The value '{}' {place} is invalid for the type '{CORE}{tag}'", node.text)
        } else {
            return Ok(());
        };
        let help = Some("write the value without the tag".to_owned());
        Err(Fault { code: Code::WrongType, span, message, help })
    }

    fn open(&mut self, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<Node, Fault> {
        let node = match self.anchors.get(&id) {
            Some(Some(node)) => node.clone(),
            Some(None) => {
                return Err(Fault::new(
                    Code::YamlAlias,
                    span,
                    "this alias stands inside the very value that it names",
                ));
            }
            None => {
                return Err(Fault::new(Code::YamlAlias, span, "no anchor of this name is above"));
            }
        };
        let (nodes, levels) = measure(&node);
        self.count(nodes, span)?;
        if depth + levels > MAX_DEPTH + 1 {
            let message =
                format!("with this alias the file is nested deeper than {MAX_DEPTH} levels");
            return Err(Fault::new(Code::YamlLimit, span, message));
        }
        Ok(node)
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        let message =
            format!("with its aliases expanded the file has more than {MAX_NODES} values");
        Err(Fault::new(Code::YamlLimit, span, message))
    }

    fn sequence(&mut self, span: Span, style: StructureStyle, depth: usize) -> Result<Node, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Some((Event::SequenceEnd, end)) => {
                    let last = items.last().map(|item: &Node| item.span);
                    let span = whole(style, span, last, end);
                    return Ok(collection(Kind::Seq, span, items, Vec::new()));
                }
                Some((event, at)) => items.push(self.node(event, at, depth + 1)?),
                None => {
                    return Err(Fault::new(Code::YamlSyntax, span, "this sequence does not end"));
                }
            }
        }
    }

    fn mapping(&mut self, span: Span, style: StructureStyle, depth: usize) -> Result<Node, Fault> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut places: HashMap<String, Span> = HashMap::new();
        loop {
            let key = match self.next()? {
                Some((Event::MappingEnd, end)) => {
                    let last = entries.last().map(|entry| entry.value.span);
                    let span = whole(style, span, last, end);
                    return Ok(collection(Kind::Map, span, Vec::new(), entries));
                }
                Some((event, at)) => self.node(event, at, depth + 1)?,
                None => {
                    return Err(Fault::new(Code::YamlSyntax, span, "this mapping does not end"));
                }
            };
            let Some((event, at)) = self.next()? else {
                return Err(Fault::new(Code::YamlSyntax, key.span, "this key has no value"));
            };
            let mut value = self.node(event, at, depth + 1)?;
            if value.kind == Kind::Null && value.text.is_empty() {
                value.span = after_colon(self.source, key.span);
            }
            if !key.is_scalar() {
                return Err(Fault::new(
                    Code::YamlSyntax,
                    key.span,
                    "a key must be a single word or text",
                ));
            }
            if let Some(first) = places.get(&key.text.to_ascii_uppercase()) {
                let message = format!("'{}' is already defined", key.text);
                let help = Some(format!(
                    "keep one of the two, or merge them; the first is in line {}, column {}",
                    first.line, first.column
                ));
                self.reporter.add(Code::YamlDuplicateKey, key.span, message, help);
                continue;
            }
            places.insert(key.text.to_ascii_uppercase(), key.span);
            entries.push(Entry { key: key.text, key_span: key.span, value });
        }
    }

    fn syntax_fault(&self, error: &ScanError) -> Fault {
        let mark = error.marker();
        let offset = mark.byte_offset().unwrap_or_else(|| {
            self.source.char_indices().nth(mark.index()).map_or(self.source.len(), |(at, _)| at)
        });
        let span = where_a_person_looks(self.source, Span::at(self.source, offset));
        if *error.kind() == ErrorKind::UnknownAnchor {
            let name: String = self.source[span.start..]
                .chars()
                .take_while(|c| !c.is_whitespace() && !",]}".contains(*c))
                .collect();
            let span = Span::between(self.source, span.start, span.start + name.len());
            let message = format!("the alias '{name}' has no anchor above it");
            return Fault::new(Code::YamlAlias, span, message);
        }
        match blame::culprit(self.source, span.start) {
            Some(blame) => Fault {
                code: Code::YamlSyntax,
                span: blame.span,
                message: blame.message,
                help: Some(blame.help),
            },
            None => Fault::new(Code::YamlSyntax, span, error.info()),
        }
    }
}

/// Where a value that is not there would stand: after the colon of its key, or before the bracket that follows.
fn after_colon(source: &str, key: Span) -> Span {
    let rest = source.get(key.end..).unwrap_or_default();
    let colon = rest.len() - rest.trim_start().len();
    if !rest[colon..].starts_with(':') {
        return key;
    }
    let after = &rest[colon + 1..];
    let value = after.trim_start_matches(' ');
    let gap = if value.starts_with(['}', ',']) { after.len() - value.len() } else { 0 };
    Span::at(source, key.end + colon + 1 + gap)
}

/// The span of a collection: up to its closing bracket, or up to its last value.
fn whole(style: StructureStyle, start: Span, last: Option<Span>, end: Span) -> Span {
    let end = match (style, last) {
        (StructureStyle::Flow, _) => end,
        (StructureStyle::Block, Some(last)) if last.end > start.start => last,
        (StructureStyle::Block, _) => return start,
    };
    Span { end_line: end.end_line, end_column: end.end_column, end: end.end, ..start }
}

fn collection(kind: Kind, span: Span, items: Vec<Node>, entries: Vec<Entry>) -> Node {
    Node { span, kind, text: String::new(), style: Style::Plain, items, entries }
}

/// A fault that is noticed at the end of a file or on an empty line belongs to the last line with text before it.
fn where_a_person_looks(source: &str, span: Span) -> Span {
    let rest = source.get(span.start..).unwrap_or_default();
    let on_empty =
        rest.trim_start_matches([' ', '\t']).starts_with(['\n', '\r']) || rest.trim().is_empty();
    let line_start = source[..span.start].rfind('\n').map_or(0, |index| index + 1);
    if !on_empty || !source[line_start..span.start].trim().is_empty() {
        return span;
    }
    let before = source[..span.start].trim_end();
    let start = before.rfind('\n').map_or(0, |index| index + 1);
    let indent = before[start..].len() - before[start..].trim_start().len();
    Span::at(source, start + indent)
}

/// What the tags of the core schema begin with.
const CORE: &str = "tag:yaml.org,2002:";

/// The place of the tag and the anchor before a value of the same line, or that of the value.
fn before_properties(source: &str, span: Span) -> Span {
    let line = source[..span.start].rfind('\n').map_or(0, |end| end + 1);
    let mut start = span.start;
    while let Some(word) = source[line..start].split_whitespace().next_back() {
        if !word.starts_with(['!', '&']) {
            break;
        }
        start = source[line..start].trim_end().len() + line - word.len();
    }
    if start == span.start { span } else { Span::between(source, start, span.end) }
}

fn measure(node: &Node) -> (usize, usize) {
    let children = node.items.iter().chain(node.entries.iter().map(|entry| &entry.value));
    let (mut nodes, mut levels) = (1 + node.entries.len(), 0);
    for child in children {
        let (inner, depth) = measure(child);
        nodes += inner;
        levels = levels.max(depth);
    }
    (nodes, levels + 1)
}

fn scalar(mut text: String, style: Style, tag: Option<&str>, span: Span) -> Node {
    if style == Style::Plain && span.start == span.end {
        // Nothing is written; the parser says `~` for it.
        text.clear();
    }
    let kind = match tag {
        Some("str") => Kind::Str,
        _ if style == Style::Plain => resolve(&text),
        _ => Kind::Str,
    };
    Node { span, kind, text, style, items: Vec::new(), entries: Vec::new() }
}

/// The kind of a plain scalar by the core schema.
pub(crate) fn resolve(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return Kind::Bool,
        ".nan" | ".NaN" | ".NAN" => return Kind::Float,
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let all =
        |digits: &str, allowed: fn(char) -> bool| !digits.is_empty() && digits.chars().all(allowed);
    if all(unsigned, |c| c.is_ascii_digit())
        || text.strip_prefix("0x").is_some_and(|hex| all(hex, |c| c.is_ascii_hexdigit()))
        || text.strip_prefix("0o").is_some_and(|octal| all(octal, |c| matches!(c, '0'..='7')))
    {
        return Kind::Int;
    }
    let is_float = matches!(unsigned, ".inf" | ".Inf" | ".INF")
        || (unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && unsigned.contains(|c: char| c.is_ascii_digit())
            && unsigned.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c))
            && unsigned.parse::<f64>().is_ok());
    if is_float { Kind::Float } else { Kind::Str }
}

fn to_style(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

fn to_span(span: &EventSpan) -> Span {
    let range = span.byte_range().unwrap_or(0..0);
    Span {
        line: to_u32(span.start.line()).max(1),
        column: to_u32(span.start.col()).saturating_add(1),
        end_line: to_u32(span.end.line()).max(1),
        end_column: to_u32(span.end.col()).saturating_add(1),
        start: range.start,
        end: range.end,
    }
}

/// The byte of `raw` (a scalar as it is written) that byte `offset` of its `text` comes from. Both are walked side by
/// side; indentation, folded line ends and escapes are what they can differ in.
fn align(raw: &str, text: &str, style: Style, offset: usize) -> usize {
    let mut at = match style {
        Style::Plain => 0,
        Style::SingleQuoted | Style::DoubleQuoted => 1,
        // The span may begin at the `|` or at the text itself.
        _ if raw.starts_with(['|', '>']) => raw.find('\n').map_or(raw.len(), |index| index + 1),
        Style::Literal | Style::Folded => 0,
    };
    let mut wanted = text.char_indices().peekable();
    while let Some(&(position, expected)) = wanted.peek() {
        let Some(found) = raw.get(at..).and_then(|rest| rest.chars().next()) else { break };
        let escaped = style == Style::DoubleQuoted && found == '\\';
        let is_escape = escaped && escape(&raw[at..]).1;
        if position >= offset && (found == expected || is_escape) {
            break;
        }
        if escaped {
            let (length, makes_text) = escape(&raw[at..]);
            at += length;
            if makes_text {
                wanted.next();
            }
        } else if found == expected {
            at += found.len_utf8();
            if found == '\'' && style == Style::SingleQuoted {
                at += 1;
            }
            wanted.next();
        } else if found.is_whitespace() {
            at += found.len_utf8();
        } else if expected.is_whitespace() {
            if position >= offset {
                break;
            }
            wanted.next();
        } else {
            at += found.len_utf8();
            wanted.next();
        }
    }
    at.min(raw.len())
}

/// Length of the escape at the beginning of `raw`, and whether it stands for a character.
fn escape(raw: &str) -> (usize, bool) {
    match raw.as_bytes().get(1) {
        Some(b'x') => (4, true),
        Some(b'u') => (6, true),
        Some(b'U') => (10, true),
        Some(b'\n') => (2, false),
        Some(b'\r') => (3, false),
        Some(byte) if byte.is_ascii() => (2, true),
        _ => (1, true),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, MAX_NODES, Node, Style, number, read};
    use crate::diagnostic::{Diagnostic, Reporter};

    fn sound(source: &str) -> Node {
        let mut reporter = Reporter::new("f.yml");
        let node = read(source, &mut reporter);
        assert_eq!(reporter.finish(), []);
        node.expect("a sound file has a node")
    }

    fn faults(source: &str) -> Vec<String> {
        let mut reporter = Reporter::new("f.yml");
        read(source, &mut reporter);
        let show = |one: &Diagnostic| format!("{}:{} {}", one.line, one.column, one.code);
        reporter.finish().iter().map(show).collect()
    }

    /// Line and column at which `mark`, which stands once in the scalar, is written.
    fn place(source: &str, key: &str, mark: &str) -> (u32, u32) {
        let root = sound(source);
        let node = root.get(key).expect("the key is there");
        let span = node.place_of(source, node.text.find(mark).expect("the mark is there"));
        assert!(source[span.start..].starts_with(mark.chars().next().expect("not empty")));
        (span.line, span.column)
    }

    #[test]
    fn scalars_keep_their_text_and_know_their_kind() {
        let root = sound("[1e3, 0x1F, 0755, 1.50, true, ~, yes, '1', -7, .5, 12:30, +, 1.2.3, on]");
        let seen: Vec<(&str, Kind)> =
            root.items.iter().map(|item| (item.text.as_str(), item.kind)).collect();
        assert_eq!(
            seen,
            [
                ("1e3", Kind::Float),
                ("0x1F", Kind::Int),
                ("0755", Kind::Int),
                ("1.50", Kind::Float),
                ("true", Kind::Bool),
                ("~", Kind::Null),
                ("yes", Kind::Str),
                ("1", Kind::Str),
                ("-7", Kind::Int),
                (".5", Kind::Float),
                ("12:30", Kind::Str),
                ("+", Kind::Str),
                ("1.2.3", Kind::Str),
                ("on", Kind::Str),
            ]
        );
        assert_eq!(number("0x1F"), Some(31.0));
        assert_eq!(number("1e3"), Some(1000.0));
        assert_eq!(root.items[7].style, Style::SingleQuoted);
    }

    #[test]
    fn places_inside_scalars_are_their_own_lines() {
        assert_eq!(place("a: |\n  one\n    two\n  X\n", "a", "X"), (4, 3));
        assert_eq!(place("a: |2-\n    one\n  X\n", "a", "X"), (3, 3));
        assert_eq!(place("a: >\n  one\n  two\n\n  X y\n", "a", "X"), (5, 3));
        assert_eq!(place("k: 1\na: 'it''s X'\n", "a", "X"), (2, 11));
        assert_eq!(place("a: \"t\\tb\\u00e9 X\"\n", "a", "X"), (1, 16));
        assert_eq!(place("a: \"one \\\n   X\"\n", "a", "X"), (2, 4));
        assert_eq!(place("a: one\n  two\n  X\n", "a", "X"), (3, 3));
        assert_eq!(place("a: é X\n", "a", "X"), (1, 6));
        assert_eq!(place("a: |\r\n  one\r\n  X\r\n", "a", "X"), (3, 3));
        assert_eq!(place("a: |+\n\n\n  X\n", "a", "X"), (4, 3));
    }

    #[test]
    fn faults_are_where_a_person_looks() {
        for (source, expected) in [
            ("a: [1, 2\nb: 3\n", "1:4 yaml-syntax"),
            ("a:\n\tb: 1\n", "2:1 yaml-syntax"),
            ("a:\n  - 1\n - 2\n", "3:2 yaml-syntax"),
            ("a: 'open\n", "1:4 yaml-syntax"),
            ("a: 1\n---\nb: 2\n", "3:1 yaml-syntax"),
            ("a: &x [*x]\n", "1:8 yaml-alias"),
            ("a: *x\n", "1:4 yaml-alias"),
            ("a: {b: 1, b: 2}\n", "1:11 yaml-duplicate-key"),
            ("? [1]\n: 2\n", "1:3 yaml-syntax"),
        ] {
            assert_eq!(faults(source), [expected], "{source}");
        }
    }

    #[test]
    fn aliases_are_resolved_and_bombs_are_refused() {
        let root = sound("base: &b {x: [1, 2]}\ncopy: *b\n");
        assert_eq!(root.get("copy").map(Node::to_json), root.get("base").map(Node::to_json));
        let mut bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n".to_owned();
        for level in 1..8 {
            let before = level - 1;
            let list = vec![format!("*a{before}"); 10].join(",");
            bomb.push_str(&format!("a{level}: &a{level} [{list}]\n"));
        }
        let found = faults(&bomb);
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with("yaml-limit"), "{found:?}, limit {MAX_NODES}");
    }

    #[test]
    fn what_real_files_contain_is_sound() {
        for source in [
            "a: 'x\ny'\n",
            "a: 1 #\u{a0}comment\n",
            "\u{feff}a: 1\n",
            "a: {\n  b: 1\n}\n",
            "# only\na: 1\n...\n",
        ] {
            sound(source);
        }
    }
}
