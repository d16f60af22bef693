//! A Parquet file: every cell is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_data::{Format, Predictions, Table};
use std::sync::Once;

static HOOK: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    // The reader turns a panic of the decoder below it into an error; the fuzzer's own hook would end everything before that. A
    // panic that gets out of the reader is still a crash.
    HOOK.call_once(|| std::panic::set_hook(Box::new(|_| ())));
    let facts = Predictions::parquet_facts("t.parquet", bytes.to_vec());
    // A few bytes can claim any number of rows: who reads foreign files asks first.
    if facts.is_ok_and(|facts| facts.rows > 100_000) {
        return;
    }
    let Ok(table) = Table::from_bytes("t.parquet", Format::Parquet, bytes.to_vec()) else { return };
    for row in 0..table.rows() {
        for column in 0..table.columns().len() {
            drop(table.text(row, column));
            drop(table.number(row, column));
        }
    }
    drop(Predictions::from_table(&table));
});
