//! Tokens to a tree. Precedence, from loose to tight: `||`, `&&`, `== !=`, `< <= > >=`, `!`, `. [ ]`.

use super::ast::{CompareOp, Literal, Node, NodeKind, Span};
use super::error::{ErrorKind, ExprError};
use super::function::{Function, Names};
use super::lexer::{self, Token, TokenKind};
use super::{MAX_DEPTH, MAX_LENGTH};

/// Parses a whole expression. The empty one is `null`, as on GitHub.
pub(super) fn parse(source: &str, names: &Names) -> Result<Node, ExprError> {
    if source.encode_utf16().count() > MAX_LENGTH {
        let message = format!("Exceeded max expression length {MAX_LENGTH}");
        return Err(ExprError::plain(ErrorKind::Parsing, message, 0, source));
    }
    let tokens = lexer::tokens(source)?;
    if tokens.is_empty() {
        let span = Span { start: 0, end: source.len() };
        return Ok(Node { kind: NodeKind::Literal(Literal::Null), span, depth: 1 });
    }
    let mut parser = Parser { source, names, tokens: &tokens, at: 0, nesting: 0 };
    let root = parser.expression()?;
    match parser.peek() {
        None => Ok(root),
        Some(token) => Err(parser.unexpected(token)),
    }
}

