//! `.dvc` files: which version of a file or folder belongs to this commit.

use crate::VersionError;
use crate::digest::Folding;
use crate::object::ObjectId;
use crate::{document, path, scalar};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_yaml::Spanned;

/// One output of a pointer or of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Out {
    /// Below the root of the repository, with `/`.
    pub(crate) path: String,
    /// The line of its path in the file.
    pub(crate) line: u64,
    /// What it holds; `None` when nobody said so yet.
    pub(crate) id: Option<ObjectId>,
    /// Bytes in all.
    pub(crate) size: Option<u64>,
    /// Files in it, for a folder.
    pub(crate) nfiles: Option<u64>,
    /// The owner may run it.
    pub(crate) isexec: bool,
    /// DVC keeps it in the cache.
    pub(crate) cached: bool,
    /// It goes to remotes.
    pub(crate) pushed: bool,
    /// The one remote that it belongs to.
    pub(crate) remote: Option<String>,
}

/// What is known of a file or folder that was just added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) id: ObjectId,
    pub(crate) size: Option<u64>,
    pub(crate) nfiles: Option<u64>,
    pub(crate) isexec: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPointer {
    #[serde(default)]
    outs: Option<Vec<RawOut>>,
    #[serde(default)]
    deps: Option<Vec<RawDep>>,
    #[serde(default)]
    wdir: Option<Spanned<String>>,
    #[serde(default, rename = "md5")]
    _md5: Option<IgnoredAny>,
    #[serde(default, rename = "locked")]
    _locked: Option<bool>,
    #[serde(default, rename = "frozen")]
    _frozen: Option<bool>,
    #[serde(default, rename = "meta")]
    _meta: Option<IgnoredAny>,
    #[serde(default, rename = "always_changed")]
    _always_changed: Option<bool>,
    #[serde(default, rename = "desc")]
    _desc: Option<String>,
}

/// Where an imported file came from. Only whether it is another repository matters.
#[derive(Deserialize)]
struct RawDep {
    #[serde(default)]
    repo: Option<IgnoredAny>,
}

/// An output as files hold it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOut {
    path: Spanned<String>,
    #[serde(default)]
    md5: Option<Spanned<String>>,
    #[serde(default)]
    hash: Option<Spanned<String>>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    nfiles: Option<u64>,
    #[serde(default)]
    isexec: Option<bool>,
    #[serde(default)]
    cache: Option<bool>,
    #[serde(default)]
    push: Option<bool>,
    #[serde(default)]
    remote: Option<String>,
    #[serde(default, rename = "persist")]
    _persist: Option<bool>,
    #[serde(default, rename = "desc")]
    _desc: Option<String>,
    #[serde(default, rename = "type")]
    _type: Option<String>,
    #[serde(default, rename = "labels")]
    _labels: Option<IgnoredAny>,
    #[serde(default, rename = "meta")]
    _meta: Option<IgnoredAny>,
    // Outputs that lie in a cloud under names of its own, or outside of the repository.
    #[serde(default)]
    etag: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    checksum: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    version_id: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    cloud: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    files: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    fs_config: Option<Spanned<IgnoredAny>>,
}

/// Reads the outputs of a pointer. `file` is its path below the root.
pub(crate) fn parse(text: &str, file: &str) -> Result<Vec<Out>, VersionError> {
    let raw: RawPointer = document::parse(text, file)?;
    let base = match &raw.wdir {
        None => path::folder_of(file).to_owned(),
        // `wdir: .` is the folder of the pointer, which may be the root.
        Some(wdir) => match path::resolve(path::folder_of(file), &format!("{}/x", wdir.value)) {
            Ok(inside) => path::folder_of(&inside).to_owned(),
            Err(fault) => {
                return Err(refuse(file, wdir.referenced.line(), &wdir.value, fault));
            }
        },
    };
    let is_import = raw.deps.iter().flatten().any(|dep| dep.repo.is_some());
    let outs = raw.outs.unwrap_or_default();
    outs.into_iter()
        .map(|out| {
            let mut out = out.into_out(file, &base)?;
            // DVC takes these from the other repository.
            out.pushed &= !is_import;
            Ok(out)
        })
        .collect()
}

fn refuse(file: &str, line: u64, what: &str, fault: &str) -> VersionError {
    let hint = "write a path inside of the repository, relative to the file that names it";
    VersionError::input(format!("{file}:{line}"), format!("the path {what:?} {fault}"), hint)
}

