/// Permission to change the world.
///
/// Only this module's effects make one, after everything that asks for a
/// confirmation has got it; what only looks, never holds one.
#[derive(Debug)]
pub(crate) struct WriteAuthority(());

impl WriteAuthority {
    pub(super) fn granted() -> Self {
        Self(())
    }
}
