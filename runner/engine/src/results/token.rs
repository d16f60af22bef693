//! Who asks, and what for: per-job tokens in the form that the toolkit reads, and signed addresses. Both are signed with a key
//! that only this store has, so that they hold after a crash of the runner and nowhere else.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Seconds that a token holds. Each step of an action gets one of its own; a step that saves something after a day of training
/// can still do so.
pub(super) const TOKEN_SECONDS: i64 = 36 * 3600;

/// Seconds that a signed address holds: an upload of gigabytes over a slow link.
pub(super) const ADDRESS_SECONDS: i64 = 6 * 3600;

/// What a job may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobScope {
    /// The run.
    pub run: String,
    /// The job instance.
    pub job: String,
    /// Where its caches belong: the source tree, or the repository.
    pub space: String,
    /// The reference that it saves caches for; empty when it may not save any (a fork's pull request).
    pub writes: String,
    /// References whose caches it sees, its own first.
    pub reads: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    scp: String,
    iss: String,
    nbf: i64,
    iat: i64,
    exp: i64,
    ac: String,
    pawl: JobScope,
}

/// Signs and checks.
pub(super) struct Key([u8; 32]);

impl Key {
    #[cfg(test)]
    fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The store's key, made at the first call.
    pub(super) fn of_store(file: &Path) -> io::Result<Self> {
        let read = || -> io::Result<Self> {
            let bytes: [u8; 32] = fs::read(file)?.try_into().map_err(|_| {
                io::Error::other(format!("{} is damaged: remove it", file.display()))
            })?;
            Ok(Self(bytes))
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let mut key = [0; 32];
        fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        // Whole under another name first: two processes may make it at once, and then the first one's counts.
        let pending = file.with_extension(format!("{}.part", std::process::id()));
        let mut options = fs::OpenOptions::new();
        let mut made =
            options.write(true).create(true).truncate(true).mode(0o600).open(&pending)?;
        made.write_all(&key)?;
        made.sync_all()?;
        let linked = fs::hard_link(&pending, file);
        fs::remove_file(&pending)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => read(),
        }
    }

