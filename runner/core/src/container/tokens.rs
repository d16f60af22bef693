//! Splitting an options text into words, as the shell does that people have in mind when they write one.

use super::Fault;
use crate::diagnostic::Code;

/// One word with the place where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) offset: usize,
}

/// A command line as its words. With an open quote it is one word: the engine says what is wrong with it.
pub fn command_words(text: &str) -> Vec<String> {
    match words(text) {
        Ok(words) => words.into_iter().map(|word| word.text).collect(),
        Err(_) => vec![text.to_owned()],
    }
}

/// Splits at blanks. Single quotes keep everything, double quotes all but `\"`, `\\`, `\$` and `` \` ``, a backslash outside of
/// quotes keeps the next character.
pub(super) fn words(text: &str) -> Result<Vec<Word>, Fault> {
    let mut words = Vec::new();
    let mut current: Option<Word> = None;
    let mut letters = text.char_indices();
    while let Some((offset, letter)) = letters.next() {
        if letter.is_whitespace() {
            words.extend(current.take());
            continue;
        }
        if letter == '\\' && text[offset + 1..].starts_with('\n') {
            // A line that goes on, as in a shell.
            letters.next();
            continue;
        }
        let word = current.get_or_insert_with(|| Word { text: String::new(), offset });
        match letter {
            '\'' => loop {
                match letters.next() {
                    Some((_, '\'')) => break,
                    Some((_, inner)) => word.text.push(inner),
                    None => return Err(open_quote(offset)),
                }
            },
            '"' => double_quoted(&mut letters, &mut word.text, offset)?,
            '\\' => match letters.next() {
                Some((_, escaped)) => word.text.push(escaped),
                None => word.text.push('\\'),
            },
            plain => word.text.push(plain),
        }
    }
    words.extend(current);
    Ok(words)
}

fn double_quoted(
    letters: &mut std::str::CharIndices<'_>,
    into: &mut String,
    start: usize,
) -> Result<(), Fault> {
    loop {
        match letters.next() {
            Some((_, '"')) => return Ok(()),
            Some((_, '\\')) => match letters.next() {
                Some((_, escaped @ ('"' | '\\' | '$' | '`'))) => into.push(escaped),
                Some((_, '\n')) => {}
                Some((_, other)) => into.extend(['\\', other]),
                None => return Err(open_quote(start)),
            },
            Some((_, inner)) => into.push(inner),
            None => return Err(open_quote(start)),
        }
    }
}

fn open_quote(offset: usize) -> Fault {
    Fault::new(
        Code::ContainerOption,
        offset,
        "a quote is not closed",
        "close it, or write \\ before it",
    )
}

#[cfg(test)]
mod tests {
    use super::words;

    fn split(text: &str) -> Vec<(String, usize)> {
        words(text)
            .expect("sound quotes")
            .into_iter()
            .map(|word| (word.text, word.offset))
            .collect()
    }

    #[test]
    fn words_keep_their_quotes_content_and_their_places() {
        let found = split("--a 'b c'  --d=\"e \\\"f\\\" \\n\"\n  g\\ h \\\n i");
        let expected = [("--a", 0), ("b c", 4), ("--d=e \"f\" \\n", 11), ("g h", 30), ("i", 38)];
        assert_eq!(found, expected.map(|(text, offset)| (text.to_owned(), offset)));
        assert_eq!(split("  ''  "), [(String::new(), 2)]);
        assert_eq!(split(" \n\t"), []);
    }

    #[test]
    fn an_open_quote_is_a_fault_at_its_place() {
        for text in ["--a 'b", "--a \"b", "--a \"b\\"] {
            assert_eq!(words(text).expect_err("open").offset, 4, "{text}");
        }
    }
}
