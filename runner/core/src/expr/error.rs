//! What can be wrong with an expression, worded as GitHub words it.

use std::fmt;

/// The stage that refused the expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A piece of text that is no token, such as `@`, `1x` or an unclosed string.
    Lexing,
    /// Tokens in the wrong place, an unknown name, a wrong count of arguments, a broken limit.
    Parsing,
    /// A sound expression that fails on its values, such as `fromJSON('')`.
    Evaluation,
}

impl ErrorKind {
    /// `lexing`, `parsing` or `evaluation`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lexing => "lexing",
            Self::Parsing => "parsing",
            Self::Evaluation => "evaluation",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An expression that cannot be used. The user's fault: the workflow's author has to change the text
/// (or, for [`ErrorKind::Evaluation`], the values it meets).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// The stage that found it.
    pub kind: ErrorKind,
    /// The whole message, in GitHub's words.
    pub message: String,
    /// Where in `expression`, 1-based, in UTF-16 units, as GitHub counts.
    pub position: usize,
    /// The same place as a byte offset into `expression`, 0-based: for carets.
    pub offset: usize,
    /// The text that was parsed.
    pub expression: String,
}

impl ExprError {
    /// An error at a byte offset, with a message that says nothing of the place.
    pub(super) fn plain(kind: ErrorKind, message: String, offset: usize, expression: &str) -> Self {
        let position = position_of(expression, offset);
        Self { kind, message, position, offset, expression: expression.to_owned() }
    }

    /// An error about one token: `Unexpected symbol: ')'. Located at position 5 within expression: 1 < )`.
    pub(super) fn at(
        kind: ErrorKind,
        what: &str,
        token: &str,
        offset: usize,
        expression: &str,
    ) -> Self {
        let position = position_of(expression, offset);
        let message = format!(
            "{what}: '{token}'. Located at position {position} within expression: {expression}"
        );
        Self { kind, message, position, offset, expression: expression.to_owned() }
    }
}

/// The 1-based position, in UTF-16 units, of a byte offset that lies on a character border.
pub(super) fn position_of(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).encode_utf16().count() + 1
}

/// A text whose `${{ }}` parts cannot be used. The user's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `${{` without its `}}`.
    #[error(
        "The expression is not closed. An unescaped ${{{{ sequence was found, but the closing }}}} sequence was not found."
    )]
    Unclosed {
        /// Byte offset of the `${{`.
        offset: usize,
    },
    /// `${{ }}` with nothing inside.
    #[error("An expression was expected")]
    Empty {
        /// Byte offset of the `${{`.
        offset: usize,
    },
    /// The expression itself is wrong.
    #[error("{error}")]
    Expression {
        /// Byte offset of the expression's first character in the whole text; add `error.offset` for
        /// the exact place.
        offset: usize,
        /// What is wrong.
        error: ExprError,
    },
}

impl TemplateError {
    /// The exact byte offset of the fault in the whole text.
    #[must_use]
    pub fn offset(&self) -> usize {
        match self {
            Self::Unclosed { offset } | Self::Empty { offset } => *offset,
            Self::Expression { offset, error } => offset + error.offset,
        }
    }
}
