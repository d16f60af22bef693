//! The proxy's second door, for the rollout target alone: routes, counters, probes of one revision.
//!
//! | request | answer |
//! |---|---|
//! | `GET /status` | `{"revisions":[{number,address,weight,requests,failures,latency_us,in_flight}]}` |
//! | `PUT /routes` with `[{number,address,weight}]` | 204, once the routes are kept and live |
//! | any method `/probe/PATH` with `x-pawl-probe-address`, `x-pawl-probe-timeout-ms` | that server's answer with `x-pawl-probe: answered`, or 502 with `x-pawl-probe: unreachable` and why |
//!
//! Every request needs `authorization: Bearer TOKEN`; else 401.

use super::exchange::{json, read, refuse, typed};
use super::listen::Body;
use super::proxy::{Shared, probe};
use super::routes::{self, Route, RoutesError};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

const PROBE_ADDRESS: HeaderName = HeaderName::from_static("x-pawl-probe-address");
const PROBE_TIMEOUT: HeaderName = HeaderName::from_static("x-pawl-probe-timeout-ms");
const PROBE_RESULT: HeaderName = HeaderName::from_static("x-pawl-probe");
/// Routes and probes are small.
const BODY_MAX: usize = 8 * 1024 * 1024;
/// An answer to a probe, as the port has it.
const PROBE_ANSWER_MAX: usize = 1024 * 1024;
/// A probe that names no time.
const PROBE_TIMEOUT_MS: u64 = 5_000;

/// Answers the target.
pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    if !authorised(request.headers(), &shared.token) {
        return refuse(StatusCode::UNAUTHORIZED, "the admin listener needs its token");
    }
    let path = request.uri().path().to_owned();
    match (request.method().clone(), path.as_str()) {
        (Method::GET, "/status") => {
            json(StatusCode::OK, &serde_json::json!({ "revisions": shared.board.report() }))
        }
        (Method::PUT, "/routes") => change_routes(&shared, request).await,
        (_, path) if path.starts_with("/probe/") => pass_probe(&shared, request).await,
        _ => refuse(StatusCode::NOT_FOUND, "no such admin request"),
    }
}

/// Compares in a time that does not tell how much of the token was right.
fn authorised(headers: &HeaderMap, token: &str) -> bool {
    let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let Some(given) = given.and_then(|value| value.strip_prefix(b"Bearer ")) else { return false };
    given.len() == token.len()
        && given.iter().zip(token.as_bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

async fn change_routes(shared: &Shared, request: Request<Incoming>) -> Response<Body> {
    let body = match read(request.into_body(), BODY_MAX).await {
        Ok(body) => body,
        Err(error) => return error.response(),
    };
    let routes: Vec<Route> = match serde_json::from_slice(&body) {
        Ok(routes) => routes,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match switch(shared, &routes) {
        Ok(()) => typed(StatusCode::NO_CONTENT, "application/json", ""),
        Err(error @ RoutesError::Invalid(_)) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// Keeps the routes, then makes them live: a crash in between leaves what was acknowledged.
fn switch(shared: &Shared, routes: &[Route]) -> Result<(), RoutesError> {
    let _one = shared.changing.lock().unwrap_or_else(PoisonError::into_inner);
    routes::check(routes)?;
    routes::save(&shared.routes_file, routes)?;
    shared.board.apply(routes);
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

async fn pass_probe(shared: &Shared, request: Request<Incoming>) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let Some(address) = text(&head.headers, &PROBE_ADDRESS).map(str::to_owned) else {
        return refuse(StatusCode::BAD_REQUEST, "a probe needs x-pawl-probe-address");
    };
    let millis = text(&head.headers, &PROBE_TIMEOUT).and_then(|text| text.parse().ok());
    let timeout = Duration::from_millis(millis.unwrap_or(PROBE_TIMEOUT_MS));
    let whole = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = whole.strip_prefix("/probe").unwrap_or(whole).parse::<Uri>();
    let Ok(path) = path else { return refuse(StatusCode::BAD_REQUEST, "not a path") };
    head.uri = path;
    for name in [&AUTHORIZATION, &PROBE_ADDRESS, &PROBE_TIMEOUT] {
        head.headers.remove(name);
    }
    let body = match read(body, BODY_MAX).await {
        Ok(body) => body,
        Err(error) => return error.response(),
    };
    let exchange = async {
        let response = probe(shared, &head, &address, body, timeout).await?;
        let status = response.status();
        let body = read(response.into_body(), PROBE_ANSWER_MAX).await;
        Ok::<_, String>((status, body.map_err(|error| error.to_string())?))
    };
    let answered = tokio::time::timeout(timeout, exchange)
        .await
        .unwrap_or_else(|_| Err(format!("no answer in {} ms", timeout.as_millis())));
    let (mut response, result) = match answered {
        Ok((status, body)) => (typed(status, "application/octet-stream", body), "answered"),
        Err(why) => (typed(StatusCode::BAD_GATEWAY, "text/plain", why), "unreachable"),
    };
    response.headers_mut().insert(PROBE_RESULT, HeaderValue::from_static(result));
    response
}

#[cfg(test)]
mod tests {
    use super::authorised;
    use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};

    fn headers(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))])
    }

    #[test]
    fn only_the_whole_token_opens() {
        assert!(authorised(&headers("Bearer abcd"), "abcd"));
        for wrong in ["Bearer abc", "Bearer abce", "Bearer ", "abcd", "Basic abcd", "Bearer abcdd"]
        {
            assert!(!authorised(&headers(wrong), "abcd"), "{wrong}");
        }
        assert!(!authorised(&HeaderMap::new(), "abcd"));
    }
}
