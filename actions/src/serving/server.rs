//! The model server: one model, over the open inference protocol and a simpler door of our own.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v2`, `/v2/health/live`, `/v2/health/ready` | as the protocol has them |
//! | `GET /v2/models/M`, `/v2/models/M/ready` | metadata, readiness |
//! | `POST /v2/models/M/infer` | probabilities for FP64 tensors |
//! | `POST /predict` with `{"rows":[{feature: value}]}` | `{"model","version","predictions":[p]}` |
//! | `GET /metrics` | Prometheus text |

use super::exchange::{json, read, refuse, typed};
use super::listen::{Body, listen};
use super::metrics::{Labels, Metrics};
use super::rehearsal::{Rehearsal, UnknownRehearsal};
use super::{oip, rows};
use crate::model::{MAX_BYTES as MODEL_MAX, Model};
use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json as value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// 10,000 rows of some hundred features.
const BODY_MAX: usize = 8 * 1024 * 1024;
/// Predictions at once; each holds one body. More are told to come again.
const PREDICTIONS_MAX: usize = 64;
/// Larger requests leave the event loop, so that health checks are answered meanwhile.
const INLINE_ROWS_MAX: usize = 64;
/// Time for a client to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The probability of the positive class for one row.
pub type Predict = Box<dyn Fn(&[f64]) -> f64 + Send + Sync>;

/// A model as the server uses it.
pub struct Served {
    /// Name of the model.
    pub name: String,
    /// Names of the features, in the order in which `predict` takes them.
    pub features: Vec<String>,
    /// Asks the model.
    pub predict: Predict,
}

/// How to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeOptions {
    /// The model file.
    pub model: PathBuf,
    /// Name that clients use; `None` is the one in the model file.
    pub name: Option<String>,
    /// The model's version, as text.
    pub version: String,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Name of the service, for metrics (`PAWL_SERVICE`).
    pub service: String,
    /// Number of the revision, for metrics (`PAWL_REVISION`).
    pub revision: String,
    /// A fault to show (`PAWL_REHEARSE`).
    pub rehearse: Option<Rehearsal>,
}

impl ServeOptions {
    /// What `pawl serve --model FILE` does: the rest comes from the environment that `pawl/build` and the rollout target
    /// set (`PAWL_MODEL_NAME`, `PAWL_MODEL_VERSION`, `PAWL_SERVICE`, `PAWL_REVISION`, `PAWL_REHEARSE`).
    ///
    /// # Errors
    /// User: `PAWL_REHEARSE` is no rehearsal.
    pub fn from_env(
        model: PathBuf,
        listen: SocketAddr,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, UnknownRehearsal> {
        let given = |name: &str| variable(name).filter(|text| !text.is_empty());
        Ok(Self {
            model,
            name: given("PAWL_MODEL_NAME"),
            version: given("PAWL_MODEL_VERSION").unwrap_or_else(|| "0".to_owned()),
            listen,
            service: given("PAWL_SERVICE").unwrap_or_default(),
            revision: given("PAWL_REVISION").unwrap_or_default(),
            rehearse: given("PAWL_REHEARSE").map(|text| text.parse()).transpose()?,
        })
    }
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// User: the file is not there, not a model, or of another version.
    #[error("cannot load the model {path}: {reason}")]
    Model {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Environment: the address is taken or not ours.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: std::io::Error,
    },
    /// What was asked for: see [`Rehearsal::CrashOnStart`].
    #[error("REHEARSAL crash-on-start: this server ends on purpose (PAWL_REHEARSE)")]
    Rehearsed,
}

/// Loads the model and serves until `shutdown` completes; answers under way finish.
pub async fn serve(
    options: ServeOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    if let Some(rehearsal) = options.rehearse {
        tracing::warn!("REHEARSAL {rehearsal}: this server is broken on purpose (PAWL_REHEARSE)");
    }
    if options.rehearse == Some(Rehearsal::CrashOnStart) {
        return Err(ServeError::Rehearsed);
    }
    let mut served = Served::load(&options.model)?;
    if let Some(name) = &options.name {
        served.name.clone_from(name);
    }
    let address = options.listen;
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    tracing::info!(model = served.name, version = options.version, %address, "serving");
    serve_on(listener, served, &options, shutdown).await;
    tracing::info!("stopped in order");
    Ok(())
}

impl Served {
    /// Reads a model file and checks it.
    pub fn load(path: &Path) -> Result<Self, ServeError> {
        let refused =
            |reason: String| ServeError::Model { path: path.display().to_string(), reason };
        let length = std::fs::metadata(path).map_err(|error| refused(error.to_string()))?.len();
        if length > MODEL_MAX {
            return Err(refused(format!("it has {length} bytes, at most {MODEL_MAX} are read")));
        }
        let bytes = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
        Model::from_bytes(&bytes).map(Self::from).map_err(|error| refused(error.to_string()))
    }
}

impl From<Model> for Served {
    fn from(model: Model) -> Self {
        Self {
            name: model.name().to_owned(),
            features: model.features().to_vec(),
            predict: Box::new(move |row| model.predict(row)),
        }
    }
}

/// Serves a loaded model on a listener that is there.
pub(super) async fn serve_on(
    listener: TcpListener,
    served: Served,
    options: &ServeOptions,
    shutdown: impl Future<Output = ()> + Send,
) {
    let labels = Labels {
        app: options.service.clone(),
        model: served.name.clone(),
        version: options.version.clone(),
        revision: options.revision.clone(),
    };
    let server = Arc::new(Server {
        served,
        version: options.version.clone(),
        rehearse: options.rehearse,
        metrics: Metrics::new(labels),
        places: Semaphore::new(PREDICTIONS_MAX),
        predictions: AtomicU64::new(0),
    });
    listen(listener, move |request| answer(Arc::clone(&server), request), shutdown).await;
}

struct Server {
    served: Served,
    version: String,
    rehearse: Option<Rehearsal>,
    metrics: Metrics,
    places: Semaphore,
    /// Prediction requests so far, for rehearsals.
    predictions: AtomicU64,
}

/// What a path asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Server,
    Live,
    Ready,
    Model,
    Infer,
    Predict,
    Metrics,
    OtherModel,
    Nothing,
}

