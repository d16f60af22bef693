//! A commit of a repository as git fetches it: another repository, another reference of this one, or this one without what
//! is not committed. All of it happens in a folder that no step sees; what is whole is moved into the workspace.

use super::git::{self, not_started};
use crate::action::ActionError;
use std::path::{Path, PathBuf};

/// What is fetched, and from where.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Where from: an address that git knows.
    pub(super) url: String,
    /// The address that the checkout names as its own, where that is another one.
    pub(super) shown: String,
    /// The branch that the commit `reference` stands for, or empty.
    pub(super) branch: String,
    /// A branch, a tag, `refs/…` or a full commit; empty is the default branch.
    pub(super) reference: String,
    /// Commits of history; 0 is all of it with all branches and tags.
    pub(super) depth: u32,
    pub(super) tags: bool,
    /// `--filter` of a partial clone, or empty.
    pub(super) filter: String,
    /// Patterns of a sparse checkout; empty brings everything.
    pub(super) sparse: String,
    pub(super) submodules: Submodules,
    /// Files of Git LFS in place of their pointers.
    pub(super) lfs: bool,
    /// Given to the server, kept nowhere.
    pub(super) token: String,
}

impl Wanted {
    /// The address to show and to leave in the checkout.
    pub(super) fn shown(&self) -> &str {
        if self.shown.is_empty() { &self.url } else { &self.shown }
    }
}

/// Which submodules are brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Submodules {
    #[default]
    None,
    Direct,
    Recursive,
}

/// What was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) commit: String,
    /// The full name of what was checked out, or the commit.
    pub(super) reference: String,
}

/// Fetches and checks out into an empty folder.
pub(super) fn fetch(wanted: &Wanted, folder: &Path) -> Result<Fetched, ActionError> {
    let clone = Clone { wanted, folder: folder.to_owned() };
    clone.git(&["init", "-q", "--template="])?;
    for (name, value) in [("core.checkStat", "minimal"), ("core.trustctime", "false")] {
        clone.git(&["config", name, value])?;
    }
    clone.git(&["remote", "add", "origin", &wanted.url])?;
    let full = clone.full_name()?;
    clone.fetch(&full)?;
    if wanted.lfs {
        clone.git(&["lfs", "install", "--local"])?;
    }
    if !wanted.sparse.is_empty() {
        clone.git(&["config", "core.sparseCheckout", "true"])?;
        let info = folder.join(".git/info");
        let written = std::fs::create_dir_all(&info)
            .and_then(|()| std::fs::write(info.join("sparse-checkout"), &wanted.sparse));
        written.map_err(|error| ActionError::environment(error.to_string(), ""))?;
    }
    clone.check_out(&full)?;
    clone.submodules()?;
    if !wanted.shown.is_empty() {
        clone.git(&["remote", "set-url", "origin", &wanted.shown])?;
    }
    let commit = clone.git(&["rev-parse", "HEAD"])?;
    Ok(Fetched { commit: commit.trim().to_owned(), reference: full })
}

struct Clone<'a> {
    wanted: &'a Wanted,
    folder: PathBuf,
}

