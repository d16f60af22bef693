//! Every text with expressions of a file, with the way to it.

use crate::expr::{Condition, Expr, Part, Template};
use crate::yaml::{Kind, Node};

/// A scalar that holds expressions.
pub(crate) struct Text<'n> {
    /// The keys from the root to it; an item of a sequence has the key `-`.
    pub(crate) path: Vec<&'n str>,
    pub(crate) node: &'n Node,
    /// Its expressions, each with its byte offset in the text.
    pub(crate) expressions: Vec<(Expr, usize)>,
}

impl Text<'_> {
    /// Whether it is an `if:`.
    pub(crate) fn is_condition(&self) -> bool {
        self.path.last() == Some(&"if")
    }
}

/// All texts with expressions below a node. What cannot be read is left out: the reader has told of it.
pub(crate) fn all(root: &Node) -> Vec<Text<'_>> {
    let mut texts = Vec::new();
    collect(root, &mut Vec::new(), &mut texts);
    texts
}

fn collect<'n>(node: &'n Node, path: &mut Vec<&'n str>, texts: &mut Vec<Text<'n>>) {
    for item in &node.items {
        path.push("-");
        collect(item, path, texts);
        path.pop();
    }
    for entry in &node.entries {
        path.push(&entry.key);
        collect(&entry.value, path, texts);
        path.pop();
    }
    let bare = path.last() == Some(&"if") && !node.text.contains("${{");
    if node.kind != Kind::Str || !(bare || node.text.contains("${{")) {
        return;
    }
    let expressions = if bare { bare_condition(&node.text) } else { parts(&node.text) };
    if !expressions.is_empty() {
        texts.push(Text { path: path.clone(), node, expressions });
    }
}

fn parts(text: &str) -> Vec<(Expr, usize)> {
    let Ok(template) = Template::parse(text) else { return Vec::new() };
    let each = template.parts().iter().filter_map(|part| match part {
        Part::Expr { expr, offset } => Some((expr.clone(), *offset)),
        Part::Literal(_) => None,
    });
    each.collect()
}

fn bare_condition(text: &str) -> Vec<(Expr, usize)> {
    let offset = text.len() - text.trim_start().len();
    let condition = Condition::parse(text).ok();
    let expressions = condition.iter().flat_map(Condition::exprs);
    expressions.map(|expr| (expr.clone(), offset)).collect()
}
