//! The calls that nektos/act 0.2.87 makes of the Docker engine for a job of ten `echo` steps, and the same job as one container and ten
//! execs: made here without anything between them, so that what is measured is the floor of such a runner and no program's own time.
//!
//! Prints tab-separated lines: `peer act MILLISECONDS` and `peer execs MILLISECONDS`, medians. The image is `pawl-test/busybox:1`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

const IMAGE: &str = "pawl-test/busybox:1";
const STEPS: usize = 10;
const ROUNDS: usize = 5;

/// One request on a connection of its own; the answer's body.
fn ask(method: &str, path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect("/var/run/docker.sock").expect("the engine listens");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).expect("the engine reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the engine answers");
    let status = answer.get(9..12).unwrap_or_default();
    assert!(
        matches!(status, b"200" | b"201" | b"204" | b"404"),
        "{method} {path}: {}",
        String::from_utf8_lossy(&answer)
    );
    answer
}

fn get(path: &str) {
    ask("GET", path, "text/plain", b"");
}

fn post(path: &str, body: &str) -> String {
    let answer = ask("POST", path, "application/json", body.as_bytes());
    let text = String::from_utf8_lossy(&answer);
    let id = text.split_once("\"Id\":\"").and_then(|(_, rest)| rest.split_once('"'));
    id.map(|(id, _)| id.to_owned()).unwrap_or_default()
}

/// A tar archive of one small file.
fn archive(name: &str) -> Vec<u8> {
    let text = b"echo hello\n";
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", text.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = header.to_vec();
    tar.extend_from_slice(text);
    tar.resize(512 * 4, 0);
    tar
}

fn put(container: &str, name: &str) {
    ask(
        "PUT",
        &format!("/containers/{container}/archive?path=/tmp"),
        "application/x-tar",
        &archive(name),
    );
}

/// Creates, starts and reads an exec to its end, and asks for its exit code.
fn exec(container: &str, words: &str) {
    let body = format!(r#"{{"AttachStdout":true,"AttachStderr":true,"Cmd":{words}}}"#);
    let id = post(&format!("/containers/{container}/exec"), &body);
    post(&format!("/exec/{id}/start"), r#"{"Detach":false,"Tty":false}"#);
    get(&format!("/exec/{id}/json"));
}

fn container(binds: &str) -> String {
    let body = format!(
        r#"{{"Image":"{IMAGE}","Entrypoint":["tail","-f","/dev/null"],"WorkingDir":"/tmp","HostConfig":{{"Binds":[{binds}]}}}}"#
    );
    let id = post("/containers/create", &body);
    post(&format!("/containers/{id}/start"), "");
    id
}

fn remove(container: &str) {
    ask("DELETE", &format!("/containers/{container}?force=1&v=1"), "text/plain", b"");
}

fn act() {
    get("/info");
    get(&format!("/images/{IMAGE}/json"));
    get("/containers/json?all=1");
    let id = container(r#""pawl-bench-a:/work","pawl-bench-b:/toolcache""#);
    exec(&id, r#"["id","-u"]"#);
    exec(&id, r#"["id","-g"]"#);
    put(&id, "event.json");
    get(&format!("/images/{IMAGE}/json"));
    for _ in 0..STEPS {
        put(&id, "commands");
        put(&id, "script");
        exec(&id, r#"["sh","-e","/tmp/script"]"#);
        for _ in 0..5 {
            get(&format!("/containers/{id}/archive?path=/tmp/commands"));
        }
    }
    remove(&id);
    get("/volumes");
    for volume in ["pawl-bench-a", "pawl-bench-b"] {
        ask("DELETE", &format!("/volumes/{volume}?force=1"), "text/plain", b"");
    }
}

fn execs() {
    let id = container("");
    for _ in 0..STEPS {
        exec(&id, r#"["sh","-c","echo hello"]"#);
    }
    remove(&id);
}

fn median_ms(work: fn()) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

#[expect(clippy::print_stdout, reason = "the result of a benchmark")]
fn main() {
    println!("peer\tact\t{:.0}", median_ms(act));
    println!("peer\texecs\t{:.0}", median_ms(execs));
}
