//! What a model said about each row, one Parquet (or CSV) file a model, and the pairing of two such files.
//!
//! Columns: `id` (number or text), `y_true` and `y_pred` (boolean, or 0 and 1), `p` (probability of the positive class; also
//! read as `p_1`, `p_true` or, for any score, `y_score`), optionally `weight` (number) and `cluster` (text: rows of one
//! cluster are not independent); every other column is a slice, read as text. One of `y_pred` and `p` may be absent.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use bytes::Bytes;
use indexmap::IndexMap;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde::Serialize;

use crate::table::{ReadError, Table};

/// Columns that are no slices.
const RESERVED: [&str; 9] =
    ["id", "y_true", "y_pred", "p", "y_score", "weight", "cluster", "latency_ms", "cost"];

/// Names of the column of probabilities of the positive class.
pub(crate) const PROBABILITIES: [&str; 4] = ["p", "p_1", "p_true", "p_True"];

/// From this probability on a row is predicted as positive, where a file does not say it.
pub(crate) const THRESHOLD: f64 = 0.5;

/// What names a row: a number, or any text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum RowId {
    /// Where all ids of a file are 64-bit integers.
    Number(i64),
    /// Else.
    Text(Box<str>),
}

impl From<i64> for RowId {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// Predictions of one model; every vector has one entry a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions {
    /// Row ids; unique.
    pub ids: Vec<RowId>,
    /// The true labels.
    pub y_true: Vec<bool>,
    /// The predicted labels.
    pub y_pred: Vec<bool>,
    /// Probability of the positive class, from 0 to 1, or a score; empty when the file has none.
    pub p: Vec<f64>,
    /// Weight of each row, at least 0.
    pub weight: Option<Vec<f64>>,
    /// Cluster of each row.
    pub cluster: Option<Vec<String>>,
    /// Slices by name; null where a row belongs to none.
    pub slices: IndexMap<String, Vec<Option<String>>>,
}

/// What a Parquet file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParquetFacts {
    /// Number of rows.
    pub rows: u64,
    /// The entries of its metadata, whoever wrote them.
    pub metadata: IndexMap<String, String>,
}

/// Why predictions cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PredictionsError {
    /// The file is no table: the user's input or the environment.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The table lacks a column: the user's input.
    #[error("{file} has no column '{column}'; predictions need id, y_true, and y_pred or p")]
    NoColumn {
        /// The file.
        file: String,
        /// The missing column.
        column: &'static str,
    },
    /// A cell is wrong: the user's input. Rows count from 1.
    #[error("{file}: row {row}, column '{column}' {reason}")]
    Cell {
        /// The file.
        file: String,
        /// Data row, from 1.
        row: usize,
        /// The column.
        column: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The vectors are not of one length, or a slice has a reserved name: the caller's fault.
    #[error("predictions are inconsistent: {0}")]
    Shape(String),
    /// The file cannot be written: environment.
    #[error("predictions cannot be written: {0}")]
    Write(String),
}

/// Why two files of predictions cannot be compared: the user's input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// An id stands twice in a file.
    #[error("the {side} has id {id} twice")]
    DuplicateId {
        /// `baseline` or `candidate`.
        side: &'static str,
        /// The id.
        id: RowId,
    },
    /// The files speak of different rows.
    #[error(
        "{count} ids of the {side} are not in the other file, for instance {id}: both models must be evaluated on the same rows"
    )]
    Unmatched {
        /// `baseline` or `candidate`.
        side: &'static str,
        /// How many ids.
        count: usize,
        /// One of them.
        id: RowId,
    },
    /// The files disagree about a row itself.
    #[error(
        "id {id}: {what} differs between baseline and candidate: they were not evaluated on the same data"
    )]
    Differs {
        /// The id.
        id: RowId,
        /// `y_true`, `weight` or `cluster`.
        what: &'static str,
    },
}

