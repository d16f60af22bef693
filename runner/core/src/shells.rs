//! From `shell:` to what runs a script: GitHub's own command lines for the shells it knows, and the user's own.

use crate::ports::Command;

/// Arguments of the shells that are named by a word.
const DEFAULTS: [(&str, &str); 6] = [
    ("bash", "--noprofile --norc -e -o pipefail {0}"),
    ("cmd", "/D /E:ON /V:OFF /S /C \"CALL \"{0}\"\""),
    ("powershell", "-command \". '{0}'\""),
    ("pwsh", "-command \". '{0}'\""),
    ("python", "{0}"),
    ("sh", "-e {0}"),
];

/// The command that runs a script. `shell` is the step's, else the job's; without one it is `bash` where there is one, else `sh`,
/// and in a `container:` always `sh`.
///
/// # Errors
/// The shell is neither known nor a command line with `{0}`. The user's fault.
pub(crate) fn script(
    body: String,
    shell: Option<&str>,
    has_container: bool,
) -> Result<Command, String> {
    let Some(shell) = shell else {
        let mut shells = vec![words("sh -e {0}")];
        if !has_container {
            shells.insert(0, words("bash -e {0}"));
        }
        return Ok(Command::Script { body, extension: ".sh".to_owned(), shells });
    };
    let (program, arguments) = shell.split_once(' ').unwrap_or((shell, ""));
    let known = DEFAULTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(program));
    let arguments = match (arguments.trim_start(), known) {
        ("", Some((_, defaults))) => defaults,
        (own, _) => own,
    };
    if !arguments.contains("{0}") {
        return Err(format!(
            "Invalid shell option '{shell}'. Shell must be a valid built-in (bash, sh, cmd, powershell, pwsh, python) or a \
             format string containing '{{0}}'"
        ));
    }
    let command = |program: &str| -> Vec<String> {
        std::iter::once(program.to_owned()).chain(words(arguments)).collect()
    };
    let mut shells = vec![command(program)];
    if shell == "python" {
        // Debian's images have it under this name alone.
        shells.push(command("python3"));
    }
    let extension = extension(program);
    Ok(Command::Script { body: completed(body, program), extension: extension.to_owned(), shells })
}

fn extension(program: &str) -> &'static str {
    match program.to_ascii_lowercase().as_str() {
        "bash" | "sh" => ".sh",
        "cmd" => ".cmd",
        "powershell" | "pwsh" => ".ps1",
        "python" => ".py",
        _ => "",
    }
}

/// What GitHub adds around a script.
fn completed(body: String, program: &str) -> String {
    match program {
        "cmd" => format!("@echo off\n{body}"),
        "powershell" | "pwsh" => format!(
            "$ErrorActionPreference = 'stop'\n{body}\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) {{ exit $LASTEXITCODE }}"
        ),
        _ => body,
    }
}

/// The words of a command line as the runner's platform splits it: blanks separate, double quotes hold together, and a backslash
/// means itself unless quotes follow.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' if !is_quoted => words.extend(word.take()),
            '\\' => {
                let mut count = 1;
                while characters.next_if_eq(&'\\').is_some() {
                    count += 1;
                }
                let word = word.get_or_insert_default();
                if characters.peek() != Some(&'"') {
                    word.extend(std::iter::repeat_n('\\', count));
                    continue;
                }
                word.extend(std::iter::repeat_n('\\', count / 2));
                if count % 2 == 1 {
                    characters.next();
                    word.push('"');
                }
            }
            '"' => {
                word.get_or_insert_default();
                is_quoted = !is_quoted;
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::{script, words};
    use crate::ports::Command;

    fn command(shell: Option<&str>, has_container: bool) -> (String, String, Vec<Vec<String>>) {
        match script("x".to_owned(), shell, has_container) {
            Ok(Command::Script { body, extension, shells }) => (body, extension, shells),
            other => panic!("{other:?}"),
        }
    }

    fn lines(shells: &[Vec<String>]) -> Vec<String> {
        shells.iter().map(|words| words.join("|")).collect()
    }

    #[test]
    fn the_known_shells_have_githubs_own_flags() {
        for (shell, has_container, extension, expected) in [
            (None, false, ".sh", &["bash|-e|{0}", "sh|-e|{0}"][..]),
            (None, true, ".sh", &["sh|-e|{0}"]),
            (Some("bash"), true, ".sh", &["bash|--noprofile|--norc|-e|-o|pipefail|{0}"]),
            (Some("sh"), false, ".sh", &["sh|-e|{0}"]),
            (Some("python"), false, ".py", &["python|{0}", "python3|{0}"]),
            (Some("pwsh"), false, ".ps1", &["pwsh|-command|. '{0}'"]),
            (Some("powershell"), false, ".ps1", &["powershell|-command|. '{0}'"]),
            (Some("bash -x {0}"), false, ".sh", &["bash|-x|{0}"]),
            (Some("perl {0}"), false, "", &["perl|{0}"]),
            (Some("bash -c \"set -u; . {0}\""), false, ".sh", &["bash|-c|set -u; . {0}"]),
        ] {
            let (_, found, shells) = command(shell, has_container);
            assert_eq!(
                (found.as_str(), lines(&shells)),
                (extension, expected.iter().map(|it| (*it).to_owned()).collect()),
                "{shell:?}"
            );
        }
    }

    #[test]
    fn powershell_stops_at_faults_and_gives_its_exit_code_on() {
        let (body, ..) = command(Some("pwsh"), false);
        assert_eq!(
            body,
            "$ErrorActionPreference = 'stop'\nx\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }"
        );
        assert_eq!(command(Some("bash"), false).0, "x");
    }

    #[test]
    fn a_word_that_is_no_shell_is_refused() {
        for shell in ["fish", "bash -x", ""] {
            let refused = script(String::new(), Some(shell), false).expect_err(shell);
            assert!(refused.starts_with("Invalid shell option"), "{refused}");
        }
    }

    #[test]
    fn words_are_split_as_the_runners_platform_does() {
        for (line, expected) in [
            ("a  b\tc", &["a", "b", "c"][..]),
            ("a \"b c\" d", &["a", "b c", "d"]),
            ("a\"b c\"d", &["ab cd"]),
            (r#"a \"b\" c\d"#, &["a", "\"b\"", r"c\d"]),
            (r#""a\\" b"#, &[r"a\", "b"]),
            ("'a b'", &["'a", "b'"]),
            ("\"\"", &[""]),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
    }
}
