//! `pawl data validate`

use super::table::{self, TableFormat};
use crate::error::CommandError;
use crate::output::escape::harmless;
use crate::output::{print, print_error};
use clap::Args;
use indexmap::IndexMap;
use pawl_actions::drift::deltas;
use pawl_actions::validate::page;
use pawl_data::pandas::Frame;
use pawl_data::{
    Check, Contract, Finding, Now, Sample, Shard, ValidateOptions, ValidationReport, Verdict,
    merge_states, validate, validate_shard,
};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// `pawl data validate`
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The data: a path or pattern (CSV, TSV, Parquet, JSON Lines; also .gz and .zst), or - for stdin
    #[arg(required_unless_present = "merge", conflicts_with = "merge")]
    data: Option<String>,
    /// The contract, an *.odcs.yaml file
    #[arg(long, value_name = "FILE")]
    contract: PathBuf,
    /// The schema of the contract that describes the data [default: its first one]
    #[arg(long, value_name = "NAME")]
    schema: Option<String>,
    /// Another table that rules speak of; may be repeated
    #[arg(long, value_name = "NAME=DATA")]
    table: Vec<String>,
    /// The format of the data [default: by the name; of stdin, by its beginning]
    #[arg(long, value_enum)]
    format: Option<TableFormat>,
    /// Memory for keys, such as 512M or 2G; beyond it they are put aside in temporary files
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = table::bytes)]
    memory: usize,
    /// Threads that read and check [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Count the Ith of N parts of the data alone, from 1/N to N/N; needs --state
    #[arg(long, value_name = "I/N", requires = "state", value_parser = shard)]
    shard: Option<Shard>,
    /// Write what was counted into a file instead of a report
    #[arg(long, value_name = "FILE", conflicts_with = "merge")]
    state: Option<PathBuf>,
    /// Put the files of all shards together and report
    #[arg(long, value_name = "STATE", num_args = 1..)]
    merge: Vec<PathBuf>,
    /// The moment that the age of data is measured at, such as 2024-05-01T12:00:00Z [default: the clock's]
    #[arg(long, value_name = "MOMENT")]
    now: Option<Now>,
    /// Also write the report as a page of HTML, one file that needs no other
    #[arg(long, value_name = "FILE", conflicts_with = "state")]
    html: Option<PathBuf>,
    /// Data whose histograms the page shows beside those of the data
    #[arg(long, value_name = "DATA", requires = "html", conflicts_with = "merge")]
    reference: Option<String>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// `I/N` with I from 1 to N.
pub(super) fn shard(text: &str) -> Result<Shard, String> {
    let numbers = text
        .split_once('/')
        .and_then(|(index, count)| Some((index.parse::<u64>().ok()?, count.parse::<u64>().ok()?)));
    match numbers {
        Some((index, count)) if (1..=count).contains(&index) => {
            Ok(Shard { index: index - 1, count })
        }
        _ => Err(format!("'{text}' is no part; write one from 1/4 to 4/4 for four")),
    }
}

/// Checks the data and prints the report. A violated rule of severity error fails the command.
pub(super) fn run(args: &ValidateArgs) -> Result<(), CommandError> {
    let contract = table::contract(&args.contract)?;
    let mut tables = IndexMap::new();
    for named in &args.table {
        let Some((name, data)) = named.split_once('=') else {
            let message = format!("--table {named} is not NAME=DATA");
            return Err(CommandError::input(message, "such as --table plans=data/plans.csv"));
        };
        tables.insert(name.to_owned(), table::open(data, None)?);
    }
    let options = ValidateOptions {
        schema: args.schema.clone(),
        tables,
        memory_bytes: args.memory,
        threads: args.threads.unwrap_or_else(table::cores).max(1),
        now: Some(args.now.unwrap_or_else(|| SystemTime::now().into())),
    };
    let name = args.data.as_deref().unwrap_or_default();
    let report = match (&args.state, args.merge.is_empty()) {
        (_, false) => merge_states(&contract, &options, &args.merge)?,
        (Some(state), true) => return count(args, &contract, &options, state),
        (None, true) => validate(&contract, &table::open(name, args.format)?, &options)?,
    };
    if let Some(path) = &args.html {
        write_page(args, &contract, &report, path)?;
    }
    show(&report, args.json)?;
    conclude(&report, name)
}