/// Two models' predictions of the same rows, in the order of the ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Row ids, ascending.
    pub ids: Vec<RowId>,
    /// The true labels.
    pub y_true: Vec<bool>,
    /// Labels that the baseline predicted.
    pub baseline_pred: Vec<bool>,
    /// Labels that the candidate predicted.
    pub candidate_pred: Vec<bool>,
    /// Probabilities of the baseline; empty when its file has none.
    pub baseline_p: Vec<f64>,
    /// Probabilities of the candidate; empty when its file has none.
    pub candidate_p: Vec<f64>,
    /// Weights, if a file has them.
    pub weight: Option<Vec<f64>>,
    /// Clusters, if a file has them.
    pub cluster: Option<Vec<String>>,
    /// Slices of both files; the candidate's where both have one of the same name.
    pub slices: IndexMap<String, Vec<Option<String>>>,
}

impl Predictions {
    /// Reads a `.parquet`, `.csv` or `.tsv` file.
    ///
    /// # Errors
    /// What is wrong with the file, with row and column.
    pub fn open(path: &Path) -> Result<Self, PredictionsError> {
        Self::from_table(&Table::open(path)?)
    }

    /// Reads predictions from a table's columns.
    ///
    /// # Errors
    /// A missing column; a null, unreadable or impossible cell, with row and column.
    pub fn from_table(table: &Table) -> Result<Self, PredictionsError> {
        let column = |name: &'static str| {
            table.column(name).ok_or_else(|| PredictionsError::NoColumn {
                file: table.source().to_owned(),
                column: name,
            })
        };
        let cluster =
            table.column("cluster").map(|column| texts(table, column, "cluster")).transpose()?;
        let slices = table.columns().iter().enumerate().filter(|(_, name)| !is_reserved(name));
        let slice = |column: usize| {
            (0..table.rows())
                .map(|row| table.text(row, column).map(|text| text.into_owned()))
                .collect()
        };
        let p = probabilities(table)?;
        let y_pred = match (table.column("y_pred"), &p) {
            (None, Some(p)) => p.iter().map(|p| *p >= THRESHOLD).collect(),
            _ => cells(table, column("y_pred")?, "y_pred", read_label)?,
        };
        Ok(Self {
            ids: ids(table, column("id")?)?,
            y_true: cells(table, column("y_true")?, "y_true", read_label)?,
            y_pred,
            p: p.unwrap_or_default(),
            weight: table
                .column("weight")
                .map(|column| cells(table, column, "weight", read_weight))
                .transpose()?,
            cluster,
            slices: slices.map(|(column, name)| (name.clone(), slice(column))).collect(),
        })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.ids.len()
    }

    /// Writes Parquet. The same predictions give the same bytes.
    ///
    /// # Errors
    /// Vectors of different lengths, a slice with a reserved name, or what `out` says.
    pub fn write_parquet(&self, out: impl Write + Send) -> Result<(), PredictionsError> {
        self.write_parquet_with(out, &IndexMap::new())
    }

    /// Writes Parquet with entries in the file's own metadata, such as the digest of the model that predicted;
    /// [`Predictions::parquet_facts`] reads them.
    ///
    /// # Errors
    /// Those of [`Predictions::write_parquet`].
    pub fn write_parquet_with(
        &self,
        out: impl Write + Send,
        metadata: &IndexMap<String, String>,
    ) -> Result<(), PredictionsError> {
        self.check_shape()?;
        let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("id", id_array(&self.ids), false),
            ("y_true", Arc::new(BooleanArray::from(self.y_true.clone())), false),
            ("y_pred", Arc::new(BooleanArray::from(self.y_pred.clone())), false),
        ];
        if !self.p.is_empty() {
            columns.push(("p", Arc::new(Float64Array::from(self.p.clone())), false));
        }
        if let Some(weight) = &self.weight {
            columns.push(("weight", Arc::new(Float64Array::from(weight.clone())), false));
        }
        if let Some(cluster) = &self.cluster {
            columns.push(("cluster", Arc::new(StringArray::from_iter_values(cluster)), false));
        }
        for (name, slice) in &self.slices {
            columns.push((name, Arc::new(StringArray::from_iter(slice)), true));
        }
        let write = |error: &dyn std::fmt::Display| PredictionsError::Write(error.to_string());
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns).map_err(|error| write(&error))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by("pawl".to_owned())
            .build();
        let mut writer = ArrowWriter::try_new(out, batch.schema(), Some(properties))
            .map_err(|error| write(&error))?;
        writer.write(&batch).map_err(|error| write(&error))?;
        for (name, value) in metadata {
            writer.append_key_value_metadata(KeyValue::new(name.clone(), value.clone()));
        }
        writer.close().map(|_| ()).map_err(|error| write(&error))
    }

    /// What a Parquet file says of itself, without reading its rows.
    ///
    /// # Errors
    /// When the bytes are not Parquet; `file` names them in the message.
    pub fn parquet_facts(file: &str, bytes: Vec<u8>) -> Result<ParquetFacts, PredictionsError> {
        let reader = SerializedFileReader::new(Bytes::from(bytes))
            .map_err(|error| ReadError::file(file, format!("is not Parquet: {error}")))?;
        let facts = reader.metadata().file_metadata();
        let entries = facts.key_value_metadata().map_or(&[][..], |entries| entries.as_slice());
        let text = |entry: &KeyValue| Some((entry.key.clone(), entry.value.clone()?));
        Ok(ParquetFacts {
            rows: u64::try_from(facts.num_rows()).unwrap_or(0),
            metadata: entries.iter().filter_map(text).collect(),
        })
    }

    fn check_shape(&self) -> Result<(), PredictionsError> {
        let rows = self.rows();
        let lengths = [
            ("y_true", self.y_true.len()),
            ("y_pred", self.y_pred.len()),
            ("p", if self.p.is_empty() { rows } else { self.p.len() }),
            ("weight", self.weight.as_ref().map_or(rows, Vec::len)),
            ("cluster", self.cluster.as_ref().map_or(rows, Vec::len)),
        ];
        let slices = self.slices.iter().map(|(name, slice)| (name.as_str(), slice.len()));
        if let Some((name, length)) =
            lengths.into_iter().chain(slices).find(|(_, length)| *length != rows)
        {
            return Err(PredictionsError::Shape(format!(
                "{name} has {length} entries, id has {rows}"
            )));
        }
        match self.slices.keys().find(|name| is_reserved(name)) {
            Some(name) => Err(PredictionsError::Shape(format!("a slice cannot be named '{name}'"))),
            None => Ok(()),
        }
    }

    /// Brings the rows of two models together by id.
    ///
    /// # Errors
    /// A duplicate id, an id that one file lacks, or files that disagree about a row's label, weight or cluster.
    pub fn pair(baseline: &Self, candidate: &Self) -> Result<Pair, PairError> {
        let base = index("baseline", &baseline.ids)?;
        let cand = index("candidate", &candidate.ids)?;
        unmatched("baseline", &baseline.ids, &cand)?;
        unmatched("candidate", &candidate.ids, &base)?;
        let mut ids = candidate.ids.clone();
        ids.sort_unstable();
        let rows: Vec<(usize, usize)> = ids.iter().map(|id| (base[id], cand[id])).collect();
        for (id, &(b, c)) in ids.iter().zip(&rows) {
            let differs = |what| PairError::Differs { id: id.clone(), what };
            if baseline.y_true[b] != candidate.y_true[c] {
                return Err(differs("y_true"));
            }
            if let (Some(left), Some(right)) = (&baseline.weight, &candidate.weight)
                && left[b].total_cmp(&right[c]).is_ne()
            {
                return Err(differs("weight"));
            }
            if let (Some(left), Some(right)) = (&baseline.cluster, &candidate.cluster)
                && left[b] != right[c]
            {
                return Err(differs("cluster"));
            }
        }
        Ok(paired(baseline, candidate, ids, &rows))
    }
}

