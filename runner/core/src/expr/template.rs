//! A text with `${{ }}` parts: most scalars of a workflow.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::MAX_RESULT_BYTES;
use super::ast::{Expr, Reference, parse_with};
use super::error::{ErrorKind, ExprError, TemplateError};
use super::eval::{Contexts, text_bytes};
use super::function::Names;
use super::value::Value;

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text to be taken as it stands.
    Literal(String),
    /// The inside of a `${{ }}`.
    Expr {
        /// The expression.
        expr: Expr,
        /// Byte offset of the expression's first character in the whole text.
        offset: usize,
    },
}

/// A text with `${{ }}` parts. It is stored and compared as its source text.
#[derive(Clone, Default)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

impl Template {
    /// Parses a text in which every context and function is allowed.
    ///
    /// # Errors
    ///
    /// For a `${{` that is not closed, has nothing inside, or holds no expression. The user's fault.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        Self::parse_with(source, &Names::any())
    }

    /// Parses a text in which only some contexts and functions are allowed.
    ///
    /// # Errors
    ///
    /// As [`Template::parse`], and for names that are not allowed.
    pub fn parse_with(source: &str, names: &Names) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(found) = source[at..].find(OPEN) {
            let open = at + found;
            if found > 0 {
                parts.push(Part::Literal(source[at..open].to_owned()));
            }
            let inside = open + OPEN.len();
            let length =
                closing(&source[inside..]).ok_or(TemplateError::Unclosed { offset: open })?;
            parts.push(expression(source, open, inside + length, names)?);
            at = inside + length + CLOSE.len();
        }
        if at < source.len() {
            parts.push(Part::Literal(source[at..].to_owned()));
        }
        Ok(Self { source: source.to_owned(), parts })
    }

    /// A text in which nothing is special, not even `${{`.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        let source = text.replace(OPEN, "${{ '${{' }}");
        Self::parse(&source).expect("every ${{ stands in a string inside an expression")
    }

    /// The text that was parsed.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The pieces, in order; no two literals follow each other, none is empty.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether it has no expression, so that it is worth its own text.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.exprs().next().is_none()
    }

    /// The expression, if the whole text is one `${{ }}` with nothing around it: then the value keeps its
    /// type.
    #[must_use]
    pub fn whole_expr(&self) -> Option<&Expr> {
        match self.parts.as_slice() {
            [Part::Expr { expr, .. }] => Some(expr),
            _ => None,
        }
    }

    /// Its expressions, in order.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expr { expr, .. } => Some(expr),
            Part::Literal(_) => None,
        })
    }

    /// Every place where it takes something from a context. Spans are within each expression.
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        self.exprs().flat_map(Expr::references)
    }

    /// What it is worth: the value of its one expression, if that is all there is, else a string in which
    /// each expression is replaced by its text.
    ///
    /// # Errors
    ///
    /// When an expression cannot be evaluated or the text gets longer than 10 MiB (in UTF-16). The user's fault.
    pub fn evaluate(&self, contexts: &Contexts<'_>) -> Result<Value, TemplateError> {
        let evaluated = self.with(|expr| expr.evaluate(contexts).map(Some))?;
        Ok(evaluated.expect("no expression was left out"))
    }

    /// What it is worth as a string.
    ///
    /// # Errors
    ///
    /// As [`Template::evaluate`], and when the whole value is a list or a map.
    pub fn evaluate_string(&self, contexts: &Contexts<'_>) -> Result<String, TemplateError> {
        let value = self.evaluate(contexts)?;
        let wrong = match &value {
            Value::Array(_) => "A sequence was not expected",
            Value::Object(_) => "A mapping was not expected",
            _ => return Ok(value.to_text()),
        };
        Err(self.fault(wrong))
    }

    /// What it is worth if that depends only on what is known now, see [`Expr::const_eval`].
    ///
    /// # Errors
    ///
    /// As [`Template::evaluate`], when it would fail whatever comes later.
    pub fn const_eval(&self, known: &Contexts<'_>) -> Result<Option<Value>, TemplateError> {
        self.with(|expr| expr.const_eval(known))
    }

    fn with(
        &self,
        mut evaluate: impl FnMut(&Expr) -> Result<Option<Value>, ExprError>,
    ) -> Result<Option<Value>, TemplateError> {
        if let [Part::Expr { expr, offset }] = self.parts.as_slice() {
            let located = |error| TemplateError::Expression { offset: *offset, error };
            return evaluate(expr).map_err(located);
        }
        let mut out = String::new();
        let mut is_known = true;
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Expr { expr, offset } => {
                    let located = |error| TemplateError::Expression { offset: *offset, error };
                    match evaluate(expr).map_err(located)? {
                        Some(value) => out.push_str(&value.to_text()),
                        None => is_known = false,
                    }
                }
            }
            if 2 * out.len() > MAX_RESULT_BYTES && text_bytes(&out) > MAX_RESULT_BYTES {
                return Err(self.fault("The maximum allowed memory size was exceeded"));
            }
        }
        Ok(is_known.then_some(Value::String(out)))
    }

    /// An error about the text as a whole.
    fn fault(&self, message: &str) -> TemplateError {
        let message = message.to_owned();
        let error = ExprError::plain(ErrorKind::Evaluation, message, 0, &self.source);
        TemplateError::Expression { offset: 0, error }
    }
}

/// The bytes before the `}}` that closes an expression; one inside a string does not.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut in_string = false;
    for (i, byte) in bytes.iter().enumerate() {
        match byte {
            // An escaped quote closes the string and opens it again.
            b'\'' => in_string = !in_string,
            b'}' if !in_string && bytes.get(i + 1) == Some(&b'}') => return Some(i),
            _ => {}
        }
    }
    None
}

/// Parses what stands between an `${{` at `open` and a `}}` at `close`.
fn expression(
    source: &str,
    open: usize,
    close: usize,
    names: &Names,
) -> Result<Part, TemplateError> {
    let inside = &source[open + OPEN.len()..close];
    let text = inside.trim();
    if text.is_empty() {
        return Err(TemplateError::Empty { offset: open });
    }
    let offset = close - inside.trim_start().len();
    let expr =
        parse_with(text, names).map_err(|error| TemplateError::Expression { offset, error })?;
    Ok(Part::Expr { expr, offset })
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.source).finish()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Template {}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = String::deserialize(deserializer)?;
        Self::parse(&source).map_err(serde::de::Error::custom)
    }
}
