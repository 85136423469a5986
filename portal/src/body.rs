//! Sending a file in bounded memory.

use std::{
    fs::File,
    io,
    ops::RangeInclusive,
    os::unix::fs::FileExt as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};

/// Bytes read and handed over at a time.
const CHUNK_LEN: u64 = 128 * 1024;

/// A part of a file on its way.
pub(crate) struct FileBody {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    sent: u64,
    left: u64,
    cut: Option<Box<dyn FnOnce(u64) + Send + Sync>>,
}

impl FileBody {
    /// Begins to send. If the client does not take the next chunk within `stall`, `stalled` is told; if the download
    /// ends early, `cut` is called with the bytes that were handed over.
    pub(crate) fn start(
        file: File,
        part: &RangeInclusive<u64>,
        stall: Duration,
        stalled: Arc<Notify>,
        cut: impl FnOnce(u64) + Send + Sync + 'static,
    ) -> Self {
        let left = part.end().saturating_sub(*part.start()).saturating_add(1);
        let (sender, chunks) = mpsc::channel(1);
        tokio::spawn(feed(Arc::new(file), *part.start(), left, sender, stall, stalled));
        Self { chunks, sent: 0, left, cut: Some(Box::new(cut)) }
    }
}

async fn feed(
    file: Arc<File>,
    mut at: u64,
    mut left: u64,
    chunks: mpsc::Sender<io::Result<Bytes>>,
    stall: Duration,
    stalled: Arc<Notify>,
) {
    while left > 0 {
        let len = left.min(CHUNK_LEN);
        let source = Arc::clone(&file);
        let read = tokio::task::spawn_blocking(move || read(&source, at, len)).await;
        let chunk = read.unwrap_or_else(|error| Err(io::Error::other(error)));
        let failed = chunk.is_err();
        match timeout(stall, chunks.send(chunk)).await {
            Ok(Ok(())) if !failed => {}
            Ok(_) => return,
            Err(_) => {
                stalled.notify_one();
                return;
            }
        }
        at = at.saturating_add(len);
        left = left.saturating_sub(len);
    }
}

fn read(file: &File, at: u64, len: u64) -> io::Result<Bytes> {
    let mut chunk = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut chunk, at)?;
    Ok(chunk.into())
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.chunks.poll_recv(context).map(|chunk| match chunk {
            Some(Ok(chunk)) => {
                let len = chunk.len() as u64;
                self.sent = self.sent.saturating_add(len);
                self.left = self.left.saturating_sub(len);
                Some(Ok(Frame::data(chunk)))
            }
            Some(Err(error)) => {
                tracing::error!("a published file cannot be read to its end: {error}");
                Some(Err(error))
            }
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for FileBody {
    fn drop(&mut self) {
        if self.left > 0
            && let Some(cut) = self.cut.take()
        {
            cut(self.sent);
        }
    }
}