impl RawOut {
    /// The output, with its path read in the folder `base`.
    pub(crate) fn into_out(self, file: &str, base: &str) -> Result<Out, VersionError> {
        let line = self.path.referenced.line();
        self.refuse_clouds(file)?;
        let resolved = path::resolve(base, &self.path.value)
            .map_err(|fault| refuse(file, line, &self.path.value, fault))?;
        let folding = match &self.hash {
            None => Folding::Dos2Unix,
            Some(hash) if hash.value == "md5" => Folding::Raw,
            Some(hash) => {
                let place = format!("{file}:{}", hash.referenced.line());
                let reason = format!("there is no kind of hash {:?} here, only md5", hash.value);
                return Err(VersionError::input(place, reason, "add the data again"));
            }
        };
        let written = self.md5.filter(|md5| !md5.value.is_empty());
        let id = written.map(|md5| {
            ObjectId::parse(&md5.value, folding).ok_or_else(|| {
                let place = format!("{file}:{}", md5.referenced.line());
                let reason = format!("{:?} is no md5 of 32 hexadecimal digits", md5.value);
                VersionError::input(
                    place,
                    reason,
                    "take the file back from git, or add the data again",
                )
            })
        });
        Ok(Out {
            path: resolved,
            line,
            id: id.transpose()?,
            size: self.size,
            nfiles: self.nfiles,
            isexec: self.isexec.unwrap_or(false),
            cached: self.cache.unwrap_or(true),
            pushed: self.push.unwrap_or(true),
            remote: self.remote,
        })
    }

    fn refuse_clouds(&self, file: &str) -> Result<(), VersionError> {
        let keys = [
            ("etag", &self.etag),
            ("checksum", &self.checksum),
            ("version_id", &self.version_id),
            ("cloud", &self.cloud),
            ("files", &self.files),
            ("fs_config", &self.fs_config),
        ];
        let found = keys.into_iter().find_map(|(key, value)| value.as_ref().map(|at| (key, at)));
        found.map_or(Ok(()), |(key, at)| {
            Err(VersionError::input(
                format!("{file}:{}", at.referenced.line()),
                format!(
                    "`{key}` belongs to outputs that a cloud versions, which Pawl does not read"
                ),
                "use DVC itself for this output, or add the data without cloud versioning",
            ))
        })
    }
}

/// The lines of one output, as keys and values in DVC's order.
fn lines(facts: &Facts, name: Option<&str>) -> Vec<(&'static str, String)> {
    let mut lines = vec![("md5", scalar::value(&facts.id.to_string(), 5, 4))];
    let mut add = |key, value: Option<String>| lines.extend(value.map(|value| (key, value)));
    add("size", facts.size.map(|size| format!(" {size}")));
    add("nfiles", facts.nfiles.map(|count| format!(" {count}")));
    add("isexec", facts.isexec.then(|| " true".to_owned()));
    add("hash", (facts.id.folding == Folding::Raw).then(|| " md5".to_owned()));
    add("path", name.map(|name| scalar::value(name, "  path:".len(), 4)));
    lines
}

/// The text of a new pointer to the file or folder `name` beside it.
pub(crate) fn write(facts: &Facts, name: &str) -> String {
    let mut text = "outs:\n".to_owned();
    for (at, (key, value)) in lines(facts, Some(name)).iter().enumerate() {
        let lead = if at == 0 { "- " } else { "  " };
        text.push_str(&format!("{lead}{key}:{value}\n"));
    }
    text
}

/// The text of a pointer whose one output has changed: comments and everything else that a person wrote stays, in its place.
/// `None` when the text has not the shape that DVC writes.
pub(crate) fn update(text: &str, facts: &Facts) -> Option<String> {
    const OURS: [&str; 5] = ["md5", "size", "nfiles", "isexec", "hash"];
    let mut all: Vec<String> = text.lines().map(str::to_owned).collect();
    let begin = all.iter().position(|line| line.trim_end() == "outs:")? + 1;
    let first = all.get(begin)?;
    let lead = first.len() - first.trim_start().len();
    if !first[lead..].starts_with("- ") {
        return None;
    }
    let indent = lead + 2;
    let is_inside = |line: &String| {
        let blanks = line.len() - line.trim_start().len();
        blanks >= indent || line.trim().is_empty() || line.trim_start().starts_with('#')
    };
    let mut end = begin + 1 + all[begin + 1..].iter().take_while(|line| is_inside(line)).count();
    while end > begin + 1 && !all[end - 1].starts_with(&" ".repeat(indent)) {
        end -= 1;
    }
    if all.get(end).is_some_and(|line| line.trim_start().starts_with("- ")) {
        return None;
    }
    // The dash is a blank while keys are looked for.
    all[begin].replace_range(lead..=lead, " ");
    let key_of = |line: &str| {
        let rest = line.strip_prefix(&" ".repeat(indent))?;
        let (key, _) = rest.split_once(':')?;
        OURS.into_iter().find(|known| *known == key)
    };
    let new = lines(facts, None);
    let mut block: Vec<String> = Vec::new();
    let mut seen = Vec::new();
    for line in &all[begin..end] {
        match key_of(line) {
            None => block.push(line.clone()),
            Some(key) => {
                seen.push(key);
                let value = new.iter().find(|(name, _)| *name == key);
                block.extend(value.map(|(_, value)| with_comment(line, key, indent, value)));
            }
        }
    }
    let added = new.iter().filter(|(key, _)| !seen.contains(key));
    block.extend(added.map(|(key, value)| format!("{}{key}:{value}", " ".repeat(indent))));
    let first = block.iter().position(|line| line.starts_with(&" ".repeat(indent)))?;
    block[first].replace_range(lead..=lead, "-");
    all.splice(begin..end, block);
    Some(all.join("\n") + "\n")
}

