//! The functions. Arguments are evaluated only when they are needed, as in the runner: the branches of
//! `case` that are not taken and values that a format does not mention may be wrong.

use super::ast::Node;
use super::eval::{Evaluator, Status, Stop};
use super::function::Function;
use super::value::Value;
use super::{fold, json};

impl Evaluator<'_> {
    pub(super) fn call(
        &mut self,
        node: &Node,
        function: Function,
        arguments: &[Node],
    ) -> Result<Value, Stop> {
        match function {
            Function::Case => self.case(arguments),
            Function::Contains => self.contains(&arguments[0], &arguments[1]),
            Function::StartsWith => {
                self.texts(arguments, |text, start| text.starts_with(start)).map(Value::Bool)
            }
            Function::EndsWith => {
                self.texts(arguments, |text, end| text.ends_with(end)).map(Value::Bool)
            }
            Function::Format => self.format(node, &arguments[0], &arguments[1..]),
            Function::Join => self.join(node, &arguments[0], arguments.get(1)),
            Function::ToJson => {
                let text = json::pretty(&self.value(&arguments[0])?);
                self.charge_text(node, &text)?;
                Ok(Value::String(text))
            }
            Function::FromJson => self.json_value(node, &arguments[0]),
            Function::HashFiles => self.hash_files(node, arguments),
            Function::Always => Ok(Value::Bool(true)),
            Function::Cancelled => Ok(Value::Bool(self.status(node, function)?.cancelled)),
            Function::Success if arguments.is_empty() => {
                Ok(Value::Bool(self.status(node, function)?.success))
            }
            Function::Failure if arguments.is_empty() => {
                Ok(Value::Bool(self.status(node, function)?.failure))
            }
            Function::Success => {
                let results = self.results(node, arguments)?;
                Ok(Value::Bool(results.iter().all(|result| result == "success")))
            }
            Function::Failure => {
                let results = self.results(node, arguments)?;
                Ok(Value::Bool(results.iter().any(|result| result == "failure")))
            }
        }
    }

    fn status(&self, node: &Node, function: Function) -> Result<Status, Stop> {
        let unknown = || self.unknown(node, format!("{}()", function.name()));
        self.contexts.status.ok_or_else(unknown)
    }

    /// The results of the jobs that are named, from `needs`.
    fn results(&mut self, node: &Node, jobs: &[Node]) -> Result<Vec<String>, Stop> {
        let Some(needs) = self.contexts.values.get("needs") else {
            return Err(self.unknown(node, "needs".to_owned()));
        };
        let needs = needs.clone();
        let mut results = Vec::with_capacity(jobs.len());
        for job in jobs {
            let name = self.value(job)?.to_text();
            let job = needs.as_object().and_then(|needs| needs.get(&name));
            let result = job.and_then(Value::as_object).and_then(|job| job.get("result"));
            results.push(result.map(Value::to_text).unwrap_or_default());
        }
        Ok(results)
    }

    fn case(&mut self, arguments: &[Node]) -> Result<Value, Stop> {
        let (default, pairs) = arguments.split_last().expect("the parser wants at least three");
        for pair in pairs.chunks_exact(2) {
            match self.value(&pair[0])? {
                Value::Bool(true) => return self.value(&pair[1]),
                Value::Bool(false) => {}
                _ => {
                    let message = "case predicate must evaluate to a boolean value";
                    return Err(self.error(&pair[0], message.to_owned()));
                }
            }
        }
        self.value(default)
    }

    fn contains(&mut self, whole: &Node, part: &Node) -> Result<Value, Stop> {
        let whole = self.value(whole)?;
        let part = self.value(part)?;
        let found = match &whole {
            Value::Array(items) => items.iter().any(|item| part.equals(item)),
            Value::Object(_) => false,
            _ if !part.is_primitive() => false,
            _ => fold::folded(&whole.to_text()).contains(fold::folded(&part.to_text()).as_ref()),
        };
        Ok(Value::Bool(found))
    }

    /// A test on two texts, without regard to case; false for collections.
    fn texts(
        &mut self,
        arguments: &[Node],
        test: impl FnOnce(&str, &str) -> bool,
    ) -> Result<bool, Stop> {
        let left = self.value(&arguments[0])?;
        let right = self.value(&arguments[1])?;
        if !left.is_primitive() || !right.is_primitive() {
            return Ok(false);
        }
        Ok(test(&fold::folded(&left.to_text()), &fold::folded(&right.to_text())))
    }

    fn format(&mut self, node: &Node, format: &Node, values: &[Node]) -> Result<Value, Stop> {
        let format = self.value(format)?.to_text();
        let pieces = pieces(&format, values.len()).map_err(|message| self.error(node, message))?;
        let mut texts: Vec<Option<Value>> = vec![None; values.len()];
        let mut out = String::new();
        for piece in pieces {
            let text = match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Value(i, specifiers) => {
                    let value = match &texts[i] {
                        Some(value) => value.clone(),
                        None => texts[i].insert(self.value(&values[i])?).clone(),
                    };
                    if !specifiers.is_empty() {
                        let kind = value.kind();
                        let message = format!(
                            "The format specifiers '{specifiers}' are not valid for objects of type '{kind}'"
                        );
                        return Err(self.error(node, message));
                    }
                    value.to_text()
                }
            };
            self.charge_text(node, &text)?;
            out.push_str(&text);
        }
        Ok(Value::String(out))
    }

    fn join(&mut self, node: &Node, list: &Node, separator: Option<&Node>) -> Result<Value, Stop> {
        let list = self.value(list)?;
        let items = match &list {
            Value::Array(items) => items,
            Value::Object(_) => return Ok(Value::String(String::new())),
            primitive => return Ok(Value::String(primitive.to_text())),
        };
        let mut between = ",".to_owned();
        if items.len() > 1
            && let Some(separator) = separator
        {
            let separator = self.value(separator)?;
            if separator.is_primitive() {
                between = separator.to_text();
            }
        }
        let mut out = String::new();
        for (i, item) in items.iter().enumerate() {
            let text = item.to_text();
            self.charge_text(node, &text)?;
            if i > 0 {
                self.charge_text(node, &between)?;
                out.push_str(&between);
            }
            out.push_str(&text);
        }
        Ok(Value::String(out))
    }

    fn json_value(&mut self, node: &Node, text: &Node) -> Result<Value, Stop> {
        let text = self.value(text)?.to_text();
        self.charge_text(node, &text)?;
        if text.trim().is_empty() {
            return Err(self.error(node, "Error parsing fromJson: empty input".to_owned()));
        }
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(json) => Ok(json.into()),
            Err(error) => Err(self.error(node, format!("Error parsing fromJson: {error}"))),
        }
    }

    fn hash_files(&mut self, node: &Node, patterns: &[Node]) -> Result<Value, Stop> {
        let Some(hash_files) = self.contexts.hash_files.clone() else {
            return Err(self.unknown(node, "hashFiles()".to_owned()));
        };
        let mut texts = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            texts.push(self.value(pattern)?.to_text());
        }
        hash_files(&texts).map(Value::String).map_err(|reason| {
            self.error(node, format!("hashFiles('{}') failed. {reason}", texts.join("', '")))
        })
    }
}

