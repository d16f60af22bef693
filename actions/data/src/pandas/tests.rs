use super::{Frame, NULL, SeriesValues};
use crate::source::Source;
use crate::table::Format;

fn csv(text: &str) -> Result<Frame, String> {
    let format = Format::Csv { delimiter: b',' };
    Frame::read("t.csv", format, text.as_bytes().to_vec()).map_err(|error| error.to_string())
}

fn lines(text: &str) -> Result<Frame, String> {
    Frame::read("t.jsonl", Format::JsonLines, text.as_bytes().to_vec())
        .map_err(|error| error.to_string())
}

fn names(frame: &Frame) -> Vec<&str> {
    frame.columns.iter().map(|series| series.name.as_str()).collect()
}

/// pandas' name for the type.
fn kind(values: &SeriesValues) -> &'static str {
    match values {
        SeriesValues::Int(_) => "int64",
        SeriesValues::Unsigned(_) => "uint64",
        SeriesValues::Float { .. } => "float64",
        SeriesValues::Bool(_) => "bool",
        SeriesValues::Text(_) => "str",
        SeriesValues::Datetime => "datetime64",
        SeriesValues::Flags(_) | SeriesValues::Empty | SeriesValues::Opaque(_) => "object",
    }
}

#[track_caller]
fn assert_kind(values: &[&str], expected: &str) {
    let text: String = values.iter().map(|value| format!("{value},0\n")).collect();
    let frame = csv(&format!("c,z\n{text}")).unwrap();
    assert_eq!(kind(&frame.columns[0].values), expected, "{values:?}");
}

#[test]
fn types_of_csv_columns_are_those_of_pandas() {
    for (values, expected) in [
        (["1", ""], "float64"),
        (["1", " "], "str"),
        ([" 1", "2 "], "int64"),
        (["+1", "-2"], "int64"),
        (["1e5", "2"], "float64"),
        (["1e", "2"], "str"),
        ([".5", "5."], "float64"),
        ([".", "5."], "str"),
        (["-INF", "infinity"], "float64"),
        ([" nan", "1"], "str"),
        (["9223372036854775808", "1"], "uint64"),
        (["9223372036854775808", "-1"], "str"),
        (["9223372036854775808", ""], "str"),
        (["18446744073709551616", "0"], "object"),
        (["18446744073709551616", "1.5"], "str"),
        (["1.5", "18446744073709551616"], "float64"),
        (["18446744073709551616", ""], "object"),
        (["-9223372036854775809", "1"], "object"),
        (["123456789012345678901234567890.5", "1"], "float64"),
        (["true", "FALSE"], "bool"),
        (["True", ""], "object"),
        (["True", "1"], "str"),
        ([" True", "False"], "str"),
        (["1_000", "1"], "str"),
        (["1E400", "2"], "float64"),
        (["\"1\"", "\"2\""], "int64"),
        (["null", "1"], "float64"),
        (["None", "x"], "str"),
        (["none", "1"], "str"),
        (["1.#IND", "-1.#QNAN"], "float64"),
        (["", ""], "float64"),
        (["1 2", "3"], "str"),
        (["1e 5", "1"], "float64"),
        (["+ 1", "1"], "str"),
        (["2020-01-01", "2021-01-01"], "str"),
    ] {
        assert_kind(&values, expected);
    }
}

#[test]
fn a_null_in_a_column_of_large_numbers_is_a_text() {
    let frame = csv("c,z\n9223372036854775808,0\n,0\n").unwrap();
    let SeriesValues::Text(texts) = &frame.columns[0].values else { panic!() };
    assert_eq!(texts.words, ["9223372036854775808", ""]);
    let frame = csv("c,z\nNA,0\nx,0\n").unwrap();
    let SeriesValues::Text(texts) = &frame.columns[0].values else { panic!() };
    assert_eq!(texts.codes, [NULL, 0]);
}

#[test]
fn names_are_made_different() {
    assert_eq!(names(&csv("a,a,a.1\n1,2,3\n").unwrap()), ["a", "a.2", "a.1"]);
    assert_eq!(names(&csv("a.1,a,a\n1,2,3\n").unwrap()), ["a.1", "a", "a.2"]);
    assert_eq!(names(&csv("a,a,a.1,a.1\n1,2,3,4\n").unwrap()), ["a", "a.2", "a.1", "a.1.1"]);
    assert_eq!(names(&csv(",a,\n1,2,3\n").unwrap()), ["Unnamed: 0", "a", "Unnamed: 2"]);
    assert_eq!(names(&csv("\u{feff}\"a\",b\n1,2\n").unwrap()), ["a", "b"]);
}

#[test]
fn surplus_columns_on_the_left_are_an_index() {
    let frame = csv("a,b\n1,2,3\n4,5,6\n").unwrap();
    assert_eq!(names(&frame), ["a", "b"]);
    assert_eq!(frame.columns[0].values, SeriesValues::Int(vec![2, 5]));
    assert!(csv("a,b\n1,2\n3,4,5\n").unwrap_err().contains("row 2 has 3 fields where 2"));
    let frame = csv("a,b\n1,2,3\n4,5\n").unwrap();
    assert_eq!(frame.columns[0].values, SeriesValues::Int(vec![2, 5]));
}

