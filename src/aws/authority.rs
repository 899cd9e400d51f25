use std::ops::Deref;

use super::Clients;

/// Permission to change something in AWS.
///
/// The caller of [`Self::granted`] states that the user requested the change and confirmed
/// it. Code that only reads never has one, and without one no client can write.
#[derive(Debug)]
pub struct WriteAuthority(());

impl WriteAuthority {
    /// Grants it: after everything that needs a confirmation has got it.
    #[must_use]
    pub fn granted() -> Self {
        Self(())
    }
}

/// The clients of one account and Region, for calls that change something.
///
/// Derefs to the [`Clients`] that it was made from.
#[derive(Debug, Clone)]
pub struct WriteClients(pub(super) Clients);

impl WriteClients {
    /// The same clients with all operations of their services.
    #[must_use]
    pub fn new(clients: &Clients, _authority: &WriteAuthority) -> Self {
        Self(clients.clone())
    }
}

impl Deref for WriteClients {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.0
    }
}
