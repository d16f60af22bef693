//! Secrets that a step hands to later steps of its job. The journal must not hold them and the later steps must get
//! them: in events stands a token, and the value takes its place just before a step starts.

use aho_corasick::{AhoCorasick, MatchKind};
use indexmap::IndexMap;
use std::fmt::Write;

/// Secret values by the name that stands for them in tokens.
pub(crate) struct Vault {
    /// Random, so that no output can be made to look like a token.
    nonce: String,
    values: IndexMap<String, String>,
    finder: Option<AhoCorasick>,
}

impl Vault {
    /// A vault for named secrets. The same `nonce` after a restart opens the same tokens.
    pub(crate) fn new<'a>(
        nonce: String,
        secrets: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Self {
        let values = secrets
            .into_iter()
            .filter(|(_, value)| value.chars().count() >= crate::mask::SHORTEST)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut vault = Self { nonce, values, finder: None };
        vault.rebuild();
        vault
    }

    /// Takes in a value that has no name. It lives as long as this process: after a restart its tokens stay closed.
    pub(crate) fn add(&mut self, value: &str) {
        if !self.values.values().any(|known| known == value) {
            // No secret's name begins with a digit, so names stay apart.
            self.values.insert(self.values.len().to_string(), value.to_owned());
            self.rebuild();
        }
    }

    fn rebuild(&mut self) {
        self.finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(self.values.values())
            .ok()
            .filter(|_| !self.values.is_empty());
    }

    /// Puts a token in the place of each value.
    pub(crate) fn seal(&self, text: &mut String) {
        let Some(finder) = self.finder.as_ref().filter(|finder| finder.is_match(&**text)) else {
            return;
        };
        let mut sealed = String::with_capacity(text.len());
        finder.replace_all_with(text, &mut sealed, |hit, _, sealed| {
            let name = self.values.get_index(hit.pattern().as_usize()).map_or("", |(name, _)| name);
            write!(sealed, "{}{name}]", self.opening()).expect("a string takes everything");
            true
        });
        *text = sealed;
    }

    /// True when the text holds a token.
    pub(crate) fn is_sealed(&self, text: &str) -> bool {
        text.contains(&self.opening())
    }

    /// Puts the values back. A token whose value is not known any more stays.
    pub(crate) fn open(&self, text: &mut String) {
        if !self.is_sealed(text) {
            return;
        }
        let opening = self.opening();
        let mut open = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once(&opening) {
            open.push_str(before);
            rest = after;
            let value = after.split_once(']').and_then(|(name, _)| self.values.get_key_value(name));
            match value {
                Some((name, value)) => {
                    open.push_str(value);
                    rest = &after[name.len() + 1..];
                }
                None => open.push_str(&opening),
            }
        }
        open.push_str(rest);
        *text = open;
    }

    fn opening(&self) -> String {
        format!("{}[{}:", crate::mask::MASK, self.nonce)
    }
}

/// The text as people see it: each token, whatever run it is of, as the mask alone.
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(crate::mask::MASK) {
        let after = &rest[at + crate::mask::MASK.len()..];
        shown.push_str(&rest[..at + crate::mask::MASK.len()]);
        rest = after_token(after).unwrap_or(after);
    }
    shown.push_str(rest);
    shown
}

/// What follows `[nonce:NAME]` at the beginning of the text.
fn after_token(text: &str) -> Option<&str> {
    let (nonce, rest) = text.strip_prefix('[')?.split_once(':')?;
    let (name, rest) = rest.split_once(']')?;
    let is_nonce = nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_nonce && is_name).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::{Vault, shown};
    use indexmap::IndexMap;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    fn vault() -> Vault {
        let secrets = [("A", "hunter2!"), ("B", "hunter2!!"), ("SHORT", "x"), ("EMPTY", "")];
        let secrets: IndexMap<String, String> =
            secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Vault::new("n0nce".to_owned(), &secrets)
    }

    #[test]
    fn people_see_the_mask_and_nothing_of_a_token() {
        let nonce = "c16718487c5d4b26857b5feaf3c9b99c";
        assert_eq!(shown(&format!("a ***[{nonce}:TOK]b ***[{nonce}:3]")), "a ***b ***");
        for other in
            ["", "***", "***[x]", "***[abc:TOK]", "*** [list: 1]", &format!("***[{nonce}:")]
        {
            assert_eq!(shown(other), other);
        }
    }

    #[test]
    fn a_sealed_value_is_gone_and_comes_back() {
        let mut text = "x=hunter2! y=hunter2!! z=x".to_owned();
        vault().seal(&mut text);
        assert_eq!(text, "x=***[n0nce:A] y=***[n0nce:B] z=x");
        assert!(vault().is_sealed(&text));
        vault().open(&mut text);
        assert_eq!(text, "x=hunter2! y=hunter2!! z=x");
        assert!(!vault().is_sealed(&text));
    }

    #[test]
    fn tokens_that_nobody_made_stay_closed() {
        for text in ["***[other:A]", "***[n0nce:C]", "***[n0nce:A", "***[n0nce:"] {
            let mut open = text.to_owned();
            vault().open(&mut open);
            assert_eq!(open, text);
        }
    }

    #[test]
    fn values_without_a_name_are_sealed_as_long_as_the_process_lives() {
        let mut first = vault();
        first.add("t0ken-of-an-hour");
        first.add("t0ken-of-an-hour");
        let mut text = "t0ken-of-an-hour".to_owned();
        first.seal(&mut text);
        assert_eq!(
            text, "***[n0nce:2]",
            "after two named ones; the empty and the short are left out"
        );
        let mut again = text.clone();
        vault().open(&mut again);
        assert_eq!(again, text, "another process does not know it");
        first.open(&mut text);
        assert_eq!(text, "t0ken-of-an-hour");
    }

    proptest! {
        #[test]
        fn any_text_survives(before in ".{0,20}", after in ".{0,20}") {
            let text = format!("{before}hunter2!{after}");
            let mut sealed = text.clone();
            vault().seal(&mut sealed);
            prop_assert!(!sealed.contains("hunter2!"));
            vault().open(&mut sealed);
            prop_assert_eq!(sealed, text);
        }
    }
}
