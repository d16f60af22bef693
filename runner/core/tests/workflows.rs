//! Workflow files that are sound, workflow files that are not, and nothing that makes the reader fall over.

use pawl_core::check::check;
use pawl_core::diagnostic::{Diagnostic, render, to_json};
use pawl_core::workflow::parse;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, proptest};

/// Shapes of workflows that occur in public repositories: none may have an error.
const SOUND: &[&str] = &[
    "on: push\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n",
    "name: CI\non: [push, pull_request]\npermissions: read-all\njobs:\n  a:\n    runs-on: [self-hosted, linux]\n    steps:\n      - uses: actions/checkout@v4\n      - run: make\n",
    "on:\n  push:\n    branches: [main, 'release/**', '!release/old']\n    tags-ignore: v0.*\n    paths: ['src/**', '!**.md']\n  pull_request:\n    types: [opened, labeled]\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n",
    "on:\n  schedule:\n    - cron: '0 3 * * 1-5'\n    - cron: '*/10 * * * *'\n  workflow_dispatch:\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n",
    "on:\n  workflow_dispatch:\n    inputs:\n      level: {description: how, type: choice, options: [a, b], default: a, required: true}\n      dry: {type: boolean, default: false}\n      n: {type: number, default: 1.5}\n      where: {type: environment}\n      note:\njobs: {a: {runs-on: x, steps: [{run: 'echo ${{ inputs.level }}'}]}}\n",
    "on:\n  workflow_call:\n    inputs: {name: {type: string, required: true}}\n    secrets: {token: {required: true}, other: }\n    outputs: {r: {description: d, value: '${{ jobs.a.outputs.r }}'}}\njobs: {a: {runs-on: x, outputs: {r: '1'}, steps: [{run: echo}]}}\n",
    "on: push\nenv: {A: 1, B: true, C: , D: '${{ secrets.T }}'}\ndefaults: {run: {shell: bash, working-directory: src}}\njobs: {a: {runs-on: x, env: {E: '${{ matrix.v }}'}, strategy: {matrix: {v: [1, a, true, {k: v}]}}, steps: [{run: echo}]}}\n",
    "on: push\njobs:\n  a:\n    strategy:\n      fail-fast: false\n      max-parallel: 2\n      matrix:\n        include:\n          - {os: a, v: 1}\n          - {os: b}\n    runs-on: ${{ matrix.os }}\n    steps: [{run: echo}]\n",
    "on: push\njobs:\n  a:\n    runs-on: x\n    outputs: {list: '${{ steps.s.outputs.list }}'}\n    steps: [{id: s, run: echo}]\n  b:\n    needs: [a]\n    strategy: {matrix: {v: '${{ fromJSON(needs.a.outputs.list) }}'}}\n    runs-on: x\n    steps: [{run: echo}]\n",
    "on: push\njobs:\n  a:\n    runs-on: x\n    if: github.ref == 'refs/heads/main' && !cancelled()\n    timeout-minutes: 0.02\n    continue-on-error: ${{ github.ref != 'x' }}\n    steps:\n      - if: ${{ failure() || steps.x.outcome == 'failure' }}\n        run: echo\n        timeout-minutes: ${{ matrix.t || 5 }}\n        continue-on-error: true\n",
    "on: push\njobs:\n  a:\n    runs-on: x\n    container: debian:12\n    steps: [{run: echo, shell: 'perl {0}'}]\n",
    "on: push\njobs:\n  a:\n    runs-on: x\n    container:\n      image: debian:12\n      env: {A: '${{ secrets.X }}'}\n    environment: {name: prod, url: 'https://example.org/${{ steps.a.outputs.x }}'}\n    steps: [{run: echo}]\n",
    "on: push\njobs:\n  a:\n    runs-on: x\n    environment: prod\n    permissions: {contents: read, id-token: write}\n    steps:\n      - run: |\n          echo \"${{ hashFiles('**/Cargo.lock') }}\"\n          echo ${{ format('{0} {{}}', github.sha) }}\n",
    "on: push\njobs:\n  a: &job\n    runs-on: x\n    steps:\n      - &step {run: echo}\n      - *step\n  b: *job\n",
    "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: ./local/action\n        with: {a: 1, b: '', c: null}\n      - uses: owner/repo/path/deep@main\n      - uses: pawl/train\n        with: {data: x.csv}\n        retry: {attempts: 5, backoff: 1m}\n",
    "on:\n  workflow_run:\n    workflows: [CI, 'Build*']\n    types: [completed]\n    branches-ignore: [dependabot/**]\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n",
    "on:\n  release: {types: [published]}\n  issue_comment: {types: created}\n  merge_group:\n  repository_dispatch: {types: [my-own]}\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n",
    "run-name: Deploy ${{ inputs.x }} by @${{ github.actor }}\non: workflow_dispatch\njobs: {a: {name: 'build ${{ matrix.v }}', runs-on: x, strategy: {matrix: {v: [1]}}, steps: [{name: '', run: echo}]}}\n",
    "# é\u{a0}comment\n'on': push\n\"jobs\":\n  a-b_C1:\n    runs-on: {labels: [x, y]}\n    steps:\n    - name: \"tab\\there\"\n      run: >-\n        echo one\n        two\n",
    "on: push\njobs:\n  a: {runs-on: x, steps: [{run: echo}]}\n  b: {needs: a, runs-on: x, steps: [{run: echo}]}\n  c: {needs: [a, b], if: \"always() && contains(join(needs.*.result, ','), 'failure')\", runs-on: x, steps: [{run: echo}]}\n",
    "on: {push: {branches: [$default-branch]}}\njobs: {a: {runs-on: x, steps: [{run: echo, working-directory: './${{ matrix.d }}'}]}}\n",
    "on: push\njobs: {a: {runs-on: x, strategy: {matrix: {v: [1, 1]}}, steps: [{uses: 'actions/cache@0123456789012345678901234567890123456789', with: {key: \"k-${{ hashFiles('a', 'b') }}\"}}]}}\n",
];

