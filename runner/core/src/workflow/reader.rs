//! From nodes to typed values: each function takes a node, reports what is wrong with it and gives what is right.

use super::availability::Allowed;
use super::model::Texts;
use crate::diagnostic::{Code, Diagnostic, Reporter};
use crate::expr::{Condition, Names, Template, TemplateError};
use crate::span::{Span, Spanned};
use crate::yaml::{Entry, Kind, Node};
use std::rc::Rc;

/// Longest id of a job, step, input or output: GitHub's limit.
const MAX_ID: usize = 100;

/// GitHub's words for `${{ }}` at a place that takes none.
pub(super) const NO_EXPRESSION: &str = "A template expression is not allowed in this context";

/// Reads one file.
pub(crate) struct Reader<'s> {
    pub(crate) source: &'s str,
    pub(crate) reporter: Reporter,
    /// What may stand in expressions, by the list that says so: a file has hundreds of expressions and a dozen lists.
    names: Vec<(Allowed, Rc<Names>)>,
}

/// The entries of a mapping whose keys are all known.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'n> {
    pub(crate) node: &'n Node,
}

impl<'n> Fields<'n> {
    pub(crate) fn get(self, key: &str) -> Option<&'n Node> {
        self.node.get(key)
    }

    pub(crate) fn entry(self, key: &str) -> Option<&'n Entry> {
        self.node.entries.iter().find(|entry| entry.key == key)
    }

    /// True when every key is among `known`.
    pub(crate) fn knows_all(self, known: &[&str]) -> bool {
        self.node.entries.iter().all(|entry| known.contains(&entry.key.as_str()))
    }
}

impl<'s> Reader<'s> {
    pub(crate) fn new(file: &str, source: &'s str) -> Self {
        Self { source, reporter: Reporter::new(file), names: Vec::new() }
    }

    pub(crate) fn finish(self) -> Vec<Diagnostic> {
        self.reporter.finish()
    }

