//! Entries of `.gitignore` files, as DVC writes them.

/// The text of a `.gitignore` with an entry for `name` beside it; `None` when it is there already.
pub(crate) fn with_entry(text: &str, name: &str) -> Option<String> {
    let entry = format!("/{}", escape(name));
    if text.lines().any(|line| line == entry) {
        return None;
    }
    let line_end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    Some(format!("{text}{line_end}{entry}\n"))
}

fn escape(name: &str) -> String {
    let mut escaped = String::new();
    for c in name.chars() {
        if "\\[]!*#?".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::with_entry;

    #[test]
    fn entries_are_escaped_and_stand_there_once() {
        assert_eq!(with_entry("", "a [1]!*#?\\b").unwrap(), "/a \\[1\\]\\!\\*\\#\\?\\\\b\n");
        assert_eq!(with_entry("/x", "y").unwrap(), "/x\n/y\n");
        assert_eq!(with_entry("/x\n/y\n", "y"), None);
    }
}
