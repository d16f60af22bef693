//! `pawl data drift`

use super::table::{TableFormat, open};
use crate::error::CommandError;
use crate::output::print;
use clap::{Args, ValueEnum};
use pawl_actions::drift::{
    ColumnReport, DriftError, DriftReport, Method, Metric, Question, Status, WatchState,
    compare_as_evidently, compare_by_effect, compare_performance, sentences,
};
use pawl_data::Answers;
use pawl_data::pandas::Frame;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

/// `pawl data drift`
#[derive(Debug, Args)]
pub(crate) struct DriftArgs {
    /// The data to compare with: a path, a pattern, or `-` for stdin; CSV, TSV, Parquet or JSON Lines, packed or not
    reference: String,
    /// The data that may have drifted
    current: String,
    /// Answer as another program would, instead of by effect sizes with intervals
    #[arg(long, value_enum)]
    compat: Option<Compat>,
    /// Compare each column by this method instead of the one that its type suggests
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// Compare how good a model was instead: both are its answers (y_pred, p or both), with labels (y_true) as far as they have come
    #[arg(long, value_name = "METRIC", conflicts_with_all = ["compat", "method"])]
    performance: Option<PerformanceMetric>,
    /// By how much performance may be worse, in the metric's own units
    #[arg(long, value_name = "X", default_value_t = 0.01, requires = "performance")]
    margin: f64,
    /// Keep what labels have shown in this file, from one look to the next; CURRENT then has only the rows since
    #[arg(long, value_name = "FILE", requires = "performance")]
    state: Option<PathBuf>,
    /// The format of both, where their names don't tell it
    #[arg(long, value_enum)]
    format: Option<TableFormat>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Other programs whose answers are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Compat {
    /// Evidently 0.7.23 on tables that pandas reads
    Evidently,
}

/// What may be measured of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PerformanceMetric {
    /// The share of right answers
    Accuracy,
    /// The mean squared difference between probability and label
    Brier,
}

/// Compares two files. Drift is an answer and no failure.
pub(super) fn run(args: &DriftArgs) -> Result<(), CommandError> {
    match args.performance {
        Some(metric) => run_performance(args, metric),
        None => run_columns(args),
    }
}

fn run_performance(args: &DriftArgs, metric: PerformanceMetric) -> Result<(), CommandError> {
    let metric = match metric {
        PerformanceMetric::Accuracy => Metric::Accuracy,
        PerformanceMetric::Brier => Metric::Brier,
    };
    let question = Question { metric, margin: args.margin };
    let before = args.state.as_deref().map(read_state).transpose()?.flatten();
    let reference = Answers::open(&open(&args.reference, args.format)?)?;
    let current = Answers::open(&open(&args.current, args.format)?)?;
    let (report, state) = compare_performance(&reference, &current, question, before)
        .map_err(|error| CommandError::input(&error, error.hint()))?;
    if let Some(path) = &args.state {
        write_state(path, &state)?;
    }
    match args.json {
        true => print(&serde_json::to_string(&report).map_err(CommandError::internal)?),
        false => print(&sentences(&report).join("\n")),
    }
}

/// What an earlier look left; nothing before the first.
fn read_state(path: &Path) -> Result<Option<WatchState>, CommandError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, &error)),
    };
    let state = serde_json::from_slice(&text).map_err(|error| {
        let message = format!("{} is no state of this command: {error}", path.display());
        CommandError::input(message, "name another file, or remove it to begin anew")
    })?;
    Ok(Some(state))
}

/// Whole or not at all: what labels have shown can't be had again.
fn write_state(path: &Path, state: &WatchState) -> Result<(), CommandError> {
    let text = serde_json::to_vec(state).map_err(CommandError::internal)?;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let write = || {
        let mut file = fs::File::create(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &io::Error) -> CommandError {
    let message = format!("{} cannot be used: {error}", path.display());
    CommandError::environment(message, "name another file with --state")
}

fn run_columns(args: &DriftArgs) -> Result<(), CommandError> {
    let method = args.method.as_deref().map(str::parse::<Method>).transpose();
    let method = method.map_err(|error| CommandError::input(error, "name one of these"))?;
    let sources = (open(&args.reference, args.format)?, open(&args.current, args.format)?);
    // Each table on a core of its own.
    let (reference, current) = thread::scope(|scope| {
        let reference = scope.spawn(|| Frame::open(&sources.0));
        let current = Frame::open(&sources.1);
        (reference.join(), current)
    });
    let reference = reference.map_err(|_| CommandError::internal("a reader of data stopped"))??;
    let current = current?;
    let begun = Instant::now();
    let report = match args.compat {
        Some(Compat::Evidently) => compare_as_evidently(&reference, &current, method)?,
        None => compare_by_effect(&reference, &current, method)?,
    };
    tracing::debug!(compared_us = begun.elapsed().as_micros(), "without reading");
    match args.json {
        true => print(&json(&report)?),
        false => print(&text(&report)),
    }
}

fn json(report: &DriftReport) -> Result<String, CommandError> {
    serde_json::to_string(report).map_err(CommandError::internal)
}

fn text(report: &DriftReport) -> String {
    let width = report.columns.iter().map(|c| c.column.chars().count()).max().unwrap_or(0);
    let mut lines: Vec<String> = report.columns.iter().map(|column| line(column, width)).collect();
    if !report.left_out.is_empty() {
        lines.push(format!("not compared, for their types: {}", report.left_out.join(", ")));
    }
    let drifted = report.columns.iter().filter(|c| c.drifted).count();
    let verdict = if report.drifted { "the data has drifted" } else { "the data has not drifted" };
    lines.push(format!("{drifted} of {} columns drifted: {verdict}", report.columns.len()));
    lines.join("\n")
}

fn line(column: &ColumnReport, width: usize) -> String {
    let few = column.uncertainty.as_ref().is_some_and(|u| u.status == Status::Insufficient);
    let word = match (few, column.drifted) {
        (true, _) => "too few",
        (_, true) => "drifted",
        (_, false) => "same",
    };
    let interval = column.uncertainty.as_ref().and_then(|uncertainty| uncertainty.interval);
    let interval = interval.map_or(String::new(), |[low, high]| format!(" [{low:.4}, {high:.4}]"));
    let (name, kind, method) = (&column.column, column.kind.word(), column.method);
    let (score, threshold) = (column.score, column.threshold);
    format!(
        "{word:<8} {name:<width$}  {kind:<4}  {method} {score:.4}{interval} (threshold {threshold})"
    )
}

/// Tables that cannot be compared.
impl From<DriftError> for CommandError {
    fn from(error: DriftError) -> Self {
        let hint = match error {
            DriftError::Unfit { .. } => "leave --method out, or compare only columns that it fits",
            DriftError::NoEffect(_) => {
                "name wasserstein, jensenshannon, psi, kl_div or hellinger, or add --compat evidently"
            }
            DriftError::Mixed(_) | DriftError::Missing(_) => "give data of one shape",
            _ => "",
        };
        Self::input(&error, hint)
    }
}
