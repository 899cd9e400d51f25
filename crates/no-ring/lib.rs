//! Stands in for `ring`, which `rustls-webpki` names as an optional dependency: Cargo
//! locks it although nothing builds it. Whatever comes to need it fails here, rather
//! than bring a second implementation of cryptography.

compile_error!("a dependency builds `ring`: orgtrail's cryptography is aws-lc-rs alone");