    pub(crate) fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        if self.reporter.is_full() {
            return;
        }
        self.reporter.add(code, span.first_line_only(self.source), message, None);
    }

    pub(crate) fn error_with_help(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if self.reporter.is_full() {
            return;
        }
        let span = span.first_line_only(self.source);
        self.reporter.add(code, span, message, Some(help.into()));
    }

    /// Says that a key is part of the language and is not carried out.
    pub(crate) fn not_supported(&mut self, span: Span, what: &str, help: &str) {
        let message = format!("{what} is not supported yet");
        self.error_with_help(Code::NotSupported, span, message, help);
    }

    /// A value of another type than `expected` (with its article).
    pub(crate) fn wrong_type(&mut self, node: &Node, expected: &str) {
        let message = match node.kind {
            Kind::Str if is_one_expression(&node.text) => NO_EXPRESSION.to_owned(),
            Kind::Seq => "A sequence was not expected".to_owned(),
            Kind::Map => "A mapping was not expected".to_owned(),
            _ => format!("Unexpected value '{}'", shorten(&node.text)),
        };
        let help = format!("expected {expected}, found {}", node.kind.name());
        self.error_with_help(Code::WrongType, node.span, message, help);
    }

    /// A mapping whose keys are free.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node) -> &'n [Entry] {
        if node.kind != Kind::Map {
            self.wrong_type(node, "a mapping");
        }
        &node.entries
    }

    /// As [`Self::entries`], where GitHub also takes one expression for the whole mapping or for a key.
    pub(crate) fn open_entries<'n>(&mut self, node: &'n Node, allowed: Allowed) -> Vec<&'n Entry> {
        let help = "write the names out, each with its own expression";
        if node.kind == Kind::Str && is_one_expression(&node.text) {
            if self.template(node, allowed).is_some() {
                self.not_supported(node.span, "a whole mapping from one expression", help);
            }
            return Vec::new();
        }
        let mut entries = Vec::new();
        for entry in self.entries(node) {
            if entry.key.contains("${{") {
                self.computed_key(entry, allowed, help);
            } else if entry.key.trim().is_empty() {
                self.error(Code::InvalidValue, entry.key_span, "Unexpected value ''");
            } else {
                entries.push(entry);
            }
        }
        entries
    }

    /// A key that is an expression, or GitHub's `${{ insert }}`.
    fn computed_key(&mut self, entry: &Entry, allowed: Allowed, help: &str) {
        let inside = entry.key.trim().trim_start_matches("${{").trim_end_matches("}}").trim();
        match Template::parse_with(&entry.key, &self.names(allowed)) {
            Err(error) if inside != "insert" => {
                self.error(Code::ExpressionContext, entry.key_span, error.to_string());
            }
            _ => self.not_supported(entry.key_span, "an expression as a key", help),
        }
    }

    fn names(&mut self, allowed: Allowed) -> Rc<Names> {
        let known = self.names.iter().find(|(list, _)| std::ptr::eq(*list, allowed));
        if let Some((_, names)) = known {
            return Rc::clone(names);
        }
        let names = Rc::new(Names::listed(allowed.iter().copied()));
        self.names.push((allowed, Rc::clone(&names)));
        names
    }

    /// A mapping whose keys are among `known`.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, known: &[&str]) -> Option<Fields<'n>> {
        if node.kind != Kind::Map {
            self.wrong_type(node, "a mapping");
            return None;
        }
        for entry in &node.entries {
            if known.contains(&entry.key.as_str()) || self.reporter.is_full() {
                continue;
            }
            if entry.key.contains("${{") {
                self.error(Code::ExpressionContext, entry.key_span, NO_EXPRESSION);
                continue;
            }
            let message = format!("Unexpected value '{}'", shorten(&entry.key));
            self.error_with_help(
                Code::UnknownKey,
                entry.key_span,
                message,
                suggestion(&entry.key, known),
            );
        }
        Some(Fields { node })
    }

    /// A key that must be there.
    pub(crate) fn required<'n>(&mut self, fields: Fields<'n>, key: &str) -> Option<&'n Node> {
        let found = fields.get(key);
        if found.is_none() {
            let message = format!("Required property is missing: {key}");
            self.error(Code::MissingKey, fields.node.span, message);
        }
        found
    }

    /// A scalar without expressions.
    pub(crate) fn text(&mut self, node: &Node) -> Option<Spanned<String>> {
        if !node.is_scalar() {
            self.wrong_type(node, "a string");
            return None;
        }
        if node.text.contains("${{") {
            self.error(Code::ExpressionContext, node.span, NO_EXPRESSION);
            return None;
        }
        Some(Spanned::new(scalar_text(node), node.span))
    }

    /// A scalar without expressions that is not empty.
    pub(crate) fn non_empty(&mut self, node: &Node) -> Option<Spanned<String>> {
        let text = self.text(node)?;
        if text.value.trim().is_empty() {
            self.error(Code::InvalidValue, node.span, "Unexpected value ''");
            return None;
        }
        Some(text)
    }

    /// A string, or a sequence of strings, none empty.
    pub(crate) fn texts(&mut self, node: &Node) -> Vec<Spanned<String>> {
        match node.kind {
            Kind::Seq => node.items.iter().filter_map(|item| self.non_empty(item)).collect(),
            _ => self.non_empty(node).into_iter().collect(),
        }
    }

    /// A scalar that may hold expressions.
    pub(crate) fn template(&mut self, node: &Node, allowed: Allowed) -> Option<Spanned<Template>> {
        if !node.is_scalar() {
            self.wrong_type(node, "a string");
            return None;
        }
        let text = scalar_text(node);
        match Template::parse_with(&text, &self.names(allowed)) {
            Ok(template) => Some(Spanned::new(template, node.span)),
            Err(error) => {
                self.expression_fault(node, &error);
                None
            }
        }
    }

    /// As [`Self::template`], and not empty.
    pub(crate) fn non_empty_template(
        &mut self,
        node: &Node,
        allowed: Allowed,
    ) -> Option<Spanned<Template>> {
        if node.is_scalar() && scalar_text(node).trim().is_empty() {
            self.error(Code::InvalidValue, node.span, "Unexpected value ''");
            return None;
        }
        self.template(node, allowed)
    }

    /// An `if:`.
    pub(crate) fn condition(
        &mut self,
        node: &Node,
        allowed: Allowed,
    ) -> Option<Spanned<Condition>> {
        if !node.is_scalar() {
            self.wrong_type(node, "a string");
            return None;
        }
        match Condition::parse_with(&scalar_text(node), &self.names(allowed)) {
            Ok(condition) => Some(Spanned::new(condition, node.span)),
            Err(error) => {
                self.expression_fault(node, &error);
                None
            }
        }
    }

    /// `true`, `false` or one expression.
    pub(crate) fn boolean(&mut self, node: &Node, allowed: Allowed) -> Option<Spanned<Template>> {
        self.literal_or_expression(node, allowed, Kind::Bool, "a boolean or an expression")
    }

    /// A number or one expression.
    pub(crate) fn number(&mut self, node: &Node, allowed: Allowed) -> Option<Spanned<Template>> {
        self.literal_or_expression(node, allowed, Kind::Int, "a number or an expression")
    }

    fn literal_or_expression(
        &mut self,
        node: &Node,
        allowed: Allowed,
        kind: Kind,
        expected: &str,
    ) -> Option<Spanned<Template>> {
        let is_number = kind == Kind::Int && node.kind == Kind::Float;
        if node.kind == kind || is_number {
            let text = match node.kind {
                Kind::Bool => node.text.to_ascii_lowercase(),
                _ => node.text.clone(),
            };
            return Some(Spanned::new(Template::literal(&text), node.span));
        }
        let template = match node.kind {
            Kind::Str if node.text.contains("${{") => self.template(node, allowed)?,
            _ => {
                self.wrong_type(node, expected);
                return None;
            }
        };
        if template.value.whole_expr().is_none() {
            self.wrong_type(node, expected);
            return None;
        }
        Some(template)
    }

    /// `true` or `false`, nothing else.
    pub(crate) fn flag(&mut self, node: &Node) -> Option<bool> {
        if node.kind != Kind::Bool {
            self.wrong_type(node, "a boolean");
            return None;
        }
        Some(node.text.eq_ignore_ascii_case("true"))
    }

    /// A time limit in minutes: a positive number or an expression.
    pub(crate) fn minutes(&mut self, node: &Node, allowed: Allowed) -> Option<Spanned<Template>> {
        let minutes = self.number(node, allowed)?;
        if minutes.value.is_literal() {
            let value = crate::yaml::number(&node.text).unwrap_or(f64::NAN);
            // GitHub rounds a number that is too long to an infinity, and takes that.
            if !(value > 0.0 || value.is_infinite()) {
                let message = format!("a time limit of {} minutes is not possible", node.text);
                let help = "give a positive number; a fraction is fine (0.5 is 30 seconds)";
                self.error_with_help(Code::InvalidTimeout, node.span, message, help);
                return None;
            }
        }
        Some(minutes)
    }

    /// A mapping of names to texts.
    pub(crate) fn named_texts(&mut self, node: &Node, allowed: Allowed) -> Texts {
        let mut texts = Texts::new();
        for entry in self.open_entries(node, allowed) {
            if let Some(value) = self.template(&entry.value, allowed) {
                texts.insert(entry.key.clone(), value);
            }
        }
        texts
    }

    /// A name that GitHub takes as it is, only not empty.
    pub(crate) fn name(&mut self, entry: &Entry) {
        if entry.key.trim().is_empty() {
            self.error(Code::InvalidValue, entry.key_span, "Unexpected value ''");
        }
    }

    /// An id: a letter or `_`, then letters, digits, `-`, `_`; under 100 characters; not beginning with `__`.
    pub(crate) fn id(&mut self, text: &str, span: Span, what: &str) -> bool {
        let mut characters = text.chars();
        let sound = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && characters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let reason = if !sound || text.len() >= MAX_ID {
            "IDs may only contain alphanumeric characters, '_', and '-'. IDs must start with a letter or '_' and and must be less than 100 characters."
        } else if text.starts_with("__") {
            "IDs starting with '__' are reserved."
        } else {
            return true;
        };
        let message = format!("The identifier '{}' is invalid. {reason}", shorten(text));
        let help = format!("give this {what} another name");
        self.error_with_help(Code::InvalidId, span, message, help);
        false
    }

    /// The place that GitHub names for a fault at byte `offset` of a scalar: the `${{ }}` around it, else its line.
    fn place_of_expression(&self, node: &Node, offset: usize) -> Span {
        let text = scalar_text(node);
        let before = text.get(..offset + 3).or_else(|| text.get(..offset)).unwrap_or(&text);
        let Some(open) = before.rfind("${{") else {
            let is_one_line = node.span.line == node.span.end_line;
            return if is_one_line { node.span } else { node.place_of(self.source, offset) };
        };
        let start = node.place_of(self.source, open).start;
        let length = text[open..].find("}}").map_or(3, |end| end + 2);
        Span::between(self.source, start, start + length).first_line_only(self.source)
    }

    /// Reports a fault of an expression at its own place inside the scalar.
    pub(crate) fn expression_fault(&mut self, node: &Node, error: &TemplateError) {
        if self.reporter.is_full() {
            return;
        }
        let span = self.place_of_expression(node, error.offset());
        let message = error.to_string();
        let unknown = message.starts_with("Unrecognized named-value")
            || message.starts_with("Unrecognized function");
        let code = if unknown { Code::ExpressionContext } else { Code::ExpressionSyntax };
        let help = (unknown && message.contains("'secrets'")).then(|| {
            "secrets are not available here: put the secret in 'env' and use the variable"
                .to_owned()
        });
        self.reporter.add(code, span, message, help);
    }
}

