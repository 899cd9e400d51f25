//! The supplier of a bundle or mirror.