/// One line that breaks a sound file, and what is said about it: `LINE:COLUMN CODE`.
const BROKEN: &[(&str, &[&str])] = &[
    (
        "on: push\njobs:\n  a: {runs-on: x, steps: [{uses: ./../x}, {uses: a/b/../c@v1}]}\n",
        &["3:34 invalid-uses", "3:50 invalid-uses"],
    ),
    ("", &["1:1 missing-key"]),
    ("just text\n", &["1:1 wrong-type"]),
    ("[a]\n", &["1:1 wrong-type"]),
    ("name: x\n", &["1:1 missing-key", "1:1 missing-key"]),
    ("on: push\njobs: {}\n", &["2:7 invalid-value"]),
    ("on: {}\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n", &["1:5 invalid-value"]),
    ("on: push\njobs:\n  a:\n", &["3:5 wrong-type"]),
    ("on: push\njobs:\n  a: {runs-on: [], steps: [{run: echo}]}\n", &["3:16 invalid-value"]),
    ("on: push\njobs:\n  a: {runs-on: x, steps: []}\n", &["3:26 invalid-value"]),
    ("on: push\njobs:\n  a: {runs-on: x, steps: {run: echo}}\n", &["3:26 wrong-type"]),
    ("on: push\njobs:\n  a: {runs-on: x, steps: [~]}\n", &["3:27 wrong-type"]),
    ("on: push\njobs:\n  __a: {runs-on: x, steps: [{run: echo}]}\n", &["3:3 invalid-id"]),
    (
        "on: push\njobs:\n  a: {runs-on: x, steps: [{run: echo}]}\n  A: {runs-on: x, steps: [{run: echo}]}\n",
        &["4:3 yaml-duplicate-key"],
    ),
    ("on: push\njobs:\n  a: {needs: a, runs-on: x, steps: [{run: echo}]}\n", &["3:14 needs-cycle"]),
    (
        "on: push\njobs:\n  a: {runs-on: x, fail-fast: true, steps: [{run: echo}]}\n",
        &["3:19 unknown-key"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, strategy: {fail-fast: maybe}, steps: [{run: echo}]}\n",
        &["3:41 wrong-type"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, strategy: {max-parallel: 0}, steps: [{run: echo}]}\n",
        &["3:44 invalid-value"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, strategy: {matrix: {v: 1}}, steps: [{run: echo}]}\n",
        &["3:42 wrong-type"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, strategy: {matrix: {v: [1], exclude: [{v: 1}]}}, steps: [{run: echo}]}\n",
        &["3:38 invalid-matrix"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, timeout-minutes: soon, steps: [{run: echo}]}\n",
        &["3:36 wrong-type"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, timeout-minutes: -1, steps: [{run: echo}]}\n",
        &["3:36 invalid-timeout"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: '${{ env.X }}', steps: [{run: echo}]}\n",
        &["3:17 expression-context"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, if: 'matrix.x', steps: [{run: echo}]}\n",
        &["3:23 expression-context"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, steps: [{run: '${{ success() }}'}]}\n",
        &["3:34 expression-context"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, steps: [{run: '${{ github.ref'}]}\n",
        &["3:34 expression-syntax"],
    ),
    ("on: push\njobs:\n  a: {runs-on: x, steps: [{run: '${{ }}'}]}\n", &["3:34 expression-syntax"]),
    (
        "on: push\njobs:\n  a: {runs-on: x, steps: [{run: '${{ nope(1) }}'}]}\n",
        &["3:34 expression-context"],
    ),
    (
        "on: push\nrun-name: ${{ secrets.X }}\njobs:\n  a: {runs-on: x, steps: [{run: echo}]}\n",
        &["2:11 expression-context"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, steps: [{run: echo, with: {a: 1}}]}\n",
        &["3:39 unknown-key"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, steps: [{uses: pawl/x, shell: sh}]}\n",
        &["3:42 unknown-key"],
    ),
    (
        "on: push\njobs:\n  a: {uses: ./b.yml, with: {a: 1}, secrets: inherit}\n",
        &["3:13 invalid-uses"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, with: {a: 1}, steps: [{run: echo}]}\n",
        &["3:19 unknown-key"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, container: {image: x, options: --privileged}, steps: [{run: echo}]}\n",
        &["3:50 container-option"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, steps: [{run: echo, background: maybe}]}\n",
        &["3:51 wrong-type"],
    ),
    ("on: push\njobs:\n  a: {runs-on: x, steps: [{wait-all: false}]}\n", &["3:38 invalid-value"]),
    (
        "on: push\njobs:\n  a: {runs-on: x, steps: [{run: echo, wait-all: }, {wait: b, if: always()}]}\n",
        &["3:39 unknown-key", "3:59 unknown-step", "3:62 unknown-key"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, steps: [{id: b, cancel: b}, {id: c, run: x}, {cancel: C}]}\n",
        &["3:43 unknown-step", "3:73 unknown-step"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, steps: [{parallel: [{run: x, background: true}, {wait-all: }, {parallel: [{run: x}]}]}]}\n",
        &["3:27 step-kind", "3:27 step-kind", "3:27 step-kind"],
    ),
    (
        "on: push\njobs:\n  a: {runs-on: x, steps: [{parallel: [], name: x}]}\n",
        &["3:38 invalid-value", "3:42 unknown-key"],
    ),
    (
        "on: {pull_request: {types: [openend]}}\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n",
        &["1:29 invalid-value"],
    ),
    (
        "on: {push: {branches: ['!x']}}\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n",
        &["1:23 invalid-glob"],
    ),
    (
        "on: {push: {paths: [./src/**]}}\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n",
        &["1:21 invalid-glob"],
    ),
    (
        "on: {workflow_dispatch: {inputs: {a: {type: boolean, default: maybe}}}}\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n",
        &["1:63 invalid-value"],
    ),
    (
        "on: {workflow_call: {inputs: {a: {required: true}}}}\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n",
        &["1:34 missing-key"],
    ),
    (
        "on: push\npermissions: {contents: all}\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n",
        &["2:25 invalid-value"],
    ),
    ("on: push\n<<: {a: 1}\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n", &["2:1 unknown-key"]),
];

