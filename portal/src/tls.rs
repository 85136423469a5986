//! TLS with certificates on both sides.

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};

use crate::{config::TlsConfig, error::PortalError};

/// What the server shows, and whom it lets in: whoever has a valid certificate of the authorities.
pub(crate) fn server(config: &TlsConfig) -> Result<Arc<ServerConfig>, PortalError> {
    let chain = certificates("tls.certificate", &config.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&config.key)
        .map_err(|error| of_pem("tls.key", &config.key, &error, "a private key"))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates("tls.clients_ca", &config.clients_ca)? {
        let path = config.clients_ca.clone();
        roots.add(certificate).map_err(|error| PortalError::Pem {
            key: "tls.clients_ca",
            path,
            why: error.to_string(),
            wanted: "certificates of authorities",
        })?;
    }
    let provider = Arc::new(ring::default_provider());
    let failed = |error: &dyn std::error::Error| PortalError::Tls(error.to_string());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| failed(&error))?;
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(|error| failed(&error))?;
    // A resumed session would not look at the client's certificate again, which may have expired meanwhile.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(server))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, PortalError> {
    let wanted = "certificates";
    let read = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| of_pem(key, path, &error, wanted))?;
    if read.is_empty() {
        return Err(of_pem(key, path, &pem::Error::NoItemsFound, wanted));
    }
    Ok(read)
}

fn of_pem(key: &'static str, path: &Path, error: &pem::Error, wanted: &'static str) -> PortalError {
    PortalError::Pem { key, path: path.to_owned(), why: error.to_string(), wanted }
}
