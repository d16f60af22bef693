//! Configuration files: labels to images, and what a project may not say.

use pawl_tests::containers::busybox;
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use serde_json::Value;

const WORKFLOW: &str =
    "on: push\njobs:\n  one:\n    runs-on: big-box\n    steps:\n      - run: echo ran\n";

fn run(project: &Project, more: &[&str]) -> Outcome {
    Pawl::new(project).args(["run", "ci.yml", "--json"]).args(more).store(project.store()).run()
}

fn write_user_file(project: &Project, text: &str) {
    let folder = project.home().join(".config/pawl");
    std::fs::create_dir_all(&folder).expect("a home can be written");
    std::fs::write(folder.join("config.yml"), text).expect("a home can be written");
}

#[test]
fn a_label_without_an_image_names_the_setting_and_the_option() {
    let outcome = run(&Project::new().file("ci.yml", WORKFLOW), &[]);
    outcome.code(2);
    let said = outcome.stderr();
    assert!(said.contains("no image is given for the label 'big-box'"), "{said}");
    assert!(said.contains("ci.yml:4:14"), "{said}");
    assert!(said.contains("--image big-box=IMAGE"), "{said}");
    assert!(
        said.contains("`images: {big-box: IMAGE}`") && said.contains("pawl/config.yml"),
        "{said}"
    );
}

#[test]
fn labels_are_mapped_by_the_user_then_the_project_then_the_command_line() {
    let project = Project::new().file("ci.yml", WORKFLOW);
    let image = |project: &Project, more: &[&str]| {
        let plan = Pawl::new(project).args(["plan", "ci.yml", "--json"]).args(more);
        let plan: Value = plan.store(project.store()).run().code(0).json();
        plan["jobs"][0]["image"].as_str().expect("a job has an image").to_owned()
    };
    write_user_file(&project, &format!("images:\n  Big-Box: {}\n", busybox()));
    assert_eq!(image(&project, &[]), busybox(), "labels have no case");
    let outcome = run(&project, &[]);
    outcome.code(0);
    assert_eq!(outcome.log(), ["ran"]);
    write_user_file(&project, "images: {big-box: one:1}\n");
    let project = project.file(".pawl/config.yml", "images: {big-box: two:2}\n");
    assert_eq!(image(&project, &[]), "two:2");
    assert_eq!(image(&project, &["--image=big-box=three:3"]), "three:3");
}

#[test]
fn a_faulty_file_is_refused_with_its_place_and_a_project_opens_nothing_up() {
    let project = Project::new().file("ci.yml", WORKFLOW);
    let project = project.file(".pawl/config.yml", "images: {big-box: a:1}\nvolumes: [/data]\n");
    let outcome = run(&project, &[]);
    outcome.code(2);
    let said = outcome.stderr();
    assert!(said.contains(".pawl/config.yml:2:1: 'volumes' is not for a project's"), "{said}");
    let project = project.file(".pawl/config.yml", "images: {big-box: pawl-host}\n");
    let outcome = run(&project, &[]);
    outcome.code(2);
    assert!(
        outcome.stderr().contains("'pawl-host' stands for this machine"),
        "{}",
        outcome.stderr()
    );
    write_user_file(&project, "images: {big-box: a:1}\nlimits: {memory: plenty}\n");
    let doctor = Pawl::new(&project).args(["doctor", "--json"]).store(project.store()).run();
    doctor.code(3);
    let findings = doctor.json()["findings"].as_array().cloned().unwrap_or_default();
    let config = findings.iter().find(|finding| finding["part"] == "config");
    let detail = config.and_then(|finding| finding["detail"].as_str()).unwrap_or_default();
    assert!(
        detail.ends_with(
            ".config/pawl/config.yml:2:18: 'plenty' is not an amount of memory of at least 16m"
        ),
        "{detail}"
    );
}
