//! A tree and contexts to a value.

use super::ast::{CompareOp, Expr, Literal, Node, NodeKind};
use super::error::{ErrorKind, ExprError};
use super::value::{Array, Object, Value};
use super::{MAX_RESULT_BYTES, Names};
use std::sync::Arc;

/// How the job stands, for `success()`, `failure()` and `cancelled()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Everything before succeeded.
    pub success: bool,
    /// Something before failed.
    pub failure: bool,
    /// The run was cancelled.
    pub cancelled: bool,
}

/// Hashes the files that match some patterns, for `hashFiles`. An error's text is for the user.
pub type HashFiles<'a> = dyn Fn(&[String]) -> Result<String, String> + Send + Sync + 'a;

/// All that an expression can see.
#[derive(Clone, Default)]
pub struct Contexts<'a> {
    /// The contexts by name: `github`, `env`, `matrix`, ... A context that is not here is an error; a
    /// property that is not in a context is null.
    pub values: Object,
    /// How the job stands; `None` where there is no job.
    pub status: Option<Status>,
    /// How to hash files; `None` where there is no workspace.
    pub hash_files: Option<Arc<HashFiles<'a>>>,
    /// What all results may take together, in bytes as the runner counts (two a UTF-16 unit of text);
    /// `None`: [`MAX_RESULT_BYTES`].
    pub max_bytes: Option<usize>,
}

impl<'a> Contexts<'a> {
    /// No contexts, no status, no files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more context.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.values.insert(name, value);
        self
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: Status) -> Self {
        Self { status: Some(status), ..self }
    }

    /// The same with a way to hash files.
    #[must_use]
    pub fn with_hash_files(self, hash_files: &'a HashFiles<'a>) -> Self {
        Self { hash_files: Some(Arc::new(hash_files)), ..self }
    }

    /// The names of these contexts, and every function: for parsing something that is evaluated at once.
    #[must_use]
    pub fn names(&self) -> Names {
        Names::with_contexts(self.values.iter().map(|(name, _)| name))
    }
}

impl Expr {
    /// What the expression is worth.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Evaluation`]: the user's fault, in the expression or in the values it meets.
    pub fn evaluate(&self, contexts: &Contexts<'_>) -> Result<Value, ExprError> {
        let mut evaluator = Evaluator::new(self, contexts);
        evaluator.value(self.root()).map_err(|stop| match stop {
            Stop::Error(error) => error,
            Stop::Unknown { name, offset } => ExprError::at(
                ErrorKind::Evaluation,
                if name.ends_with(')') {
                    "Unavailable function"
                } else {
                    "Unrecognized named-value"
                },
                name.trim_end_matches("()"),
                offset,
                self.source(),
            ),
        })
    }

    /// What the expression is worth if that depends only on what is known now: `None` as soon as a
    /// context, status or file is needed that `known` does not have.
    ///
    /// # Errors
    ///
    /// As [`Expr::evaluate`], when it would fail whatever comes later.
    pub fn const_eval(&self, known: &Contexts<'_>) -> Result<Option<Value>, ExprError> {
        match Evaluator::new(self, known).value(self.root()) {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Unknown { .. }) => Ok(None),
            Err(Stop::Error(error)) => Err(error),
        }
    }
}

/// Why an evaluation ended early.
pub(super) enum Stop {
    Error(ExprError),
    /// The contexts lack this context, or the means for this function (`name()`).
    Unknown {
        name: String,
        offset: usize,
    },
}

/// One evaluation of one expression.
pub(super) struct Evaluator<'a> {
    source: &'a str,
    pub(super) contexts: &'a Contexts<'a>,
    /// What further results may take, in bytes.
    left: usize,
}

impl<'a> Evaluator<'a> {
    fn new(expr: &'a Expr, contexts: &'a Contexts<'a>) -> Self {
        let left = contexts.max_bytes.unwrap_or(MAX_RESULT_BYTES);
        Self { source: expr.source(), contexts, left }
    }

    pub(super) fn error(&self, node: &Node, message: String) -> Stop {
        let offset = node.span.start;
        Stop::Error(ExprError::plain(ErrorKind::Evaluation, message, offset, self.source))
    }

    /// Accounts for a result of `bytes`, before it is made. Never given back: the sum of all results is
    /// what is bounded, which also bounds the time.
    pub(super) fn charge(&mut self, node: &Node, bytes: usize) -> Result<(), Stop> {
        let Some(left) = self.left.checked_sub(bytes) else {
            return Err(self.error(
                node,
                format!(
                    "The maximum allowed memory size was exceeded while evaluating the following expression: {node}"
                ),
            ));
        };
        self.left = left;
        Ok(())
    }

