//! Stores that speak S3.

use std::sync::{Arc, mpsc};

use object_store::{
    ObjectStore,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum},
    path::Path,
    prefix::PrefixStore,
};
use tokio::runtime::{Builder, Runtime};

use crate::{ObjectsError, place::Place};

/// The thread that drives requests.
pub(crate) struct Driver(Option<Runtime>);

impl Driver {
    fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(4)
            .thread_name("objects")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Has the thread do it and waits, so that also a thread of another runtime may call.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> object_store::Result<T> {
        let ended = || object_store::Error::Generic { store: "S3", source: "its thread has ended".into() };
        let (told, hear) = mpsc::sync_channel(1);
        // Whoever waits may be gone: nobody is left to tell.
        let task = async move { drop(told.send(future.await)) };
        drop(self.0.as_ref().ok_or_else(ended)?.spawn(task));
        hear.recv().map_err(|_| ended())?
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Opens `s3://BUCKET/PREFIX`; everything else comes from the environment's `AWS_…`.
pub(crate) fn open(url: &str) -> Result<(Arc<dyn ObjectStore>, Place), ObjectsError> {
    type Source = Box<dyn std::error::Error + Send + Sync>;
    let failed = |source: Source| ObjectsError::Open { place: url.to_owned(), source };
    let rest = url.strip_prefix("s3://");
    let rest = rest.ok_or_else(|| failed("only folders and s3://BUCKET/PREFIX are known".into()))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(failed("the bucket is missing: s3://BUCKET/PREFIX".into()));
    }
    // The first one in the process counts; another is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    let builder = match builder.get_config_value(&AmazonS3ConfigKey::Endpoint) {
        Some(endpoint) if endpoint.starts_with("http://") => builder.with_allow_http(true),
        _ => builder,
    };
    let store = builder.with_checksum_algorithm(Checksum::SHA256).build().map_err(|e| failed(e.into()))?;
    let runtime = Arc::new(Driver::start().map_err(|e| failed(e.into()))?);
    let prefix = prefix.trim_end_matches('/');
    let store: Arc<dyn ObjectStore> = if prefix.is_empty() {
        Arc::new(store)
    } else {
        Arc::new(PrefixStore::new(store, Path::parse(prefix).map_err(|e| failed(e.into()))?))
    };
    Ok((store, Place::S3 { url: url.to_owned(), runtime }))
}
