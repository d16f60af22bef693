//! A file of predictions: read, paired with itself, written as Parquet and read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_data::{Format, Predictions, Table};

fuzz_target!(|bytes: &[u8]| {
    let format = Format::Csv { delimiter: b',' };
    let Ok(table) = Table::from_bytes("p.csv", format, bytes.to_vec()) else { return };
    let Ok(predictions) = Predictions::from_table(&table) else { return };
    drop(Predictions::pair(&predictions, &predictions));
    let mut written = Vec::new();
    if predictions.write_parquet(&mut written).is_err() {
        return;
    }
    let table = Table::from_bytes("p.parquet", Format::Parquet, written)
        .expect("what was written can be read");
    let again = Predictions::from_table(&table).expect("what was written holds predictions");
    assert_eq!(again.rows(), predictions.rows());
});
