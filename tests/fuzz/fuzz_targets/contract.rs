//! A data contract, and after a zero byte a table that it is held against.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_data::{Contract, Format, Source, ValidateOptions, validate};

fuzz_target!(|bytes: &[u8]| {
    let (contract, rows) = match bytes.iter().position(|byte| *byte == 0) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &b"id,age\n1,20\n2,\n2,x\n"[..]),
    };
    let Ok(text) = std::str::from_utf8(contract) else { return };
    let Ok(contract) = Contract::parse("c.yaml", text) else { return };
    let format = Format::Csv { delimiter: b',' };
    let table = Source::from_bytes("t.csv", format, rows.to_vec());
    drop(validate(&contract, &table, &ValidateOptions::default()));
});
