//! The tree of an expression, and the expression as a whole.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::ExprError;
use super::function::{Function, Names};
use super::parser;

/// A range of bytes in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl CompareOp {
    /// The operator as written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

/// A value written in the expression itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `null`, and the empty expression.
    Null,
    /// `true`, `false`
    Bool(bool),
    /// `1`, `0xff`, `NaN`
    Number(f64),
    /// `'text'`, and the name after a dot.
    String(String),
}

/// A part of an expression.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Where it stands, without brackets around it.
    pub span: Span,
    /// How deep the tree below is, this node included.
    pub(super) depth: usize,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// A value.
    Literal(Literal),
    /// A context by name: `github`.
    Context(String),
    /// A call.
    Call(Function, Vec<Node>),
    /// `target.name`, `target['name']`, `target[0]`.
    Index(Box<Node>, Box<Node>),
    /// `target.*`, `target[*]`.
    Star(Box<Node>),
    /// `!operand`
    Not(Box<Node>),
    /// `left == right` and its kin.
    Compare(CompareOp, Box<Node>, Box<Node>),
    /// `a && b && ...`: two or more operands, none itself an `And`.
    And(Vec<Node>),
    /// `a || b || ...`: two or more operands, none itself an `Or`.
    Or(Vec<Node>),
}

impl Node {
    /// Its direct parts, in order.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            NodeKind::Literal(_) | NodeKind::Context(_) => Vec::new(),
            NodeKind::Star(a) | NodeKind::Not(a) => vec![a],
            NodeKind::Index(a, b) | NodeKind::Compare(_, a, b) => vec![a, b],
            NodeKind::Call(_, nodes) | NodeKind::And(nodes) | NodeKind::Or(nodes) => {
                nodes.iter().collect()
            }
        }
    }

    /// The node and everything below it, outermost first.
    pub fn walk(&self) -> impl Iterator<Item = &Self> {
        let mut waiting = VecDeque::from([self]);
        std::iter::from_fn(move || {
            let node = waiting.pop_front()?;
            node.children().into_iter().rev().for_each(|child| waiting.push_front(child));
            Some(node)
        })
    }
}

/// Where an expression takes something from a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The context, as written.
    pub context: &'a str,
    /// The properties that are named outright: `["event", "pull_request"]` in
    /// `github.event.pull_request[matrix.key]`.
    pub path: Vec<&'a str>,
    /// Whether the expression goes on from there in a way that is known only at run time: `[expression]`
    /// or `.*`.
    pub is_open: bool,
    /// The whole reference in the source.
    pub span: Span,
}

/// A parsed expression. It is stored and compared as its source text.
#[derive(Clone)]
pub struct Expr {
    source: Arc<str>,
    root: Arc<Node>,
}

/// Parses an expression in which every context and every function is allowed.
///
/// # Errors
///
/// When the text is no expression: the author of the workflow has to change it.
pub fn parse(source: &str) -> Result<Expr, ExprError> {
    parse_with(source, &Names::any())
}

/// Parses an expression in which only some contexts and functions are allowed.
///
/// # Errors
///
/// As [`parse`], and for names that are not allowed.
pub fn parse_with(source: &str, names: &Names) -> Result<Expr, ExprError> {
    let root = parser::parse(source, names)?;
    Ok(Expr { source: source.into(), root: Arc::new(root) })
}

impl Expr {
    /// The text that was parsed.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The tree.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The same expression in one fixed style: single blanks, `.name` where possible, no brackets that
    /// are not needed.
    #[must_use]
    pub fn canonical(&self) -> String {
        self.root.to_string()
    }

    /// Every place where it takes something from a context, in order of the source.
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        let mut found = Vec::new();
        collect_references(&self.root, &mut found);
        found.into_iter()
    }

    /// Every function it calls, in order of the source, with repetitions.
    pub fn functions(&self) -> impl Iterator<Item = Function> {
        self.root.walk().filter_map(|node| match node.kind {
            NodeKind::Call(function, _) => Some(function),
            _ => None,
        })
    }

    /// Whether it calls `success`, `failure`, `cancelled` or `always`.
    #[must_use]
    pub fn has_status_function(&self) -> bool {
        self.functions().any(Function::is_status)
    }
}

/// Adds the references below a node. A chain of properties is taken from its outermost link.
fn collect_references<'a>(node: &'a Node, found: &mut Vec<Reference<'a>>) {
    let mut computed = Vec::new();
    let mut links = Vec::new();
    let mut inner = node;
    loop {
        match &inner.kind {
            NodeKind::Index(target, index) => {
                if let NodeKind::Literal(Literal::String(name)) = &index.kind {
                    links.push(Some(name.as_str()));
                } else {
                    links.push(None);
                    computed.push(index.as_ref());
                }
                inner = target;
            }
            NodeKind::Star(target) => {
                links.push(None);
                inner = target;
            }
            _ => break,
        }
    }
    if let NodeKind::Context(context) = &inner.kind {
        links.reverse();
        let path: Vec<&str> = links.iter().map_while(|link| *link).collect();
        let is_open = path.len() < links.len();
        found.push(Reference { context, path, is_open, span: node.span });
    } else {
        inner.children().into_iter().for_each(|child| collect_references(child, found));
    }
    computed.into_iter().rev().for_each(|index| collect_references(index, found));
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expr").field(&self.source).finish()
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expr {}

impl Serialize for Expr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl<'de> Deserialize<'de> for Expr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = String::deserialize(deserializer)?;
        parse(&source).map_err(serde::de::Error::custom)
    }
}