fn paired(
    baseline: &Predictions,
    candidate: &Predictions,
    ids: Vec<RowId>,
    rows: &[(usize, usize)],
) -> Pair {
    let base: Vec<usize> = rows.iter().map(|row| row.0).collect();
    let cand: Vec<usize> = rows.iter().map(|row| row.1).collect();
    let mut slices: IndexMap<String, Vec<Option<String>>> =
        candidate.slices.iter().map(|(name, slice)| (name.clone(), take(slice, &cand))).collect();
    for (name, slice) in &baseline.slices {
        slices.entry(name.clone()).or_insert_with(|| take(slice, &base));
    }
    let weight = candidate.weight.as_ref().map(|weight| take(weight, &cand));
    let cluster = candidate.cluster.as_ref().map(|cluster| take(cluster, &cand));
    Pair {
        ids,
        y_true: take(&candidate.y_true, &cand),
        baseline_pred: take(&baseline.y_pred, &base),
        candidate_pred: take(&candidate.y_pred, &cand),
        baseline_p: take_if_any(&baseline.p, &base),
        candidate_p: take_if_any(&candidate.p, &cand),
        weight: weight.or_else(|| baseline.weight.as_ref().map(|weight| take(weight, &base))),
        cluster: cluster.or_else(|| baseline.cluster.as_ref().map(|cluster| take(cluster, &base))),
        slices,
    }
}