    /// [`Evaluator::charge`] for a text.
    pub(super) fn charge_text(&mut self, node: &Node, text: &str) -> Result<(), Stop> {
        self.charge(node, text_bytes(text))
    }

    pub(super) fn value(&mut self, node: &Node) -> Result<Value, Stop> {
        match &node.kind {
            NodeKind::Literal(literal) => Ok(literal_value(literal)),
            NodeKind::Context(name) => self.context(node, name),
            NodeKind::Call(function, arguments) => self.call(node, *function, arguments),
            NodeKind::Index(target, index) => self.index(node, target, index),
            NodeKind::Star(target) => self.star(node, target),
            NodeKind::Not(operand) => Ok(Value::Bool(!self.value(operand)?.is_truthy())),
            NodeKind::Compare(op, left, right) => {
                let left = self.value(left)?;
                let right = self.value(right)?;
                Ok(Value::Bool(compare(*op, &left, &right)))
            }
            NodeKind::And(operands) => self.first(operands, false),
            NodeKind::Or(operands) => self.first(operands, true),
        }
    }

    fn context(&self, node: &Node, name: &str) -> Result<Value, Stop> {
        self.contexts.values.get(name).cloned().ok_or_else(|| self.unknown(node, name.to_owned()))
    }

    pub(super) fn unknown(&self, node: &Node, name: String) -> Stop {
        Stop::Unknown { name, offset: node.span.start }
    }

    /// The first operand that is truthy (or falsy), else the last: operands after it are not looked at.
    fn first(&mut self, operands: &[Node], truthy: bool) -> Result<Value, Stop> {
        let mut value = Value::Null;
        for operand in operands {
            value = self.value(operand)?;
            if value.is_truthy() == truthy {
                break;
            }
        }
        Ok(value)
    }

    fn index(&mut self, node: &Node, target: &Node, index: &Node) -> Result<Value, Stop> {
        let target = self.value(target)?;
        if target.is_primitive() {
            return Ok(Value::Null);
        }
        let index = self.value(index)?;
        match &target {
            Value::Array(array) if array.filtered => {
                self.charge(node, size_of::<Value>() * array.len())?;
                let items = array.iter().filter_map(|item| item_at(item, &index));
                Ok(Value::Array(Array::filtered(items.collect()).into()))
            }
            _ => Ok(item_at(&target, &index).unwrap_or_default()),
        }
    }

    fn star(&mut self, node: &Node, target: &Node) -> Result<Value, Stop> {
        let target = self.value(target)?;
        let items: Vec<Value> = match &target {
            Value::Array(array) if array.filtered => array.iter().flat_map(members).collect(),
            other => members(other).collect(),
        };
        self.charge(node, size_of::<Value>() * items.len())?;
        Ok(Value::Array(Array::filtered(items).into()))
    }
}

/// What a text counts for: what it takes in the runner, two bytes a UTF-16 unit and 26 for itself.
pub(super) fn text_bytes(text: &str) -> usize {
    26 + 2 * text.encode_utf16().count()
}

fn literal_value(literal: &Literal) -> Value {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(b) => Value::Bool(*b),
        Literal::Number(n) => Value::Number(*n),
        Literal::String(s) => Value::String(s.clone()),
    }
}

fn compare(op: CompareOp, left: &Value, right: &Value) -> bool {
    let order = || left.compare(right);
    match op {
        CompareOp::Eq => left.equals(right),
        CompareOp::Ne => !left.equals(right),
        CompareOp::Lt => order().is_some_and(std::cmp::Ordering::is_lt),
        CompareOp::Le => order().is_some_and(std::cmp::Ordering::is_le),
        CompareOp::Gt => order().is_some_and(std::cmp::Ordering::is_gt),
        CompareOp::Ge => order().is_some_and(std::cmp::Ordering::is_ge),
    }
}

/// What stands in a collection under an index, if anything: maps by the index's text, lists by its
/// number. An index that is itself a collection finds nothing.
fn item_at(collection: &Value, index: &Value) -> Option<Value> {
    match collection {
        Value::Object(object) if index.is_primitive() => object.get(&index.to_text()).cloned(),
        Value::Array(array) => array.get(position(index)?).cloned(),
        _ => None,
    }
}

/// The place in a list that a value means: its number, rounded down.
fn position(index: &Value) -> Option<usize> {
    let number = index.to_number().floor();
    let is_place = (0.0..=f64::from(i32::MAX)).contains(&number) && index.to_number() >= 0.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    is_place.then_some(number as usize)
}

/// What `.*` finds in a value.
fn members(value: &Value) -> Box<dyn Iterator<Item = Value> + '_> {
    match value {
        Value::Array(array) => Box::new(array.iter().cloned()),
        Value::Object(object) => Box::new(object.iter().map(|(_, value)| value.clone())),
        _ => Box::new(std::iter::empty()),
    }
}
