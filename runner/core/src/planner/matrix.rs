//! `strategy.matrix`: evaluated at once when it is known, else turned into one template that gives it later.

use super::Planner;
use super::jobs::Instances;
use crate::diagnostic::Code;
use crate::expr::{Part, Template};
use crate::plan::JobInstance;
use crate::workflow::Job;
use crate::yaml::{Kind, Node};
use serde_json::{Map, Value as Json};

/// The instances of a job; `None` when its matrix is wrong, which is reported.
pub(super) fn instances(planner: &mut Planner<'_>, job: &Job) -> Option<Instances> {
    let Some(node) = &job.strategy.matrix else {
        let only = JobInstance { index: None, total: 1, matrix: Map::new() };
        return Some(Instances::Known(vec![only]));
    };
    let mut contexts = planner.known.clone();
    if job.needs.is_empty() {
        contexts = contexts.with("needs", Json::Object(Map::new()));
    }
    match evaluate(planner, node, &contexts) {
        Evaluated::Value(value) => expand(planner, node, &value),
        Evaluated::Fault => None,
        Evaluated::Later => match later(node) {
            Some(template) => Some(Instances::Later(template)),
            None => {
                planner.too_late(node.span, "a matrix of this size");
                None
            }
        },
    }
}

fn expand(planner: &mut Planner<'_>, node: &Node, value: &Json) -> Option<Instances> {
    match crate::matrix::instances(value) {
        Ok(instances) => Some(Instances::Known(instances)),
        Err(message) => {
            let too_large = message.contains("at most") || message.contains("more than");
            let code = if too_large { Code::MatrixTooLarge } else { Code::InvalidMatrix };
            let help = too_large.then(|| "split the job, or exclude combinations".to_owned());
            planner.reporter.add(code, node.span, message, help);
            None
        }
    }
}

enum Evaluated {
    Value(Json),
    Later,
    Fault,
}

fn evaluate(
    planner: &mut Planner<'_>,
    node: &Node,
    contexts: &crate::expr::Contexts<'_>,
) -> Evaluated {
    match node.kind {
        Kind::Seq => {
            let mut items = Vec::new();
            for item in &node.items {
                match evaluate(planner, item, contexts) {
                    Evaluated::Value(value) => items.push(value),
                    other => return other,
                }
            }
            Evaluated::Value(Json::Array(items))
        }
        Kind::Map => {
            let mut map = Map::new();
            for entry in &node.entries {
                match evaluate(planner, &entry.value, contexts) {
                    Evaluated::Value(value) => map.insert(entry.key.clone(), value),
                    other => return other,
                };
            }
            Evaluated::Value(Json::Object(map))
        }
        Kind::Str if node.text.contains("${{") => evaluate_text(planner, node, contexts),
        _ => Evaluated::Value(node.to_json()),
    }
}

fn evaluate_text(
    planner: &mut Planner<'_>,
    node: &Node,
    contexts: &crate::expr::Contexts<'_>,
) -> Evaluated {
    // Reading the workflow has refused every text that does not parse.
    let Ok(template) = Template::parse(&node.text) else { return Evaluated::Fault };
    match template.const_eval(contexts) {
        Ok(Some(value)) => Evaluated::Value(Json::from(&value)),
        Ok(None) => Evaluated::Later,
        Err(error) => {
            planner.evaluation_fault(node.span, &error);
            Evaluated::Fault
        }
    }
}

/// A template whose value is the matrix: the one expression that it is, or
/// `fromJSON(format('{"a": {0}}', toJSON(first)))` over the expressions inside a mapping.
fn later(node: &Node) -> Option<Template> {
    if node.is_scalar() {
        return Template::parse(&node.text).ok();
    }
    let mut parts = Vec::new();
    let format = json_format(node, &mut parts)?;
    let arguments: String = parts.iter().map(|part| format!(", toJSON({part})")).collect();
    let source = format!("${{{{ fromJSON(format({}{arguments})) }}}}", quote(&format));
    Template::parse(&source).ok()
}

fn json_format(node: &Node, parts: &mut Vec<String>) -> Option<String> {
    Some(match node.kind {
        Kind::Seq => {
            let items: Option<Vec<String>> =
                node.items.iter().map(|item| json_format(item, parts)).collect();
            format!("[{}]", items?.join(","))
        }
        Kind::Map => {
            let entries: Option<Vec<String>> = node
                .entries
                .iter()
                .map(|entry| {
                    let key = escape_braces(&Json::String(entry.key.clone()).to_string());
                    json_format(&entry.value, parts).map(|value| format!("{key}:{value}"))
                })
                .collect();
            format!("{{{{{}}}}}", entries?.join(","))
        }
        Kind::Str if node.text.contains("${{") => {
            let template = Template::parse(&node.text).ok()?;
            parts.push(expression_of(&template));
            format!("{{{}}}", parts.len() - 1)
        }
        _ => escape_braces(&node.to_json().to_string()),
    })
}

/// One expression with the value of the whole template.
pub(super) fn expression_of(template: &Template) -> String {
    if let Some(expr) = template.whole_expr() {
        return expr.source().to_owned();
    }
    let mut format = String::new();
    let mut arguments = String::new();
    let mut count = 0;
    for part in template.parts() {
        match part {
            Part::Literal(text) => format.push_str(&escape_braces(text)),
            Part::Expr { expr, .. } => {
                format.push_str(&format!("{{{count}}}"));
                arguments.push_str(&format!(", {}", expr.source()));
                count += 1;
            }
        }
    }
    format!("format({}{arguments})", quote(&format))
}

/// A template that is one expression: the JSON value as a literal.
pub(super) fn json_literal(value: &Json) -> String {
    format!("fromJSON({})", quote(&value.to_string()))
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn escape_braces(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// A template of one expression and nothing else.
pub(super) fn whole(expression: &str) -> Option<Template> {
    Template::parse(&format!("${{{{ {expression} }}}}")).ok()
}
