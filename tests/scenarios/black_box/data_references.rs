//! Data that lies on a web server.

use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use std::io::{Read, Write};
use std::net::TcpListener;

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