fn asked(path: &str, model: &str, version: &str) -> Asked {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["v2"] => Asked::Server,
        ["v2", "health", "live"] => Asked::Live,
        ["v2", "health", "ready"] => Asked::Ready,
        ["predict"] => Asked::Predict,
        ["metrics"] => Asked::Metrics,
        ["v2", "models", name, rest @ ..] => {
            let (same_version, rest) = match rest {
                ["versions", wanted, rest @ ..] => (*wanted == version, rest),
                rest => (true, rest),
            };
            match rest {
                [] | ["ready"] | ["infer"] if *name != model || !same_version => Asked::OtherModel,
                [] => Asked::Model,
                ["ready"] => Asked::Ready,
                ["infer"] => Asked::Infer,
                _ => Asked::Nothing,
            }
        }
        _ => Asked::Nothing,
    }
}

async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Response<Body> {
    let served = &server.served;
    let asked = asked(request.uri().path(), &served.name, &server.version);
    let method = match asked {
        Asked::Infer | Asked::Predict => Method::POST,
        Asked::Nothing => {
            return refuse(StatusCode::NOT_FOUND, "no such path; try /predict or /v2/health/ready");
        }
        Asked::OtherModel => {
            let (name, version) = (&served.name, &server.version);
            let text = format!("no such model; this server has {name:?}, version {version:?}");
            return refuse(StatusCode::NOT_FOUND, &text);
        }
        _ => Method::GET,
    };
    let head = method == Method::GET && *request.method() == Method::HEAD;
    if *request.method() != method && !head {
        let mut response =
            refuse(StatusCode::METHOD_NOT_ALLOWED, &format!("use {method} for this path"));
        let allow = HeaderValue::from_str(method.as_str()).expect("a method is a header value");
        response.headers_mut().insert(ALLOW, allow);
        return response;
    }
    match asked {
        Asked::Infer => predict(&server, request, true).await,
        Asked::Predict => predict(&server, request, false).await,
        _ => describe(&server, &asked),
    }
}

