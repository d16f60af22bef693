//! `dvc.lock`: what each stage had read and made when it ran last.

use super::stage::Stage;
use super::value::{Node, Pairs, Value};
use super::{emit, yaml};
use crate::VersionError;
use crate::digest::Folding;
use crate::object::ObjectId;
use crate::pointer::Facts;
use crate::scalar;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A lock, with its text.
#[derive(Debug, Clone)]
pub(crate) struct Lock {
    text: String,
    top: Node,
    entries: BTreeMap<String, Entry>,
}

/// What is recorded of one stage.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) cmd: Node,
    /// By path, as it is written.
    pub(crate) deps: BTreeMap<String, Option<Facts>>,
    /// By file, as it is written: names and values.
    pub(crate) params: BTreeMap<String, Node>,
    /// By path, as it is written.
    pub(crate) outs: BTreeMap<String, Option<Facts>>,
}

impl Lock {
    /// Reads a lock; `None` is one that is not there yet.
    pub(crate) fn parse(text: Option<&str>, file: &str) -> Result<Self, VersionError> {
        let text = text.unwrap_or_default().to_owned();
        let top = yaml::parse(&text, file)?;
        let mut lock = Self { text, top, entries: BTreeMap::new() };
        if lock.top.is_null() {
            return Ok(lock);
        }
        if lock.top.get("schema").and_then(Node::as_text) != Some("2.0") {
            let line = lock.top.get("schema").map_or(1, |node| node.line);
            let hint = "run `dvc repro` once with DVC 3";
            return Err(VersionError::input(
                format!("{file}:{line}"),
                "the schema is not 2.0",
                hint,
            ));
        }
        let stages = lock.top.get("stages").and_then(Node::pairs).unwrap_or_default();
        for (name, node) in stages {
            let text =
                name.as_text().ok_or_else(|| refuse(file, name.line, "a name is no text"))?;
            lock.entries.insert(text.to_owned(), entry(node, file)?);
        }
        Ok(lock)
    }