fn take<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().map(|&row| values[row].clone()).collect()
}

fn take_if_any(values: &[f64], rows: &[usize]) -> Vec<f64> {
    if values.is_empty() { Vec::new() } else { take(values, rows) }
}

fn index<'i>(side: &'static str, ids: &'i [RowId]) -> Result<HashMap<&'i RowId, usize>, PairError> {
    let mut index = HashMap::with_capacity(ids.len());
    for (row, id) in ids.iter().enumerate() {
        if index.insert(id, row).is_some() {
            return Err(PairError::DuplicateId { side, id: id.clone() });
        }
    }
    Ok(index)
}

fn unmatched(
    side: &'static str,
    ids: &[RowId],
    other: &HashMap<&RowId, usize>,
) -> Result<(), PairError> {
    let mut missing = ids.iter().filter(|id| !other.contains_key(id));
    match missing.next() {
        None => Ok(()),
        Some(id) => Err(PairError::Unmatched { side, count: 1 + missing.count(), id: id.clone() }),
    }
}

/// Reads every cell of a column; none may be null.
fn cells<T>(
    table: &Table,
    column: usize,
    name: &'static str,
    read: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Vec<T>, PredictionsError> {
    let cell = |row: usize| {
        let bad = |reason: String| PredictionsError::Cell {
            file: table.source().to_owned(),
            row: row + 1,
            column: name,
            reason,
        };
        let text = table.text(row, column).ok_or_else(|| bad("is null".to_owned()))?;
        read(&text).map_err(|wanted| bad(format!("is '{text}', not {wanted}")))
    };
    (0..table.rows()).map(cell).collect()
}

fn texts(
    table: &Table,
    column: usize,
    name: &'static str,
) -> Result<Vec<String>, PredictionsError> {
    cells(table, column, name, |text| Ok(text.to_owned()))
}

/// Numbers if all are, else texts.
fn ids(table: &Table, column: usize) -> Result<Vec<RowId>, PredictionsError> {
    let number = |text: &str| text.parse().map(RowId::Number).map_err(|_| "a 64-bit integer");
    let text = |text: &str| Ok(RowId::Text(text.into()));
    cells(table, column, "id", number).or_else(|_| cells(table, column, "id", text))
}

fn id_array(ids: &[RowId]) -> ArrayRef {
    let numbers: Option<Vec<i64>> = ids
        .iter()
        .map(|id| match id {
            RowId::Number(number) => Some(*number),
            RowId::Text(_) => None,
        })
        .collect();
    match numbers {
        Some(numbers) => Arc::new(Int64Array::from(numbers)),
        None => Arc::new(StringArray::from_iter_values(ids.iter().map(RowId::to_string))),
    }
}

/// The probabilities, or else the scores, if the table has them.
fn probabilities(table: &Table) -> Result<Option<Vec<f64>>, PredictionsError> {
    let named = PROBABILITIES.iter().find_map(|name| Some((*name, table.column(name)?)));
    if let Some((name, column)) = named {
        return cells(table, column, name, read_probability).map(Some);
    }
    table.column("y_score").map(|column| cells(table, column, "y_score", read_score)).transpose()
}

/// Columns that say something else than a slice: those with a meaning, and probabilities of any class.
fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with("p_")
}

