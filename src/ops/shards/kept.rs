//! The result of a shard, as it is kept.

use std::collections::BTreeMap;

use jiff::Timestamp;
use orgtrail_base::cloudtrail::digest::sha256_hex;
use serde::{Deserialize, Serialize};

use super::error::Ungathered;
use crate::archive::shard::ShardNumber;
use crate::events::export::Exported;
use crate::names::OrgId;
use crate::ops::consolidate::Consolidated;
use crate::ops::round::ShardRound;
use crate::ops::verify::Examination;
use crate::ops::{Env, OpError};
use crate::words::json_fault;

/// The folder of the results below the place that the user names.
pub(super) const FOLDER: &str = "shards/";

/// The key of a shard's result below that place.
pub(super) fn key(shard: ShardNumber) -> String {
    format!("{FOLDER}{:05}-of-{:05}.json", shard.number(), shard.count())
}

/// The result of a shard, and of which work.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) shard: ShardNumber,
    pub(super) work: Work,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    pub(super) result: ShardResult,
}

/// What all shards of a run have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Work {
    /// The program and its version.
    program: String,
    command: String,
    /// What the command was asked, by option.
    asked: BTreeMap<String, String>,
    /// SHA-256 of the effective configuration.
    configuration: Option<String>,
    /// SHA-256 of the manifest of the units.
    units: Option<String>,
    organization: Option<OrgId>,
}

/// What a shard found or did.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ShardResult {
    Verification(Box<Examination>),
    Consolidation(Box<Consolidated>),
    Export(Box<Exported>),
    Round(Box<ShardRound>),
}

impl ShardResult {
    pub(super) fn was_stopped(&self) -> bool {
        match self {
            Self::Verification(it) => it.was_stopped(),
            Self::Consolidation(it) => it.was_stopped(),
            Self::Export(it) => it.was_stopped,
            Self::Round(it) => it.was_stopped(),
        }
    }
}

impl Work {
    pub(super) fn new(
        env: &Env,
        command: &str,
        asked: BTreeMap<&'static str, String>,
        units: Option<String>,
    ) -> Result<Self, OpError> {
        let config = env.valid_config().map(crate::config::Config::to_toml).transpose();
        let config = config.map_err(OpError::unexpected)?;
        Ok(Self {
            program: format!("orgtrail {}", env!("CARGO_PKG_VERSION")),
            command: command.to_owned(),
            asked: asked.into_iter().map(|(option, value)| (option.to_owned(), value)).collect(),
            configuration: config.map(|text| sha256_hex(text.as_bytes())),
            units,
            organization: None,
        })
    }

    /// The same, of the organization that the shard was signed in to.
    pub(super) fn signed_in(self, env: &Env) -> Self {
        let organization = env.session().identity().and_then(|it| it.organization.clone());
        Self { organization, ..self }
    }

    /// Checks that a result with this is one of the `expected` work. Before a shard is signed in,
    /// its organization is not compared.
    pub(super) fn check(&self, expected: &Self, name: &str) -> Result<(), Ungathered> {
        let differs =
            |what: &str, found: &dyn std::fmt::Display, expected: &dyn std::fmt::Display| {
                Err(Ungathered::OtherWork {
                    name: name.to_owned(),
                    what: what.to_owned(),
                    found: found.to_string(),
                    expected: expected.to_string(),
                })
            };
        if self.program != expected.program {
            return differs("the program", &self.program, &expected.program);
        }
        if self.command != expected.command {
            return differs("the command", &self.command, &expected.command);
        }
        let options = self.asked.keys().chain(expected.asked.keys());
        for option in options {
            let [found, wanted] = [&self.asked, &expected.asked]
                .map(|asked| asked.get(option).map_or("absent", String::as_str));
            if found != wanted {
                return differs(&format!("`{option}`"), &found, &wanted);
            }
        }
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        for (what, found, wanted) in [
            ("the SHA-256 of the configuration", &self.configuration, &expected.configuration),
            ("the SHA-256 of the manifest of `--units`", &self.units, &expected.units),
        ] {
            if found != wanted {
                return differs(what, &or_none(found), &or_none(wanted));
            }
        }
        if let (Some(found), Some(wanted)) = (&self.organization, &expected.organization)
            && found != wanted
        {
            return differs("the organization", found, wanted);
        }
        Ok(())
    }
}

impl Kept {
    /// The result in a file.
    pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Self, Ungathered> {
        let not = |why: String| Ungathered::NotAResult { name: name.to_owned(), why };
        // Of another version, its fields may be others.
        let program = serde_json::from_slice::<AnyVersion>(bytes);
        let program = program.map_err(|error| not(json_fault(&error)))?.work.program;
        let own = format!("orgtrail {}", env!("CARGO_PKG_VERSION"));
        if program != own {
            return Err(not(format!("{program} wrote it, and this is {own}")));
        }
        serde_json::from_slice(bytes).map_err(|error| not(json_fault(&error)))
    }
}

/// What every version has.
#[derive(Deserialize)]
struct AnyVersion {
    work: AnyWork,
}

#[derive(Deserialize)]
struct AnyWork {
    program: String,
}
