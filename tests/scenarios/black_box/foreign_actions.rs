//! Actions in JavaScript and in containers, through the binary, on images without any of what they need.

use super::action_sources::publish;
use pawl_tests::containers::{busybox, image_option, of_run, python};
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;

const FILES: [(&str, &str); 5] = [
    (
        "action.yml",
        "name: js\ninputs:\n  who: {default: '${{ github.event_name }}'}\n  two words: {default: x}\n\
         outputs: {said: {description: x}}\n\
         runs: {using: node20, pre: pre.js, main: main.js, post: post.js}\n",
    ),
    (
        "pre.js",
        "console.log('pre', process.env.INPUT_WHO);\n\
         require('fs').appendFileSync(process.env.GITHUB_STATE, 'a=1\\n');\n",
    ),
    (
        "main.js",
        "const fs = require('fs'), cp = require('child_process'), e = process.env;\n\
         console.log('main', e.INPUT_WHO, e.INPUT_TWO_WORDS, e.STATE_a, e.GITHUB_ACTION_REPOSITORY, e.GITHUB_ACTION_REF);\n\
         console.log(fs.existsSync(e.GITHUB_ACTION_PATH + '/child.js'), process.cwd());\n\
         fs.appendFileSync(e.GITHUB_STATE, 'b=2\\n');\n\
         fs.appendFileSync(e.GITHUB_OUTPUT, 'said=hello ' + e.INPUT_WHO + '\\n');\n\
         console.log(cp.execFileSync(process.execPath, ['-p', '40 + 2']).toString().trim());\n\
         cp.fork(__dirname + '/child.js').on('message', word => console.log('child says', word));\n",
    ),
    ("child.js", "process.send('hi');\n"),
    (
        "post.js",
        "console.log('post', process.env.INPUT_WHO, process.env.STATE_a, process.env.STATE_b);\n",
    ),
];

const WORKFLOW: &str = "\
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    env: {LD_LIBRARY_PATH: /nowhere}
    steps:
      - run: echo first
      - {id: js, uses: acme/js@v1, with: {who: Ada}}
      - {uses: acme/js@v1, if: false}
      - run: echo \"${{ steps.js.outputs.said }}\"; exit 1
";

fn run(project: &Project, options: &[&str]) -> Outcome {
    Pawl::new(project).args(["run", "--json"]).args(options).store(project.store()).run()
}

#[test]
fn javascript_runs_before_at_and_after_its_step_in_images_without_node() {
    let python = format!("--image=ubuntu-latest={}", python());
    for image in [image_option(), python] {
        let project = Project::new().file(".pawl/workflows/a.yml", WORKFLOW);
        let (_, server) = publish(&project, "acme/js", &FILES);
        let outcome = run(&project, &[&image, "--actions-server", &server]);
        outcome.code(1);
        assert_eq!(
            outcome.log(),
            [
                "pre Ada",
                "pre push",
                "first",
                "main Ada x 1 acme/js v1",
                "true /github/workspace",
                "42",
                "child says hi",
                "hello Ada",
                "post push 1 undefined",
                "post Ada 1 2",
            ]
        );
        assert!(of_run(&outcome.run_name()).is_empty());
    }
}

#[test]
fn the_plan_shows_what_runs_before_and_after() {
    let project = Project::new().file(".pawl/workflows/a.yml", WORKFLOW);
    let (_, server) = publish(&project, "acme/js", &FILES);
    let plan = Pawl::new(&project).args(["plan", "--json", "--actions-server", &server]);
    let plan = plan.args([image_option()]).store(project.store()).run();
    let plan = plan.code(0).json();
    let steps = plan["jobs"][0]["steps"].as_array().expect("steps");
    let names: Vec<&str> = steps.iter().filter_map(|step| step["name"].as_str()).collect();
    assert_eq!(names[0], "Pre Run acme/js@v1");
    assert_eq!(names[names.len() - 1], "Post Run acme/js@v1");
    assert_eq!((&steps[0]["phase"], &steps[0]["of"]), (&"pre".into(), &"3".into()));
}