/// Whether a text is nothing but `${{ }}`.
fn is_one_expression(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("${{") && text.ends_with("}}") && text.matches("${{").count() == 1
}

/// The text that a scalar stands for where a string is wanted.
pub(crate) fn scalar_text(node: &Node) -> String {
    match node.kind {
        Kind::Null => String::new(),
        Kind::Bool => node.text.to_ascii_lowercase(),
        _ => node.text.clone(),
    }
}

/// At most 60 characters of a text, for a message.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// `did you mean 'x'?`, or the list of what is known.
pub(crate) fn suggestion(found: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|name| (distance(&found.to_ascii_lowercase(), &name.to_ascii_lowercase()), *name))
        .min();
    match nearest {
        Some((distance, name)) if distance <= found.chars().count().max(3) / 3 => {
            format!("did you mean '{name}'?")
        }
        _ if known.is_empty() => "there is none to choose from".to_owned(),
        _ => format!("known here: {}", known.join(", ")),
    }
}

/// Edits (insert, delete, replace, swap neighbours) from one text to the other. Texts over 60 characters count as far apart.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > 60 || b.len() > 60 {
        return usize::MAX;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, right) in b.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(left != right);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && a[i - 1] == *right && b[j - 1] == *left;
            if swapped {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, suggestion};

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        assert_eq!(suggestion("jbos", &["jobs", "on"]), "did you mean 'jobs'?");
        assert_eq!(suggestion("runs_on", &["runs-on", "needs"]), "did you mean 'runs-on'?");
        assert_eq!(suggestion("zebra", &["on", "jobs"]), "known here: on, jobs");
        assert_eq!(distance("ab", "ba"), 1);
    }
}