    /// A JSON web token. `scp` is what the toolkit takes its ids from.
    pub(super) fn token(&self, scope: &JobScope, now_s: i64) -> String {
        let claims = Claims {
            scp: format!("Actions.Results:{}:{}", scope.run, scope.job),
            iss: "pawl".to_owned(),
            // A minute early: clocks of containers and their host are the same, those of virtual machines may not be.
            nbf: now_s - 60,
            iat: now_s,
            exp: now_s + TOKEN_SECONDS,
            ac: access(scope),
            pawl: scope.clone(),
        };
        let head = base64url(br#"{"alg":"HS256","typ":"JWT"}"#);
        let body = base64url(&serde_json::to_vec(&claims).unwrap_or_default());
        let signature = base64url(&self.sign(format!("{head}.{body}").as_bytes()));
        format!("{head}.{body}.{signature}")
    }

    /// The scope of a token that we signed and that holds now.
    pub(super) fn scope(&self, token: &str, now_s: i64) -> Option<JobScope> {
        let (signed, signature) = token.rsplit_once('.')?;
        if !same(base64url(&self.sign(signed.as_bytes())).as_bytes(), signature.as_bytes()) {
            return None;
        }
        let body = from_base64url(signed.split_once('.')?.1)?;
        let claims: Claims = serde_json::from_slice(&body).ok()?;
        (claims.nbf <= now_s && now_s < claims.exp).then_some(claims.pawl)
    }

    /// `PATH?se=EXPIRY&sig=SIGNATURE` for one kind of use (`put`, `get`).
    pub(super) fn address(&self, verb: &str, path: &str, now_s: i64) -> String {
        let expiry = now_s + ADDRESS_SECONDS;
        let signature = base64url(&self.sign(format!("{verb}\n{path}\n{expiry}").as_bytes()));
        format!("{path}?se={expiry}&sig={signature}")
    }

    /// True when this path was signed for this use and still holds.
    pub(super) fn allows(&self, verb: &str, path: &str, query: &str, now_s: i64) -> bool {
        let value = |name: &str| {
            query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
        };
        let (Some((_, expiry)), Some((_, signature))) = (value("se"), value("sig")) else {
            return false;
        };
        let expected = base64url(&self.sign(format!("{verb}\n{path}\n{expiry}").as_bytes()));
        expiry.parse::<i64>().is_ok_and(|expiry| now_s < expiry)
            && same(expected.as_bytes(), signature.as_bytes())
    }

    /// HMAC-SHA256, RFC 2104.
    fn sign(&self, message: &[u8]) -> [u8; 32] {
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            block.iter_mut().zip(self.0).for_each(|(pad, key)| *pad ^= key);
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
        Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
    }
}

/// The `ac` claim: references with 1 for reading, 3 for reading and writing.
fn access(scope: &JobScope) -> String {
    let one = |reference: &String| {
        let permission = if *reference == scope.writes { 3 } else { 1 };
        serde_json::json!({"Scope": reference, "Permission": permission})
    };
    serde_json::Value::from(scope.reads.iter().map(one).collect::<Vec<_>>()).to_string()
}

/// Compares without telling by its time where the two differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn base64url(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for byte in chunk {
            let digit = ALPHABET.iter().position(|known| known == byte)?;
            word = word << 6 | u32::try_from(digit).ok()?;
        }
        word <<= 6 * (4 - chunk.len());
        bytes.extend(&word.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{JobScope, Key, TOKEN_SECONDS, base64url, from_base64url};

    fn scope() -> JobScope {
        JobScope {
            run: "r".into(),
            job: "a~1".into(),
            reads: vec!["refs/heads/main".into()],
            ..JobScope::default()
        }
    }

    #[test]
    fn signatures_are_those_of_rfc_4231() {
        // Case 2, its key filled up to our length with zeros, which HMAC does by itself.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let hex: String = Key::new(key)
            .sign(b"what do ya want for nothing?")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_token_holds_for_its_store_and_its_time() {
        let (ours, other) = (Key::new([1; 32]), Key::new([2; 32]));
        let token = ours.token(&scope(), 1000);
        assert_eq!(ours.scope(&token, 1000), Some(scope()));
        assert_eq!(other.scope(&token, 1000), None);
        assert_eq!(ours.scope(&token, 1001 + TOKEN_SECONDS), None);
        let (head, rest) = token.split_once('.').unwrap();
        let forged = base64url(
            &String::from_utf8(from_base64url(rest.split('.').next().unwrap()).unwrap())
                .unwrap()
                .replace("a~1", "b")
                .into_bytes(),
        );
        assert_eq!(
            ours.scope(&format!("{head}.{forged}.{}", rest.split('.').next_back().unwrap()), 1000),
            None
        );
    }

    #[test]
    fn a_store_has_one_key_that_only_its_owner_reads() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let (first, second) = (Key::of_store(&file).unwrap(), Key::of_store(&file).unwrap());
        assert_eq!(first.0, second.0);
        assert_ne!(first.0, [0; 32]);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "short").unwrap();
        assert!(Key::of_store(&file).is_err());
    }

    #[test]
    fn an_address_is_for_one_path_one_use_and_some_hours() {
        let key = Key::new([1; 32]);
        let address = key.address("get", "/blob/1", 1000);
        let (path, query) = address.split_once('?').unwrap();
        assert!(key.allows("get", path, query, 1000));
        assert!(!key.allows("put", path, query, 1000));
        assert!(!key.allows("get", "/blob/2", query, 1000));
        assert!(!key.allows("get", path, query, 1_000_000));
        assert!(!key.allows("get", path, &query.replace("se=22600", "se=99999999"), 1000));
    }
}
