//! The proxy and the server over real HTTP on the loopback.

use super::listen::{Body, full, listen};
use super::proxy::{Proxy, ProxyOptions};
use super::rehearsal::Rehearsal;
use super::routes::Route;
use super::server::{ServeOptions, Served, serve_on};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot, watch};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

type Http = Client<HttpConnector, Full<Bytes>>;

fn http() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

struct Answer {
    status: u16,
    revision: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn ask(
    http: &Http,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = http.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let revision = answer.headers().get("x-pawl-revision");
    let revision = revision.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let body = answer.into_body().collect().await.unwrap().to_bytes().to_vec();
    Answer { status, revision, body }
}

/// An upstream that answers with what `handler` says, until the returned sender is dropped.
async fn upstream<H, F>(handler: H) -> (SocketAddr, oneshot::Sender<()>)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(listen(listener, handler, async move {
        let _ = stopped.await;
    }));
    (address, stop)
}

fn with_status(status: u16) -> Response<Body> {
    let mut response = Response::new(full("x"));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// An upstream that answers with the request's own body, or with this status.
async fn fixed(status: u16) -> (SocketAddr, oneshot::Sender<()>) {
    upstream(move |request: Request<Incoming>| async move {
        if status != 200 {
            return with_status(status);
        }
        Response::new(full(request.into_body().collect().await.unwrap().to_bytes()))
    })
    .await
}

struct Running {
    url: String,
    admin: String,
    folder: Arc<tempfile::TempDir>,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
    http: Http,
}

async fn start(folder: Arc<tempfile::TempDir>) -> Running {
    std::fs::write(folder.path().join("token"), TOKEN).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = ProxyOptions { listen: any, admin: any, state: folder.path().to_owned() };
    let proxy = Proxy::bind(&options).await.unwrap();
    let (listen, admin) = proxy.addresses();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(proxy.run(async move {
        let _ = stopped.await;
    }));
    let url = format!("http://{}", listen.unwrap());
    let admin = format!("http://{}", admin.unwrap());
    Running { url, admin, folder, stop, ended, http: http() }
}

async fn proxy() -> Running {
    start(Arc::new(tempfile::tempdir().unwrap())).await
}

impl Running {
    async fn admin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let bearer = format!("Bearer {TOKEN}");
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        ask(&self.http, method, &format!("{}{path}", self.admin), &all, body).await
    }

    async fn route(&self, routes: &[(u64, SocketAddr, u32)]) {
        let routes: Vec<Route> = routes
            .iter()
            .map(|(number, address, weight)| Route {
                number: *number,
                address: address.to_string(),
                weight: *weight,
            })
            .collect();
        let body = serde_json::to_string(&routes).unwrap();
        assert_eq!(self.admin("PUT", "/routes", &[], body).await.status, 204);
    }

    async fn post(&self, body: impl Into<Bytes>) -> Answer {
        ask(&self.http, "POST", &format!("{}/predict", self.url), &[], body).await
    }

    /// (number, requests, failures) of each revision.
    async fn counters(&self) -> Vec<(u64, u64, u64)> {
        let status = self.admin("GET", "/status", &[], String::new()).await.json();
        let number = |line: &Value, key: &str| line[key].as_u64().unwrap();
        let lines = status["revisions"].as_array().unwrap().iter();
        lines
            .map(|one| (number(one, "number"), number(one, "requests"), number(one, "failures")))
            .collect()
    }
}

/// An address where nothing listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn weights_are_kept_exactly_and_counted() {
    let proxy = proxy().await;
    let ((one, _keep_one), (two, _keep_two)) = (fixed(200).await, fixed(200).await);
    assert_eq!(proxy.post("early").await.status, 503);
    proxy.route(&[(1, one, 90), (2, two, 10)]).await;
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..200 {
        let answer = proxy.post("hello").await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"hello".as_slice()));
        *seen.entry(answer.revision).or_default() += 1;
    }
    assert_eq!(seen, BTreeMap::from([("1".to_owned(), 180), ("2".to_owned(), 20)]));
    assert_eq!(proxy.counters().await, [(1, 180, 0), (2, 20, 0)]);
}

#[tokio::test]
async fn a_bad_revision_is_counted_and_its_clients_are_answered_by_another() {
    let proxy = proxy().await;
    let ((good, _keep_good), (bad, _keep_bad)) = (fixed(200).await, fixed(503).await);
    let gone = nobody().await;
    proxy.route(&[(1, good, 50), (2, bad, 25), (3, gone, 25)]).await;
    for _ in 0..100 {
        let answer = proxy.post("hello").await;
        assert_eq!((answer.status, answer.revision.as_str()), (200, "1"));
    }
    assert_eq!(proxy.counters().await, [(1, 100, 0), (2, 25, 25), (3, 25, 25)]);
}

