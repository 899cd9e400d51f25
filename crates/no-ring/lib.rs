//! Stands in for `ring`, an optional dependency of `rustls-webpki` that Cargo locks
//! although nothing builds it. A crate that requires `ring` fails to compile here, so that
//! no second implementation of cryptography is added.

compile_error!("a dependency builds `ring`: orgtrail's cryptography is aws-lc-rs alone");