fn errors(text: &str) -> Vec<Diagnostic> {
    let (_, found) = parse("w.yml", text);
    found.into_iter().filter(Diagnostic::is_error).collect()
}

#[test]
fn sound_workflows_have_no_error() {
    for text in SOUND {
        let found = errors(text);
        assert!(found.is_empty(), "{text}\n{}", render(&found, text));
    }
}

#[test]
fn broken_workflows_are_refused_at_the_right_place() {
    let mut wrong = String::new();
    for (text, expected) in BROKEN {
        let found = errors(text);
        let seen: Vec<String> =
            found.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.code)).collect();
        if seen != *expected {
            wrong.push_str(&format!("{text}expected {expected:?}\n{}\n", render(&found, text)));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_script_that_is_too_long_is_refused_and_one_at_the_limit_is_not() {
    let file = |length: usize| {
        format!("on: push\njobs: {{a: {{runs-on: x, steps: [{{run: {}}}]}}}}\n", "x".repeat(length))
    };
    assert!(errors(&file(21_000)).is_empty());
    assert_eq!(errors(&file(21_001)).len(), 1);
    assert_eq!(errors(&" ".repeat(1_048_577)).len(), 1);
}

#[test]
fn warnings_do_not_hide_errors_and_the_json_has_its_form() {
    let text = "on: push\njobs: {a: {runs-on: x, steps: [{run: '${{ secrets.A }}'}], nope: 1}}\n";
    let found = check("w.yml", text);
    let codes: Vec<&str> = found.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, ["secret-in-run", "unknown-key"]);
    let json = to_json(&found);
    let keys: Vec<&String> =
        json["diagnostics"][0].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["file", "line", "column", "severity", "code", "message", "help"]);
}