fn docker_action(runs: &str) -> [(&'static str, String); 3] {
    let file = format!(
        "name: box\ninputs: {{who: {{default: world}}}}\nruns:\n  using: docker\n  image: Dockerfile\n{runs}"
    );
    let dockerfile = format!(
        "FROM {}\nCOPY entry.sh /entry.sh\nENV OWN=yes\nENTRYPOINT [\"/entry.sh\"]\nCMD [\"own\"]\n",
        busybox()
    );
    let entry = "#!/bin/sh\necho \"args $# $*\"\necho \"$OWN $MORE $INPUT_WHO $HOME $PWD $STATE_x\"\n\
         cat note; echo \"said=$INPUT_WHO\" >> $GITHUB_OUTPUT; echo x=kept >> $GITHUB_STATE\n\
         ls /pawl; [ ! -e /var/run/docker.sock ] && echo no socket\n";
    [("action.yml", file), ("Dockerfile", dockerfile), ("entry.sh", entry.to_owned())]
}

#[test]
fn an_action_with_a_dockerfile_runs_beside_the_job_in_its_workspace() {
    let runs =
        "  args: ['${{ inputs.who }} x', two]\n  env: {MORE: m}\n  post-entrypoint: /entry.sh\n";
    let files = docker_action(runs);
    let workflow = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo a note > note\n      \
         - {id: box, uses: ./box, with: {who: Ada}}\n      - run: echo \"${{ steps.box.outputs.said }}\"\n";
    let mut project = Project::new().file(".pawl/workflows/a.yml", workflow);
    for (name, text) in &files {
        project = project.file(&format!("box/{name}"), text);
    }
    let entry = project.folder().join("box/entry.sh");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(entry, mode).expect("a file of ours");
    let outcome = run(&project, &[&image_option()]);
    outcome.code(0);
    let shown = outcome.log();
    let main = ["args 2 Ada x two", "yes m Ada /github/home /github/workspace ", "a note"];
    assert_eq!(shown[..3], main);
    assert!(
        shown.contains(&"no socket".to_owned()) && shown.contains(&"Ada".to_owned()),
        "{shown:?}"
    );
    assert!(
        shown.contains(&"yes m Ada /github/home /github/workspace kept".to_owned()),
        "{shown:?}"
    );
    assert!(of_run(&outcome.run_name()).is_empty());
    // Built once: the second run finds the image. And it goes when it is asked to.
    let pruned = Pawl::new(&project).args(["prune", "--json"]).store(project.store()).run();
    let images = pruned.code(0).json()["images"].as_array().cloned().unwrap_or_default();
    assert!(
        images.len() == 1 && images[0].as_str().unwrap_or_default().starts_with("pawl-action:"),
        "{images:?}"
    );
}

#[test]
fn an_action_in_a_container_reads_the_event_and_sees_only_what_its_ignore_file_leaves() {
    let workflow =
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: ./box\n";
    let dockerfile =
        format!("FROM {}\nCOPY . /own\nENTRYPOINT [\"/bin/sh\", \"/own/main.sh\"]\n", busybox());
    let project = Project::new()
        .file(".pawl/workflows/a.yml", workflow)
        .file("box/action.yml", "name: box\nruns: {using: docker, image: Dockerfile}\n")
        .file("box/Dockerfile", &dockerfile)
        .file("box/.dockerignore", "*.txt\n!kept.txt\n")
        .file("box/hidden.txt", "x")
        .file("box/kept.txt", "x")
        .file("box/main.sh", "ls /own/*.txt; grep -o '\"ref\": *\"[^\"]*\"' $GITHUB_EVENT_PATH; echo \"run $GITHUB_RUN_ID\"")
        .file("payload.json", r#"{"ref": "refs/heads/seen"}"#);
    let outcome =
        run(&project, &[&image_option(), "--event", "push", "--event-path", "payload.json"]);
    outcome.code(0);
    let shown = outcome.log();
    assert_eq!(shown[0], "/own/kept.txt");
    assert!(shown[1].contains("refs/heads/seen"), "{shown:?}");
    let number = shown[2].strip_prefix("run ").expect("the run's number");
    assert!(number.len() > 12 && number.bytes().all(|byte| byte.is_ascii_digit()), "{number}");
}

/// On GitHub the user of the image counts, and an image needs no shell, nor any file but its program.
#[test]
fn images_with_a_user_of_their_own_and_images_from_scratch_run() {
    let workflow = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo a note > note\n      - uses: ./user\n      - uses: ./bare\n";
    let user = format!(
        "FROM {}\nUSER 1234:1234\nENTRYPOINT [\"/bin/sh\", \"-c\", \"echo user $(id -u); cat note\"]\n",
        busybox()
    );
    let bare = format!(
        "FROM {image} AS tools\nFROM scratch\nCOPY --from=tools /bin/busybox /busybox\nENTRYPOINT [\"/busybox\", \"echo\", \"bare\"]\n",
        image = busybox()
    );
    let action = "name: x\nruns: {using: docker, image: Dockerfile}\n";
    let project = Project::new()
        .file(".pawl/workflows/a.yml", workflow)
        .file("user/action.yml", action)
        .file("user/Dockerfile", &user)
        .file("bare/action.yml", action)
        .file("bare/Dockerfile", &bare);
    let outcome = run(&project, &[&image_option()]);
    outcome.code(0);
    assert_eq!(outcome.log(), ["user 1234", "a note", "bare"]);
}

/// What it runs before the job's steps: of actions that come from elsewhere, as on GitHub a local one has none.
#[test]
fn an_action_in_a_container_runs_before_at_and_after_its_step() {
    let action = "name: box\nruns: {using: docker, image: Dockerfile, pre-entrypoint: /bin/pwd, post-entrypoint: /bin/ls}\n";
    let dockerfile = format!("FROM {}\nENTRYPOINT [\"/bin/cat\"]\nCMD [\"note\"]\n", busybox());
    let files = [("action.yml", action), ("Dockerfile", dockerfile.as_str())];
    let workflow = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo first > note\n      - uses: acme/box@v1\n";
    let project = Project::new().file(".pawl/workflows/a.yml", workflow);
    let (_, server) = publish(&project, "acme/box", &files);
    let outcome = run(&project, &[&image_option(), "--actions-server", &server]);
    outcome.code(0);
    assert_eq!(outcome.log(), ["/github/workspace", "first", "note"]);
    let names: Vec<String> = outcome
        .events()
        .iter()
        .filter(|event| event["event"] == "step-started")
        .map(|event| event["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        names,
        ["Pre Run acme/box@v1", "Run echo first > note", "Run acme/box@v1", "Post Run acme/box@v1"]
    );
}

#[test]
fn an_image_is_a_step_with_its_own_arguments_and_end() {
    let workflow = format!(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      \
         - uses: docker://{image}\n        with: {{entrypoint: /bin/echo, args: 'one \"two words\" $HOME'}}\n      \
         - uses: docker://{image}\n        with: {{entrypoint: /bin/sh, args: '-c \"exit 3\"'}}\n",
        image = busybox()
    );
    let project = Project::new().file(".pawl/workflows/a.yml", &workflow);
    let outcome = run(&project, &[&image_option()]);
    outcome.code(1);
    assert_eq!(outcome.log(), ["one two words $HOME"]);
    let codes: Vec<_> = outcome
        .events()
        .into_iter()
        .filter(|event| event["event"] == "step-finished")
        .map(|event| event["exit_code"].clone())
        .collect();
    assert_eq!(codes, [serde_json::json!(0), serde_json::json!(3)]);
}

#[test]
fn a_container_step_is_stopped_with_its_time_and_found_again_after_a_crash() {
    let workflow = |last: &str| {
        format!(
            "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: docker://{}\n        \
             {last}\n        with: {{entrypoint: /bin/sh, args: '-c \"echo begun; while [ ! -e go ]; do sleep 0.1; done; echo over\"'}}\n",
            busybox()
        )
    };
    let project = Project::new().file(".pawl/workflows/a.yml", &workflow("timeout-minutes: 0.02"));
    let outcome = run(&project, &[&image_option()]);
    outcome.code(1);
    assert_eq!(outcome.log(), ["begun"]);
    assert!(of_run(&outcome.run_name()).is_empty());

    let project = Project::new().file(".pawl/workflows/a.yml", &workflow("id: x"));
    let call = Pawl::new(&project).args(["run", "--json"]).args([image_option()]);
    let mut first = call.store(project.store()).spawn();
    let run = first.wait_for("the run's name", |event| event["event"] == "run-requested");
    let run = run["run"].as_str().expect("a name").to_owned();
    first.wait_for_log("begun");
    first.kill();
    drop(first.finish());
    std::fs::write(project.store().join("work").join(&run).join("jobs/a/go"), "").expect("a file");
    let again = Pawl::new(&project).args(["run", "--json", "--resume", &run]);
    let again = again.store(project.store()).run();
    again.code(0);
    assert_eq!(again.log(), ["over"]);
    assert!(of_run(&run).is_empty());
}
