//! Build, deploy and roll back on a real Docker engine, with a client that never stops asking.

use super::Deploy;
use super::fake::{FakeStore, WallClock};
use crate::action::{ActionError, Inputs, RunnerAction, RunnerContext};
use crate::build::Build;
use crate::model::{LogisticParameters, Model, ModelHead, digest};
use crate::rollback::{RollbackRequest, rollback};
use crate::testing::Memory;
use crate::workspace::Workspace;
use bollard::Docker;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveImageOptionsBuilder, RestartContainerOptions,
};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use indexmap::IndexMap;
use pawl_core::ports::{ActionOutcome, RunFacts};
use pawl_core::registry::{Lineage, ModelVersion, Objects};
use pawl_core::rollout::RevisionState::{Failed, Live, Retired, Warm};
use pawl_core::rollout::{
    ImageBuilder, ProbeRequest, Revision, RevisionKind, RevisionState, RolloutError, RolloutTarget,
};
use pawl_executors::docker::image::DockerImages;
use pawl_executors::docker::rollout::DockerRollout;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The example program `service`: what the pawl binary is in a container, built from the code under test.
fn service_binary() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let built = PATH.get_or_init(|| {
        let output = std::process::Command::new(env!("CARGO"))
            .args(["rustc", "--quiet", "--example", "service", "--message-format", "json"])
            // Without its symbols it is a tenth of the size: every image holds it.
            .args(["--", "-C", "strip=symbols"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut paths = messages.filter_map(|message| Some(message["executable"].as_str()?.into()));
        paths.next_back().unwrap()
    });
    built.clone()
}

async fn engine() -> Docker {
    let docker = Docker::connect_with_defaults().unwrap();
    docker.negotiate_version().await.unwrap()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Answers `1 / (1 + exp(-(a + shift)))`.
fn model(shift: f64) -> Model {
    let head = ModelHead {
        name: "sample".to_owned(),
        features: vec!["a".to_owned()],
        ..ModelHead::default()
    };
    let parameters = LogisticParameters {
        intercept: shift,
        coefficients: vec![1.0],
        means: vec![0.0],
        scales: vec![1.0],
    };
    Model::logistic(head, parameters).unwrap()
}

struct Bench {
    docker: Docker,
    service: String,
    port: u16,
    folder: tempfile::TempDir,
    store: Arc<FakeStore>,
    target: Arc<DockerRollout>,
    images: Arc<DockerImages>,
}

fn silent(_: String) {}

impl Bench {
    async fn new(name: &str) -> Self {
        let docker = engine().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        let state = folder.path().join("state");
        let service = format!("t{}-{name}", std::process::id());
        let target = DockerRollout::new(docker.clone(), state, service_binary());
        Self {
            images: Arc::new(DockerImages::new(docker.clone())),
            target: Arc::new(target),
            store: Arc::default(),
            port: free_port(),
            service,
            folder,
            docker,
        }
    }

    fn context(&self, run: &str) -> RunnerContext<'static> {
        RunnerContext {
            workspace: Workspace::open(&self.folder.path().join("work")).unwrap(),
            facts: RunFacts {
                run: run.to_owned(),
                actor: "tester".to_owned(),
                ..RunFacts::default()
            },
            registry: self.store.clone(),
            objects: self.store.clone(),
            artifacts: Arc::new(Memory::default()),
            revisions: self.store.clone(),
            target: self.target.clone(),
            images: self.images.clone(),
            binary: service_binary(),
            clock: Arc::new(WallClock),
            log: &silent,
        }
    }

    async fn act(
        &self,
        run: &str,
        action: &dyn RunnerAction,
        given: &[(&str, &str)],
    ) -> Result<ActionOutcome, ActionError> {
        let given: IndexMap<String, String> =
            given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let inputs = Inputs::check(action.manifest(), &given)?;
        action.run(&self.context(run), &inputs).await
    }

    /// Registers and builds a model; gives the version, the image and golden rows in the workspace.
    async fn built(&self, shift: f64, rehearse: &str) -> (u64, String) {
        let work = self.folder.path().join("work");
        let bytes = model(shift).to_bytes();
        std::fs::write(work.join("model.json"), &bytes).unwrap();
        let golden: String = [-1.0, 0.0, 2.5]
            .map(|a| {
                json!({ "row": { "a": a }, "probability": model(shift).predict(&[a]) }).to_string()
                    + "\n"
            })
            .concat();
        std::fs::write(work.join("golden.jsonl"), golden).unwrap();
        let version = {
            let mut versions = self.store.versions.lock().unwrap();
            let version = versions.len() as u64 + 1;
            let (model, digest) = ("sample".to_owned(), digest(&bytes));
            let lineage = Lineage::default();
            versions.push(ModelVersion { model, version, digest, created_ms: 0, lineage });
            version
        };
        self.store.put(bytes).await.unwrap();
        let tag = format!("{}:{version}", self.service);
        let number = version.to_string();
        let given =
            [("model", "model.json"), ("version", &number), ("tag", &tag), ("rehearse", rehearse)];
        let outcome = self.act("build", &Build, &given).await.unwrap();
        (version, outcome.outputs["image"].clone())
    }

    async fn deploy(
        &self,
        run: &str,
        (version, image): &(u64, String),
        more: &[(&str, &str)],
    ) -> Result<ActionOutcome, ActionError> {
        let (version, port) = (version.to_string(), self.port.to_string());
        let mut given: BTreeMap<&str, &str> = BTreeMap::from([
            ("service", self.service.as_str()),
            ("image", image.as_str()),
            ("model", "sample"),
            ("version", version.as_str()),
            ("port", port.as_str()),
            ("golden", "golden.jsonl"),
            ("weights", "20,100"),
            ("step-seconds", "0.4"),
            ("bake-seconds", "0.4"),
        ]);
        given.extend(more.iter().copied());
        let given: Vec<(&str, &str)> = given.into_iter().collect();
        self.act(run, &Deploy, &given).await
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/predict", self.port)
    }

    async fn weights(&self) -> Vec<(u64, u32)> {
        let observed = self.target.observe(&self.service).await.unwrap();
        let revisions = observed.revisions.iter().map(|one| (one.number, one.weight));
        revisions.filter(|one| one.1 > 0).collect()
    }

    async fn containers(&self) -> Vec<String> {
        let filters = HashMap::from([("label", vec![format!("pawl.service={}", self.service)])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let listed = self.docker.list_containers(Some(options)).await.unwrap();
        let mut names: Vec<String> =
            listed.into_iter().flat_map(|one| one.names.unwrap_or_default()).collect();
        names.sort();
        names
    }

    /// Removes everything and checks that nothing is left.
    async fn clear(&self) {
        self.target.remove_service(&self.service).await.unwrap();
        self.target.remove_service(&self.service).await.unwrap();
        assert_eq!(self.containers().await, Vec::<String>::new());
        let network = format!("pawl-svc-{}", self.service);
        assert!(self.docker.inspect_network(&network, None).await.is_err());
        assert!(self.docker.inspect_volume(&format!("{network}-proxy")).await.is_err());
        let token = self.folder.path().join("state/services").join(&self.service);
        assert!(!token.exists());
        let count = self.store.versions.lock().unwrap().len();
        for version in 1..=count {
            let force = RemoveImageOptionsBuilder::default().force(true).build();
            let tag = format!("{}:{version}", self.service);
            self.docker.remove_image(&tag, Some(force), None).await.unwrap();
        }
    }
}

/// A test that failed leaves nothing behind either.
impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let (service, state) = (self.service.clone(), self.folder.path().join("state"));
        let cleared = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let target = DockerRollout::new(engine().await, state, PathBuf::new());
                let _ = target.remove_service(&service).await;
            });
        });
        let _ = cleared.join();
    }
}

