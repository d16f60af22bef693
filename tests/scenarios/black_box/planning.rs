//! `pawl plan`: exactly what would be run.

use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;
use serde_json::{Value, json};

const WORKFLOW: &str = "\
name: Demo
on: push
jobs:
  make:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        size: [1, 2]
    steps:
      - run: echo ${{ matrix.size }}
  take:
    needs: make
    runs-on: ubuntu-latest
    steps:
      - id: last
        run: echo done
";

fn plan(project: &Project, options: &[&str]) -> Value {
    let call =
        Pawl::new(project).args(["plan", "ci.yml", "--event", "push", "--json"]).args(options);
    // No engine is asked: the plan needs none.
    let call = call
        .args(["--image=ubuntu-latest=any:1"])
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    call.store(project.store()).run().code(0).json()
}

#[test]
fn the_plan_lists_every_instance_with_its_needs_and_steps() {
    let project = Project::new().file("ci.yml", WORKFLOW);
    let plan = plan(&project, &[]);
    assert_eq!(plan["workflow"], "Demo");
    let jobs: Vec<_> = plan["jobs"]
        .as_array()
        .expect("the plan lists jobs")
        .iter()
        .map(|job| (job["id"].clone(), job["matrix"].clone(), job["needs"].clone()))
        .collect();
    let expected = [
        (json!("make"), json!({ "size": 1 }), json!([])),
        (json!("make"), json!({ "size": 2 }), json!([])),
        (json!("take"), Value::Null, json!(["make"])),
    ];
    assert_eq!(jobs, expected);
    assert_eq!(plan["jobs"][2]["steps"].as_array().map(Vec::len), Some(1));
}

#[test]
fn the_hash_is_that_of_the_content() {
    let project = Project::new().file("ci.yml", WORKFLOW);
    let hash = |options: &[&str]| plan(&project, options)["hash"].clone();
    let first = hash(&[]);
    assert!(
        first.as_str().is_some_and(|hash| hash.starts_with("sha256:") && hash.len() == 71),
        "{first}"
    );
    assert_eq!(hash(&[]), first, "the same plan has the same hash");
    assert_ne!(hash(&["--var", "X=1"]), first, "another variable is another plan");
}