#[test]
fn lines_of_blanks_are_none_and_short_rows_are_filled() {
    let frame = csv("\n\na,b\r\n  \n1,2\r3\n\n").unwrap();
    assert_eq!(frame.rows, 2);
    assert_eq!(frame.columns[0].values, SeriesValues::Int(vec![1, 3]));
    assert_eq!(kind(&frame.columns[1].values), "float64");
}

#[test]
fn quotes_are_taken_as_leniently() {
    let frame = csv("a,b\n\"x\"y,\"p\"\"q\"\n\"m\nn\",c\"d\"\nx\0y,z\n").unwrap();
    let words = |i: usize| match &frame.columns[i].values {
        SeriesValues::Text(texts) => texts.words.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(words(0), ["xy", "m\nn", "x"]);
    assert_eq!(words(1), ["p\"q", "c\"d\"", "z"]);
    assert!(csv("a,b\n\"x,2\n").unwrap_err().contains("a quote in row 1 that never closes"));
}

#[test]
fn files_that_pandas_refuses() {
    assert!(csv("").unwrap_err().contains("is empty"));
    let format = Format::Csv { delimiter: b',' };
    let error = Frame::read("t.csv", format, b"a,b\n1,\xff\n".to_vec()).unwrap_err();
    assert!(error.to_string().contains("not UTF-8 text (line 2)"), "{error}");
    assert!(lines("{\"a\": 18446744073709551616}\n").unwrap_err().contains("line 1"));
    assert!(lines("{\"a\": 1} {\"a\": 2}\n").is_err());
}

#[test]
fn the_last_bits_are_those_of_the_default_parser() {
    // Seventeen digits, added up in floating point: not the nearest double.
    let frame = csv("a\n70710678.118654757\n12345678.12345678\n1e23\n").unwrap();
    let SeriesValues::Float { values, .. } = &frame.columns[0].values else { panic!() };
    let sum =
        "70710678118654757".bytes().fold(0.0, |sum, byte| sum * 10.0 + f64::from(byte - b'0'));
    assert_eq!(values[0].to_bits(), (sum / 1e9).to_bits());
    assert_eq!(values[1].to_bits(), 12_345_678.123_456_78f64.to_bits());
    assert_eq!(values[2].to_bits(), 1e23f64.to_bits());
}

#[test]
fn parts_of_a_long_table_are_inferred_apart() {
    // A million fields: two parts of 524,288 rows and a rest.
    let rows = 600_000;
    let mut text = String::from("a\n");
    for row in 0..rows {
        text.push_str(if row == rows - 1 { "x\n" } else { "1\n" });
    }
    assert_eq!(csv(&text).unwrap().columns[0].values, SeriesValues::Opaque("a mixture"));
    let text = text.replace('x', "1.5");
    assert_eq!(kind(&csv(&text).unwrap().columns[0].values), "float64");
}

#[test]
fn types_of_json_lines_are_those_of_pandas() {
    for (values, expected) in [
        (["1", "null"], "float64"),
        (["1.0", "2.0"], "int64"),
        (["\"1\"", "\"2\""], "int64"),
        (["\"1.5\"", "2"], "float64"),
        (["\"1\"", "\"x\""], "str"),
        (["true", "false"], "bool"),
        (["true", "null"], "float64"),
        (["true", "1"], "int64"),
        (["1", "\"a\""], "object"),
        (["null", "null"], "float64"),
        (["9223372036854775808", "1"], "uint64"),
        (["[1]", "[2]"], "object"),
        (["NaN", "1"], "float64"),
        (["1e5", "2"], "int64"),
        (["\"1_0\"", "\"2\""], "int64"),
        (["\"2020-01-01\"", "\"2021-01-01\""], "str"),
    ] {
        let text: String = values.iter().map(|value| format!("{{\"c\": {value}}}\n")).collect();
        assert_eq!(kind(&lines(&text).unwrap().columns[0].values), expected, "{values:?}");
    }
    let frame =
        lines("{\"date\": \"2020-01-01\", \"created_at\": 1600000000}\n{\"x_time\": \"foo\"}\n");
    let kinds: Vec<_> = frame.unwrap().columns.iter().map(|c| kind(&c.values)).collect();
    assert_eq!(kinds, ["datetime64", "datetime64", "str"]);
}

#[test]
fn files_of_one_table_are_put_together_as_their_types_allow() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let open = || {
        let pattern = folder.path().join("*.csv").display().to_string();
        Frame::open(&Source::open(&pattern, None).unwrap()).map_err(|error| error.to_string())
    };
    write("a.csv", "n,w\n1,x\n2,y\n");
    write("b.csv", "w,n\ny,1.5\nz,\n");
    let frame = open().unwrap();
    assert_eq!((frame.rows, names(&frame)), (4, vec!["n", "w"]));
    assert_eq!(kind(&frame.columns[0].values), "float64");
    let SeriesValues::Text(texts) = &frame.columns[1].values else { panic!() };
    assert_eq!((texts.words.len(), texts.codes.as_slice()), (3, [0, 1, 1, 2].as_slice()));
    write("c.csv", "n,v\n1,x\n");
    assert!(open().unwrap_err().contains("c.csv has no column 'w'"));
    write("c.csv", "n,w\nword,x\n");
    assert_eq!(open().unwrap().columns[0].values, SeriesValues::Opaque("a mixture"));
}