type Http = Client<HttpConnector, Full<Bytes>>;

async fn ask(http: &Http, url: &str, a: f64) -> Result<f64, String> {
    let body = json!({ "rows": [{ "a": a }] }).to_string();
    let request = Request::post(url).body(Full::new(Bytes::from(body))).unwrap();
    let answer = http.request(request).await.map_err(|error| format!("{error:?}"))?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    value["predictions"][0].as_f64().ok_or(format!("{status} {text}"))
}

fn http() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Clients that ask without a pause until they are stopped.
struct Steady {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    wrong: Arc<Mutex<Vec<String>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Steady {
    /// `right` are the answers to a = 0.5 that models in use may give.
    fn start(url: &str, right: Vec<f64>) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let wrong = Arc::new(Mutex::new(Vec::new()));
        let tasks = (0..2).map(|_| {
            let (stop, answers, wrong) =
                (Arc::clone(&stop), Arc::clone(&answers), Arc::clone(&wrong));
            let (url, right) = (url.to_owned(), right.clone());
            tokio::spawn(async move {
                let http = http();
                while !stop.load(Ordering::Relaxed) {
                    match ask(&http, &url, 0.5).await {
                        Ok(answer) if right.contains(&answer) => {}
                        other => wrong.lock().unwrap().push(format!("{other:?}")),
                    }
                    answers.fetch_add(1, Ordering::Relaxed);
                    // Steady, not as fast as it can: the engine needs the cores too.
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            })
        });
        let tasks = tasks.collect();
        Self { stop, answers, wrong, tasks }
    }