    /// What is recorded of a stage.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The text with a new entry for a stage, in the place of its old one or at the end. All else stays as it is written.
    pub(crate) fn with(&self, name: &str, node: &Node, file: &str) -> Result<Self, VersionError> {
        let expected = self.top_with(name, node);
        if let Some(text) = self.spliced(name, node) {
            let is_meant = yaml::parse(&text, file).is_ok_and(|found| found == expected);
            if is_meant {
                return Self::parse(Some(&text), file);
            }
        }
        Self::parse(Some(&emit::document(&expected)), file)
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn top_with(&self, name: &str, node: &Node) -> Node {
        let mut top = self.top.pairs().map_or_else(Pairs::new, <[_]>::to_vec);
        if top.is_empty() {
            top.push((Node::text("schema"), Node::text("2.0")));
        }
        let old = self.top.get("stages").and_then(Node::pairs);
        let mut stages = old.map_or_else(Pairs::new, <[_]>::to_vec);
        put(&mut stages, name, node.clone());
        put(&mut top, "stages", Node::new(Value::Map(Arc::new(stages))));
        Node::new(Value::Map(Arc::new(top)))
    }

    /// The text with the lines of one entry replaced, where it has the shape that DVC writes.
    fn spliced(&self, name: &str, node: &Node) -> Option<String> {
        let new = emit::entry(name, node, 2);
        if self.top.is_null() {
            return Some(format!("schema: '2.0'\nstages:\n{new}"));
        }
        let lines: Vec<&str> = self.text.lines().collect();
        let top = lines.iter().position(|line| *line == "stages:")? + 1;
        let inside =
            lines[top..].iter().take_while(|line| line.is_empty() || line.starts_with(' '));
        let end = top + inside.count();
        let head = format!("  {}:", scalar::key(name));
        let begin = (top..end).find(|at| lines[*at] == head);
        let (begin, after) = match begin {
            None => (end, end),
            Some(begin) => {
                let deeper = lines[begin + 1..end]
                    .iter()
                    .take_while(|line| line.is_empty() || line.starts_with("   "));
                (begin, begin + 1 + deeper.count())
            }
        };
        let part =
            |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        Some(format!("{}{new}{}", part(&lines[..begin]), part(&lines[after..])))
    }
}

fn put(pairs: &mut Pairs, name: &str, node: Node) {
    match pairs.iter_mut().find(|(key, _)| key.as_text() == Some(name)) {
        Some((_, old)) => *old = node,
        None => pairs.push((Node::text(name), node)),
    }
}

fn refuse(file: &str, line: u64, reason: &str) -> VersionError {
    VersionError::input(format!("{file}:{line}"), reason, "take the file back from git")
}

/// Reads one entry, also that of the cache of runs.
pub(crate) fn entry(node: &Node, file: &str) -> Result<Entry, VersionError> {
    let cmd = node.get("cmd").ok_or_else(|| refuse(file, node.line, "a stage has no cmd"))?.clone();
    let params = node.get("params").and_then(Node::pairs).unwrap_or_default().iter();
    let params =
        params.filter_map(|(name, values)| Some((name.as_text()?.to_owned(), values.clone())));
    Ok(Entry {
        cmd,
        deps: recorded(node.get("deps"), file)?,
        params: params.collect(),
        outs: recorded(node.get("outs"), file)?,
    })
}

fn recorded(
    node: Option<&Node>,
    file: &str,
) -> Result<BTreeMap<String, Option<Facts>>, VersionError> {
    let items = node.and_then(Node::items).unwrap_or_default().iter();
    let one = |item: &Node| {
        let path = item.get("path").and_then(Node::as_text);
        let path = path.ok_or_else(|| refuse(file, item.line, "there is no path"))?;
        Ok((path.to_owned(), facts(item, file)?))
    };
    items.map(one).collect()
}

fn facts(item: &Node, file: &str) -> Result<Option<Facts>, VersionError> {
    let whole = |key| match item.get(key).map(|node| &node.value) {
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let folding = match item.get("hash").map(|node| (node.line, node.as_text())) {
        None => Folding::Dos2Unix,
        Some((_, Some("md5"))) => Folding::Raw,
        Some((line, _)) => return Err(refuse(file, line, "there is no kind of hash here but md5")),
    };
    let Some(md5) = item.get("md5") else { return Ok(None) };
    // Digits alone may stand there without quotes when a person wrote them.
    let text = super::template::shown(md5);
    let id = ObjectId::parse(&text, folding)
        .ok_or_else(|| refuse(file, md5.line, "an md5 has 32 hexadecimal digits"))?;
    let isexec = item.get("isexec").and_then(Node::as_bool).unwrap_or(false);
    Ok(Some(Facts { id, size: whole("size"), nfiles: whole("nfiles"), isexec }))
}

/// The entry of a stage: what it had read and made. Facts and values are in the order of the stage's own lists.
pub(crate) fn node(stage: &Stage, deps: &[Facts], params: &[Pairs], outs: &[Facts]) -> Node {
    let mut pairs = vec![("cmd", stage.cmd.clone())];
    let deps = stage.deps.iter().map(|dep| dep.written.as_str()).zip(deps);
    let outs = stage.outs.iter().map(|out| out.written.as_str()).zip(outs);
    let mut files: Vec<_> =
        stage.params.iter().map(|file| file.written.as_str()).zip(params).collect();
    // The usual file comes first.
    files.sort_by_key(|(file, _)| (*file != "params.yaml", *file));
    let files: Vec<_> = files.into_iter().map(|(file, values)| (file, sorted(values))).collect();
    pairs.extend([("deps", listed(deps))].into_iter().filter(|(_, node)| has_items(node)));
    pairs.extend((!files.is_empty()).then(|| ("params", Node::map(files))));
    pairs.extend([("outs", listed(outs))].into_iter().filter(|(_, node)| has_items(node)));
    Node::map(pairs)
}

fn has_items(node: &Node) -> bool {
    node.items().is_some_and(|items| !items.is_empty())
}

fn sorted(values: &Pairs) -> Node {
    let mut values = values.clone();
    values.sort_by(|(a, _), (b, _)| a.as_text().cmp(&b.as_text()));
    Node::new(Value::Map(Arc::new(values)))
}

fn listed<'a>(items: impl Iterator<Item = (&'a str, &'a Facts)>) -> Node {
    let mut items: Vec<_> = items.collect();
    items.sort_by_key(|(path, _)| *path);
    let count = |number: u64| Node::new(Value::Int(number.into()));
    let one = |(path, facts): (&str, &Facts)| {
        let mut pairs = vec![("path", Node::text(path))];
        pairs.extend((facts.id.folding == Folding::Raw).then(|| ("hash", Node::text("md5"))));
        pairs.push(("md5", Node::text(facts.id.to_string())));
        pairs.extend(facts.size.map(|size| ("size", count(size))));
        pairs.extend(facts.nfiles.map(|files| ("nfiles", count(files))));
        pairs.extend(facts.isexec.then(|| ("isexec", Node::new(Value::Bool(true)))));
        Node::map(pairs)
    };
    Node::list(items.into_iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::Lock;
    use crate::repro::value::Node;

    fn changed(text: Option<&str>, name: &str) -> String {
        let lock = Lock::parse(text, "dvc.lock").unwrap();
        let node = Node::map([("cmd", Node::text("new"))]);
        lock.with(name, &node, "dvc.lock").unwrap().text().to_owned()
    }

    #[test]
    fn an_entry_is_replaced_in_its_place_and_all_else_stays_as_it_is() {
        assert_eq!(changed(None, "a"), "schema: '2.0'\nstages:\n  a:\n    cmd: new\n");
        let old = "# ours\nschema: '2.0'\nstages:\n  a:\n    cmd: x # why\n  b:\n    cmd: y\n    deps: []\ndatasets:\n- name: d\n";
        let expected = "# ours\nschema: '2.0'\nstages:\n  a:\n    cmd: x # why\n  b:\n    cmd: new\ndatasets:\n- name: d\n";
        assert_eq!(changed(Some(old), "b"), expected);
        let added = old.replace("    deps: []\n", "    deps: []\n  c@1:\n    cmd: new\n");
        assert_eq!(changed(Some(old), "c@1"), added);
        // Not as DVC writes it: all of it is written anew.
        let flow = "schema: '2.0'\nstages: {a: {cmd: x}, b: {cmd: y}}\n";
        assert_eq!(
            changed(Some(flow), "a"),
            "schema: '2.0'\nstages:\n  a:\n    cmd: new\n  b:\n    cmd: y\n"
        );
    }

    #[test]
    fn a_lock_that_is_wrong_is_refused_with_its_line() {
        let refused = |text: &str| Lock::parse(Some(text), "dvc.lock").unwrap_err().to_string();
        assert_eq!(refused("schema: '1.0'\n"), "dvc.lock:1: the schema is not 2.0");
        assert!(
            refused("schema: '2.0'\nstages:\n  a:\n    deps: []\n").starts_with("dvc.lock:4: ")
        );
        let out = "schema: '2.0'\nstages:\n  a:\n    cmd: x\n    outs:\n    - path: y\n      hash: md5\n      md5: z\n";
        assert!(refused(out).starts_with("dvc.lock:8: an md5 has"));
    }
}
