//! `container:` of a job: what is carried out, what is refused before anything starts, and what when the job starts.

use pawl_tests::containers::{
    busybox, exec, image_option, inspect, make_left, of_run, owned_by_run, remove,
};
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use serde_json::Value;

fn call(project: &Project, more: &[&str]) -> Pawl {
    let call = Pawl::new(project).args(["run", "ci.yml", "--json", &image_option()]).args(more);
    call.store(project.store())
}

fn run(workflow: &str) -> Outcome {
    call(&Project::new().file("ci.yml", workflow), &[]).run()
}

fn with_container(container: &str, steps: &str) -> String {
    let image = busybox();
    format!(
        "on: push\njobs:\n  one:\n    runs-on: anything\n    container:\n      image: {image}\n{container}    steps:\n{steps}"
    )
}

#[test]
fn options_environment_and_volumes_are_carried_out() {
    let container = "      env: {A: one, B: two}\n      volumes: ['data:/data', '/scratch', '${{ github.workspace }}:/again']\n      options: >-\n        --hostname box -e A=lost -e C=three --tmpfs /quick:size=1m --add-host there:10.1.2.3\n        --ulimit nofile=123 --cpus 1 --memory 256m --pids-limit 99 --shm-size 8m\n";
    let steps = "      - run: |\n          echo $A $B $C\n          hostname\n          ulimit -n\n          grep there /etc/hosts\n          touch /data/x /scratch/x /quick/x made\n          test -e /again/made && echo again\n          mount | grep -c -e ' /quick type tmpfs' -e ' /data ' -e ' /scratch '\n      - run: test \"${{ job.container.network }}\" = pawl-jobs && echo on its network\n";
    let outcome = run(&with_container(container, steps));
    outcome.code(0);
    let expected =
        ["one two three", "box", "123", "10.1.2.3\tthere", "again", "3", "on its network"];
    assert_eq!(outcome.log(), expected);
}

#[test]
fn every_dangerous_option_is_refused_by_name_before_anything_starts() {
    for (container, place, message) in [
        ("      options: --privileged\n", "7:16", "the option '--privileged' is not allowed"),
        (
            "      options: --cpus 1 --cap-add SYS_ADMIN\n",
            "7:25",
            "the option '--cap-add' is not allowed",
        ),
        (
            "      options: >-\n        --init\n        --pid=host\n",
            "9:9",
            "the option '--pid' is not allowed",
        ),
        ("      options: '--network host'\n", "7:17", "the option '--network' is not allowed"),
        ("      options: --cpu 1\n", "7:16", "the option '--cpu' is not allowed"),
        ("      options: -v /:/host\n", "7:16", "the volume of '/' is not allowed"),
        (
            "      volumes: ['/var/run/docker.sock:/var/run/docker.sock']\n",
            "7:18",
            "the volume of '/var/run/docker.sock' is not allowed",
        ),
        ("      volumes:\n        - /home:/home\n", "8:11", "the volume of '/home' is not allowed"),
        ("      volumes: ['x:/github/workspace']\n", "7:18", "would cover '/github/workspace'"),
        ("      ports: ['0.0.0.0:80:80']\n", "7:16", "would be reachable from other machines"),
        (
            "      options: ${{ github.event_name == 'push' && '--ipc=host' || '' }}\n",
            "7:16",
            "the option '--ipc' is not allowed",
        ),
    ] {
        let outcome = run(&with_container(container, "      - run: echo never\n"));
        outcome.code(2);
        let said = outcome.stderr();
        assert!(
            said.contains(message) && said.contains(&format!("ci.yml:{place}")),
            "{container}{said}"
        );
        let first = outcome.events().remove(0);
        assert_ne!(first["event"], "run-requested", "nothing starts: {container}");
    }
}

#[test]
fn what_only_the_run_knows_is_refused_when_the_job_starts() {
    let image = busybox();
    let workflow = format!(
        "on: push\njobs:\n  first:\n    runs-on: ubuntu-latest\n    outputs: {{o: '${{{{ steps.s.outputs.o }}}}', v: '${{{{ steps.s.outputs.v }}}}'}}\n    steps:\n      - id: s\n        run: |\n          echo o=--privileged >>$GITHUB_OUTPUT\n          echo v=/etc:/host >>$GITHUB_OUTPUT\n  option:\n    needs: first\n    runs-on: x\n    container:\n      image: {image}\n      options: ${{{{ needs.first.outputs.o }}}}\n    steps: [{{run: echo never}}]\n  volume:\n    needs: first\n    runs-on: x\n    container:\n      image: {image}\n      volumes: ['${{{{ needs.first.outputs.v }}}}']\n    steps: [{{run: echo never}}]\n"
    );
    let outcome = run(&workflow);
    outcome.code(1);
    assert_eq!(outcome.log(), Vec::<String>::new());
    let report = outcome.report();
    let reason =
        |index: usize| report["jobs"][index]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(
        reason(1).starts_with("container.options: the option '--privileged' is not allowed"),
        "{report}"
    );
    assert!(reason(2).starts_with("the volume of '/etc' is not allowed"), "{report}");
}

