//! TLS, and the certificates of clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use orgtrail_base::cloudtrail::digest::sha256_hex;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

use super::watched::{OnError, Watched};
use crate::config::Access;
use crate::local_file;
use crate::words::with_causes;

/// The longest file of certificates. Units: bytes.
const LONGEST: u64 = 1 << 20;

/// What each new connection negotiates with. Renewed certificates are read when their files
/// change.
pub(super) type Tls = Watched<ServerConfig>;

/// TLS as a configuration declares it; none if it does not.
///
/// # Errors
/// A file cannot be read, or is no certificate or key.
pub(super) fn of(access: &Access) -> Result<Option<Tls>, String> {
    let (Some(certificate), Some(key)) = (&access.tls_certificate, &access.tls_key) else {
        return Ok(None);
    };
    let files = [Some(certificate), Some(key), access.client_ca.as_ref()];
    let files = files.into_iter().flatten().map(PathBuf::from).collect();
    // A renewal that is half done must not end the service.
    Watched::new(files, read, OnError::KeepOld).map(Some)
}

fn read(files: &[PathBuf]) -> Result<ServerConfig, String> {
    let [certificate, key, client_ca @ ..] = files else {
        return Err("expected a certificate and a key".to_owned());
    };
    let pem = |file: &PathBuf| {
        local_file::read(file, LONGEST)
            .map_err(|error| format!("reading `{}`: {error}", file.display()))
    };
    let certificates = certificates(certificate, &pem(certificate)?)?;
    let key_pem = pem(key)?;
    let key = PrivateKeyDer::from_pem_slice(&key_pem)
        .map_err(|_| format!("`{}` is no private key in PEM", key.display()))?;
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match client_ca.first() {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in self::certificates(file, &pem(file)?)? {
                roots.add(certificate).map_err(|error| with_causes(&error))?;
            }
            // Health checks and tokens need no certificate; one that is presented is verified.
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| with_causes(&error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config =
        builder.with_single_cert(certificates, key).map_err(|error| with_causes(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = || format!("`{}` has no certificate in PEM", file.display());
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    read.ok().filter(|certificates| !certificates.is_empty()).ok_or_else(wrong)
}

/// How logs name a client with a certificate: the beginning of its SHA-256.
pub(super) fn client_id(certificates: Option<&[CertificateDer<'_>]>) -> Option<String> {
    let mut id = sha256_hex(certificates?.first()?);
    id.truncate(16);
    Some(id)
}
