//! `services:`: made beside the job, healthy before its first step, reached by name and port, gone with it.

use pawl_tests::containers::{busybox, image_option, inspect, of_run, owned_by_run};
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;

/// A server that answers with its own greeting, after it has made itself ready.
const SERVER: &str = r#"sh -c 'mkdir /www; echo "$GREETING" >/www/index.html; sleep 0.3; touch /tmp/ready; exec httpd -f -p 80 -h /www'"#;

/// What a step asks the server with: `ask HOST PORT`.
const ASK: &str = r#"ask() { printf 'GET / HTTP/1.0\r\n\r\n' | nc "$1" "$2" | tail -n 1; }"#;

fn run(workflow: &str, more: &[&str]) -> Outcome {
    let project = Project::new().file("ci.yml", workflow);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]).args(more);
    call.store(project.store()).run()
}

fn with_service(service: &str, steps: &str) -> String {
    let image = busybox();
    format!(
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    services:\n      web:\n        image: {image}\n{service}    steps:\n{steps}"
    )
}

#[test]
fn a_service_is_healthy_before_the_first_step_and_gone_with_the_job() {
    let service = format!(
        "        env: {{GREETING: hello}}\n        command: {SERVER}\n        ports: ['18080:80', '80']\n        options: >-\n          --health-cmd \"test -e /tmp/ready\" --health-interval 60s\n          --network-alias other\n"
    );
    let steps = "      - run: |\n          ASK\n          ask web 80\n          ask other 80\n          ask localhost 18080\n          ask 127.0.0.1 ${{ job.services.web.ports['80'] }}\n      - run: echo ${{ job.services.web.network == job.container.network }} ${{ job.services.web.id != '' }}\n      - run: test ! -e /var/run/docker.sock\n";
    let begun = std::time::Instant::now();
    let outcome = run(&with_service(&service, &steps.replace("ASK", ASK)), &[]);
    outcome.code(0);
    assert_eq!(outcome.log(), ["hello", "hello", "hello", "hello", "true true"]);
    assert!(
        begun.elapsed().as_secs() < 50,
        "the engine's own first check would come after a minute"
    );
    let ready = outcome.events().into_iter().find(|event| event["event"] == "job-ready");
    let ready = ready.expect("the job was ready");
    assert_eq!(ready["services"]["web"]["ports"]["80"], "18080", "{ready}");
    assert_eq!(owned_by_run(&outcome.run_name()), Vec::<String>::new());
}