#[test]
fn folders_that_the_user_allows_can_be_mounted_and_no_link_leads_out() {
    let project = Project::new();
    let open = project.folder().join("open");
    std::fs::create_dir(&open).expect("a new folder");
    std::fs::write(open.join("file"), "from the host\n").expect("a new file");
    std::os::unix::fs::symlink("/etc", open.join("link")).expect("a new link");
    let folder = project.home().join(".config/pawl");
    std::fs::create_dir_all(&folder).expect("a home can be written");
    let allowed = format!("volumes: ['{}']\n", open.display());
    std::fs::write(folder.join("config.yml"), allowed).expect("a home can be written");
    let volumes = |path: &str| format!("      volumes: ['{}{path}:/mnt:ro']\n", open.display());
    let steps = "      - run: cat /mnt/file && ! touch /mnt/new\n";
    let project = project.file("ci.yml", &with_container(&volumes(""), steps));
    let outcome = call(&project, &[]).run();
    outcome.code(0);
    assert_eq!(outcome.log()[0], "from the host");
    let project = project.file("ci.yml", &with_container(&volumes("/link"), steps));
    let outcome = call(&project, &[]).run();
    outcome.code(1);
    let reason = outcome.report()["jobs"][0]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains("is a link: the volume of '/etc' is not allowed"), "{reason}");
}

#[test]
fn secrets_of_the_containers_environment_reach_steps_and_not_the_engines_answers() {
    let container = "      env: {TOKEN: '${{ secrets.TOKEN }}', PLAIN: seen}\n";
    let steps = "      - run: |\n          test \"$TOKEN\" = hunter2! && echo right $PLAIN\n          until test -e go; do sleep 0.1; done\n";
    let project = Project::new().file("ci.yml", &with_container(container, steps));
    let mut running = call(&project, &["--secret", "TOKEN=hunter2!"]).spawn();
    let first = running.wait_for("the run's name", |event| event["event"] == "run-requested");
    running.wait_for_log("right seen");
    let containers = of_run(first["run"].as_str().expect("the run is named"));
    let seen = inspect(&containers[0]);
    assert!(seen.contains("PLAIN=seen") && !seen.contains("hunter2!"), "{seen}");
    exec(&containers[0], &["touch", "/github/workspace/go"]);
    running.finish().code(0);
}

#[test]
fn a_container_may_be_one_expression_and_may_turn_out_to_be_none() {
    let image = busybox();
    let workflow = format!(
        "on: push\njobs:\n  one:\n    strategy:\n      matrix:\n        include:\n          - {{name: none, container: ''}}\n          - {{name: text, container: '{image}'}}\n          - {{name: whole, container: {{image: '{image}', env: {{A: b}}, options: --hostname whole}}}}\n          - {{name: bad, container: {{image: '{image}', options: --privileged}}}}\n      fail-fast: false\n    runs-on: ubuntu-latest\n    container: ${{{{ matrix.container }}}}\n    steps:\n      - run: echo ${{{{ matrix.name }}}} $A $(hostname | grep whole)\n"
    );
    let outcome = run(&workflow);
    outcome.code(1);
    let mut log = outcome.log();
    log.sort();
    assert_eq!(log, ["none", "text", "whole b whole"]);
    let report = outcome.report();
    let jobs = report["jobs"].as_array().cloned().unwrap_or_default();
    let bad: Vec<&Value> = jobs.iter().filter(|job| job["conclusion"] == "failure").collect();
    assert_eq!(bad.len(), 1);
    assert!(
        bad[0]["reason"].as_str().unwrap_or_default().contains("'--privileged' is not allowed"),
        "{report}"
    );
}

#[test]
fn graphics_processors_are_in_the_plan_and_refused_where_the_engine_has_none() {
    let workflow = "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    gpus: {count: 2, memory: 16g}\n    steps: [{run: echo never}]\n";
    let project = Project::new().file("ci.yml", workflow);
    let plan = Pawl::new(&project).args(["plan", "ci.yml", "--json", &image_option()]);
    let plan = plan.store(project.store()).run().code(0).json();
    assert_eq!(plan["jobs"][0]["gpus"], serde_json::json!({ "count": "2", "memory": "16g" }));
    let outcome = call(&project, &[]).run();
    outcome.code(3);
    assert!(
        outcome.stderr().contains("no runtime for graphics processors"),
        "{}",
        outcome.stderr()
    );
    assert_eq!(of_run(&outcome.run_name()), Vec::<String>::new());
    let many = workflow.replace("{count: 2, memory: 16g}", "some");
    let outcome = run(&many);
    outcome.code(2);
    assert!(outcome.stderr().contains("ci.yml:5:11"), "{}", outcome.stderr());
}

#[test]
fn an_image_that_cannot_be_had_is_explained_and_another_user_can_write() {
    let outcome = run(
        "on: push\njobs:\n  one:\n    runs-on: x\n    container: pawl-test/nowhere:1\n    steps: [{run: echo never}]\n",
    );
    outcome.code(1);
    let reason = outcome.report()["jobs"][0]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(
        reason.starts_with(
            "the image pawl-test/nowhere:1 is not on this machine and cannot be pulled"
        ),
        "{reason}"
    );
    let steps = "      - run: id -u && echo x >made && cat made && echo $HOME\n";
    let outcome = run(&with_container("      options: --user 1234:1234\n", steps));
    outcome.code(0);
    assert_eq!(outcome.log()[..2], ["1234", "x"]);
}

#[test]
fn what_dead_runs_have_left_is_removed_at_the_next_start() {
    let project = Project::new().file(
        "ci.yml",
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps: [{run: echo ran}]\n",
    );
    let left = format!("gone-{}", std::process::id());
    let mine = project.store().display().to_string();
    make_left(&left, &mine, "mine");
    make_left(&left, "another store", "other");
    call(&project, &[]).run().code(0);
    let owned = owned_by_run(&left);
    assert_eq!(owned, [format!("{left}-other")], "only what is this store's");
    remove(&owned[0]);
}
