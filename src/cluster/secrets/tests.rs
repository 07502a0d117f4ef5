//! Against an API server in this process: kube's real client over a service that answers what is set.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};

use http::{Request, Response};
use kube::client::Body;

use super::*;

/// Answers each GET of a Secret after its name; counts requests.
#[derive(Clone, Default)]
struct ApiServer {
    requests: Arc<AtomicU32>,
    secrets: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    code: Arc<AtomicU32>,
    silent: bool,
}

impl ApiServer {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                server.requests.fetch_add(1, Ordering::SeqCst);
                if server.silent {
                    std::future::pending::<()>().await;
                }
                // All that wait for one answer are waiting before it comes.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok::<_, Infallible>(server.answer(request.uri().path()))
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, path: &str) -> Response<Body> {
        let name = path.strip_prefix("/api/v1/namespaces/team/secrets/").expect("a get of a Secret in team");
        let value = self.secrets.lock().unwrap().get(name).cloned();
        let (code, body) = match (self.code.load(Ordering::SeqCst), value) {
            (0, Some(value)) => {
                let data = BTreeMap::from([("key", k8s_openapi::ByteString(value))]);
                (200, serde_json::json!({"metadata": {"name": name}, "data": data}))
            }
            (0, None) => (404, serde_json::json!({"status": "Failure", "reason": "NotFound", "code": 404})),
            (403, _) => (403, serde_json::json!({"status": "Failure", "reason": "Forbidden", "code": 403})),
            (code, _) => {
                (code, serde_json::json!({"status": "Failure", "reason": "InternalError", "code": code}))
            }
        };
        let body = serde_json::to_vec(&body).unwrap();
        Response::builder().status(u16::try_from(code).unwrap()).body(Body::from(body)).unwrap()
    }

    fn set(&self, name: &str, value: &[u8]) {
        self.secrets.lock().unwrap().insert(name.to_owned(), value.to_vec());
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::SeqCst)
    }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn value(reader: &SecretReader, name: &str) -> Option<Vec<u8>> {
    let found = reader.read("team", &names(&[name])).await.unwrap();
    found[name].as_ref().map(|data| data["key"].clone())
}

#[tokio::test(start_paused = true)]
async fn a_rotated_secret_is_in_use_after_thirty_seconds() {
    let server = ApiServer::default();
    server.set("agora", b"old");
    let reader = SecretReader::new(server.client(), 1);
    assert_eq!(value(&reader, "agora").await.unwrap(), b"old");
    server.set("agora", b"new");
    tokio::time::advance(Duration::from_secs(29)).await;
    assert_eq!(value(&reader, "agora").await.unwrap(), b"old");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(value(&reader, "agora").await.unwrap(), b"new");
    assert_eq!(server.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_appears_is_found_well_within_fifteen_seconds() {
    let server = ApiServer::default();
    let reader = SecretReader::new(server.client(), 1);
    assert_eq!(value(&reader, "agora").await, None);
    server.set("agora", b"there");
    assert_eq!(value(&reader, "agora").await, None, "remembered for those who look now");
    tokio::time::advance(ABSENT_FOR).await;
    assert_eq!(value(&reader, "agora").await.unwrap(), b"there");
}

#[tokio::test(start_paused = true)]
async fn present_and_absent_are_told_apart_in_one_read() {
    let server = ApiServer::default();
    server.set("agora", b"there");
    let found =
        SecretReader::new(server.client(), 1).read("team", &names(&["agora", "bucket"])).await.unwrap();
    assert!(found["agora"].is_some() && found["bucket"].is_none() && found.len() == 2);
}

#[tokio::test(start_paused = true)]
async fn fifty_jobs_ask_once() {
    let server = ApiServer::default();
    server.set("agora", b"there");
    let reader = SecretReader::new(server.client(), 1);
    futures::future::join_all((0..50).map(|_| value(&reader, "agora"))).await;
    assert_eq!(server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_secret_is_an_error_that_names_the_permission_and_not_an_absent_one() {
    let server = ApiServer::default();
    server.code.store(403, Ordering::SeqCst);
    let reader = SecretReader::new(server.client(), 1);
    let error = reader.read("team", &names(&["agora"])).await.unwrap_err();
    assert!(matches!(error, SecretError::Forbidden { .. }));
    assert!(error.to_string().contains("verb get on secrets in namespace team"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_heals_soon_and_its_words_are_stable() {
    let server = ApiServer::default();
    server.set("agora", b"there");
    server.code.store(500, Ordering::SeqCst);
    let reader = SecretReader::new(server.client(), 1);
    let error = reader.read("team", &names(&["agora"])).await.unwrap_err();
    assert!(error.to_string().ends_with("the API server answered 500"), "{error}");
    server.code.store(0, Ordering::SeqCst);
    tokio::time::advance(FAILED_FOR).await;
    assert_eq!(value(&reader, "agora").await.unwrap(), b"there");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_holds_all_waiters_for_one_limit_only() {
    let server = ApiServer { silent: true, ..ApiServer::default() };
    let reader = SecretReader::new(server.client(), 1);
    let before = Instant::now();
    let wanted = names(&["agora"]);
    let all = futures::future::join_all((0..20).map(|_| reader.read("team", &wanted))).await;
    assert_eq!(before.elapsed(), CALL_LIMIT);
    assert!(all.iter().all(Result::is_err));
}

#[tokio::test(start_paused = true)]
async fn what_was_found_wanting_is_asked_for_again() {
    let server = ApiServer::default();
    server.set("agora", b"wrong");
    let reader = SecretReader::new(server.client(), 1);
    value(&reader, "agora").await;
    server.set("agora", b"right");
    reader.forget("team", "agora");
    assert_eq!(value(&reader, "agora").await.unwrap(), b"right");
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded() {
    let server = ApiServer::default();
    server.set("fat", &vec![7; MOST_BYTES]);
    let reader = SecretReader::new(server.client(), 1);
    for number in 0..MOST_SECRETS + 10 {
        let name = format!("s{number}");
        drop(reader.slot("team", &name));
    }
    assert_eq!(reader.slots().by_name.len(), MOST_SECRETS);
    tokio::time::advance(PRESENT_FOR).await;
    value(&reader, "fat").await;
    assert_eq!(reader.slots().by_name.len(), 1, "what nobody asks for any more is dropped");
    value(&reader, "fat").await;
    assert_eq!(server.requests(), 2, "a fat Secret is not remembered");
}

#[tokio::test(start_paused = true)]
async fn debug_shows_no_value() {
    let server = ApiServer::default();
    server.set("agora", b"hunter2");
    let reader = SecretReader::new(server.client(), 1);
    value(&reader, "agora").await;
    assert_eq!(format!("{reader:?}"), "SecretReader { remembered: 1, .. }");
}
