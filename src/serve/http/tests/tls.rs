//! TLS, and clients with certificates.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::client::{Answer, Request, Server, exchange};

/// An authority that issues certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate and its key, in PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let issuer: &Issuer<'_, KeyPair> = &self.0;
        (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.0.pem().as_bytes()).unwrap()).unwrap();
        roots
    }
}

const TLS: &str = "tls_certificate = \"FOLDER/c.pem\"\ntls_key = \"FOLDER/k.pem\"\n";

fn write(folder: &Path, (certificate, key): &(String, String)) {
    fs::write(folder.join("c.pem"), certificate).unwrap();
    fs::write(folder.join("k.pem"), key).unwrap();
}

/// Sends a request over TLS; none if the handshake fails.
async fn send(
    server: &Server,
    authority: &Authority,
    client: Option<&(String, String)>,
    path: &str,
) -> Option<Answer> {
    let builder = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority.roots());
    let config = match client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    let request = Request::get(path).header("host", "localhost").to_string(server.address);
    Some(exchange(stream, request.as_bytes()).await)
}

#[tokio::test]
async fn over_tls_browsers_stay_with_tls() {
    let authority = Authority::new();
    let server = Server::prepared(TLS, |folder| write(folder, &authority.issue("localhost"))).await;
    let answer = send(&server, &authority, None, "/livez").await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.header("strict-transport-security").unwrap().starts_with("max-age="));
    // Without TLS there is no answer, and with another authority no connection.
    assert_eq!(server.get("/livez").await.status, 0);
    assert!(send(&server, &Authority::new(), None, "/livez").await.is_none());
}

#[tokio::test]
async fn a_client_with_a_certificate_of_the_authority_needs_no_token() {
    let (authority, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let access = format!("{TLS}client_ca = \"FOLDER/ca.pem\"\nclient_scopes = [\"read\"]\n");
    let server = Server::prepared(&access, |folder| {
        write(folder, &authority.issue("localhost"));
        fs::write(folder.join("ca.pem"), clients.0.pem()).unwrap();
    });
    let server = server.await;
    let status = "/api/v1/status";
    let with = async |client: Option<&(String, String)>, path: &str| {
        send(&server, &authority, client, path).await.map_or(0, |answer| answer.status)
    };
    let client = clients.issue("ann");
    assert_eq!(with(Some(&client), status).await, 200);
    assert_eq!(with(Some(&client), "/metrics").await, 403);
    assert_eq!(with(None, status).await, 401);
    assert_eq!(with(None, "/livez").await, 200);
    // A certificate of another authority is no certificate: the connection ends.
    assert_eq!(with(Some(&others.issue("ann")), status).await, 0);
}

#[tokio::test]
async fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
    let (authority, renewed) = (Authority::new(), Authority::new());
    let server = Server::prepared(TLS, |folder| write(folder, &authority.issue("localhost"))).await;
    assert!(send(&server, &authority, None, "/livez").await.is_some());
    fs::write(server.folder.path().join("c.pem"), "half of a certificate").unwrap();
    assert!(send(&server, &authority, None, "/livez").await.is_some());
    write(server.folder.path(), &renewed.issue("localhost"));
    assert!(send(&server, &renewed, None, "/livez").await.is_some());
    assert!(send(&server, &authority, None, "/livez").await.is_none());
}
