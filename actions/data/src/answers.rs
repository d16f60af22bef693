//! What a model answered, row by row in the order of time, with the true labels as far as they have come.

use crate::predictions::{PROBABILITIES, THRESHOLD, read_label, read_probability};
use crate::source::Source;
use crate::table::{ReadError, Table};

/// Answers of one model; every vector has one entry a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// Whether the answer was right; nothing where no label has come.
    pub right: Vec<Option<bool>>,
    /// Probability of the positive class, from 0 to 1; empty when the files have none.
    pub p: Vec<f64>,
    /// Whether the answer was the positive class; empty when the files have no probability.
    pub positive: Vec<bool>,
}

impl Answers {
    /// Reads the columns `y_true` (which may be absent or null), `y_pred` and `p` (also `p_1` or `p_true`) of a source. With a
    /// probability, labels and answers are true, false, 1 or 0; without one they are any classes.
    ///
    /// # Errors
    /// Neither `y_pred` nor a probability, files of which only some have one, or a cell that is not what it should be.
    pub fn open(source: &Source) -> Result<Self, ReadError> {
        let mut all = Self::default();
        for table in source.tables() {
            all.take_in(&table?)?;
        }
        Ok(all)
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.right.len()
    }

    /// The true label of a row, where it has come and is true or false.
    #[must_use]
    pub fn label(&self, row: usize) -> Option<bool> {
        let (right, positive) = (self.right.get(row).copied().flatten()?, self.positive.get(row)?);
        Some(right == *positive)
    }

    fn take_in(&mut self, table: &Table) -> Result<(), ReadError> {
        let probability = PROBABILITIES.iter().find_map(|name| Some((*name, table.column(name)?)));
        let y_pred = table.column("y_pred");
        if self.rows() > 0 && self.p.is_empty() == probability.is_some() {
            let reason =
                "has a probability and the file before it has none, or the other way round";
            return Err(ReadError::file(table.source(), reason));
        }
        match (probability, y_pred) {
            (Some((name, p)), y_pred) => self.take_binary(table, name, p, y_pred),
            (None, Some(y_pred)) => self.take_classes(table, y_pred),
            (None, None) => {
                Err(ReadError::file(table.source(), "has neither the column 'y_pred' nor 'p'"))
            }
        }
    }

    fn take_binary(
        &mut self,
        table: &Table,
        name: &str,
        p: usize,
        y_pred: Option<usize>,
    ) -> Result<(), ReadError> {
        let y_true = table.column("y_true");
        for row in 0..table.rows() {
            let p = needed(table, row, p, name, read_probability)?;
            let positive = match y_pred {
                Some(column) => needed(table, row, column, "y_pred", read_label)?,
                None => p >= THRESHOLD,
            };
            let label = y_true.and_then(|column| table.text(row, column));
            let label =
                label.map(|text| read(table, row, "y_true", &text, read_label)).transpose()?;
            self.p.push(p);
            self.positive.push(positive);
            self.right.push(label.map(|label| label == positive));
        }
        Ok(())
    }

    fn take_classes(&mut self, table: &Table, y_pred: usize) -> Result<(), ReadError> {
        let y_true = table.column("y_true");
        for row in 0..table.rows() {
            let answer = needed(table, row, y_pred, "y_pred", |text| Ok(text.to_owned()))?;
            let label = y_true.and_then(|column| table.text(row, column));
            self.right.push(label.map(|label| is_same_class(&label, &answer)));
        }
        Ok(())
    }
}

/// Programs write one class as `1`, `1.0`, `true` or `True`.
fn is_same_class(left: &str, right: &str) -> bool {
    let numbers = || Some(left.parse::<f64>().ok()? == right.parse::<f64>().ok()?);
    let labels = || Some(read_label(left).ok()? == read_label(right).ok()?);
    left == right || numbers().or_else(labels).unwrap_or(false)
}

fn needed<T>(
    table: &Table,
    row: usize,
    column: usize,
    name: &str,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<T, ReadError> {
    match table.text(row, column) {
        Some(text) => read(table, row, name, &text, parse),
        None => Err(bad(table, row, name, "is null".to_owned())),
    }
}

fn read<T>(
    table: &Table,
    row: usize,
    name: &str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<T, ReadError> {
    let shown: String = text.chars().take(40).collect();
    parse(text).map_err(|wanted| bad(table, row, name, format!("is '{shown}', not {wanted}")))
}

fn bad(table: &Table, row: usize, column: &str, reason: String) -> ReadError {
    ReadError::cell(table.source(), row + 1, column, reason)
}

#[cfg(test)]
mod tests {
    use super::Answers;
    use crate::source::Source;
    use crate::table::Format;

    fn answers(text: &str) -> Result<Answers, String> {
        let bytes = text.as_bytes().to_vec();
        let source = Source::from_bytes("a.csv", Format::Csv { delimiter: b',' }, bytes);
        Answers::open(&source).map_err(|error| error.to_string())
    }

    #[test]
    fn labels_may_come_later() {
        let found = answers("id,y_true,p\n1,1,0.9\n2,,0.5\n3,true,0.2\n4,0,0.4\n").unwrap();
        assert_eq!(found.right, [Some(true), None, Some(false), Some(true)]);
        assert_eq!(found.p, [0.9, 0.5, 0.2, 0.4]);
        assert_eq!(found.positive, [true, true, false, false]);
        let labels: Vec<_> = (0..4).map(|row| found.label(row)).collect();
        assert_eq!(labels, [Some(true), None, Some(true), Some(false)]);
    }

    #[test]
    fn an_answer_of_its_own_goes_before_one_half() {
        let found = answers("y_pred,p,y_true\n0,0.9,0\n1,0.3,0\n").unwrap();
        assert_eq!(found.right, [Some(true), Some(false)]);
    }

    #[test]
    fn classes_are_any_texts_and_programs_write_numbers_differently() {
        let text = "y_pred,y_true\ncat,cat\ncat,dog\n1,1.0\n2,1\nTrue,1\nNone,\n";
        let found = answers(text).unwrap();
        let right = [Some(true), Some(false), Some(true), Some(false), Some(true), None];
        assert_eq!(found.right, right);
        assert!(found.p.is_empty() && found.label(0).is_none());
    }

    #[test]
    fn what_is_no_answer_is_named_with_its_place() {
        for (text, message) in [
            ("id\n1\n", "a.csv has neither the column 'y_pred' nor 'p'"),
            ("p\n1.5\n", "a.csv: row 1, column 'p' is '1.5', not a probability from 0 to 1"),
            (
                "p,y_true\n0.5,\n0.5,yes\n",
                "a.csv: row 2, column 'y_true' is 'yes', not true, false, 1 or 0",
            ),
            ("y_pred,x\n,1\n", "a.csv: row 1, column 'y_pred' is null"),
        ] {
            assert_eq!(answers(text).unwrap_err(), message);
        }
    }
}