#[test]
fn an_unhealthy_service_fails_the_job_and_shows_its_own_log() {
    let service = "        env: {TOKEN: '${{ secrets.TOKEN }}'}\n        command: sh -c 'echo the token is $TOKEN; echo no database here; sleep 600'\n        options: --health-cmd false --health-interval 200ms --health-retries 2\n";
    let workflow = with_service(service, "      - run: echo never\n");
    let outcome = run(&workflow, &["--secret", "TOKEN=hunter2!"]);
    outcome.code(1);
    let events = outcome.events();
    let said: Vec<&str> = events
        .iter()
        .filter(|event| event["event"] == "service-log" && event["service"] == "web")
        .filter_map(|event| event["text"].as_str())
        .collect();
    assert_eq!(said, ["the token is ***", "no database here"]);
    let finished = events.iter().find(|event| event["event"] == "job-finished").expect("it ends");
    let reason = finished["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("the service 'web' is not fit: it is unhealthy"), "{reason}");
    assert_eq!(outcome.log(), Vec::<String>::new());
    assert_eq!(owned_by_run(&outcome.run_name()), Vec::<String>::new());
}

#[test]
fn a_service_that_ends_fails_the_job_with_its_last_words() {
    let service = "        command: sh -c 'echo bye; exit 3'\n        options: --health-cmd true --health-start-period 5s\n";
    let outcome = run(&with_service(service, "      - run: echo never\n"), &[]);
    outcome.code(1);
    let events = outcome.events();
    let said = events.iter().find(|event| event["event"] == "service-log").expect("it spoke");
    assert_eq!(said["text"], "bye");
    let finished = events.iter().find(|event| event["event"] == "job-finished").expect("it ends");
    assert_eq!(
        finished["reason"],
        "the service 'web' is not fit: its container ended with exit code 3: its own log is above"
    );
}

#[test]
fn secrets_of_a_service_are_not_seen_by_asking_the_engine() {
    let service = "        env: {PASSWORD: '${{ secrets.PASSWORD }}', USER_NAME: me}\n        command: sh -c 'mkdir /www; echo \"$USER_NAME:$PASSWORD\" >/www/index.html; exec httpd -f -p 80 -h /www'\n        options: --health-cmd 'test ${#PASSWORD} = 8'\n";
    let steps = "      - run: |\n          echo up\n          until test -e go; do sleep 0.1; done\n      - run: |\n          ASK\n          test \"$(ask web 80)\" = \"me:$WANTED\" && echo the same\n        env: {WANTED: '${{ secrets.PASSWORD }}'}\n";
    let steps = steps.replace("ASK", ASK);
    let project = Project::new().file("ci.yml", &with_service(service, &steps));
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let mut running = call.args(["--secret", "PASSWORD=hunter2!"]).store(project.store()).spawn();
    let first = running.wait_for("the run's name", |event| event["event"] == "run-requested");
    let run = first["run"].as_str().expect("the run is named").to_owned();
    running.wait_for_log("up");
    let containers = of_run(&run);
    assert_eq!(containers.len(), 2, "{containers:?}");
    for container in &containers {
        assert!(!inspect(container).contains("hunter2!"), "{container}");
    }
    let job = containers.iter().find(|name| !name.contains("-svc-")).expect("the job runs");
    pawl_tests::containers::exec(job, &["touch", "/github/workspace/go"]);
    let outcome = running.finish();
    outcome.code(0);
    assert_eq!(outcome.log(), ["up", "the same"]);
    assert_eq!(project.store_files_with("hunter2!"), Vec::<std::path::PathBuf>::new());
}

#[test]
fn an_empty_image_is_no_service_and_a_taken_port_is_no_obstacle() {
    let image = busybox();
    let workflow = format!(
        "on: push\njobs:\n  one:\n    strategy: {{matrix: {{side: [left, right]}}}}\n    runs-on: ubuntu-latest\n    services:\n      none:\n        image: ${{{{ matrix.side == 'middle' && '{image}' || '' }}}}\n      web:\n        image: {image}\n        env: {{GREETING: '${{{{ matrix.side }}}}'}}\n        command: {SERVER}\n        ports: ['18081:80']\n        options: --health-cmd 'test -e /tmp/ready' --health-interval 1s\n    steps:\n      - run: |\n          {ASK}\n          ask localhost 18081\n          sleep 1\n"
    );
    let outcome = run(&workflow, &["--jobs", "2"]);
    outcome.code(0);
    let mut log = outcome.log();
    log.sort();
    assert_eq!(log, ["left", "right"], "each job has its own at the same port");
    let events = outcome.events();
    let remarks: Vec<&str> = events
        .iter()
        .filter(|event| event["event"] == "step-annotated")
        .filter_map(|event| event["message"].as_str())
        .collect();
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    assert!(remarks[0].starts_with("port 18081 of this machine is taken"), "{remarks:?}");
}

#[test]
fn what_a_killed_run_leaves_is_removed_when_it_goes_on() {
    let service = format!("        command: {SERVER}\n        volumes: ['data:/data']\n");
    let steps =
        "      - run: |\n          echo up\n          until test -e go; do sleep 0.1; done\n";
    let project = Project::new().file("ci.yml", &with_service(&service, steps));
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let mut running = call.store(project.store()).spawn();
    let first = running.wait_for("the run's name", |event| event["event"] == "run-requested");
    let run = first["run"].as_str().expect("the run is named").to_owned();
    running.wait_for_log("up");
    running.kill();
    running.finish();
    let left = owned_by_run(&run);
    assert_eq!(left.len(), 4, "two containers, a volume and a network: {left:?}");
    let job = of_run(&run).into_iter().find(|name| !name.contains("-svc-")).expect("it runs");
    pawl_tests::containers::exec(&job, &["touch", "/github/workspace/go"]);
    let resume = Pawl::new(&project).args(["run", "--resume", &run, "--json"]);
    resume.store(project.store()).run().code(0);
    assert_eq!(owned_by_run(&run), Vec::<String>::new());
}
