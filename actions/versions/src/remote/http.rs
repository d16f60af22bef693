//! A remote that is an HTTP server, spoken to as DVC speaks to it: HEAD, GET, and POST or PUT of whole objects.

use super::take_in;
use crate::VersionError;
use crate::cache::Cache;
use crate::object::ObjectId;
use crate::progress::Progress;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{
    Body, Certificate, Client, ClientBuilder, Method, RequestBuilder, Response, StatusCode,
};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

/// Requests at once: what keeps a connection of usual length busy without being rude to a small server.
const AT_ONCE: usize = 8;

/// Tries of a request that only reads; each waits longer than the last.
const TRIES: u32 = 4;

/// DVC's own limit on connecting and on silence, in seconds.
const TIMEOUT_S: f64 = 60.0;

/// Redirects that a read follows, which is more than any chain of mirrors has.
const REDIRECTS: usize = 5;

/// The settings that are understood; another one is refused, because it was written for a reason.
const KNOWN: [&str; 14] = [
    "url",
    "auth",
    "user",
    "password",
    "ask_password",
    "custom_auth_header",
    "ssl_verify",
    "method",
    "connect_timeout",
    "read_timeout",
    "verify",
    "jobs",
    "checksum_jobs",
    "no_traverse",
];

/// The server.
pub(super) struct Http {
    name: String,
    url: String,
    client: Client,
    method: Method,
    login: Option<(String, String)>,
}

impl Http {
    /// Settings may refuse with a reason and a hint.
    pub(super) fn new(
        name: &str,
        url: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, (String, String)> {
        let bad = |reason: String, hint: &str| (reason, hint.to_owned());
        if let Some(key) = settings.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(bad(
                format!("has the setting {key}, which Pawl does not know"),
                "take it out",
            ));
        }
        let get = |key: &str| settings.get(key).map(String::as_str);
        let (login, headers) = credentials(settings)?;
        let method = match get("method").unwrap_or("POST").to_uppercase().as_str() {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            _ => return Err(bad("has another method than POST and PUT".to_owned(), "choose one")),
        };
        let seconds = |key: &str| {
            let value = get(key).map_or(Ok(TIMEOUT_S), str::parse);
            let usable = value.ok().and_then(|value| Duration::try_from_secs_f64(value).ok());
            usable.ok_or_else(|| bad(format!("has no number of seconds as {key}"), "write one"))
        };
        let has_login = login.is_some() || !headers.is_empty();
        let builder = Client::builder()
            .default_headers(headers)
            .connect_timeout(seconds("connect_timeout")?)
            .read_timeout(seconds("read_timeout")?)
            .redirect(redirects(has_login));
        let builder = trust(builder, get("ssl_verify"))?;
        let client = builder.build().map_err(|error| {
            bad(format!("cannot be spoken to: {error}"), "check its settings for TLS")
        })?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { name: name.to_owned(), url, client, method, login })
    }

    /// For messages; the URL itself may hold a password.
    fn place(&self, id: &ObjectId) -> String {
        format!("remote {:?}, {}", self.name, id.key())
    }

    fn request(&self, method: Method, id: &ObjectId) -> RequestBuilder {
        let request = self.client.request(method, format!("{}/{}", self.url, id.key()));
        match &self.login {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }

    /// A request that may be made again; `None` when the server has no such object.
    async fn read(&self, method: Method, id: &ObjectId) -> Result<Option<Response>, VersionError> {
        let mut tries = 1;
        loop {
            let answer = self.request(method.clone(), id).send().await;
            let is_passing = match &answer {
                Ok(answer) => answer.status().is_server_error(),
                Err(error) => !error.is_builder() && !error.is_redirect(),
            };
            if is_passing && tries < TRIES {
                tokio::time::sleep(Duration::from_millis(100 << tries)).await;
                tries += 1;
                continue;
            }
            let answer = answer.map_err(|error| self.unreachable(id, &error))?;
            return match answer.status() {
                StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
                status if status.is_success() => Ok(Some(answer)),
                status => Err(self.refused(id, status)),
            };
        }
    }

    fn unreachable(&self, id: &ObjectId, error: &reqwest::Error) -> VersionError {
        let mut reason = "the server does not answer".to_owned();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            reason.push_str(&format!(": {error}"));
            cause = error.source();
        }
        let hint = "check the url of the remote, the network and the server";
        VersionError::environment(self.place(id), reason, hint)
    }

    fn refused(&self, id: &ObjectId, status: StatusCode) -> VersionError {
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "check auth, user and password of the remote in .dvc/config.local"
            }
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                "the server only reads, or wants the other `method` (POST or PUT)"
            }
            _ => "look into the log of the server",
        };
        VersionError::environment(self.place(id), format!("the server answers {status}"), hint)
    }

    pub(super) async fn missing(&self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, VersionError> {
        let asked = stream::iter(ids).map(|id| async move {
            let found = self.read(Method::HEAD, id).await?;
            Ok(found.is_none().then(|| id.clone()))
        });
        let absent: Vec<_> = asked.buffered(AT_ONCE).try_collect().await?;
        Ok(absent.into_iter().flatten().collect())
    }

    pub(super) async fn fetch(
        &self,
        ids: &[ObjectId],
        cache: &Cache,
        progress: &Progress,
    ) -> Result<Vec<ObjectId>, VersionError> {
        let fetched = stream::iter(ids).map(|id| async move {
            let is_there = self.fetch_one(id, cache, progress).await?;
            Ok((!is_there).then(|| id.clone()))
        });
        let absent: Vec<_> = fetched.buffered(AT_ONCE).try_collect().await?;
        Ok(absent.into_iter().flatten().collect())
    }

    async fn fetch_one(
        &self,
        id: &ObjectId,
        cache: &Cache,
        progress: &Progress,
    ) -> Result<bool, VersionError> {
        let Some(mut answer) = self.read(Method::GET, id).await? else { return Ok(false) };
        let mut scrap = cache.scrap()?;
        let chunks = answer.chunk().await;
        let mut chunk = chunks.map_err(|error| self.unreachable(id, &error))?;
        while let Some(bytes) = chunk {
            scrap.write_all(&bytes).map_err(|error| VersionError::io(scrap.path(), &error))?;
            progress.pass(bytes.len() as u64);
            chunk = answer.chunk().await.map_err(|error| self.unreachable(id, &error))?;
        }
        take_in(cache, scrap, id, &self.place(id), progress)?;
        Ok(true)
    }

    /// Objects are verified by the caller.
    pub(super) async fn send(
        &self,
        ids: &[ObjectId],
        cache: &Cache,
        progress: &Progress,
    ) -> Result<(), VersionError> {
        let sent = stream::iter(ids).map(|id| self.send_one(id, cache, progress));
        sent.buffered(AT_ONCE).try_collect::<Vec<_>>().await.map(drop)
    }

    async fn send_one(
        &self,
        id: &ObjectId,
        cache: &Cache,
        progress: &Progress,
    ) -> Result<(), VersionError> {
        let path = cache.path(id);
        let fault = |error| VersionError::io(&path, &error);
        let file = tokio::fs::File::open(&path).await.map_err(fault)?;
        let size = file.metadata().await.map_err(fault)?.len();
        let request = self.request(self.method.clone(), id).header(CONTENT_LENGTH, size);
        let answer = request.body(Body::from(file)).send().await;
        let answer = answer.map_err(|error| self.unreachable(id, &error))?;
        if !answer.status().is_success() {
            return Err(self.refused(id, answer.status()));
        }
        progress.pass(size);
        progress.finish_file();
        Ok(())
    }
}

