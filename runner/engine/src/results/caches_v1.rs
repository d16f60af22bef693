//! The first protocol of caches, which older versions of actions/cache speak.

use super::answer::{Body, empty, json_with, message, ok, query_value};
use super::uploads::Upload;
use super::{Caller, Inner, Refusal};
use hyper::body::Incoming;
use hyper::header::CONTENT_RANGE;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

impl Inner {
    pub(super) async fn cache_v1(
        &self,
        caller: &Caller,
        rest: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let method = request.method().clone();
        match (method, rest.split_once('/').unwrap_or((rest, ""))) {
            (Method::GET, ("cache", "")) => {
                let query = request.uri().query().unwrap_or_default();
                let keys = query_value(query, "keys").unwrap_or_default();
                let keys = keys.split(',').map(|key| key.trim().to_owned()).collect();
                let version = query_value(query, "version").unwrap_or_default();
                Ok(match self.find(caller, keys, &version).await? {
                    None => empty(StatusCode::NO_CONTENT),
                    Some(cache) => ok(&json!({
                        "archiveLocation": self.cache_address(caller, &cache),
                        "cacheKey": cache.key,
                        "scope": cache.reference,
                        "result": "hit",
                    })),
                })
            }
            (Method::POST, ("caches", "")) => {
                let message = message(request.into_body()).await?;
                let text =
                    |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
                let id = self.reserve(caller, text("key"), text("version")).await?;
                let number = u64::from_str_radix(&id, 16).map_err(|error| Refusal::ours(&error))?;
                Ok(json_with(StatusCode::CREATED, &json!({"cacheId": number})))
            }
            (Method::PATCH, ("caches", id)) => {
                let range = request.headers().get(CONTENT_RANGE);
                let range = range.and_then(|value| value.to_str().ok()).unwrap_or_default();
                let from = range.trim_start_matches("bytes ").split('-').next().unwrap_or_default();
                let from = from.parse().map_err(|_| Refusal::input("no Content-Range"))?;
                let upload = Upload::open(&self.uploads, &named(id)?)?;
                upload.is_of(caller)?;
                upload.take_at(self, from, request.into_body()).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            (Method::POST, ("caches", id)) => {
                let id = named(id)?;
                let message = message(request.into_body()).await?;
                let size = message.get("size").map(ToString::to_string).unwrap_or_default();
                self.commit_upload(caller, &id, &size).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            _ => Err(Refusal::missing("there is no such service")),
        }
    }
}

/// The upload's name from its number.
fn named(number: &str) -> Result<String, Refusal> {
    let number: u64 = number.parse().map_err(|_| Refusal::missing("there is no such upload"))?;
    Ok(format!("{number:013x}"))
}