pub(crate) fn read_label(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "1.0" => Ok(true),
        "0" | "0.0" => Ok(false),
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("true, false, 1 or 0"),
    }
}

pub(crate) fn read_probability(text: &str) -> Result<f64, &'static str> {
    let wanted = "a probability from 0 to 1";
    text.parse().ok().filter(|p| (0.0..=1.0).contains(p)).ok_or(wanted)
}

fn read_score(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|score: &f64| score.is_finite()).ok_or("a finite number")
}

fn read_weight(text: &str) -> Result<f64, &'static str> {
    let wanted = "a finite number of at least 0";
    text.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight >= 0.0).ok_or(wanted)
}

impl Pair {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.ids.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{PairError, Predictions, RowId};
    use crate::table::{Format, Table};

    fn predictions(ids: &[i64]) -> Predictions {
        Predictions {
            ids: ids.iter().copied().map(RowId::from).collect(),
            y_true: ids.iter().map(|id| id % 2 == 0).collect(),
            y_pred: ids.iter().map(|id| id % 3 == 0).collect(),
            p: ids.iter().map(|id| 1.0 / (1.0 + *id as f64)).collect(),
            weight: Some(ids.iter().map(|id| *id as f64 / 7.0).collect()),
            cluster: Some(ids.iter().map(|id| format!("c{}", id / 2)).collect()),
            slices: [(
                "plan".to_owned(),
                ids.iter().map(|id| (id % 2 == 0).then(|| "é,\"x".to_owned())).collect(),
            )]
            .into_iter()
            .collect(),
        }
    }

    fn parquet(predictions: &Predictions) -> Vec<u8> {
        let mut bytes = Vec::new();
        predictions.write_parquet(&mut bytes).expect("writes");
        bytes
    }

    #[test]
    fn what_is_written_is_read_and_always_the_same_bytes() {
        let written = predictions(&[3, 1, 2]);
        let table =
            Table::from_bytes("p.parquet", Format::Parquet, parquet(&written)).expect("reads");
        assert_eq!(Predictions::from_table(&table).expect("reads"), written);
        assert_eq!(parquet(&written), parquet(&written));
    }

    #[test]
    fn metadata_of_the_file_is_read_back_and_changes_no_prediction() {
        let written = predictions(&[1, 2]);
        let entries = [("pawl.model".to_owned(), "sha256:00".to_owned())].into_iter().collect();
        let mut bytes = Vec::new();
        written.write_parquet_with(&mut bytes, &entries).expect("writes");
        let read = Predictions::parquet_facts("p.parquet", bytes.clone()).expect("reads");
        assert_eq!(read.metadata.get("pawl.model").map(String::as_str), Some("sha256:00"));
        assert_eq!(read.rows, 2);
        let table = Table::from_bytes("p.parquet", Format::Parquet, bytes).expect("reads");
        assert_eq!(Predictions::from_table(&table).expect("reads"), written);
        let plain = Predictions::parquet_facts("p.parquet", parquet(&written)).expect("reads");
        assert!(!plain.metadata.contains_key("pawl.model"));
        let error = Predictions::parquet_facts("p.parquet", b"text".to_vec()).expect_err("no");
        assert!(error.to_string().starts_with("p.parquet is not Parquet: "), "{error}");
    }