/// Answers that need no body.
fn describe(server: &Server, asked: &Asked) -> Response<Body> {
    let (name, version) = (&server.served.name, &server.version);
    let ready = server.rehearse != Some(Rehearsal::NeverReady);
    let (status, body) = match asked {
        Asked::Server => {
            let program = env!("CARGO_PKG_VERSION");
            (StatusCode::OK, value!({ "name": "pawl", "version": program, "extensions": [] }))
        }
        Asked::Live => (StatusCode::OK, value!({ "live": true })),
        Asked::Ready if ready => (StatusCode::OK, value!({ "name": name, "ready": true })),
        Asked::Ready => (StatusCode::SERVICE_UNAVAILABLE, value!({ "name": name, "ready": false })),
        Asked::Metrics => {
            return typed(StatusCode::OK, "text/plain; version=0.0.4", server.metrics.page());
        }
        _ => (StatusCode::OK, oip::metadata(name, version, &server.served.features)),
    };
    json(status, &body)
}

async fn predict(
    server: &Arc<Server>,
    request: Request<Incoming>,
    protocol: bool,
) -> Response<Body> {
    let begin = Instant::now();
    let (response, rows) = match server.places.try_acquire() {
        Ok(_place) => exchange(server, request, protocol).await,
        Err(_) => {
            let text = format!("{PREDICTIONS_MAX} predictions are under way; try again");
            let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, &text);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            (response, 0)
        }
    };
    server.metrics.observe(response.status().as_u16(), begin.elapsed(), rows);
    response
}

async fn exchange(
    server: &Arc<Server>,
    request: Request<Incoming>,
    protocol: bool,
) -> (Response<Body>, usize) {
    let refused = |status, text: &str| (refuse(status, text), 0);
    let body = match tokio::time::timeout(BODY_TIMEOUT, read(request.into_body(), BODY_MAX)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return (error.response(), 0),
        Err(_) => return refused(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
    };
    let features = &server.served.features;
    let parsed = if protocol {
        oip::parse(&body, features)
    } else {
        rows::parse(&body, features).map(|rows| (None, rows))
    };
    let (id, rows) = match parsed {
        Ok(parsed) => parsed,
        Err(message) => return refused(StatusCode::BAD_REQUEST, &message),
    };
    let earlier = server.predictions.fetch_add(1, Ordering::Relaxed);
    if matches!(server.rehearse, Some(Rehearsal::ErrorsAfter(count)) if earlier >= count) {
        let text = "REHEARSAL errors-after: this answer is wrong on purpose (PAWL_REHEARSE)";
        tracing::warn!("{text}");
        return refused(StatusCode::INTERNAL_SERVER_ERROR, text);
    }
    let count = rows.len();
    let Some(probabilities) = compute(server, rows).await else {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "the model gave no finite number");
    };
    let (name, version) = (&server.served.name, &server.version);
    let answer = if protocol {
        oip::answer(name, version, id.as_deref(), &probabilities)
    } else {
        value!({ "model": name, "version": version, "predictions": probabilities })
    };
    (json(StatusCode::OK, &answer), count)
}

/// The probabilities; `None` when one is not finite or the model panicked.
async fn compute(server: &Arc<Server>, rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    if rows.len() <= INLINE_ROWS_MAX {
        return probabilities(server, &rows);
    }
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || probabilities(&server, &rows)).await.ok().flatten()
}

fn probabilities(server: &Server, rows: &[Vec<f64>]) -> Option<Vec<f64>> {
    let wrong = server.rehearse == Some(Rehearsal::WrongAnswers);
    let one = |row: &Vec<f64>| {
        let probability = (server.served.predict)(row);
        let probability = if wrong { 1.0 - probability } else { probability };
        probability.is_finite().then_some(probability)
    };
    rows.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::{Asked, asked};

    #[test]
    fn paths_are_read_as_the_protocol_has_them() {
        let cases = [
            ("/v2", Asked::Server),
            ("/v2/", Asked::Server),
            ("/v2/health/live", Asked::Live),
            ("/v2/health/ready", Asked::Ready),
            ("/v2/models/m", Asked::Model),
            ("/v2/models/m/ready", Asked::Ready),
            ("/v2/models/m/infer", Asked::Infer),
            ("/v2/models/m/versions/3/infer", Asked::Infer),
            ("/v2/models/m/versions/4/infer", Asked::OtherModel),
            ("/v2/models/other/infer", Asked::OtherModel),
            ("/v2/models/m/explain", Asked::Nothing),
            ("/v2/models", Asked::Nothing),
            ("/predict", Asked::Predict),
            ("/metrics", Asked::Metrics),
            ("/", Asked::Nothing),
        ];
        for (path, wanted) in cases {
            assert_eq!(asked(path, "m", "3"), wanted, "{path}");
        }
    }
}
