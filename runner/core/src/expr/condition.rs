//! An `if:`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ast::{Expr, parse_with};
use super::error::TemplateError;
use super::eval::Contexts;
use super::function::Names;
use super::template::Template;
use super::value::Value;

/// An `if:`: a bare expression, or a text with `${{ }}`. It is stored and compared as its source text.
///
/// A text in which anything stands around the `${{ }}` (even a line break) is a string, as on GitHub:
/// `${{ false }} && true` is the text `false && true` and so always true. [`Condition::is_text`] tells.
#[derive(Clone)]
pub struct Condition {
    source: String,
    test: Test,
}

#[derive(Clone)]
enum Test {
    /// Nothing was written: only the implicit `success()` counts.
    Nothing,
    /// A bare expression.
    Bare { expr: Expr, offset: usize },
    /// A text with at least one `${{ }}`.
    Template(Template),
}

impl Condition {
    /// Parses a condition in which every context and function is allowed.
    ///
    /// # Errors
    ///
    /// When it is no expression, or as [`Template::parse`]. The user's fault.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        Self::parse_with(source, &Names::any())
    }

    /// Parses a condition in which only some contexts and functions are allowed.
    ///
    /// # Errors
    ///
    /// As [`Condition::parse`], and for names that are not allowed.
    pub fn parse_with(source: &str, names: &Names) -> Result<Self, TemplateError> {
        let text = source.trim();
        let test = if source.contains("${{") {
            Test::Template(Template::parse_with(source, names)?)
        } else if text.is_empty() {
            Test::Nothing
        } else {
            let offset = source.len() - source.trim_start().len();
            let expr = parse_with(text, names)
                .map_err(|error| TemplateError::Expression { offset, error })?;
            Test::Bare { expr, offset }
        };
        Ok(Self { source: source.to_owned(), test })
    }

    /// The text that was parsed.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its expressions: one, unless it is a text or empty.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let (bare, template) = match &self.test {
            Test::Nothing => (None, None),
            Test::Bare { expr, .. } => (Some(expr), None),
            Test::Template(template) => (None, Some(template)),
        };
        bare.into_iter().chain(template.into_iter().flat_map(Template::exprs))
    }

    /// Whether it asks for the status itself, with `success`, `failure`, `cancelled` or `always`. If not,
    /// `success() &&` is understood before it.
    #[must_use]
    pub fn has_status_function(&self) -> bool {
        self.exprs().any(Expr::has_status_function)
    }

    /// Whether it is a string with expressions in it, and so nearly always true: surely a mistake.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(&self.test, Test::Template(template) if template.whole_expr().is_none())
    }

    /// Whether the condition as written is met, without the implicit `success()`. The empty one is.
    ///
    /// # Errors
    ///
    /// When an expression cannot be evaluated. The user's fault; it must stop the job.
    pub fn evaluate(&self, contexts: &Contexts<'_>) -> Result<bool, TemplateError> {
        match &self.test {
            Test::Nothing => Ok(true),
            Test::Bare { expr, offset } => expr
                .evaluate(contexts)
                .map(|value| value.is_truthy())
                .map_err(|error| TemplateError::Expression { offset: *offset, error }),
            Test::Template(template) => template.evaluate(contexts).map(|value| value.is_truthy()),
        }
    }

    /// Whether the thing under the condition runs: with the implicit `success()`, which is false where
    /// the contexts have no status.
    ///
    /// # Errors
    ///
    /// As [`Condition::evaluate`].
    pub fn holds(&self, contexts: &Contexts<'_>) -> Result<bool, TemplateError> {
        let success = contexts.status.is_some_and(|status| status.success);
        if !success && !self.has_status_function() {
            return Ok(false);
        }
        self.evaluate(contexts)
    }

    /// Whether the condition as written is met, if that depends only on what is known now.
    ///
    /// # Errors
    ///
    /// As [`Condition::evaluate`], when it would fail whatever comes later.
    pub fn const_eval(&self, known: &Contexts<'_>) -> Result<Option<bool>, TemplateError> {
        let value = match &self.test {
            Test::Nothing => Some(Value::Bool(true)),
            Test::Bare { expr, offset } => expr
                .const_eval(known)
                .map_err(|error| TemplateError::Expression { offset: *offset, error })?,
            Test::Template(template) => template.const_eval(known)?,
        };
        Ok(value.map(|value| value.is_truthy()))
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Condition {}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = String::deserialize(deserializer)?;
        Self::parse(&source).map_err(serde::de::Error::custom)
    }
}