type Login = (Option<(String, String)>, HeaderMap);

/// User and password, or the one header that stands for them.
fn credentials(settings: &BTreeMap<String, String>) -> Result<Login, (String, String)> {
    let get = |key: &str| settings.get(key).cloned();
    let hint = "set user and password with `dvc remote modify --local NAME KEY VALUE`";
    let bad = |reason: &str| (reason.to_owned(), hint.to_owned());
    match get("auth").unwrap_or_default().to_lowercase().as_str() {
        "" => Ok((None, HeaderMap::new())),
        "basic" => match (get("user"), get("password")) {
            (Some(user), Some(password)) => Ok((Some((user, password)), HeaderMap::new())),
            _ => Err(bad("has auth = basic without user or password")),
        },
        "custom" => {
            let (Some(name), Some(value)) = (get("custom_auth_header"), get("password")) else {
                return Err(bad("has auth = custom without custom_auth_header or password"));
            };
            let name = HeaderName::try_from(name);
            let name = name.map_err(|_| bad("has no name of a header as custom_auth_header"))?;
            let mut value = HeaderValue::try_from(value)
                .map_err(|_| bad("has a password that cannot be in a header"))?;
            value.set_sensitive(true);
            Ok((None, HeaderMap::from_iter([(name, value)])))
        }
        _ => Err(bad("has another auth than basic and custom")),
    }
}

/// Credentials never follow to another server.
fn redirects(has_login: bool) -> Policy {
    Policy::custom(move |attempt| {
        let from = attempt.previous().last();
        let is_same = from.is_some_and(|from| from.origin() == attempt.url().origin());
        if attempt.previous().len() > REDIRECTS {
            attempt.error("too many redirects")
        } else if has_login && !is_same {
            attempt.error("the server sends to another one, which must not see the credentials")
        } else {
            attempt.follow()
        }
    })
}

/// Which certificates count: those of the system, those of a file, or any.
fn trust(builder: ClientBuilder, verify: Option<&str>) -> Result<ClientBuilder, (String, String)> {
    match verify {
        None => Ok(builder),
        Some(word) if ["true", "1", "yes"].contains(&word.to_lowercase().as_str()) => Ok(builder),
        Some(word) if ["false", "0", "no"].contains(&word.to_lowercase().as_str()) => {
            Ok(builder.danger_accept_invalid_certs(true))
        }
        Some(file) => {
            let hint = "name a file with certificates in PEM form";
            let bad = |reason: String| (reason, hint.to_owned());
            let pem = std::fs::read(file)
                .map_err(|error| bad(format!("has ssl_verify = {file}: {error}")))?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .map_err(|error| bad(format!("has ssl_verify = {file}: {error}")))?;
            Ok(certificates.into_iter().fold(builder, ClientBuilder::add_root_certificate))
        }
    }
}