/// A part of a format string.
enum Piece<'a> {
    Text(&'a str),
    /// `{0}`, `{0:specifiers}`. No specifiers are valid, but the runner reads them before it says so.
    Value(usize, String),
}

/// Cuts a format string for `count` values. The error is GitHub's message.
fn pieces(format: &str, count: usize) -> Result<Vec<Piece<'_>>, String> {
    let invalid = || format!("The following format string is invalid: {format}");
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        let brace = &rest[at..=at];
        let after = &rest[at + 1..];
        if let Some(escaped) = after.strip_prefix(brace) {
            pieces.push(Piece::Text(&rest[..=at]));
            rest = escaped;
            continue;
        }
        if brace == "}" {
            return Err(invalid());
        }
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let index: u8 = after[..digits].parse().map_err(|_| invalid())?;
        let (specifiers, end) = specifiers(&after[digits..]).ok_or_else(invalid)?;
        if usize::from(index) >= count {
            return Err(format!(
                "The following format string references more arguments than were supplied: {format}"
            ));
        }
        pieces.push(Piece::Text(&rest[..at]));
        pieces.push(Piece::Value(index.into(), specifiers));
        rest = &after[digits + end..];
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// Reads `}` or `:specifiers}` (with `}}` for `}`): the specifiers and the bytes read.
fn specifiers(text: &str) -> Option<(String, usize)> {
    if text.starts_with('}') {
        return Some((String::new(), 1));
    }
    let mut out = String::new();
    let mut at = 1;
    let text_after_colon = text.strip_prefix(':')?;
    let mut rest = text_after_colon;
    loop {
        let brace = rest.find('}')?;
        out.push_str(&rest[..brace]);
        at += brace + 1;
        rest = &rest[brace + 1..];
        let Some(escaped) = rest.strip_prefix('}') else { return Some((out, at)) };
        out.push('}');
        at += 1;
        rest = escaped;
    }
}