/// Writes the page of HTML.
fn write_page(
    args: &ValidateArgs,
    contract: &Contract,
    report: &ValidationReport,
    path: &Path,
) -> Result<(), CommandError> {
    let name = args.data.as_deref().unwrap_or("merged shards");
    let deltas = match &args.reference {
        None => Vec::new(),
        Some(reference) => {
            let reference = Frame::open(&table::open(reference, args.format)?)?;
            let current = Frame::open(&table::open(name, args.format)?)?;
            deltas(&reference, &current, &contract.personal_columns(args.schema.as_deref()))
        }
    };
    let page = page(name, &args.contract.display().to_string(), report, &deltas);
    std::fs::write(path, page).map_err(|error| {
        let message = format!("{} cannot be written: {error}", path.display());
        CommandError::environment(message, "name another file with --html")
    })
}

/// Counts one shard and says how many rows it has.
fn count(
    args: &ValidateArgs,
    contract: &Contract,
    options: &ValidateOptions,
    state: &Path,
) -> Result<(), CommandError> {
    let data = table::open(args.data.as_deref().unwrap_or_default(), args.format)?;
    let shard = args.shard.unwrap_or(Shard { index: 0, count: 1 });
    let rows = validate_shard(contract, &data, options, shard, state)?;
    let of = format!("{}/{}", shard.index + 1, shard.count);
    match args.json {
        true => print(&json!({ "rows": rows, "shard": of, "state": state }).to_string()),
        false => print(&format!("counted {rows} rows of shard {of} into {}", state.display())),
    }
}

fn show(report: &ValidationReport, json: bool) -> Result<(), CommandError> {
    if json {
        let text = serde_json::to_string(report)
            .map_err(|error| CommandError::internal(error.to_string()))?;
        return print(&text);
    }
    print(text(report).trim_end())
}

/// What the verdict means for the exit code. The report is printed already.
fn conclude(report: &ValidationReport, data: &str) -> Result<(), CommandError> {
    match report.verdict {
        Verdict::Pass | Verdict::Warn => Ok(()),
        Verdict::Fail => Err(CommandError::failed()),
        Verdict::Error => {
            for check in report.checks.iter().filter(|check| check.verdict == Verdict::Error) {
                let reason = check.reason.as_deref().unwrap_or_default();
                let message = format!("{data}: rule '{}': {reason}", check.id);
                print_error(
                    &CommandError::input(message, "write the rule another way").to_string(),
                );
            }
            Err(CommandError::input("", ""))
        }
    }
}

