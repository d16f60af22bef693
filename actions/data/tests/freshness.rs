//! How old the newest row may be: `slaProperties`, with the clock as a value.

use pawl_data::{
    Check, Contract, Effect, Format, Shard, Source, ValidateOptions, Verdict, diff_contracts,
    merge_states, validate, validate_shard,
};

fn text(sla: &str) -> String {
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\n\
         schema:\n  - name: t\n    properties:\n      - {{ name: at, physicalName: ts, logicalType: timestamp }}\n      \
         - {{ name: day, logicalType: date }}\n      - {{ name: n, logicalType: integer }}\n\
         slaProperties:\n  - {{ {sla} }}\n"
    )
}

fn contract(sla: &str) -> Contract {
    Contract::parse("c.yaml", &text(sla)).unwrap_or_else(|error| panic!("{error}"))
}

fn csv(text: &str) -> Source {
    Source::from_bytes("d.csv", Format::Csv { delimiter: b',' }, text.into())
}

fn at(now: &str) -> ValidateOptions {
    let now = Some(now.parse().unwrap_or_else(|error| panic!("{error}")));
    ValidateOptions { now, ..ValidateOptions::default() }
}

const DATA: &str = "ts,day,n\n2024-05-01T00:00:00Z,2024-04-30,1\n,,2\nx,2024-04-29,3\n2024-04-30T23:30:00-02:00,,4\n";

fn latency(sla: &str, data: &str, now: &str) -> Check {
    let report = validate(&contract(sla), &csv(data), &at(now)).expect("a report");
    report.checks.into_iter().find(|check| check.metric == "latency").expect("the check")
}

#[test]
fn the_newest_row_must_not_be_too_old() {
    // The newest one is that of 01:30 UTC.
    let sla = "property: latency, value: 4, unit: d, element: t.at";
    let fresh = latency(sla, DATA, "2024-05-05T01:30:00Z");
    let facts = (fresh.id.as_str(), fresh.column.as_deref(), fresh.expected.as_str());
    assert_eq!(facts, ("at.latency", Some("at"), "latency at most 4 d"));
    assert_eq!((fresh.verdict, fresh.observed.unwrap().as_f64()), (Verdict::Pass, Some(4.0)));
    let old = latency(sla, DATA, "2024-05-05T13:30:00Z");
    assert_eq!((old.verdict, old.observed.unwrap().as_f64()), (Verdict::Fail, Some(4.5)));
    assert_eq!((old.failing_rows, old.samples.len(), old.idle), (0, 0, false));
}

#[test]
fn units_dates_and_names_are_those_of_the_standard() {
    let day = "id: fresh, property: latency, value: 36, unit: hours, element: day";
    let check = latency(day, DATA, "2024-05-01T12:00:00Z");
    assert_eq!((check.id.as_str(), check.verdict), ("fresh", Verdict::Pass));
    assert_eq!(latency(day, DATA, "2024-05-01T12:00:01Z").verdict, Verdict::Fail);
    let year = "property: latency, value: 1, unit: y, element: t.ts";
    assert_eq!(latency(year, DATA, "2025-04-30T00:00:00Z").verdict, Verdict::Pass);
    assert_eq!(latency(year, DATA, "2025-05-02T00:00:00Z").verdict, Verdict::Fail);
    // Others are promises that data cannot keep.
    let promise = contract("property: retention, value: 3, unit: y, element: t.at");
    let other = validate(&promise, &csv(DATA), &at("2024-05-01T00:00:00Z")).unwrap();
    assert!(other.checks.iter().all(|check| check.metric != "latency"));
}

#[test]
fn data_without_a_moment_is_not_fresh_and_a_clock_is_needed() {
    let sla = "property: latency, value: 1, element: t.at";
    let check = latency(sla, "ts,day,n\n,,1\n", "2024-05-01T00:00:00Z");
    assert_eq!((check.verdict, check.observed), (Verdict::Fail, None));
    let report = validate(&contract(sla), &csv(DATA), &ValidateOptions::default()).unwrap();
    assert_eq!(report.verdict, Verdict::Error);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        (
            "property: latency, value: 4, unit: m, element: t.at",
            "unknown unit 'm' of a latency; it is one of s, min, h, d, w, y",
        ),
        (
            "property: latency, value: 4, element: t.n",
            "element 't.n' is neither a date nor a timestamp",
        ),
        (
            "property: latency, value: 4, element: u.at",
            "element 'u.at' is no column of this contract",
        ),
        ("property: latency, value: 4", "latency needs an 'element', as table.column"),
        (
            "property: latency, value: -1, element: at",
            "latency needs a 'value' that is a number and not negative",
        ),
        (
            "property: latency, valu: 4, value: 1, element: at",
            "unknown key 'valu' in an SLA property (did you mean 'value'?)",
        ),
    ];
    for (sla, message) in cases {
        let error = Contract::parse("c.yaml", &text(sla)).expect_err(sla);
        let messages: Vec<_> =
            error.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, [message], "{sla}");
    }
}

#[test]
fn shards_find_the_newest_and_a_longer_latency_is_looser() {
    let sla = "property: latency, value: 2, unit: d, element: t.at";
    let contract = contract(sla);
    let (source, options) = (csv(DATA), at("2024-05-04T00:00:00Z"));
    let folder = tempfile::tempdir().unwrap();
    let states: Vec<_> = (0..2).map(|index| folder.path().join(index.to_string())).collect();
    for (index, state) in states.iter().enumerate() {
        let shard = Shard { index: index as u64, count: 2 };
        validate_shard(&contract, &source, &options, shard, state).unwrap();
    }
    let whole = validate(&contract, &source, &options).unwrap();
    assert_eq!(whole.verdict, Verdict::Fail);
    assert_eq!(merge_states(&contract, &options, &states).unwrap(), whole);
    let longer =
        self::contract(&sla.replace("value: 2", "value: 49").replace("unit: d", "unit: h"));
    let changes = diff_contracts(&contract, &longer);
    assert_eq!((changes.len(), changes[0].effect), (1, Effect::Loosened));
    assert_eq!(changes[0].place, "t.at");
}
