//! A request on its way: read in bounds, answered at the desk, sent in bounded memory.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderName, IF_NONE_MATCH, IF_RANGE, RANGE},
};
use tokio::{sync::Notify, time::timeout};

use crate::{
    body::FileBody,
    config::Limits,
    directory::Fingerprint,
    handle::{Asked, Desk},
    reply::{Payload, Reply},
};

/// The largest body of a request, bytes.
const BODY_LEN_MAX: usize = 8 * 1024;

type ReplyBody = Either<Full<Bytes>, FileBody>;

/// Who is at the other end of a connection.
pub(crate) struct Client {
    pub(crate) peer: SocketAddr,
    pub(crate) fingerprint: Fingerprint,
    /// Whether there are too many connections with this certificate.
    pub(crate) crowded: bool,
    /// Told when a download is not taken.
    pub(crate) stalled: Arc<Notify>,
}

/// Answers a request.
pub(crate) async fn serve(
    desk: Arc<Desk>,
    client: Arc<Client>,
    limits: Limits,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Infallible> {
    let head_only = request.method() == Method::HEAD;
    let asked = Arc::new(asked(&client, limits, request).await);
    let (at_desk, question) = (Arc::clone(&desk), Arc::clone(&asked));
    let found = tokio::task::spawn_blocking(move || at_desk.answer(&question));
    let reply = match timeout(limits.request(), found).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => {
            tracing::error!("an answer was not found: {error}");
            Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "the answer was not found; try again later")
        }
        Err(_) => Reply::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "finding the answer takes too long; try again later",
        ),
    };
    desk.metrics.answered(reply.status.as_u16());
    let line = desk.line_of(&asked, &reply);
    let Reply { status, headers, payload, .. } = reply;
    let body = match payload {
        _ if head_only => Either::Left(Full::default()),
        Payload::Bytes(bytes) => Either::Left(Full::new(bytes)),
        Payload::File(file, part) => {
            let stalled = Arc::clone(&client.stalled);
            let cut = move |sent| desk.cut(line, sent);
            Either::Right(FileBody::start(file, &part, limits.stall(), stalled, cut))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Takes from a request what an answer depends on.
async fn asked(client: &Client, limits: Limits, request: Request<Incoming>) -> Asked {
    let (head, body) = request.into_parts();
    // A value that is no text counts as given: an `If-Range` that nobody understands must not pass for none.
    let text =
        |name: HeaderName| Some(String::from_utf8_lossy(head.headers.get(name)?.as_bytes()).into_owned());
    Asked {
        peer: client.peer,
        fingerprint: client.fingerprint.clone(),
        crowded: client.crowded,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        range: text(RANGE),
        if_range: text(IF_RANGE),
        if_none_match: text(IF_NONE_MATCH),
        content_type: text(CONTENT_TYPE),
        body: if head.method == Method::POST { read(limits, body).await } else { Ok(Bytes::new()) },
        method: head.method,
    }
}

async fn read(limits: Limits, body: Incoming) -> Result<Bytes, (StatusCode, String)> {
    match timeout(limits.head(), Limited::new(body, BODY_LEN_MAX).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err((StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {BODY_LEN_MAX} bytes")))
        }
        Ok(Err(error)) => Err((StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}"))),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body did not come in time".to_owned())),
    }
}
