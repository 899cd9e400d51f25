//! Arguments that several of the commands have.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::cli::verify::ScopeOptions;
use crate::cli::{Context, OpError};
use crate::names::{AccountId, Region};
use crate::ops::Env;
use crate::ops::events::PlaceRequest;
use crate::ops::verify::Scope;

/// Where events are read, and how they are proven.
#[derive(Debug, clap::Args)]
pub(super) struct Reading {
    /// `s3://bucket/prefix`, a directory of log files, or an evidence bundle. Default: the
    /// archive of the configuration.
    #[arg(long = "in", value_name = "PLACE")]
    pub(super) place: Option<String>,

    /// The account that must own the bucket of --in. Default: as for `verify`.
    #[arg(long, value_name = "ID")]
    bucket_owner: Option<AccountId>,

    /// Mark what is found as proven, unproven or contradicted by the digests that list its log
    /// files. Verifies the digests and log files of the accounts, Regions and time that are
    /// read.
    #[arg(long)]
    proof: bool,

    /// Public keys for --proof, as printed by `aws cloudtrail list-public-keys`.
    #[arg(long, value_name = "FILE", requires = "proof")]
    public_keys: Option<PathBuf>,

    /// Call no AWS API for --proof. The place must be a directory or a bundle.
    #[arg(long, requires = "proof")]
    offline: bool,
}

/// Whose log files are read.
#[derive(Debug, clap::Args)]
pub(super) struct Selected {
    /// Only events recorded for this account. Can be repeated.
    #[arg(long, value_name = "ID")]
    account: Vec<AccountId>,

    /// Only events of this Region. Can be repeated.
    #[arg(long)]
    region: Vec<Region>,
}

impl Reading {
    /// The environment: a directory needs no configuration.
    pub(super) fn env(&self, context: &Context) -> Result<Env, OpError> {
        if self.place.is_some() && context.load().is_err() {
            return context.env_of_caller();
        }
        context.env()
    }

    /// Where, and how to prove it, if that is asked for.
    pub(super) fn into_request(self) -> (PlaceRequest, Option<Scope>) {
        let scope = Scope::from(ScopeOptions {
            bucket_owner: self.bucket_owner.clone(),
            public_keys: self.public_keys,
            offline: self.offline,
            ..ScopeOptions::default()
        });
        let place = PlaceRequest { name: self.place, bucket_owner: self.bucket_owner };
        (place, self.proof.then_some(scope))
    }
}

impl Selected {
    /// The accounts and the Regions; all if empty.
    pub(super) fn into_sets(self) -> (BTreeSet<AccountId>, BTreeSet<Region>) {
        (self.account.into_iter().collect(), self.region.into_iter().collect())
    }
}