/// A line with a new value and the comment that it had.
fn with_comment(line: &str, key: &str, indent: usize, value: &str) -> String {
    let comment = line.find(" #").map_or("", |at| &line[at..]);
    format!("{}{key}:{value}{comment}", " ".repeat(indent))
}

#[cfg(test)]
mod tests {
    use super::{Facts, parse, update, write};
    use crate::digest::Folding;
    use crate::object::ObjectId;

    const MD5: &str = "2e4b441ec64cdaf4802fc67bdb84bd31";

    fn facts() -> Facts {
        let id = ObjectId::folder(MD5.to_owned(), Folding::Raw);
        Facts { id, size: Some(10), nfiles: Some(4), isexec: false }
    }

    #[test]
    fn a_pointer_is_written_as_dvc_writes_it_and_read_again() {
        let text = write(&facts(), "my data");
        let expected = format!(
            "outs:\n- md5: {MD5}.dir\n  size: 10\n  nfiles: 4\n  hash: md5\n  path: my data\n"
        );
        assert_eq!(text, expected);
        let outs = parse(&text, "sub/my data.dvc").unwrap();
        assert_eq!(outs[0].path, "sub/my data");
        assert_eq!(outs[0].id, Some(facts().id));
        assert_eq!((outs[0].size, outs[0].nfiles, outs[0].line), (Some(10), Some(4), 6));
    }

    #[test]
    fn digits_alone_are_quoted() {
        let id = ObjectId::file("12345678901234567890123456789012".into(), Folding::Raw);
        let text = write(&Facts { id, size: Some(1), nfiles: None, isexec: true }, "x");
        assert!(text.starts_with("outs:\n- md5: '12345678901234567890123456789012'\n"), "{text}");
        assert!(text.contains("  size: 1\n  isexec: true\n  hash: md5\n"), "{text}");
        assert_eq!(parse(&text, "x.dvc").unwrap()[0].id.as_ref().unwrap().md5().len(), 32);
    }

    #[test]
    fn what_people_wrote_into_a_pointer_stays() {
        let old = "# ours\nouts:\n- md5: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa # old\n  size: 3\n  \
                   isexec: true\n  path: data\n  desc: the data\nmeta:\n  owner: me\n";
        let new = format!(
            "# ours\nouts:\n- md5: {MD5}.dir # old\n  size: 10\n  path: data\n  desc: the data\n  \
             nfiles: 4\n  hash: md5\nmeta:\n  owner: me\n"
        );
        assert_eq!(update(old, &facts()), Some(new));
        assert_eq!(update("outs: [{md5: a, path: b}]\n", &facts()), None);
    }

    #[test]
    fn hostile_pointers_are_refused_with_file_line_and_reason() {
        let refused = |text: &str| parse(text, "a/b.dvc").unwrap_err().to_string();
        let out = |path: &str| format!("outs:\n- md5: {MD5}\n  hash: md5\n  path: {path}\n");
        assert_eq!(
            refused(&out("../../etc/passwd")),
            "a/b.dvc:4: the path \"../../etc/passwd\" leads out of the repository"
        );
        assert!(refused(&out("/etc/passwd")).contains("leads out of the repository"));
        assert!(refused(&out("../.git/hooks/pre-commit")).contains("leads into a folder .git"));
        assert!(refused("wdir: ../..\nouts: []\n").starts_with("a/b.dvc:1: the path"));
        assert!(refused("outs:\n- md5: ../../x\n  hash: md5\n  path: x\n").contains("b.dvc:2: "));
        assert!(refused("outs:\n- md5: x\n  md5: y\n  path: x\n").starts_with("a/b.dvc:3: "));
        assert!(refused("outs:\n- path: x\n  nonsense: 1\n").starts_with("a/b.dvc:"));
        assert!(refused("outs:\n- path: x\n  cloud: {s3: {etag: x}}\n").contains("`cloud`"));
        assert!(refused("outs: &a [*a]\n").starts_with("a/b.dvc:"));
    }
}