    #[test]
    fn csv_is_read_as_well_and_bad_cells_are_named() {
        let read = |csv: &str| {
            let table = Table::from_bytes("p.csv", Format::Csv { delimiter: b',' }, csv.into())
                .expect("a table");
            Predictions::from_table(&table).map_err(|error| error.to_string())
        };
        let good = read("id,y_true,y_pred,p,plan\n1,1,false,0.25,a\n2,0,true,1,\n").expect("reads");
        assert_eq!((good.y_true, good.p), (vec![true, false], vec![0.25, 1.0]));
        assert_eq!(good.slices["plan"], [Some("a".to_owned()), None]);
        let error = |row: &str| read(&format!("id,y_true,y_pred,p\n{row}\n")).expect_err("bad");
        assert_eq!(
            error("1,1,1,1.5"),
            "p.csv: row 1, column 'p' is '1.5', not a probability from 0 to 1"
        );
        assert_eq!(
            error("1,2,1,0.5"),
            "p.csv: row 1, column 'y_true' is '2', not true, false, 1 or 0"
        );
        assert_eq!(error(",1,1,0.5"), "p.csv: row 1, column 'id' is null");
        assert_eq!(
            read("id,y_true\n").expect_err("bad"),
            "p.csv has no column 'y_pred'; predictions need id, y_true, and y_pred or p"
        );
    }

    #[test]
    fn files_of_other_tools_are_read() {
        let read = |csv: &str| {
            let table = Table::from_bytes("p.csv", Format::Csv { delimiter: b',' }, csv.into())
                .expect("a table");
            Predictions::from_table(&table).map_err(|error| error.to_string())
        };
        let classes = read("id,y_true,p_0,p_1,latency_ms\nr1,1.0,0.75,0.25,9\nr2,0.0,0.5,0.5,8\n");
        let classes = classes.expect("reads");
        assert_eq!(classes.ids, ["r1", "r2"].map(|id| RowId::Text(id.into())));
        assert_eq!((classes.y_true, classes.y_pred), (vec![true, false], vec![false, true]));
        assert_eq!((classes.p, classes.slices.len()), (vec![0.25, 0.5], 0));
        let score = read("id,y_true,y_pred,y_score\n1,1,1,-3.5\n").expect("reads");
        assert_eq!(score.p, [-3.5]);
        let labels = read("id,y_true,y_pred,plan\n7,1,0,free\n").expect("reads");
        assert_eq!((labels.p.len(), labels.ids), (0, vec![RowId::from(7)]));
        assert_eq!(labels.slices.len(), 1);
        let error = read("id,y_true,y_score\n1,1,nan\n").expect_err("no number");
        assert_eq!(error, "p.csv: row 1, column 'y_score' is 'nan', not a finite number");
    }

    #[test]
    fn pairs_are_joined_by_id() {
        let pair =
            Predictions::pair(&predictions(&[3, 1, 2]), &predictions(&[2, 3, 1])).expect("pairs");
        assert_eq!(pair.ids, [1, 2, 3].map(RowId::from));
        assert_eq!(pair.baseline_p, pair.candidate_p);
        assert_eq!(pair.y_true, [false, true, false]);
    }

    #[test]
    fn different_rows_are_never_compared() {
        let good = predictions(&[1, 2, 3]);
        let pair = |other: Predictions| Predictions::pair(&good, &other).expect_err("refused");
        assert_eq!(
            pair(predictions(&[1, 2, 2])),
            PairError::DuplicateId { side: "candidate", id: RowId::from(2) }
        );
        assert_eq!(
            pair(predictions(&[1, 2])),
            PairError::Unmatched { side: "baseline", count: 1, id: RowId::from(3) }
        );
        assert_eq!(
            pair(predictions(&[1, 2, 3, 9])),
            PairError::Unmatched { side: "candidate", count: 1, id: RowId::from(9) }
        );
        let mut other = predictions(&[1, 2, 3]);
        other.y_true[1] = false;
        assert_eq!(pair(other), PairError::Differs { id: RowId::from(2), what: "y_true" });
        let mut other = predictions(&[1, 2, 3]);
        other.weight = Some(vec![1.0; 3]);
        assert_eq!(pair(other), PairError::Differs { id: RowId::from(1), what: "weight" });
    }

    #[test]
    fn vectors_of_different_lengths_are_refused() {
        let mut wrong = predictions(&[1, 2]);
        wrong.p.pop();
        assert!(wrong.write_parquet(Vec::new()).is_err());
        let mut wrong = predictions(&[1]);
        wrong.slices.insert("p".to_owned(), vec![None]);
        assert!(wrong.write_parquet(Vec::new()).is_err());
    }
}
