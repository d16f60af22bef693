//! `dvc.yaml`: from its text to stages.

use super::stage::{Dep, OutKind, ParamFile, Stage, StageOut};
use super::template::{At, Context, has_names, shown};
use super::value::{Node, Value};
use crate::VersionError;
use crate::path::{folder_of, resolve};

/// The file of parameters that is meant when none is named.
const DEFAULT_PARAMS: &str = "params.yaml";

/// Most stages of a file, those of loops counted one by one: a matrix multiplies quickly, and each is looked at.
const MOST_STAGES: usize = 10_000;

/// What to do about a definition that is wrong.
const HINT: &str = "write it as the reference of dvc.yaml has it";

const TOP_KEYS: [&str; 7] =
    ["vars", "stages", "params", "metrics", "plots", "artifacts", "datasets"];
const STAGE_KEYS: [&str; 12] = [
    "cmd",
    "wdir",
    "deps",
    "params",
    "vars",
    "frozen",
    "meta",
    "desc",
    "always_changed",
    "outs",
    "metrics",
    "plots",
];
const OUT_KEYS: [&str; 9] =
    ["desc", "type", "labels", "meta", "cache", "persist", "remote", "push", "checkpoint"];
const PLOT_KEYS: [&str; 7] = ["template", "x", "y", "x_label", "y_label", "title", "header"];

/// Gives the parameters of a file below the root; `None` when it is not there.
pub(crate) type ReadParams<'a> = dyn Fn(&str) -> Result<Option<Node>, VersionError> + 'a;

/// A `dvc.yaml` that is being read.
struct Reader<'a> {
    file: &'a str,
    folder: &'a str,
    read: &'a ReadParams<'a>,
}

/// The stages of a `dvc.yaml` (`file`, below the root) in its order, loops unrolled.
pub(crate) fn stages(
    top: &Node,
    file: &str,
    read: &ReadParams<'_>,
) -> Result<Vec<Stage>, VersionError> {
    let reader = Reader { file, folder: folder_of(file), read };
    if top.is_null() {
        return Ok(Vec::new());
    }
    reader.check_keys(top, &TOP_KEYS, "the file")?;
    let mut context = Context::default();
    reader.take_in(&mut context, DEFAULT_PARAMS, reader.folder, true, 1)?;
    reader.vars(&mut context, top.get("vars"), reader.folder)?;
    let mut all = Vec::new();
    let definitions = top.get("stages").map(|node| reader.pairs(node, "stages")).transpose()?;
    for (name, definition) in definitions.unwrap_or_default() {
        let plain = name.as_text().ok_or_else(|| {
            reader.refuse(name.line, "the name of a stage is no text: write it in quotes")
        })?;
        reader.check_name(plain, name.line)?;
        reader.define(plain, definition, &context, &mut all)?;
        if all.len() > MOST_STAGES {
            let reason = format!("there are more than {MOST_STAGES} stages");
            return Err(reader.refuse(name.line, reason));
        }
    }
    Ok(all)
}