    async fn stop(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let wrong = self.wrong.lock().unwrap().clone();
        (self.answers.load(Ordering::Relaxed), wrong)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_answered_rightly_through_good_and_bad_rollouts_and_a_rollback() {
    let bench = Bench::new("life").await;
    let first = bench.built(0.0, "").await;
    let outcome = bench.deploy("run-1", &first, &[]).await.unwrap();
    assert!(outcome.success, "{:?}\n{}", outcome.reason, outcome.summary);
    let http = http();
    let (old, new) = (model(0.0).predict(&[0.5]), model(1.0).predict(&[0.5]));
    assert_eq!(ask(&http, &bench.url(), 0.5).await, Ok(old));

    let steady = Steady::start(&bench.url(), vec![old, new]);
    let second = bench.built(1.0, "").await;
    let outcome = bench.deploy("run-2", &second, &[]).await.unwrap();
    assert!(outcome.success, "{:?}\n{}", outcome.reason, outcome.summary);
    assert!(outcome.report["requests"].as_u64().unwrap() > 0, "the canary was asked");
    assert_eq!(ask(&http, &bench.url(), 0.5).await, Ok(new));

    for (rehearse, reason) in [
        ("crash-on-start", "does not stay up"),
        ("wrong-answers", "golden row 2: expected"),
        ("errors-after=3", "failed"),
        ("never-ready", "not ready in time: /v2/health/ready answers 503"),
    ] {
        let bad = bench.built(1.0, rehearse).await;
        let more = [("health-timeout-seconds", if rehearse == "never-ready" { "1" } else { "30" })];
        let outcome = bench.deploy(rehearse, &bad, &more).await.unwrap();
        assert_eq!(outcome.report["verdict"], "rolled-back", "{rehearse}: {}", outcome.summary);
        assert!(outcome.reason.as_ref().unwrap().contains(reason), "{:?}", outcome.reason);
        assert_eq!(bench.weights().await, [(2, 100)]);
        if rehearse == "crash-on-start" {
            let words = outcome.report["last_words"].as_str().unwrap();
            assert!(words.contains("REHEARSAL crash-on-start"), "{words}");
        }
    }
    let request = RollbackRequest::by_hand(&bench.service, None, "tester");
    let ports = (&bench.context("")).into();
    let outcome = rollback(&ports, request, &silent).await.unwrap();
    assert!(outcome.success, "{:?}", outcome.reason);
    let (answers, wrong) = steady.stop().await;
    assert_eq!(wrong, Vec::<String>::new(), "of {answers} answers");
    assert!(answers > 100, "{answers}");
    assert_eq!(ask(&http, &bench.url(), 0.5).await, Ok(old));
    assert_eq!(*bench.store.alias.lock().unwrap(), Some(1));
    let states: Vec<RevisionState> = bench.store.states().iter().map(|one| one.1).collect();
    assert_eq!(states, [Retired, Warm, Failed, Failed, Failed, Failed, Live]);
    let name = |end: &str| format!("/pawl-svc-{}-{end}", bench.service);
    assert_eq!(bench.containers().await, [name("proxy"), name("r2"), name("r7")]);
    bench.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_named_and_nothing_is_left() {
    let bench = Bench::new("port").await;
    let _taken = std::net::TcpListener::bind(("127.0.0.1", bench.port)).unwrap();
    let first = bench.built(0.0, "").await;
    let error = bench.deploy("run-1", &first, &[]).await.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert_eq!(error.to_string(), format!("port {} of 127.0.0.1 is taken", bench.port));
    assert!(error.hint().contains("port:"), "{}", error.hint());
    assert_eq!(bench.store.states(), [(1, Failed)]);
    assert_eq!(bench.containers().await, Vec::<String>::new());
    bench.clear().await;
}

#[test]
fn a_process_that_dies_in_the_middle_of_a_rollout_is_followed_by_one_that_ends_it() {
    let outer =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let bench = Arc::new(outer.block_on(Bench::new("dies")));
    let (first, second) = outer.block_on(async {
        let first = bench.built(0.0, "").await;
        bench.deploy("run-1", &first, &[]).await.unwrap();
        (first, bench.built(1.0, "").await)
    });
    assert_eq!(first.0, 1);
    let doomed =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (dying, image) = (Arc::clone(&bench), second.clone());
    doomed.spawn(async move { dying.deploy("run-2", &image, &[("step-seconds", "600")]).await });
    outer.block_on(async {
        let begin = Instant::now();
        while bench.weights().await != [(1, 80), (2, 20)] {
            assert!(begin.elapsed() < Duration::from_secs(60), "no canary");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    doomed.shutdown_background();
    bench.store.locked.lock().unwrap().clear();
    outer.block_on(async {
        assert_eq!(bench.weights().await, [(1, 80), (2, 20)], "the dead process left it so");
        let outcome = bench.deploy("run-2", &second, &[]).await.unwrap();
        assert!(outcome.success, "{:?}", outcome.reason);
        assert_eq!(outcome.report["revision"], 2, "the first attempt's revision is found");
        assert_eq!(bench.store.states(), [(1, Warm), (2, Live)]);
        assert_eq!(bench.weights().await, [(2, 100)]);
        bench.clear().await;
    });
}

fn revision(bench: &Bench, number: u64, image: &str) -> Revision {
    Revision {
        service: bench.service.clone(),
        number,
        kind: RevisionKind::Deploy,
        model: "sample".to_owned(),
        version: number,
        model_digest: String::new(),
        image: image.to_owned(),
        env: IndexMap::new(),
        port: bench.port,
        health_path: "/v2/health/ready".to_owned(),
        alias: String::new(),
        alias_before: None,
        golden: String::new(),
        run: String::new(),
        actor: String::new(),
        created_ms: 0,
        state: RevisionState::Staged,
        reason: String::new(),
    }
}

fn get(path: &str) -> ProbeRequest {
    ProbeRequest {
        method: "GET".to_owned(),
        path: path.to_owned(),
        body: vec![],
        timeout_ms: 2_000,
    }
}

impl Bench {
    async fn ready(&self, number: u64) {
        let begin = Instant::now();
        loop {
            match self.target.probe(&self.service, number, &get("/v2/health/ready")).await {
                Ok(response) if response.status == 200 => return,
                other => assert!(begin.elapsed() < Duration::from_secs(30), "{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_keeps_the_ports_contract() {
    let bench = Bench::new("contract").await;
    let (target, service) = (&bench.target, bench.service.as_str());
    let (_, image) = bench.built(0.0, "").await;
    let same = bench.built(0.0, "").await.1;
    assert_ne!(image, same, "another version is another label");
    assert!(bench.images.has(&image).await.unwrap());
    assert!(!bench.images.has("pawl-never-built:1").await.unwrap());

    // Nothing is there yet.
    assert_eq!(target.observe(service).await.unwrap().revisions, []);
    target.remove(service, 1).await.unwrap();
    assert!(matches!(
        target.route(service, bench.port, &[(1, 100)]).await,
        Err(RolloutError::Request { .. })
    ));
    let gone = revision(
        &bench,
        1,
        "sha256:0000000000000000000000000000000000000000000000000000000000000000",
    );
    assert!(matches!(target.stage(&gone).await, Err(RolloutError::Request { .. })));

    // Staged twice is once, and without traffic.
    for number in [1, 1, 2] {
        target.stage(&revision(&bench, number, &image)).await.unwrap();
    }
    let observed = target.observe(service).await.unwrap();
    let seen: Vec<(u64, bool, u32)> =
        observed.revisions.iter().map(|one| (one.number, one.running, one.weight)).collect();
    assert_eq!((seen, observed.address), (vec![(1, true, 0), (2, true, 0)], None));
    bench.ready(1).await;
    bench.ready(2).await;

    // Routed twice is once; the sum is checked; another port is refused.
    assert!(target.route(service, bench.port, &[(1, 99)]).await.is_err());
    for _ in 0..2 {
        target.route(service, bench.port, &[(1, 50), (2, 50)]).await.unwrap();
    }
    assert!(matches!(
        target.route(service, 1, &[(1, 100)]).await,
        Err(RolloutError::Request { .. })
    ));
    let http = http();
    for _ in 0..10 {
        ask(&http, &bench.url(), 0.5).await.unwrap();
    }
    let observed = target.observe(service).await.unwrap();
    assert_eq!(observed.address, Some(format!("http://127.0.0.1:{}", bench.port)));
    let counted: Vec<(u64, u64)> =
        observed.revisions.iter().map(|one| (one.requests, one.failures)).collect();
    assert_eq!(counted, [(5, 0), (5, 0)]);

    // What has traffic is not removed.
    assert!(matches!(target.remove(service, 1).await, Err(RolloutError::Request { .. })));

    // A proxy that restarts has its routes.
    let proxy = format!("pawl-svc-{service}-proxy");
    bench.docker.restart_container(&proxy, None::<RestartContainerOptions>).await.unwrap();
    let begin = Instant::now();
    while bench.weights().await != [(1, 50), (2, 50)] {
        assert!(begin.elapsed() < Duration::from_secs(30), "the routes are gone");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // Removed twice is once; what is gone is unreachable or unknown.
    target.route(service, bench.port, &[(2, 100)]).await.unwrap();
    target.remove(service, 1).await.unwrap();
    target.remove(service, 1).await.unwrap();
    assert!(target.probe(service, 1, &get("/")).await.is_err());
    assert!(ask(&http, &bench.url(), 0.5).await.is_ok());
    // A revision whose container is stopped by hand is seen as such and does not answer.
    let name = format!("pawl-svc-{service}-r2");
    bench.docker.stop_container(&name, None).await.unwrap();
    let observed = target.observe(service).await.unwrap();
    assert!(!observed.revisions[0].running);
    assert!(observed.revisions[0].last_words.contains("stopped in order"), "{observed:?}");
    let unreachable = target.probe(service, 2, &get("/")).await;
    assert!(matches!(unreachable, Err(RolloutError::Unreachable(_))), "{unreachable:?}");
    // Staged again it is back.
    target.stage(&revision(&bench, 2, &image)).await.unwrap();
    bench.ready(2).await;
    ask(&http, &bench.url(), 0.5).await.unwrap();
    bench.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_files_are_the_same_image() {
    let bench = Bench::new("image").await;
    let (version, image) = bench.built(0.0, "").await;
    let tag = format!("{}:{version}", bench.service);
    let number = version.to_string();
    let given = [("model", "model.json"), ("version", number.as_str()), ("tag", tag.as_str())];
    let again = bench.act("build", &Build, &given).await.unwrap();
    assert_eq!(again.outputs["image"], image);
    let inspect = bench.docker.inspect_image(&image).await.unwrap();
    let labels = inspect.config.unwrap().labels.unwrap();
    assert_eq!(labels["pawl.model.digest"], again.outputs["model-digest"]);
    assert_eq!(labels["org.opencontainers.image.title"], "sample");
    bench.clear().await;
}
