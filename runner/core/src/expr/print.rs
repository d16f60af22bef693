//! A tree back to text, in one fixed style. Parsing the text gives the same tree.

use std::fmt::{self, Display, Formatter, Write};

use super::ast::{CompareOp, Literal, Node, NodeKind};
use super::lexer::is_name;

/// How tightly a node holds together; brackets go around an operand that is looser than its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tightness {
    Or,
    And,
    Equality,
    Order,
    Not,
    /// A literal: takes no `.name` without brackets.
    Literal,
    Postfix,
}

fn tightness(node: &Node) -> Tightness {
    match &node.kind {
        NodeKind::Or(_) => Tightness::Or,
        NodeKind::And(_) => Tightness::And,
        NodeKind::Compare(CompareOp::Eq | CompareOp::Ne, ..) => Tightness::Equality,
        NodeKind::Compare(..) => Tightness::Order,
        NodeKind::Not(_) => Tightness::Not,
        NodeKind::Literal(_) => Tightness::Literal,
        NodeKind::Context(_) | NodeKind::Call(..) | NodeKind::Index(..) | NodeKind::Star(_) => {
            Tightness::Postfix
        }
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            NodeKind::Literal(literal) => literal.fmt(f),
            NodeKind::Context(name) => f.write_str(name),
            NodeKind::Call(function, arguments) => {
                write!(f, "{}(", function.name())?;
                separated(f, arguments, ", ", Tightness::Or)?;
                f.write_char(')')
            }
            NodeKind::Index(target, index) => {
                at_least(f, target, Tightness::Postfix)?;
                match &index.kind {
                    NodeKind::Literal(Literal::String(name)) if is_name(name) => {
                        write!(f, ".{name}")
                    }
                    _ => write!(f, "[{index}]"),
                }
            }
            NodeKind::Star(target) => {
                at_least(f, target, Tightness::Postfix)?;
                f.write_str(".*")
            }
            NodeKind::Not(operand) => {
                f.write_char('!')?;
                at_least(f, operand, Tightness::Not)
            }
            NodeKind::Compare(op, left, right) => {
                let own = tightness(self);
                at_least(f, left, own)?;
                write!(f, " {} ", op.as_str())?;
                let tighter =
                    if own == Tightness::Equality { Tightness::Order } else { Tightness::Not };
                at_least(f, right, tighter)
            }
            NodeKind::And(operands) => separated(f, operands, " && ", Tightness::Equality),
            NodeKind::Or(operands) => separated(f, operands, " || ", Tightness::And),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            // Not the language's 15 digits: what is printed must parse to the same number.
            Self::Number(n) if n.is_finite() => write!(f, "{n:?}"),
            Self::Number(n) if n.is_nan() => f.write_str("NaN"),
            Self::Number(n) => f.write_str(if *n > 0.0 { "Infinity" } else { "-Infinity" }),
            Self::String(s) => write!(f, "'{}'", s.replace('\'', "''")),
        }
    }
}

fn at_least(f: &mut Formatter<'_>, node: &Node, least: Tightness) -> fmt::Result {
    if tightness(node) < least { write!(f, "({node})") } else { write!(f, "{node}") }
}

fn separated(
    f: &mut Formatter<'_>,
    nodes: &[Node],
    separator: &str,
    least: Tightness,
) -> fmt::Result {
    for (i, node) in nodes.iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        at_least(f, node, least)?;
    }
    Ok(())
}