impl Reader<'_> {
    fn refuse(&self, line: u64, reason: impl std::fmt::Display) -> VersionError {
        VersionError::input(format!("{}:{line}", self.file), reason, HINT)
    }

    /// Two signs have a meaning in the names of stages: `file:name` and `name@item`.
    fn check_name(&self, name: &str, line: u64) -> Result<(), VersionError> {
        match name.is_empty() || name.contains(|c: char| "@:".contains(c) || c.is_control()) {
            false => Ok(()),
            true => Err(self.refuse(line, format!("{name:?} cannot be the name of a stage"))),
        }
    }

    fn check_keys(&self, node: &Node, known: &[&str], what: &str) -> Result<(), VersionError> {
        for (key, _) in self.pairs(node, what)? {
            if !key.as_text().is_some_and(|key| known.contains(&key)) {
                let reason = format!(
                    "{what} has a key {:?}, which is none of {}",
                    shown(key),
                    known.join(", ")
                );
                return Err(self.refuse(key.line, reason));
            }
        }
        Ok(())
    }

    fn pairs<'n>(&self, node: &'n Node, what: &str) -> Result<&'n [(Node, Node)], VersionError> {
        let found = node.pairs();
        found.ok_or_else(|| {
            self.refuse(node.line, format!("{what} is {}, and a map belongs there", node.kind()))
        })
    }

    fn items<'n>(&self, node: Option<&'n Node>, what: &str) -> Result<&'n [Node], VersionError> {
        let Some(node) = node else { return Ok(&[]) };
        let found = node.items();
        found.ok_or_else(|| {
            self.refuse(node.line, format!("{what} is {}, and a list belongs there", node.kind()))
        })
    }

    fn text<'n>(&self, node: &'n Node, what: &str) -> Result<&'n str, VersionError> {
        let found = node.as_text();
        found.ok_or_else(|| {
            self.refuse(node.line, format!("{what} is {}, and a text belongs there", node.kind()))
        })
    }

    fn flag(&self, node: &Node, key: &str, default: bool) -> Result<bool, VersionError> {
        let Some(value) = node.get(key) else { return Ok(default) };
        let found = value.as_bool();
        found.ok_or_else(|| self.refuse(value.line, format!("{key} is true or false")))
    }

    /// Takes in what `vars` lists: files, perhaps some keys of them, and values.
    fn vars(
        &self,
        context: &mut Context,
        vars: Option<&Node>,
        folder: &str,
    ) -> Result<(), VersionError> {
        for item in self.items(vars, "vars")? {
            match &item.value {
                Value::Map(pairs) => {
                    refuse_names(self, item)?;
                    context.merge(pairs, self.file)?;
                }
                Value::Text(text) if !has_names(text) => {
                    self.take_in(context, text, folder, false, item.line)?;
                }
                Value::Text(_) => return Err(self.refuse(item.line, "vars has no `${}` in it")),
                _ => return Err(self.refuse(item.line, "an item of vars is a file or a map")),
            }
        }
        Ok(())
    }

    /// Takes in `file` or `file:key,key`.
    fn take_in(
        &self,
        context: &mut Context,
        item: &str,
        folder: &str,
        is_optional: bool,
        line: u64,
    ) -> Result<(), VersionError> {
        let (name, keys) = item.split_once(':').unwrap_or((item, ""));
        let path = resolve(folder, name)
            .map_err(|fault| self.refuse(line, format!("the path {name:?} {fault}")))?;
        let keys: Vec<String> =
            keys.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect();
        let keys = (!keys.is_empty()).then_some(keys);
        for (known, before) in context.files.iter().filter(|(known, _)| *known == path) {
            match (before, &keys) {
                (None, None) => return Ok(()),
                (Some(before), Some(keys)) if !keys.iter().any(|key| before.contains(key)) => {}
                _ => return Err(self.refuse(line, format!("{known} is taken in twice"))),
            }
        }
        let Some(node) = (self.read)(&path)? else {
            return match is_optional {
                true => Ok(()),
                false => Err(self.refuse(line, format!("there is no file {path}"))),
            };
        };
        let pairs = node.pairs().ok_or_else(|| {
            VersionError::input(&path, "holds no map of names and values", "name each value")
        })?;
        match &keys {
            None => context.merge(pairs, &path)?,
            Some(keys) => {
                for key in keys {
                    let found = pairs.iter().find(|(name, _)| name.as_text() == Some(key));
                    let found = found
                        .ok_or_else(|| self.refuse(line, format!("{path} has no key {key:?}")))?;
                    context.merge(std::slice::from_ref(found), &path)?;
                }
            }
        }
        context.files.push((path, keys));
        Ok(())
    }

    fn define(
        &self,
        name: &str,
        definition: &Node,
        context: &Context,
        all: &mut Vec<Stage>,
    ) -> Result<(), VersionError> {
        self.pairs(definition, name)?;
        if let Some(loop_over) = definition.get("foreach") {
            self.check_keys(definition, &["foreach", "do"], name)?;
            let template = definition
                .get("do")
                .ok_or_else(|| self.refuse(definition.line, "foreach needs `do` beside it"))?;
            for (key, item, has_key) in self.foreach(loop_over, context)? {
                let mut names = vec![("item", item)];
                if has_key {
                    names.push(("key", Node::text(key.clone())));
                }
                all.push(self.stage(&format!("{name}@{key}"), template, &context.with(names))?);
            }
            return Ok(());
        }
        if let Some(matrix) = definition.get("matrix") {
            let pairs = self.pairs(definition, name)?.iter();
            let rest = pairs.filter(|(key, _)| key.as_text() != Some("matrix")).cloned().collect();
            let template =
                Node { line: definition.line, value: Value::Map(std::sync::Arc::new(rest)) };
            for (key, item) in self.matrix(matrix, context)? {
                let names = vec![("item", item), ("key", Node::text(key.clone()))];
                all.push(self.stage(&format!("{name}@{key}"), &template, &context.with(names))?);
            }
            return Ok(());
        }
        all.push(self.stage(name, definition, context)?);
        Ok(())
    }

    /// Names and values of a loop, and whether its names are keys.
    fn foreach(
        &self,
        node: &Node,
        context: &Context,
    ) -> Result<Vec<(String, Node, bool)>, VersionError> {
        let resolved = context.resolve(node, At { file: self.file, key: "" })?;
        let named: Vec<(String, Node, bool)> = match &resolved.value {
            Value::Map(pairs) => {
                pairs.iter().map(|(key, value)| (shown(key), value.clone(), true)).collect()
            }
            Value::List(items) => {
                let is_deep = items.iter().any(is_collection);
                let named = items.iter().enumerate().map(|(at, item)| {
                    let name = if is_deep { at.to_string() } else { shown(item) };
                    (name, item.clone(), false)
                });
                named.collect()
            }
            _ => {
                let reason = format!("foreach goes over a list or a map, not {}", resolved.kind());
                return Err(self.refuse(node.line, reason));
            }
        };
        let mut unique: Vec<(String, Node, bool)> = Vec::new();
        for (name, item, has_key) in named {
            match unique.iter_mut().find(|(other, ..)| *other == name) {
                Some(old) => old.1 = item,
                None => unique.push((name, item, has_key)),
            }
        }
        Ok(unique)
    }

    /// Every combination of a matrix: its name, and a map of its values.
    fn matrix(&self, node: &Node, context: &Context) -> Result<Vec<(String, Node)>, VersionError> {
        let resolved = context.resolve(node, At { file: self.file, key: "" })?;
        let mut all = vec![(Vec::<String>::new(), Vec::<(String, Node)>::new())];
        for (axis, values) in self.pairs(&resolved, "matrix")? {
            let axis = shown(axis);
            let values = self.items(Some(values), &format!("the axis {axis} of the matrix"))?;
            if all.len().saturating_mul(values.len()) > MOST_STAGES {
                let reason = format!("the matrix has more than {MOST_STAGES} combinations");
                return Err(self.refuse(node.line, reason));
            }
            let mut next = Vec::new();
            for (names, chosen) in &all {
                for (at, value) in values.iter().enumerate() {
                    let name =
                        if is_collection(value) { format!("{axis}{at}") } else { shown(value) };
                    let mut names = names.clone();
                    names.push(name);
                    let mut chosen = chosen.clone();
                    chosen.push((axis.clone(), value.clone()));
                    next.push((names, chosen));
                }
            }
            all = next;
        }
        Ok(all.into_iter().map(|(names, chosen)| (names.join("-"), Node::map(chosen))).collect())
    }

    /// One stage, with its names filled in.
    fn stage(
        &self,
        name: &str,
        definition: &Node,
        context: &Context,
    ) -> Result<Stage, VersionError> {
        self.check_keys(definition, &STAGE_KEYS, &format!("the stage {name}"))?;
        let wdir = definition.get("wdir");
        let base = self.base(wdir, context)?;
        let mut own;
        let context = match definition.get("vars") {
            None => context,
            vars => {
                own = context.clone();
                self.vars(&mut own, vars, &base)?;
                &own
            }
        };
        let filled = |key: &str| {
            let node = definition.get(key);
            node.map(|node| context.resolve(node, At { file: self.file, key })).transpose()
        };
        let cmd = filled("cmd")?
            .ok_or_else(|| self.refuse(definition.line, format!("the stage {name} has no cmd")))?;
        self.check_cmd(&cmd)?;
        let mut outs = Vec::new();
        for (key, kind) in
            [("outs", OutKind::Out), ("metrics", OutKind::Metric), ("plots", OutKind::Plot)]
        {
            self.outs(filled(key)?.as_ref(), key, kind, &base, &mut outs)?;
        }
        let stage = Stage {
            file: self.file.to_owned(),
            line: definition.line,
            name: name.to_owned(),
            cmd,
            deps: self.deps(filled("deps")?.as_ref(), &base)?,
            params: self.params(filled("params")?.as_ref(), &base)?,
            outs,
            frozen: self.flag(definition, "frozen", false)?,
            always_changed: self.flag(definition, "always_changed", false)?,
            base,
        };
        self.refuse_doubles(&stage)?;
        Ok(stage)
    }

    fn base(&self, wdir: Option<&Node>, context: &Context) -> Result<String, VersionError> {
        let Some(node) = wdir else { return Ok(self.folder.to_owned()) };
        let wdir = shown(&context.resolve(node, At { file: self.file, key: "wdir" })?);
        let inside = resolve(self.folder, &format!("{wdir}/x"))
            .map_err(|fault| self.refuse(node.line, format!("the wdir {wdir:?} {fault}")))?;
        Ok(folder_of(&inside).to_owned())
    }

    fn check_cmd(&self, cmd: &Node) -> Result<(), VersionError> {
        let items = cmd.items().unwrap_or(std::slice::from_ref(cmd));
        for item in items {
            if self.text(item, "cmd")?.is_empty() {
                return Err(self.refuse(item.line, "cmd is empty"));
            }
        }
        match items.is_empty() {
            true => Err(self.refuse(cmd.line, "cmd is empty")),
            false => Ok(()),
        }
    }

    fn path(&self, node: &Node, what: &str, base: &str) -> Result<(String, String), VersionError> {
        let written = self.text(node, what)?;
        let path = resolve(base, written).map_err(|fault| {
            self.refuse(node.line, format!("the path {written:?} of {what} {fault}"))
        })?;
        Ok((written.to_owned(), path))
    }

    fn deps(&self, node: Option<&Node>, base: &str) -> Result<Vec<Dep>, VersionError> {
        let items = self.items(node, "deps")?.iter();
        let dep = |item: &Node| {
            let (written, path) = self.path(item, "deps", base)?;
            Ok(Dep { written, path, line: item.line })
        };
        items.map(dep).collect()
    }

    /// Names of the usual file, and maps of other files and their names; a file without names is meant as a whole.
    fn params(&self, node: Option<&Node>, base: &str) -> Result<Vec<ParamFile>, VersionError> {
        let usual = Node::text(DEFAULT_PARAMS);
        let mut wanted: Vec<(&Node, &[Node])> = Vec::new();
        for item in self.items(node, "params")? {
            match &item.value {
                Value::Text(_) => wanted.push((&usual, std::slice::from_ref(item))),
                Value::Map(pairs) => {
                    for (file, names) in pairs.iter() {
                        let names = if names.is_null() {
                            &[]
                        } else {
                            self.items(Some(names), "the names of a file")?
                        };
                        wanted.push((file, names));
                    }
                }
                _ => return Err(self.refuse(item.line, "an item of params is a name or a map")),
            }
        }
        let is_whole =
            |file: &Node| wanted.iter().any(|(other, names)| *other == file && names.is_empty());
        let mut files: Vec<ParamFile> = Vec::new();
        for (file, names) in &wanted {
            let (written, path) = self.path(file, "params", base)?;
            let names = if is_whole(file) { &[] } else { *names };
            let names = names.iter().map(|name| self.param(name)).collect::<Result<Vec<_>, _>>()?;
            match files.iter_mut().find(|known| known.written == written) {
                Some(known) => known.names.extend(names),
                None => {
                    let line =
                        if file.line == 0 { node.map_or(0, |node| node.line) } else { file.line };
                    files.push(ParamFile { written, path, line, names });
                }
            }
        }
        Ok(files)
    }

    fn param(&self, name: &Node) -> Result<String, VersionError> {
        let text = self.text(name, "the name of a parameter")?;
        match text.contains(['*', '?', '[']) {
            true => {
                Err(self.refuse(name.line, format!("{text:?} is a pattern: name each parameter")))
            }
            false => Ok(text.to_owned()),
        }
    }

    fn outs(
        &self,
        node: Option<&Node>,
        key: &str,
        kind: OutKind,
        base: &str,
        all: &mut Vec<StageOut>,
    ) -> Result<(), VersionError> {
        let none = Node::map::<String>([]);
        for item in self.items(node, key)? {
            let entries: Vec<(&Node, &Node)> = match item.pairs() {
                Some(pairs) => pairs.iter().map(|(path, flags)| (path, flags)).collect(),
                None => vec![(item, &none)],
            };
            for (path, flags) in entries {
                let known: Vec<&str> = match kind {
                    OutKind::Plot => OUT_KEYS.into_iter().chain(PLOT_KEYS).collect(),
                    _ => OUT_KEYS.to_vec(),
                };
                self.check_keys(flags, &known, &format!("the output {:?}", shown(path)))?;
                let (written, full) = self.path(path, key, base)?;
                let cached = self.flag(flags, "cache", true)?;
                let persist = self.flag(flags, "persist", false)?;
                all.push(StageOut { written, path: full, line: path.line, cached, persist, kind });
            }
        }
        Ok(())
    }

    fn refuse_doubles(&self, stage: &Stage) -> Result<(), VersionError> {
        let deps = stage.deps.iter().map(|dep| (&dep.path, dep.line));
        let params = stage.params.iter().map(|file| (&file.path, file.line));
        let outs = stage.outs.iter().map(|out| (&out.path, out.line));
        let mut seen = std::collections::BTreeSet::new();
        for (path, line) in deps.chain(params).chain(outs) {
            if !seen.insert(path) {
                let reason = format!("the stage {} names {path:?} twice", stage.name);
                return Err(self.refuse(line, reason));
            }
        }
        Ok(())
    }
}

fn is_collection(node: &Node) -> bool {
    matches!(node.value, Value::List(_) | Value::Map(_))
}

/// Refuses `${}` anywhere in a value.
fn refuse_names(reader: &Reader<'_>, node: &Node) -> Result<(), VersionError> {
    if node.as_text().is_some_and(has_names) {
        return Err(reader.refuse(node.line, "vars has no `${}` in it"));
    }
    node.items().unwrap_or_default().iter().try_for_each(|item| refuse_names(reader, item))?;
    let pairs = node.pairs().unwrap_or_default().iter();
    pairs.map(|(_, value)| value).try_for_each(|value| refuse_names(reader, value))
}
