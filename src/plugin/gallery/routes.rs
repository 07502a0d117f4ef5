//! What can be asked of the gallery: the page, what is new, pieces of a time line, snapshots.
//!
//! A snapshot is asked for by user and time and looked up among those that were seen of the job's sessions; no part of an
//! address ever becomes a part of a key, so nothing else in the bucket can be had.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;

use super::album::Album;
use super::gate::{self, Gate};
use super::told::{Piece, Told};
use crate::snapshots::ReadProblem;

/// Files of the page by name, with type and text.
const PAGE: [(&str, &str, &str); 6] = [
    ("", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("gallery.css", "text/css; charset=utf-8", include_str!("page/gallery.css")),
    ("gallery.js", "text/javascript; charset=utf-8", include_str!("page/gallery.js")),
    ("timeline.js", "text/javascript; charset=utf-8", include_str!("page/timeline.js")),
    ("words.js", "text/javascript; charset=utf-8", include_str!("page/words.js")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

/// Longest piece of a time line.
const LONGEST: usize = 200;

/// Everything behind the gate. The first segment of each path is the token, which the gate has seen.
pub(super) fn of(album: Arc<Album>, gate: Gate) -> Router {
    let mut router = Router::new();
    for (name, kind, text) in PAGE {
        let file = get(async move || ([(header::CONTENT_TYPE, kind)], text));
        router = router.route(&format!("/{{token}}/{name}"), file);
    }
    router
        .route("/{token}", get(async |Path(token): Path<String>| Redirect::temporary(&format!("/{token}/"))))
        .route("/{token}/state", get(state))
        .route("/{token}/users/{uid}/times", get(times))
        .route("/{token}/snapshots/{uid}/{file}", get(snapshot))
        .layer(middleware::from_fn_with_state(gate, gate::keep))
        .with_state(album)
}

async fn state(State(album): State<Arc<Album>>) -> Json<Told> {
    let shown = album.refreshed().await;
    Json(Told::of(&shown, Timestamp::now()))
}

/// Which piece of a time line; without bounds, the newest.
#[derive(Deserialize)]
struct Bounds {
    /// Only those before, and of these the newest.
    before: Option<i64>,
    /// Only those after, and of these the oldest.
    after: Option<i64>,
    /// At most so many.
    most: Option<usize>,
}

async fn times(
    State(album): State<Arc<Album>>,
    Path((_token, uid)): Path<(String, u32)>,
    Query(bounds): Query<Bounds>,
) -> Response {
    let most = bounds.most.unwrap_or(LONGEST).min(LONGEST);
    let time = |milliseconds: Option<i64>| milliseconds.map(Timestamp::from_millisecond).transpose();
    let (Ok(before), Ok(after)) = (time(bounds.before), time(bounds.after)) else {
        return (StatusCode::BAD_REQUEST, "A time is milliseconds since 1970.\n").into_response();
    };
    let shown = album.shown();
    let mut times = match after {
        Some(after) => shown.inventory.times_after(uid, after, most),
        None => shown.inventory.times(uid, before.unwrap_or(Timestamp::MAX), most),
    };
    times.sort_unstable();
    Json(Piece { times: times.into_iter().map(Timestamp::as_millisecond).collect() }).into_response()
}

async fn snapshot(
    State(album): State<Arc<Album>>,
    Path((_token, uid, file)): Path<(String, u32, String)>,
) -> Response {
    let shown = album.shown();
    let taken = file.strip_suffix(".jpg").and_then(|taken| taken.parse().ok());
    let taken = taken.and_then(|taken| Timestamp::from_millisecond(taken).ok());
    let found = taken.and_then(|taken| shown.inventory.find(uid, taken));
    let (Some(found), Some(bucket)) = (found, &shown.bucket) else {
        return (StatusCode::NOT_FOUND, "There is no such snapshot.\n").into_response();
    };
    let permit = album.reading.acquire().await;
    let read = bucket.content.read(&found.key).await;
    drop(permit);
    match read {
        Ok(bytes) => ([(header::CONTENT_TYPE, "image/jpeg")], bytes).into_response(),
        Err(ReadProblem::Gone(_)) => {
            (StatusCode::NOT_FOUND, "This snapshot is no longer in the bucket.\n").into_response()
        }
        // The words of the others may name the key.
        Err(ReadProblem::TooLarge { .. }) => {
            (StatusCode::BAD_GATEWAY, "This file is too large for a snapshot.\n").into_response()
        }
        Err(problem @ (ReadProblem::AccessDenied | ReadProblem::Bucket(_))) => {
            (StatusCode::BAD_GATEWAY, format!("{problem}\n")).into_response()
        }
    }
}
