//! Text to tokens. The whole text is cut before any of it is parsed, so a piece that is no token is
//! reported before a token in the wrong place.

use super::ast::{CompareOp, Span};
use super::error::{ErrorKind, ExprError};
use super::number;

/// One token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    OpenParen,
    CloseParen,
    OpenBracket,
    CloseBracket,
    Comma,
    Dot,
    Star,
    Not,
    Compare(CompareOp),
    And,
    Or,
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    /// The name of a context, a function or a property.
    Word,
}

/// Cuts an expression into tokens.
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, ExprError> {
    let mut lexer = Lexer { source, at: 0, tokens: Vec::new() };
    while lexer.skip_blanks() {
        let token = lexer.next()?;
        lexer.at = token.span.end;
        lexer.tokens.push(token);
    }
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    source: &'a str,
    /// Byte offset of the first character not yet in a token.
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    /// Whether there is more after the blanks.
    fn skip_blanks(&mut self) -> bool {
        self.at = self.source.len() - self.rest().trim_start().len();
        self.at < self.source.len()
    }

    fn token(&self, kind: TokenKind, length: usize) -> Token {
        Token { kind, span: Span { start: self.at, end: self.at + length } }
    }

    fn unexpected(&self, length: usize) -> ExprError {
        let text = &self.rest()[..length];
        ExprError::at(ErrorKind::Lexing, "Unexpected symbol", text, self.at, self.source)
    }

    fn next(&self) -> Result<Token, ExprError> {
        if let Some((kind, length)) = symbol(self.rest()) {
            return Ok(self.token(kind, length));
        }
        match self.rest().as_bytes()[0] {
            b'\'' => self.string(),
            b'.' if !self.starts_operand() => Ok(self.token(TokenKind::Dot, 1)),
            b'.' | b'+' | b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    /// Whether an operand may stand here, so that `.5` is a number and not a property.
    fn starts_operand(&self) -> bool {
        use TokenKind::{And, Comma, Compare, Not, OpenBracket, OpenParen, Or};
        self.tokens.last().is_none_or(|last| {
            matches!(last.kind, Comma | OpenParen | OpenBracket | Not | Compare(_) | And | Or)
        })
    }

    fn string(&self) -> Result<Token, ExprError> {
        let text = self.rest();
        let mut from = 1;
        while let Some(quote) = text[from..].find('\'') {
            let after = from + quote + 1;
            if text[after..].starts_with('\'') {
                from = after + 1;
                continue;
            }
            let content = text[1..after - 1].replace("''", "'");
            return Ok(self.token(TokenKind::String(content), after));
        }
        Err(self.unexpected(text.len()))
    }

    fn number(&self) -> Result<Token, ExprError> {
        let length = run_length(self.rest(), |c| c == '.' || !is_boundary(c));
        let value = number::parse(&self.rest()[..length]);
        if value.is_nan() {
            return Err(self.unexpected(length));
        }
        Ok(self.token(TokenKind::Number(value), length))
    }

    fn word(&self) -> Result<Token, ExprError> {
        let length = run_length(self.rest(), |c| !is_boundary(c));
        let word = &self.rest()[..length];
        if !is_name(word) {
            return Err(self.unexpected(length));
        }
        let is_property = self.tokens.last().is_some_and(|last| last.kind == TokenKind::Dot);
        let kind = if is_property { TokenKind::Word } else { keyword(word) };
        Ok(self.token(kind, length))
    }
}

/// The literal that a word stands for, if it does.
fn keyword(word: &str) -> TokenKind {
    match word {
        "null" => TokenKind::Null,
        "true" => TokenKind::Bool(true),
        "false" => TokenKind::Bool(false),
        "NaN" => TokenKind::Number(f64::NAN),
        "Infinity" => TokenKind::Number(f64::INFINITY),
        _ => TokenKind::Word,
    }
}

/// Punctuation at the start of a text, with its length.
fn symbol(text: &str) -> Option<(TokenKind, usize)> {
    let table = [
        ("!=", TokenKind::Compare(CompareOp::Ne)),
        ("==", TokenKind::Compare(CompareOp::Eq)),
        ("<=", TokenKind::Compare(CompareOp::Le)),
        (">=", TokenKind::Compare(CompareOp::Ge)),
        ("&&", TokenKind::And),
        ("||", TokenKind::Or),
        ("!", TokenKind::Not),
        ("<", TokenKind::Compare(CompareOp::Lt)),
        (">", TokenKind::Compare(CompareOp::Gt)),
        ("(", TokenKind::OpenParen),
        (")", TokenKind::CloseParen),
        ("[", TokenKind::OpenBracket),
        ("]", TokenKind::CloseBracket),
        (",", TokenKind::Comma),
        ("*", TokenKind::Star),
    ];
    table.into_iter().find(|(s, _)| text.starts_with(s)).map(|(s, kind)| (kind, s.len()))
}

/// The bytes of the first character and of those after it that belong to the same run.
fn run_length(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    let mut later = text.char_indices().skip(1);
    later.find(|(_, c)| !belongs(*c)).map_or(text.len(), |(at, _)| at)
}

/// Whether a character ends a word or a number.
fn is_boundary(c: char) -> bool {
    matches!(c, '(' | '[' | ')' | ']' | ',' | '.' | '!' | '>' | '<' | '=' | '&' | '|')
        || c.is_whitespace()
}

/// `[A-Za-z_][A-Za-z0-9_-]*`: what may follow a dot.
pub(super) fn is_name(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