#[tokio::test]
async fn a_fallback_without_weight_answers_only_for_another() {
    let proxy = proxy().await;
    let ((old, _keep_old), (new, _keep_new)) = (fixed(200).await, fixed(200).await);
    proxy.route(&[(2, new, 100), (1, old, 0)]).await;
    assert_eq!(proxy.post("x").await.revision, "2");
    proxy.route(&[(2, nobody().await, 100), (1, old, 0)]).await;
    assert_eq!(proxy.post("x").await.revision, "1");
}

#[tokio::test]
async fn without_another_revision_the_failure_is_told() {
    let proxy = proxy().await;
    let (bad, _keep) = fixed(500).await;
    proxy.route(&[(7, bad, 100)]).await;
    let answer = proxy.post("x").await;
    assert_eq!((answer.status, answer.revision.as_str()), (500, "7"));
    proxy.route(&[(8, nobody().await, 100)]).await;
    let answer = proxy.post("x").await;
    assert_eq!((answer.status, answer.revision.as_str()), (502, "8"));
    assert_eq!(answer.json()["error"], "revision 8 did not answer");
    // A 4xx is the client's own: given as it is, not counted.
    let (refusing, _keep) = fixed(422).await;
    proxy.route(&[(9, refusing, 100)]).await;
    assert_eq!(proxy.post("x").await.status, 422);
    assert_eq!(proxy.counters().await, [(9, 1, 0)]);
}

#[tokio::test]
async fn a_body_too_long_to_keep_is_streamed_and_not_sent_twice() {
    let proxy = proxy().await;
    let received = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&received);
    let (bad, _keep_bad) = upstream(move |request: Request<Incoming>| {
        let counting = Arc::clone(&counting);
        async move {
            let length = request.into_body().collect().await.unwrap().to_bytes().len();
            counting.fetch_add(length as u64, Ordering::Relaxed);
            with_status(500)
        }
    })
    .await;
    let (good, _keep_good) = fixed(200).await;
    proxy.route(&[(1, bad, 100), (2, good, 0)]).await;
    let long = vec![b'x'; 3 * 1024 * 1024];
    assert_eq!(proxy.post(long.clone()).await.status, 500);
    assert_eq!(received.load(Ordering::Relaxed), 3 * 1024 * 1024);
    assert_eq!(proxy.post("short").await.status, 200);
    proxy.route(&[(2, good, 100)]).await;
    let answer = proxy.post(long.clone()).await;
    assert_eq!(answer.body.len(), long.len());
}

