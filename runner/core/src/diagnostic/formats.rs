//! Findings for other programs: SARIF for code scanning, and GitHub's workflow commands for annotations.

use super::{Code, Diagnostic, Severity};
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// A SARIF 2.1.0 log with one run. `version` is the program's own.
pub fn to_sarif(diagnostics: &[Diagnostic], version: &str) -> Json {
    let rules: Vec<Json> = Code::ALL.iter().map(|code| rule(*code)).collect();
    let results: Vec<Json> = diagnostics.iter().map(result).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "pawl", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: Code) -> Json {
    json!({
        "id": code.as_str(),
        "shortDescription": { "text": code.documentation() },
        "defaultConfiguration": { "level": level(code.severity()) },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn result(found: &Diagnostic) -> Json {
    let mut text = found.message.clone();
    if let Some(help) = &found.help {
        let _ = write!(text, "\nhelp: {help}");
    }
    json!({
        "ruleId": found.code.as_str(),
        "level": level(found.severity),
        "message": { "text": text },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": found.file.replace('\\', "/").replace(' ', "%20") },
                "region": {
                    "startLine": found.line,
                    "startColumn": found.column,
                    "endLine": found.end_line,
                    "endColumn": found.end_column.max(if found.end_line == found.line { found.column } else { 1 }),
                },
            },
        }],
    })
}

/// One `::error file=…,line=…::message` a finding: a job's log turns them into annotations.
pub fn to_github(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for found in diagnostics {
        let command = match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let mut text = found.message.clone();
        if let Some(help) = &found.help {
            let _ = write!(text, "\nhelp: {help}");
        }
        let _ = writeln!(
            out,
            "::{command} file={},line={},col={},endLine={},endColumn={},title={}::{}",
            property(&found.file),
            found.line,
            found.column,
            found.end_line,
            found.end_column,
            found.code,
            data(&text)
        );
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::{to_github, to_sarif};
    use crate::diagnostic::{Code, Diagnostic};
    use crate::span::Span;

    fn finding() -> Diagnostic {
        let span = Span::between("on: push\njbos: {}\n", 9, 13);
        let help = Some("100%: do it\nnow".to_owned());
        Diagnostic::new("a,b.yml", Code::UnknownKey, span, "Unexpected value 'jbos'", help)
    }

    #[test]
    fn github_reads_its_own_escapes() {
        assert_eq!(
            to_github(&[finding()]),
            "::error file=a%2Cb.yml,line=2,col=1,endLine=2,endColumn=5,title=unknown-key::Unexpected value 'jbos'%0Ahelp: 100%25: do it%0Anow\n"
        );
    }

    #[test]
    fn sarif_names_the_rule_and_the_region() {
        let log = to_sarif(&[finding()], "1.2.3");
        let result = &log["runs"][0]["results"][0];
        assert_eq!(result["ruleId"], "unknown-key");
        assert_eq!(result["level"], "error");
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert_eq!(region["startLine"], 2);
        assert_eq!(region["endColumn"], 5);
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().expect("a list");
        assert_eq!(rules.len(), Code::ALL.len());
    }
}