impl Clone<'_> {
    /// The name of what is wanted: `refs/…` or a commit.
    fn full_name(&self) -> Result<String, ActionError> {
        let name = &self.wanted.reference;
        if is_commit(name) || name.starts_with("refs/") {
            return Ok(name.clone());
        }
        if name.is_empty() || name == "HEAD" {
            let told = self.git(&["ls-remote", "--symref", &self.wanted.url, "HEAD"])?;
            let symbolic = told.lines().find_map(|line| line.strip_prefix("ref: "));
            let branch = symbolic.and_then(|line| line.split_whitespace().next());
            let commit = told.lines().find_map(|line| line.split_once("\tHEAD").map(|part| part.0));
            return branch
                .or(commit)
                .map(str::to_owned)
                .ok_or_else(|| self.unknown("it has no commit yet"));
        }
        let (head, tag) = (format!("refs/heads/{name}"), format!("refs/tags/{name}"));
        let told = self.git(&["ls-remote", &self.wanted.url, &head, &tag])?;
        // GitHub's order: a branch before a tag of the same name.
        let has = |wanted: &str| told.lines().any(|line| line.split('\t').nth(1) == Some(wanted));
        match (has(&head), has(&tag)) {
            (true, _) => Ok(head),
            (false, true) => Ok(tag),
            (false, false) => Err(self.unknown("it has no branch or tag of that name")),
        }
    }

    fn unknown(&self, why: &str) -> ActionError {
        let Wanted { url, reference, .. } = self.wanted;
        ActionError::input(
            format!("cannot check out {reference:?} of {url}: {why}"),
            "name a branch, a tag or a full commit with `ref`",
        )
    }

    fn fetch(&self, full: &str) -> Result<(), ActionError> {
        let depth = format!("--depth={}", self.wanted.depth);
        let filter = format!("--filter={}", self.wanted.filter);
        let mut arguments = vec!["fetch", "-q"];
        if self.wanted.depth > 0 {
            arguments.push(&depth);
        }
        let all = self.wanted.depth == 0 || self.wanted.tags;
        arguments.push(if all { "--tags" } else { "--no-tags" });
        if !self.wanted.filter.is_empty() {
            arguments.push(&filter);
        }
        if self.wanted.url.starts_with("file://") {
            arguments.push("--upload-pack=git -c uploadpack.allowAnySHA1InWant=true upload-pack");
        }
        arguments.push("origin");
        if self.wanted.depth == 0 {
            arguments.push("+refs/heads/*:refs/remotes/origin/*");
        }
        let wish = match full.strip_prefix("refs/heads/") {
            Some(branch) => format!("+{full}:refs/remotes/origin/{branch}"),
            None => match full.strip_prefix("refs/pull/") {
                Some(pull) => format!("+{full}:refs/remotes/pull/{pull}"),
                None if full.starts_with("refs/") => format!("+{full}:{full}"),
                None => full.to_owned(),
            },
        };
        arguments.push(&wish);
        self.git(&arguments).map(drop)
    }

    fn check_out(&self, full: &str) -> Result<(), ActionError> {
        if let Some(branch) = full.strip_prefix("refs/heads/") {
            let remote = format!("refs/remotes/origin/{branch}");
            return self.git(&["checkout", "-q", "-f", "-B", branch, &remote]).map(drop);
        }
        let Wanted { branch, .. } = self.wanted;
        if !branch.is_empty() {
            self.git(&["update-ref", &format!("refs/remotes/origin/{branch}"), full])?;
            return self.git(&["checkout", "-q", "-f", "-B", branch, full]).map(drop);
        }
        let place = full.strip_prefix("refs/pull/");
        let place =
            place.map_or_else(|| full.to_owned(), |pull| format!("refs/remotes/pull/{pull}"));
        self.git(&["checkout", "-q", "-f", "--detach", &place]).map(drop)
    }

    fn submodules(&self) -> Result<(), ActionError> {
        let depth = format!("--depth={}", self.wanted.depth.max(1));
        let mut arguments = vec!["submodule", "update", "--init", "--force"];
        match self.wanted.submodules {
            Submodules::None => return Ok(()),
            Submodules::Direct => {}
            Submodules::Recursive => arguments.push("--recursive"),
        }
        if self.wanted.depth > 0 {
            arguments.push(&depth);
        }
        self.git(&arguments).map(drop)
    }

    /// Runs git without the user's credential helpers: a workflow's code must not reach what only the user may read.
    fn git(&self, arguments: &[&str]) -> Result<String, ActionError> {
        let mut settings = vec![
            ("credential.helper".to_owned(), String::new()),
            ("core.hooksPath".to_owned(), "/dev/null".to_owned()),
        ];
        if !self.wanted.token.is_empty() {
            let basic = base64(format!("x-access-token:{}", self.wanted.token).as_bytes());
            let name = format!("http.{}.extraheader", origin(&self.wanted.url));
            settings.push((name, format!("AUTHORIZATION: basic {basic}")));
        }
        // A foreign `.gitmodules` may not name folders of this machine.
        let protocols =
            if arguments.first() == Some(&"submodule") { "https:http" } else { "https:http:file" };
        let mut command = git::call(&self.folder, arguments);
        command
            .env("GIT_ASKPASS", "true")
            .env("GIT_ALLOW_PROTOCOL", protocols)
            .env("GIT_LFS_SKIP_SMUDGE", if self.wanted.lfs { "0" } else { "1" })
            // By the environment: a command line is everybody's to read.
            .env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (index, (name, value)) in settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{index}"), name);
            command.env(format!("GIT_CONFIG_VALUE_{index}"), value);
        }
        let output = command.output().map_err(|error| not_started(&error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        let what = arguments.first().copied().unwrap_or_default();
        Err(ActionError::environment(
            format!("git {what} of {} failed: {}", self.wanted.url, words.trim()),
            "give a repository of this machine in its place with --action OWNER/REPO=DIR",
        ))
    }
}

/// True for a full object name.
pub(super) fn is_commit(name: &str) -> bool {
    matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Scheme and host of an address, as git's `http.URL.*` settings want them.
fn origin(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    format!("{scheme}://{}/", rest.split('/').next().unwrap_or_default())
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = char::from(ALPHABET[(word >> (18 - 6 * place)) as usize & 63]);
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{base64, is_commit, origin};

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_token_is_only_for_the_host_it_was_meant_for() {
        assert_eq!(origin("https://example.org/a/b"), "https://example.org/");
    }

    #[test]
    fn only_a_full_commit_is_one() {
        assert!(is_commit(&"a1".repeat(20)) && !is_commit("a1b2c3d"));
    }
}
