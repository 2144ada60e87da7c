//! Sessions of TLS for resumption: a device resumes only its own, like a device with a session cache.
//!
//! A store that all devices share would let the first connection of one device resume a session of another, and no
//! broker sees such handshakes from real devices.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

use crate::credentials::ClientCertificate;

/// Certificate of one device, and its sessions with its broker, created for its first TLS connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceSessions {
    sessions: Option<Arc<Sessions>>,
    /// Client certificate of the device, instead of that of the fleet.
    certificate: Option<Arc<ClientCertificate>>,
}

impl DeviceSessions {
    /// Sets the certificate for the next connection. Sessions of another certificate end.
    pub(crate) fn set_certificate(&mut self, certificate: Option<Arc<ClientCertificate>>) {
        if self.certificate.as_ref().map(Arc::as_ptr) != certificate.as_ref().map(Arc::as_ptr) {
            self.sessions = None;
        }
        self.certificate = certificate;
    }

    pub(super) fn certificate(&self) -> Option<&ClientCertificate> {
        self.certificate.as_deref()
    }

    pub(super) fn store(&mut self) -> Arc<dyn ClientSessionStore> {
        Arc::clone(self.sessions.get_or_insert_default()) as Arc<dyn ClientSessionStore>
    }
}

/// Newest session of each version. Brokers send several tickets; one is enough for a device with one connection.
#[derive(Debug, Default)]
struct Sessions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    group: Option<NamedGroup>,
    tls12: Option<Box<Tls12ClientSessionValue>>,
    tls13: Option<Box<Tls13ClientSessionValue>>,
}

impl Sessions {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A device has one broker, under one name.
impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.state().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.state().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.state().tls12 = Some(Box::new(session));
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.state().tls12.as_deref().cloned()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.state().tls12 = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, session: Tls13ClientSessionValue) {
        self.state().tls13 = Some(Box::new(session));
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.state().tls13.take().map(|session| *session)
    }
}
