//! The log as static files over HTTP, exactly as C2SP tlog-tiles names them. Anyone may read it: it
//! names no target and no subscriber.

use std::path::PathBuf;

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tlog::tile::TilePath;

use crate::listen::Listener;

/// Serves `public/` until the process ends.
pub async fn serve(listener: Listener, public: PathBuf) -> std::io::Result<()> {
    let address = axum::serve::Listener::local_addr(&listener).ok();
    tracing::info!(?address, "serving the log over HTTP");
    axum::serve(listener, router(public)).await
}

pub fn router(public: PathBuf) -> Router {
    Router::new()
        .route("/checkpoint", get(checkpoint))
        .route("/tile/{*path}", get(tile))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(public)
}

async fn checkpoint(State(public): State<PathBuf>) -> Response {
    file(public.join("checkpoint"), "text/plain; charset=utf-8", "no-cache").await
}

async fn tile(State(public): State<PathBuf>, Path(path): Path<String>) -> Response {
    // Only the canonical name of a tile reaches the disk: no dots, no other files.
    let Ok(tile) = format!("tile/{path}").parse::<TilePath>() else {
        return (StatusCode::NOT_FOUND, "not the path of a tile\n").into_response();
    };
    // A tile never changes once it exists.
    let forever = "public, max-age=31536000, immutable";
    file(public.join(tile.to_string()), "application/octet-stream", forever).await
}

async fn file(path: PathBuf, media_type: &'static str, cache: &'static str) -> Response {
    match tokio::fs::read(path).await {
        Ok(bytes) => {
            let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, cache)];
            (headers, bytes).into_response()
        }
        Err(_) => (StatusCode::NOT_FOUND, "not there\n").into_response(),
    }
}
