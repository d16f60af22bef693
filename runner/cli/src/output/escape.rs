//! Text of steps on a terminal: a hostile log must not move the cursor, change the title or answer for the user.

/// The text without control characters. Colours (`ESC [ … m`) stay when `keep_colors`; tabs stay.
pub(crate) fn harmless(text: &str, keep_colors: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_control() && c != '\t') {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        match color_length(rest) {
            Some(length) => {
                if keep_colors {
                    shown.push_str(&rest[..length]);
                }
                rest = &rest[length..];
            }
            None => rest = rest.get(rest.chars().next().map_or(1, char::len_utf8)..).unwrap_or(""),
        }
    }
    shown.push_str(rest);
    shown
}

/// Length of a colour sequence at the start of the text.
fn color_length(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("\x1b[")?;
    let end = inside.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    inside[end..].starts_with('m').then_some(end + 3)
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn only_colours_survive() {
        let text = "\x1b[1;31mred\x1b[0m\tab \x1b[2Jgone\x1b]0;title\x07 \u{9b}5A\r";
        assert_eq!(harmless(text, true), "\x1b[1;31mred\x1b[0m\tab [2Jgone]0;title 5A");
        assert_eq!(harmless(text, false), "red\tab [2Jgone]0;title 5A");
        assert_eq!(harmless("plain ü", false), "plain ü");
        assert_eq!(harmless("cut \x1b[31", true), "cut [31");
    }
}
