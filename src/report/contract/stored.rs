//! The documents that the archive contains: their types are beside the code that stores them.

use schemars::SchemaGenerator;

use super::Document;
use crate::archive::consolidate::record::{FORMAT_VERSION, Head, Row};
use crate::archive::{accept, bundle, retired};

impl Document for accept::Acceptance {
    const NAME: &'static str = "acceptance";
    const VERSION: u32 = accept::FORMAT_VERSION;
}

impl Document for bundle::Manifest {
    const NAME: &'static str = "bundle-manifest";
}

impl Document for retired::Retired {
    const NAME: &'static str = "retired-trail";
}

/// A run record is JSON lines: the document is the first, and each further one is a `Row`.
impl Document for Head {
    const NAME: &'static str = "run-record";
    const VERSION: u32 = FORMAT_VERSION;

    fn extend(generator: &mut SchemaGenerator) {
        generator.subschema_for::<Row>();
    }
}