struct Parser<'a> {
    source: &'a str,
    names: &'a Names,
    tokens: &'a [Token],
    at: usize,
    /// Open brackets and `!` around the current token: bounds the recursion.
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn peek_kind(&self) -> Option<&'a TokenKind> {
        self.peek().map(|token| &token.kind)
    }

    /// Takes the next token if it is of a kind.
    fn take(&mut self, kind: &TokenKind) -> Option<&'a Token> {
        let token = self.peek().filter(|token| token.kind == *kind)?;
        self.at += 1;
        Some(token)
    }

    /// Takes the next token, which must be of a kind.
    fn expect(&mut self, kind: &TokenKind) -> Result<&'a Token, ExprError> {
        self.take(kind).ok_or_else(|| self.stuck())
    }

    fn text(&self, span: Span) -> &'a str {
        &self.source[span.start..span.end]
    }

    fn at_token(&self, what: &str, token: &Token) -> ExprError {
        let text = self.text(token.span);
        ExprError::at(ErrorKind::Parsing, what, text, token.span.start, self.source)
    }

    fn unexpected(&self, token: &Token) -> ExprError {
        self.at_token("Unexpected symbol", token)
    }

    /// The next token cannot stand here, or is missing.
    fn stuck(&self) -> ExprError {
        match (self.peek(), self.tokens.last()) {
            (Some(token), _) => self.unexpected(token),
            (None, Some(last)) => self.at_token("Unexpected end of expression", last),
            (None, None) => unreachable!("an expression without tokens is not parsed"),
        }
    }

    fn too_deep(&self, offset: usize) -> ExprError {
        let message = format!("Exceeded max expression depth {MAX_DEPTH}");
        ExprError::plain(ErrorKind::Parsing, message, offset, self.source)
    }

    /// Makes a node, unless the tree gets too deep. Called for each level, so that a tree that is too
    /// deep never comes to exist.
    fn node(&self, kind: NodeKind, span: Span) -> Result<Node, ExprError> {
        let mut node = Node { kind, span, depth: 1 };
        node.depth += node.children().iter().map(|child| child.depth).max().unwrap_or(0);
        if node.depth > MAX_DEPTH { Err(self.too_deep(span.start)) } else { Ok(node) }
    }

    /// Parses something inside one more pair of brackets or one more `!`.
    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<Node, ExprError>,
    ) -> Result<Node, ExprError> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            let offset = self.tokens[self.at.saturating_sub(1)].span.start;
            return Err(self.too_deep(offset));
        }
        let node = inner(self)?;
        self.nesting -= 1;
        Ok(node)
    }

    fn expression(&mut self) -> Result<Node, ExprError> {
        self.nested(|parser| parser.chain(&TokenKind::Or))
    }

    /// `a || b || c` or, one level tighter, `a && b && c`.
    fn chain(&mut self, operator: &TokenKind) -> Result<Node, ExprError> {
        let is_or = *operator == TokenKind::Or;
        let mut operands = vec![self.chain_operand(is_or)?];
        while self.take(operator).is_some() {
            operands.push(self.chain_operand(is_or)?);
        }
        if operands.len() == 1 {
            return Ok(operands.remove(0));
        }
        let span = Span { start: operands[0].span.start, end: self.end_of_last() };
        let mut flat = Vec::with_capacity(operands.len());
        for operand in operands {
            match operand.kind {
                NodeKind::Or(inner) if is_or => flat.extend(inner),
                NodeKind::And(inner) if !is_or => flat.extend(inner),
                kind => flat.push(Node { kind, ..operand }),
            }
        }
        self.node(if is_or { NodeKind::Or(flat) } else { NodeKind::And(flat) }, span)
    }

    fn chain_operand(&mut self, is_or: bool) -> Result<Node, ExprError> {
        if is_or { self.chain(&TokenKind::And) } else { self.comparison(true) }
    }

    /// `a == b != c` or, one level tighter, `a < b >= c`.
    fn comparison(&mut self, is_equality: bool) -> Result<Node, ExprError> {
        let mut left = self.comparison_operand(is_equality)?;
        while let Some(TokenKind::Compare(op)) = self.peek_kind() {
            if matches!(op, CompareOp::Eq | CompareOp::Ne) != is_equality {
                break;
            }
            self.at += 1;
            let right = self.comparison_operand(is_equality)?;
            let span = Span { start: left.span.start, end: right.span.end };
            left = self.node(NodeKind::Compare(*op, Box::new(left), Box::new(right)), span)?;
        }
        Ok(left)
    }

    fn comparison_operand(&mut self, is_equality: bool) -> Result<Node, ExprError> {
        if is_equality { self.comparison(false) } else { self.unary() }
    }

    fn unary(&mut self) -> Result<Node, ExprError> {
        let Some(not) = self.take(&TokenKind::Not) else { return self.postfix() };
        let operand = self.nested(Self::unary)?;
        let span = Span { start: not.span.start, end: operand.span.end };
        self.node(NodeKind::Not(Box::new(operand)), span)
    }

    /// An operand and the `.name`, `.*`, `[index]` and `[*]` after it. Literals take none.
    fn postfix(&mut self) -> Result<Node, ExprError> {
        let (mut node, takes_postfix) = self.primary()?;
        if !takes_postfix {
            return Ok(node);
        }
        let start = node.span.start;
        loop {
            let kind = if self.take(&TokenKind::Dot).is_some() {
                self.after_dot(node)?
            } else if self.take(&TokenKind::OpenBracket).is_some() {
                self.in_brackets(node)?
            } else {
                return Ok(node);
            };
            node = self.node(kind, Span { start, end: self.end_of_last() })?;
        }
    }

    fn after_dot(&mut self, target: Node) -> Result<NodeKind, ExprError> {
        if self.take(&TokenKind::Star).is_some() {
            return Ok(NodeKind::Star(Box::new(target)));
        }
        let span = self.expect(&TokenKind::Word)?.span;
        let name = Literal::String(self.text(span).to_owned());
        let name = self.node(NodeKind::Literal(name), span)?;
        Ok(NodeKind::Index(Box::new(target), Box::new(name)))
    }

    fn in_brackets(&mut self, target: Node) -> Result<NodeKind, ExprError> {
        let kind = if self.take(&TokenKind::Star).is_some() {
            NodeKind::Star(Box::new(target))
        } else {
            NodeKind::Index(Box::new(target), Box::new(self.expression()?))
        };
        self.expect(&TokenKind::CloseBracket)?;
        Ok(kind)
    }

    /// A literal, context, call or group, and whether `.` or `[` may follow.
    fn primary(&mut self) -> Result<(Node, bool), ExprError> {
        let Some(token) = self.peek() else { return Err(self.stuck()) };
        self.at += 1;
        let literal = match &token.kind {
            TokenKind::Null => Literal::Null,
            TokenKind::Bool(b) => Literal::Bool(*b),
            TokenKind::Number(n) => Literal::Number(*n),
            TokenKind::String(s) => Literal::String(s.clone()),
            TokenKind::Word => return Ok((self.name(token)?, true)),
            TokenKind::OpenParen => {
                let inner = self.expression()?;
                self.expect(&TokenKind::CloseParen)?;
                return Ok((inner, true));
            }
            _ => return Err(self.unexpected(token)),
        };
        Ok((self.node(NodeKind::Literal(literal), token.span)?, false))
    }

    /// A context or a call.
    fn name(&mut self, token: &Token) -> Result<Node, ExprError> {
        let name = self.text(token.span);
        if self.peek_kind() == Some(&TokenKind::OpenParen) {
            let Some((function, fewest, most)) = self.names.function(name) else {
                return Err(self.at_token("Unrecognized function", token));
            };
            let arguments = self.arguments()?;
            self.check_count(function, arguments.len(), (fewest, most), token)?;
            let span = Span { start: token.span.start, end: self.end_of_last() };
            return self.node(NodeKind::Call(function, arguments), span);
        }
        if !self.names.has_context(name) {
            return Err(self.at_token("Unrecognized named-value", token));
        }
        self.node(NodeKind::Context(name.to_owned()), token.span)
    }

    fn arguments(&mut self) -> Result<Vec<Node>, ExprError> {
        self.expect(&TokenKind::OpenParen)?;
        let mut arguments = Vec::new();
        if self.take(&TokenKind::CloseParen).is_some() {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if self.take(&TokenKind::Comma).is_none() {
                self.expect(&TokenKind::CloseParen)?;
                return Ok(arguments);
            }
        }
    }

    fn check_count(
        &self,
        function: Function,
        count: usize,
        (fewest, most): (usize, usize),
        token: &Token,
    ) -> Result<(), ExprError> {
        let wrong = if count < fewest {
            "Too few parameters supplied"
        } else if count > most {
            "Too many parameters supplied"
        } else if function == Function::Case && count.is_multiple_of(2) {
            "Even number of parameters supplied, requires an odd number of parameters"
        } else {
            return Ok(());
        };
        Err(self.at_token(wrong, token))
    }

    fn end_of_last(&self) -> usize {
        self.tokens[self.at - 1].span.end
    }
}
