//! The example project `workflows/visit-risk`: its first model is gated, deployed and asked, and a model of the user's own
//! script is gated against it. The whole way, with its forest, is the quickstart, which runs the release build.

use pawl_tests::containers::{ServiceRemains, python};
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use pawl_tests::repository::root;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Another name than the quickstart's, so that both can run on one machine.
const SERVICE: &str = "visit-risk-scenario";

const ROW: &str = r#"{"rows":[{"lncoins":4.61512,"idp":1,"lpi":6.907755,"fmde":0,"physlm":0,"disea":13.73189,"hlthg":1,"hlthf":0,"hlthp":0}]}"#;

/// The example project with its service under another name.
fn example() -> Project {
    let files = [
        ".dvc/config",
        "contract.odcs.yaml",
        "data/randhie.csv.dvc",
        "storage/files/md5/72/755c2540ef4e93f6356e0c2bb1db31",
        "scripts/train.py",
        "train-gate-deploy.yml",
        "train-in-python.yml",
    ];
    files.into_iter().fold(Project::new(), |project, name| {
        let path = root().join("workflows/visit-risk").join(name);
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        project.file(name, &text.replace("service: visit-risk\n", &format!("service: {SERVICE}\n")))
    })
}

fn run(project: &Project, workflow: &str, more: &[String]) -> Outcome {
    let call = Pawl::new(project).args(["run", workflow, "--workspace", ".", "--json"]);
    call.args(more).store(project.store()).run()
}

fn inputs(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs.iter().flat_map(|(key, value)| ["--input".to_owned(), format!("{key}={value}")]).collect()
}

/// Conclusion of a step, by the ids of job and step.
fn step(report: &Value, job: &str, step: &str) -> Value {
    let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let job = all(&report["jobs"]).into_iter().find(|one| one["id"] == job).unwrap_or_default();
    let step = all(&job["steps"]).into_iter().find(|one| one["id"] == step).unwrap_or_default();
    step["conclusion"].clone()
}

/// A free port of this host. Another process could take it before the proxy does; nothing here does.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// What the service answers, head and body.
fn ask(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the service listens");
    let length = ROW.len();
    write!(stream, "POST /predict HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{ROW}")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// The aliases of the model.
fn aliases(project: &Project) -> Value {
    let call = Pawl::new(project).args(["models", "visit-risk", "--json"]);
    call.store(project.store()).run().code(0).json()["models"][0]["aliases"].clone()
}

#[test]
fn the_first_model_needs_permission_then_serves_and_a_users_own_script_is_gated_against_it() {
    let project = example();
    let _remains = ServiceRemains::new(SERVICE);
    let port = free_port();
    let port_text = port.to_string();
    // The insurance plan alone: four features, so that the nine of the client are more than the model takes.
    let first = [("features", "lncoins,idp,lpi,fmde"), ("port", port_text.as_str())];

    let refused = run(&project, "train-gate-deploy.yml", &inputs(&first));
    let report = refused.code(1).report();
    assert_eq!(step(&report, "gate", "gate"), "failure", "{report:#}");
    assert_eq!(aliases(&project), json!({}));

    let allowed = [first.as_slice(), &[("allow-first", "true")]].concat();
    let report = run(&project, "train-gate-deploy.yml", &inputs(&allowed)).code(0).report();
    assert_eq!(step(&report, "data", "version"), "success", "{report:#}");
    assert_eq!(step(&report, "data", "drift"), "success", "{report:#}");
    assert_eq!(step(&report, "deploy", "deploy"), "success", "{report:#}");
    let shown = Pawl::new(&project).args(["logs", "--summary", "--job", "report"]);
    let shown = shown.store(project.store()).run().stdout();
    for part in [
        "| `dvc:data/randhie.csv` | `md5:72755c2540ef4e93f6356e0c2bb1db31` | 748181 |",
        "(20190 rows)",
        "## Drift: 0 of ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(aliases(&project), json!({"production": 2}));
    let answer = ask(port);
    assert!(answer.starts_with("HTTP/1.0 200 OK"), "{answer}");
    assert!(answer.contains(r#""model":"visit-risk","version":"2","predictions":[0."#), "{answer}");

    let image = format!("--image=python={}", python());
    let own = run(&project, "train-in-python.yml", &[image]);
    let report = own.code(0).report();
    assert_eq!(step(&report, "train", "train"), "success", "{report:#}");
    assert_eq!(step(&report, "gate", "gate"), "success", "{report:#}");
    assert!(own.log().iter().any(|line| line.starts_with("accuracy: pass: ")), "{:#?}", own.log());
    // A gate moves no alias.
    assert_eq!(aliases(&project), json!({"production": 2}));
}
