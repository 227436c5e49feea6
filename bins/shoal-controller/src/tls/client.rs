//! Certificates of clients. The main listener asks for one and takes any, since a BMC that shows its
//! own must not lose its media for it; whether one is of our machines is judged once per connection,
//! and only the webhook minds.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConnection, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};
use shoal_api::ClientCertificate;

use super::{Error, chain, provider};
use crate::settings::WebhookMtls;

/// What is thought of the certificates that clients show. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients(Option<Arc<dyn ClientCertVerifier>>);

impl Clients {
    /// Nobody is asked without `wanted`.
    pub(super) fn of(wanted: Option<&WebhookMtls>) -> Result<Self, Error> {
        let Some(WebhookMtls { client_ca_file: path, .. }) = wanted else {
            return Ok(Self::default());
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(chain(path)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let verifier = verifier
            .build()
            .map_err(|source| Error::ClientAuthority { path: path.clone(), source })?;
        Ok(Self(Some(verifier)))
    }

    /// What asks during handshakes.
    pub(super) fn asker(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        self.0.clone().map(|judge| Arc::new(Asker(judge)) as Arc<dyn ClientCertVerifier>)
    }

    /// What the client of this connection has shown.
    pub(crate) fn shown(&self, connection: &ServerConnection) -> ClientCertificate {
        let shown = connection.peer_certificates().unwrap_or_default();
        let (Some(judge), Some((leaf, rest))) = (&self.0, shown.split_first()) else {
            return ClientCertificate::None;
        };
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = UnixTime::since_unix_epoch(since_epoch.unwrap_or(Duration::ZERO));
        match judge.verify_client_cert(leaf, rest, now) {
            Ok(_) => ClientCertificate::Trusted,
            Err(error) => {
                tracing::debug!(%error, "a client shows a certificate of somebody else's");
                ClientCertificate::Foreign
            }
        }
    }
}

/// Asks for a certificate and takes any, as long as the client has its key.
#[derive(Debug)]
struct Asker(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Asker {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