/// The report for people: a table of checks, then the first failing rows of each violated one.
fn text(report: &ValidationReport) -> String {
    let mut out = String::new();
    let word = report.verdict.as_str();
    let passed = report.checks.iter().filter(|check| check.verdict == Verdict::Pass).count();
    // Writing into a String cannot fail.
    let _ = writeln!(
        out,
        "{word}: {} rows, {passed} of {} checks pass\n",
        report.rows,
        report.checks.len()
    );
    let rows: Vec<[String; 4]> = report.checks.iter().map(row).collect();
    let heads = ["check", "expected", "failing rows"].map(str::to_owned);
    let width = |column: usize| {
        let longest = rows.iter().map(|row| row[column + 1].chars().count()).max();
        longest.unwrap_or_default().max(heads[column].len())
    };
    let widths = [width(0), width(1), width(2)];
    let _ = writeln!(
        out,
        "       {:<a$}  {:<b$}  {:>c$}",
        heads[0],
        heads[1],
        heads[2],
        a = widths[0],
        b = widths[1],
        c = widths[2]
    );
    for ([mark, id, expected, failing], check) in rows.iter().zip(&report.checks) {
        let _ = writeln!(
            out,
            "{mark:<5}  {id:<a$}  {expected:<b$}  {failing:>c$}",
            a = widths[0],
            b = widths[1],
            c = widths[2]
        );
        if check.verdict != Verdict::Pass {
            let rate = check.rate(report.rows).map(|rate| format!("{rate} of the rows at 95 %"));
            let bad = check.findings.iter().filter(|finding| finding.counts);
            let lines = check.samples.iter().map(shown).chain(bad.map(found)).chain(rate);
            lines.for_each(|line| {
                let _ = writeln!(out, "       {line}");
            });
        }
    }
    let idle: Vec<String> = report
        .checks
        .iter()
        .filter(|check| check.idle)
        .map(|check| harmless(&check.id, false))
        .collect();
    if !idle.is_empty() {
        let _ = writeln!(
            out,
            "
note: cannot fail on this data: {}",
            idle.join(", ")
        );
    }
    out
}

fn row(check: &Check) -> [String; 4] {
    let failing = match (&check.reason, &check.observed) {
        (Some(_), _) => "?".to_owned(),
        (None, Some(observed)) if check.metric == "rowCount" => format!("({observed})"),
        (None, Some(observed)) if is_about_columns(check) => observed.to_string(),
        _ => check.failing_rows.to_string(),
    };
    let mark = if check.verdict == Verdict::Pass { "ok" } else { check.verdict.as_str() };
    let expected = cut(&harmless(&check.expected, false));
    [mark.to_owned(), harmless(&check.id, false), expected, failing]
}

/// Its count is one of columns, not of rows.
fn is_about_columns(check: &Check) -> bool {
    check.findings.iter().any(|finding| finding.counts)
}

fn cut(text: &str) -> String {
    const WIDEST: usize = 60;
    match text.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `^ row 4: age = "abc"`
fn shown(sample: &Sample) -> String {
    let mut text = format!("^ row {}", sample.row);
    for (index, (name, value)) in sample.values.iter().enumerate() {
        let value = value.as_ref().map_or("null".to_owned(), |value| format!("{value:?}"));
        let sign = if index == 0 { ": " } else { ", " };
        text.push_str(&format!("{sign}{name} = {value}"));
    }
    if let Some(first) = sample.first_row {
        text.push_str(&format!(" (as in row {first})"));
    }
    cut_line(&harmless(&text, false))
}

/// `^ score: AUC 0.9950 [0.9900, 0.9980], threshold 0.99, 2000 rows`
fn found(finding: &Finding) -> String {
    cut_line(&harmless(&format!("^ {}: {finding}", finding.column), false))
}

fn cut_line(text: &str) -> String {
    const LONGEST: usize = 160;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::text;
    use pawl_data::ValidationReport;

    #[test]
    fn a_person_reads_a_table_with_the_failing_rows_below_their_check() {
        let report: ValidationReport = serde_json::from_str(
            r#"{"verdict":"fail","rows":4,"checks":[
                {"id":"v.logicalType","column":"v","metric":"logicalType","severity":"error","expected":"integer","observed":0,"failing_rows":0,"samples":[],"verdict":"pass"},
                {"id":"v.unique","column":"v","metric":"unique","severity":"error","expected":"unique","observed":1,"failing_rows":1,"samples":[{"row":4,"values":{"v":"x\u001b"},"first_row":2}],"verdict":"fail"}]}"#,
        )
        .unwrap();
        let expected = "\
fail: 4 rows, 1 of 2 checks pass

       check          expected  failing rows
ok     v.logicalType  integer              0
fail   v.unique       unique               1
       ^ row 4: v = \"x\\u{1b}\" (as in row 2)
       25.0 % (4.6 to 69.9) of the rows at 95 %
";
        assert_eq!(text(&report), expected);
    }
}