#[tokio::test]
async fn two_hundred_switches_fail_no_request_of_steady_clients() {
    let proxy = Arc::new(proxy().await);
    let ((one, _keep_one), (two, _keep_two)) = (fixed(200).await, fixed(200).await);
    proxy.route(&[(1, one, 100)]).await;
    let (stop, stopped) = watch::channel(false);
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (proxy, stopped) = (Arc::clone(&proxy), stopped.clone());
            tokio::spawn(async move {
                let mut answers = 0_u64;
                while !*stopped.borrow() {
                    let answer = proxy.post("steady").await;
                    assert_eq!(
                        (answer.status, answer.body.as_slice()),
                        (200, b"steady".as_slice())
                    );
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    for turn in 0..200_u32 {
        let weight = turn % 101;
        match weight {
            0 => proxy.route(&[(1, one, 100)]).await,
            100 => proxy.route(&[(2, two, 100)]).await,
            _ => proxy.route(&[(1, one, 100 - weight), (2, two, weight)]).await,
        }
    }
    stop.send(true).unwrap();
    let mut answers = 0;
    for client in clients {
        answers += client.await.unwrap();
    }
    assert!(answers >= 4, "clients were at work: {answers}");
}

#[tokio::test]
async fn a_request_under_way_ends_where_it_began_and_a_stop_waits_for_it() {
    let proxy = proxy().await;
    let (arrived, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (arrived_in, release_in) = (Arc::clone(&arrived), Arc::clone(&release));
    let (slow, _keep_slow) = upstream(move |_| {
        let (arrived, release) = (Arc::clone(&arrived_in), Arc::clone(&release_in));
        async move {
            arrived.notify_one();
            release.notified().await;
            with_status(200)
        }
    })
    .await;
    let (fast, _keep_fast) = fixed(200).await;
    proxy.route(&[(1, slow, 100)]).await;
    let (client, url) = (http(), format!("{}/predict", proxy.url));
    let waiting = tokio::spawn(async move { ask(&client, "POST", &url, &[], "x").await });
    arrived.notified().await;
    proxy.route(&[(2, fast, 100)]).await;
    assert_eq!(proxy.post("x").await.revision, "2");
    let status = proxy.admin("GET", "/status", &[], String::new()).await.json();
    assert_eq!(status["revisions"][1]["number"], 1);
    assert_eq!(status["revisions"][1]["in_flight"], 1);
    proxy.stop.send(()).unwrap();
    release.notify_one();
    let answer = waiting.await.unwrap();
    assert_eq!((answer.status, answer.revision.as_str()), (200, "1"));
    tokio::time::timeout(Duration::from_secs(20), proxy.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_restarted_proxy_has_its_routes() {
    let first = proxy().await;
    let (one, _keep) = fixed(200).await;
    first.route(&[(5, one, 100)]).await;
    let folder = Arc::clone(&first.folder);
    drop(first.stop);
    tokio::time::timeout(Duration::from_secs(20), first.ended).await.unwrap().unwrap();
    let second = start(folder).await;
    assert_eq!(second.post("x").await.revision, "5");
}

#[tokio::test]
async fn the_admin_wants_its_token_and_refuses_wrong_routes() {
    let proxy = proxy().await;
    let url = format!("{}/status", proxy.admin);
    assert_eq!(ask(&proxy.http, "GET", &url, &[], "").await.status, 401);
    let wrong = [("authorization", "Bearer 0123456789abcdef0123456789abcdeX")];
    assert_eq!(ask(&proxy.http, "GET", &url, &wrong, "").await.status, 401);
    // Nor do clients reach the admin through the service's port.
    let bearer = format!("Bearer {TOKEN}");
    let right = [("authorization", bearer.as_str())];
    assert_eq!(
        ask(&proxy.http, "GET", &format!("{}/status", proxy.url), &right, "").await.status,
        503
    );
    for body in [
        "[",
        "{}",
        r#"[{"number":1,"address":"a:1","weight":99}]"#,
        r#"[{"number":1,"address":"a","weight":100}]"#,
    ] {
        assert_eq!(proxy.admin("PUT", "/routes", &[], body.to_owned()).await.status, 400, "{body}");
    }
    assert_eq!(proxy.counters().await, []);
}

#[tokio::test]
async fn a_probe_goes_past_the_weights_and_is_not_counted() {
    let proxy = proxy().await;
    let ((one, _keep_one), (two, _keep_two)) = (fixed(200).await, fixed(200).await);
    proxy.route(&[(1, one, 100)]).await;
    let address = two.to_string();
    let headers = [("x-pawl-probe-address", address.as_str())];
    let answer = proxy.admin("POST", "/probe/predict?x=1", &headers, "hi".to_owned()).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"hi".as_slice()));
    let gone = nobody().await.to_string();
    let headers = [("x-pawl-probe-address", gone.as_str())];
    let answer = proxy.admin("GET", "/probe/", &headers, String::new()).await;
    assert_eq!(answer.status, 502);
    assert_eq!(proxy.counters().await, [(1, 0, 0)]);
}

#[tokio::test]
async fn heads_without_end_are_refused() {
    let proxy = proxy().await;
    let (one, _keep) = fixed(200).await;
    proxy.route(&[(1, one, 100)]).await;
    let long = "x".repeat(300 * 1024);
    let answer = ask(&proxy.http, "GET", &proxy.url, &[("x-long", &long)], "").await;
    assert_eq!(answer.status, 431);
}

// ---------------------------------------------------------------- the model server

/// A model with the features a and b that answers a + b / 10.
async fn server(rehearse: Option<Rehearsal>) -> (String, oneshot::Sender<()>) {
    let served = Served {
        name: "sum".to_owned(),
        features: vec!["a".to_owned(), "b".to_owned()],
        predict: Box::new(|row| row[0] + row[1] / 10.0),
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(any).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut options = ServeOptions::from_env("m".into(), any, |_| None).unwrap();
    options.version = "3".to_owned();
    options.rehearse = rehearse;
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        serve_on(listener, served, &options, async move {
            let _ = stopped.await;
        })
        .await;
    });
    (url, stop)
}

const ROWS: &str = r#"{"rows":[{"a":0.5,"b":1},{"b":2,"a":0.25}]}"#;

#[tokio::test]
async fn predictions_come_by_both_doors() {
    let ((url, _keep), http) = (server(None).await, http());
    let answer = ask(&http, "POST", &format!("{url}/predict"), &[], ROWS).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({ "model": "sum", "version": "3", "predictions": [0.6, 0.45] })
    );
    let infer = json!({ "id": "q", "inputs": [
        { "name": "rows", "shape": [2, 2], "datatype": "FP64", "data": [0.5, 1, 0.25, 2] }
    ]});
    let answer =
        ask(&http, "POST", &format!("{url}/v2/models/sum/infer"), &[], infer.to_string()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["outputs"][0]["data"], json!([0.6, 0.45]));
    assert_eq!(answer.json()["id"], "q");
    let metrics = ask(&http, "GET", &format!("{url}/metrics"), &[], "").await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(
        metrics.contains(
            "model_rows_total{app=\"\",model=\"sum\",model_version=\"3\",revision=\"\"} 4"
        )
    );
    assert!(metrics.contains("code=\"200\"} 2"), "{metrics}");
}

#[tokio::test]
async fn many_rows_leave_the_event_loop_and_keep_their_order() {
    let ((url, _keep), http) = (server(None).await, http());
    let rows: Vec<Value> = (0..1000).map(|index| json!({ "a": index, "b": 0 })).collect();
    let body = json!({ "rows": rows }).to_string();
    let answer = ask(&http, "POST", &format!("{url}/predict"), &[], body).await.json();
    let wanted: Vec<f64> = (0..1000).map(f64::from).collect();
    assert_eq!(answer["predictions"], json!(wanted));
}

#[tokio::test]
async fn wrong_requests_get_a_clear_4xx() {
    let ((url, _keep), http) = (server(None).await, http());
    let cases = [
        ("POST", "/predict", r#"{"rows":[{"a":1}]}"#, 400, "row 0: feature \"b\" is missing"),
        ("GET", "/predict", "", 405, "use POST for this path"),
        ("POST", "/metrics", "", 405, "use GET for this path"),
        (
            "POST",
            "/v2/models/other/infer",
            "{}",
            404,
            "no such model; this server has \"sum\", version \"3\"",
        ),
        ("GET", "/nothing", "", 404, "no such path; try /predict or /v2/health/ready"),
        ("POST", "/v2/models/sum/infer", r#"{"inputs":[]}"#, 400, "no inputs"),
    ];
    for (method, path, body, status, message) in cases {
        let answer = ask(&http, method, &format!("{url}{path}"), &[], body).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.json()["error"], message);
    }
    let long = vec![b' '; 9 * 1024 * 1024];
    assert_eq!(ask(&http, "POST", &format!("{url}/predict"), &[], long).await.status, 413);
}

#[tokio::test]
async fn readiness_and_metadata_follow_the_protocol() {
    let ((url, _keep), http) = (server(None).await, http());
    let get = async |path: &str| ask(&http, "GET", &format!("{url}{path}"), &[], "").await;
    assert_eq!(get("/v2/health/live").await.json(), json!({ "live": true }));
    assert_eq!(get("/v2/health/ready").await.json()["ready"], true);
    assert_eq!(get("/v2/models/sum/versions/3/ready").await.status, 200);
    let metadata = get("/v2/models/sum").await.json();
    assert_eq!(metadata["inputs"][1], json!({ "name": "b", "datatype": "FP64", "shape": [-1] }));
    assert_eq!(get("/v2").await.json()["name"], "pawl");
}

#[tokio::test]
async fn rehearsed_faults_are_the_announced_ones() {
    let http = http();
    let predict = async |url: &str| ask(&http, "POST", &format!("{url}/predict"), &[], ROWS).await;
    let (url, _keep) = server(Some(Rehearsal::WrongAnswers)).await;
    assert_eq!(predict(&url).await.json()["predictions"], json!([0.4, 0.55]));
    let (url, _keep) = server(Some(Rehearsal::ErrorsAfter(2))).await;
    let statuses =
        [predict(&url).await.status, predict(&url).await.status, predict(&url).await.status];
    assert_eq!(statuses, [200, 200, 500]);
    let (url, _keep) = server(Some(Rehearsal::NeverReady)).await;
    assert_eq!(ask(&http, "GET", &format!("{url}/v2/health/ready"), &[], "").await.status, 503);
    assert_eq!(ask(&http, "GET", &format!("{url}/v2/health/live"), &[], "").await.status, 200);
}

#[tokio::test]
async fn a_number_that_is_not_finite_is_an_error_and_not_null() {
    let ((url, _keep), http) = (server(None).await, http());
    let body = r#"{"rows":[{"a":1e308,"b":1.7e308},{"a":1.7e308,"b":1.7e308}]}"#;
    let answer = ask(&http, "POST", &format!("{url}/predict"), &[], body).await;
    assert_eq!(answer.status, 500);
}
