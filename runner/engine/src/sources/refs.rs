//! From what a server says of its refs to the commit that a `@REF` means. Pure.

use pawl_core::lock::is_full_sha;

/// One ref of a repository; for an annotated tag the commit that it points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteRef {
    pub(super) name: String,
    pub(super) sha: String,
}

/// What a reference means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A branch or tag; and the other of the two, when there are both and they differ.
    Ref { found: RemoteRef, shadowed: Option<RemoteRef> },
    /// A full commit id, which is taken as it is.
    Commit(String),
    /// The first digits of a commit id; the full one, when a ref points at it.
    Short(Option<String>),
    /// Neither; names that are close.
    Nothing(Vec<String>),
}

/// True for what looks like the first digits of a commit: GitHub's own shortest has four.
pub(super) fn is_short_sha(text: &str) -> bool {
    (4..40).contains(&text.len()) && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Reads the lines of `git ls-remote`. A peeled tag (`^{}`) takes the place of the tag object.
pub(super) fn parse(listing: &str) -> Vec<RemoteRef> {
    let mut refs: Vec<RemoteRef> = Vec::new();
    for line in listing.lines() {
        let Some((sha, name)) = line.split_once('\t') else { continue };
        if !is_full_sha(sha) {
            continue;
        }
        match name.strip_suffix("^{}") {
            Some(tag) => refs
                .iter_mut()
                .filter(|known| known.name == tag)
                .for_each(|known| known.sha = sha.to_owned()),
            None => refs.push(RemoteRef { name: name.to_owned(), sha: sha.to_owned() }),
        }
    }
    refs
}

/// What `reference` means among these refs. A tag goes before a branch of the same name, as git itself has it.
pub(super) fn meaning(refs: &[RemoteRef], reference: &str) -> Meaning {
    if is_full_sha(reference) {
        return Meaning::Commit(reference.to_ascii_lowercase());
    }
    let find = |name: &str| refs.iter().find(|known| known.name == name).cloned();
    let whole = find(reference).filter(|_| reference.starts_with("refs/"));
    let tag = find(&format!("refs/tags/{reference}"));
    let branch = find(&format!("refs/heads/{reference}"));
    let partial = find(&format!("refs/{reference}"));
    let mut found = whole.into_iter().chain(tag).chain(branch).chain(partial);
    if let Some(first) = found.next() {
        let shadowed = found.find(|other| other.sha != first.sha);
        return Meaning::Ref { found: first, shadowed };
    }
    if is_short_sha(reference) {
        let lower = reference.to_ascii_lowercase();
        let full = refs.iter().find(|known| known.sha.starts_with(&lower));
        return Meaning::Short(full.map(|known| known.sha.clone()));
    }
    Meaning::Nothing(close(refs, reference))
}

/// Up to three names with the first letter of the wanted one, the longest and highest first.
fn close(refs: &[RemoteRef], reference: &str) -> Vec<String> {
    let short = |name: &str| {
        let name = name.strip_prefix("refs/tags/").or_else(|| name.strip_prefix("refs/heads/"));
        name.unwrap_or_default().to_owned()
    };
    let start: String = reference.chars().take(1).collect();
    let mut names: Vec<String> = refs
        .iter()
        .map(|known| short(&known.name))
        .filter(|name| name.starts_with(&start))
        .collect();
    names.sort_by_key(|name| std::cmp::Reverse((name.len(), name.clone())));
    names.truncate(3);
    names
}

#[cfg(test)]
mod tests {
    use super::{Meaning, meaning, parse};

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn listing() -> String {
        format!(
            "{A}\trefs/heads/main\n{B}\trefs/heads/v1\n{B}\trefs/tags/v1\n{A}\trefs/tags/v1^{{}}\n\
             {B}\trefs/tags/light\nnonsense\n"
        )
    }

    #[test]
    fn a_tag_is_the_commit_it_points_at_and_goes_before_a_branch() {
        let refs = parse(&listing());
        let Meaning::Ref { found, shadowed } = meaning(&refs, "v1") else { panic!("{refs:?}") };
        assert_eq!((found.name.as_str(), found.sha.as_str()), ("refs/tags/v1", A));
        assert_eq!(shadowed.unwrap().name, "refs/heads/v1");
    }

    #[test]
    fn branches_whole_names_and_partial_ones_are_found() {
        let refs = parse(&listing());
        for (reference, name) in [
            ("main", "refs/heads/main"),
            ("light", "refs/tags/light"),
            ("refs/heads/v1", "refs/heads/v1"),
            ("heads/v1", "refs/heads/v1"),
        ] {
            let Meaning::Ref { found, shadowed } = meaning(&refs, reference) else {
                panic!("{reference}")
            };
            assert_eq!((found.name.as_str(), shadowed), (name, None), "{reference}");
        }
    }

    #[test]
    fn a_full_sha_is_itself_and_a_short_one_is_told_apart() {
        let refs = parse(&listing());
        let upper = "C".repeat(40);
        assert_eq!(meaning(&refs, &upper), Meaning::Commit("c".repeat(40)));
        assert_eq!(meaning(&refs, "aaaaaaa"), Meaning::Short(Some(A.to_owned())));
        assert_eq!(meaning(&refs, "1234567"), Meaning::Short(None));
    }

    #[test]
    fn an_unknown_name_comes_with_close_ones() {
        let refs = parse(&format!("{A}\trefs/tags/v1\n{A}\trefs/tags/v10\n{A}\trefs/tags/w1\n"));
        let close = ["v10".to_owned(), "v1".to_owned()];
        assert_eq!(meaning(&refs, "v2"), Meaning::Nothing(close.into()));
        assert_eq!(meaning(&refs, "x"), Meaning::Nothing(Vec::new()));
    }
}