#[test]
fn a_long_workflow_is_read_quickly_enough_to_be_read_often() {
    let mut text = "on: push\njobs:\n".to_owned();
    for job in 0..200 {
        text.push_str(&format!(
            "  j{job}:\n    runs-on: x\n    steps:\n      - id: s\n        run: |\n          echo ${{{{ github.ref }}}}\n          echo two\n      - uses: actions/checkout@v4\n"
        ));
    }
    assert!(check("w.yml", &text).is_empty());
}

/// Fragments that workflows are made of, in any order: more telling than arbitrary characters.
fn fragments() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "on",
        "push",
        "jobs",
        "steps",
        "run",
        "uses",
        "matrix",
        "strategy",
        "include",
        "needs",
        "if",
        ": ",
        ":\n",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "|",
        ">",
        "&a ",
        "*a",
        "${{ ",
        " }}",
        "github.ref",
        "#",
        "\t",
        "~",
        "1e9",
        "é",
        "!!str ",
        "? ",
        ",",
        "a",
        "x: y\n",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_refused_without_a_panic(text in any::<String>()) {
        render(&check("w.yml", &text), &text);
    }

    #[test]
    fn scrambled_workflows_are_read_without_a_panic(text in fragments()) {
        render(&check("w.yml", &text), &text);
    }

    #[test]
    fn a_damaged_workflow_is_read_without_a_panic(which in 0..SOUND.len(), at in 0usize..400, junk in "[ -~\\n]{0,3}") {
        let mut text = SOUND[which].to_owned();
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.insert_str(at, &junk);
        render(&check("w.yml", &text), &text);
    }
}
