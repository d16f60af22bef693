//! Data that is not where a path leads: on a web server, or a version of another time.

use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

const CONTRACT: &str = "\
apiVersion: v3.1.0
kind: DataContract
id: c
version: 1.0.0
status: active
schema:
  - name: rows
    properties:
      - {name: n, logicalType: integer, required: true}
";

/// Answers every request for `/data.csv` with these bytes, and any other with 404. Gives where it is.
fn serve(body: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = [0; 4096];
            let length = stream.read(&mut request).expect("a request");
            let (status, body): (_, &[u8]) = match request[..length].starts_with(b"GET /data.csv") {
                true => ("200 OK", body),
                false => ("404 Not Found", b""),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).expect("a reader");
            stream.write_all(body).expect("a reader");
        }
    });
    format!("http://{address}")
}

fn validate(reference: &str) -> Outcome {
    let project = Project::new().file("c.odcs.yaml", CONTRACT);
    let arguments = ["data", "validate", reference, "--contract", "c.odcs.yaml", "--json"];
    Pawl::new(&project).args(arguments).run()
}

#[test]
fn data_of_a_web_server_is_checked_as_a_file_is() {
    let top = serve(b"n\n1\n2\n");
    let report = validate(&format!("{top}/data.csv?token=hunter2")).code(0).json();
    assert_eq!((&report["verdict"], &report["rows"]), (&"pass".into(), &2.into()));
    let top = serve(b"n\n1\n\"x\"\n");
    let report = validate(&format!("{top}/data.csv")).code(1).json();
    assert_eq!(report["verdict"], "fail");
}

#[test]
fn what_is_not_there_is_the_users_fault_and_what_does_not_answer_is_not() {
    let top = serve(b"");
    let outcome = validate(&format!("{top}/other.csv?token=hunter2"));
    outcome.code(2);
    let said = outcome.stderr();
    assert!(said.contains("/other.csv is not there") && !said.contains("hunter2"), "{said}");
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let outcome = validate(&format!("http://{address}/data.csv"));
    outcome.code(3);
    assert!(outcome.stderr().contains("cannot be fetched"), "{}", outcome.stderr());
}

fn git(folder: &Path, arguments: &[&str]) {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output();
    let output = output.expect("git is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Two commits of `data/rows.csv`, a version each: first with two rows, then with three.
fn two_versions() -> Project {
    let project = Project::new().file("c.odcs.yaml", CONTRACT);
    let folder = project.folder();
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    Pawl::new(&project).args(["data", "init"]).run().code(0);
    for rows in ["n\n1\n2\n", "n\n1\n2\n3\n"] {
        std::fs::create_dir_all(folder.join("data")).expect("a folder");
        std::fs::write(folder.join("data/rows.csv"), rows).expect("a file");
        Pawl::new(&project).args(["data", "add", "data"]).run().code(0);
        git(folder, &["add", "--all"]);
        let who = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        git(folder, &[&who[..], &["commit", "--quiet", "--message", "rows"]].concat());
    }
    project
}

#[test]
fn a_version_of_another_commit_is_read_though_the_workspace_has_another_one() {
    let project = two_versions();
    let rows = |reference: &str| {
        let arguments = ["data", "validate", reference, "--contract", "c.odcs.yaml", "--json"];
        Pawl::new(&project).args(arguments).run().code(0).json()["rows"].clone()
    };
    assert_eq!(rows("dvc:data/rows.csv@HEAD~1"), 2);
    assert_eq!(rows("dvc:data/rows.csv"), 3);
    // Neither a change nor the loss of the file in place touches the version.
    std::fs::remove_dir_all(project.folder().join("data")).expect("it is there");
    assert_eq!(rows("dvc:data/rows.csv@HEAD"), 3);
    let fault = |reference: &str| {
        let arguments = ["data", "validate", reference, "--contract", "c.odcs.yaml", "--json"];
        Pawl::new(&project).args(arguments).run().code(2).stderr().to_owned()
    };
    assert!(fault("dvc:data/rows.csv@nowhere").contains("nowhere"));
    assert!(fault("dvc:data/other.csv").contains("data/other.csv: has no version"));
    assert!(fault("dvc:data").contains("data: is a folder"));
}
